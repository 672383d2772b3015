"""Operators that go along axes: means, the greatest, Softmax, ArgMax.

A tensor is seen as [outer, axis, inner]. Where elements of the axis lie side by side (inner is 1), vectors go along the
axis; else several axes are gone along at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neokernel.model import expression as expressions
from neokernel.model import mathematics
from neokernel.model.code import F32, I64, Code, Index, Operand, Value, pieces
from neokernel.model.expression import Expression
from neokernel.model.graph import ElementType, Operation, TensorType
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.sums import AS_IT_IS


@dataclass(frozen=True)
class Axis:
    """A tensor's elements as [outer, length, inner]."""

    outer: int
    length: int
    inner: int

    @staticmethod
    def of(shape: Sequence[int], first: int, last: int) -> Axis:
        """The axes from `first` up to `last`, without it, as one."""
        outer, length, inner = (
            int(np.prod(part, dtype=np.int64)) for part in (shape[:first], shape[first:last], shape[last:])
        )
        return Axis(outer, length, inner)


@dataclass(frozen=True)
class _Walk:
    """Going along one axis, a vector of `lanes` others beside it, or of its own elements."""

    code: Code
    axis: Axis

    def blocks(self, body: Callable[[Index, Index, int], None]) -> None:
        """`body(start, place, lanes)` for each group of `lanes` axes that are gone along together.

        `start`: where they begin; `place`: where they are in a tensor that has one element for each.
        """
        code, axis = self.code, self.axis
        lanes = min(code.machine.lanes, axis.inner)
        whole, rest = pieces(axis.inner, lanes)
        with code.loop(axis.outer) as outer:
            with code.loop(whole, lanes) as inner:
                start = code.index((outer, axis.length * axis.inner), (inner, 1))
                body(start, code.index((outer, axis.inner), (inner, 1)), lanes)
            if rest:
                start = code.index((outer, axis.length * axis.inner), start=whole)
                body(start, code.index((outer, axis.inner), start=whole), rest)

    def combined(
        self,
        start: Index,
        lanes: int,
        load: Callable[[Index, int], Value],
        combine: Callable[[Value, Value], Value],
    ) -> Value:
        """All elements along the axis combined. `load(place, lanes)`: elements, made into what is combined."""
        code, axis = self.code, self.axis
        if axis.inner > 1:
            first = load(start, lanes)
            if axis.length == 1:
                return first

            def add(step: Index, before: list[Value]) -> list[Value]:
                place = code.index((step, axis.inner), (start, 1), start=axis.inner)
                return [combine(before[0], load(place, lanes))]

            return code.reduce(axis.length - 1, [first], add)[0]
        wide = min(code.machine.lanes, axis.length)
        whole, rest = pieces(axis.length, wide)
        total = load(start, wide)
        if whole > wide:

            def add_wide(step: Index, before: list[Value]) -> list[Value]:
                return [combine(before[0], load(code.index((step, 1), (start, 1), start=wide), wide))]

            total = code.reduce(whole - wide, [total], add_wide, wide)[0]
        total = code.across(total, combine)
        if rest:
            total = combine(total, code.across(load(code.index((start, 1), start=whole), rest), combine))
        return total

    def each(self, start: Index, lanes: int, body: Callable[[Index, int], None]) -> None:
        """`body(place, lanes)` for all elements along the axis."""
        code, axis = self.code, self.axis
        if axis.inner > 1:
            with code.loop(axis.length) as step:
                body(code.index((step, axis.inner), (start, 1)), lanes)
            return
        wide = min(code.machine.lanes, axis.length)
        whole, rest = pieces(axis.length, wide)
        with code.loop(whole, wide) as step:
            body(code.index((step, 1), (start, 1)), wide)
        if rest:
            body(code.index((start, 1), start=whole), rest)


@dataclass(frozen=True)
class Reduction(Operation):
    """The mean, or the most, along axes that lie together. `finish`: what becomes of it (its input 0)."""

    axis: Axis
    shape: tuple[int, ...]
    mean: bool
    finish: Expression = AS_IT_IS

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(self.finish.element, self.shape)]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        walk = _Walk(code, self.axis)

        def body(start: Index, place: Index, lanes: int) -> None:
            combine = code.add if self.mean else code.maximum
            total = walk.combined(start, lanes, lambda at, count: code.load(inputs[0].pointer, F32, at, count), combine)
            if self.mean:
                total = code.divide(total, code.number(F32, self.axis.length))
            code.store(code.splat(expressions.emit(code, self.finish, [total]), lanes), outputs[0].pointer, place)

        walk.blocks(body)


