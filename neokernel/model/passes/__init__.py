"""What is done with a graph before code is made of it: the list, in order. Each pass changes the graph in place."""

from __future__ import annotations

from collections.abc import Callable

from neokernel.model.graph import Graph
from neokernel.model.passes.affine import fold_affine
from neokernel.model.passes.dead import drop_dead
from neokernel.model.passes.fuse import fuse
from neokernel.model.passes.outputs import own_outputs

PASSES: tuple[Callable[[Graph], None], ...] = (drop_dead, fold_affine, fuse, own_outputs)


def improve(graph: Graph) -> Graph:
    for change in PASSES:
        change(graph)
    return graph
