"""Elementwise loops over tensors that needn't lie in row-major order: broadcasting, transposing, slicing and copying.

A `Place` says where the element of an output's index lies: at `offset` plus each index times the dimension's stride.
A stride of 0 repeats an element; a negative one goes backwards.

Dimensions that are one after the other in all places become one, so that a loop runs as long as it can; the innermost
is computed in vectors where its elements lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neokernel.model import expression as expressions
from neokernel.model.code import Code, Index, Value, lanes_for, pieces
from neokernel.model.expression import Expression
from neokernel.model.graph import Array, ElementType, row_major


@dataclass(frozen=True, slots=True)
class Place:
    pointer: str
    element: ElementType
    strides: tuple[int, ...]
    offset: Index = 0


def broadcast_strides(shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor that is repeated to a larger shape, as NumPy and ONNX do it: aligned at the end."""
    own = row_major(shape)
    missing = len(to) - len(shape)
    return (0,) * missing + tuple(0 if size == 1 else stride for size, stride in zip(shape, own, strict=True))


def places_of(shape: Sequence[int], strides: Sequence[int], offset: int) -> Array:
    """The index in memory of each element of a block."""
    found = np.full(tuple(shape), offset, np.int64)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        steps = np.arange(size, dtype=np.int64) * stride
        found += steps.reshape((size,) + (1,) * (len(shape) - axis - 1))
    return found


def collapse(shape: Sequence[int], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """Shape and strides with as few dimensions as possible; at least one."""
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if sizes and all(mine[-1] == theirs[axis] * size for mine, theirs in zip(kept, strides, strict=True)):
            sizes[-1] *= size
            for mine, theirs in zip(kept, strides, strict=True):
                mine[-1] = theirs[axis]
            continue
        sizes.append(size)
        for mine, theirs in zip(kept, strides, strict=True):
            mine.append(theirs[axis])
    if not sizes:
        return [1], [[1] for _ in strides]
    return sizes, kept


def emit_map(code: Code, shape: Sequence[int], output: Place, inputs: Sequence[Place], expression: Expression) -> None:
    """For each index below `shape`: the output's element becomes the expression of the inputs'."""
    places = [output, *inputs]
    sizes, strides = collapse(shape, [place.strides for place in places])
    _nest(code, sizes, strides, places, [place.offset for place in places], expression)


def _nest(
    code: Code,
    sizes: list[int],
    strides: list[list[int]],
    places: Sequence[Place],
    offsets: list[Index],
    expression: Expression,
) -> None:
    if len(sizes) > 1:
        with code.loop(sizes[0]) as index:
            inner = [code.index((index, own[0]), start=offset) for own, offset in zip(strides, offsets, strict=True)]
            _nest(code, sizes[1:], [own[1:] for own in strides], places, inner, expression)
        return
    steps = [own[0] for own in strides]
    count = sizes[0]
    side_by_side = steps[0] == 1 and all(step in (0, 1) for step in steps[1:])
    widest = max((place.element for place in places), key=lambda element: element.size)
    lanes = lanes_for(code.machine, widest, count) if side_by_side else 1
    whole, rest = pieces(count, lanes)
    # What doesn't change along the row is loaded once.
    fixed = [
        code.load(place.pointer, place.element, offset) if step == 0 else None
        for place, offset, step in zip(places[1:], offsets[1:], steps[1:], strict=True)
    ]

    def part(index: Index, width: int) -> None:
        values: list[Value] = []
        for place, offset, step, known in zip(places[1:], offsets[1:], steps[1:], fixed, strict=True):
            at = code.index((index, step), start=offset)
            values.append(known if known is not None else code.load(place.pointer, place.element, at, width))
        result = code.splat(expressions.emit(code, expression, values), width)
        code.store(result, places[0].pointer, code.index((index, steps[0]), start=offsets[0]))

    with code.loop(whole, lanes) as index:
        part(index, lanes)
    if rest:
        part(whole, rest)


def emit_fill(code: Code, pointer: str, offset: Index, count: int, value: Value) -> None:
    """`count` elements from the one at `offset` on become `value`."""
    if count:
        lanes = lanes_for(code.machine, value.element, count)
        whole, rest = pieces(count, lanes)
        with code.loop(whole, lanes) as index:
            code.store(code.splat(value, lanes), pointer, code.index((index, 1), start=offset))
        if rest:
            code.store(code.splat(value, rest), pointer, code.index((whole, 1), start=offset))
