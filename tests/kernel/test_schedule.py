"""Budgets, ready queues, and who runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.abi import boot, call
from neokernel.abi.call import Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.arch import cpu
from neokernel.kernel import schedule
from neokernel.kernel.objects import REFILLS, AddressSpace, Floats, SchedContext, State
from neokernel.lang import u8, u64
from tests.kernel.invariants import check_refills
from tests.kernel.support import PRIORITY, TIMER, Machine
from tests.kernel.test_withdrawal import index_of

#: budget, period
budgets = st.tuples(st.integers(1, 12), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def configured(budget: int, period: int, now: int = 0) -> SchedContext:
    context = SchedContext()
    schedule.configure(context, u8(1), u64(budget), u64(period), u64(now))
    return context


@given(budgets, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), max_size=60))
def test_no_window_of_a_period_has_more_than_the_budget(limits: tuple[int, int], uses: list[tuple[int, int]]) -> None:
    """A context that runs whenever it may, after pauses, as the kernel runs it: until its first refill is used up.

    A slice that is used up begins anew when others had their turn.
    """
    budget, period = limits
    context = configured(budget, period)
    now = 0
    used: list[int] = []
    for pause, wanted in uses:
        now += pause
        schedule.begin_use(context, u64(now))
        check_refills(context)
        while wanted:
            first = context.refills[int(context.first)]
            if not schedule.is_due(context, u64(now)):
                now = int(first.time)
                schedule.begin_use(context, u64(now))
            step = min(wanted, int(context.refills[int(context.first)].amount))
            schedule.consume(context, u64(step))
            check_refills(context)
            if context.slice and context.refills[0].amount == 0:
                schedule.begin_slice(context)
            used += range(now, now + step)
            now, wanted = now + step, wanted - step
    assert schedule.time_used(context) == len(used) == len(set(used))
    if budget < period:
        for start in used:
            assert sum(start <= tick < start + period for tick in used) <= budget


@given(budgets, st.lists(st.integers(0, 100), max_size=30))
def test_more_time_than_there_was_is_survived(limits: tuple[int, int], uses: list[int]) -> None:
    """A charge may come late: what was used beyond the budget is not owed."""
    context = configured(*limits, now=7)
    for amount in uses:
        schedule.consume(context, u64(amount))
        check_refills(context)
    assert schedule.time_used(context) == sum(uses)


def test_all_refills_that_are_due_become_one() -> None:
    context = configured(100, 1000)
    for use in range(REFILLS - 1):
        schedule.begin_use(context, u64(10 * use))
        schedule.consume(context, u64(5))
        check_refills(context)
    assert context.later == REFILLS - 1, "as many as there can be"
    schedule.begin_use(context, u64(5000))
    check_refills(context)
    first = context.refills[int(context.first)]
    assert (context.later, first.amount, first.time) == (0, 100, 5000)


def test_what_was_used_beyond_the_first_refill_is_taken_with_the_next_charge() -> None:
    context = configured(10, 100)
    schedule.consume(context, u64(4))
    schedule.begin_use(context, u64(20))
    schedule.consume(context, u64(3))
    # 6 were left at 20, of which 3 are; 4 come back at 100, 3 at 120.
    schedule.begin_use(context, u64(50))
    schedule.consume(context, u64(5))
    check_refills(context)
    assert context.owed == 2
    schedule.begin_use(context, u64(100))
    assert context.refills[int(context.first)].amount == 4
    schedule.consume(context, u64(1))
    check_refills(context)
    assert context.owed == 0 and context.refills[int(context.first)].amount == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=30))
def test_an_exchange_counts_what_the_careful_way_counts(steps: list[tuple[bool, int]]) -> None:
    """Two slices take turns: nothing that was used gets lost, whichever way, and what is left is what wasn't used."""
    hart = Machine().hart
    before, after = configured(20, 20), configured(30, 30)
    hart.active, hart.budget_end, now = before, u64(20), 0
    used: dict[int, int] = {id(before): 0, id(after): 0}
    for quickly, elapsed in steps:
        now += elapsed
        hart.cpu.time = u64(now)
        used[id(before)] += elapsed
        if quickly and schedule.exchangeable(hart, before, after, u64(now)):
            schedule.exchange(hart, before, after, u64(now))
        else:
            schedule.charge(hart)
            hart.active = after
            hart.budget_end = now + after.refills[0].amount
        before, after = after, before
        for context in (before, after):
            assert schedule.time_used(context) == used[id(context)]
            assert context.refills[0].amount == max(0, int(context.budget) - used[id(context)])


