"""Copies of frames: which ones fit, what a ring holds that is read too slowly, and files that are written of them."""

from __future__ import annotations

import io
import random
import struct
from collections import deque

import pytest

from neokernel.cli import net
from neokernel.control.filters import NoFilter, Wanted, parsed
from neokernel.control.pcapng import Card, Writer
from neokernel.interfaces.capture import CAME, LEAST_SNAP, MOST_SNAP, RECORD_SIZE, STAYED, Filter, NoCapture
from neokernel.lang import byte_span, u8, u16, u32, u64
from neokernel.services.network.capturing import Capturing
from neokernel.services.network.network import Network
from neokernel.services.network.tap import Tap
from tests.network.pcapng import read

LOCAL, REMOTE, OTHER = 0x0A00_020F, 0x0A00_0202, 0x0A00_0303


def frame(kind: int = 0x0800, protocol: int = 6, ports: tuple[int, int] = (80, 50000), fragment: int = 0) -> bytes:
    """Of an ordinary host: Ethernet, IP, and the beginning of what it carries."""
    head = bytes(12) + struct.pack(">H", kind)
    if kind == 0x0806:
        return head + struct.pack(">HHBBH6sI6sI", 1, 0x0800, 6, 4, 1, bytes(6), LOCAL, bytes(6), REMOTE)
    packet = struct.pack(">BBHHHBBHII", 0x45, 0, 40, 0, fragment, 64, protocol, 0, LOCAL, REMOTE)
    return head + packet + struct.pack(">HH", *ports) + bytes(16)


def filter_of(wanted: Wanted) -> Filter:
    return Filter(u16(wanted.kind), u8(wanted.protocol), u32(wanted.network), u32(wanted.prefix), u16(wanted.port))


def tap(size: int = 4096, wanted: Wanted | None = None, snap: int = MOST_SNAP) -> Tap:
    made = Tap()
    made.ring = byte_span(bytearray(size))
    made.begin(filter_of(wanted or Wanted()), u32(snap), u64(0))
    return made