@dataclass(frozen=True)
class Softmax(Operation):
    """e^x of each element, divided by the sum along the axis; of x less the greatest, so that none overflows."""

    axis: Axis

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [inputs[0]]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        walk, source, target = _Walk(code, self.axis), inputs[0].pointer, outputs[0].pointer

        def body(start: Index, _: Index, lanes: int) -> None:
            most = walk.combined(start, lanes, lambda at, count: code.load(source, F32, at, count), code.maximum)

            def power(at: Index, count: int) -> Value:
                result = mathematics.exp(code, code.subtract(code.load(source, F32, at, count), most))
                code.store(result, target, at)
                return result

            total = walk.combined(start, lanes, power, code.add)

            def share(at: Index, count: int) -> None:
                code.store(code.divide(code.load(target, F32, at, count), total), target, at)

            walk.each(start, lanes, share)

        walk.blocks(body)


@dataclass(frozen=True)
class ArgMax(Operation):
    """The index along the axis of the greatest element: of the first such, or of the last."""

    axis: Axis
    shape: tuple[int, ...]
    last: bool

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(I64, self.shape)]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        source, element, axis = inputs[0].pointer, inputs[0].type.element, self.axis
        with code.loop(axis.outer) as outer, code.loop(axis.inner) as inner:
            start = code.index((outer, axis.length * axis.inner), (inner, 1))

            def look(step: Index, before: list[Value]) -> list[Value]:
                most, index = before
                place = code.index((step, axis.inner), (start, 1), start=axis.inner)
                new, at = code.load(source, element, place), code.index((step, 1), start=1)
                number = code.number(I64, at) if isinstance(at, int) else at
                better = code.compare("ge" if self.last else "gt", new, most)
                return [code.select(better, new, most), code.select(better, number, index)]

            found = code.reduce(axis.length - 1, [code.load(source, element, start), code.number(I64, 0)], look)
            code.store(found[1], outputs[0].pointer, code.index((outer, axis.inner), (inner, 1)))


# --- readers ----------------------------------------------------------------------------------------------------------


def read_global(node: OnnxNode, *, mean: bool) -> Made:
    """GlobalAveragePool, GlobalMaxPool: over all dimensions behind the channels."""
    node.at_most(1)
    tensor = node.of_type(node.input(0), F32)
    shape = tensor.type.shape
    if len(shape) < 3:
        node.refuse(f"{tensor!r} has no dimensions behind its channels")
    result = (*shape[:2], *(1,) * (len(shape) - 2))
    return Made(Reduction(Axis.of(shape, 2, len(shape)), result, mean), [tensor])


def read_reduce_mean(node: OnnxNode) -> Made:
    tensor = node.of_type(node.input(0), F32)
    shape = tensor.type.shape
    numbers: list[int] | None
    if node.version < 18:
        node.at_most(1)
        numbers = node.integers("axes") if node.has("axes") else None
    else:
        node.at_most(2)
        numbers = node.constant_integers(1, "the axes")
    if node.integer("noop_with_empty_axes", 0) and not numbers:
        node.unsupported("no axes, and then nothing is to be done")
    axes = sorted(node.axes(numbers or list(range(len(shape))), len(shape)))
    if not axes:
        node.refuse(f"{tensor!r} has no axes")
    first, last = axes[0], axes[-1] + 1
    between = [axis for axis in range(first, last) if axis not in axes and shape[axis] != 1]
    if between:
        node.unsupported(f"axes {axes}, which don't lie together", "put a Transpose before it")
    keep = node.integer("keepdims", 1)
    result = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
    return Made(Reduction(Axis.of(shape, first, last), tuple(result), mean=True), [tensor])


def read_softmax(node: OnnxNode) -> Made:
    node.at_most(1)
    tensor = node.of_type(node.input(0), F32)
    shape = tensor.type.shape
    if not shape:
        node.refuse(f"{tensor!r} has no axis")
    if node.version < 13:
        axis = node.axis(node.integer("axis", 1), len(shape))
        return Made(Softmax(Axis.of(shape, axis, len(shape))), [tensor])
    axis = node.axis(node.integer("axis", -1), len(shape))
    return Made(Softmax(Axis.of(shape, axis, axis + 1)), [tensor])


def read_argmax(node: OnnxNode) -> Made:
    node.at_most(1)
    types = [element for element in ElementType if element is not ElementType.BOOL]
    tensor = node.of_type(node.input(0), *types)
    shape = tensor.type.shape
    if not shape:
        node.refuse(f"{tensor!r} has no axis")
    axis = node.axis(node.integer("axis", 0), len(shape))
    kept = (1,) if node.integer("keepdims", 1) else ()
    result = (*shape[:axis], *kept, *shape[axis + 1 :])
    return Made(ArgMax(Axis.of(shape, axis, axis + 1), result, bool(node.integer("select_last_index", 0))), [tensor])


OPERATORS: dict[str, Support] = {
    "GlobalAveragePool": Support((1, 22), lambda node: read_global(node, mean=True)),
    "GlobalMaxPool": Support((1, 22), lambda node: read_global(node, mean=False)),
    "ReduceMean": Support((1, 11, 13, 18), read_reduce_mean, "axes that lie together, and are constants"),
    "Softmax": Support((1, 11, 13), read_softmax),
    "ArgMax": Support((1, 11, 12, 13), read_argmax),
}
