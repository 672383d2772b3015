"""Threads, specified: what may be bound to them, what stops and starts them, and who runs them for whom.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.buffer import Buffer
from neokernel.abi.call import LENGTH_SHIFT, SIGNALS_BIT, failure
from neokernel.abi.fault import Fault
from neokernel.abi.operations import Binding, Stop
from neokernel.abi.rights import SIGNAL
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, Status
from neokernel.kernel.fault import ROOT_SPACE, raise_fault
from neokernel.kernel.objects import (
    BOUND,
    SCHEDULER,
    Endpoint,
    Hart,
    Notification,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.outcome import ANSWERED, BLOCKED
from neokernel.kernel.placement import all_registers
from neokernel.kernel.reply import end_dispatch
from neokernel.kernel.thread import (
    dispatch,
    halt,
    hold,
    read_registers,
    set_foreign,
    take_signals,
    write_registers,
)
from neokernel.lang import requires, u64
from neokernel.spec.messages import Words, hears

# --- start, stop ------------------------------------------------------------------------------------------------------


def a_signal_ends_a_receive_that_began_before(hart: Hart, thread: Thread, notification: Notification) -> None:
    """If it was kept until the notification was bound, or the thread had time."""
    requires(thread.notification is notification and not thread.faulted)
    requires(thread.state is State.RECEIVING or thread.state is State.RUNNABLE)
    before, counting = notification.word, notification.counting
    able = thread.context is not None and thread.state is State.RECEIVING and before != 0
    state, a1 = thread.state, thread.registers.a1
    take_signals(hart, thread)
    if able:
        assert thread.state is State.RUNNABLE and not thread.timer.armed
        assert hears(thread, u64(1) if counting else before, Words(SIGNALS_BIT, 0, 0, 0, 0))
        assert notification.word == (before - 1 if counting else u64(0))
    else:
        assert thread.state is state and thread.registers.a1 == a1 and notification.word == before


def who_is_halted_is_stopped(hart: Hart, thread: Thread, reply: Reply) -> None:
    """Whatever it does; a wait ends with CANCELLED, but if it has faulted its registers stay."""
    requires(thread.dispatcher is None and thread.awaited is reply and thread.dispatched is None)
    requires(reply.context is None)
    state, faulted, registers = thread.state, thread.faulted, thread.registers
    a0, a1 = registers.a0, registers.a1
    ran = hart.current is thread
    assert halt(hart, thread) == (state is not State.STOPPED) and thread.state is State.STOPPED
    if state is State.STOPPED:
        assert thread.faulted == faulted and (hart.current is thread) == ran
    else:
        assert not thread.faulted and (hart.current is not thread or thread.ready)
    if state in (State.STOPPED, State.RUNNABLE, State.ANSWERED) or faulted:
        assert registers.a0 == a0 and registers.a1 == a1
    else:
        assert registers.a0 == 0 and registers.a1 == failure(Status.CANCELLED, INVOKED) and not thread.timer.armed
    assert state is not State.REPLIED or reply.caller is None


def registers_are_read_and_written(caller: Thread, thread: Thread, buffer: Buffer, index: u64) -> None:
    """The first four in the message, the others in the caller's buffer; and written only of who doesn't run."""
    requires(thread is not caller and caller.buffer is buffer and index < 28)
    its = all_registers(thread)
    first = Words(u64(32) << LENGTH_SHIFT, its[0], its[1], its[2], its[3])
    assert read_registers(caller, thread) == ANSWERED and hears(caller, 0, first)
    assert buffer.words[index] == its[index + 4]
    buffer.words[index] = its[0]
    given = buffer.words[index]
    stopped = thread.state is State.STOPPED or thread.faulted
    assert write_registers(caller, thread) == (0 if stopped else failure(Status.WRONG_STATE, INVOKED))
    if stopped:
        assert thread.registers.full == 1 and its[index + 4] == given


def who_is_foreign_is_so_when_it_goes_on(caller: Thread, thread: Thread) -> None:
    """From the moment at which all its registers are restored."""
    wanted, stopped = caller.registers.a2, thread.state is State.STOPPED or thread.faulted
    outcome = set_foreign(caller, thread)
    if wanted > 1:
        assert outcome == failure(Status.OUT_OF_RANGE, FIRST)
    elif not stopped:
        assert outcome == failure(Status.WRONG_STATE, INVOKED)
    else:
        assert outcome == 0 and u64(thread.registers.foreign) == wanted and thread.registers.full == 1


# --- who is held, and dispatched --------------------------------------------------------------------------------------


def who_is_held_runs_when_it_is_dispatched(hart: Hart, caller: Thread, thread: Thread, time: SchedContext) -> None:
    """On the caller's own time, while the caller waits; no later than the deadline."""
    requires(caller.context is time and time.thread is caller and hart.current is caller and hart.active is time)
    held = thread.scheduler is not None and thread.state is State.RUNNABLE and thread.context is None
    possible = held and thread.dispatcher is None and thread is not caller and caller.home is time
    outcome = dispatch(hart, caller, thread)
    if not possible:
        assert outcome == failure(Status.WRONG_STATE, INVOKED)
    elif outcome == BLOCKED:
        assert caller.state is State.DISPATCHING and caller.dispatched is thread and thread.dispatcher is caller
        assert caller.context is None and thread.context is time and time.thread is thread
        assert hart.current is thread and not caller.ready
    else:
        assert outcome == failure(Status.TIMED_OUT, FIRST)


