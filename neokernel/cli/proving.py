"""Proofs of programs' functions, now or earlier: what came of each, and what to say of it.

Nothing here prints. What came of a function is kept by the content of all that its proof reads (`prover/cache.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from neokernel.cli.output import progress
from neokernel.cli.program import Program, refuse
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.ir import Span

if TYPE_CHECKING:
    from neokernel.compiler import ir, pipeline
    from neokernel.prover.failures.counterexample import Counterexample
    from neokernel.prover.obligations import Obligation
    from neokernel.prover.prove import Session, Verdict


@dataclass
class Attempt:
    """A message's way to fail, as the source of a test; or `why` there is none. `doubt`: why its run may not fail."""

    source: str = ""
    why: str = ""
    doubt: str = ""
    #: it fails in the message's lines; otherwise in the contract that is broken
    in_line: bool = False


@dataclass
class Told:
    """What came of one function: of so many obligations so many are proven; what to say of the others.

    `elsewhere`: how many checks of which other modules aren't proven here. `checks`: its own that are, by index, if
    what it took for granted is.
    """

    name: str
    proven: int
    obligations: int
    seconds: float
    elsewhere: dict[str, int] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    #: to show each message's way to fail
    attempts: list[Attempt] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)
    relied_on: list[str] = field(default_factory=list)
    #: functions of others that weren't looked into, and could break invariants
    keeping: list[str] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)

    def messages(self) -> list[tuple[Diagnostic, Attempt]]:
        return list(zip(self.diagnostics, self.attempts, strict=True))


@dataclass
class Outcome:
    """What came of a program's functions; and those, by name and line, of which it has no instance to prove."""

    program: Program
    told: list[Told] = field(default_factory=list)
    unused: list[tuple[str, int]] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.unused and not any(one.diagnostics for one in self.told)


def prove_programs(programs: list[Program], *, cold: bool, explain: bool, as_json: bool) -> list[Outcome]:
    """The functions of each program's module, callees first; the kernel's modules together."""
    from neokernel.compiler import pipeline  # late, because they are big
    from neokernel.image import proofs
    from neokernel.image.kernel import EXPORTS, kernel_state
    from neokernel.prover import invariants, prove, single
    from neokernel.prover.states import SPECIFICATIONS
    from neokernel.prover.unchanged import NO_RULE
    from neokernel.spec import MODULES
    from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING

    sessions: dict[str, tuple[Session, pipeline.State]] = {}
    outcomes: list[Outcome] = []
    work: list[tuple[str, Session, ir.Function, list[Told]]] = []
    for program in programs:
        state = pipeline.state_of(program.root)
        module = state.roots[0]
        kernel = module.startswith(("neokernel.kernel.", SPECIFICATIONS))
        name = "kernel" if kernel else str(program.root)
        if name not in sessions:
            state = kernel_state(*MODULES) if kernel else state
            pipeline.run_front_end(state)
            if state.diagnostics.items:
                refuse(state.diagnostics.sorted(), program, as_json=as_json)
            assert state.program is not None
            rule = ERRORS_CHANGE_NOTHING if kernel else NO_RULE
            if kernel:
                pipeline.export(state.program, EXPORTS)
                try:
                    single.check(state.program, rule.single, proofs.entries(state.program))
                except single.SeveralError as error:
                    refuse(error.diagnostics, program, as_json=as_json)
            of_program = invariants.of_program(state.program)
            entered = prove.entered(state.program)
            session = prove.Session(of_program, rule=rule, entered=entered, sources=state.program.sources)
            sessions[name] = session, state
        session, state = sessions[name]
        assert state.program is not None
        unused = [(one.title, one.node.lineno) for one in state.unused if one.module.name == module]
        outcomes.append(Outcome(program, unused=unused))
        found = outcomes[-1].told
        work += [(name, session, function, found) for function in prove.roots(state.program, [module])]
    with progress("proving"):
        for name, (session, _) in sessions.items():
            mine = {function: found for other, _, function, found in work if other == name}
            for function in prove.callees_first(mine):
                mine[function].append(prove_function(session, function, frozenset(mine), cold=cold, explain=explain))
    return outcomes


