"""Ways to fail, of what isn't proven: at first as the proof has failed, then, if that may be no run, among runs.

A proof knows less of calls and loops than what happens: of some calls what they ensure, of loops what each round keeps.
So its way to fail may be one that never happens. Then the function is executed again with all that it calls, and with
the first rounds of each loop, one by one (`Limits.exact`). A way to fail there is one of a run, and is shown instead;
if everything was looked into and nothing fails, too little is said of calls or loops, and the message can say that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import terms as t
from neokernel.prover.execute import Limits
from neokernel.prover.failures.counterexample import Counterexample, find
from neokernel.prover.obligations import Obligation
from neokernel.prover.prove import Run, Session, Verdict
from neokernel.prover.solve import Answer

#: of what is looked into among runs
RUNS = Limits(inline=500, steps=4_000, rounds=40, exact=True)


@dataclass(frozen=True, slots=True)
class Way:
    """How an obligation fails."""

    verdict: Verdict
    found: Counterexample


#: what is asked, in the same words, of one function executed in two ways
_Place = tuple[object, ...]


def ways(session: Session, function: ir.Function, failed: Iterable[Verdict]) -> list[Way]:
    """The function is executed anew, as terms don't outlive the next proof."""
    wanted: dict[_Place, list[Verdict]] = {}
    for verdict in failed:
        if verdict.answer is Answer.REFUTED:
            wanted.setdefault(_place(verdict.obligation), []).append(verdict)
    if not wanted:
        return []
    found: list[Way] = []
    with deep_recursion():
        run = Run(
            function, session.of, session.limits, session.effort, session.proven, session.rule, entered=session.entered
        )
        run.execute()
        for obligation in run.executor.findings.obligations:
            left = wanted.get(_place(obligation))
            way = find(run, obligation) if left else None
            if left and way is not None:
                found.append(Way(left.pop(0), way))
        doubtful = {_place(one.verdict.obligation) for one in found if one.found.unknowns}
        in_runs, never = _among_runs(session, function, doubtful) if doubtful else ({}, set())
    for number, one in enumerate(found):
        place = _place(one.verdict.obligation)
        if one.found.unknowns and in_runs.get(place):
            found[number] = Way(one.verdict, in_runs[place].pop(0))
        elif one.found.unknowns:
            one.found.never = place in never
    return found


def _among_runs(
    session: Session, function: ir.Function, doubtful: set[_Place]
) -> tuple[dict[_Place, list[Counterexample]], set[_Place]]:
    """How these fail in runs; and those that never do, though runs come there."""
    run = Run(function, session.of, RUNS, session.effort // 8, session.proven, session.rule, entered=session.entered)
    run.execute()
    in_runs: dict[_Place, list[Counterexample]] = {}
    met: set[_Place] = set()
    open: set[_Place] = set()
    for obligation in run.executor.findings.obligations:
        place = _place(obligation)
        if place not in doubtful:
            continue
        met.add(place)
        solver = run.solver(obligation.facts)
        if obligation.goal is t.TRUE or solver.prove(obligation.path, obligation.goal) is Answer.PROVEN:
            continue
        open.add(place)
        found = None if place in in_runs else find(run, obligation)
        if found is not None:
            in_runs[place] = [found]
    # What is due where a call or a round begins isn't asked there when that is run itself.
    return in_runs, set() if run.executor.left_out else met - open


def _place(obligation: Obligation) -> _Place:
    check = obligation.check and id(obligation.check)
    return obligation.duty, obligation.function, obligation.callee, obligation.span, obligation.calls, check
