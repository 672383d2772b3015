"""All or nothing: functions of which some results mean that nothing has changed.

Proven of each return by itself: where its result is such a one, each place that was written to has what it had when the
function began. A call of such a function that isn't looked into has written only where its result is another.

Invariants: what isn't kept in `memory.py` (wire memory, atomic cells, what assembly does) isn't spoken of; an object
that was made on the way didn't exist before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neokernel.compiler import ir
from neokernel.prover import terms as t
from neokernel.prover.memory import Cleared, Fill, Write
from neokernel.prover.obligations import Duty
from neokernel.prover.paths import extended
from neokernel.prover.states import Frame, State
from neokernel.prover.terms import Term

if TYPE_CHECKING:
    from neokernel.prover.execute import Executor


@dataclass(frozen=True, slots=True)
class AllOrNothing:
    """Which functions, by symbol; which results say that nothing has changed; and what may change nevertheless.

    `single`: structs of which there is one object, which is asked of the whole program (`single.py`).
    """

    functions: frozenset[str]
    nothing: Callable[[Term], Term]
    hints: frozenset[str] = frozenset()
    single: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """All that a proof depends on."""
        return f"{sorted(self.functions)} {sorted(self.hints)} {sorted(self.single)} {inspect.getsource(self.nothing)}"

    def holds_of(self, function: ir.Function) -> bool:
        return function.symbol in self.functions


NO_RULE = AllOrNothing(frozenset(), lambda result: t.FALSE)


def prove(x: Executor, frame: Frame, rule: AllOrNothing) -> None:
    """Oblige the function that was run to the rule."""
    for state, value in frame.returns:
        nothing = rule.nothing(value[0])
        path = extended(state.path, nothing)
        if path is None or nothing is t.FALSE:
            continue
        for name in sorted(set(x.memory.logs) - rule.hints):
            for same in _as_before(x, name, State(path, state.variables)):
                if same is not t.TRUE:
                    facts = len(x.findings.facts)
                    x.oblige(
                        frame, Duty.UNCHANGED, frame.function.span, State(path, state.variables), same, callee=name
                    )
                    # One that fails says nothing of the others.
                    del x.findings.facts[facts:]


def _as_before(x: Executor, name: str, state: State) -> Iterator[Term]:
    """For each write of this component that may have been on the path: is what is there now what was there?"""
    memory = x.memory
    seen: set[tuple[tuple[Term, ...], Term]] = set()
    for entry in memory.logs[name]:
        if isinstance(entry, Cleared) or extended_by(state, entry.guard) is None:
            continue
        guard = t.conjunction(*(literal for literal in entry.guard if literal not in state.path))
        if isinstance(entry, Write):
            if t.outermost(entry.location[0]).op == "new" or (entry.location, guard) in seen:
                continue
            seen.add((entry.location, guard))
            now, then = (memory.load_part(name, entry.location, state.path, before) for before in (None, 0))
            yield t.implies(guard, memory.same(now, then))
        elif not isinstance(entry, Fill) or t.outermost(entry.array).op != "new":
            yield t.invert(guard)


def extended_by(state: State, guard: frozenset[Term]) -> frozenset[Term] | None:
    path: frozenset[Term] | None = state.path
    for literal in sorted(guard, key=lambda term: term.number):
        path = None if path is None else extended(path, literal)
    return path