def prove_function(
    session: Session, function: ir.Function, roots: frozenset[ir.Function], *, cold: bool, explain: bool
) -> Told:
    """What came of a function, now or earlier."""
    from neokernel.prover import cache

    invariants = [one for found in session.of.values() for one in found]
    how = f"{session.limits} {session.rule} {function in session.entered}"
    key = cache.key(function, invariants, session.proven, how)
    # What is said of a function that fails quotes the sources, as they were.
    places = cache.quoted(function, invariants, session.sources) if explain else ""
    record = None if cold else cache.load(key)
    if record is not None and (not explain or not record["told"]["diagnostics"] or record["places"] == places):
        told = from_record(record["told"])
        session.take(function, told.checks)
        return told
    told = prove_now(session, function, roots, explain=explain)
    cache.store(key, {"places": places, "told": asdict(told)})
    return told


def from_record(record: dict[str, Any]) -> Told:
    """The inverse of `asdict`."""

    def span(of: dict[str, Any] | None) -> Span | None:
        return None if of is None else Span(**of)

    def diagnostic(of: dict[str, Any]) -> Diagnostic:
        notes = tuple((span(where), text) for where, text in of["notes"])
        return Diagnostic(of["code"], of["message"], Span(**of["span"]), of["help"], notes)

    diagnostics = [diagnostic(item) for item in record["diagnostics"]]
    return Told(**{**record, "diagnostics": diagnostics, "attempts": [Attempt(**one) for one in record["attempts"]]})


def prove_now(session: Session, function: ir.Function, roots: frozenset[ir.Function], *, explain: bool) -> Told:
    from neokernel.lang.interfaces.generate import as_written
    from neokernel.prover.failures import report, search
    from neokernel.prover.failures.words import what
    from neokernel.prover.solve import Answer

    proof = session.prove(function)
    # What fails in another module, that module's own proof shows; but what was taken for granted counts.
    mine = [v for v in proof.verdicts if v.obligation.check is None or v.obligation.function.module == function.module]
    failed = [verdict for verdict in mine if verdict.answer is not Answer.PROVEN]
    told = Told(as_written(function.name), len(mine) - len(failed), len(mine), proof.seconds)
    told.elsewhere = dict(Counter(one.obligation.function.module for one in proof.failed if one not in failed))
    told.bounds = [f"{as_written(f.name)}, line {span.line}" for f, span in proof.findings.assumed_bounds]
    told.relied_on = [as_written(f.symbol) for f in proof.findings.summarised if f.ensures and f not in roots]
    told.keeping = [as_written(f.symbol) for f in proof.findings.keeping if f not in roots]
    told.checks = session.own_checks(proof)
    ways = {one.verdict: one.found for one in search.ways(session, function, failed)} if explain else {}
    said: dict[tuple[object, ...], Verdict] = {}
    for verdict in failed:
        # What fails in several ways is said once, with one of which more is known if there is any.
        key = (what(verdict.obligation), verdict.obligation.span, verdict.obligation.calls)
        if key not in said or (said[key] not in ways and verdict in ways):
            said[key] = verdict
    for verdict in said.values():
        way = ways.get(verdict)
        told.diagnostics.append(report.diagnostic(verdict.obligation, verdict.answer, way, session.sources))
        told.attempts.append(attempt(function, verdict.obligation, way))
    return told


def attempt(function: ir.Function, obligation: Obligation, way: Counterexample | None) -> Attempt:
    from neokernel.prover.failures import as_test, counterexample
    from neokernel.prover.obligations import Duty

    if way is None:
        never = obligation.duty in (Duty.POSSIBLE, Duty.ENDS)
        return Attempt(why="no run gets so far" if never else "the solver gave up, so no way to fail is known")
    found = Attempt(doubt=counterexample.why_it_may_not_happen(way))
    try:
        found.source = as_test.source(function, obligation, way)
    except as_test.CannotBuild as error:
        found.why = str(error)
    # What a call requires fails in the callee, by the call's line.
    found.in_line = obligation.check is not None or obligation.duty is Duty.REQUIRES
    return found
