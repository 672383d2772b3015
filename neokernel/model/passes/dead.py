"""Nodes whose results nobody reads are dropped."""

from __future__ import annotations

from neokernel.model.graph import Graph


def drop_dead(graph: Graph) -> None:
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if any(tensor in needed for tensor in node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    graph.nodes[:] = reversed(kept)