@pytest.mark.parametrize("budget", [10_000, 500])
def test_what_was_used_counts_when_a_running_context_is_configured_anew(budget: int) -> None:
    """A slice or not: all time that passes is the running context's, so that it adds up to the clock's."""
    machine = Machine()
    machine.boot()
    for elapsed in (30, 200, 7):
        machine.hart.cpu.time += u64(elapsed)
        done = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, 9, budget, 10_000, given=boot.OWN_CONTEXT)
        assert done.word == 0
        assert machine.invoke(boot.OWN_CONTEXT, Operation.CONTEXT_INFO).words[0] == machine.hart.cpu.time
        machine.check()


def test_what_is_left_is_what_can_be_used_next() -> None:
    """Not what comes back later."""
    machine = Machine()
    root = machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION)
    _, other = machine.spawn(PRIORITY + 1)
    context = other.home
    assert machine.current is other and context is not None
    machine.hart.cpu.time += u64(30)
    machine.start(other, Call.WAIT, notification, 0, (call.NEVER, 0, 0, 0), 0)
    assert machine.current is root
    told = machine.invoke(index_of(machine, context), Operation.CONTEXT_INFO)
    assert told.words[:2] == (30, 1970)


def test_what_is_used_beyond_a_whole_budget_is_nobodys() -> None:
    """The kernel came late: the next budget isn't less for that."""
    context = configured(5, 20)
    context.identifier = u64(7)
    schedule.consume(context, u64(12))
    assert context.owed == 0 and context.identifier == 7
    assert context.refills[0].time == 20 and context.refills[0].amount == 5


@pytest.mark.parametrize("how", ["it is resumed", "another gets it", "another has it and is woken"])
@pytest.mark.parametrize("fast", [False, True])
def test_who_has_used_its_budget_up_waits_until_it_comes_back(how: str, fast: bool) -> None:
    """Even if it, or who has the context now, becomes ready meanwhile."""
    machine = Machine()
    root = machine.boot()
    machine.fast = fast
    (notification,) = machine.make(Kind.NOTIFICATION)
    waiting, other = machine.spawn(PRIORITY + 1)
    if how == "another has it and is woken":
        machine.start(other, Call.WAIT, notification, 0, (call.NEVER, 0, 0, 0), 0)
    else:
        machine.start(other, Call.CALL, waiting, int(call.message(u64(Operation.SUSPEND.value))), (0, 0, 0, 0), 0)
    index, thread = machine.spawn(PRIORITY + 1)
    given = index_of(machine, thread.home)
    machine.tick(2000)
    assert machine.current is root
    if how == "it is resumed":
        assert machine.invoke(index, Operation.SUSPEND).word == 0
        assert machine.invoke(index, Operation.RESUME).word == 0
    else:
        for each in (waiting, index):
            assert machine.invoke(each, Operation.UNBIND, Binding.CONTEXT.value).word == 0
        assert machine.invoke(waiting, Operation.BIND, Binding.CONTEXT.value, given=given).word == 0
        if how == "another has it and is woken":
            assert machine.call(Call.SIGNAL, notification).word == 0
        else:
            assert machine.invoke(waiting, Operation.RESUME).word == 0
        thread = other
    assert machine.current is root
    machine.check()
    machine.tick(7999)
    assert machine.current is root
    machine.tick(1)
    assert machine.current is thread
    machine.check()


