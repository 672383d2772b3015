"""The symbolic executor: runs a function of the typed IR on all arguments at once.

Both sides of a branch are run and merged where they meet: variables by choices, memory by the guards of its logs. Each
check becomes an obligation on its path; what comes after may assume that it held, as a failed check ends a run.

Calls are run in place, unless the callee promises something (`ensures`) or is too big: then its `requires` is to be
proven, what it may write becomes unknown, and what it promises is assumed. Loops: see `loops.py`.

Invariant: what is run here is at least what a machine may do: what isn't known is a fresh variable, about which nothing
is assumed but what its type says.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.lives import statements
from neokernel.compiler.types import BOOL, NEVER, EnumType, StructType, Type, UnionType
from neokernel.prover import instructions, loops
from neokernel.prover import terms as t
from neokernel.prover.memory import Cells, Memory
from neokernel.prover.obligations import Branch, Contract, Duty, Findings, Obligation, Unknown
from neokernel.prover.paths import Path, condition_of, decided, difference, extended, simplified
from neokernel.prover.states import Frame, State, is_private, is_specification, join, merged
from neokernel.prover.terms import REF, Term
from neokernel.prover.unchanged import NO_RULE
from neokernel.prover.values import Layout, Value
from neokernel.prover.writes import Constants, Held, Part, Place, Writes


@dataclass(slots=True)
class Limits:
    """`inline`: statements of a callee, with all that it calls, beyond which it is summarised. `steps`: beyond which
    every call is. `rounds`: of a loop that are run one by one.

    `exact`: only what runs do: no callee is known by its promises only, and of a loop no more rounds are looked at than
    are run one by one. So what fails there does fail, but what doesn't proves nothing if something was left out.
    """

    inline: int = 60
    steps: int = 60_000
    rounds: int = 64
    exact: bool = False


class NoInvariants:
    """What the executor asks about invariants of structs; here nothing is known and nothing is due."""

    def touch(self, x: Executor, struct: StructType, reference: Term) -> None:
        """A field of an object is accessed."""

    def leave(self, x: Executor, frame: Frame, node: ir.Call, state: State) -> None:
        """A summarised call begins."""

    def come_back(self, x: Executor, node: ir.Call, state: State) -> None:
        """It has ended, and what it writes is unknown."""

    def concern(self, x: Executor, function: ir.Function) -> bool:
        """Is anything due in a private function that its callers don't see unless they look into it?"""
        return False

    def matter(self, x: Executor, function: ir.Function) -> bool:
        """May what it promises rely on them?"""
        return False

    def may_break(self, x: Executor, function: ir.Function) -> bool:
        """Does it write what one reads, or make what has some?"""
        return False

    def loop(
        self,
        x: Executor,
        frame: Frame,
        span: ir.Span,
        state: State,
        written: frozenset[Cells],
        made: frozenset[Type],
    ) -> frozenset[StructType]:
        """A loop that writes these cells and makes such objects begins: of which structs do the invariants hold in
        each round?"""
        return frozenset()

    def round_begins(self, x: Executor, path: Path, kept: frozenset[StructType]) -> None:
        """An arbitrary round begins."""

    def round_ends(self, x: Executor, frame: Frame, span: ir.Span, state: State, kept: frozenset[StructType]) -> None:
        """It ends, and another may begin."""

    def mark(self) -> int:
        """How much is known, to come back to with `rewind`."""
        return 0

    def rewind(self, mark: int, facts: int) -> None:
        """Forget what was found out since, beyond that many facts."""


