"""Notifications, specified: what signals and waits do, said by what is so before and after.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any object that isn't named: what is said of it, is said of all others.
"""

from neokernel.abi.call import SIGNALS_BIT
from neokernel.kernel.notification import deliver, take
from neokernel.kernel.objects import Hart, Notification, State, Thread
from neokernel.lang import requires, saturating_add, u64


def signal_is_kept(hart: Hart, notification: Notification, badge: u64, other: Notification) -> None:
    """If nobody can take a signal, it stays: a counter is one more, a word has the badge's bits, too."""
    requires(notification.waiters.head is None and notification.bound is None and other is not notification)
    before = notification.word
    others = other.word
    woken = deliver(hart, notification, badge)
    assert woken is None
    if notification.counting:
        assert notification.word == saturating_add(before, 1)
    else:
        assert notification.word == before | badge
    assert other.word == others and notification.waiters.head is None


def signal_wakes_the_first(hart: Hart, notification: Notification, badge: u64, first: Thread, other: Thread) -> None:
    """A signal ends the wait of who has waited longest, who gets the badge; the rest waits on, and nothing is kept."""
    requires(notification.waiters.head is first and first.previous is None and other is not first)
    requires(not first.faulted)
    before = notification.word
    second = first.next
    state = other.state
    a0 = other.registers.a0
    a1 = other.registers.a1
    woken = deliver(hart, notification, badge)
    assert notification.waiters.head is second and notification.word == before
    assert first.state is State.RUNNABLE and not first.timer.armed
    assert first.registers.a0 == (u64(1) if notification.counting else badge) and first.registers.a1 == 0
    assert woken is (first if first.context is None else None)
    assert other.state is state and other.registers.a0 == a0 and other.registers.a1 == a1


def signal_ends_a_receive(hart: Hart, notification: Notification, badge: u64, bound: Thread) -> None:
    """If nobody waits, but the bound thread receives and has time: that is ended, and says that it was by a signal."""
    requires(notification.waiters.head is None and notification.bound is bound and not bound.faulted)
    requires(bound.state is State.RECEIVING and bound.context is not None and bound.endpoint is not None)
    before = notification.word
    woken = deliver(hart, notification, badge)
    assert woken is None and notification.word == before
    assert bound.state is State.RUNNABLE and not bound.timer.armed
    assert bound.registers.a0 == (u64(1) if notification.counting else badge)
    assert bound.registers.a1 == SIGNALS_BIT


def what_is_kept_is_taken(notification: Notification, other: Notification) -> None:
    """Of a counter one signal is taken at a time, of a word all bits."""
    requires(notification.word != 0 and other is not notification)
    before = notification.word
    others = other.word
    taken = take(notification)
    if notification.counting:
        assert taken == 1 and notification.word == before - 1
    else:
        assert taken == before and notification.word == 0
    assert other.word == others
