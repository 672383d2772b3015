"""Path conditions: what has been decided on the way to a point, as a set of literals.

Invariants: a path is the conjunction of its literals; no literal is in it together with its opposite. Two paths that
part at a branch contain that branch's condition and its opposite, so that what was written on one is known not to
concern the other without asking a solver.
"""

from __future__ import annotations

from collections.abc import Iterable

from neokernel.prover import terms as t
from neokernel.prover.terms import BOOL, Term

Path = frozenset[Term]

START: Path = frozenset()


#: how deep into a condition `decided` looks: a condition where many paths met is large
DEPTH = 3


def decided(path: Path, term: Term, depth: int = DEPTH) -> bool | None:
    """Is the bool true on this path, or false, as far as its literals tell?"""
    if term.known is not None:
        return bool(term.known)
    if term in path:
        return True
    if t.invert(term) in path:
        return False
    if depth == 0:
        return None
    if term.op == "not":
        inner = decided(path, term.terms[0], depth)
        return None if inner is None else not inner
    if term.op in ("all", "any"):
        decisive = term.op == "any"
        certain = True
        for part in term.terms:
            answer = decided(path, part, depth - 1)
            if answer is decisive:
                return decisive
            certain = certain and answer is not None
        return not decisive if certain else None
    return None


def simplified(path: Path, term: Term) -> Term:
    """The term on this path: choices that are decided are taken."""
    while term.op == "ite":
        which = decided(path, term.terms[0])
        if which is None:
            break
        term = term.terms[1] if which else term.terms[2]
    if term.sort == BOOL and term.known is None:
        which = decided(path, term)
        if which is not None:
            return t.boolean(which)
    return term


def assuming(path: Path, term: Term) -> Term:
    """The term on this path: choices within it that are decided are taken."""
    made: dict[Term, Term] = {}
    work = [term]
    while work:
        top = work[-1]
        if top not in made and top.sort == BOOL:
            which = decided(path, top)
            if which is not None:
                made[top] = t.boolean(which)
        if top in made:
            work.pop()
            continue
        missing = [part for part in top.terms if part not in made]
        if missing:
            work += missing
            continue
        made[top] = t.rebuilt(top, tuple(made[a] if isinstance(a, Term) else a for a in top.args))
    return made[term]


def extended(path: Path, condition: Term) -> Path | None:
    """The path on which `condition` holds too; None if it can't hold there."""
    which = decided(path, condition)
    if which is not None:
        return path if which else None
    parts = condition.terms if condition.op == "all" else (condition,)
    made = set(path)
    for part in parts:
        answer = decided(path, part)
        if answer is False or t.invert(part) in made:
            return None
        if answer is None:
            made.add(part)
    return frozenset(made)


def condition_of(path: Path) -> Term:
    """The path as one term."""
    return t.conjunction(*sorted(path, key=lambda term: term.number))


def joined(paths: Iterable[Path]) -> Path:
    """Where several paths meet: what is common, and the disjunction of the rest, made as small as is easy."""
    alternatives = list(dict.fromkeys(paths))
    assert alternatives
    merging = True
    while merging and len(alternatives) > 1:
        merging = False
        for i in range(len(alternatives) - 1, 0, -1):
            for j in range(i - 1, -1, -1):
                merged = _merged(alternatives[i], alternatives[j])
                if merged is not None:
                    alternatives[j] = merged
                    del alternatives[i]
                    merging = True
                    break
            if merging:
                break
    if len(alternatives) == 1:
        return alternatives[0]
    common = frozenset.intersection(*alternatives)
    rest = t.disjunction(*(condition_of(path - common) for path in alternatives))
    whole = extended(common, rest)
    assert whole is not None
    return whole


def _merged(a: Path, b: Path) -> Path | None:
    """One path for two: they differ in one literal and its opposite, or one says less than the other."""
    if a <= b:
        return a
    if b <= a:
        return b
    only_a, only_b = a - b, b - a
    for one, other, keeps in ((only_a, only_b, b), (only_b, only_a, a)):
        # (x or (not x and y)) is (x or y); without a rest it is true
        if len(one) == 1:
            (literal,) = one
            opposite = t.invert(literal)
            if opposite in other and len(other) == 1:
                return keeps - {opposite}
    return None


def difference(path: Path, others: Iterable[Path]) -> Term:
    """A condition that tells this path from the others, all of which start where they parted."""
    common = path.intersection(*others)
    return condition_of(path - common)