def test_parts_of_a_budget_come_back_each_at_its_time() -> None:
    """One period after it began to be used: 500 did at 0, the other 1500 at 3000."""
    machine = Machine()
    root = machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION)
    _, thread = machine.spawn(PRIORITY + 1)
    for begin, used, waits in ((0, 500, True), (3000, 1500, False), (10_000, 500, False), (13_000, 1500, False)):
        machine.tick(begin - int(machine.hart.cpu.time))
        if begin == 3000:
            assert machine.current is root
            machine.start(root, Call.SIGNAL, notification, 0, (0, 0, 0, 0), 0)
        assert machine.current is thread
        machine.tick(used - 1)
        assert machine.current is thread
        machine.tick(1)
        if waits:
            machine.start(thread, Call.WAIT, notification, 0, (call.NEVER, 0, 0, 0), 0)
        assert machine.current is root
        machine.check()
    machine.tick(20_000 - int(machine.hart.cpu.time) - 1)
    assert machine.current is root
    machine.tick(1)
    assert machine.current is thread


def test_a_budget_that_is_deleted_comes_back_no_more() -> None:
    machine = Machine()
    root = machine.boot()
    _, thread = machine.spawn(PRIORITY + 1)
    context: Any = thread.context
    machine.tick(2000)
    assert machine.current is root and context is not None and context.timer.armed
    assert machine.delete(index_of(machine, context)).word == 0
    assert not context.timer.armed
    machine.check()
    machine.tick(20_000)
    assert machine.current is root
    machine.check()


def test_who_uses_its_own_budget_up_has_no_fault() -> None:
    """It waits; only who uses up somebody else's is its handler's business."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(endpoint, reply, False)
    index, thread = machine.spawn(PRIORITY - 1)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=endpoint).word == 0
    machine.name(root, index)
    floor = int(call.message(u64(Operation.SET_FLOOR.value), u64(0), u64(1)))
    machine.start(root, Call.CALL, boot.PROCESSOR, floor, (PRIORITY + 2, 0, 0, 0), 0)
    assert machine.current is thread
    machine.tick(2000)
    assert machine.current is root and thread.state is State.RUNNABLE and handler.state is State.RECEIVING
    machine.tick(8000)
    assert machine.current is thread
    machine.check()


def test_a_timer_that_comes_too_early_ends_nobodys_slice() -> None:
    """What it was set for may be gone meanwhile."""
    machine = Machine()
    thread = machine.boot()
    _, other = machine.spawn(PRIORITY)
    machine.hart.cpu.time += u64(100)
    machine.trap(thread, TIMER)
    assert machine.current is thread
    machine.tick(10_000)
    assert machine.current is other


def test_who_lowers_its_own_floor_makes_way() -> None:
    """For who has become more important by that: nobody else has done anything."""
    machine = Machine()
    root = machine.boot()
    assert machine.invoke(boot.PROCESSOR, Operation.SET_FLOOR, PRIORITY + 2, given=boot.OWN_THREAD).word == 0
    _, other = machine.spawn(PRIORITY + 1)
    assert machine.current is root
    machine.name(root, boot.OWN_THREAD)
    word = int(call.message(u64(Operation.SET_FLOOR.value), u64(0), u64(1)))
    machine.start(root, Call.CALL, boot.PROCESSOR, word, (0, 0, 0, 0), 0)
    assert machine.current is other
    machine.check()


def test_address_spaces_take_turns_when_numbers_are_few() -> None:
    """Each has a number of its own until there are no more; who loses it gets another when it is used again. What the
    hardware remembers by a number, it forgets when that is given out."""
    machine = Machine()
    machine.boot()
    hart = machine.hart
    spaces = [machine.one(Kind.ADDRESS_SPACE) for _ in range(4)]
    hart.asid_limit, hart.next_asid = u64(4), u64(2)
    given = []
    for space in (*spaces, spaces[0]):
        forgotten = hart.cpu.flushes
        schedule.use_space(hart, space)
        given.append(int(space.asid))
        assert hart.cpu.flushes == forgotten + 1
        assert hart.cpu.translation == space.translation != 0
        machine.check()
    assert given == [2, 3, 1, 2, 3]
    assert [space.translation >> 44 & 0xFFFF for space in spaces] == [3, 0, 1, 2]


def test_hardware_forgets_what_is_taken_from_a_space_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page by its address; what is below a table, with all that it knows by the space's number, which it loses."""
    forgotten: list[tuple[int, ...]] = []
    monkeypatch.setattr(cpu, "flush_page", lambda _, address, asid: forgotten.append((int(address), int(asid))))
    monkeypatch.setattr(cpu, "flush_space", lambda _, asid: forgotten.append((int(asid),)))
    machine = Machine()
    machine.boot()
    (index,), (frame,) = machine.make(Kind.ADDRESS_SPACE), machine.make(Kind.FRAME)
    middle, lowest = machine.make(Kind.PAGE_TABLE, 0, 2)
    address = 3 << 30 | 5 << 21 | 7 << 12
    for below, operation, where, how in (
        (middle, Operation.INSTALL, 3 << 30, 2),
        (lowest, Operation.INSTALL, 3 << 30 | 5 << 21, 1),
        (frame, Operation.MAP, address, int(READ | WRITE)),
    ):
        assert machine.invoke(index, operation, where, how, given=below).word == 0
    space = machine.slot(index).object
    assert isinstance(space, AddressSpace)
    schedule.use_space(machine.hart, space)
    asid = int(space.asid)
    forgotten.clear()
    assert machine.invoke(frame, Operation.UNMAP).word == 0
    assert forgotten == [(address, asid)]
    forgotten.clear()
    assert machine.invoke(lowest, Operation.UNINSTALL).word == 0
    assert forgotten == [(asid,)] and space.translation == 0
    machine.check()


