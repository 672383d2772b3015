"""MatMul and Gemm: a block of the result stays in registers while the sum runs.

Columns of the result are computed side by side, out of rows of the right factor. Unless these lie in memory as they are
needed, the right factor is laid out in panels of as many columns as a block has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neokernel.model.code import F32, Code, Index, Operand, Value, pieces
from neokernel.model.expression import Expression, Input, Literal, apply
from neokernel.model.graph import Operation, Tensor, TensorType, row_major
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.strided import broadcast_strides
from neokernel.model.sums import AS_IT_IS, Block, factors_for, finish_of, laid_out, multiply_add, spread

#: rounds of the sum that are written out
UNROLLED = 4
#: rows of a block, if there are so many
ROWS = 4


@dataclass(frozen=True)
class Product(Operation):
    """Inputs: left [batch…, M, K] and right [batch…, K, N] by their strides, what sums start from if `starts`, and what
    `finish` takes. The result has the shape [batch…, M, N], as `shape` and the other inputs write it.

    `left`, `right`: what becomes of an element before it is multiplied. `finish`: what becomes of a sum (its input 0).
    `view`: the result's shape for whoever reads it, which has the same elements.
    """

    shape: tuple[int, ...]
    inner: int
    left_strides: tuple[int, ...]
    right_strides: tuple[int, ...]
    view: tuple[int, ...]
    left: Expression = AS_IT_IS
    right: Expression = AS_IT_IS
    finish: Expression = AS_IT_IS
    starts: bool = False

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(self.finish.element, self.view)]

    def multiply_adds(self, inputs: Sequence[TensorType]) -> int:
        return math.prod(self.shape) * self.inner

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        _Kernel(self, code, inputs, outputs[0]).emit()


class _Kernel:
    """The code of one product."""

    def __init__(self, operation: Product, code: Code, inputs: Sequence[Operand], output: Operand) -> None:
        self.code = code
        self.operation = operation
        *batch, self.height, self.width = operation.shape
        self.batch = tuple(batch)
        self.inner = operation.inner
        machine = code.machine
        self.lanes = min(machine.lanes, self.width)
        self.rows = min(ROWS, self.height)
        room = max(1, machine.lanes * machine.accumulators // self.rows // self.lanes)
        self.columns = min(self.width, room * self.lanes)
        self.finish = finish_of(
            inputs,
            output.shaped(operation.shape),
            operation.finish,
            starts=operation.starts,
        )
        self.left_factor, self.right_factor = factors_for(
            code, operation.left, operation.right, inputs[1], -1, self.inner, self.finish.start
        )
        self.factor = self.right_factor.element
        self._lay_out_left(inputs[0])
        self._lay_out_right(inputs[1])

    def _lay_out_left(self, operand: Operand) -> None:
        self.left, self.left_strides = operand.pointer, self.operation.left_strides
        if isinstance(self.left_factor, Input):
            return
        # What is converted is converted once, not in each block.
        shape = operand.type.shape
        block = Block(shape, row_major(shape))
        self.left = laid_out(self.code, operand, [block], self.left_factor)

    def _lay_out_right(self, operand: Operand) -> None:
        *batch, step, column = self.operation.right_strides
        whole, rest = pieces(self.width, self.columns)
        self.direct = column == 1 and isinstance(self.right_factor, Input) and operand.constant is None
        self.right_batch: tuple[int, ...] = tuple(batch)
        if self.direct:
            self.right, self.right_step = operand.pointer, step
            return
        sizes = [size if stride else 1 for size, stride in zip(self.batch, batch, strict=True)]
        one = self.inner * self.width
        own = row_major(sizes)
        self.right_batch = tuple(place * one if stride else 0 for place, stride in zip(own, batch, strict=True))
        blocks = []
        for index in np.ndindex(*sizes):
            offset = sum(number * stride for number, stride in zip(index, batch, strict=True))
            for first, count, size in ((0, whole, self.columns), (whole, rest, rest)):
                if count:
                    shape = (count // size, self.inner, size)
                    blocks.append(Block(shape, (size * column, step, column), offset + first * column))
        self.right = laid_out(self.code, operand, blocks, self.right_factor)

    def emit(self) -> None:
        self._batches([], 0, 0)

    def _batches(self, index: list[Index], left: Index, right: Index) -> None:
        axis = len(index)
        if axis < len(self.batch):
            with self.code.loop(self.batch[axis]) as number:
                self._batches(
                    [*index, number],
                    self.code.index((number, self.left_strides[axis]), (left, 1)),
                    self.code.index((number, self.right_batch[axis]), (right, 1)),
                )
            return
        whole, rest = pieces(self.width, self.columns)
        for first, count, size in ((0, whole, self.columns), (whole, rest, rest)):
            if not count:
                continue
            with self.code.loop(count, size) as step:
                column = self.code.index((step, 1), start=first)
                # A panel's first element; in one, or in the matrix itself, rows are so far apart:
                start = column if self.direct else self.code.index((column, self.inner))
                apart = self.right_step if self.direct else size
                self._panel(index, left, self.code.index((start, 1), (right, 1)), column, size, apart)

    def _panel(self, index: list[Index], left: Index, right: Index, column: Index, size: int, apart: int) -> None:
        whole, rest = pieces(self.height, self.rows)
        if whole:
            with self.code.loop(whole, self.rows) as row:
                self._block([*index, row, column], left, right, self.rows, size, apart)
        if rest:
            self._block([*index, whole, column], left, right, rest, size, apart)

    def _block(self, at: list[Index], left: Index, right: Index, rows: int, size: int, apart: int) -> None:
        """`at`: the index of the block's first element in the result."""
        code = self.code
        *batch, row, column = at
        *_, row_stride, inner_stride = self.left_strides
        vectors = spread(size, self.lanes)
        places = [
            [*batch, code.index((row, 1), start=number), code.index((column, 1), start=begin)]
            for number in range(rows)
            for begin, _ in vectors
        ]
        widths = [lanes for _ in range(rows) for _, lanes in vectors]
        sums = [self.finish.first(code, self.factor, place, lanes) for place, lanes in zip(places, widths, strict=True)]
        left = code.index((row, row_stride), (left, 1))

        def add(k: Index, before: list[Value]) -> list[Value]:
            start = code.index((k, apart), (right, 1))
            panel = [
                code.load(self.right, self.factor, code.index((start, 1), start=begin), lanes)
                for begin, lanes in vectors
            ]
            after = []
            for number in range(rows):
                place = code.index((k, inner_stride), (left, 1), start=number * row_stride)
                element = code.load(self.left, self.left_factor.element, place)
                for each, vector in enumerate(panel):
                    after.append(multiply_add(code, vector, element, before[number * len(vectors) + each]))
            return after

        def add_several(k: Index, before: list[Value]) -> list[Value]:
            for number in range(UNROLLED):
                before = add(code.index((k, 1), start=number), before)
            return before

        whole, rest = pieces(self.inner, UNROLLED)
        if whole:
            sums = code.reduce(whole, sums, add_several, UNROLLED)
        for number in range(rest):
            sums = add(whole + number, sums)
        for total, place in zip(sums, places, strict=True):
            self.finish.store(code, total, place)


