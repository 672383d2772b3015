"""What convolutions and matrix products share: operands laid out for the inner loop, and what becomes of each sum.

A sum of products is computed for a block of results at once, which stay in registers: so each element that is loaded
is used several times. Elements are F32, summed up in F32, or I16 (8-bit ones less their zero points), in I32.

Integers can be summed up as floats as well, without a rounding, as long as no sum can reach beyond the integers that
the float has all of: 2²⁴ for F32, 2⁵³ for F64. `factors_for` looks at the weights, and knows. A sum that could reach
beyond I32 is refused, on all machines: else it would wrap on some, and not on others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neokernel.model import expression as expressions
from neokernel.model.code import F32, F64, I16, I32, Code, Index, Operand, Value
from neokernel.model.expression import Expression, Input
from neokernel.model.graph import ElementType, row_major
from neokernel.model.problem import UNSUPPORTED, ModelError
from neokernel.model.strided import Place, broadcast_strides, emit_map, places_of

#: below, each integer is an F32
EXACT_F32 = float(1 << 24)
#: sums of integers stay below
MOST_SUM = 1 << 31
#: what an 8-bit number less its zero point can be, without its sign
MOST_FACTOR = 255
#: an F32 as it is
AS_IT_IS = Input(0, F32)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of an operand, in row-major order when it has been laid out: by the operand's own strides."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def count(self) -> int:
        return math.prod(self.shape)


def laid_out(code: Code, operand: Operand, blocks: Sequence[Block], expression: Expression) -> str:
    """A pointer to the operand's blocks one after the other, each element become `expression` of itself.

    Of a constant it is done now; else by the code, in its work space, each time that it runs.
    """
    if operand.constant is not None:
        flat = operand.constant.reshape(-1)
        gathered = np.concatenate(
            [flat[places_of(block.shape, block.strides, block.offset)].ravel() for block in blocks]
        )
        computed = expressions.compute(expression, [gathered])
        assert computed is not None, "operands are converted, and moved by their zero points"
        return code.constant(computed.astype(expression.element.dtype))
    pointer = code.work(expression.element, sum(block.count for block in blocks))
    begin = 0
    for block in blocks:
        target = Place(pointer, expression.element, row_major(block.shape), begin)
        source = Place(operand.pointer, operand.type.element, block.strides, block.offset)
        emit_map(code, block.shape, target, [source], expression)
        begin += block.count
    return pointer


def sum_type(factor: ElementType) -> ElementType:
    """What products of such factors are summed up in."""
    return I32 if factor is I16 else factor


def factors_for(
    code: Code, left: Expression, right: Expression, weights: Operand, axis: int, products: int, start: Operand | None
) -> tuple[Expression, Expression]:
    """What elements become before they are multiplied, on this machine.

    `axis`: of the weights, along which results differ; `products`: how many are in a sum; `start`: what sums begin
    with. Raises ModelError if a sum of integers needn't fit.
    """
    if right.element is not I16:
        return left, right
    sums = float(products * MOST_FACTOR)
    if weights.constant is not None:
        factors = expressions.compute(right, [weights.constant])
        assert factors is not None
        others = tuple(each for each in range(factors.ndim) if each != axis % factors.ndim)
        sums = float(np.abs(factors.astype(np.float64)).sum(axis=others).max())
    most = sums * MOST_FACTOR
    if start is not None:
        most += 2.0**31 if start.constant is None else float(np.abs(start.constant.astype(np.float64)).max())
    if most >= MOST_SUM:
        raise ModelError(
            UNSUPPORTED,
            f"sums of {products} products of 8-bit integers, which can reach {most:.0f}",
            f"supported: less than {MOST_SUM}, so that 32 bits hold them",
        )
    if not code.machine.integers_as_floats:
        return left, right
    exact = F32 if most < EXACT_F32 else F64
    return expressions.convert(left, exact), expressions.convert(right, exact)


def multiply_add(code: Code, a: Value, b: Value, total: Value) -> Value:
    """Total + a × b, for one scalar and one vector, or two of either."""
    return code.fma(code.convert(a, total.element), code.convert(b, total.element), total)


def spread(width: int, lanes: int) -> list[tuple[int, int]]:
    """A row of `width` results as vectors: where each begins, and its lanes."""
    return [(begin, min(lanes, width - begin)) for begin in range(0, width, lanes)]


@dataclass(frozen=True, slots=True)
class Finish:
    """What sums begin with and end as. All operands are broadcast to the result's shape.

    `expression`: of the sum (its input 0) and the other operands (from input 1 on). Of a sum of integers, it is
    converted to F32 before all else: so it can come as any type that has the number.
    """

    output: Operand
    expression: Expression
    start: Operand | None
    others: tuple[Operand, ...]

    def first(self, code: Code, factor: ElementType, position: Sequence[Index], lanes: int) -> Value:
        """What the sums of a row of results begin with; `position`: the first one's index in the result."""
        if self.start is None:
            return code.number(sum_type(factor), 0, lanes)
        return code.splat(code.convert(self._load(code, self.start, position, lanes), sum_type(factor)), lanes)

    def store(self, code: Code, total: Value, position: Sequence[Index]) -> None:
        values = [total, *(self._load(code, other, position, total.lanes) for other in self.others)]
        result = code.splat(expressions.emit(code, self.expression, values), total.lanes)
        at = code.index(*zip(position, row_major(self.output.type.shape), strict=True))
        code.store(result, self.output.pointer, at)

    def _load(self, code: Code, operand: Operand, position: Sequence[Index], lanes: int) -> Value:
        strides = broadcast_strides(operand.type.shape, self.output.type.shape)
        at = code.index(*zip(position, strides, strict=True))
        return code.load(operand.pointer, operand.type.element, at, lanes if strides[-1] else 1)


def finish_of(inputs: Sequence[Operand], output: Operand, expression: Expression, *, starts: bool) -> Finish:
    """Of an operation whose inputs are two factors, what sums start from if it `starts` from something, and others."""
    rest = tuple(inputs[2:])
    return Finish(output, expression, rest[0] if starts else None, rest[1:] if starts else rest)