@pytest.mark.parametrize("rights", [int(READ), int(READ | EXECUTE)])
def test_hardware_looks_anew_at_what_is_mapped_into_a_space_in_use(
    rights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the page, as it may remember that there was none; and at instructions, if it is to be executed."""
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(cpu, "flush_page", lambda _, address, asid: told.append((int(address), int(asid))))
    monkeypatch.setattr(cpu, "fence_instructions", lambda _: told.append(()))
    machine = Machine()
    machine.boot()
    tables, (frame,) = machine.make(Kind.PAGE_TABLE, 0, 2), machine.make(Kind.FRAME)
    for level, table in zip((2, 1), tables, strict=True):
        assert machine.invoke(boot.OWN_SPACE, Operation.INSTALL, 0, level, given=table).word == 0
    schedule.use_space(machine.hart, machine.root.space)
    told.clear()
    assert machine.invoke(boot.OWN_SPACE, Operation.MAP, 5 << 12, rights, given=frame).word == 0
    page = (5 << 12, int(machine.root.space.asid))
    assert told == ([page, ()] if rights & int(EXECUTE) else [page])


def test_while_nobody_runs_no_address_space_of_a_program_is_used() -> None:
    machine = Machine()
    root = machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION)
    schedule.use_space(machine.hart, root.space)
    assert machine.hart.cpu.translation == root.space.translation != 0
    machine.start(root, Call.WAIT, notification, 0, (call.NEVER, 0, 0, 0), 0)
    assert machine.current is None
    assert machine.hart.cpu.translation == machine.hart.no_space.translation != root.space.translation


def test_who_computes_next_has_its_own_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[list[int]] = []
    monkeypatch.setattr(
        cpu, "load_floats", lambda _, registers, control: loaded.append([*map(int, registers), int(control)])
    )
    monkeypatch.setattr(
        cpu, "load_vectors", lambda _, vectors, state: loaded.append([*map(int, vectors), *map(int, state)])
    )
    machine = Machine()
    root = machine.boot()
    (index,) = machine.make(Kind.FLOATS, 16)
    floats = machine.slot(index).object
    assert isinstance(floats, Floats)
    for place in range(32):
        floats.registers[place] = u64(100 + place)
    floats.control = u64(7)
    words = len(floats.vectors)
    for place in range(words):
        floats.vectors[place] = u64(1000 + place)
    for place in range(4):
        floats.vector_state[place] = u64(10 + place)
    assert machine.invoke(boot.OWN_THREAD, Operation.BIND, Binding.FLOATS.value, given=index).word == 0
    machine.trap(root, 2)
    assert machine.current is root
    assert loaded == [[*range(100, 132), 7], [*range(1000, 1000 + words), *range(10, 14)]] and words > 0


@pytest.mark.parametrize("how", ["unbound while another runs", "unbound by itself", "the next one computes"])
def test_floats_are_saved_and_loaded_while_the_unit_is_on(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be an exception of the kernel's own, otherwise."""
    machine = Machine()
    root = machine.boot()
    unit = machine.hart.cpu
    told: list[tuple[str, bool]] = []
    for name in ("save_floats", "save_vectors", "load_floats", "load_vectors"):
        before = getattr(cpu, name)

        def tell(*arguments: Any, name: str = name, before: Any = before) -> Any:
            told.append((name, bool(unit.floating)))
            return before(*arguments)

        monkeypatch.setattr(cpu, name, tell)
    mine, others = machine.make(Kind.FLOATS, 16, 2)
    assert machine.invoke(boot.OWN_THREAD, Operation.BIND, Binding.FLOATS.value, given=mine).word == 0
    index, other = machine.spawn(PRIORITY - 1)
    assert machine.invoke(index, Operation.BIND, Binding.FLOATS.value, given=others).word == 0
    (notification,) = machine.make(Kind.NOTIFICATION)
    machine.trap(root, 2)
    assert told == [("load_floats", True), ("load_vectors", True)]
    told.clear()
    if how != "unbound by itself":
        machine.start(root, Call.WAIT, notification, 0, (call.NEVER, 0, 0, 0), 0)
        assert machine.current is other and not unit.floating
    saved = [("save_floats", True), ("save_vectors", True)]
    if how == "the next one computes":
        machine.trap(other, 2)
        assert told == [*saved, ("load_floats", True), ("load_vectors", True)]
    else:
        assert machine.invoke(boot.OWN_THREAD, Operation.UNBIND, Binding.FLOATS.value).word == 0
        assert told == saved and not unit.floating
    machine.check()


def test_who_loses_its_floats_leaves_the_unit_to_whose_it_is() -> None:
    machine = Machine()
    root = machine.boot()
    unit = machine.hart.cpu
    mine, others = machine.make(Kind.FLOATS, 0, 2)
    assert machine.invoke(boot.OWN_THREAD, Operation.BIND, Binding.FLOATS.value, given=mine).word == 0
    index, _ = machine.spawn(PRIORITY - 1)
    assert machine.invoke(index, Operation.BIND, Binding.FLOATS.value, given=others).word == 0
    machine.trap(root, 2)
    assert machine.invoke(index, Operation.UNBIND, Binding.FLOATS.value).word == 0
    assert unit.floating and machine.hart.floating is root
    machine.check()


def test_times_near_the_end_of_the_counter() -> None:
    last = (1 << 64) - 1
    context = configured(5, 1 << 40, now=last - 10)
    schedule.consume(context, u64(3))
    schedule.consume(context, u64(2))
    check_refills(context)
    context.used = u64(last)
    schedule.consume(context, u64(2))
    assert context.used == 1, "comes round, as the counter does"
