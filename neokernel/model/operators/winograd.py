"""Windows of 3 × 3 in steps of 1 by Winograd's algorithm F(2 × 2, 3 × 3): 16 products for four results, not 36.

Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks (CVPR 2016), sections 4.1 and 4.2. The
result is cut into tiles of 2 × 2, each of which needs 4 × 4 elements d of every channel. With

        ⎡ 1  0 -1  0 ⎤         ⎡  1    0    0  ⎤
        ⎢ 0  1  1  0 ⎥         ⎢ 1/2  1/2  1/2 ⎥         ⎡ 1  1  1  0 ⎤
    Bᵀ = ⎢ 0 -1  1  0 ⎥     G = ⎢ 1/2 -1/2  1/2 ⎥    Aᵀ = ⎣ 0  1 -1 -1 ⎦
        ⎣ 0  1  0 -1 ⎦         ⎣  0    0    1  ⎦

a tile of the result is Aᵀ [ Σ (G g Gᵀ) ⊙ (Bᵀ d B) ] A, summed over channels: for each of 16 places one product of
matrices, of weights, which are constants and so made before, and of tiles.

Numbers are rounded in another order than by the direct sum, and errors go by the largest number of a tile: one that
isn't finite, or is near the end of the range, reaches all four results of its tiles. Elements are F32: sums of integers
would have to be exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neokernel.model.code import F32, Code, Index, Machine, Value, pieces
from neokernel.model.expression import Expression
from neokernel.model.graph import Array
from neokernel.model.sums import Finish, multiply_add
from neokernel.model.windows import Laid, Window

#: places of a tile; instructions that it takes to bring its elements into that form, or sums out of it
PLACES, WAY = 16, 64
#: of the direct sum's multiply-adds, how many there may be at most, the way counted as such
GAIN = 0.75
#: numbers that elements of tiles take at once, if a row of tiles needn't more: they stay in the caches
STRIP = 1 << 14

#: four numbers or vectors
Four: TypeAlias = "tuple[Value, Value, Value, Value]"


def pays(machine: Machine, window: Window, channels: int, results: int) -> bool:
    """Whether there is enough of everything: `channels` of the images, and `results` of the result, of one group."""
    if (window.kernel, window.strides, window.dilations) != ((1, 3, 3), (1, 1, 1), (1, 1, 1)):
        return False
    _, height, width = window.output
    tiles = -(-height // 2) * -(-width // 2)
    takes = tiles * (results * channels * PLACES + (results + channels) * WAY)
    return tiles >= machine.lanes and takes <= GAIN * results * channels * 9 * height * width


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows of tiles that are computed together. `first`: its number; `height`: rows of the result in them."""

    first: Index
    rows: int
    height: int
    columns: int

    @property
    def tiles(self) -> int:
        return self.rows * self.columns


