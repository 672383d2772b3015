"""An image unpacked, and what zlib packed, in every reading."""

from __future__ import annotations

from neokernel.lang import Span, u8, u16, u64, usize, value
from neokernel.png.image import Png, Problem
from neokernel.png.inflate import Inflate, Trouble


@value
class Seen:
    """What is wrong, of the file, and of what is packed; 0, 0: nothing, and the size."""

    problem: u64
    trouble: u64
    width: u64
    height: u64


def inflated(data: bytes, into: Span[u8]) -> u64:
    """What is wrong."""
    packed = Inflate(data=data, into=into)
    while packed.advance(100):
        pass
    assert packed.made <= len(into) and packed.at <= len(data)
    return u64(packed.trouble.value)


def unpacked(data: Span[u8], raw: Span[u8], into: Span[u8]) -> Seen:
    """All pixels, eight bytes each, the lowest first."""
    png = Png()
    problem = png.open(data)
    if problem is not Problem.NONE or png.raw_size > len(raw):
        return Seen(u64(problem.value), u64(Trouble.LARGE.value), 0, 0)
    rows = raw[: png.raw_size]
    packed = Inflate(data=data[: png.packed].bytes(), into=rows)
    while packed.advance(100):
        pass
    if packed.trouble is not Trouble.NONE:
        return Seen(0, u64(packed.trouble.value), 0, 0)
    while png.unfilter(rows, 3):
        pass
    if png.problem is not Problem.NONE:
        return Seen(u64(png.problem.value), 0, 0, 0)
    place: usize = 0
    for y in range(usize(png.height)):
        for x in range(usize(png.width)):
            pixel = png.pixel(rows, x, y)
            put(into, place, pixel.red)
            put(into, place + 2, pixel.green)
            put(into, place + 4, pixel.blue)
            put(into, place + 6, pixel.alpha)
            place += 8
    return Seen(0, 0, u64(png.width), u64(png.height))


def put(into: Span[u8], place: usize, number: u16) -> None:
    into[place], into[place + 1] = u8(number & 0xFF), u8(number >> 8)
