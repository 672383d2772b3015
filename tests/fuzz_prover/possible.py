"""Unknown inputs: what really happens must be one of the ways that the prover thinks possible.

A program is executed once, on inputs of which nothing is known, and what came of it is asked about for many inputs: the
terms go to Z3 with the inputs' values in their place. So simplification, paths, memory's logs, summaries, arbitrary
rounds and the translation to Z3 are tested, of which known inputs see little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3

from neokernel.compiler import ir
from neokernel.prover import terms as t
from neokernel.prover.execute import Limits
from neokernel.prover.paths import START
from neokernel.prover.solve import Answer, Solver
from neokernel.prover.terms import Term
from tests.fuzz_prover.known import Setup, execute
from tests.support import meanings

#: calls in place, loops round by round; loops by one arbitrary round; and calls known by what they may write
LIMITS = (Limits(), Limits(rounds=2), Limits(inline=12, rounds=2))


class _Given(Solver):
    """A solver to which some variables are constants."""

    def __init__(self, made: Setup, values: dict[str, int]) -> None:
        super().__init__(made.executor.memory.fact)
        self.values = values

    def _made(self, term: Term, a: list[Any]) -> Any:
        value = self.values.get(str(term.args[0])) if term.op == "var" else None
        return super()._made(term, a) if value is None else z3.BitVecVal(value, term.sort, self.context)


def excluded(
    function: ir.Function, told: Sequence[tuple[tuple[int, ...], meanings.Answer]], limits: Limits
) -> tuple[tuple[int, ...], str] | None:
    """Inputs, with what the prover rules out though it happens on them; None if there are none such in `told`."""
    names = [f"input {place}" for place in range(len(told[0][0]))]
    made = execute(function, [t.variable(name, 64) for name in names], limits)
    words = made.words()
    for inputs, answer in told:
        wrong = _excluded(made, words, _Given(made, dict(zip(names, inputs, strict=True))), answer)
        if wrong:
            return inputs, f"with {limits} the prover excludes {wrong}"
    return None


def _excluded(made: Setup, words: list[Term], solver: Solver, answer: meanings.Answer) -> str:
    findings = made.executor.findings
    if answer.failure is None:
        solver.assume(findings.facts)
        same = (t.equal(word, t.number(value, 64)) for word, value in zip(words, answer.words, strict=True))
        return "how it ends" if solver.prove(START, t.invert(t.conjunction(*same))) is Answer.PROVEN else ""
    known, met, failure = 0, False, answer.failure
    for o in findings.obligations:
        where = (o.span.line, o.span.column, o.span.end_line, o.span.end_column)
        if where != (failure.line, failure.column, failure.end_line, failure.end_column):
            continue
        if o.check is not None and o.check.kind.value == failure.kind:
            met = True
            solver.assume(findings.facts[known : o.facts])
            known = o.facts
            if solver.prove(o.path, o.goal) is not Answer.PROVEN:
                return ""
    if not met and findings.summarised:
        return ""  # it fails in a function that wasn't looked into
    return f"that a check fails: {failure}"
