"""Mutants that mean the same, by proof: the sound function and the one with the mistake are run side by side.

Both are run symbolically (`neokernel/prover`) with the same arguments, in the same memory, whose invariants hold. They
do the same if (1) both see and do the same, in the same order: devices, memory that others can write, assembly, objects
that are made, calls that aren't looked into, rounds of loops that aren't run one by one, each with the same operands,
on the same paths; (2) memory is the same wherever others may read it: in assembly, in those calls, at a loop's rounds,
and at the end; (3) so are their results, and whether they return; (4) a check fails in neither or in both.

What either meets that isn't known is given the same name, by how often the like was met before: that each is met by
both, is (1), and nothing that is told of it is relied on before that is shown. So for each run of the one there is one
of the other in which others do the same.

Functions that others look into are compared as parts of these, too; a call that isn't looked into is of a function that
is compared by itself. Time, what the machine's caches do, and which of several checks fails first, aren't compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from unittest import mock

from neokernel.compiler import ir
from neokernel.compiler.types import StructType, Type
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import invariants
from neokernel.prover import terms as t
from neokernel.prover.execute import Executor, Limits
from neokernel.prover.invariants import Invariants
from neokernel.prover.memory import Cells, Entry, Moved, Write
from neokernel.prover.obligations import Obligation
from neokernel.prover.paths import START, Path, assuming, condition_of
from neokernel.prover.prove import Run
from neokernel.prover.solve import EFFORT, Answer, Solver
from neokernel.prover.states import Frame, State, is_private, is_specification
from neokernel.prover.terms import Term
from neokernel.prover.values import Value
from neokernel.prover.writes import Writes, container
from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING
from tests.mutate.judges import Verdict
from tests.mutate.prover import MOST_SECONDS, Prover, in_a_child, scope_of
from tests.mutate.workshop import Kept, Planted

#: what decides whether two are the same, beside what decides what is proven
COMPARING = ("neokernel/spec", "tests/mutate/bisimulation.py")
#: what others see, or could answer otherwise each time
SEEN = (ir.Asm, ir.Atomic, ir.Fence, ir.LoadWire, ir.StoreWire, ir.New, ir.Retire, ir.Renew)
#: of these, and of others whose result isn't known, those that look at nothing but their operands
BLIND = (ir.New, ir.ObjectAt, ir.LoadWire, ir.LoadElement, ir.AddressOf, ir.Unary, ir.Binary, ir.Convert)


@dataclass(frozen=True)
class Depth:
    """How far calls are looked into. `inline`: up to how many statements of a callee; `promising`: of one that promises
    something, too."""

    inline: int
    promising: bool


#: what is tried: what proofs do (where much is known of calls), then more
DEPTHS = Depth(Limits().inline, False), Depth(1_000, False), Depth(1_000, True)


@dataclass(frozen=True)
class Event:
    """What the outside sees or does. `what`: all that isn't computed. `facts`: how many were known before. `stamp`: of
    memory, if the outside may look at that."""

    what: tuple[object, ...]
    terms: tuple[Term, ...]
    path: Path
    facts: int
    stamp: int | None


class _Runner(Executor):
    """Notes events."""

    events: list[Event]
    #: how many unknowns were met, by what they are called
    met: Counter[str]
    #: whose unknowns those of contracts and invariants are, which are computed more often in one run than in the other
    name: str

    depth: Depth

    def counts(self) -> tuple[object, ...]:
        return frozenset(self.met.items()), self.memory.objects, self.memory.versions

    def note(self, what: tuple[object, ...], terms: Iterable[Term], path: Path, *, memory: bool) -> None:
        if self.conditions is None:
            stamp = self.memory.stamp if memory else None
            whole = (*what, self.counts())
            self.events.append(Event(whole, tuple(terms), path, len(self.findings.facts), stamp))

    def fresh(self, hint: str, sort: int) -> Term:
        if self.conditions is not None:
            self.fresh_names += 1
            return t.variable(f"{hint}?{self.name}{self.fresh_names}", sort)
        self.met[hint] += 1
        return t.variable(f"{hint}#{self.met[hint]}", sort)

    def instruction(self, frame: Frame, node: ir.Instruction, state: State) -> State | None:
        if self.conditions is not None or isinstance(node, ir.Get | ir.Set | ir.Call):
            return super().instruction(frame, node, state)
        before, count, path = self.counts(), len(self.events), state.path
        what, terms = self._parts(frame, node)
        blind = isinstance(node, BLIND) or (isinstance(node, ir.Asm) and "memory" not in node.clobbers)
        self.note(what, terms, path, memory=not blind)
        after = super().instruction(frame, node, state)
        if self.counts() == before and not isinstance(node, SEEN) and not _is_atomic(node):
            del self.events[count]
        return after

    def _parts(self, frame: Frame, node: ir.Instruction) -> tuple[tuple[object, ...], list[Term]]:
        what: list[object] = [type(node).__name__, "" if node.result is None else str(node.result.type)]
        terms: list[Term] = []
        for field in fields(node):
            if field.name in ("span", "result", "checks"):
                continue
            value = getattr(node, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, ir.Temp | ir.Const | ir.ConstRecord):
                    terms += self.value(frame, part)
                else:
                    what.append(str(part))
        return tuple(what), terms

    def _is_opaque(self, frame: Frame, function: ir.Function) -> bool:
        opaque = super()._is_opaque(frame, function)
        if opaque and self.depth.promising and self.conditions is None:
            return self.steps > self.limits.steps or self.size(function) > self.limits.inline
        return opaque

    def _summary(self, inner: Frame, node: ir.Call, start: State, given: Term) -> Value | None:
        arguments = (part for each in node.function.parameters for part in start.variables[each])
        self.note(("call", node.function.symbol), arguments, start.path, memory=True)
        return super()._summary(inner, node, start, given)


def _is_atomic(node: ir.Instruction) -> bool:
    match node:
        case ir.StoreField(struct=struct, field=name):
            return struct.fields[name].atomic
        case ir.FillArray(base=base):
            return container(base).atomic
    return False


class _Invariants(Invariants):
    """Notes where loops begin and their rounds end, and forgets what was noted on the way that was tried first."""

    runner: _Runner
    marks: list[tuple[int, int]]

    def mark(self) -> int:
        self.marks.append((super().mark(), len(self.runner.events)))
        return len(self.marks) - 1

    def rewind(self, mark: int, facts: int) -> None:
        moments, events = self.marks[mark]
        super().rewind(moments, facts)
        del self.runner.events[events:]

    def loop(
        self, x: Executor, frame: Frame, span: ir.Span, state: State, written: frozenset[Cells], made: frozenset[Type]
    ) -> frozenset[StructType]:
        what = "loop", tuple(sorted(cells.name for cells in written)), tuple(sorted(map(str, made)))
        self._note(what, state)
        return super().loop(x, frame, span, state, written, made)

    def round_ends(self, x: Executor, frame: Frame, span: ir.Span, state: State, kept: frozenset[StructType]) -> None:
        self._note(("round",), state)
        super().round_ends(x, frame, span, state, kept)

    def _note(self, what: tuple[object, ...], state: State) -> None:
        """By names: the numbers of variables are of the order in which they stand."""
        variables = sorted(state.variables, key=lambda var: (var.name, var.number))
        names = tuple(var.name for var in variables)
        terms = (term for var in variables for term in state.variables[var])
        self.runner.note((*what, names), terms, state.path, memory=True)


class _Side:
    """One of the two: a function, run as it is now. `other`: the run with which it is compared, if that was first."""

    def __init__(
        self, name: str, program: ir.Program, function: ir.Function, depth: Depth, other: _Side | None = None
    ) -> None:
        of = invariants.of_program(program)
        limits, earlier = Limits(inline=depth.inline), scope_of(program).earlier
        if other is None:
            self.run = Run(function, of, limits, rule=ERRORS_CHANGE_NOTHING, unasked=earlier)
        else:
            # Terms of both are compared, so that those of the first must stay.
            with mock.patch.object(t, "reset"):
                self.run = Run(function, of, limits, rule=ERRORS_CHANGE_NOTHING, unasked=earlier)
        x = self.run.executor
        x.__class__ = _Runner
        assert isinstance(x, _Runner)
        self.x = x
        #: is there but one object of the same structs as in the other run?
        self.knows_as_many = True
        x.events, x.met, x.name, x.depth = [], Counter(), name, depth
        if other is not None:
            self.knows_as_many = x.layout.single == other.x.layout.single
            x.layout = x.memory.layout = other.x.layout
            x.writes = Writes(x.layout)
        known = _Invariants(of, granted=True)
        known.runner, known.marks = x, []
        x.invariants = known
        if not is_private(function) and not function.ghost and of:
            known.begin(x)
        for contract in function.requires:
            x.assume(START, x.condition(Frame(function), contract, State(START, dict(self.run.arguments))))
        #: how many facts are known at the entry
        self.entry = len(x.findings.facts)
        self.found: tuple[State, Value] | None = x.run(Frame(function), State(START, dict(self.run.arguments)))

    @property
    def events(self) -> list[Event]:
        return self.x.events

    @property
    def facts(self) -> list[Term]:
        return self.x.findings.facts

    @property
    def obligations(self) -> list[Obligation]:
        return self.x.findings.obligations

    def after(self, event: int) -> int:
        """How many facts were known at an event; all, behind the last."""
        return self.events[event].facts if event < len(self.events) else len(self.facts)


class Pair:
    """A function as it is, and as it is with the mistake."""

    def __init__(self, one: _Side, other: _Side) -> None:
        self.one, self.other = one, other
        self._proven: set[tuple[Path, Term]] = set()

    def differ(self) -> str:
        """Where they may; empty if they do the same."""
        one, other = self.one, self.other
        if [event.what for event in one.events] != [event.what for event in other.events]:
            return "they do other things"
        if not other.knows_as_many or any(
            other.x.memory.bases.get(name, base) != base for name, base in one.x.memory.bases.items()
        ):
            return "they know other objects"
        solver = self._solver()
        told = one.entry, other.entry
        for number, (a, b) in enumerate(zip(one.events, other.events, strict=True)):
            told = self._tell(solver, told, a.facts, b.facts)
            if not self._same_paths(solver, a.path, b.path):
                return f"{number}: {a.what[:2]}: not on the same paths"
            if not self._same_terms(solver, a.path, a.terms, b.terms):
                return f"{number}: {a.what[:2]}: with others"
            if a.stamp is not None and b.stamp is not None:
                where = self._other_memory(solver, (a.path, b.path), (a.stamp, b.stamp))
                if where:
                    return f"{number}: {a.what[:2]}: {where} may differ"
        if (one.found is None) != (other.found is None):
            return "one doesn't return"
        where = self._other_checks(one, other) or self._other_checks(other, one)
        if where or one.found is None or other.found is None:
            return where
        self._tell(solver, told, len(one.facts), len(other.facts))
        (a_end, a_value), (b_end, b_value) = one.found, other.found
        if not self._same_paths(solver, a_end.path, b_end.path):
            return "one returns where the other doesn't"
        if not self._same_terms(solver, a_end.path, a_value, b_value):
            return "another result"
        where = self._other_memory(solver, (a_end.path, b_end.path), (one.x.memory.stamp, other.x.memory.stamp))
        return f"{where} may differ in the end" if where else ""

    def _solver(self) -> Solver:
        """One that knows what holds at the entry."""
        solver = Solver(self._fact, EFFORT)
        solver.assume(self.one.facts[: self.one.entry])
        return solver

    def _fact(self, term: Term) -> Term:
        memory = self.one.x.memory
        return (memory if str(term.args[0]) in memory.bases else self.other.x.memory).fact(term)

    def _tell(self, solver: Solver, told: tuple[int, int], mine: int, theirs: int) -> tuple[int, int]:
        """The facts of both up to these."""
        solver.assume(self.one.facts[told[0] : mine])
        solver.assume(self.other.facts[told[1] : theirs])
        return mine, theirs

    def _holds(self, solver: Solver, path: Path, goal: Term) -> bool:
        goal = assuming(path, goal)
        if goal is t.TRUE or (path, goal) in self._proven:
            return True
        proven = solver.prove(path, goal) is Answer.PROVEN
        if proven:
            # What is known only grows.
            self._proven.add((path, goal))
        return proven

    def _same_paths(self, solver: Solver, a: Path, b: Path) -> bool:
        return a == b or (self._holds(solver, a, condition_of(b)) and self._holds(solver, b, condition_of(a)))

    def _same_terms(self, solver: Solver, path: Path, mine: Sequence[Term], theirs: Sequence[Term]) -> bool:
        return len(mine) == len(theirs) and all(
            a is b or (a.sort == b.sort and self._holds(solver, path, self.one.x.memory.same(a, b)))
            for a, b in zip(mine, theirs, strict=True)
        )

    def _other_checks(self, mine: _Side, theirs: _Side) -> str:
        """A check that may fail in the one where none fails in the other."""
        there = {(each.path, each.goal) for each in theirs.obligations}
        for each in mine.obligations:
            if each.goal is t.TRUE or (each.path, each.goal) in there:
                continue
            # Up to the event that comes next, as what follows is known only of runs that have come by it.
            met = sum(event.facts <= each.facts for event in mine.events)
            solver = self._solver()
            solver.assume([*theirs.facts[theirs.entry : theirs.after(met)], *mine.facts[mine.entry : each.facts]])
            if solver.prove(each.path, each.goal) is not Answer.PROVEN:
                return f"line {each.span.line} may fail in one alone"
        return ""

    # --- memory -------------------------------------------------------------------------------------------------------

    def _other_memory(self, solver: Solver, paths: tuple[Path, Path], stamps: tuple[int, int]) -> str:
        """What may not be the same at two moments; empty if all is."""
        memories = self.one.x.memory, self.other.x.memory
        for name in sorted(memories[0].logs.keys() | memories[1].logs.keys()):
            mine, theirs = (
                [entry for entry in memory.logs.get(name, ()) if entry.stamp <= stamp]
                for memory, stamp in zip(memories, stamps, strict=True)
            )
            if [*map(_signature, mine)] == [*map(_signature, theirs)]:
                continue
            rest = [[each for each in log if not isinstance(each, Write)] for log in (mine, theirs)]
            if len(rest[0]) != len(rest[1]) or not all(map(self._same_entry, repeat(solver), *rest)):
                return name
            part = memories[0].parts.get(name) or memories[1].parts[name]
            for memory in memories:
                memory.parts[name] = part
            # Where neither has written, it is as the rest leaves it; where one has, both are looked at.
            for entry in (*mine, *theirs):
                if isinstance(entry, Write):
                    a, b = (
                        memory.load_part(name, entry.location, path, stamp)
                        for memory, path, stamp in zip(memories, paths, stamps, strict=True)
                    )
                    same = t.implies(condition_of(entry.guard), memories[0].same(a, b))
                    if not self._holds(solver, paths[0], same):
                        return name
        return ""

    def _same_entry(self, solver: Solver, a: Entry, b: Entry) -> bool:
        """Do two entries other than writes say the same, on the same paths? Not if they tell of others' entries."""
        same = _signature(a, guarded=False) == _signature(b, guarded=False) and not isinstance(a, Moved)
        return same and self._same_paths(solver, a.guard, b.guard)


