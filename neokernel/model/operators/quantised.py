"""QuantizeLinear, DequantizeLinear, QLinearConv, QLinearMatMul: numbers as 8-bit integers, by scale and zero point.

A number is (q - zero point) × scale. Products are of 16-bit integers, 8-bit ones less their zero points, and are summed
up in 32 bits, exactly; then one product by a float32 gives the result, which is rounded to the nearest, ties to even.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neokernel.model.code import F32, I16, I32
from neokernel.model.expression import Expression, Input, Literal, apply, convert, quantise
from neokernel.model.graph import Array, ElementType, Tensor, TensorType
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.operators.convolution import Convolution, per_channel, read_geometry, viewed
from neokernel.model.operators.elementwise import made
from neokernel.model.operators.products import read_factors

BYTES = (ElementType.INT8, ElementType.UINT8)
QUANTISED = (*BYTES, ElementType.INT16, ElementType.UINT16)


def along_axis(node: OnnxNode, tensor: Tensor, x: Tensor) -> Tensor:
    """A scale or zero point, one for all or one per index of the axis, so that it is broadcast to x."""
    rank = len(x.type.shape)
    if tensor.type.count == 1 and len(tensor.type.shape) <= 1:
        return viewed(tensor, (), node) if tensor.constant is not None else tensor
    axis = node.axis(node.integer("axis", 1), rank)
    if tensor.type.shape != (x.type.shape[axis],):
        node.unsupported(
            f"{tensor!r} of {x!r}, axis {axis}", "supported: one element, or one for each index of the axis"
        )
    return viewed(tensor, (tensor.type.shape[0], *(1,) * (rank - axis - 1)), node)


def options(node: OnnxNode) -> None:
    """Attributes that the supported types have no use for."""
    node.integer("axis", 1)
    node.integer("saturate", 1)
    if node.integer("block_size", 0):
        node.unsupported("scales per block", "supported: one for all, or one per index of an axis")


def read_quantize(node: OnnxNode) -> Made:
    node.at_most(3)
    options(node)
    x = node.of_type(node.input(0), F32)
    scale = along_axis(node, node.of_type(node.input(1), F32), x)
    given = node.optional(2)
    said = node.integer("output_dtype", 0)
    node.integer("precision", 0)
    if given is None:
        to = {0: ElementType.UINT8, 2: ElementType.UINT8, 3: ElementType.INT8, 4: ElementType.UINT16}.get(
            said, ElementType.INT16 if said == 5 else None
        )
        if to is None:
            node.unsupported(f"quantising to type {said}", f"supported: {', '.join(e.value for e in QUANTISED)}")
        return made(node, [x, scale], lambda x, scale: quantise(apply("divide", x, scale), Literal(0, I32), to))
    zero = along_axis(node, node.of_type(given, *QUANTISED), x)
    element = zero.type.element

    def build(x: Expression, scale: Expression, zero: Expression) -> Expression:
        point = Literal(zero.number, I32) if isinstance(zero, Literal) else convert(zero, I32)
        return quantise(apply("divide", x, scale), point, element)

    return made(node, [x, scale, zero], build)


def read_dequantize(node: OnnxNode) -> Made:
    node.at_most(3)
    options(node)
    if node.integer("output_dtype", 1) not in (0, 1):
        node.unsupported("a result that isn't float32")
    x = node.of_type(node.input(0), *QUANTISED, I32)
    scale = along_axis(node, node.of_type(node.input(1), F32), x)
    given = node.optional(2)
    if given is None or (given.constant is not None and not given.constant.any()):
        return made(node, [x, scale], lambda x, scale: apply("multiply", convert(x, F32), scale))
    zero = along_axis(node, given, x)
    node.same_type([x, zero])

    def build(x: Expression, scale: Expression, zero: Expression) -> Expression:
        difference = apply("subtract", _wide(x), _wide(zero))
        return apply("multiply", convert(difference, F32), scale)

    return made(node, [x, scale, zero], build)


def _wide(x: Expression) -> Expression:
    return Literal(x.number, I32) if isinstance(x, Literal) else convert(x, I32)


# --- products ---------------------------------------------------------------------------------------------------------


def scalar(node: OnnxNode, index: int, what: str) -> Array:
    """A constant scale or zero point of one element."""
    found = node.constant(index, what)
    if found is None:
        node.refuse(f"{what} is missing")
    if found.size != 1:
        node.unsupported(f"{what} has {found.size} elements", "supported: one for the whole tensor")
    return found.reshape(())


def less_zero_point(element: ElementType, zero: int) -> Expression:
    """An 8-bit number as a factor."""
    wide = convert(Input(0, element), I16)
    return apply("subtract", wide, Literal(zero, I16)) if zero else wide


def factor_of(node: OnnxNode, index: int, zero: Array, axis: int) -> tuple[Tensor, Expression]:
    """The right factor. With zero points along an axis, they are taken off here, for it is a constant then."""
    tensor = node.of_type(node.input(index), *BYTES)
    if zero.dtype != tensor.type.element.dtype:
        node.refuse(f"a zero point of {tensor!r} is of type {zero.dtype}")
    if zero.size == 1:
        return tensor, less_zero_point(tensor.type.element, int(zero.reshape(-1)[0]))
    array = node.constant(index, "the weights")
    assert array is not None
    shape = [1] * array.ndim
    shape[axis] = -1
    if zero.size != array.shape[axis]:
        node.refuse(f"{zero.size} zero points for {tensor!r}")
    moved = (array.astype(np.int16) - zero.astype(np.int16).reshape(shape)).astype(np.int16)
    return Tensor(tensor.name, TensorType(I16, tensor.type.shape), moved), Input(0, I16)


def requantised(
    node: OnnxNode,
    scales: list[Array],
    zero: Array,
    shape: tuple[int, ...],
    axis: int,
    inputs: list[Tensor],
    first: int,
) -> Expression:
    """What becomes of a sum (input 0): by scales left × right / result, one or one along the axis.

    Those become an input, the number `first` of the expression.
    """
    left, right, result = (scale.astype(np.float32) for scale in scales)
    with np.errstate(all="ignore"):
        factors = (left * right / result).astype(np.float32).reshape(-1)
    if not np.isfinite(factors).all():
        node.refuse("scales whose product isn't a number")
    to = ElementType(zero.dtype.name)
    if factors.size == 1:
        factor: Expression = Literal(float(factors[0]), F32)
    else:
        if factors.size != shape[axis]:
            node.refuse(f"{factors.size} scales for {shape[axis]} channels")
        array = factors.reshape(factors.size, *(1,) * (len(shape) - axis - 1))
        inputs.append(Tensor(f"{node.name}.scales", TensorType(F32, array.shape), array))
        factor = Input(first, F32)
    scaled = apply("multiply", convert(Input(0, I32), F32), factor)
    return quantise(scaled, Literal(int(zero), I32), to)


def read_conv(node: OnnxNode) -> Made:
    node.at_most(9)
    x, weights = (node.of_type(node.input(index), *BYTES) for index in (0, 3))
    window, group, shape = read_geometry(node, x, weights)
    x_zero, y_zero = scalar(node, 2, "x's zero point"), scalar(node, 7, "the result's zero point")
    x_scale, y_scale = scalar(node, 1, "x's scale"), scalar(node, 6, "the result's scale")
    w_scale, w_zero = node.constant(4, "the weights' scale"), node.constant(5, "the weights' zero point")
    if w_scale is None or w_zero is None:
        node.refuse("the weights' scale and zero point are missing")
    check_types(node, x_zero, x, y_zero)
    tensor, right = factor_of(node, 3, w_zero, 0)
    inputs = [x, tensor]
    bias = node.optional(8)
    if bias is not None:
        inputs.append(per_channel(node.of_type(bias, I32), shape, node))
    scales = [x_scale, w_scale, y_scale]
    finish = requantised(node, scales, y_zero, shape, 1, inputs, 1)
    left = less_zero_point(x.type.element, int(x_zero))
    return Made(Convolution(window, group, shape, left, right, finish, starts=bias is not None), inputs)


def check_types(node: OnnxNode, zero: Array, tensor: Tensor, result: Array) -> None:
    if zero.dtype != tensor.type.element.dtype:
        node.refuse(f"the zero point of {tensor!r} is of type {zero.dtype}")
    if result.dtype.name not in ("int8", "uint8"):
        node.unsupported(f"a result of type {result.dtype}", "supported: int8, uint8")


def read_matmul(node: OnnxNode) -> Made:
    node.at_most(8)
    a, b = (node.of_type(node.input(index), *BYTES) for index in (0, 3))
    product = read_factors(node, a, b)
    scales = [node.constant(index, "a scale") for index in (1, 4, 6)]
    b_zero = node.constant(5, "b's zero point")
    a_zero, y_zero = scalar(node, 2, "a's zero point"), scalar(node, 7, "the result's zero point")
    if b_zero is None or any(scale is None for scale in scales):
        node.refuse("a scale or a zero point is missing")
    given = [scale for scale in scales if scale is not None]
    for scale in given:
        if scale.dtype != np.float32:
            node.unsupported(f"a scale of type {scale.dtype}", "supported: float32")
    if given[0].size != 1 or given[2].size != 1:
        node.unsupported("scales along an axis of a or of the result", "supported: one, or one per column of b")
    check_types(node, a_zero, a, y_zero)
    tensor, right = factor_of(node, 3, b_zero, -1)
    inputs = [a, tensor]
    shape = product.shape
    finish = requantised(node, given, y_zero, shape, len(shape) - 1, inputs, 1)
    left = less_zero_point(a.type.element, int(a_zero))
    return Made(replace(product, left=left, right=right, finish=finish), inputs)


OPERATORS: dict[str, Support] = {
    "QuantizeLinear": Support((10, 13, 19, 21, 23, 24, 25), read_quantize, "no scales per block"),
    "DequantizeLinear": Support((10, 13, 19, 21, 23, 24, 25), read_dequantize, "to float32; no scales per block"),
    "QLinearConv": Support((10,), read_conv, "scales, zero points and the bias are constants"),
    "QLinearMatMul": Support((10, 21), read_matmul, "scales and zero points are constants, scales float32"),
}
