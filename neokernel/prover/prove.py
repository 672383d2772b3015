"""Proofs of functions: each from arbitrary arguments that meet its `requires`, in memory whose invariants hold.

A check is *proven* when it is in every execution of its function that was looked at. What was proven may have relied on
other obligations (that a contract holds, that an invariant is kept), which images don't check: if one of those isn't
proven, nothing of that function's execution counts (`Proof.sound`), as what follows took it for granted. A failed check
itself ends a run, so what follows may rely on it even if it isn't proven: the image still has it.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.digest import checks_of, everything, nodes_of
from neokernel.compiler.types import NEVER, RefType, StructType
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import invariants, single, unchanged
from neokernel.prover import terms as t
from neokernel.prover.execute import Executor, Limits
from neokernel.prover.integers import Integers
from neokernel.prover.obligations import Contract, Duty, Findings, Obligation
from neokernel.prover.paths import START, Path, assuming, extended
from neokernel.prover.solve import EFFORT, Answer, Model, Solver
from neokernel.prover.states import Frame, State, is_private, is_specification
from neokernel.prover.unchanged import NO_RULE, AllOrNothing
from neokernel.prover.values import Layout, Value

#: statements of a callee that is looked into on behalf of a specification
SPECIFIED = 20_000
#: how many choices of a goal are taken one by one
CASES = 6


@dataclass(eq=False, slots=True)
class Verdict:
    obligation: Obligation
    answer: Answer
    #: the solver's
    seconds: float = 0.0


@dataclass(eq=False, slots=True)
class Proof:
    """What came of one function."""

    function: ir.Function
    verdicts: list[Verdict]
    findings: Findings
    steps: int
    seconds: float

    @property
    def sound(self) -> bool:
        """Is all proven that images don't check?"""
        return all(v.answer is Answer.PROVEN for v in self.verdicts if v.obligation.duty is not Duty.CHECK)

    @property
    def failed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.answer is not Answer.PROVEN]


