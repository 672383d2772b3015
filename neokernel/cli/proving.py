"""Proofs of programs' functions, now or earlier: what came of each, and what to say of it.

Nothing here prints. What came of a function is kept by the content of all that its proof reads (`prover/cache.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import asdict, dataclass, field, replace
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
    what it took for granted is. Other functions are named by their symbols.
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
    #: functions that weren't looked into: those whose promises it relied on, those that could break invariants, and
    #: instances of what is generic elsewhere, which nobody else proves
    relied_on: list[str] = field(default_factory=list)
    keeping: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)

    def beside(self, roots: Container[str]) -> Told:
        """The same, with functions named as they are written; those that are proven, too, aren't named."""
        from neokernel.lang.interfaces.generate import as_written

        relied_on, keeping = (
            [as_written(s) for s in each if s not in roots] for each in (self.relied_on, self.keeping)
        )
        return replace(self, relied_on=relied_on, keeping=keeping)

    def messages(self) -> list[tuple[Diagnostic, Attempt]]:
        return list(zip(self.diagnostics, self.attempts, strict=True))


@dataclass(eq=False)
class Outcome:
    """What came of a program's functions; and those, by name and line, of which it has no instance to prove."""

    program: Program
    module: str
    told: list[Told] = field(default_factory=list)
    unused: list[tuple[str, int]] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.unused and not any(one.diagnostics for one in self.told)


def prove_programs(programs: list[Program], *, cold: bool, explain: bool, as_json: bool) -> list[Outcome]:
    """The functions of each program's module, callees first; the kernel's modules together. With them, what they make
    of generic code of other modules."""
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
    work: list[tuple[str, ir.Function, Outcome]] = []
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
        outcomes.append(Outcome(program, module, unused=unused))
        found = prove.roots(state.program, [module], session.entered)
        work += [(name, function, outcomes[-1]) for function in found]
    with progress("proving"):
        for name, (session, state) in sessions.items():
            assert state.program is not None
            by_symbol = {function.symbol: function for function in state.program.functions}
            mine = {function: outcome for other, function, outcome in work if other == name}
            queue = prove.callees_first(mine)
            for function in queue:  # which grows
                outcome = mine[function]
                told = prove_function(session, function, outcome.module, cold=cold, explain=explain)
                outcome.told.append(told)
                made = [by_symbol[symbol] for symbol in told.instances]
                queue += [one for one in made if one not in mine]
                mine.update({one: outcome for one in made if one not in mine})
            proven = {function.symbol for function in mine}
            for outcome in dict.fromkeys(mine.values()):
                outcome.told[:] = [one.beside(proven) for one in outcome.told]
    return outcomes


def prove_function(session: Session, function: ir.Function, module: str, *, cold: bool, explain: bool) -> Told:
    """What came of a function, now or earlier, for the proof of a module."""
    from neokernel.compiler.digest import cone
    from neokernel.prover import cache

    invariants = [one for found in session.of.values() for one in found]
    entered = [one.symbol for one in cone([*invariants, function]) if one in session.entered]
    key = cache.key(function, invariants, session.proven, f"{session.limits} {session.rule} {entered} {module}")
    # What is said of a function that fails quotes the sources, as they were; bounds are named by their lines.
    places = cache.quoted(function, invariants, session.sources)
    record = None if cold else cache.load(key)
    if record is not None:
        told = from_record(record["told"])
        if (record["explained"] or not explain or not told.diagnostics) and (
            record["places"] == places or not (told.bounds or (explain and told.diagnostics))
        ):
            session.take(function, told.checks)
            return told
    told = prove_now(session, function, module, explain=explain)
    cache.store(key, {"places": places, "explained": explain, "told": asdict(told)})
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


def prove_now(session: Session, function: ir.Function, module: str, *, explain: bool) -> Told:
    from neokernel.lang.interfaces.generate import as_written
    from neokernel.prover.failures import report, search
    from neokernel.prover.failures.words import what
    from neokernel.prover.solve import Answer
    from neokernel.prover.states import is_instance, is_private

    def is_elsewhere(obligation: Obligation) -> bool:
        """Is it a check that the proof of another module comes to, which shows it? What was taken for granted counts
        here."""
        callees = (call.function for call in obligation.calls)
        return obligation.check is not None and any(
            one.module != module
            and not is_instance(one)
            and (not is_private(one) or one in session.entered or bool(one.ensures))
            for one in callees
        )

    proof = session.prove(function)
    mine = [verdict for verdict in proof.verdicts if not is_elsewhere(verdict.obligation)]
    failed = [verdict for verdict in mine if verdict.answer is not Answer.PROVEN]
    name = function.name if function.module == module else function.symbol
    told = Told(as_written(name), len(mine) - len(failed), len(mine), proof.seconds)
    told.elsewhere = dict(Counter(one.obligation.function.module for one in proof.failed if one not in failed))
    told.bounds = [f"{as_written(f.name)}, line {span.line}" for f, span in proof.findings.assumed_bounds]
    summarised = proof.findings.summarised
    told.relied_on = [one.symbol for one in summarised if one.ensures]
    told.keeping = [one.symbol for one in proof.findings.keeping]
    told.instances = [one.symbol for one in summarised if one.module != module and is_instance(one)]
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
