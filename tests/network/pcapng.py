"""A strict reader of pcapng (draft-ietf-opsawg-pcapng): whatever the draft doesn't allow fails.

Written from the draft, and apart from `neokernel/control/pcapng.py`, which it holds to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Interface:
    name: str
    link: int
    snap: int


@dataclass
class Frame:
    interface: int
    time: int
    length: int
    data: bytes
    flags: int


@dataclass
class File:
    interfaces: list[Interface] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    dropped: dict[int, int] = field(default_factory=dict)


def number(data: bytes, place: int, size: int) -> int:
    assert place + size <= len(data), "it ends too early"
    return int.from_bytes(data[place : place + size], "little")


def options(data: bytes) -> dict[int, bytes]:
    """Section 3.5: until `opt_endofopt`, which is there if any other is."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data):
        code, length = number(data, place, 2), number(data, place + 2, 2)
        if code == 0:
            assert length == 0 and place + 4 == len(data), "nothing follows the end"
            return found
        value = data[place + 4 : place + 4 + length]
        assert len(value) == length and code not in found
        padding = data[place + 4 + length : place + 4 + length + -length % 4]
        assert padding == bytes(-length % 4)
        found[code] = value
        place += 4 + length + -length % 4
    assert not found, "options have an end"
    return found


def read(data: bytes) -> File:
    """All of a file of one little-endian section."""
    found = File()
    place, first = 0, True
    while place < len(data):
        kind, length = number(data, place, 4), number(data, place + 4, 4)
        assert length >= 12 and length % 4 == 0 and place + length <= len(data)
        assert number(data, place + length - 4, 4) == length, "the length stands at both ends"
        body = data[place + 8 : place + length - 4]
        assert first == (kind == 0x0A0D0D0A), "one section, which begins the file"
        if kind == 0x0A0D0D0A:
            assert number(body, 0, 4) == 0x1A2B3C4D and (number(body, 4, 2), number(body, 6, 2)) == (1, 0)
            assert number(body, 8, 8) == (1 << 64) - 1 or number(body, 8, 8) == len(data) - length
            assert set(options(body[16:])) <= {1, 2, 3, 4}
        elif kind == 1:
            said = options(body[8:])
            assert number(body, 2, 2) == 0 and said.get(9, b"\x06") == b"\x06", "microseconds"
            found.interfaces.append(Interface(said[2].decode(), number(body, 0, 2), number(body, 4, 4)))
        elif kind == 6:
            card, kept, whole = number(body, 0, 4), number(body, 12, 4), number(body, 16, 4)
            assert card < len(found.interfaces), "described before"
            assert kept <= min(whole, found.interfaces[card].snap)
            end = 20 + kept + -kept % 4
            assert body[20 + kept : end] == bytes(-kept % 4)
            flags = options(body[end:]).get(2, bytes(4))
            time = number(body, 4, 4) << 32 | number(body, 8, 4)
            found.frames.append(Frame(card, time, whole, body[20 : 20 + kept], number(flags, 0, 4)))
        elif kind == 5:
            said = options(body[12:])
            found.dropped[number(body, 0, 4)] = number(said[5], 0, 8)
            assert number(said[4], 0, 8) >= found.dropped[number(body, 0, 4)]
        else:
            raise AssertionError(f"block of kind {kind}")
        place, first = place + length, False
    return found