# --- readers ----------------------------------------------------------------------------------------------------------


def read_factors(node: OnnxNode, a: Tensor, b: Tensor) -> Product:
    """The product of two tensors as NumPy's matmul has it."""
    left, right = a.type.shape, b.type.shape
    if not left or not right:
        node.refuse("a scalar can't be multiplied as a matrix")
    first = left if len(left) > 1 else (1, *left)
    second = right if len(right) > 1 else (*right, 1)
    if first[-1] != second[-2]:
        node.refuse(f"{a!r} and {b!r} can't be multiplied: {first[-1]} columns, {second[-2]} rows")
    try:
        batch = tuple(np.broadcast_shapes(first[:-2], second[:-2]))
    except ValueError:
        node.refuse(f"{a!r} and {b!r} can't be multiplied: their first dimensions don't fit")
    view = (*batch, *(first[-2:-1] if len(left) > 1 else ()), *(second[-1:] if len(right) > 1 else ()))
    return Product(
        (*batch, first[-2], second[-1]),
        first[-1],
        broadcast_factor(first, batch),
        broadcast_factor(second, batch),
        view,
    )


def broadcast_factor(shape: tuple[int, ...], batch: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a factor: those of its matrices as they are, before them 0 where it is repeated."""
    own = row_major(shape)
    count = math.prod(shape[-2:])
    return (*(stride * count for stride in broadcast_strides(shape[:-2], batch)), *own[-2:])


def read_matmul(node: OnnxNode) -> Made:
    node.at_most(2)
    a, b = (node.of_type(node.input(index), F32) for index in (0, 1))
    return Made(read_factors(node, a, b), [a, b])


def read_gemm(node: OnnxNode) -> Made:
    """Alpha × A' × B' + beta × C."""
    node.at_most(3)
    a, b = (node.of_type(node.input(index), F32) for index in (0, 1))
    if len(a.type.shape) != 2 or len(b.type.shape) != 2:
        node.refuse(f"{a!r} and {b!r} aren't matrices")
    alpha, beta = node.decimal("alpha", 1.0), node.decimal("beta", 1.0)
    left, right = row_major(a.type.shape), row_major(b.type.shape)
    (height, inner), (same, width) = a.type.shape, b.type.shape
    if node.integer("transA", 0):
        height, inner, left = inner, height, left[::-1]
    if node.integer("transB", 0):
        same, width, right = width, same, right[::-1]
    if inner != same:
        node.refuse(f"{a!r} and {b!r} can't be multiplied: {inner} columns, {same} rows")
    inputs, shape = [a, b], (height, width)
    finish: Expression = AS_IT_IS if alpha == 1 else apply("multiply", AS_IT_IS, Literal(alpha, F32))
    starts = False
    c = node.optional(2)
    if c is not None and beta != 0:
        node.of_type(c, F32)
        if len(c.type.shape) > 2 or node.broadcast([c, Tensor("", TensorType(F32, shape))]) != shape:
            node.refuse(f"{c!r} can't be repeated to the result's shape, {list(shape)}")
        inputs.append(c)
        starts = alpha == 1 and beta == 1
        if not starts:
            summand: Expression = Input(1, F32)
            if beta != 1:
                summand = apply("multiply", summand, Literal(beta, F32))
            finish = apply("add", finish, summand)
    return Made(Product(shape, inner, left, right, shape, finish=finish, starts=starts), inputs)


OPERATORS: dict[str, Support] = {
    "MatMul": Support((1, 9, 13), read_matmul),
    "Gemm": Support((7, 9, 11, 13), read_gemm),
}
