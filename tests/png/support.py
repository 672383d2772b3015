"""Images as other programs could write them, of known pixels; and the walks, compiled for the host."""

from __future__ import annotations

import functools
import itertools
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT

MODULE = "tests.png.walk"
#: each colour type's channels, and the depths that it may have
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
#: Adam7, as the standard draws it: the pass of each pixel of eight by eight
ADAM7 = (
    (1, 6, 4, 6, 2, 6, 4, 6),
    (7, 7, 7, 7, 7, 7, 7, 7),
    (5, 6, 5, 6, 5, 6, 5, 6),
    (7, 7, 7, 7, 7, 7, 7, 7),
    (3, 6, 4, 6, 3, 6, 4, 6),
    (7, 7, 7, 7, 7, 7, 7, 7),
    (5, 6, 5, 6, 5, 6, 5, 6),
    (7, 7, 7, 7, 7, 7, 7, 7),
)
Samples = list[list[tuple[int, ...]]]


@functools.cache
def library() -> jit.Library:
    """With all checks."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE]))
    assert state.program is not None and not state.diagnostics.items, state.diagnostics.sorted()
    return jit.Library(state.program, tuple(f"{MODULE}.{name}" for name in ("inflated", "unpacked")), poison=True)


@dataclass
class Picture:
    """`samples`: rows of pixels, each as many numbers as the colour type has channels."""

    colour: int
    depth: int
    samples: Samples
    interlaced: bool = False
    palette: Sequence[tuple[int, int, int]] = ()
    alphas: Sequence[int] = ()
    key: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        return len(self.samples[0])

    @property
    def height(self) -> int:
        return len(self.samples)

    def pixels(self) -> list[tuple[int, int, int, int]]:
        """What is to be seen, in 16 bits."""
        return [self.seen(pixel) for row in self.samples for pixel in row]

    def seen(self, pixel: tuple[int, ...]) -> tuple[int, int, int, int]:
        if self.colour == 3:
            red, green, blue = self.palette[pixel[0]]
            alpha = self.alphas[pixel[0]] if pixel[0] < len(self.alphas) else 255
            return red * 257, green * 257, blue * 257, alpha * 257
        scaled = [sample * 65_535 // (2**self.depth - 1) for sample in pixel]
        alpha = scaled.pop() if self.colour & 4 else 0 if pixel == self.key else 65_535
        red, green, blue = scaled if len(scaled) == 3 else scaled * 3
        return red, green, blue, alpha

    # --- written --------------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[Samples]:
        """Passes, those without pixels left out."""
        if not self.interlaced:
            yield self.samples
            return
        for number in range(1, 8):
            rows = [
                [pixel for x, pixel in enumerate(row) if ADAM7[y % 8][x % 8] == number]
                for y, row in enumerate(self.samples)
            ]
            if any(rows):
                yield [row for row in rows if row]

    def packed_row(self, row: Sequence[tuple[int, ...]]) -> bytes:
        bits = "".join(f"{sample:0{self.depth}b}" for pixel in row for sample in pixel)
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")

    def raw(self, filters: Iterator[int]) -> bytes:
        """Rows, filtered."""
        step = max(self.depth * CHANNELS[self.colour] // 8, 1)
        made = bytearray()
        for part in self.parts():
            above = bytes(len(self.packed_row(part[0])))
            for row in part:
                data, kind = self.packed_row(row), next(filters)
                made.append(kind)
                for place, byte in enumerate(data):
                    left = data[place - step] if place >= step else 0
                    corner = above[place - step] if place >= step else 0
                    near = left + above[place] - corner
                    guess = min((left, above[place], corner), key=lambda each: abs(near - each))
                    taken = (0, left, above[place], (left + above[place]) // 2, guess)[kind]
                    made.append((byte - taken) % 256)
                above = data
        return bytes(made)

    def file(
        self, filters: Iterator[int] | None = None, level: int = 6, pieces: int = 1_000, more: bytes = b""
    ) -> bytes:
        """As PNG. `pieces`: bytes of pixels in a chunk; `more`: chunks behind the header."""
        head = struct.pack(">IIBBBBB", self.width, self.height, self.depth, self.colour, 0, 0, int(self.interlaced))
        chunks = chunk(b"IHDR", head) + more
        if self.palette:
            chunks += chunk(b"PLTE", bytes(itertools.chain(*self.palette)))
        if self.alphas:
            chunks += chunk(b"tRNS", bytes(self.alphas))
        if self.key is not None:
            chunks += chunk(b"tRNS", b"".join(struct.pack(">H", sample) for sample in self.key))
        packed = zlib.compress(self.raw(itertools.repeat(0) if filters is None else filters), level)
        for first in range(0, len(packed), pieces):
            chunks += chunk(b"IDAT", packed[first : first + pieces])
        return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def picture(chance: random.Random, colour: int, depth: int, width: int, height: int, interlaced: bool) -> Picture:
    """Of random pixels, some of them alike."""
    most = 2**depth - 1
    palette, alphas, key = [], [], None
    if colour == 3:
        most = chance.randrange(most + 1)
        palette = [(chance.randrange(256), chance.randrange(256), chance.randrange(256)) for _ in range(most + 1)]
        alphas = [chance.randrange(256) for _ in range(chance.randrange(most + 2))]
    few = [tuple(chance.randint(0, most) for _ in range(CHANNELS[colour])) for _ in range(3)]
    samples = [
        [
            chance.choice(few)
            if chance.random() < 0.5
            else tuple(chance.randint(0, most) for _ in range(CHANNELS[colour]))
            for _ in range(width)
        ]
        for _ in range(height)
    ]
    if colour in (0, 2) and chance.random() < 0.5:
        key = chance.choice(few)
    return Picture(colour, depth, samples, interlaced, palette, alphas, key)
