"""System calls, specified: what is refused, who gives way, what is entered again, and how time is given out.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.call import Call, failure, label_of
from neokernel.abi.rights import CONTROL
from neokernel.abi.status import REPLY, SECOND, THIRD, TRAVELLING, WORD, Status
from neokernel.kernel.endpoint import has_given, malformed, needs_buffer
from neokernel.kernel.objects import (
    PRIORITIES,
    Endpoint,
    Hart,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.processor import LONGEST_PERIOD, SHORTEST_BUDGET, set_context
from neokernel.kernel.slot import find
from neokernel.kernel.syscall import (
    give_way,
    go_on,
    invoke,
    reply,
)
from neokernel.lang import requires, u64, wrapping_sub
from neokernel.spec.scheduling import importance, is_last

# --- what is refused --------------------------------------------------------------------------------------------------


def operations_are_known_by_their_labels(hart: Hart, thread: Thread, slot: Slot) -> None:
    """And their messages are well-formed."""
    requires(hart.current is thread)
    requires(label_of(thread.registers.a1) > 100 or malformed(thread, thread.registers.a1) != 0)
    unknown = label_of(thread.registers.a1) > 100
    wrong = malformed(thread, thread.registers.a1)
    outcome = invoke(hart, thread, slot)
    if unknown:
        assert outcome == failure(Status.UNKNOWN_OPERATION, WORD)
    elif needs_buffer(thread.registers.a1) and outcome != failure(Status.UNKNOWN_OPERATION, WORD):
        assert outcome == wrong


def an_answer_is_by_a_reply(hart: Hart, thread: Thread) -> None:
    """That holds somebody."""
    requires(hart.current is thread)
    named = find(thread.slots, thread.registers.a6)
    if named is None:
        assert reply(hart, thread) == failure(Status.NO_CAPABILITY, REPLY)
    else:
        found = named.object
        if not isinstance(found, Reply):
            assert reply(hart, thread) == failure(Status.WRONG_KIND, REPLY)
        elif found.caller is None:
            given = has_given(thread)
            assert reply(hart, thread) == (0 if given else failure(Status.WRONG_STATE, REPLY))


def who_yields_is_last(hart: Hart, thread: Thread, time: SchedContext) -> None:
    """Of its priority."""
    requires(hart.current is thread and thread.context is time and thread.dispatcher is None)
    assert give_way(hart, thread) == 0
    assert hart.current is None and is_last(hart, thread, importance(thread, time))


def a_step_is_entered_again(hart: Hart, thread: Thread, slot: Slot | None) -> None:
    """By the same `ecall`, with all registers, if a message is the call."""
    requires(find(thread.slots, thread.registers.a0) is slot)
    requires(
        thread.registers.a7 != u64(Call.CALL.value)
        or hart.current is not thread
        or (slot is not None and isinstance(slot.object, Endpoint))
    )
    pc = thread.registers.pc
    go_on(hart, thread)
    assert thread.registers.pc == wrapping_sub(pc, 4) and thread.registers.full == 1


# --- time -------------------------------------------------------------------------------------------------------------


def time_is_given_out_by_numbers(hart: Hart, caller: Thread, own: SchedContext, given: Slot) -> None:
    """CONFIGURE: a budget that is worth it, no longer than its period, which is not too long."""
    requires(caller.registers.a2 < PRIORITIES and hart.active is own and own.slice)
    asked, time, able = caller.registers, given.object, given.rights & CONTROL != 0
    outcome = set_context(hart, caller, given)
    if asked.a3 < SHORTEST_BUDGET or asked.a3 > asked.a4:
        assert outcome == failure(Status.OUT_OF_RANGE, SECOND)
    elif asked.a4 > LONGEST_PERIOD:
        assert outcome == failure(Status.OUT_OF_RANGE, THIRD)
    elif not isinstance(time, SchedContext):
        assert outcome == failure(Status.WRONG_KIND, TRAVELLING)
    elif not able:
        assert outcome == failure(Status.MISSING_RIGHT, TRAVELLING)
    else:
        assert outcome == 0 and not time.empty and not time.timer.armed and hart.active is not time
        assert u64(time.priority) == asked.a2 and time.budget == asked.a3 and time.period == asked.a4
        thread = time.thread
        if thread is not None and thread.context is time and thread.state is State.RUNNABLE:
            assert thread.ready or hart.current is thread
