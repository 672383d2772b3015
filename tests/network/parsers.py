"""Every parser at once, over one frame: for the readings to agree on, and for fuzzing."""

from __future__ import annotations

from neokernel.lang import Span, struct, u8, u32, u64, usize, wrapping_mul
from neokernel.services.network import arp, ethernet, icmp, ipv4, udp
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.drop import Drop
from neokernel.services.network.segment import Segment


@struct
class Digest:
    """What was seen, in a number."""

    number: u64 = 0

    def add(self, seen: u64) -> None:
        self.number = wrapping_mul(self.number ^ seen, 0x9E3779B97F4A7C15) ^ self.number >> 29

    def dropped(self, reason: Drop) -> None:
        self.add(u64(reason.value) + 1000)


def look(frame: Span[u8], verified: bool) -> u64:
    """A digest of every field that is found; the lowest byte says how far it came."""
    digest = Digest()
    level = look_into(digest, frame, verified)
    return (digest.number & ~u64(0xFF)) | level


def look_into(digest: Digest, frame: Span[u8], verified: bool) -> u64:
    outer = ethernet.parse(frame)
    if isinstance(outer, Drop):
        digest.dropped(outer)
        return 0
    digest.add(outer.source.number)
    digest.add(outer.destination.number)
    inner = frame[ethernet.SIZE :]
    if outer.kind == ethernet.ARP:
        question = arp.parse(inner)
        if isinstance(question, Drop):
            digest.dropped(question)
            return 1
        digest.add(question.sender_link.number ^ u64(question.target.number) << 8)
        digest.add(question.target_link.number ^ u64(question.sender.number) << 8)
        return 2
    if outer.kind != ethernet.IPV4:
        return 0
    packet = ipv4.parse(inner)
    if isinstance(packet, Drop):
        digest.dropped(packet)
        return 3
    digest.add(u64(packet.source.number) << 32 | u64(packet.destination.number))
    digest.add(packet.offset << 32 | packet.length << 8 | packet.payload)
    data = inner[packet.payload : packet.length]
    pseudo = pseudo_header(packet.source, packet.destination, packet.protocol, 0)
    match packet.protocol:
        case 1:
            message = icmp.parse(data)
            if isinstance(message, Drop):
                digest.dropped(message)
                return 4
            digest.add(u64(message.kind) << 40 | u64(message.code) << 32 | u64(message.rest))
            return 5 + u64(message.is_error())
        case 6:
            return look_into_segment(digest, data, pseudo + u32(len(data)), verified)
        case 17:
            datagram = udp.parse(data, pseudo, verified)
            if isinstance(datagram, Drop):
                digest.dropped(datagram)
                return 7
            digest.add(u64(datagram.source) << 32 | u64(datagram.destination) << 16 | datagram.length)
            return 8
        case _:
            return 9


def look_into_segment(digest: Digest, data: Span[u8], pseudo: u32, verified: bool) -> u64:
    segment = Segment()
    wrong = segment.parse(data, pseudo, verified)
    if wrong is not None:
        digest.dropped(wrong)
        return 10
    assert segment.payload + usize(segment.length) == len(data) and segment.payload <= 60
    digest.add(u64(segment.sequence) << 32 | u64(segment.acknowledgment))
    digest.add(u64(segment.flags) << 32 | u64(segment.window) << 16 | u64(segment.mss))
    digest.add(u64(segment.scale) << 8 | u64(segment.sack_permitted) << 1 | u64(segment.timed))
    digest.add(u64(segment.time) << 32 | u64(segment.echo) if segment.timed else 0)
    for block in segment.blocks[: segment.block_count]:
        digest.add(u64(block.left) << 32 | u64(block.right))
    return 11
