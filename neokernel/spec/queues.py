"""Queues, specified: who waits, and who is ready, in order.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any thread that isn't named: what is said of it, is said of all others. That links, heads
and tails agree is an invariant (`Thread.is_linked`, `ThreadQueue.has_ends`).
"""

from neokernel.kernel.objects import PRIORITIES, Hart, State, Thread, ThreadQueue
from neokernel.kernel.schedule import append, dequeue, enqueue, prepend, rests, take_out
from neokernel.lang import requires, u64


def has_place(thread: Thread, before: Thread | None, after: Thread | None) -> bool:
    return thread.previous is before and thread.next is after


def is_ready(thread: Thread) -> bool:
    return thread.ready


def who_is_appended_is_last(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Behind who was last."""
    requires(thread.queue is None and other is not thread and other is not queue.tail)
    last, before, after = queue.tail, other.previous, other.next
    append(queue, thread)
    assert queue.tail is thread and has_place(thread, last, None) and has_place(other, before, after)


def who_is_prepended_is_first(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Before who was first."""
    requires(thread.queue is None and other is not thread and other is not queue.head)
    first, before, after = queue.head, other.previous, other.next
    prepend(queue, thread)
    assert queue.head is thread and has_place(thread, None, first) and has_place(other, before, after)


def who_is_taken_out_waits_no_more(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Its neighbours are next to each other."""
    requires(thread.queue is queue and not thread.ready and other is not thread)
    requires(other is not thread.next and other is not thread.previous)
    previous, following, before, after = thread.previous, thread.next, other.previous, other.next
    take_out(queue, thread)
    assert previous is None or previous.next is following
    assert thread.state is State.RUNNABLE and has_place(other, before, after)


def who_is_ready_is_in_the_queue_of_its_priority(
    hart: Hart, queue: ThreadQueue, thread: Thread, priority: u64, front: bool
) -> None:
    """First, if it was interrupted; last, if it has just become ready. The map has that somebody is in it, until
    nobody is."""
    requires(priority < PRIORITIES and hart.queues[priority] is queue and rests(hart, thread))
    requires(thread.state is State.RUNNABLE and thread.context is not None)
    place = PRIORITIES - 1 - priority
    bit = u64(1) << (place % 64)
    enqueue(hart, thread, priority, front)
    assert is_ready(thread) and u64(thread.priority) == priority
    assert (queue.head if front else queue.tail) is thread and hart.ready[place // 64] & bit != 0
    dequeue(hart, thread)
    assert not is_ready(thread) and queue.head is not thread
    assert (hart.ready[place // 64] & bit != 0) == (queue.head is not None)