class Run:
    """One function, executed: what is to be proven of it, and a solver to ask."""

    def __init__(
        self,
        function: ir.Function,
        of: dict[StructType, list[ir.Function]],
        limits: Limits | None = None,
        effort: int = EFFORT,
        proven: set[int] | None = None,
        rule: AllOrNothing = NO_RULE,
        granted: bool = False,
        unasked: Container[ir.Function] = (),
        entered: Container[ir.Function] = (),
    ) -> None:
        t.reset()
        self.unasked = unasked
        self.public = not function.ghost and (not is_private(function) or function in entered)
        self.function = function
        self.effort = effort
        specifying = is_specification(function)
        there = rule.single - single.made_by(function)
        self.executor = x = Executor(Limits(inline=SPECIFIED) if specifying else limits, Layout(single=there))
        x.specifying = specifying
        self.invariants = invariants.Invariants(of, granted=granted)
        x.invariants = self.invariants
        x.proven = proven or set()
        x.all_or_nothing = rule
        x.entered_alone = entered
        x.impossible = self._impossible
        for struct in of:
            if x.layout.only(RefType(struct)) is not None:
                # What is known of any reference at entry, is known of the only one.
                x.unknown(RefType(struct), "", 0)
        self.arguments: dict[ir.Var, Value] = {p: x.unknown(p.type, p.name, 0) for p in function.parameters}
        self.result: Value | None = None
        #: how many facts tell what it may take for granted
        self.facts_at_begin = 0
        #: where its returns meet; None if it never returns
        self.end: State | None = None
        #: decides whether paths are possible, and the facts that it was told
        self.decider: Solver | None = None
        self.told: list[t.Term] = []

    def execute(self) -> None:
        """From the entry to the end, contracts included."""
        x, function = self.executor, self.function
        frame, state = Frame(function), State(START, dict(self.arguments))
        if self.public and self.invariants.of:
            self.invariants.begin(x)
        if speaks_of_a_struct(function):
            # Nothing is to be shown but that an object can be so.
            assert function.invariant_of is not None
            self.invariants.begin(x)
            self.invariants.touch(x, function.invariant_of, self.arguments[function.parameters[0]][0])
            self.facts_at_begin = len(x.findings.facts)
            return
        for contract in function.requires:
            x.assume(START, x.condition(frame, contract, state))
        self.facts_at_begin = len(x.findings.facts)
        if function.naked:
            return
        for old in function.entry:
            x.oblige(frame, Duty.GHOST, old.span, state, x.computable(Frame(function), old, state))
        found = x.run(frame, state)
        if x.all_or_nothing.holds_of(function):
            unchanged.prove(x, frame, x.all_or_nothing)
        if found is None:
            return
        end, self.result = found
        self.end = end
        if x.specifying:
            # The rest is due where what it calls is proven by itself.
            own = x.findings.obligations
            own[:] = [one for one in own if one.function.module == function.module]
            return
        for contract in function.ensures:
            inner = State(end.path, dict(end.variables))
            if contract.result is not None:
                inner.variables[contract.result] = self.result
            about = Contract(contract, dict(inner.variables))
            x.oblige(frame, Duty.ENSURES, contract.span, inner, x.condition(frame, contract, inner), about=about)
        if self.invariants.moments:
            self.invariants.prove(x, function.span, end)

    def solver(self, facts: int | None = None, kind: type[Solver] = Solver) -> Solver:
        """A solver that knows the first `facts` assumptions, or all so far."""
        made = self.made(kind, self.effort)
        found = self.executor.findings.facts
        made.assume(found if facts is None else found[:facts])
        return made

    def made(self, kind: type[Solver], effort: int) -> Solver:
        """A solver that knows nothing yet."""
        return kind(self.executor.memory.fact, effort)

    def _impossible(self, path: Path) -> bool:
        facts = self.executor.findings.facts
        # What was taken back (a loop's rounds that were tried) must not be relied on.
        if self.decider is None or facts[: len(self.told)] != self.told:
            self.decider, self.told = self.made(Solver, self.effort // 8), []
        self.decider.assume(facts[len(self.told) :])
        self.told = list(facts)
        return self.decider.prove(path, t.FALSE) is Answer.PROVEN

    def refutation(self, obligation: Obligation) -> Model | None:
        """How it can fail; None if the solver knows no way."""
        solver = self.solver(obligation.facts)
        return solver.model() if solver.prove(obligation.path, obligation.goal) is Answer.REFUTED else None

    def _by_cases(self, solver: Solver, path: Path, goal: t.Term, depth: int) -> Answer:
        """A goal that the solver has given up, by the two sides of its outermost choice."""
        condition = next(t.choices(goal), None)
        if condition is None or depth == 0:
            return Answer.UNKNOWN
        for side in (condition, t.invert(condition)):
            case = extended(path, side)
            if case is None:
                continue
            there = assuming(case, goal)
            if there is t.TRUE:
                continue
            answer = solver.prove(case, there)
            if answer is Answer.UNKNOWN:
                answer = self._by_cases(solver, case, there, depth - 1)
            if answer is not Answer.PROVEN:
                return answer
        return Answer.PROVEN

    def solve(self) -> Iterator[Verdict]:
        """The answers, one by one."""
        solver: Solver | None = None
        known = 0
        all_proven = True
        failed: set[int] = set()
        function, findings = self.function, self.executor.findings
        for obligation in findings.obligations:
            if obligation.check is not None and obligation.function in self.unasked:
                continue
            if obligation.goal is t.TRUE:
                yield Verdict(obligation, Answer.PROVEN)
                continue
            if id(obligation.check) in failed:
                continue  # the check stays in any case
            if solver is None:
                solver = self.made(Solver, self.effort // 8)
            solver.assume(findings.facts[known : obligation.facts])
            known = max(known, obligation.facts)
            began = time.perf_counter()
            answer = solver.prove(obligation.path, obligation.goal)
            if answer is Answer.UNKNOWN:
                answer = self._by_cases(solver, obligation.path, obligation.goal, CASES)
            if answer is Answer.UNKNOWN:
                answer = self.solver(obligation.facts, Integers).prove(obligation.path, obligation.goal)
            if answer is Answer.UNKNOWN:
                # What it has learnt for other questions may mislead it.
                answer = self.solver(obligation.facts).prove(obligation.path, obligation.goal)
            all_proven = all_proven and answer is Answer.PROVEN
            if answer is not Answer.PROVEN and obligation.check is not None:
                failed.add(id(obligation.check))
            yield Verdict(obligation, answer, time.perf_counter() - began)
        if self.executor.specifying or (all_proven and function.result != NEVER):
            yield from self._meaning()

    def _meaning(self) -> Iterator[Verdict]:
        """Of what can't happen, anything is proven: so can what is required be, and what invariants say of an object,
        and is there an end of which something is promised? A solver that gives up says that nothing is known to be
        missing."""
        x, function = self.executor, self.function
        begins = True
        if x.specifying or function.requires or speaks_of_a_struct(function):
            verdict = self._possible(Duty.POSSIBLE, START, self.facts_at_begin)
            begins = verdict.answer is Answer.PROVEN
            yield verdict
        if begins and (x.specifying or function.ensures):
            yield self._possible(Duty.ENDS, None if self.end is None else self.end.path, len(x.findings.facts))

    def _possible(self, duty: Duty, path: Path | None, facts: int) -> Verdict:
        began = time.perf_counter()
        there = START if path is None else path
        obligation = Obligation(duty, self.function, self.function.span, there, t.TRUE, facts)
        never = path is None or self.solver(facts).prove(there, t.FALSE) is Answer.PROVEN
        return Verdict(obligation, Answer.REFUTED if never else Answer.PROVEN, time.perf_counter() - began)


def prove(
    function: ir.Function,
    of: dict[StructType, list[ir.Function]],
    limits: Limits | None = None,
    effort: int = EFFORT,
    proven: set[int] | None = None,
    rule: AllOrNothing = NO_RULE,
    granted: bool = False,
    unasked: Container[ir.Function] = (),
    entered: Container[ir.Function] = (),
) -> Proof:
    """Execute a function and answer for what it must show. `proven`: checks, by identity, that hold anyway. `granted`:
    so is that it keeps the invariants. `unasked`: functions whose checks stay, whatever is proven of them. `entered`:
    private ones that begin and end like others."""
    started = time.perf_counter()
    with deep_recursion():
        run = Run(function, of, limits, effort, proven, rule, granted, unasked, entered)
        run.execute()
        verdicts = list(run.solve())
    seconds = time.perf_counter() - started
    return Proof(function, verdicts, run.executor.findings, run.executor.steps, seconds)


@dataclass(slots=True)
class Session:
    """Proofs of many functions of one program, callees first: what is proven for all arguments isn't asked again.

    That holds for functions without invariants to assume: a check that is proven with their help may fail where they
    are broken, so it is looked at wherever its function is called.
    """

    of: dict[StructType, list[ir.Function]]
    limits: Limits | None = None
    effort: int = EFFORT
    rule: AllOrNothing = NO_RULE
    #: functions whose checks stay, whatever is proven of them
    unasked: frozenset[ir.Function] = frozenset()
    #: private ones that begin and end like others (`entered`)
    entered: frozenset[ir.Function] = frozenset()
    #: the text of each file, for messages
    sources: dict[str, str] = field(default_factory=dict)
    proofs: dict[ir.Function, Proof] = field(default_factory=dict)
    proven: set[int] = field(default_factory=set)

    def prove(self, function: ir.Function, granted: bool = False) -> Proof:
        """`granted`: that it keeps the invariants is known."""
        proof = prove(
            function, self.of, self.limits, self.effort, self.proven, self.rule, granted, self.unasked, self.entered
        )
        self.proofs[function] = proof
        self.take(function, self.own_checks(proof))
        return proof

    def own_checks(self, proof: Proof) -> list[int]:
        """The checks of the function itself that hold for all arguments, by index."""
        if not proof.sound or (self.of and (not is_private(proof.function) or proof.function in self.entered)):
            return []
        own: dict[int, bool] = {}
        for verdict in proof.verdicts:
            check = verdict.obligation.check
            if check is not None and verdict.obligation.function is proof.function:
                own[check.index] = own.get(check.index, True) and verdict.answer is Answer.PROVEN
        return sorted(index for index, holds in own.items() if holds)

    def take(self, function: ir.Function, checks: Iterable[int]) -> None:
        """Take checks of a function as proven."""
        wanted = set(checks)
        self.proven |= {id(check) for check in checks_of(function) if check.index in wanted}


def callees_first(functions: Iterable[ir.Function]) -> list[ir.Function]:
    """These functions, each after those that it calls."""
    wanted = list(functions)
    order: dict[ir.Function, None] = {}

    def visit(function: ir.Function) -> None:
        if function not in order:
            for node in everything(function.body):
                if isinstance(node, ir.Call):
                    visit(node.function)
            order[function] = None

    for function in wanted:
        visit(function)
    kept = set(wanted)
    return [function for function in order if function in kept]


def speaks_of_a_struct(function: ir.Function) -> bool:
    """Is it an invariant? Then it stands for all of its struct's."""
    return function.invariant_of is not None and not function.ensures


def entered(program: ir.Program) -> frozenset[ir.Function]:
    """Private functions whose callers aren't all known, so they begin and end like public ones: those that nothing in
    their own module calls, contracts included; and inlined ones that nobody calls and that promise nothing."""
    calls = [
        (function.module, node.function)
        for function in program.functions
        for node in nodes_of(function)
        if isinstance(node, ir.Call)
    ]
    called = {callee for _, callee in calls}
    at_home = {callee for module, callee in calls if callee.module == module}

    def is_alone(one: ir.Function) -> bool:
        return one not in called and not one.ensures if one.inline else one not in at_home

    return frozenset(one for one in program.functions if is_private(one) and is_alone(one))


def roots(program: ir.Program, modules: Iterable[str], entered: Container[ir.Function] = ()) -> list[ir.Function]:
    """The functions of modules that are proven by themselves: all but ghosts, and private ones that aren't `entered`;
    but what these promise, their callers take for granted. And of each struct's invariants the first."""
    wanted = set(modules)
    said = (filter(speaks_of_a_struct, found) for found in invariants.of_program(program).values())
    first = {one for found in said if (one := next(found, None)) is not None}
    return [
        function
        for function in program.functions
        if function.module in wanted
        and (not function.ghost or function.ensures or function in first)
        and not function.naked
        and (not is_private(function) or function in entered or function.ensures)
    ]
