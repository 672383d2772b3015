"""Images of all kinds, written by Python's zlib and by hand, are read pixel by pixel; damaged ones are refused.

The oracle is the picture from which a file was made (`support.py`), and `zlib` for what is packed. Compiled for the
host with all checks: whatever the bytes are, no check fails.
"""

from __future__ import annotations

import itertools
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.lang import byte_span
from neokernel.png.image import CRC_TABLE, MOST_SIDE, Problem
from neokernel.png.inflate import Trouble
from tests.png import walk
from tests.png.support import KINDS, MODULE, Picture, chunk, library, picture

RAW = 128 << 10


def inflated(data: bytes, size: int) -> tuple[Trouble, bytes]:
    into = bytearray(size)
    return Trouble(int(library().call(f"{MODULE}.inflated", data, (into, size)))), bytes(into)


def unpacked(data: bytes, size: int = RAW) -> tuple[Problem, Trouble, int, int, list[tuple[int, ...]]]:
    """What is wrong, the size, the pixels."""
    raw, into = bytearray(size), bytearray(8 << 17)
    found = library().call(f"{MODULE}.unpacked", (bytearray(data), len(data)), (raw, size), (into, len(into)))
    problem, trouble, width, height = map(int, found)
    pixels = list(struct.iter_unpack("<4H", into[: 8 * width * height]))
    return Problem(problem), Trouble(trouble), width, height, pixels


# --- what zlib packs --------------------------------------------------------------------------------------------------


def samples() -> list[bytes]:
    chance = random.Random(1)
    return [
        b"",
        b"a",
        bytes(70_000),
        bytes(chance.randrange(256) for _ in range(70_000)),
        b"".join(b"%d, " % chance.randrange(300) for _ in range(9_000)),
        bytes(chance.choice(b"ab") for _ in range(5_000)) * 9,
    ]


@pytest.mark.parametrize("level", range(10))
def test_what_zlib_packs(level: int) -> None:
    for data in samples():
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
            packer = zlib.compressobj(level, strategy=strategy)
            packed = packer.compress(data) + packer.flush()
            assert inflated(packed, len(data)) == (Trouble.NONE, data)
            assert inflated(packed, len(data) + 1)[0] is Trouble.SMALL
            if data:
                assert inflated(packed, len(data) - 1)[0] is Trouble.LARGE
            assert inflated(packed[:-1], len(data))[0] is Trouble.CUT
            assert inflated(packed + b"x", len(data))[0] is Trouble.LARGE
            wrong = packed[:-1] + bytes([packed[-1] ^ 1])
            assert inflated(wrong, len(data))[0] is Trouble.CHECKSUM