def _signature(entry: Entry, *, guarded: bool = True) -> tuple[object, ...]:
    """An entry of a log, whenever it was made; and not `guarded`, on whichever paths."""
    without = {"stamp"} if guarded else {"stamp", "guard"}
    return type(entry), *(getattr(entry, each.name) for each in fields(entry) if each.name not in without)


class Bisimulation:
    """Asks of a mutant whether all that look at what has changed do the same."""

    def __init__(self, prover: Prover, seconds: int = MOST_SECONDS) -> None:
        self.prover, self.seconds = prover, seconds

    def why_not(self, planted: Planted) -> str:
        """Empty if they do the same. Only what a workshop has planted is compared: the rest of the program is the same
        then."""
        meaning, kept = planted.meaning, planted.kept
        if meaning is None or kept is None:
            return "it isn't in a function's body alone"
        names = [one.symbol for one in self.prover.concerned(planted, meaning)]
        functions = {one.symbol: one for one in meaning.program.functions}
        looked = [functions[name] for name in names if name in functions and not is_specification(functions[name])]
        if not looked:
            return "no proof looks into it"
        otherwise = Verdict("nobody", "it takes too long")
        return in_a_child(lambda: Verdict(None, compare(meaning.program, kept, looked)), otherwise, self.seconds).why


def compare(program: ir.Program, kept: list[Kept], functions: list[ir.Function]) -> str:
    """Where one of them may not do the same; empty if all do. Leaves the program with the mistake."""
    planted = [Kept.of(one.function) for one in kept]
    for function in functions:
        if function.naked:
            return f"{function.name}: it is assembly"
        where = ""
        for depth in DEPTHS:
            with deep_recursion():
                for one in kept:
                    one.restore()
                sound = _Side("sound", program, function, depth)
                for one in planted:
                    one.restore()
                where = Pair(sound, _Side("mistaken", program, function, depth, sound)).differ()
            if not where:
                break
        if where:
            return f"{function.name}: {where}"
    return ""
