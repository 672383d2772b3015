"""What a benchmark gives: rows, and the mean over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: Told what is being done now; for progress on a terminal.
Progress = Callable[[str], None]


class BenchError(Exception):
    """A benchmark couldn't be run, or a side gave a wrong result. The message is for the user."""


@dataclass(frozen=True)
class Row:
    """One measurement beside its peer's. `ratio` is ours / theirs: less than 1 is better than the peer. (Of what there
    should be much of, in a second, it is theirs / ours.)

    `budget`: what it may be at most, if that is fixed. `builds`: the same of other builds of ours than the one that
    ships, by their names.
    """

    item: str
    unit: str
    ours: float
    peer: str
    theirs: float | None
    ratio: float | None
    budget: float | None = None
    builds: Mapping[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Is it more than it may be?"""
        return self.budget is not None and self.ours > self.budget


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean that treats twice as fast and half as fast alike."""
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))
