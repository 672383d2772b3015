"""Notifications: signals without a message. A word of bits, or a counting semaphore.

A bound notification ends the receives of a thread that has a context: one that runs on its callers' time only would be
woken to stand still.

Invariant: nobody waits, and no bound thread with a context receives, while the word isn't 0.
"""

from neokernel.abi.call import NEVER, NOW, SIGNALS_BIT, failure
from neokernel.abi.rights import SIGNAL, WAIT
from neokernel.abi.status import FIRST, INVOKED, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.objects import SCHEDULER, Hart, Notification, Slot, State, Thread, runs
from neokernel.kernel.outcome import BLOCKED, answer, give_answer
from neokernel.kernel.schedule import append, make_ready, program, rests, stop, take_out
from neokernel.kernel.slot import refuse
from neokernel.kernel.tracing import record
from neokernel.lang import cold, ensures, inline, requires, saturating_add, u64

#: schedulers whose threads are held by schedulers, and so on: who is beyond isn't told
NESTED_SCHEDULERS = 3


def signal(hart: Hart, notification: Notification, badge: u64) -> None:
    """Add `badge` (1 if it is 0) to the word, or one to the count; who waits gets it at once."""
    if hart.trace_mask != 0:
        record(hart, Event.SIGNAL, badge, 0)
    woken = deliver(hart, notification, u64(1) if badge == 0 else badge)
    if woken is not None:
        proceed(hart, woken)


def deliver(hart: Hart, notification: Notification, badge: u64) -> Thread | None:
    """Give the signal to a thread that waits, which then can go on, and is given back; otherwise keep it."""
    ensures(lambda result: result is None or (result.state is State.RUNNABLE and rests(hart, result)))
    added = u64(1) if notification.counting else badge
    waiter = notification.waiters.head
    if waiter is not None:
        take_out(notification.waiters, waiter)
        end_wait(hart, waiter, added, 0)
        return waiter
    bound = notification.bound
    if bound is not None and bound.state is State.RECEIVING and bound.context is not None:
        endpoint = bound.endpoint
        if endpoint is not None:
            take_out(endpoint.receivers, bound)
            end_wait(hart, bound, added, SIGNALS_BIT)
            return bound
    if notification.counting:
        notification.word = saturating_add(notification.word, 1)
    else:
        notification.word |= added
    return None


def end_wait(hart: Hart, thread: Thread, badge: u64, word: u64) -> None:
    """`thread`, which can run again, goes on with this answer."""
    timer.remove(hart.wheel, thread.timer)
    if not thread.faulted:
        give_answer(thread, badge, word)


def wake(hart: Hart, thread: Thread, badge: u64, word: u64) -> None:
    """And it does, as soon as it can."""
    requires(rests(hart, thread) and thread.state is State.RUNNABLE)
    end_wait(hart, thread, badge, word)
    proceed(hart, thread)


@inline
def go_on(hart: Hart, thread: Thread) -> None:
    """The thread can run; its registers are as they should be."""
    thread.state = State.RUNNABLE
    proceed(hart, thread)


def proceed(hart: Hart, thread: Thread) -> None:
    """A runnable thread goes on as soon as it can: now, or when somebody gives it time."""
    requires(rests(hart, thread) and thread.state is State.RUNNABLE)
    if thread.context is not None:
        make_ready(hart, thread)
    else:
        want_time(hart, thread)


@cold
def want_time(hart: Hart, thread: Thread) -> None:
    """A thread could run, but has no context: tell its scheduler, which may be held itself, or else its handler.

    The handler is told only what it doesn't know, that time was taken away; and by the timer, because a fault is a
    call, which may end other waits.
    """
    timeless = thread
    for _ in range(NESTED_SCHEDULERS):
        scheduler = timeless.scheduler
        if scheduler is None:
            break
        word = timeless.bindings[SCHEDULER].word
        woken = deliver(hart, scheduler, u64(1) if word == 0 else word)
        if woken is None:
            return
        if woken.context is not None:
            make_ready(hart, woken)
            return
        timeless = woken
    if timeless.taken != 0 and timeless.scheduler is None and not timeless.timer.armed:
        start_timer(hart, timeless, NOW)


def take(notification: Notification) -> u64:
    """The word, which isn't 0: all of it, or one of the count."""
    requires(notification.word != 0)
    word = notification.word
    if notification.counting:
        notification.word = word - 1
        return 1
    notification.word = 0
    return word


def wait(hart: Hart, caller: Thread, slot: Slot, deadline: u64) -> u64:
    """The WAIT call."""
    requires(runs(caller))
    notification = slot.object
    if not isinstance(notification, Notification):
        return refuse(INVOKED)
    if slot.rights & WAIT == 0:
        return failure(Status.MISSING_RIGHT, INVOKED)
    if notification.word != 0:
        return answer(caller, take(notification), 0, 0, 0, 0)
    if deadline <= cpu.now(hart.cpu):
        return failure(Status.TIMED_OUT, FIRST)
    stop(hart, caller, State.WAITING)
    append(notification.waiters, caller)
    caller.signals = notification
    start_timer(hart, caller, deadline)
    return BLOCKED


def start_timer(hart: Hart, thread: Thread, deadline: u64) -> None:
    """End the wait at `deadline`, unless that is NEVER."""
    if deadline != NEVER:
        timer.insert(hart.wheel, thread.timer, deadline)
        program(hart)


def signal_call(hart: Hart, slot: Slot) -> u64:
    """The SIGNAL call."""
    notification = slot.object
    if not isinstance(notification, Notification):
        return refuse(INVOKED)
    if slot.rights & SIGNAL == 0:
        return failure(Status.MISSING_RIGHT, INVOKED)
    signal(hart, notification, slot.word)
    return 0