def a_dispatch_ends(hart: Hart, caller: Thread, thread: Thread, time: SchedContext, why: Stop) -> None:
    """Its time goes back, and the dispatcher learns why."""
    requires(thread.dispatcher is caller and thread.context is time and time.thread is thread)
    requires(hart.current is thread and hart.best == 0)
    requires(time.budget != 0 and not time.empty)
    end_dispatch(hart, thread, why)
    assert thread.dispatcher is None and thread.context is None and caller.context is time and time.thread is caller
    assert caller.state is State.RUNNABLE and hart.current is caller and not caller.timer.armed
    assert hears(caller, 0, Words(0, u64(why.value), 0, 0, 0))


def who_is_held(hart: Hart, thread: Thread, given: Slot) -> None:
    """Has no time of its own, and a scheduler that can be signalled; until it is released."""
    requires(given.object is not None and hart.revocations == 0 and thread.state is State.STOPPED)
    place = thread.bindings[SCHEDULER]
    free, scheduler, able = place.object is None and thread.home is None, given.object, given.rights & SIGNAL != 0
    outcome = hold(hart, thread, given)
    if not isinstance(scheduler, Notification):
        assert outcome == failure(Status.WRONG_KIND, TRAVELLING)
    elif not able:
        assert outcome == failure(Status.MISSING_RIGHT, TRAVELLING)
    elif not free:
        assert outcome == failure(Status.OCCUPIED, INVOKED)
    elif outcome == 0:
        assert thread.scheduler is scheduler and place.object is scheduler and place.flags & BOUND != 0
        assert place.holder is thread.holder and place.entry == SCHEDULER and place.parent is given
    else:
        assert outcome == failure(Status.UNDERIVABLE, TRAVELLING)


# --- faults, and the end ----------------------------------------------------------------------------------------------


def a_fault_without_a_handler_stops(
    hart: Hart, thread: Thread, fault: Fault, w0: u64, w1: u64, w2: u64, w3: u64
) -> None:
    """The thread; its report and its registers are kept. But who is only without time waits for that."""
    requires(not isinstance(thread.bindings[u64(Binding.HANDLER.value)].object, Endpoint))
    requires(not thread.faulted and thread.state is State.RUNNABLE)
    requires(fault is Fault.BUDGET or thread.space.identifier != ROOT_SPACE)
    timeless = fault is Fault.BUDGET
    raise_fault(hart, thread, fault, w0, w1, w2, w3)
    report = thread.report
    assert thread.state is (State.RUNNABLE if timeless else State.STOPPED)
    assert not thread.faulted and thread.registers.full == 1
    assert report[0] == w0 and report[1] == w1 and report[2] == w2 and report[3] == w3
