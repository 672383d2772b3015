"""Frames that nobody asked for, made to be trouble: SYNs from everywhere, strangers' packets, forged and damaged ones.

    with flood(relay, syns(Random(1), 80)) as count: …      # as many as the machine takes, for as long as this lasts

None of them could come from a peer that takes part in a connection, or reads what passes there: such a one could say
anything in another's name. So whatever they do, other connections have to go on as if they weren't there.
"""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.network.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    URG,
    Tcp,
    arp,
    ethernet,
    icmp,
    internet_checksum,
    ip,
    ipv4,
    pseudo,
    udp,
)
from tests.network.peers.laboratory import ADDRESS, ECHO, HOST, SITE
from tests.network.peers.relay import Relay

#: QEMU's first card; somebody else on the link; all
CARD, STRANGER, ALL = 0x525400123456, 0x020000000099, 0xFFFFFFFFFFFF
MACHINE, PEER = ip(ADDRESS), ip(HOST)
#: the options of a usual SYN: segment size, SACK, timestamps, window scale
OPTIONS = [(2, struct.pack(">H", 1460)), (4, b""), (8, struct.pack(">II", 1, 0)), (3, b"\x07")]
#: frames that are made at a time, and said again: making one takes longer than the machine takes it for
BATCH = 4_096
#: where a frame without options of IP has TCP's flags
TCP_FLAGS = 47
MOST_BEGUN = 100_000


def stranger(random: Random) -> int:
    """An address that can be a sender's: of the link, but nobody's there, or from far away."""
    if random.random() < 0.2:
        return ip("10.0.2.0") + random.randrange(16, 255)
    return ip("198.18.0.0") + random.randrange(1, 1 << 17)


def to_machine(packet: bytes, source: int = STRANGER) -> bytes:
    return ethernet(packet, CARD, source)


def segment(random: Random, source: int, made: Tcp) -> bytes:
    return to_machine(ipv4(made.data(source, MACHINE), source, MACHINE, 6))


def syn(random: Random, port: int) -> bytes:
    made = Tcp(random.randrange(1024, 65536), port, random.getrandbits(32), 0, SYN, 64240, OPTIONS)
    return segment(random, stranger(random), made)


def syns(random: Random, *ports: int) -> Iterator[bytes]:
    """Each from somewhere else."""
    while True:
        yield syn(random, random.choice(ports))


def hostile(random: Random, relay: Relay | None = None) -> Iterator[bytes]:
    """Of all kinds. `relay`: of connections that pass there, frames are damaged, and others forged without a look."""
    kinds = [garbage, broken, strange, misled, fragment]
    while True:
        made = random.choice(kinds)(random)
        yield made
        if relay is not None and relay.seen:
            frame = random.choice(list(relay.seen))
            yield damaged(random, frame)
            yield forged(random, frame)


def garbage(random: Random) -> bytes:
    kind = random.choice((0x0800, 0x0806, 0x86DD, random.getrandbits(16)))
    to = random.choice((CARD, CARD, ALL, random.getrandbits(48)))
    return ethernet(random.randbytes(random.randrange(0, 1500)), to, STRANGER, kind)


def broken(random: Random) -> bytes:
    """A packet of a stranger's with some bytes changed, whose header of IP is right, mostly."""
    made = bytearray(strange(random))
    for _ in range(random.randrange(1, 5)):
        place = random.randrange(14, min(len(made), 80))
        # But nobody else's address: what comes from that is `forged`.
        if not 26 <= place < 30:
            made[place] = random.choice((0, 255, made[place] ^ 1 << random.randrange(8), random.getrandbits(8)))
    size = (made[14] & 15) * 4
    if random.random() < 0.8 and 20 <= size <= len(made) - 14:
        made[24:26] = b"\0\0"
        made[24:26] = internet_checksum(bytes(made[14 : 14 + size])).to_bytes(2)
    return bytes(made)


def strange(random: Random) -> bytes:
    """A right packet that means little."""
    source = stranger(random)
    payload = random.randbytes(random.choice((0, 1, 8, 100, 1400)))
    match random.randrange(5):
        case 0:
            return ethernet(arp(random.choice((1, 2, 3)), STRANGER, source, 0, MACHINE), CARD, STRANGER, 0x0806)
        case 1:
            kind = random.choice((0, 8, 8, 13, 17, random.getrandbits(8)))
            return to_machine(ipv4(icmp(kind, 0, random.getrandbits(32), payload), source, MACHINE, 1))
        case 2:
            port = random.choice((ECHO, 53, random.randrange(1, 65536)))
            data = udp(payload, source, MACHINE, random.randrange(1, 65536), port)
            return to_machine(ipv4(data, source, MACHINE, 17))
        case 3:
            options = random.choice((b"\x83\x07\x04\x0a\x00\x02\x02\x00", b"\x44\x04\x05\x00", random.randbytes(8)))
            return to_machine(ipv4(payload, source, MACHINE, random.getrandbits(8), options=options))
        case _:
            return segment(random, source, anything(random, random.choice((SITE, ECHO, random.randrange(1, 65536)))))


