"""What is done with each element of a result becomes part of the node that computes it: activations, residuals,
quantisation. The element is in a register there; else it would be written, and read again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from neokernel.model.expression import Expression, Input, size, substitute
from neokernel.model.graph import Graph, Node, Operation, Tensor
from neokernel.model.operators.convolution import Convolution
from neokernel.model.operators.elementwise import Elementwise
from neokernel.model.operators.pooling import Pool
from neokernel.model.operators.products import Product
from neokernel.model.operators.reduction import Reduction

Finishing: TypeAlias = "Convolution | Product | Pool | Reduction"
#: functions in one expression: beyond, registers run out
MOST_FUNCTIONS = 64


def fuse(graph: Graph) -> None:
    """Until there is nothing more to fuse."""
    while fuse_one(graph):
        pass


def fuse_one(graph: Graph) -> bool:
    makers, uses = graph.makers(), graph.uses()
    for node in graph.nodes:
        if not isinstance(node.operation, Elementwise):
            continue
        for index, tensor in enumerate(node.inputs):
            maker = makers.get(tensor)
            if maker is None or tensor in graph.outputs or len(uses[tensor]) != 1:
                continue
            if tensor.type.shape != node.operation.shape:
                continue
            if fused(graph, maker, node, index):
                return True
    return False


def fused(graph: Graph, maker: Node, node: Node, index: int) -> bool:
    """Make one node of two, if that can be: `node`, whose input `index` alone is what `maker` computes."""
    operation, outer = maker.operation, node.operation
    assert isinstance(outer, Elementwise)
    inner = inner_expression(operation, maker)
    if inner is None or size(inner) + size(outer.expression) > MOST_FUNCTIONS:
        return False
    # The maker's inputs stay; the node's others come behind them.
    others = [tensor for number, tensor in enumerate(node.inputs) if number != index]
    known = len(maker.inputs) - factors(operation)
    places: list[Expression] = []
    for number, tensor in enumerate(node.inputs):
        following = number - (number > index) + known
        places.append(inner if number == index else Input(following, tensor.type.element))
    if others and not takes_others(operation, others, node):
        return False
    expression = substitute(outer.expression, places)
    node.operation = with_expression(operation, expression)
    node.inputs = [*maker.inputs, *others]
    node.operators = (*maker.operators, *node.operators)
    node.origin = maker.origin
    graph.nodes.remove(maker)
    return True


def inner_expression(operation: Operation, maker: Node) -> Expression | None:
    """What the maker does with each element now; None if it can't do more."""
    if isinstance(operation, Elementwise):
        return operation.expression
    if isinstance(operation, Convolution | Product | Pool | Reduction) and len(maker.outputs) == 1:
        if isinstance(operation, Product) and operation.view != operation.shape:
            return None
        return operation.finish
    return None


def factors(operation: Operation) -> int:
    """How many of its inputs aren't inputs of the expression, less the sum, which is."""
    if isinstance(operation, Convolution | Product):
        return 1 + operation.starts
    return 0


def takes_others(operation: Operation, others: list[Tensor], node: Node) -> bool:
    """Can the operation read further tensors for each of its elements?"""
    return isinstance(operation, Elementwise | Convolution | Product)


def with_expression(operation: Operation, expression: Expression) -> Operation:
    if isinstance(operation, Elementwise):
        return replace(operation, expression=expression)
    assert isinstance(operation, Convolution | Product | Pool | Reduction)
    return replace(operation, finish=expression)
