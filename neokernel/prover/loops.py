"""Loops, symbolically.

A loop whose rounds can be counted here is run round by round. Of any other, one *arbitrary round* is run: it starts
with what the loop changes unknown, but for what is known of all rounds (a counter's range, `loop_invariant`s). What
follows the loop starts where that round, or the first, may leave it.

A `loop_invariant` stands in the body, behind the test. It is proven there in the first round and, after an arbitrary
round in which it was assumed, in the next one. So with invariants the loop is left (a) in the first round before they
are reached, (b) in the arbitrary round after them, (c) in the round after that, before them.

Invariant: every round that a machine may run is the first, or an instance of the arbitrary one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neokernel.compiler import ir, types
from neokernel.compiler.digest import everything
from neokernel.prover import terms as t
from neokernel.prover.obligations import Contract, Duty, Unknown
from neokernel.prover.scalars import scalar_type
from neokernel.prover.states import Frame, State, join
from neokernel.prover.terms import BOOL, Term

if TYPE_CHECKING:
    from neokernel.prover.execute import Executor


#: rounds of a loop that may be left in each, for a reason that isn't known, before all its rounds are taken together
WAYS_OUT = 8


def run(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> State | None:
    """The state behind the loop; None if it is never left that way."""
    mark = _mark(x, frame)
    done, after = _round_by_round(x, frame, loop, _copy(state))
    if done:
        return after
    _rewind(x, frame, mark)
    _bound(x, frame, loop, state)
    return _any_round(x, frame, loop, state)


def _copy(state: State) -> State:
    return State(state.path, dict(state.variables))


# --- round by round ---------------------------------------------------------------------------------------------------


def _round_by_round(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> tuple[bool, State | None]:
    """Run all rounds, if there are few: (False, None) if that can't be seen."""
    trip = None if loop.trip is None else x.term(frame, loop.trip).known
    bound = _known_bound(loop)
    stated = None if bound is not None else _stated_bound(x, frame, loop, state)
    most, exact = x.limits.rounds, x.limits.exact
    if not exact and trip is not None and (trip > most or trip * _size(x, loop) > x.limits.steps // 20):
        return False, None
    exits: list[State] = []
    frame.breaks[loop.label] = exits
    current: State | None = state
    rounds = bodies = 0

    def count(at: State) -> State:
        nonlocal bodies
        bodies += 1
        if bound is not None and bodies > bound:
            x.oblige(frame, Duty.LOOP_BOUND, loop.span, at, t.FALSE)
        if stated is not None:
            computable, most_rounds = stated
            enough = t.at_most(t.number(bodies, most_rounds.sort), most_rounds, False)
            x.oblige(frame, Duty.LOOP_BOUND, loop.span, at, t.conjunction(computable, enough))
        return at

    if loop.bound is not None:
        frame.invariants[loop.bound] = count
    try:
        while current is not None:
            decided = current.path is state.path or current.path == state.path
            if rounds > most or (rounds and x.steps > x.limits.steps):
                x.left_out |= exact and not x.impossible(current.path)
                return exact, join(exits)
            if rounds > WAYS_OUT and not decided and bound is None and not exact:
                return False, None
            if rounds and trip is None and not decided and not exact:
                # The test can't be told: go on only as far as a small bound allows, and see that it does hold.
                if bound is None or bound > WAYS_OUT or rounds > bound:
                    return False, None
                if rounds == bound:
                    if not _leaves(x, frame, loop, current):
                        return False, None
                    assert loop.bound is not None
                    frame.invariants[loop.bound] = _end
            frame.continues[loop.label] = ends = []
            end = x.block(frame, loop.body, current)
            if end is not None:
                ends.append(end)
            current = join(ends)
            if current is not None:
                current = x.block(frame, loop.step, current)
            rounds += 1
    finally:
        if loop.bound is not None:
            del frame.invariants[loop.bound]
    return True, join(exits)


def _size(x: Executor, loop: ir.Loop) -> int:
    """Statements of a round, with what it calls."""
    nodes = list(everything([*loop.body, *loop.step]))
    return len(nodes) + sum(x.size(node.function) for node in nodes if isinstance(node, ir.Call))


def _stated_bound(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> tuple[Term, Term] | None:
    """Whether the bound can be computed where the loop begins, and what it is then; None if none is stated."""
    if loop.bound is None or loop.bound.value is None:
        return None
    saved, x.conditions = x.conditions, []
    end = x.block(frame, loop.bound.block, _copy(state))
    conditions, x.conditions = x.conditions, saved
    return (t.FALSE, t.number(0, 64)) if end is None else (t.conjunction(*conditions), x.term(frame, loop.bound.value))


def _end(_: State) -> None:
    """Where no path leads any more."""


def _leaves(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> bool:
    """Is the loop left now, before its body is entered once more? What it does on the way doesn't count here."""
    assert loop.bound is not None
    mark, met, met_bound = _mark(x, frame), list[State](), frame.invariants[loop.bound]

    def meet(at: State) -> None:
        met.append(at)

    frame.invariants[loop.bound] = meet
    frame.continues[loop.label] = []
    x.block(frame, loop.body, _copy(state))
    frame.invariants[loop.bound] = met_bound
    never = all(x.impossible(at.path) for at in met)
    _rewind(x, frame, mark)
    return never


def _known_bound(loop: ir.Loop) -> int | None:
    if loop.bound is None or loop.bound.value is None:
        return None
    value = loop.bound.value
    return value.value if isinstance(value, ir.Const) and isinstance(value.value, int) else None


@dataclass(slots=True)
class _Mark:
    facts: int
    obligations: int
    bounds: int
    branches: int
    unknowns: int
    conditions: int
    made: int
    invariants: int
    stamp: int
    returns: int
    breaks: dict[int, int]
    continues: dict[int, int]


def _mark(x: Executor, frame: Frame) -> _Mark:
    return _Mark(
        len(x.findings.facts),
        len(x.findings.obligations),
        len(x.findings.assumed_bounds),
        len(x.findings.branches),
        len(x.findings.unknowns),
        len(x.conditions or ()),
        len(x.made),
        x.invariants.mark(),
        x.memory.stamp,
        len(frame.returns),
        {label: len(states) for label, states in frame.breaks.items()},
        {label: len(states) for label, states in frame.continues.items()},
    )


def _rewind(x: Executor, frame: Frame, mark: _Mark) -> None:
    """Forget what an attempt has brought up."""
    del x.findings.facts[mark.facts :]
    del x.findings.obligations[mark.obligations :]
    del x.findings.assumed_bounds[mark.bounds :]
    del x.findings.branches[mark.branches :]
    del x.findings.unknowns[mark.unknowns :]
    if x.conditions is not None:
        del x.conditions[mark.conditions :]
    del x.made[mark.made :]
    x.invariants.rewind(mark.invariants, mark.facts)
    x.memory.rewind(mark.stamp)
    del frame.returns[mark.returns :]
    for lists, lengths in ((frame.breaks, mark.breaks), (frame.continues, mark.continues)):
        for label, states in lists.items():
            del states[lengths.get(label, 0) :]


# --- any round --------------------------------------------------------------------------------------------------------


def _any_round(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> State | None:
    whole = [*loop.body, *loop.step]
    later = x.fresh("later round", BOOL)
    passed = ir.Var(".passed", types.BOOL, -1)
    exits: list[State] = []
    start = state.path
    if loop.invariants:
        first = state.along(t.invert(later))
        assert first is not None
        _stop_at_invariants(x, frame, loop)
        exits += _round(x, frame, loop, first)[1]
        start = start | {later}
    current = State(start, dict(state.variables))
    written, made = x.writes.of_block(whole), x.writes.made_in(whole)
    changes = x.changes(frame, current, written, x.writes.places(whole, state.variables))
    kept = x.invariants.loop(x, frame, loop.span, state, frozenset(written), made)
    if made:
        x.memory.others_are_made()
    changed = sorted(x.writes.variables(whole) & set(state.variables), key=lambda var: var.number)
    unknown = {var: x.unknown(var.type, var.name) for var in changed}
    current.variables.update(unknown)
    x.findings.unknowns.append(Unknown(start, loop.span, variables=unknown, aside=x.conditions is not None))
    for cells, constants, objects in changes:
        x.forget(cells, constants, objects, start)
    x.invariants.round_begins(x, start, kept)
    for fact in _counters(x, frame, loop, state, current):
        x.assume(start, fact)
    if not loop.invariants:
        after, left = _round(x, frame, loop, current)
        if after is not None:
            x.invariants.round_ends(x, frame, loop.span, after, kept)
        return join(left)
    current.variables[passed] = (t.FALSE,)
    already = len(x.findings.obligations)

    def meet(ghost: ir.Ghost) -> None:
        def assume(at: State) -> State:
            if ghost is loop.invariants[0]:
                # What leads here is proven in the first round, and in the one after this.
                del x.findings.obligations[already:]
            x.assume(at.path, x.condition(frame, ghost, at))
            at.variables[passed] = (t.TRUE,)
            return at

        frame.invariants[ghost] = assume

    for ghost in loop.invariants:
        meet(ghost)
    after, left = _round(x, frame, loop, current)
    exits += [end for end in left if end.variables[passed][0] is not t.FALSE]
    if after is not None:
        x.invariants.round_ends(x, frame, loop.span, after, kept)
        _stop_at_invariants(x, frame, loop)
        exits += _round(x, frame, loop, after)[1]
    for ghost in loop.invariants:
        del frame.invariants[ghost]
    for end in exits:
        end.variables.pop(passed, None)
    return join(exits)


def _round(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> tuple[State | None, list[State]]:
    """One round: where the next begins, and where the loop is left."""
    exits: list[State] = []
    ends: list[State] = []
    frame.breaks[loop.label], frame.continues[loop.label] = exits, ends
    end = x.block(frame, loop.body, state)
    if end is not None:
        ends.append(end)
    after = join(ends)
    if after is not None:
        after = x.block(frame, loop.step, after)
    return after, exits


def _stop_at_invariants(x: Executor, frame: Frame, loop: ir.Loop) -> None:
    """Where the invariants stand, they are to be proven, and the path ends."""
    last = loop.invariants[-1]

    def meet(ghost: ir.Ghost) -> None:
        def prove(at: State) -> State | None:
            goal, about = x.condition(frame, ghost, at), Contract(ghost, dict(at.variables))
            x.oblige(frame, Duty.LOOP_INVARIANT, ghost.span, at, goal, about=about)
            return None if ghost is last else at

        frame.invariants[ghost] = prove

    for ghost in loop.invariants:
        meet(ghost)


# --- what is known of every round -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counter:
    """A variable that every round changes by one, and only while it hasn't reached `stop`."""

    var: ir.Var
    stop: ir.Operand
    up: bool


def _counter(loop: ir.Loop) -> _Counter | None:
    """The counter of a `for`: `if var < stop` at the body's begin, `var = var + 1` in the step; or `if var > stop`,
    then `var = var - 1`."""
    inside = list(everything([*loop.body, *loop.step]))
    sets: dict[ir.Var, list[ir.Set]] = {}
    for node in inside:
        if isinstance(node, ir.Set):
            sets.setdefault(node.var, []).append(node)
    made = {node.result: node for node in inside if isinstance(node, ir.Instruction) and node.result is not None}
    for place, node in enumerate(loop.body):
        match node:
            case ir.Set():
                return None
            case ir.If(condition=condition, then=[], otherwise=[ir.Break(label=label)]) if label == loop.label:
                test = made.get(condition) if isinstance(condition, ir.Temp) else None
                if not isinstance(test, ir.Compare) or test.op not in ("lt", "gt"):
                    continue
                read = made.get(test.left) if isinstance(test.left, ir.Temp) else None
                if not isinstance(read, ir.Get) or (isinstance(test.right, ir.Temp) and test.right in made):
                    continue
                up, changes = test.op == "lt", sets.get(read.var, [])
                where = loop.step if up else loop.body[place + 1 :]
                if len(changes) != 1 or changes[0] not in where:
                    continue
                step = made.get(changes[0].value) if isinstance(changes[0].value, ir.Temp) else None
                if (
                    isinstance(step, ir.Binary)
                    and step.op == ("add" if up else "sub")
                    and isinstance(step.right, ir.Const)
                    and step.right.value == 1
                    and isinstance(step.left, ir.Temp)
                    and isinstance(again := made.get(step.left), ir.Get)
                    and again.var is read.var
                ):
                    return _Counter(read.var, test.right, up)
            case ir.If() | ir.Switch() | ir.Loop() | ir.Call():
                return None
    return None


def _counters(x: Executor, frame: Frame, loop: ir.Loop, before: State, current: State) -> list[Term]:
    """Where the counter is at the begin of a round: between where it began and where it stops."""
    counter = _counter(loop)
    if counter is None or counter.var not in before.variables:
        return []
    signed = scalar_type(counter.var.type).signed
    (began,), (now,) = before.variables[counter.var], current.variables[counter.var]
    stop = x.term(frame, counter.stop)
    low, high = (began, stop) if counter.up else (stop, began)
    reached = t.disjunction(
        t.equal(now, began), t.conjunction(t.at_most(low, now, signed), t.at_most(now, high, signed))
    )
    return [reached]


def _bound(x: Executor, frame: Frame, loop: ir.Loop, state: State) -> None:
    """Show the `loop_bound` of a counted loop; of others it is reported as assumed."""
    if loop.bound is None or loop.bound.value is None or x.conditions is not None:
        return
    stated = _stated_bound(x, frame, loop, state)
    assert stated is not None
    computable, bound = stated
    counter = _counter(loop)
    if counter is None or counter.var not in state.variables:
        x.oblige(frame, Duty.GHOST, loop.bound.span, state, computable)
        x.findings.assumed_bounds.append((frame.function, loop.bound.span))
        return
    of = scalar_type(counter.var.type)
    (began,), stop = state.variables[counter.var], x.term(frame, counter.stop)
    low, high = (began, stop) if counter.up else (stop, began)
    wide = 64 if of.bits == 64 and not of.signed else 66
    low, high, bound = t.extend(low, wide, of.signed), t.extend(high, wide, of.signed), t.extend(bound, wide, False)
    rounds = t.arithmetic("sub", high, low)
    goal = t.disjunction(t.at_most(high, low, of.signed), t.at_most(rounds, bound, False))
    x.oblige(frame, Duty.LOOP_BOUND, loop.bound.span, state, t.conjunction(computable, goal))
