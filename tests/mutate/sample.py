"""Which mutants a run looks at: chosen by seed, the same share of each file and operator."""

from __future__ import annotations

import hashlib
from collections import deque

from tests.mutate.sites import Mutant


def key(mutant: Mutant, seed: int) -> str:
    return hashlib.sha256(f"{seed} {mutant.identity}".encode()).hexdigest()


class Sample:
    """`count` of the mutants, and for each that doesn't count, another one of the same file and operator.

    Systematic: all are laid out by file, operator and chance, and every n-th is taken.
    """

    def __init__(self, mutants: list[Mutant], count: int, seed: int) -> None:
        laid_out = sorted(mutants, key=lambda mutant: (mutant.file, mutant.operator, key(mutant, seed)))
        count = min(count, len(laid_out))
        places = {(2 * number + 1) * len(laid_out) // (2 * count) for number in range(count)}
        # In an order of chance: what a run that is stopped has looked at, is a sample, too.
        self.chosen = sorted((laid_out[place] for place in places), key=lambda mutant: key(mutant, seed))
        self._others: dict[tuple[str, str], deque[Mutant]] = {}
        for place, mutant in enumerate(laid_out):
            if place not in places:
                self._others.setdefault((mutant.file, mutant.operator), deque()).append(mutant)

    def another(self, mutant: Mutant) -> Mutant | None:
        """In place of one that isn't counted."""
        others = self._others.get((mutant.file, mutant.operator))
        return others.popleft() if others else None