def by_zlib(packed: bytes, size: int) -> bytes | None:
    """What zlib makes of it, if that is so long, and all of it."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, size + 1)
    except zlib.error:
        return None
    return found if unpacker.eof and not unpacker.unused_data and len(found) == size else None


def test_damaged_data() -> None:
    """What zlib takes is taken, and becomes the same; what it refuses is refused."""
    chance = random.Random(2)
    taken = refused = 0
    for _ in range(20_000):
        data = bytes(chance.choice(b"abc\0\xff") for _ in range(chance.randrange(60))) * chance.randrange(1, 4)
        packed = bytearray(zlib.compress(data, chance.randrange(10)))
        for _ in range(chance.randrange(3)):
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.5:
            # With a checksum that fits what may have become of it: so the codes alone decide.
            unpacker = zlib.decompressobj(-15)
            try:
                made = unpacker.decompress(bytes(packed[2:]), 10_000)
            except zlib.error:
                made = data
            packed = bytearray(bytes(packed[:-4]) + struct.pack(">I", zlib.adler32(made)))
            data = made
        wanted = by_zlib(bytes(packed), len(data))
        trouble, found = inflated(bytes(packed), len(data))
        assert (trouble is Trouble.NONE) == (wanted is not None), (bytes(packed), trouble)
        if wanted is None:
            refused += 1
        else:
            taken += 1
            assert found == wanted
    assert min(taken, refused) > 2_000, (taken, refused)


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_images_of_all_kinds(colour: int, depth: int, interlaced: bool) -> None:
    chance = random.Random(f"{colour} {depth} {interlaced}")
    for _ in range(30):
        made = picture(chance, colour, depth, chance.randrange(1, 20), chance.randrange(1, 20), interlaced)
        filters = (chance.randrange(5) for _ in itertools.count())
        data = made.file(filters, chance.randrange(10), chance.choice([1, 7, 1_000]), chunk(b"teXt", b"more"))
        found = unpacked(data)
        assert found == (Problem.NONE, Trouble.NONE, made.width, made.height, made.pixels())


def test_every_small_size() -> None:
    """Where passes of Adam7 have no pixels."""
    chance = random.Random(3)
    for width, height in itertools.product(range(1, 10), repeat=2):
        made = picture(chance, 0, 2, width, height, True)
        assert unpacked(made.file())[4] == made.pixels()


def test_by_cpython() -> None:
    made = picture(random.Random(4), 6, 8, 5, 4, True)
    data = bytearray(made.file(itertools.cycle(range(5))))
    into = bytearray(8 * 20)
    seen = walk.unpacked(byte_span(data), byte_span(bytearray(1_000)), byte_span(into))
    assert (int(seen.width), int(seen.height)) == (5, 4)
    assert list(struct.iter_unpack("<4H", into)) == made.pixels()


PLAIN = Picture(0, 8, [[(1,), (2,)], [(3,), (4,)]])


def headed(**changes: int) -> bytes:
    fields = {"width": 2, "height": 2, "depth": 8, "colour": 0, "method": 0, "filter": 0, "interlaced": 0} | changes
    data = PLAIN.file()
    return data[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields.values())) + data[33:]


WRONG = [
    (b"", Problem.SIGNATURE),
    (b"GIF89a" + bytes(40), Problem.SIGNATURE),
    (PLAIN.file()[:-1], Problem.CUT),
    (PLAIN.file()[:8], Problem.CUT),
    (PLAIN.file()[:-12], Problem.CUT),
    (PLAIN.file() + b"x", Problem.CHUNK),
    (PLAIN.file()[:8] + PLAIN.file()[33:], Problem.CHUNK),
    (headed(width=0), Problem.HEADER),
    (headed(depth=3), Problem.HEADER),
    (headed(depth=255), Problem.HEADER),
    (headed(colour=1), Problem.HEADER),
    (headed(colour=2, depth=4), Problem.HEADER),
    (headed(method=1), Problem.HEADER),
    (headed(interlaced=2), Problem.HEADER),
    (headed(width=int(MOST_SIDE) + 1), Problem.SIZE),
    (headed(colour=3), Problem.CHUNK),
    (PLAIN.file(more=chunk(b"NEWS", b"")), Problem.CHUNK),
    (PLAIN.file(more=chunk(b"IHDR", b"")), Problem.CHUNK),
    (PLAIN.file(more=chunk(b"PLTE", bytes(3))), Problem.CHUNK),
    (PLAIN.file(more=chunk(b"tRNS", bytes(3))), Problem.CHUNK),
    (PLAIN.file(more=chunk(b"IDAT", b"") + chunk(b"teXt", b"")), Problem.CHUNK),
    (PLAIN.file(itertools.repeat(0)).replace(b"IEND", b"IENd"), Problem.CHECKSUM),
]


@pytest.mark.parametrize(("data", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_image(data: bytes, problem: Problem) -> None:
    assert unpacked(data)[0] is problem


def test_a_filter_that_there_isnt() -> None:
    wrong = bytearray(PLAIN.raw(itertools.repeat(0)))
    wrong[3] = 5
    data = PLAIN.file()
    packed = chunk(b"IDAT", zlib.compress(bytes(wrong)))
    assert unpacked(data[:33] + packed + chunk(b"IEND", b""))[0] is Problem.FILTER


def test_what_is_too_large_for_the_memory() -> None:
    assert unpacked(PLAIN.file(), 5)[:2] == (Problem.NONE, Trouble.LARGE)
    assert unpacked(PLAIN.file(), 6)[:2] == (Problem.NONE, Trouble.NONE)


def test_any_change_is_noticed() -> None:
    """Each bit of a file."""
    made = picture(random.Random(5), 3, 4, 3, 3, False).file(more=chunk(b"teXt", b"a"))
    for bit in range(8 * len(made)):
        data = bytearray(made)
        data[bit // 8] ^= 1 << bit % 8
        problem, trouble, *_ = unpacked(bytes(data))
        assert problem is not Problem.NONE or trouble is not Trouble.NONE, bit


@given(st.randoms(use_true_random=False), st.sampled_from(KINDS), st.booleans())
@settings(max_examples=400, deadline=None)
def test_damaged_images(chance: random.Random, kind: tuple[int, int], interlaced: bool) -> None:
    """With checksums made right again: so what is in chunks decides. No check fails."""
    made = picture(chance, *kind, chance.randrange(1, 12), chance.randrange(1, 12), interlaced)
    data = made.file((chance.randrange(5) for _ in itertools.count()), pieces=chance.choice([9, 1_000]))
    chunks = []
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], bytearray(data[at + 8 : at + 8 + length])))
        at += 12 + length
    for _ in range(chance.randrange(1, 4)):
        name, body = chunks[chance.randrange(len(chunks))]
        match chance.randrange(4):
            case 0 if body:
                body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
            case 1:
                chunks.insert(chance.randrange(len(chunks)), (name, bytearray(body)))
            case 2:
                del body[chance.randrange(len(body) + 1) :]
            case _:
                chance.shuffle(chunks) if chance.random() < 0.2 else body.append(chance.randrange(256))
    unpacked(data[:8] + b"".join(chunk(name, bytes(body)) for name, body in chunks))


def test_the_checksums_table() -> None:
    for index in range(16):
        found = index
        for _ in range(4):
            found = found >> 1 ^ (0xEDB8_8320 if found & 1 else 0)
        assert int(CRC_TABLE[index]) == found
