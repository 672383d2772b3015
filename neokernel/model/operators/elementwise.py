"""Operators that compute each element by itself: arithmetic, activations, conversions, BatchNormalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neokernel.model import expression as expressions
from neokernel.model.code import F32, Code, Operand
from neokernel.model.expression import Expression, Input, Literal, apply, clip, convert
from neokernel.model.graph import Array, ElementType, Operation, Tensor, TensorType, View, row_major
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.strided import Place, broadcast_strides, emit_map

#: what is computed with; bool is only carried and converted
NUMBERS = tuple(element for element in ElementType if element is not ElementType.BOOL)


@dataclass(frozen=True)
class Elementwise(Operation):
    """An expression for each index of `shape`, of inputs that are broadcast to it."""

    expression: Expression
    shape: tuple[int, ...]

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(self.expression.element, self.shape)]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        places = [
            Place(each.pointer, each.type.element, broadcast_strides(each.type.shape, self.shape)) for each in inputs
        ]
        output = Place(outputs[0].pointer, self.expression.element, row_major(self.shape))
        emit_map(code, self.shape, output, places, self.expression)

    def evaluate(self, inputs: Sequence[Array]) -> list[Array] | None:
        result = expressions.compute(self.expression, inputs)
        if result is None:
            return None
        return [np.ascontiguousarray(np.broadcast_to(result.astype(self.expression.element.dtype), self.shape))]


def made(node: OnnxNode, tensors: Sequence[Tensor], build: Callable[..., Expression]) -> Made:
    """The operation of an expression of these tensors. Constants of one element become numbers in the code."""
    shape = node.broadcast(tensors)
    kept: list[Tensor] = []
    operands: list[Expression] = []
    for tensor in tensors:
        operands.append(operand_of(tensor, kept))
    if not kept:
        # All are known: it is computed at once.
        kept = [tensors[0]]
        operands[0] = Input(0, tensors[0].type.element)
    return Made(Elementwise(build(*operands), shape), kept)


def operand_of(tensor: Tensor, kept: list[Tensor]) -> Expression:
    """A tensor in an expression: a number, or one more input."""
    if tensor.constant is not None and tensor.type.count == 1:
        number = tensor.constant.reshape(-1)[0].item()
        if np.isfinite(number):
            return Literal(number, tensor.type.element)
    kept.append(tensor)
    return Input(len(kept) - 1, tensor.type.element)


# --- readers ----------------------------------------------------------------------------------------------------------


def binary(function: str) -> Callable[[OnnxNode], Made]:
    def read(node: OnnxNode) -> Made:
        node.at_most(2)
        tensors = [node.of_type(node.input(index), *NUMBERS) for index in (0, 1)]
        node.same_type(tensors)
        return made(node, tensors, lambda a, b: apply(function, a, b))

    return read


def many(function: str) -> Callable[[OnnxNode], Made]:
    """Sum, Min, Max: of any number of inputs."""

    def read(node: OnnxNode) -> Made:
        tensors = [node.of_type(node.input(index), *NUMBERS) for index in range(max(1, len(node.inputs)))]
        node.same_type(tensors)

        def build(first: Expression, *others: Expression) -> Expression:
            for other in others:
                first = apply(function, first, other)
            return first

        return made(node, tensors, build)

    return read


def unary(build: Callable[[OnnxNode, Expression], Expression], *types: ElementType) -> Callable[[OnnxNode], Made]:
    """`types`: what elements can be; float32 if none are given."""

    def read(node: OnnxNode) -> Made:
        node.at_most(1)
        tensor = node.of_type(node.input(0), *(types or (F32,)))
        return made(node, [tensor], lambda x: build(node, x))

    return read


def number(x: Expression, value: float) -> Literal:
    return Literal(value, x.element)


def leaky_relu(node: OnnxNode, x: Expression) -> Expression:
    scaled = apply("multiply", x, number(x, node.decimal("alpha", 0.01)))
    return apply("select", apply("less", x, number(x, 0.0)), scaled, x)


def elu(node: OnnxNode, x: Expression) -> Expression:
    alpha = number(x, node.decimal("alpha", 1.0))
    below = apply("multiply", alpha, apply("subtract", apply("exp", x), number(x, 1.0)))
    return apply("select", apply("less", x, number(x, 0.0)), below, x)


def hard_sigmoid(x: Expression, alpha: float, beta: float) -> Expression:
    return clip(apply("add", apply("multiply", x, number(x, alpha)), number(x, beta)), 0.0, 1.0)


def read_clip(node: OnnxNode) -> Made:
    tensor = node.of_type(node.input(0), *NUMBERS)
    if node.version == 6:
        node.at_most(1)
        node.of_type(tensor, *FLOATS)
        widest = np.finfo(np.float32)
        least, greatest = node.decimal("min", float(widest.min)), node.decimal("max", float(widest.max))
        return made(node, [tensor], lambda x: clip(x, least, greatest))
    node.at_most(3)
    bounds = [node.optional(1), node.optional(2)]
    for bound in bounds:
        if bound is not None and bound.type.count != 1:
            node.refuse(f"a bound has one element, and {bound!r} hasn't")
    present = [bound for bound in bounds if bound is not None]
    node.same_type([tensor, *present])

    def build(x: Expression, *given: Expression) -> Expression:
        ends = iter(given)
        if bounds[0] is not None:
            x = apply("maximum", x, next(ends))
        return x if bounds[1] is None else apply("minimum", x, next(ends))

    result = made(node, [tensor, *present], build)
    assert isinstance(result.operation, Elementwise)
    # A bound may be written with more dimensions than x has.
    return Made(Elementwise(result.operation.expression, tensor.type.shape), [reshaped(each) for each in result.inputs])


def reshaped(tensor: Tensor) -> Tensor:
    """A tensor of one element as a scalar."""
    if tensor.type.count != 1 or tensor.constant is None:
        return tensor
    return Tensor(tensor.name, TensorType(tensor.type.element, ()), tensor.constant.reshape(()))


#: ONNX's numbers of the types (onnx.TensorProto.DataType)
CAST_TYPES = {
    1: ElementType.FLOAT32,
    2: ElementType.UINT8,
    3: ElementType.INT8,
    4: ElementType.UINT16,
    5: ElementType.INT16,
    6: ElementType.INT32,
    7: ElementType.INT64,
    9: ElementType.BOOL,
    11: ElementType.FLOAT64,
    12: ElementType.UINT32,
    13: ElementType.UINT64,
}


def read_cast(node: OnnxNode) -> Made:
    node.at_most(1)
    to = node.integer("to")
    node.integer("saturate", 1)  # about types of 8-bit floats, which aren't supported
    node.text("round_mode", "up")  # likewise
    if to not in CAST_TYPES:
        known = ", ".join(element.value for element in CAST_TYPES.values())
        node.unsupported(f"conversion to type {to}", f"supported: {known}")
    return made(node, [node.input(0)], lambda x: convert(x, CAST_TYPES[to]))


def read_batch_normalization(node: OnnxNode) -> Made:
    """(x - mean) / sqrt(variance + ε) × scale + bias, per channel: with constants, one product and one sum."""
    node.at_most(5)
    if node.integer("training_mode", 0):
        node.unsupported("training_mode isn't 0: this computes results, it doesn't learn", "export for inference")
    if node.version < 9 and not node.integer("spatial", 1):
        node.unsupported("statistics per position (spatial = 0)", "per channel is supported")
    node.decimal("momentum", 0.9)
    if len(node.results) > 1:
        node.unsupported("more than one result, as in training")
    epsilon = node.decimal("epsilon", 1e-5)
    x, *statistics = [node.of_type(node.input(index), F32) for index in range(5)]
    for index in range(1, 5):
        node.constant(index, "a statistic")
    if len(x.type.shape) < 2:
        node.refuse(f"{x!r} has no channels")
    channels = x.type.shape[1]
    shape = (channels, *(1,) * (len(x.type.shape) - 2))
    for each in statistics:
        if each.type.shape != (channels,):
            node.refuse(f"{each!r} should have one element for each of {channels} channels")
    scale, bias, mean, variance = (np.asarray(each.constant, np.float64) for each in statistics)
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + epsilon)
        summand = bias - mean * factor
    name = statistics[0].name
    constants = [
        Tensor(f"{name}.{what}", TensorType(F32, shape), value.astype(np.float32).reshape(shape))
        for what, value in (("factor", factor), ("summand", summand))
    ]
    return made(node, [x, *constants], lambda x, a, b: apply("add", apply("multiply", x, a), b))


def read_identity(node: OnnxNode) -> Made:
    node.at_most(1)
    tensor = node.input(0)
    return Made(View(tensor.type.shape), [tensor])


def read_dropout(node: OnnxNode) -> Made:
    """At inference it does nothing."""
    node.at_most(3)
    if node.version < 12:
        node.decimal("ratio", 0.5)
    node.integer("seed", 0)
    training = node.constant(2, "training_mode")
    if training is not None and training.any():
        node.unsupported("training_mode isn't false: this computes results, it doesn't learn", "export for inference")
    if len(node.results) > 1 and node.results[1]:
        node.unsupported("a mask as a result", "it is only of use in training")
    tensor = node.input(0)
    return Made(View(tensor.type.shape), [tensor])


SIGNED = tuple(element for element in NUMBERS if element.is_signed or element.is_float)
FLOATS = (F32, ElementType.FLOAT64)


OPERATORS: dict[str, Support] = {
    "Add": Support((7, 13, 14), binary("add")),
    "Sub": Support((7, 13, 14), binary("subtract")),
    "Mul": Support((7, 13, 14), binary("multiply")),
    "Div": Support((7, 13, 14), binary("divide")),
    "Sum": Support((8, 13), many("add")),
    "Min": Support((8, 12, 13), many("minimum")),
    "Max": Support((8, 12, 13), many("maximum")),
    "Neg": Support((6, 13), unary(lambda node, x: apply("negate", x), *SIGNED)),
    "Abs": Support((6, 13), unary(lambda node, x: apply("absolute", x), *NUMBERS)),
    "Sqrt": Support((6, 13), unary(lambda node, x: apply("sqrt", x), *FLOATS)),
    "Exp": Support((6, 13), unary(lambda node, x: apply("exp", x))),
    "Tanh": Support((6, 13), unary(lambda node, x: apply("tanh", x))),
    "Sigmoid": Support((6, 13), unary(lambda node, x: apply("logistic", x))),
    "Relu": Support((6, 13, 14), unary(lambda node, x: apply("maximum", x, number(x, 0)), *SIGNED)),
    "LeakyRelu": Support((6, 16), unary(leaky_relu, *FLOATS)),
    "Elu": Support((6, 22), unary(elu)),
    "HardSigmoid": Support(
        (6, 22),
        unary(lambda node, x: hard_sigmoid(x, node.decimal("alpha", 0.2), node.decimal("beta", 0.5)), *FLOATS),
    ),
    "HardSwish": Support((14, 22), unary(lambda node, x: apply("multiply", x, hard_sigmoid(x, 1 / 6, 0.5)), *FLOATS)),
    "Clip": Support((6, 11, 12, 13), read_clip),
    "Cast": Support((6, 9, 13, 19, 21, 23, 24, 25), read_cast),
    "BatchNormalization": Support((7, 9, 14, 15), read_batch_normalization, "statistics are constants; no training"),
    "Identity": Support((1, 13, 14, 16, 19, 21, 23, 24, 25), read_identity),
    "Dropout": Support((7, 10, 12, 13, 22), read_dropout, "no training, no mask"),
}
