"""Requests that are right, nearly right or wrong, made and read without end: compiled for the host.

A round makes a few requests by the grammar, damages them in three rounds of four, and walks them through the parsers at
once and in pieces. Both must see the same; what wasn't damaged must be seen whole; no check may fail.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, Span, array, copy, struct, u8, u64, usize, value, wrapping_mul
from tests.http.walk import INCOMPLETE, Chance, Seen, Walk, walk_by

MOST = 2_048

#: lines and parts that mean something
LINES = 24
#: bytes that mean something
MARKS = b'\r\n\t :;,/?%.#\x00\x7f\x80\xff0123456789abcdefGHPTXx-_*"=&'


def line(number: u64) -> bytes:
    match number:
        case 0:
            return b"Host: b\r\n"
        case 1:
            return b"Content-Length: 5\r\n"
        case 2:
            return b"Content-Length: 0\r\n"
        case 3:
            return b"Content-Length: 5, 5\r\n"
        case 4:
            return b"Content-Length: +5\r\n"
        case 5:
            return b"Content-Length: 99999999999999999999\r\n"
        case 6:
            return b"Transfer-Encoding: chunked\r\n"
        case 7:
            return b"Transfer-Encoding: gzip, chunked\r\n"
        case 8:
            return b"transfer-encoding:\tchunked \r\n"
        case 9:
            return b" folded\r\n"
        case 10:
            return b"Expect: 100-continue\r\n"
        case 11:
            return b"Expect: more\r\n"
        case 12:
            return b"Connection: close\r\n"
        case 13:
            return b"Connection: keep-alive, x\r\n"
        case 14:
            return b"Bad Name: x\r\n"
        case 15:
            return b"Name : x\r\n"
        case 16:
            return b"X:\r\n"
        case 17:
            return b"X: a\tb \x80\xff\r\n"
        case 18:
            return b"\r\n"
        case 19:
            return b"X: a\rb\r\n"
        case 20:
            return b"X: a\nb\r\n"
        case 21:
            return b"0\r\n\r\n"
        case 22:
            return b"5;a=b\r\nhello\r\n"
        case _:
            return b"GET / HTTP/1.1\r\n"


@struct
class Made:
    data: Array[u8] = array(MOST)
    used: usize = 0
    requests: u64 = 0
    bodies: u64 = 0

    def add(self, text: bytes) -> None:
        count = min(len(text), len(self.data) - self.used)
        copy(self.data[self.used : self.used + count], text[:count])
        self.used += count

    def add_byte(self, byte: u8) -> None:
        if self.used != len(self.data):
            self.data[self.used] = byte
            self.used += 1


@value
class Totals:
    rounds: u64 = 0
    requests: u64 = 0
    bytes_read: u64 = 0
    #: rounds that ended with the last byte, and with a body that is no body
    complete: u64 = 0
    broken: u64 = 0


@struct
class World:
    walk: Embedded[Walk] = Walk()
    made: Embedded[Made] = Made()


def request(made: Made, chance: Chance) -> None:
    """One by the grammar."""
    match chance.below(6):
        case 0:
            made.add(b"POST ")
        case 1:
            made.add(b"PUT ")
        case 2:
            made.add(b"HEAD ")
        case _:
            made.add(b"GET ")
    if chance.below(8) == 0:
        made.add(b"http://host:80")
    made.add(b"/")
    for _ in range(chance.below(20)):
        match chance.below(16):
            case 0:
                made.add(b"/..")
            case 1:
                made.add(b"/./")
            case 2:
                made.add(b"%41")
            case 3:
                made.add(b"?")
            case _:
                made.add_byte(u8(0x61 + chance.below(26)))
    made.add(b" HTTP/1.1\r\nHost: a.example:80\r\n")
    for number in range(chance.below(6)):
        made.add(b"Field-")
        made.add_byte(u8(0x41 + number))
        made.add(b":  ")
        for _ in range(chance.below(40)):
            made.add_byte(u8(0x20 + chance.below(95)))
        made.add(b"\r\n")
    made.requests += 1
    match chance.below(3):
        case 0:
            length = chance.below(64)
            made.add(b"Content-Length: ")
            made.add_byte(u8(0x30 + length // 10))
            made.add_byte(u8(0x30 + length % 10))
            made.add(b"\r\n\r\n")
            fill(made, chance, length)
        case 1:
            made.add(b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(chance.below(4)):
                length = 1 + chance.below(15)
                made.add_byte(hexadecimal(length))
                if chance.below(4) == 0:
                    made.add(b';name="value"')
                made.add(b"\r\n")
                fill(made, chance, length)
                made.add(b"\r\n")
            made.add(b"0\r\n")
            if chance.below(4) == 0:
                made.add(b"Trailer: x\r\n")
            made.add(b"\r\n")
        case _:
            made.add(b"\r\n")


def hexadecimal(number: u64) -> u8:
    return u8(0x30 + number) if number < 10 else u8(0x61 + number - 10)


def fill(made: Made, chance: Chance, length: u64) -> None:
    for _ in range(length):
        made.add_byte(u8(chance.below(256)))
    made.bodies += length


def damage(made: Made, chance: Chance) -> None:
    """Change something, in a few places."""
    for _ in range(chance.below(4) + 1):
        if made.used == 0:
            return
        place = usize(chance.below(made.used))
        match chance.below(7):
            case 0:
                made.data[place] ^= u8(1) << u8(chance.below(8))
            case 1:
                made.data[place] = MARKS[usize(chance.below(len(MARKS)))]
            case 2:
                cut(made, place, usize(chance.below(8) + 1))
            case 3:
                insert(made, place, MARKS[usize(chance.below(len(MARKS)))])
            case 4:
                made.used = place
            case _:
                # A line of its own, before another one.
                while place < made.used and made.data[place] != 0x0A:
                    place += 1
                added = line(chance.below(LINES))
                for index in range(len(added)):
                    insert(made, min(place + 1 + index, made.used), added[index])


def cut(made: Made, place: usize, count: usize) -> None:
    end = min(place + count, made.used)
    copy(made.data[place : place + (made.used - end)], made.data[end : made.used].bytes())
    made.used -= end - place


def insert(made: Made, place: usize, byte: u8) -> None:
    if made.used == len(made.data):
        return
    copy(made.data[place + 1 : made.used + 1], made.data[place : made.used].bytes())
    made.data[place] = byte
    made.used += 1


def one(world: World, seed: u64, statuses: Span[u64]) -> Seen:
    """A round."""
    made, chance = world.made, Chance(state=wrapping_mul(seed + 1, 0x9E3779B97F4A7C15))
    made.used, made.requests, made.bodies = 0, 0, 0
    for _ in range(chance.below(3) + 1):
        request(made, chance)
    whole = made.used < len(made.data)
    damaged = chance.below(4) != 0
    if damaged:
        damage(made, chance)
    data = made.data[: made.used]
    seen = walk_by(world.walk, data, 0)
    again = walk_by(world.walk, data, chance.below(1 << 30) + 1)
    assert seen == again, "what comes of bytes doesn't depend on the pieces"
    if whole and not damaged:
        assert seen.end == INCOMPLETE and seen.requests == made.requests and seen.bodies == made.bodies
    statuses[usize(seen.end) % len(statuses)] += 1
    return seen


def fuzz(seed: u64, count: u64, statuses: Span[u64]) -> Totals:
    """So many rounds from a seed on; `statuses` counts how they ended."""
    world = World()
    totals = Totals()
    for number in range(count):
        seen = one(world, seed + number, statuses)
        totals = Totals(
            totals.rounds + 1,
            totals.requests + seen.requests,
            totals.bytes_read + world.made.used,
            totals.complete + (1 if seen.end == 0 else 0),
            totals.broken + (1 if seen.end == 1 else 0),
        )
    return totals
