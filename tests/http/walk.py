"""A connection's bytes, in pieces of any length, through the parsers: what came out, as a number. In every reading."""

from __future__ import annotations

from neokernel.http.body import Body
from neokernel.http.characters import SLASH, find
from neokernel.http.limits import INPUT
from neokernel.http.request import Look, Request
from neokernel.http.target import is_dots
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    copy,
    struct,
    u8,
    u16,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_mul,
)

#: how a walk ends beside a status
INCOMPLETE: u16 = 0
BROKEN: u16 = 1


@value
class Seen:
    """`end`: the status that refuses, INCOMPLETE, or BROKEN for a body."""

    digest: u64
    requests: u64
    bodies: u64
    end: u16


@struct
class Digest:
    number: u64 = 0

    def add(self, seen: u64) -> None:
        self.number = wrapping_mul(self.number ^ seen, 0x9E3779B97F4A7C15) ^ self.number >> 29

    def add_bytes(self, data: bytes) -> None:
        for byte in data:
            self.add(u64(byte))
        self.add(len(data) + 1_000)


@struct
class Chance:
    state: u64

    def below(self, most: u64) -> u64:
        self.state = wrapping_add(wrapping_mul(self.state, 6364136223846793005), 1442695040888963407)
        return (self.state >> 33) % most


@struct
class Walk:
    request: Embedded[Request] = Request()
    body: Embedded[Body] = Body()
    into: Array[u8] = array(512)


def walk(data: Span[u8], seed: u64) -> Seen:
    """`seed` says in which pieces the bytes come, and how many of a body are wanted at a time; 0: all at once."""
    return walk_by(Walk(), data, seed)


def walk_by(world: Walk, data: Span[u8], seed: u64) -> Seen:
    request, body = world.request, world.body
    request.at, request.filled = 0, 0
    request.begin()
    digest, chance = Digest(), Chance(state=seed)
    place: usize = 0
    head_end: usize = 0
    requests: u64 = 0
    bodies: u64 = 0
    in_body = False
    end = INCOMPLETE
    while True:
        if in_body:
            if body.done:
                in_body = False
                request.begin()
                continue
            wanted = len(world.into) if seed == 0 else usize(chance.below(40) + 1)
            taken = body.take(request.input[request.at : request.filled], world.into[:wanted])
            request.at += taken.used
            bodies += taken.made
            for byte in world.into[: taken.made]:
                digest.add(u64(byte))
            if body.broken:
                end = BROKEN
                break
            if request.at != request.filled:
                continue
            request.at, request.filled = head_end, head_end
        else:
            look = request.look()
            if look is Look.REFUSED:
                end = request.status
                break
            if look is Look.READY:
                requests += 1
                describe(digest, request)
                body.begin(request.framing, request.length)
                in_body, head_end = True, request.at
                continue
        if place == len(data):
            break
        piece = len(data) if seed == 0 else usize(chance.below(30) + 1)
        count = min(piece, len(data) - place, INPUT - request.filled)
        assert count != 0, "there is always room for more"
        copy(request.input[request.filled : request.filled + count], data[place : place + count].bytes())
        request.filled += count
        place += count
    digest.add(u64(end))
    return Seen(digest.number, requests, bodies, end)


def describe(digest: Digest, request: Request) -> None:
    digest.add(u64(request.method.value))
    digest.add(u64(request.minor))
    path = request.path()
    assert path[0] == 0x2F or request.of_server, "a path begins with a slash"
    place: usize = 0
    while place < len(path):
        end = find(path, SLASH, place + 1)
        assert not is_dots(path[place:end], 1) and not is_dots(path[place:end], 2), "a path has no dot segments"
        place = end
    digest.add_bytes(path)
    digest.add_bytes(request.query())
    for place in range(request.count):
        field = request.fields[place]
        digest.add_bytes(request.input[usize(field.name) : usize(field.name_end)].bytes())
        digest.add_bytes(request.value_at(place))
    digest.add(u64(request.framing.value))
    digest.add(request.length)
    digest.add(u64(request.expects) | u64(request.last) << 1)