def anything(random: Random, port: int, source: int = 0) -> Tcp:
    """A segment with any numbers, and options that are often none."""
    options = [(random.getrandbits(8), random.randbytes(random.randrange(0, 9))) for _ in range(random.randrange(4))]
    return Tcp(
        source or random.randrange(1, 65536),
        port,
        random.getrandbits(32),
        random.getrandbits(32),
        random.choice((SYN, ACK, RST, FIN | ACK, SYN | ACK, PSH | ACK, RST | ACK, URG | ACK, 0, 255, SYN | FIN)),
        random.getrandbits(16),
        random.choice(([], OPTIONS, options)),
        random.randbytes(random.choice((0, 0, 1, 100, 1400))),
    )


def misled(random: Random) -> bytes:
    """A router that nobody has asked: unreachable, too large, elsewhere; about a packet that was never sent."""
    inside = ipv4(anything(random, random.randrange(1, 65536), SITE).data(MACHINE, PEER)[:8], MACHINE, PEER, 6)
    kind, code = random.choice(((3, 0), (3, 1), (3, 3), (3, 4), (4, 0), (5, 1), (11, 0), (12, 0)))
    message = icmp(kind, code, random.choice((0, 68, 552, 1400, random.getrandbits(32))), inside)
    return to_machine(ipv4(message, stranger(random), MACHINE, 1))


def fragment(random: Random) -> bytes:
    """Of a datagram that never becomes whole, or whose parts lie on one another."""
    at = random.choice((0, 8, 64, 185, 370, 8191)) | random.choice((0, 0x2000))
    data = random.randbytes(random.choice((8, 512, 1400)))
    source = ip("198.18.0.0") + random.randrange(1, 8)
    whole = ipv4(data, source, MACHINE, 17, identification=random.randrange(16), fragment=at)
    return to_machine(whole)


def damaged(random: Random, frame: bytes) -> bytes:
    """As a bad cable leaves it: its checksums don't hold any more."""
    while True:
        made = bytearray(frame)
        for _ in range(random.randrange(1, 4)):
            made[random.randrange(14, len(made))] ^= 1 << random.randrange(8)
        if not is_right(bytes(made)):
            return bytes(made)


def is_right(frame: bytes) -> bool:
    """Could a checksum not show that it is damaged?"""
    packet = frame[14:]
    size, length = (packet[0] & 15) * 4, int.from_bytes(packet[2:4])
    if not 20 <= size <= length <= len(packet) or internet_checksum(packet[:size]):
        return False
    source, destination = (int.from_bytes(packet[place : place + 4]) for place in (12, 16))
    data = packet[size:length]
    return packet[9] != 6 or internet_checksum(pseudo(source, destination, 6, len(data)) + data) == 0


def forged(random: Random, frame: bytes) -> bytes:
    """In the name of somebody who has that connection, by who doesn't know its numbers (RFC 5961)."""
    size = (frame[14] & 15) * 4
    source, port = (int.from_bytes(frame[14 + size + at : 16 + size + at]) for at in (0, 2))
    if random.random() < 0.2:
        quoted = Tcp(port, source, random.getrandbits(32)).data(MACHINE, PEER)[:8]
        inside = ipv4(quoted, MACHINE, PEER, 6)
        kind, code = random.choice(((3, 1), (3, 3), (3, 4), (4, 0)))
        return to_machine(ipv4(icmp(kind, code, random.choice((0, 68, 600)), inside), stranger(random), MACHINE, 1))
    return segment(random, PEER, anything(random, port, source))


@contextmanager
def flood(
    relay: Relay, frames: Iterator[bytes], *, fresh: bool = False, rate: float | None = None
) -> Iterator[list[int]]:
    """Inject them, one after the other, as fast as they are taken. What is given: how many it were, at the end.

    `fresh`: each is made when it goes; otherwise there are so many different ones. `rate`: so many a second at most.
    Afterwards handshakes that they have begun are called off, which would go on for a minute else.
    """
    stopping, count = threading.Event(), [0]
    endless = frames if fresh else itertools.cycle(list(itertools.islice(frames, BATCH)))
    begun: dict[bytes, None] = {}

    def run() -> None:
        since = time.monotonic()
        while not stopping.is_set():
            frame = next(endless)
            if may_begin(frame) and len(begun) < MOST_BEGUN:
                begun[frame] = None
            try:
                relay.inject(frame)
            except OSError:
                # There is no machine any more, as its test will find.
                return
            count[0] += 1
            if count[0] % 16 == 0:
                # The thread of the relay has frames of its own to hand over.
                time.sleep(0 if rate is None else max(0, since + count[0] / rate - time.monotonic()))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield count
    finally:
        stopping.set()
        thread.join()
        for frame in begun:
            relay.inject(called_off(frame))


def may_begin(frame: bytes) -> bool:
    """Is it a SYN that a listener could answer?"""
    usual = len(frame) >= 54 and frame[12:15] == b"\x08\0\x45" and frame[23] == 6
    return usual and frame[TCP_FLAGS] & (SYN | ACK) == SYN


def called_off(syn: bytes) -> bytes:
    """What ends the handshake that a SYN has begun."""
    # Its options may be none; what it carries isn't taken.
    own, port, sequence = struct.unpack_from(">HHI", syn, 34)
    source = int.from_bytes(syn[26:30])
    made = Tcp(own, port, (sequence + 1) % 2**32, 0, RST)
    return to_machine(ipv4(made.data(source, MACHINE), source, MACHINE, 6))