class Executor:
    """One function, from its entry, with all that it calls."""

    def __init__(self, limits: Limits | None = None, layout: Layout | None = None) -> None:
        self.limits = limits or Limits()
        self.layout = layout or Layout()
        self.memory = Memory(self.layout)
        self.writes = Writes(self.layout)
        self.findings = Findings()
        self.calls: tuple[ir.Call, ...] = ()
        #: on behalf of a specification: callees are looked into, whatever they promise
        self.specifying = False
        self.steps = 0
        self.fresh_names = 0
        #: while a condition of a contract is computed: what must hold for it to mean anything
        self.conditions: list[Term] | None = None
        #: these, of checks, to see which of them fails; None if that isn't of interest
        self.asked: list[tuple[ir.Span, ir.Check, Term]] | None = None
        #: was a way given up that runs may take? `Limits.exact` may do that
        self.left_out = False
        self._sizes: dict[ir.Function, int] = {}
        #: functions that were looked into
        self.entered: dict[ir.Function, None] = {}
        #: what is to be known of the structs' invariants
        self.invariants = NoInvariants()
        #: private functions that begin and end like others, as their callers aren't all known
        self.entered_alone: Container[ir.Function] = ()
        #: which struct's object an address is of, and which is seen as a span, by the field that the span then is
        self.addresses: dict[Term, StructType] = {}
        self.seen: dict[str, instructions.Seen] = {}
        #: objects that were made on the way, with their types, and where
        self.made: list[tuple[Term, Type, Path]] = []
        #: checks (by identity) that are known to hold in every execution of their functions
        self.proven: set[int] = set()
        #: the stamp at which memory is read, if not the present one
        self.before: int | None = None
        #: functions whose failures change nothing
        self.all_or_nothing = NO_RULE
        #: decides whether a path can be taken at all; None if that isn't known
        self.impossible: Callable[[Path], bool] = lambda path: False

    # --- unknowns and obligations -------------------------------------------------------------------------------------

    def assume(self, path: Path, condition: Term) -> None:
        if decided(path, condition) is not True:
            self.findings.facts.append(t.implies(condition_of(path), condition))

    def fresh(self, hint: str, sort: int) -> Term:
        self.fresh_names += 1
        return t.variable(f"{hint}!{self.fresh_names}", sort)

    def unknown(self, type_: Type, hint: str, age: int | None = None) -> Value:
        """Any value of a type. `age`: its references lead into objects that aren't younger."""
        value = tuple(
            self.layout.only(c.type) or self.fresh(hint + c.path, c.sort) for c in self.layout.components(type_)
        )
        age = self.memory.objects if age is None else age
        for term in value:
            if term.sort == REF:
                self.memory.ages[term] = age
                self.findings.facts.append(self.memory.old_enough(term, age))
        fact = self.layout.fact(type_, value)
        if fact is not t.TRUE:
            self.findings.facts.append(fact)
        return value

    def oblige(
        self,
        frame: Frame,
        duty: Duty,
        span: ir.Span,
        state: State,
        goal: Term,
        check: ir.Check | None = None,
        callee: str = "",
        about: Term | Contract | None = None,
    ) -> bool:
        """`goal` is to be proven here; afterwards it holds. False if it never does."""
        goal = simplified(state.path, goal)
        if self.conditions is not None:
            self.conditions.append(t.implies(condition_of(state.path), goal))
            if self.asked is not None and check is not None:
                self.asked.append((span, check, self.conditions[-1]))
            return goal is not t.FALSE
        if check is None or not (check.discharged or id(check) in self.proven):
            self.findings.obligations.append(
                Obligation(
                    duty,
                    frame.function,
                    span,
                    state.path,
                    goal,
                    len(self.findings.facts),
                    self.calls,
                    check,
                    len(self.findings.branches),
                    callee,
                    len(self.findings.unknowns),
                    dict(state.variables),
                    self.memory.stamp,
                    about,
                )
            )
        self.assume(state.path, goal)
        return goal is not t.FALSE

    # --- operands -----------------------------------------------------------------------------------------------------

    def value(self, frame: Frame, operand: ir.Operand) -> Value:
        if isinstance(operand, ir.Temp):
            return frame.temps[operand]
        return self.layout.constant(operand)

    def term(self, frame: Frame, operand: ir.Operand) -> Term:
        (term,) = self.value(frame, operand)
        return term

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, frame: Frame, block: ir.Block, state: State | None) -> State | None:
        """The state at the block's end; None if that isn't reached."""
        for statement in block:
            if state is None:
                return None
            self.steps += 1
            if isinstance(statement, ir.Instruction):
                state = self.instruction(frame, statement, state)
            else:
                state = self.statement(frame, statement, state)
        return state

    def statement(self, frame: Frame, node: ir.Statement, state: State) -> State | None:
        match node:
            case ir.If(span=span, condition=condition, then=then, otherwise=otherwise):
                return self.branch(frame, state, [(self.term(frame, condition), then, "")], span, otherwise)
            case ir.Switch():
                return self.switch(frame, node, state)
            case ir.Loop():
                return loops.run(self, frame, node, state)
            case ir.Break(label=label):
                frame.breaks[label].append(state)
            case ir.Continue(label=label):
                frame.continues[label].append(state)
            case ir.Return(value=value):
                frame.returns.append((state, () if value is None else self.value(frame, value)))
            case ir.Fail(span=span, check=check):
                self.oblige(frame, Duty.CHECK, span, state, t.FALSE, check)
            case ir.Ghost():
                return self.ghost(frame, node, state)
        return None

    def branch(
        self,
        frame: Frame,
        state: State,
        cases: list[tuple[Term, ir.Block, str]],
        span: ir.Span,
        otherwise: ir.Block | None,
    ) -> State | None:
        """The first block whose condition holds, or `otherwise` (None: there is no such way). Cases have names."""
        ends: list[State] = []
        rest: State | None = state
        for condition, block, case in cases:
            if rest is None:
                break
            condition = simplified(rest.path, condition)
            if self.specifying and self.conditions is None and condition.known is None:
                condition = self._decided(rest, condition)
            if self.conditions is None and condition.known is None:
                self.findings.branches.append(Branch(rest.path, condition, span, case))
            end = self.block(frame, block, rest.along(condition))
            if end is not None:
                ends.append(end)
            rest = rest.along(t.invert(condition))
        if rest is not None and otherwise is not None:
            end = self.block(frame, otherwise, rest)
            if end is not None:
                ends.append(end)
        return join(ends)

    def _decided(self, state: State, condition: Term) -> Term:
        """What the solver knows of a condition: of a specification's cases, few ways lead through the code."""
        for known, opposite in ((t.FALSE, condition), (t.TRUE, t.invert(condition))):
            there = state.along(opposite)
            if there is None or self.impossible(there.path):
                self.assume(state.path, t.invert(opposite))
                return known
        return condition

    def switch(self, frame: Frame, node: ir.Switch, state: State) -> State | None:
        of, value = node.value.type, self.value(frame, node.value)
        cases: list[tuple[Term, ir.Block, str]] = []
        members = {n: f"{of.name}.{member}" for member, n in of.members.items()} if isinstance(of, EnumType) else {}
        for wanted, block in node.cases:
            case = " | ".join(members.get(one, str(one)) if isinstance(one, int) else str(one) for one in wanted)
            if isinstance(of, UnionType):
                arms = tuple(arm for arm in wanted if isinstance(arm, Type))
                condition = self.layout.is_arm(of, value, arms)
            else:
                condition = t.disjunction(
                    *(t.equal(value[0], t.number(w, value[0].sort)) for w in wanted if isinstance(w, int))
                )
            cases.append((condition, block, case))
        if node.exhaustive and not node.default:
            # The checker has seen that one of the cases holds; that a value is of its type is known anyway.
            last, block, _ = cases.pop()
            self.oblige(frame, Duty.ARM, node.span, state, t.disjunction(*(c for c, _, _ in cases), last))
            return self.branch(frame, state, cases, node.span, block)
        return self.branch(frame, state, cases, node.span, node.default)

    # --- ghost code ---------------------------------------------------------------------------------------------------

    def ghost(self, frame: Frame, node: ir.Ghost, state: State) -> State | None:
        """Ghost code within a body: an invariant of a loop, or a statement."""
        met = frame.invariants.get(node)
        if met is not None:
            return met(state)
        if node.value is not None:
            if node.value.type == BOOL:
                # A loop's invariant, in a round that is run by itself.
                goal = self.condition(frame, node, state)
                self.oblige(
                    frame, Duty.LOOP_INVARIANT, node.span, state, goal, about=Contract(node, dict(state.variables))
                )
            return state
        self.oblige(frame, Duty.GHOST, node.span, state, self.computable(frame, node, state))
        return state

    def computable(self, frame: Frame, ghost: ir.Ghost, state: State) -> Term:
        """Does nothing fail in ghost code in this state?"""
        saved, self.conditions = self.conditions, []
        self.block(frame, ghost.block, State(state.path, dict(state.variables)))
        conditions, self.conditions = self.conditions, saved
        return t.conjunction(*conditions)

    def condition(self, frame: Frame, ghost: ir.Ghost, state: State) -> Term:
        """Does a contract hold in this state? It does if it can be computed, and is true."""
        assert ghost.value is not None
        saved, self.conditions = self.conditions, []
        end = self.block(frame, ghost.block, State(state.path, dict(state.variables)))
        conditions, self.conditions = self.conditions, saved
        if end is None:
            return t.FALSE
        return t.conjunction(*conditions, self.term(frame, ghost.value))

    # --- calls --------------------------------------------------------------------------------------------------------

    def size(self, function: ir.Function) -> int:
        """Statements of a function and of all that it calls and that isn't summarised for its contract."""
        found = self._sizes.get(function)
        if found is None:
            found = 0
            for statement in statements(function.body):
                found += 1
                if isinstance(statement, ir.Call) and not statement.function.ensures:
                    found += self.size(statement.function)
            self._sizes[function] = found
        return found

    def call(self, frame: Frame, node: ir.Call, state: State) -> State | None:
        function = node.function
        arguments = [self.value(frame, argument) for argument in node.arguments]
        inner = Frame(function)
        start = State(state.path, dict(zip(function.parameters, arguments, strict=True)))
        saved, self.calls = self.calls, (*self.calls, node)
        given = t.TRUE
        if function.requires:
            for contract in function.requires:
                goal = self.condition(inner, contract, start)
                given = t.conjunction(given, goal)
                self.calls, inside = saved, self.calls
                about = Contract(contract, dict(start.variables))
                possible = self.oblige(frame, Duty.REQUIRES, node.span, state, goal, callee=function.name, about=about)
                self.calls = inside
                if not possible and self.conditions is None:
                    self.calls = saved
                    return None
        if function.naked or self._is_opaque(frame, function):
            result = self._summary(inner, node, start, given)
            end = None if result is None else State(state.path, state.variables)
        else:
            found = self.run(inner, start)
            result, end = (None, None) if found is None else (found[1], found[0])
        self.calls = saved
        if end is None:
            return None
        if node.result is not None:
            assert result is not None
            frame.temps[node.result] = tuple(simplified(end.path, part) for part in result)
        return State(end.path, state.variables)

    def is_part(self, function: ir.Function) -> bool:
        """Is it a part of its callers, perhaps while invariants are broken?"""
        return is_private(function) and function not in self.entered_alone

    def _is_opaque(self, frame: Frame, function: ir.Function) -> bool:
        """Is a call known by the callee's contract alone?"""
        if self.is_part(function) and not self.specifying and not self.limits.exact:
            # What is due in it that it doesn't promise, is proven as a part of its callers only.
            return bool(function.ensures) and not self.invariants.concern(self, function)
        if self.limits.exact:
            big = self.steps > self.limits.steps or self.size(function) > self.limits.inline
            self.left_out |= big
            return big
        whole = self.is_part(function) or not self.writes.of_function(function)
        big = self.steps > self.limits.steps or (self.size(function) > self.limits.inline and not whole)
        if self.specifying:
            return big and self.conditions is None and not is_specification(frame.function)
        if self.conditions is not None:
            # A contract is computed whatever has been written: what the callee promises may rely on invariants.
            return bool(function.ensures) and not self.invariants.matter(self, function)
        return bool(function.ensures) or big

    def run(self, frame: Frame, start: State) -> tuple[State, Value] | None:
        """Run a body; where its returns meet, with the result. None if it never returns."""
        self.entered[frame.function] = None
        for ghost in frame.function.entry:
            after = self._keep(frame, ghost, start)
            start.variables.update(after)
        end = self.block(frame, frame.function.body, start)
        returns = frame.returns
        if end is not None and not any(value for _, value in returns):
            # Behind a `match` that has every case, nothing is left.
            returns.append((end, ()))
        if not returns:
            return None
        if len(returns) == 1:
            return returns[0]
        paths = [state.path for state, _ in returns]
        told = [difference(path, paths) for path in paths[:-1]]
        result = merged(told, [value for _, value in returns])
        whole = join([state for state, _ in returns])
        assert whole is not None
        return whole, result

    def _keep(self, frame: Frame, ghost: ir.Ghost, state: State) -> dict[ir.Var, Value]:
        """What an `old(…)` is, at entry."""
        saved, self.conditions = self.conditions, []
        end = self.block(frame, ghost.block, State(state.path, dict(state.variables)))
        self.conditions = saved
        if end is None:
            # It never comes to that: it is an obligation of its own that it does.
            return {one.var: self.unknown(one.var.type, "old") for one in ghost.block if isinstance(one, ir.Set)}
        return end.variables

    def _summary(self, inner: Frame, node: ir.Call, start: State, given: Term) -> Value | None:
        """A call that isn't looked into; `given`: is what it requires. Where a condition is computed, nobody has proven
        that it is."""
        function = node.function
        self.findings.summarised[function] = None
        if self.invariants.may_break(self, function):
            self.findings.keeping[function] = None
        self.invariants.leave(self, inner, node, start)
        for ghost in function.entry:
            start.variables.update(self._keep(inner, ghost, start))
        if self.writes.made_by(function):
            self.memory.others_are_made()
        result = () if function.result == NEVER else self.unknown(function.result, f"{function.name}()")
        if self.conditions is None:
            self.findings.unknowns.append(Unknown(start.path, node.span, function, result))
        written: Path | None = start.path
        if self.all_or_nothing.holds_of(function):
            written = extended(start.path, t.invert(self.all_or_nothing.nothing(result[0])))
        changed, places = self.writes.of_function(function), self.writes.places_of(function)
        for cells, constants, objects in self.changes(inner, start, changed, places):
            where = start.path if cells.name in self.all_or_nothing.hints else written
            if where is not None:
                self.forget(cells, constants, objects, where)
        if function.result == NEVER:
            if self.conditions is not None:
                self.conditions.append(t.invert(condition_of(start.path)))
            return None
        self.invariants.come_back(self, node, start)
        for contract in function.ensures:
            state = State(start.path, dict(start.variables))
            if contract.result is not None:
                state.variables[contract.result] = result
            promised = self.condition(inner, contract, state)
            self.assume(start.path, promised if self.conditions is None else t.implies(given, promised))
        return result

    def changes(
        self, frame: Frame, state: State, changed: Mapping[Cells, Constants], places: Mapping[Cells, Iterable[Place]]
    ) -> list[tuple[Cells, Constants, list[Term] | None]]:
        """What code may write of which no more is known: to cells, perhaps constants only, perhaps of these objects
        only, as they are found before it."""

        def at(place: Place) -> Term:
            match place:
                case ir.Var():
                    return state.variables[place][0]
                case ir.Temp():
                    return self.value(frame, place)[0]
                case Part(field=field, whole=whole):
                    return t.inline_field(field, at(whole))
                case Held(cells=cells, by=by):
                    return self.memory.load(cells, (at(by),), state.path, self.before)[0]

        return [
            (
                cells,
                constants,
                sorted(map(at, places[cells]), key=lambda term: term.number) if cells in places else None,
            )
            for cells, constants in sorted(changed.items(), key=lambda each: each[0].name)
        ]

    def forget(self, cells: Cells, constants: Constants, objects: list[Term] | None, path: Path) -> None:
        """From here on, anything may be there; or perhaps one of these constants; if `objects` are given, in these."""
        values = [self.layout.constant(one) for one in constants or ()]
        if objects is None:
            self.memory.forget(cells, path, values)
            instructions.forget_what_is_seen(self, cells, path)
        for object in objects or ():
            if cells.of_elements:
                self.memory.forget_elements(cells, object, path)
                instructions.forget_seen(self, object, path)
                continue
            value = self.memory.load(cells, (object,), path) if values else self.unknown(cells.type, cells.name)
            for one in values:
                now = self.fresh("changed", t.BOOL)
                value = tuple(t.choose(now, new, old) for new, old in zip(one, value, strict=True))
            self.memory.store(cells, (object,), value, path)
            instructions.forget_views(self, object, instructions.owner(cells.name), path)

    # --- instructions -------------------------------------------------------------------------------------------------

    def instruction(self, frame: Frame, node: ir.Instruction, state: State) -> State | None:
        match node:
            case ir.Get(var=var, result=result):
                if result is not None:
                    value = state.variables[var]
                    frame.temps[result] = tuple(simplified(state.path, part) for part in value)
                return state
            case ir.Set(var=var, value=operand):
                state.variables[var] = self.value(frame, operand)
                return state
            case ir.Call():
                return self.call(frame, node, state)
        made, goals = instructions.run(self, frame, node, state)
        if isinstance(node, ir.AsArm):
            self.oblige(frame, Duty.ARM, node.span, state, goals[0])
        else:
            for check, goal in zip(node.checks, goals, strict=True):
                if not self.oblige(frame, Duty.CHECK, node.span, state, goal, check):
                    return None
        if node.result is not None:
            frame.temps[node.result] = tuple(simplified(state.path, part) for part in made)
        instructions.effect(self, frame, node, state)
        return state
