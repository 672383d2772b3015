"""Operators that move elements and compute none: shapes, transposing, joining, cutting out, padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np

from neokernel.model.code import Code, Operand
from neokernel.model.expression import Expression, Input, Literal
from neokernel.model.graph import Array, ElementType, Operation, Tensor, TensorType, View, row_major
from neokernel.model.onnx_node import Known, Made, OnnxNode, Support
from neokernel.model.problem import UNSUPPORTED, ModelError
from neokernel.model.strided import Place, emit_map, places_of

#: pieces of one operation, each of which has code of its own
MOST_PIECES = 256
#: indices into a constant, which is computed while the model is read
MOST_CHOSEN = 1 << 16
#: in a dimension that is padded
MOST_ELEMENTS = 1 << 20
#: of a tensor that has been padded
MOST_PADDED = 1 << 28


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of the result and where its elements come from, both by strides and where they begin, in elements.

    `source` is the number of an input, or None for the operation's filling.
    """

    shape: tuple[int, ...]
    target_strides: tuple[int, ...]
    target: int
    source: int | None
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Rearrangement(Operation):
    """A result that is put together of blocks of the inputs."""

    type: TensorType
    pieces: tuple[Piece, ...]
    filling: float = 0

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [self.type]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        if len(self.pieces) > max(MOST_PIECES, len(inputs)):
            help = f"up to {MOST_PIECES} are supported"
            raise ModelError(UNSUPPORTED, f"{len(self.pieces)} blocks to copy", help)
        element = self.type.element
        for piece in self.pieces:
            target = Place(outputs[0].pointer, element, piece.target_strides, piece.target)
            places: list[Place] = []
            expression: Expression = Literal(self.filling, element)
            if piece.source is not None:
                places = [Place(inputs[piece.source].pointer, element, piece.strides, piece.offset)]
                expression = Input(0, element)
            emit_map(code, piece.shape, target, places, expression)

    def evaluate(self, inputs: Sequence[Array]) -> list[Array] | None:
        result = np.full(self.type.count, self.filling, self.type.element.dtype)
        for piece in self.pieces:
            if piece.source is not None:
                there = places_of(piece.shape, piece.target_strides, piece.target)
                result[there] = inputs[piece.source].reshape(-1)[places_of(piece.shape, piece.strides, piece.offset)]
        return [result.reshape(self.type.shape)]


def of_one(type_: TensorType, strides: Sequence[int], offset: int = 0) -> Rearrangement:
    """All of the result out of the first input."""
    return Rearrangement(type_, (Piece(type_.shape, row_major(type_.shape), 0, 0, tuple(strides), offset),))


# --- shapes -----------------------------------------------------------------------------------------------------------


def read_reshape(node: OnnxNode) -> Made:
    node.at_most(2)
    tensor = node.input(0)
    wanted = node.constant_integers(1, "the shape")
    if wanted is None:
        node.refuse("the shape is missing")
    as_said = node.integer("allowzero", 0)
    shape = list(wanted)
    for axis, size in enumerate(shape):
        if size == 0 and not as_said:
            if axis >= len(tensor.type.shape):
                node.refuse(f"dimension {axis} of {wanted} is to be the input's, which has none such")
            shape[axis] = tensor.type.shape[axis]
    unknown = [axis for axis, size in enumerate(shape) if size == -1]
    known = int(np.prod([size for size in shape if size != -1], dtype=np.float64))
    if len(unknown) > 1 or min(shape, default=0) < -1:
        node.refuse(f"{wanted} isn't a shape")
    if unknown and known and tensor.type.count % known == 0:
        shape[unknown[0]] = tensor.type.count // known
    return view(node, tensor, shape)


def view(node: OnnxNode, tensor: Tensor, shape: Sequence[int]) -> Made:
    if int(np.prod(np.asarray(shape, np.float64))) != tensor.type.count or min(shape, default=1) < 1:
        node.refuse(f"{tensor!r} can't be given the shape {list(shape)}")
    return Made(View(tuple(shape)), [tensor])


