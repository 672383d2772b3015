"""A scale and a shift for each channel behind a convolution go into its weights, and cost nothing: BatchNormalization,
or a Mul or Add of constants.

It is done in float64 and rounded once. Results change in their last places, as with any other order of summing up.

Invariant: all that is folded is finite. An infinity, as a mask adds one, would meet zeroes in the weights, and become
NaN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neokernel.model.expression import Apply, Expression, Input, Literal
from neokernel.model.graph import Array, ElementType, Graph, Node, Tensor, TensorType
from neokernel.model.operators.convolution import Convolution
from neokernel.model.operators.elementwise import Elementwise
from neokernel.model.sums import AS_IT_IS

F32 = ElementType.FLOAT32


def fold_affine(graph: Graph) -> None:
    """Until there is nothing more to fold: several can follow one another."""
    while fold_one(graph):
        pass


def fold_one(graph: Graph) -> bool:
    makers, uses = graph.makers(), graph.uses()
    for node in graph.nodes:
        found = affine_of(node)
        if found is None:
            continue
        x, scale, shift = found
        maker = makers.get(x)
        if maker is None or not can_take(maker) or len(uses[x]) > 1 or x in graph.outputs:
            continue
        channels = x.type.shape[1]
        if node.outputs[0].type.shape != x.type.shape:
            continue
        if take(maker, per_channel(scale, channels), per_channel(shift, channels), node):
            graph.nodes.remove(node)
            return True
    return False


def can_take(node: Node) -> bool:
    """Is it a convolution of float32, whose weights and bias are constants, and that does nothing with its sums?"""
    operation = node.operation
    return (
        isinstance(operation, Convolution)
        and operation.finish == operation.right == AS_IT_IS
        and len(node.inputs) == 2 + operation.starts
        and all(tensor.constant is not None for tensor in node.inputs[1:])
    )


def affine_of(node: Node) -> tuple[Tensor, Array, Array] | None:
    """(x, a, b) if the node is x × a + b, with constants that have one element, or one per channel."""
    operation = node.operation
    if not isinstance(operation, Elementwise) or operation.expression.element is not F32:
        return None
    variables = [tensor for tensor in node.inputs if tensor.constant is None]
    if len(variables) != 1 or len(variables[0].type.shape) < 3:
        return None
    rank = len(variables[0].type.shape)
    x = node.inputs.index(variables[0])

    def constant(of: Expression) -> Array | None:
        if isinstance(of, Literal):
            return np.asarray(of.number, np.float64)
        array = node.inputs[of.index].constant if isinstance(of, Input) else None
        if array is None:
            return None
        shape = (1,) * (rank - array.ndim) + array.shape
        one_per_channel = len(shape) == rank and all(size == 1 or axis == 1 for axis, size in enumerate(shape))
        return array.astype(np.float64) if one_per_channel else None

    def parts(of: Expression) -> tuple[Array, Array] | None:
        """A and b of an expression."""
        if of == Input(x, F32):
            return np.asarray(1.0), np.asarray(0.0)
        if not isinstance(of, Apply) or of.function not in ("add", "subtract", "multiply"):
            return None
        left, right = of.operands
        for one, other in ((left, right), (right, left)):
            inner, number = parts(one), constant(other)
            if inner is None or number is None or (of.function == "subtract" and one is right):
                continue
            number = number.reshape(-1)
            if of.function == "multiply":
                return inner[0] * number, inner[1] * number
            return inner[0], inner[1] + (number if of.function == "add" else -number)
        return None

    with np.errstate(all="ignore"):  # `take` looks at what comes out
        found = parts(operation.expression)
    return None if found is None else (variables[0], *found)


def per_channel(array: Array, channels: int) -> Array:
    return np.broadcast_to(np.asarray(array).reshape(-1), (channels,))


def take(node: Node, scale: Array, shift: Array, other: Node) -> bool:
    """The convolution does what `other` did; or False, and nothing has changed: a number wouldn't be finite."""
    operation = node.operation
    assert isinstance(operation, Convolution)
    weights, *bias = node.inputs[1:]
    assert weights.constant is not None
    shape = weights.type.shape
    with np.errstate(all="ignore"):
        shifted = shift
        if bias:
            assert bias[0].constant is not None
            shifted = bias[0].constant.astype(np.float64).reshape(-1) * scale + shift
        scaled = (weights.constant.astype(np.float64) * scale.reshape(-1, *(1,) * (len(shape) - 1))).astype(np.float32)
        shifted = shifted.astype(np.float32)
    if not (np.isfinite(scale).all() and np.isfinite(scaled).all() and np.isfinite(shifted).all()):
        return False
    wide = (shape[0], *(1,) * (len(shape) - 2))
    node.operation = replace(operation, starts=True)
    node.inputs[1:] = [
        Tensor(weights.name, weights.type, scaled),
        Tensor(f"{weights.name}.bias", TensorType(F32, wide), shifted.reshape(wide)),
    ]
    node.outputs = other.outputs
    node.operators += other.operators
    return True
