"""Scheduling, specified: who runs, on which context, and how much of that is left.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.kernel.objects import (
    FLOATING,
    REFILLS,
    AddressSpace,
    Hart,
    SchedContext,
    State,
    Thread,
    can_run,
)
from neokernel.kernel.schedule import (
    ASID_SHIFT,
    SV39,
    attend,
    begin_slice,
    begin_use,
    forget_space,
    run,
    time_used,
    use_space,
)
from neokernel.kernel.syscall import refill
from neokernel.lang import requires, u64, wrapping_add, wrapping_sub


def importance(thread: Thread, time: SchedContext) -> u64:
    return max(u64(time.priority), u64(thread.floor))


def is_last(hart: Hart, thread: Thread, priority: u64) -> bool:
    return thread.ready and u64(thread.priority) == priority and hart.queues[priority].tail is thread


# --- who runs ---------------------------------------------------------------------------------------------------------


def the_floating_point_unit_is_its_owners(hart: Hart, thread: Thread) -> None:
    """It is off for all others."""
    requires(hart.attention == FLOATING)
    attend(hart, thread)
    assert hart.attention == (FLOATING if hart.floating is thread else 0)


# --- what is left -----------------------------------------------------------------------------------------------------


def who_runs_uses_its_slice(hart: Hart, thread: Thread, time: SchedContext, before: SchedContext) -> None:
    """Who ran is charged for the time that has passed; the slice of who runs now ends when it is used up."""
    requires(hart.active is before and time is not before and before.slice and time.slice and time.first == 0)
    requires(hart.budget_end == wrapping_add(hart.since, before.refills[0].amount) and can_run(thread))
    left, since, used, own = before.refills[0].amount, hart.since, before.used, time.refills[0].amount
    run(hart, thread, time)
    assert hart.current is thread and hart.active is time and thread.space.translation != 0
    assert time.refills[0].amount == own and hart.budget_end == wrapping_add(hart.since, own)
    passed = wrapping_sub(hart.since, since)
    if since <= hart.since:
        assert before.refills[0].amount == left - min(passed, left)
        assert before.used == wrapping_add(used, passed - min(passed, left))


def what_is_due_is_one_refill(time: SchedContext, now: u64) -> None:
    """As soon as it is used, and from then on."""
    requires(not time.slice and time.later == 1)
    place = u64(time.first)
    first, second = time.refills[place], time.refills[(place + 1) % REFILLS]
    amount, when, more, then = first.amount, first.time, second.amount, second.time
    begin_use(time, now)
    if when > now or then > now:
        assert time.later == 1 and u64(time.first) == place and first.amount == amount and second.amount == more
        assert second.time == then and first.time == (when if when > now else now)
    else:
        assert time.later == 0 and u64(time.first) == (place + 1) % REFILLS and first.amount == 0
        assert second.amount == amount + more and second.time == now


def a_slice_is_counted_when_it_ends(time: SchedContext) -> None:
    """All that was ever used stays the same, and the next slice is whole."""
    requires(time.slice)
    total = wrapping_add(time.used, wrapping_sub(time.budget, time.refills[0].amount))
    assert time_used(time) == total
    begin_slice(time)
    assert time.refills[0].amount == time.budget and time.used == total and time_used(time) == total


# --- what the timer ends ----------------------------------------------------------------------------------------------


def whose_time_comes_back_goes_on(hart: Hart, thread: Thread, time: SchedContext, now: u64) -> None:
    """If it can run."""
    requires(time.thread is thread and thread.context is time and time.budget != 0 and not thread.ready)
    requires(hart.current is None and hart.best == 0)
    refill(hart, time, now)
    assert not time.empty and (hart.current is thread) == (thread.state is State.RUNNABLE)


# --- what the hardware knows ------------------------------------------------------------------------------------------


def an_address_space_has_a_number_of_its_own(hart: Hart, space: AddressSpace) -> None:
    """From when it is used until it is forgotten; who had that before must get another."""
    requires(space.translation == 0)
    turn, several = hart.next_asid, hart.asid_limit > 1
    number = turn if several else u64(0)
    before = hart.asids[number]
    use_space(hart, space)
    assert hart.asids[number] is space and u64(space.asid) == number
    assert space.translation == SV39 | (number << ASID_SHIFT) | (space.root.base >> 12)
    assert before is None or before is space or before.translation == 0
    assert hart.next_asid == (1 if turn + 1 >= hart.asid_limit else turn + 1)
    forget_space(hart, space)
    assert space.translation == 0 and hart.asids[number] is None