class Tiled:
    """The code of one convolution. `weights`: [results of all groups, channels of a group, 3, 3]."""

    def __init__(
        self, code: Code, window: Window, group: int, weights: Array, left: Expression, finish: Finish
    ) -> None:
        self.code = code
        self.group = group
        self.left = left
        self.finish = finish
        self.results, self.channels = weights.shape[0] // group, weights.shape[1]
        _, self.height, self.width = window.output
        self.rows, self.columns = -(-self.height // 2), -(-self.width // 2)
        #: what elements are laid out for: tiles overlap by two
        self.window = Window((1, 4, 4), (1, 2, 2), (1, 1, 1), window.before, (1, self.rows, self.columns))
        lanes = code.machine.lanes
        row = PLACES * self.channels * self.columns
        self.strip = min(self.rows, max(-(-lanes // self.columns), STRIP // row, 1))
        tiles = self.strip * self.columns
        self.block = min(self.results, code.machine.accumulators)
        self.weights = code.constant(self._laid_out(transformed(weights)))
        self.elements = code.work(F32, PLACES * self.channels * tiles)  # [place, channel, tile]
        self.sums = code.work(F32, PLACES * self.block * tiles)  # [place, result of the block, tile]

    def _blocks(self) -> Iterator[tuple[int, int, int]]:
        """Results of a group in blocks: the first one, how many there are in all, how many in a block."""
        whole, rest = pieces(self.results, self.block)
        yield 0, whole, self.block
        if rest:
            yield whole, rest, rest

    def _laid_out(self, weights: Array) -> Array:
        """As blocks read them: [group, block, place, channel, result of the block]."""
        parts = []
        for group in weights.reshape(self.group, self.results, self.channels, PLACES):
            for first, count, size in self._blocks():
                of_blocks = group[first : first + count].reshape(count // size, size, self.channels, PLACES)
                parts.append(of_blocks.transpose(0, 3, 2, 1).ravel())
        return np.concatenate(parts)

    def emit(self, image: Index, laid: Laid) -> None:
        code = self.code
        in_strips = self.height // 2 // self.strip * self.strip  # the last row may be half of the result's
        with code.loop(self.group) as group:
            if in_strips:
                with code.loop(in_strips, self.strip) as first:
                    self._strip(image, laid, group, Strip(first, self.strip, 2 * self.strip, self.columns))
            if self.rows > in_strips:
                height = self.height - 2 * in_strips
                self._strip(image, laid, group, Strip(in_strips, self.rows - in_strips, height, self.columns))

    def _strip(self, image: Index, laid: Laid, group: Index, strip: Strip) -> None:
        code = self.code
        one = PLACES * self.channels
        self._elements(laid, strip, code.index((group, self.channels)))
        for first, count, size in self._blocks():
            with code.loop(count, size) as step:
                weights = code.index((group, self.results * one), (step, one), start=first * one)
                self._products(strip, weights, size)
                with code.loop(size) as number:
                    result = code.index((group, self.results), (step, 1), (number, 1), start=first)
                    self._results(image, result, strip, number, size)

    def _elements(self, laid: Laid, strip: Strip, first: Index) -> None:
        """Bᵀ d B of the tiles, of a group's channels, whose first one is `first`."""
        code = self.code
        lanes = min(code.machine.lanes, self.columns)
        whole, rest = pieces(self.columns, lanes)
        place = self.channels * strip.tiles

        def part(channel: Index, row: Index, column: Index, lanes: int) -> None:
            source = code.index((first, 1), (channel, 1))
            position = (0, code.index((strip.first, 1), (row, 1)), column)

            def element(y: int, x: int) -> Value:
                return code.load(laid.pointer, F32, laid.index(code, source, position, (0, y, x)), lanes)

            down = [self._before(*(element(y, x) for y in range(4))) for x in range(4)]
            at = code.index((channel, strip.tiles), (row, self.columns), (column, 1))
            for y in range(4):
                for x, value in enumerate(self._before(*(each[y] for each in down))):
                    code.store(value, self.elements, code.index((at, 1), start=(4 * y + x) * place))

        with code.loop(self.channels) as channel, code.loop(strip.rows) as row:
            with code.loop(whole, lanes) as column:
                part(channel, row, column, lanes)
            if rest:
                part(channel, row, whole, rest)

    def _products(self, strip: Strip, weights: Index, size: int) -> None:
        """Sums over the channels, at each place of the tiles, for `size` results, whose weights begin there."""
        code = self.code
        lanes = min(code.machine.lanes, strip.tiles)
        whole, rest = pieces(strip.tiles, lanes)
        unrolled = max(1, min(self.channels, code.machine.unrolled // size))
        in_rounds, left = pieces(self.channels, unrolled)

        def part(place: Index, tile: Index, lanes: int) -> None:
            elements = code.index((place, self.channels * strip.tiles), (tile, 1))
            of_place = code.index((weights, 1), (place, self.channels * size))

            def add(channel: Index, before: list[Value]) -> list[Value]:
                value = code.load(self.elements, F32, code.index((elements, 1), (channel, strip.tiles)), lanes)
                begin = code.index((of_place, 1), (channel, size))
                after = []
                for number, total in enumerate(before):
                    weight = code.load(self.weights, F32, code.index((begin, 1), start=number))
                    after.append(multiply_add(code, value, weight, total))
                return after

            def add_some(channel: Index, before: list[Value]) -> list[Value]:
                for step in range(unrolled):
                    before = add(code.index((channel, 1), start=step), before)
                return before

            totals = code.reduce(in_rounds, [code.number(F32, 0, lanes)] * size, add_some, unrolled)
            for step in range(left):
                totals = add(in_rounds + step, totals)
            at = code.index((place, size * strip.tiles), (tile, 1))
            for number, total in enumerate(totals):
                code.store(total, self.sums, code.index((at, 1), start=number * strip.tiles))

        with code.loop(PLACES) as place:
            with code.loop(whole, lanes) as tile:
                part(place, tile, lanes)
            if rest:
                part(place, whole, rest)

    def _results(self, image: Index, result: Index, strip: Strip, number: Index, size: int) -> None:
        """Aᵀ m A of the tiles of one result, the block's `number`th, and what becomes of each sum."""
        code = self.code
        lanes = min(code.machine.lanes, self.columns)
        whole = self.width // 2 // lanes * lanes  # the last tile may be half of the result's
        rest = self.columns - whole

        def part(row: Index, rows: int, column: Index, lanes: int, width: int) -> None:
            """`rows` and `width`: how much of the tiles is the result's."""
            at = code.index((number, strip.tiles), (row, self.columns), (column, 1))

            def total(y: int, x: int) -> Value:
                start = (4 * y + x) * size * strip.tiles
                return code.load(self.sums, F32, code.index((at, 1), start=start), lanes)

            down = [self._after(*(total(y, x) for y in range(4))) for x in range(4)]
            for y in range(rows):
                a, b = self._after(*(each[y] for each in down))
                sums = code.interleaved(a, b, width)
                place = (image, result, 0, code.index((strip.first, 2), (row, 2), start=y), code.index((column, 2)))
                if self.finish.start is not None:
                    sums = code.add(self.finish.first(code, F32, place, width), sums)
                self.finish.store(code, sums, place)

        def of_row(row: Index, rows: int) -> None:
            if whole:
                with code.loop(whole, lanes) as column:
                    part(row, rows, column, lanes, 2 * lanes)
            if rest:
                part(row, rows, whole, rest, self.width - 2 * whole)

        if strip.height > 1:
            with code.loop(strip.height // 2) as row:
                of_row(row, 2)
        if strip.height % 2:
            of_row(strip.height // 2, 1)

    def _before(self, *d: Value) -> Four:
        """Bᵀ d"""
        code = self.code
        return code.subtract(d[0], d[2]), code.add(d[1], d[2]), code.subtract(d[2], d[1]), code.subtract(d[1], d[3])

    def _after(self, *m: Value) -> tuple[Value, Value]:
        """Aᵀ m"""
        code = self.code
        return code.add(code.add(m[0], m[1]), m[2]), code.subtract(code.subtract(m[1], m[2]), m[3])


def transformed(weights: Array) -> Array:
    """G g Gᵀ of weights […, 3, 3], as F32 […, 16]. Sums are written out, so that all hosts give the same bits."""

    def along(g: Callable[[int], Array]) -> list[Array]:
        sides = g(0) + g(2)
        return [g(0), (sides + g(1)) / 2, (sides - g(1)) / 2, g(2)]

    exact = weights.astype(np.float64)
    down = [along(lambda row, column=column: exact[..., row, column]) for column in range(3)]  # type: ignore[misc]
    places = [each for row in range(4) for each in along(lambda column, row=row: down[column][row])]  # type: ignore[misc]
    return np.stack(places, axis=-1).astype(np.float32)
