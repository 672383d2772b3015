"""What stands in packets: checksums, parsers, and what is built, against packets made by `struct`."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.lang import byte_span, u8, u16, u32, u64, usize
from neokernel.services.network import arp, ethernet, icmp, ipv4, udp
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.checksum import adjusted, checksum, copy_summed, pseudo_header, sum_of
from neokernel.services.network.drop import REASONS, Drop
from neokernel.services.network.segment import NO_SCALE, Segment
from neokernel.services.network.sequence import Range, before, until
from tests.network import packets, parsers
from tests.network.support import library

HERE, THERE = packets.ip("10.0.2.15"), packets.ip("10.0.2.2")
MAC, PEER = 0x525400123456, 0x525400ABCDEF


def span(data: bytes) -> Any:
    return byte_span(bytearray(data))


def test_every_reason_has_a_counter() -> None:
    assert len(Drop) == REASONS and [int(reason.value) for reason in Drop] == list(range(REASONS))


# --- checksums --------------------------------------------------------------------------------------------------------


def test_rfc_1071s_example() -> None:
    assert checksum(span(bytes.fromhex("0001f203f4f5f6f7")), u32(0)) == 0xFFFF - 0xDDF2


def test_every_length() -> None:
    chance = random.Random(1)
    for length in range(200):
        data = chance.randbytes(length)
        assert checksum(span(data), u32(0)) == packets.internet_checksum(data), length
    for data in (b"\xff" * 131, bytes(130), b"\xff\xff\xff\xfe" * 17):
        assert checksum(span(data), u32(0)) == packets.internet_checksum(data)


def test_what_is_copied_is_summed() -> None:
    """As it is by itself: any length, and words whose carries leave 64 bits."""
    chance = random.Random(2)
    for data in (*(chance.randbytes(length) for length in range(200)), b"\xff" * 200, bytes(130), b"\xff" * 8 + b"\1"):
        into = bytearray(len(data))
        assert int(copy_summed(byte_span(into), span(data))) in same_sums(int(sum_of(span(data)))) and into == data


def same_sums(sum: int) -> set[int]:
    """Zero is written in two ways."""
    return {0, 0xFFFF} if sum in (0, 0xFFFF) else {sum}


@given(st.binary(max_size=80), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_pseudo_headers(data: bytes, source: int, destination: int, protocol: int) -> None:
    others = pseudo_header(Address(u32(source)), Address(u32(destination)), u8(protocol), usize(len(data)))
    expected = packets.internet_checksum(packets.pseudo(source, destination, protocol, len(data)) + data)
    assert checksum(span(data), others) == expected


@given(st.binary(min_size=4, max_size=20), st.integers(0, 0xFFFF))
def test_a_checksum_is_adjusted_to_one_word(data: bytes, word: int) -> None:
    changed = word.to_bytes(2) + data[2:]
    if not any(data) or not any(changed):
        return  # the two zeroes of one's complement
    found = adjusted(u16(packets.internet_checksum(data)), u16(int.from_bytes(data[:2])), u16(word))
    assert found == packets.internet_checksum(changed)


# --- Ethernet, ARP, IPv4, ICMP, UDP -----------------------------------------------------------------------------------


def test_a_real_header() -> None:
    data = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7") + bytes(95)
    found: Any = ipv4.parse(span(data))
    assert (found.source, found.destination) == (Address(u32(0xC0A80001)), Address(u32(0xC0A800C7)))
    assert (found.protocol, found.length, found.payload, found.is_fragment()) == (17, 115, 20, False)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(0, 0xFFFF))
def test_ethernet(to: int, source: int, kind: int) -> None:
    data = packets.ethernet(b"", to, source, kind)
    frame = ethernet.Frame(LinkAddress(u64(to)), LinkAddress(u64(source)), u16(kind))
    assert ethernet.parse(span(data)) == frame
    memory = bytearray(14)
    ethernet.build(byte_span(memory), frame)
    assert memory == data


@given(st.sampled_from([1, 2]), st.integers(1, 2**40 - 1), *[st.integers(0, 2**32 - 1)] * 3)
def test_arp(operation: int, sender_link: int, sender: int, target_link: int, target: int) -> None:
    data = packets.arp(operation, sender_link, sender, target_link, target)
    found: Any = arp.parse(span(data + b"padding"))
    assert found == arp.Packet(
        arp.Operation(operation),
        LinkAddress(u64(sender_link)),
        Address(u32(sender)),
        LinkAddress(u64(target_link)),
        Address(u32(target)),
    )
    memory = bytearray(28)
    arp.build(byte_span(memory), found)
    assert memory == data


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"at": 0, "to": 0x65}, Drop.FORM),
        ({"at": 0, "to": 0x44}, Drop.FORM),
        ({"at": 3, "to": 19}, Drop.LENGTH),
        ({"at": 3, "to": 255}, Drop.LENGTH),
        ({"at": 8, "to": 63}, Drop.CHECKSUM),
        ({"at": 6, "to": 0x20}, Drop.FRAGMENTS),
        ({"at": 6, "to": 0x1F}, None),
    ],
)
def test_headers_of_ip_that_arent(change: dict[str, int], reason: Drop | None) -> None:
    data = bytearray(packets.ipv4(b"seventeen bytes..", HERE, THERE, 17))
    data[change["at"]] = change["to"]
    if reason is not Drop.CHECKSUM:
        data[10:12] = b"\0\0"
        data[10:12] = packets.internet_checksum(bytes(data[:20])).to_bytes(2)
    found = ipv4.parse(byte_span(data))
    assert found is reason if reason is not None else isinstance(found, ipv4.Packet)


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (b"\1\1\1\0", True),
        (b"\x44\4\0\0", True),
        (b"\x83\4\4\0", False),
        (b"\1\x89\3\4", False),
        (b"\x07\5\0\0", False),
        (b"\x07\1\0\0", False),
        (b"\1\1\1\x07", False),
    ],
)
def test_options_of_ip(options: bytes, taken: bool) -> None:
    found = ipv4.parse(span(packets.ipv4(b"x", HERE, THERE, 6, options=options)))
    assert isinstance(found, ipv4.Packet) == taken and (taken or found is Drop.OPTIONS)


def test_a_fragment_beyond_the_largest_datagram() -> None:
    assert ipv4.parse(span(packets.ipv4(bytes(8), HERE, THERE, 6, fragment=0x1FFF))) is Drop.FRAGMENTS


@given(st.binary(max_size=70), st.integers(0, 255), st.integers(0, 0xFFFF))
def test_ipv4_is_built(payload: bytes, protocol: int, identification: int) -> None:
    memory = bytearray(20)
    length = usize(20 + len(payload))
    ipv4.build(byte_span(memory), Address(u32(HERE)), Address(u32(THERE)), u8(protocol), length, u16(identification))
    assert bytes(memory) + payload == packets.ipv4(payload, HERE, THERE, protocol, identification=identification)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_icmp(kind: int, code: int, rest: int, payload: bytes) -> None:
    data = packets.icmp(kind, code, rest, payload)
    found: Any = icmp.parse(span(data))
    assert found == icmp.Message(u8(kind), u8(code), u32(rest))
    memory = bytearray(8) + payload
    icmp.build(found, byte_span(memory))
    assert memory == data
    wrong = bytearray(data)
    wrong[-1] ^= 1
    assert icmp.parse(byte_span(wrong)) is Drop.CHECKSUM


@given(st.binary(max_size=40), st.integers(0, 0xFFFF), st.integers(1, 0xFFFF))
def test_udp(payload: bytes, source: int, destination: int) -> None:
    data = packets.udp(payload, HERE, THERE, source, destination)
    others = pseudo_header(Address(u32(HERE)), Address(u32(THERE)), u8(17), usize(0))
    found: Any = udp.parse(span(data + b"more"), others, False)
    assert found == udp.Datagram(u16(source), u16(destination), usize(len(data)))
    memory = bytearray(8) + payload
    udp.build(byte_span(memory), u16(source), u16(destination), others + u32(len(data)))
    assert memory == data
    wrong = bytearray(data)
    wrong[0] ^= 1
    assert udp.parse(byte_span(wrong), others, False) is Drop.CHECKSUM
    wrong[6:8] = b"\0\0"
    assert isinstance(udp.parse(byte_span(wrong), others, False), udp.Datagram), "no checksum at all"


# --- TCP --------------------------------------------------------------------------------------------------------------

NUMBER = st.integers(0, 2**32 - 1)


@given(NUMBER, NUMBER)
def test_sequence_numbers(left: int, distance: int) -> None:
    right = (left + distance) % 2**32
    forward = distance < 2**31
    assert until(u32(left), u32(right)) == forward
    assert before(u32(left), u32(right)) == (0 < distance <= 2**31)


@st.composite
def segments(draw: st.DrawFn) -> packets.Tcp:
    flags = draw(st.integers(0, 63))
    options: list[tuple[int, bytes]] = []
    if flags & packets.SYN:
        if draw(st.booleans()):
            options.append((2, draw(st.integers(1, 0xFFFF)).to_bytes(2)))
        if draw(st.booleans()):
            options.append((4, b""))
        if draw(st.booleans()):
            options.append((3, bytes([draw(st.integers(0, 255))])))
    elif blocks := draw(st.integers(0, 3)):
        options.append((5, b"".join(struct.pack(">II", draw(NUMBER), draw(NUMBER)) for _ in range(blocks))))
    if draw(st.booleans()):
        options.append((8, struct.pack(">II", draw(NUMBER), draw(NUMBER))))
    if draw(st.booleans()):
        options.append((draw(st.integers(9, 255)), draw(st.binary(max_size=2))))
    ports = st.integers(0, 0xFFFF)
    numbers = draw(ports), draw(ports), draw(NUMBER), draw(NUMBER), flags, draw(ports)
    return packets.Tcp(*numbers, draw(st.permutations(options)), draw(st.binary(max_size=30)))


def parsed(data: bytes, verified: bool = False) -> Any:
    segment: Any = Segment()
    pseudo = pseudo_header(Address(u32(HERE)), Address(u32(THERE)), u8(6), usize(len(data)))
    wrong = segment.parse(span(data), pseudo, verified)
    return segment if wrong is None else wrong


@settings(max_examples=150)
@given(segments())
def test_segments_are_read(made: packets.Tcp) -> None:
    data = made.data(HERE, THERE)
    found = parsed(data)
    assert (found.source, found.destination, found.flags) == (made.source, made.destination, made.flags)
    assert (found.sequence, found.acknowledgment) == (made.sequence, made.acknowledgment)
    assert found.window == made.window and data[found.payload :] == made.payload and found.length == len(made.payload)
    mss, scale, time = made.option(2), made.option(3), made.option(8)
    assert found.mss == (0 if mss is None else int.from_bytes(mss))
    assert found.scale == (NO_SCALE if scale is None else min(14, scale[0])), "RFC 7323, 2.3"
    assert found.sack_permitted == (made.option(4) is not None)
    assert (found.timed, found.timed and (found.time, found.echo)) == (
        time is not None,
        time is not None and struct.unpack(">II", time),
    )
    blocks = made.option(5) or b""
    wanted = [Range(u32(left), u32(right)) for left, right in struct.iter_unpack(">II", blocks)]
    assert list(found.blocks[: found.block_count]) == wanted


@settings(max_examples=150)
@given(segments(), st.integers(0, 39))
def test_segments_are_built(made: packets.Tcp, cut: int) -> None:
    segment = parsed(made.data(HERE, THERE))
    memory = bytearray(segment.header_size()) + made.payload
    segment.build(byte_span(memory))
    segment.close(byte_span(memory), pseudo_header(Address(u32(HERE)), Address(u32(THERE)), u8(6), usize(len(memory))))
    again = parsed(bytes(memory))
    for name in ("source", "destination", "sequence", "acknowledgment", "flags", "window", "length"):
        assert getattr(again, name) == getattr(segment, name)
    for name in ("mss", "scale", "sack_permitted", "timed", "block_count"):
        assert getattr(again, name) == getattr(segment, name)
    assert not segment.timed or (again.time, again.echo) == (segment.time, segment.echo)
    assert list(again.blocks[: again.block_count]) == list(segment.blocks[: segment.block_count])
    # Cut off anywhere it is refused, or is a shorter one.
    shorter = parsed(bytes(memory[:cut]), verified=True)
    assert isinstance(shorter, Drop) == (cut < segment.header_size())


@pytest.mark.parametrize(
    "options", ["02030000", "03040000", "04030001", "0801 0000", "02", "050a000000", "0505", "0502"]
)
def test_options_of_the_wrong_length(options: str) -> None:
    made = packets.Tcp(flags=packets.SYN).data(HERE, THERE)
    body = bytes.fromhex(options)
    body = b"\1" * (-len(body) % 4) + body
    data = made[:12] + bytes([(5 + len(body) // 4) << 4]) + made[13:] + body
    assert parsed(data, verified=True) is Drop.OPTIONS


def test_a_wrong_checksum() -> None:
    data = bytearray(packets.Tcp(payload=b"hello").data(HERE, THERE))
    data[-1] ^= 0x20
    assert parsed(bytes(data)) is Drop.CHECKSUM and not isinstance(parsed(bytes(data), verified=True), Drop)


# --- both readings ----------------------------------------------------------------------------------------------------


def frames(chance: random.Random) -> bytes:
    """Some frame, right or wrong, with some of its bytes changed or cut off."""
    source, destination = chance.choice([HERE, THERE, 0, 2**32 - 1]), HERE
    kind = chance.randrange(5)
    if kind == 0:
        data = packets.ethernet(packets.arp(chance.randrange(4), PEER, source, MAC, destination), MAC, PEER, 0x0806)
    else:
        body = chance.randbytes(chance.randrange(40))
        if kind == 1:
            body = packets.icmp(chance.choice([0, 3, 8, 11]), chance.randrange(5), chance.randrange(2**32), body)
        elif kind == 2:
            body = packets.udp(body, source, destination, 53, chance.randrange(3))
        elif kind == 3:
            some = [(chance.choice([2, 3, 4, 5, 8, 99]), chance.randbytes(chance.choice([0, 1, 2, 8])))]
            made = packets.Tcp(1, 2, 3, 4, chance.randrange(64), 5, some * chance.randrange(3), body)
            body = made.data(source, destination)
        protocol = (0, 1, 17, 6, chance.randrange(256))[kind]
        options = b"\1" * 4 * chance.randrange(3)
        data = packets.ethernet(packets.ipv4(body, source, destination, protocol, options=options), MAC, PEER)
    changed = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 3])):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.choice([len(changed), len(changed), chance.randrange(len(changed))])])


def test_the_readings_agree_on_any_frame() -> None:
    compiled = library("parsers", "look")
    chance = random.Random(7)
    levels = set()
    for number in range(3000):
        data, verified = frames(chance), chance.random() < 0.5
        memory = bytearray(data)
        found = compiled.call("tests.network.parsers.look", (memory, len(memory)), verified)
        levels.add(found & 0xFF)
        if number % 10 == 0:
            assert found == parsers.look(span(data), verified)
    assert levels == set(range(12)), "each way through the parsers was taken"
