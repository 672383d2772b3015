"""MaxPool, AveragePool and the global ones: the most, or the mean, of what is under a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neokernel.model import expression as expressions
from neokernel.model.code import F32, Code, Index, Operand, Value, pieces
from neokernel.model.expression import Expression, Input
from neokernel.model.graph import Array, ElementType, Operation, TensorType, row_major
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.windows import Laid, Window, read_window, three, under_windows

#: up to so many places of a window are written out
MOST_UNROLLED = 64
#: of a window in one dimension; and in all, where means are of different numbers of elements
MOST_POSITIONS = 1 << 22


@dataclass(frozen=True)
class Pool(Operation):
    """What is under each position of a window, channel by channel, combined.

    `divisors`: of a mean, by how much each position's sum is divided, as rows of numbers; None: the most is taken.
    `finish`: what becomes of it (its input 0), with the other inputs, broadcast to the result.
    """

    window: Window
    shape: tuple[int, ...]
    element: ElementType
    divisors: tuple[float, ...] | None
    finish: Expression

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(self.finish.element, self.shape)]

    @property
    def filling(self) -> float:
        """What padding is: nothing that is more than anything, or adds anything."""
        if self.divisors is not None:
            return 0
        return -np.inf if self.element.is_float else self.element.limits[0]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        combine: Callable[[Value, Value], Value] = code.maximum if self.divisors is None else code.add
        table = None
        if self.divisors is not None and len(set(self.divisors)) > 1:
            table = code.constant(np.asarray(self.divisors, np.float32))
        with code.loop(self.shape[0]) as image:
            laid = under_windows(code, inputs[0], image, self.window, Input(0, self.element), self.filling)
            with code.loop(self.shape[1]) as channel:
                self._channel(code, laid, outputs[0], image, channel, combine, table)

    def _channel(
        self,
        code: Code,
        laid: Laid,
        output: Operand,
        image: Index,
        channel: Index,
        combine: Callable[[Value, Value], Value],
        table: str | None,
    ) -> None:
        depth, height, width = self.window.output
        lanes = min(code.machine.lanes, width)
        whole, rest = pieces(width, lanes)
        plane = row_major(self.window.output)
        with code.loop(depth) as z, code.loop(height) as y:

            def part(x: Index, count: int) -> None:
                result = self._combined(code, laid, channel, (z, y, x), count, combine)
                at = code.index((z, plane[0]), (y, plane[1]), (x, 1))
                if table is not None:
                    result = code.divide(result, code.load(table, F32, at, count))
                elif self.divisors is not None and self.divisors[0] != 1:
                    result = code.divide(result, code.number(F32, self.divisors[0]))
                result = expressions.emit(code, self.finish, [result])
                images, channels, *_ = row_major((*self.shape[:2], *self.window.output))
                code.store(result, output.pointer, code.index((image, images), (channel, channels), (at, 1)))

            if whole:
                with code.loop(whole, lanes) as x:
                    part(x, lanes)
            if rest:
                part(whole, rest)

    def _combined(
        self,
        code: Code,
        laid: Laid,
        channel: Index,
        at: tuple[Index, Index, Index],
        lanes: int,
        combine: Callable[[Value, Value], Value],
    ) -> Value:
        depth, height, width = self.window.kernel

        def under(z: Index, y: Index, x: int) -> Value:
            return code.load(laid.pointer, laid.element, laid.index(code, channel, at, (z, y, x)), lanes)

        def row(z: Index, y: Index, before: list[Value]) -> list[Value]:
            for x in range(width):
                before = [combine(before[0], under(z, y, x))]
            return before

        if depth * height * width <= MOST_UNROLLED:
            first, *others = [under(*tap) for tap in self.window.taps]
            for other in others:
                first = combine(first, other)
            return first
        start = [code.number(self.element, self.filling, lanes)]
        return code.reduce(depth, start, lambda z, before: code.reduce(height, before, lambda y, now: row(z, y, now)))[
            0
        ]


# --- readers ----------------------------------------------------------------------------------------------------------


#: as `Window.counts` has them
Counts: TypeAlias = "tuple[Array, Array, Array]"


def read_pool(node: OnnxNode, *types: ElementType) -> tuple[Window, tuple[int, ...], ElementType, Counts, Counts]:
    """Window, the result's shape and elements; and per position how many places are over elements, and over those and
    padding."""
    node.at_most(1)
    tensor = node.of_type(node.input(0), *types)
    size = tensor.type.shape[2:]
    if not size:
        node.refuse(f"{tensor!r} has nothing that a window moves over")
    window, after = read_window(node, size, node.integers("kernel_shape", count=len(size)))
    reach = [(each - 1) * dilation + 1 for each, dilation in zip(window.kernel, window.dilations, strict=True)]
    if any(max(pads) >= each for *pads, each in zip(window.before, after, reach, strict=True)):
        node.unsupported("as much padding as the window reaches over, or more", "supported: less")
    if max(window.output) > MOST_POSITIONS:
        node.unsupported(f"{max(window.output)} positions in a dimension", f"supported: up to {MOST_POSITIONS}")
    shape = (*tensor.type.shape[:2], *window.output[3 - len(size) :])
    in_three = three(size, 1)
    nothing = (0, 0, 0)
    return (
        window,
        shape,
        tensor.type.element,
        window.counts(in_three, nothing, nothing),
        window.counts(in_three, window.before, after),
    )


def read_max_pool(node: OnnxNode) -> Made:
    if len(node.results) > 1 and node.results[1]:
        node.unsupported("indices as a result")
    node.integer("storage_order", 0)  # about the indices
    window, shape, element, inside, _ = read_pool(node, F32, ElementType.INT8, ElementType.UINT8)
    if not all(each.all() for each in inside):
        node.refuse("a window lies over padding alone")
    return Made(Pool(window, shape, element, None, Input(0, element)), [node.input(0)])


def read_average_pool(node: OnnxNode) -> Made:
    window, shape, _, inside, over = read_pool(node, F32)
    counts = over if node.integer("count_include_pad", 0) else inside
    if not all(each.all() for each in counts):
        node.refuse("a window lies over padding alone")
    return Made(Pool(window, shape, F32, divisors(node, counts), Input(0, F32)), [node.input(0)])


def divisors(node: OnnxNode, counts: Counts) -> tuple[float, ...]:
    """One number if all are the same."""
    if all(each.min() == each.max() for each in counts):
        return (math.prod(float(each[0]) for each in counts),)
    if math.prod(map(len, counts)) > MOST_POSITIONS:
        help = f"supported: up to {MOST_POSITIONS}; or set count_include_pad"
        node.unsupported("so many positions with means of different numbers of elements", help)
    z, y, x = counts
    return tuple((z[:, None, None] * y[:, None] * x).astype(np.float64).reshape(-1).tolist())


OPERATORS: dict[str, Support] = {
    "MaxPool": Support((1, 8, 10, 11, 12, 22), read_max_pool, "no indices"),
    "AveragePool": Support((7, 10, 11, 19, 22), read_average_pool),
}