def read_flatten(node: OnnxNode) -> Made:
    node.at_most(1)
    tensor = node.input(0)
    rank = len(tensor.type.shape)
    axis = node.integer("axis", 1)
    if not -rank <= axis <= rank:
        node.refuse(f"axis {axis} of a tensor with {rank} dimensions")
    axis += rank if axis < 0 else 0
    before = int(np.prod(tensor.type.shape[:axis], dtype=np.int64))
    return view(node, tensor, (before, tensor.type.count // before))


def axes_of(node: OnnxNode, before: int) -> list[int] | None:
    """The axes: an attribute in versions below `before`, an input since."""
    if node.version < before:
        node.at_most(1)
        return node.integers("axes") if node.has("axes") else None
    node.at_most(2)
    return node.constant_integers(1, "the axes")


def read_squeeze(node: OnnxNode) -> Made:
    tensor = node.input(0)
    shape = tensor.type.shape
    numbers = axes_of(node, 13)
    axes = [axis for axis, size in enumerate(shape) if size == 1] if numbers is None else node.axes(numbers, len(shape))
    for axis in axes:
        if shape[axis] != 1:
            node.refuse(f"dimension {axis} of {tensor!r} isn't 1")
    return view(node, tensor, [size for axis, size in enumerate(shape) if axis not in axes])


def read_unsqueeze(node: OnnxNode) -> Made:
    tensor = node.input(0)
    numbers = axes_of(node, 13)
    if numbers is None:
        node.refuse("the axes are missing")
    rank = len(tensor.type.shape) + len(numbers)
    axes = node.axes(numbers, rank)
    sizes = iter(tensor.type.shape)
    return view(node, tensor, [1 if axis in axes else next(sizes) for axis in range(rank)])


def read_shape(node: OnnxNode) -> Known:
    node.at_most(1)
    shape = node.input(0).type.shape
    begin, end = node.integer("start", 0), node.integer("end", len(shape))
    return [np.asarray(shape[slice(begin, end)], np.int64)]


def read_constant(node: OnnxNode) -> Known:
    node.at_most(0)
    if node.has("value"):
        return [node.array("value")]
    if node.has("value_float"):
        return [np.asarray(node.decimal("value_float"), np.float32)]
    if node.has("value_int"):
        return [np.asarray(node.integer("value_int"), np.int64)]
    if node.has("value_floats"):
        return [np.asarray(node.decimals("value_floats"), np.float32)]
    if node.has("value_ints"):
        return [np.asarray(node.integers("value_ints"), np.int64)]
    help = "supported: value, value_float, value_floats, value_int, value_ints"
    return node.unsupported("neither tensor nor numbers", help)


# --- moving -----------------------------------------------------------------------------------------------------------


def read_transpose(node: OnnxNode) -> Made:
    node.at_most(1)
    tensor = node.input(0)
    shape = tensor.type.shape
    order = node.integers("perm", list(reversed(range(len(shape)))))
    if sorted(order) != list(range(len(shape))):
        node.refuse(f"perm {order} isn't an order of {len(shape)} dimensions")
    strides = row_major(shape)
    result = TensorType(tensor.type.element, tuple(shape[axis] for axis in order))
    if [axis for axis in order if shape[axis] != 1] == [axis for axis in range(len(shape)) if shape[axis] != 1]:
        return Made(View(result.shape), [tensor])  # only dimensions of 1 change their places
    return Made(of_one(result, [strides[axis] for axis in order]), [tensor])


def read_concat(node: OnnxNode) -> Made:
    # What has no elements, as a shape that is joined to another may be, adds nothing; all else must have some.
    empty = [each is not None and each.type.count == 0 for each in node.inputs]
    tensors = [node.input(index) for index in range(max(1, len(node.inputs))) if not any(empty[index : index + 1])]
    if not tensors:
        node.unsupported("no input has elements", "tensors without elements aren't supported")
    element = node.same_type(tensors)
    rank = len(tensors[0].type.shape)
    axis = node.axis(node.integer("axis", 1), rank)
    first = tensors[0].type.shape
    for tensor in tensors:
        others = [size == same for size, same in zip(tensor.type.shape, first, strict=False)]
        if len(tensor.type.shape) != rank or not all([*others[:axis], *others[axis + 1 :]]):
            node.refuse(f"{tensor!r} and {tensors[0]!r} differ in more than axis {axis}")
    shape = list(tensors[0].type.shape)
    shape[axis] = sum(tensor.type.shape[axis] for tensor in tensors)
    strides, target = row_major(shape), 0
    blocks = []
    for index, tensor in enumerate(tensors):
        blocks.append(Piece(tensor.type.shape, strides, target, index, row_major(tensor.type.shape)))
        target += tensor.type.shape[axis] * strides[axis]
    return Made(Rearrangement(TensorType(element, tuple(shape)), tuple(blocks)), tensors)


def read_slice(node: OnnxNode) -> Made:
    tensor = node.input(0)
    shape = list(tensor.type.shape)
    if node.version < 10:
        node.at_most(1)
        starts, ends = node.integers("starts"), node.integers("ends")
        axes = node.integers("axes", list(range(len(starts))))
        steps = [1] * len(starts)
    else:
        node.at_most(5)
        begin, end = node.constant_integers(1, "where it starts"), node.constant_integers(2, "where it ends")
        if begin is None or end is None:
            node.refuse("it isn't said where it starts and ends")
        starts, ends = begin, end
        axes = node.constant_integers(3, "the axes") or list(range(len(starts)))
        steps = node.constant_integers(4, "the steps") or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        node.refuse(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} don't fit each other")
    strides, offset = list(row_major(shape)), 0
    for axis, start, end_, step in zip(node.axes(axes, len(shape)), starts, ends, steps, strict=True):
        chosen = range(*slice(start, end_, step).indices(shape[axis]))
        if not chosen:
            node.unsupported(f"nothing of dimension {axis} is left", "tensors without elements aren't supported")
        offset += chosen.start * strides[axis]
        strides[axis] *= step
        shape[axis] = len(chosen)
    return Made(of_one(TensorType(tensor.type.element, tuple(shape)), strides, offset), [tensor])


def read_gather(node: OnnxNode) -> Made:
    node.at_most(2)
    tensor = node.input(0)
    chosen = node.constant(1, "which elements")
    if chosen is None or chosen.dtype.kind not in "iu":
        node.refuse("the indices aren't integers")
    shape = tensor.type.shape
    axis = node.axis(node.integer("axis", 0), len(shape))
    most = MOST_PIECES if tensor.constant is None else MOST_CHOSEN
    if chosen.size > most:
        node.unsupported(f"{chosen.size} indices", f"up to {most} are supported")
    indices = [node.axis(number, shape[axis], "index") for number in chosen.reshape(-1).tolist()]
    if not indices:
        node.unsupported("no indices", "tensors without elements aren't supported")
    lines, inner = (int(np.prod(part, dtype=np.int64)) for part in (shape[:axis], shape[axis + 1 :]))
    pieces = tuple(
        Piece((lines, inner), (len(indices) * inner, 1), at * inner, 0, (shape[axis] * inner, 1), index * inner)
        for at, index in enumerate(indices)
    )
    result = TensorType(tensor.type.element, (*shape[:axis], *chosen.shape, *shape[axis + 1 :]))
    return Made(Rearrangement(result, pieces), [tensor])


# --- padding ----------------------------------------------------------------------------------------------------------

#: a part of one dimension of a result: where it begins, how long it is, where in the source it begins (None: nowhere),
#: and the source's step from one to the next
Run: TypeAlias = "tuple[int, int, int | None, int]"


def runs_of(mode: str, size: int, before: int, after: int) -> list[Run]:
    """The parts of a dimension of `size` that gets `before` and `after` more elements; fewer, if negative."""
    places = list(range(-before, size + after))
    if mode == "edge":
        sources: list[int | None] = [min(max(place, 0), size - 1) for place in places]
    elif mode == "wrap":
        sources = [place % size for place in places]
    elif mode == "reflect":
        period = max(1, 2 * (size - 1))
        sources = [min(place % period, period - place % period) if size > 1 else 0 for place in places]
    else:
        sources = [place if 0 <= place < size else None for place in places]
    runs: list[Run] = []
    for at, source in enumerate(sources):
        if runs:
            begin, length, first, step = runs[-1]
            last = None if first is None else first + (length - 1) * step
            new = 0 if source is None or last is None else source - last
            if (source is None) == (last is None) and abs(new) <= 1 and (length == 1 or new == step):
                runs[-1] = (begin, length + 1, first, new)
                continue
        runs.append((at, 1, source, 0))
    return runs


def read_pad(node: OnnxNode) -> Made:
    tensor = node.input(0)
    shape = tensor.type.shape
    mode = node.text("mode", "constant")
    if mode not in ("constant", "edge", "reflect", "wrap"):
        node.unsupported(f"mode {mode!r}", "supported: constant, edge, reflect, wrap")
    axes: list[int] | None = None
    filling: float = 0
    if node.version < 11:
        node.at_most(1)
        node.of_type(tensor, ElementType.FLOAT32, ElementType.FLOAT64)
        pads, filling = node.integers("pads"), node.decimal("value", 0.0)
    else:
        node.at_most(4)
        given = node.constant_integers(1, "how much is padded")
        if given is None:
            node.refuse("it isn't said how much is padded")
        pads = given
        value = node.constant(2, "what is padded with")
        if value is not None:
            if value.size != 1 or value.dtype != tensor.type.element.dtype:
                node.refuse(f"what is padded with isn't one {tensor.type.element.value}")
            filling = value.reshape(-1)[0].item()
        axes = node.constant_integers(3, "the axes")
    chosen = list(range(len(shape))) if axes is None else node.axes(axes, len(shape))
    if len(pads) != 2 * len(chosen):
        node.refuse(f"{len(pads)} numbers of pads; {2 * len(chosen)} are needed")
    before, after = [0] * len(shape), [0] * len(shape)
    for position, axis in enumerate(chosen):
        before[axis], after[axis] = pads[position], pads[position + len(chosen)]
    result = tuple(size + low + high for size, low, high in zip(shape, before, after, strict=True))
    if min(result, default=1) < 1:
        node.unsupported(f"nothing is left: {list(result)}", "tensors without elements aren't supported")
    if max(result, default=1) > MOST_ELEMENTS:
        node.unsupported(f"padding to {list(result)}", f"up to {MOST_ELEMENTS} in a dimension are supported")
    if int(np.prod(np.asarray(result, np.float64))) > MOST_PADDED:
        node.unsupported(f"padding to {list(result)}", f"up to {MOST_PADDED} elements are supported")
    runs = [runs_of(mode, *each) for each in zip(shape, before, after, strict=True)]
    if int(np.prod([len(parts) for parts in runs], dtype=np.float64)) > MOST_PIECES:
        node.unsupported("so much padding in this mode", f"up to {MOST_PIECES} blocks to copy are supported")
    strides, targets = row_major(shape), row_major(result)
    pieces = []
    for parts in product(*runs):
        filled = any(first is None for _, _, first, _ in parts)
        target = sum(begin * stride for (begin, _, _, _), stride in zip(parts, targets, strict=True))
        offset = sum((first or 0) * stride for (_, _, first, _), stride in zip(parts, strides, strict=True))
        steps = tuple(step * stride for (_, _, _, step), stride in zip(parts, strides, strict=True))
        lengths = tuple(length for _, length, _, _ in parts)
        pieces.append(Piece(lengths, targets, target, None if filled else 0, steps, 0 if filled else offset))
    return Made(Rearrangement(TensorType(tensor.type.element, result), tuple(pieces), filling), [tensor])


TO_25 = (13, 21, 23, 24, 25)

OPERATORS: dict[str, Support] = {
    "Reshape": Support((5, 13, 14, 19, 21, 23, 24, 25), read_reshape, "the shape is a constant"),
    "Flatten": Support((1, 9, 11, *TO_25), read_flatten),
    "Squeeze": Support((1, 11, *TO_25), read_squeeze, "the axes are constants"),
    "Unsqueeze": Support((1, 11, *TO_25), read_unsqueeze, "the axes are constants"),
    "Shape": Support((1, 13, 15, 19, 21, 23, 24, 25), read_shape),
    "Constant": Support((1, 9, 11, 12, 13, 19, 21, 23, 24, 25), read_constant, "no texts, nothing sparse"),
    "Transpose": Support((1, *TO_25), read_transpose),
    "Concat": Support((4, 11, 13), read_concat),
    "Slice": Support((1, 10, 11, 13), read_slice, "where it starts and ends are constants"),
    "Gather": Support((1, 11, 13), read_gather, f"the indices are constants, {MOST_PIECES} at most"),
    "Pad": Support((2, 11, 13, 18, 19, 21, 23, 24, 25), read_pad, "how much is padded is a constant"),
}
