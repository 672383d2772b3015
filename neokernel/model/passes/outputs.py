"""Each result of the model gets memory of its own: one that is an input, a constant or another result is copied."""

from __future__ import annotations

from neokernel.model.expression import Input
from neokernel.model.graph import Graph, Node, Tensor
from neokernel.model.operators.elementwise import Elementwise
from neokernel.model.plan import root_of


def own_outputs(graph: Graph) -> None:
    makers = graph.makers()
    taken: set[Tensor] = set()
    for index, tensor in enumerate(graph.outputs):
        root = root_of(tensor, makers)
        if root in makers and root not in taken and root.constant is None:
            taken.add(root)
            continue
        copy = Tensor(tensor.name, tensor.type)
        operation = Elementwise(Input(0, tensor.type.element), tensor.type.shape)
        graph.nodes.append(Node(operation, [tensor], [copy], f"result {tensor.name!r}", ()))
        graph.outputs[index] = copy
