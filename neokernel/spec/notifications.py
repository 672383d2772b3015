"""Notifications, specified: what signals and waits do, said by what is so before and after.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any object that isn't named: what is said of it, is said of all others.
"""

from neokernel.abi.call import NEVER, SIGNALS_BIT, status_of
from neokernel.abi.rights import SIGNAL, WAIT
from neokernel.abi.status import Status
from neokernel.kernel.fast import fast_signal, fast_wait
from neokernel.kernel.notification import deliver, signal_call, wait
from neokernel.kernel.objects import Hart, Notification, SchedContext, Slot, State, Thread
from neokernel.kernel.outcome import ANSWERED, BLOCKED
from neokernel.kernel.slot import find
from neokernel.lang import requires, saturating_add, u64, wrapping_add
from neokernel.spec.messages import NOTHING, Words, hears
from neokernel.spec.scheduling import importance


def signal_is_kept(hart: Hart, notification: Notification, badge: u64, other: Notification) -> None:
    """If nobody can take a signal, it stays: a counter is one more, a word has the badge's bits, too."""
    requires(notification.waiters.head is None and notification.bound is None and other is not notification)
    before = notification.word
    others = other.word
    assert deliver(hart, notification, badge) is None
    assert notification.word == (saturating_add(before, 1) if notification.counting else before | badge)
    assert other.word == others and notification.waiters.head is None


def signal_wakes_the_first(hart: Hart, notification: Notification, badge: u64, first: Thread, other: Thread) -> None:
    """A signal ends the wait of who has waited longest, who gets the badge; the rest waits on, and nothing is kept."""
    requires(notification.waiters.head is first and other is not first and not first.faulted)
    before = notification.word
    second = first.next
    state = other.state
    a0 = other.registers.a0
    a1 = other.registers.a1
    assert deliver(hart, notification, badge) is first
    assert notification.waiters.head is second and notification.word == before
    assert first.state is State.RUNNABLE and not first.timer.armed
    assert hears(first, u64(1) if notification.counting else badge, NOTHING)
    assert other.state is state and other.registers.a0 == a0 and other.registers.a1 == a1


def signal_ends_a_receive(hart: Hart, notification: Notification, badge: u64, bound: Thread) -> None:
    """If nobody waits, but the bound thread receives and has time: that is ended, and says that it was by a signal."""
    requires(notification.waiters.head is None and notification.bound is bound and not bound.faulted)
    requires(bound.state is State.RECEIVING and bound.context is not None)
    before = notification.word
    assert deliver(hart, notification, badge) is bound and notification.word == before
    assert bound.state is State.RUNNABLE and not bound.timer.armed
    assert hears(bound, u64(1) if notification.counting else badge, Words(SIGNALS_BIT, 0, 0, 0, 0))


# --- the calls --------------------------------------------------------------------------------------------------------


def a_wait_takes_what_is_kept(
    hart: Hart, caller: Thread, slot: Slot, notification: Notification, deadline: u64
) -> None:
    """At once, and whatever the deadline is."""
    requires(slot.object is notification and slot.rights & WAIT != 0 and notification.word != 0)
    requires(hart.current is caller)
    before = notification.word
    assert wait(hart, caller, slot, deadline) == ANSWERED
    assert hears(caller, u64(1) if notification.counting else before, NOTHING)
    assert notification.word == (before - 1 if notification.counting else u64(0))


def a_wait_for_more_is_in_line(hart: Hart, caller: Thread, slot: Slot, notification: Notification) -> None:
    """If nothing is kept, the caller is the last of those that wait, and doesn't run."""
    requires(slot.object is notification and slot.rights & WAIT != 0 and notification.word == 0)
    requires(hart.current is caller)
    outcome = wait(hart, caller, slot, NEVER)
    if outcome == BLOCKED:
        assert caller.state is State.WAITING and hart.current is not caller and caller.signals is notification
        assert notification.waiters.tail is caller and caller.next is None
    else:
        assert status_of(outcome) == u64(Status.TIMED_OUT.value)


def a_signal_is_the_capabilitys_badge(hart: Hart, slot: Slot, notification: Notification) -> None:
    """If nobody takes it: one, if the capability has none."""
    requires(slot.object is notification and slot.rights & SIGNAL != 0)
    requires(notification.waiters.head is None and notification.bound is None)
    before = notification.word
    assert signal_call(hart, slot) == 0
    assert notification.word == (saturating_add(before, 1) if notification.counting else before | max(slot.word, 1))


def signals_and_waits_need_their_right(hart: Hart, caller: Thread, slot: Slot, deadline: u64) -> None:
    """And a notification."""
    requires(not isinstance(slot.object, Notification) or slot.rights & (SIGNAL | WAIT) == 0)
    requires(hart.current is caller)
    assert status_of(wait(hart, caller, slot, deadline)) != 0
    assert status_of(signal_call(hart, slot)) != 0


# --- by the fast paths: or by none, then nothing has changed ----------------------------------------------------------


def a_fast_wait(
    thread: Thread,
    slot: Slot,
    notification: Notification,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
) -> None:
    """All of a word's bits are taken, if nothing else needs attention; of a counter nothing."""
    requires(find(thread.slots, capability) is slot and slot.object is notification)
    before = notification.word
    simple = slot.rights & WAIT != 0 and not notification.counting and thread.hart.attention == 0
    fast_wait(capability, word, w0, w1, w2, w3, thread)
    assert notification.word == (0 if simple else before)


def a_fast_signal_is_kept(
    thread: Thread,
    slot: Slot,
    notification: Notification,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
) -> None:
    """If nobody can take it, as by the general path."""
    requires(find(thread.slots, capability) is slot and slot.object is notification)
    requires(notification.waiters.head is None and thread.hart.current is thread)
    before = notification.word
    simple = slot.rights & SIGNAL != 0 and not notification.counting and notification.bound is None
    simple = simple and thread.hart.attention == 0
    fast_signal(capability, word, w0, w1, w2, w3, thread)
    assert notification.waiters.head is None
    assert notification.word == (before | max(slot.word, 1) if simple else before)


def a_fast_signal_wakes_the_first(
    hart: Hart,
    thread: Thread,
    slot: Slot,
    notification: Notification,
    first: Thread,
    time: SchedContext,
    own: SchedContext,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
) -> None:
    """Who waits longest goes on in place of the caller, which is ready; the rest waits on, and nothing is kept."""
    requires(find(thread.slots, capability) is slot and slot.object is notification)
    requires(hart.current is thread and notification.waiters.head is first)
    requires(first.context is time and thread.context is own and own is not time)
    before, second = notification.word, first.next
    fast_signal(capability, word, w0, w1, w2, w3, thread)
    assert notification.word == before
    if hart.current is thread:
        assert notification.waiters.head is first and first.state is State.WAITING and not thread.ready
    else:
        assert hart.current is first and first.state is State.RUNNABLE and notification.waiters.head is second
        assert slot.rights & SIGNAL != 0 and thread.ready and not first.timer.armed and hart.active is time
        assert importance(thread, own) < importance(first, time) and hart.attention == 0 and not notification.counting
        assert own.slice and time.slice and hart.budget_end == wrapping_add(hart.since, time.refills[0].amount)
        assert thread.registers.a0 == 0 and thread.registers.a1 == 0
