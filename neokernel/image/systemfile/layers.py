"""Where the nodes of a layered drawing go: which layer, in which order, and how far to the right.

A line has a joint in each layer that it passes. igraph orders the layers so that few lines cross (Sugiyama, Tagawa and
Toda 1981). It spaces nodes and joints alike, which makes wide drawings; so only its order is taken here. Places follow
from pulling everything towards the middle of its neighbours, layer by layer, down and up: the nearest places that keep
order and distances are found exactly, by pooling those that get in each other's way.

Invariant: the same graph gives the same places; neighbours in a layer keep their distance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

#: how often places are improved
SWEEPS = 24


@dataclass
class Spot:
    """A node, or a joint of a line, in its layer."""

    layer: int
    #: half of what it takes, with the gap beside it
    half: float
    #: where igraph has it: decides the order
    order: float = 0
    x: float = 0
    above: list[Spot] = field(default_factory=list)
    below: list[Spot] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """By node, and by line from above to below the joints between."""

    nodes: list[Spot]
    joints: list[list[Spot]]


def placed(count: int, lines: list[tuple[int, int]], node_half: float, joint_half: float) -> Placed:
    """Places of `count` nodes with lines between them, all of which lead down: there are no circles."""
    import igraph  # late, because it is big

    layers = layering(count, lines)
    nodes = [Spot(layer, node_half) for layer in layers]
    joints = [[Spot(layer, joint_half) for layer in range(layers[a] + 1, layers[b])] for a, b in lines]
    spots = [*nodes, *(joint for way in joints for joint in way)]
    index = {id(spot): place for place, spot in enumerate(spots)}
    steps: list[tuple[int, int]] = []
    for (source, target), way in zip(lines, joints, strict=True):
        for upper, lower in pairwise([nodes[source], *way, nodes[target]]):
            upper.below.append(lower)
            lower.above.append(upper)
            steps.append((index[id(upper)], index[id(lower)]))
    graph = igraph.Graph(n=len(spots), edges=steps, directed=True)
    layout: Any = graph.layout_sugiyama(layers=[spot.layer for spot in spots], maxiter=500)
    for spot, (x, _) in zip(spots, layout.coords, strict=True):
        spot.order = x
    settle(spots)
    return Placed(nodes, joints)


def layering(count: int, lines: list[tuple[int, int]]) -> list[int]:
    """How far below the top each node stands: below all above it, and no further up than makes its lines short."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in lines:
        above[target].append(source)
        below[source].append(target)
    found: dict[int, int] = {}

    def depth(node: int) -> int:
        if node not in found:
            found[node] = max((depth(each) + 1 for each in above[node]), default=0)
        return found[node]

    for node in range(count):
        depth(node)
    for node in sorted(range(count), key=lambda node: (-found[node], node)):
        if below[node] and len(above[node]) < len(below[node]):
            found[node] = min(found[each] for each in below[node]) - 1
    return [found[node] for node in range(count)]


def settle(spots: list[Spot]) -> None:
    """Find each one's `x`."""
    layers: dict[int, list[Spot]] = {}
    for spot in sorted(spots, key=lambda spot: (spot.layer, spot.order)):
        layers.setdefault(spot.layer, []).append(spot)
    for row in layers.values():
        arrange(row, [0.0] * len(row))
    downwards = sorted(layers)
    for sweep in range(SWEEPS):
        for layer in downwards if sweep % 2 == 0 else reversed(downwards):
            row = layers[layer]
            # At last by both sides, so that lines bend as little above as below.
            wanted = [middle(spot, both=sweep >= SWEEPS // 2, down=sweep % 2 == 0) for spot in row]
            arrange(row, wanted)


def middle(spot: Spot, *, both: bool, down: bool) -> float:
    """Where its neighbours would have it."""
    near = [*spot.above, *spot.below] if both else spot.above if down else spot.below
    return sum(each.x for each in near) / len(near) if near else spot.x


def arrange(row: list[Spot], wanted: list[float]) -> None:
    """Put a layer's spots as near to where they are wanted as order and distances allow, by the squares."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + left.half + right.half)
    # Without the distances, places must only ascend: pool neighbours that don't into their mean.
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    means = [total / count for total, count in pools for _ in range(count)]
    for spot, mean, offset in zip(row, means, offsets, strict=True):
        spot.x = mean + offset
