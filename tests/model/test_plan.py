"""The static memory plan: what is needed at the same time shares no byte."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from neokernel.model.code import ALIGNMENT
from neokernel.model.plan import Need, overlaps, place


@st.composite
def needs(draw: st.DrawFn) -> list[Need]:
    found = []
    for number in range(draw(st.integers(0, 30))):
        first = draw(st.integers(0, 12))
        found.append(Need(str(number), draw(st.integers(1, 5000)), first, first + draw(st.integers(0, 6))))
    return found


@hypothesis.given(needs())
def test_no_two_share_a_byte(drawn: list[Need]) -> None:
    offsets = place(drawn)
    assert overlaps(drawn, offsets) == []
    assert all(offset % ALIGNMENT == 0 for offset in offsets)


def test_memory_is_used_again() -> None:
    chain = [Need(str(step), 640, step, step + 1) for step in range(10)]
    assert max(place(chain)) == 640


def test_an_overlap_is_found() -> None:
    one, other = Need("a", 64, 0, 3), Need("b", 64, 3, 4)
    assert overlaps([one, other], [0, 63]) == [(other, one)]
    assert overlaps([one, other], [0, 64]) == []
    assert overlaps([one, Need("c", 64, 4, 4)], [0, 0]) == []
