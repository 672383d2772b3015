"""Places in a layered drawing: distances are kept, what can be where it is wanted is, and lines lead down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.image.systemfile.layers import Spot, arrange, placed

NODE, JOINT = 80.0, 10.0


@given(st.lists(st.tuples(st.floats(-1000, 1000), st.floats(1, 50)), min_size=1, max_size=12))
def test_distances_are_kept_and_nothing_is_moved_for_nothing(wanted: list[tuple[float, float]]) -> None:
    row = [Spot(0, half, 0) for _, half in wanted]
    arrange(row, [want for want, _ in wanted])
    for left, right in pairwise(row):
        assert right.x - left.x >= left.half + right.half - 1e-6
    # Any group that could move as a whole to be nearer to where it is wanted has moved.
    first = 0
    for last in range(len(row)):
        free = last + 1 == len(row) or row[last + 1].x - row[last].x > row[last].half + row[last + 1].half + 1e-6
        if free:
            group = range(first, last + 1)
            assert sum(row[each].x - wanted[each][0] for each in group) == pytest.approx(
                0, abs=1e-6 * len(group) * 1000
            )
            first = last + 1


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Without circles: lines lead to later nodes."""
    count = draw(st.integers(1, 12))
    pairs = [(source, target) for source in range(count) for target in range(source + 1, count)]
    return count, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []


@given(graphs())
def test_lines_lead_down_through_every_layer(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, lines = graph
    found = placed(count, lines, NODE, JOINT)
    for (source, target), joints in zip(lines, found.joints, strict=True):
        way = [found.nodes[source], *joints, found.nodes[target]]
        assert [spot.layer for spot in way] == list(range(way[0].layer, way[-1].layer + 1))
    rows: dict[int, list[Spot]] = {}
    for spot in [*found.nodes, *(spot for joints in found.joints for spot in joints)]:
        rows.setdefault(spot.layer, []).append(spot)
    for row in rows.values():
        row.sort(key=lambda spot: spot.x)
        for left, right in pairwise(row):
            assert right.x - left.x >= left.half + right.half - 1e-6
    again = placed(count, lines, NODE, JOINT)
    assert [spot.x for spot in again.nodes] == [spot.x for spot in found.nodes]


def test_a_chain_is_straight_and_lines_are_short() -> None:
    chain = placed(4, [(0, 1), (1, 2), (2, 3)], NODE, JOINT)
    assert {spot.x for spot in chain.nodes} == {0.0}
    # Node 4 stands right above the last one, not at the top.
    late = placed(5, [(0, 1), (1, 2), (2, 3), (4, 3)], NODE, JOINT)
    assert late.nodes[4].layer == 2 and late.joints[3] == []