def taken(made: Tap, room: int = 4096, now: int = 0) -> list[tuple[int, int, bytes]]:
    """Time, length and data of the records that one call gives."""
    data = bytearray(room)
    length = int(made.read(byte_span(data), u64(now)))
    found, place = [], 0
    while place < length:
        when, whole, kept, _, _, _ = struct.unpack_from("<QHHBBH", data, place)
        begin = place + int(RECORD_SIZE)
        found.append((when, whole, bytes(data[begin : begin + kept])))
        place = begin + -(-kept // 8) * 8
    assert place == length
    return found


@pytest.mark.parametrize(
    ("words", "fitting"),
    [
        ("", {"tcp", "udp", "icmp", "arp", "part", "odd"}),
        ("ip", {"tcp", "udp", "icmp", "part"}),
        ("arp", {"arp"}),
        ("tcp", {"tcp", "part"}),
        ("tcp port 80", {"tcp"}),
        ("port 50000", {"tcp", "udp"}),
        ("udp and port 80", {"udp"}),
        ("port 81", set()),
        ("host 10.0.2.2", {"tcp", "udp", "icmp", "arp", "part"}),
        ("net 10.0.2.0/24 icmp", {"icmp"}),
        ("host 10.0.3.3", set()),
    ],
)
def test_what_fits(words: str, fitting: set[str]) -> None:
    frames = {
        "tcp": frame(),
        "udp": frame(protocol=17),
        "icmp": frame(protocol=1),
        "arp": frame(kind=0x0806),
        "part": frame(fragment=100),
        "odd": bytes(20),
    }
    for name, data in frames.items():
        made = tap(wanted=parsed([words]))
        made.take(byte_span(bytearray(data)), CAME, False, u64(5))
        assert [each[2] for each in taken(made)] == ([data] if name in fitting else []), name


def test_a_capture_that_nobody_reads_ends() -> None:
    """Whoever began it has gone, without a word: nothing is copied any more, and it isn't that one's any more."""
    second = 1_000_000
    network, data = Network(), byte_span(bytearray(frame()))
    capturing, made = Capturing(network=network), network.tap
    made.ring = byte_span(bytearray(4096))
    number = made.begin(filter_of(Wanted()), u32(MOST_SNAP), u64(0))
    for when in range(0, 40, 8):
        made.take(data, CAME, False, u64(when * second))
        assert len(taken(made, now=when * second)) == 1, "it is read, and goes on"
    made.take(data, CAME, False, u64(42 * second))
    made.take(data, CAME, False, u64(43 * second))
    assert made.number == 0 and int(made.used) > 0
    assert capturing.read(number, byte_span(bytearray(4096))) is NoCapture.ENDED
    capturing.end(number)
    made.begin(filter_of(Wanted()), u32(MOST_SNAP), u64(50 * second))
    made.take(data, CAME, False, u64(51 * second))
    assert len(taken(made, now=51 * second)) == 1


def test_damaged_frames_fail_nothing() -> None:
    choose = random.Random(1)
    for _ in range(300):
        made = tap(wanted=parsed([choose.choice(("tcp port 80", "arp host 10.0.2.2", "net 10.0.0.0/8", ""))]))
        data = bytearray(choose.choice((frame(), frame(kind=0x0806), frame(protocol=17))))
        for _ in range(choose.randrange(4)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        made.take(byte_span(data[: choose.randrange(len(data) + 1)]), choose.choice((CAME, STAYED)), False, u64(1))
        taken(made)


@pytest.mark.parametrize("seed", range(10))
def test_a_ring_that_is_read_too_slowly(seed: int) -> None:
    """What is read is what was copied, in its order; what isn't there was counted."""
    choose = random.Random(seed)
    made = tap(size=choose.choice((2048, 4096, 5000 // 8 * 8)), snap=choose.choice((14, 60, 500)))
    expected: deque[bytes] = deque()
    lost = 0
    for step in range(1500):
        if choose.random() < 0.99:
            data = frame() + choose.randbytes(choose.randrange(600))
            made.take(byte_span(bytearray(data)), CAME, False, u64(step))
            if int(made.dropped) == lost:
                expected.append(data[: int(made.snap)])
            lost = int(made.dropped)
        else:
            for _, _, kept in taken(made, choose.choice((600, 4096))):
                assert kept == expected.popleft()
        assert int(made.used) <= len(made.ring or b"")
    while rest := taken(made):
        for _, _, kept in rest:
            assert kept == expected.popleft()
    assert not expected and lost > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("htttp", "says nothing about a frame"),
        ("port", "`port` of what?"),
        ("port 0", "is no port"),
        ("port 99999", "is no port"),
        ("host 10.0.2", "is no address"),
        ("host 10.0.2.0/24", "is no address"),
        ("net 10.0.2.1/24", "is no network"),
        ("net 0.0.0.0/0", "is no network"),
        ("tcp udp", "there is a protocol already"),
        ("port 1 port 2", "there is a port already"),
        ("tcp and", "nothing stands behind `and`"),
        ("and tcp", "says nothing about a frame"),
        ("arp port 80", "neither ARP nor ICMP has ports"),
    ],
)
def test_filters_that_say_nothing(words: str, says: str) -> None:
    with pytest.raises(NoFilter, match=says.replace("?", r"\?")) as found:
        parsed(words.split())
    assert found.value.help


def test_a_file_has_what_was_written() -> None:
    stream = io.BytesIO()
    writer = Writer(stream, "a test", "none", [Card("card", "one"), Card("lo", "two")], 1536)
    writer.frame(0, 1_700_000_000_123_456, 100, b"abcde", 1)
    writer.frame(1, 1_700_000_000_123_457, 3, b"xyz", 0)
    writer.statistics(0, 1_700_000_000_200_000, 5, 4)
    found = read(stream.getvalue())
    assert [each.name for each in found.interfaces] == ["card", "lo"]
    assert [(each.interface, each.time, each.length, each.data) for each in found.frames] == [
        (0, 1_700_000_000_123_456, 100, b"abcde"),
        (1, 1_700_000_000_123_457, 3, b"xyz"),
    ]
    assert found.dropped == {0: 4}


def test_the_commands_bounds_are_the_interfaces() -> None:
    assert (net.LEAST, net.MOST) == (LEAST_SNAP, MOST_SNAP)
