"""Queues, specified: who waits, and who is ready, in order.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any thread that isn't named: what is said of it, is said of all others. What is required of
a thread's neighbours holds in every queue: that they aren't the thread itself, nor each other.
"""

from neokernel.kernel.objects import PRIORITIES, Hart, Thread, ThreadQueue
from neokernel.kernel.schedule import append, dequeue, enqueue, prepend, take_first, take_out
from neokernel.lang import requires, u64


def has_place(thread: Thread, before: Thread | None, after: Thread | None) -> bool:
    return thread.previous is before and thread.next is after


def is_ready(thread: Thread) -> bool:
    return thread.ready


def who_is_appended_is_last(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Behind who was last."""
    requires(queue.tail is not thread and other is not thread and other is not queue.tail)
    last, first = queue.tail, queue.head
    before, after = other.previous, other.next
    append(queue, thread)
    assert queue.tail is thread and has_place(thread, last, None)
    assert queue.head is (thread if last is None else first) and (last is None or last.next is thread)
    assert has_place(other, before, after)


def who_is_prepended_is_first(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Before who was first."""
    requires(queue.head is not thread and other is not thread and other is not queue.head)
    last, first = queue.tail, queue.head
    before, after = other.previous, other.next
    prepend(queue, thread)
    assert queue.head is thread and has_place(thread, None, first)
    assert queue.tail is (thread if first is None else last) and (first is None or first.previous is thread)
    assert has_place(other, before, after)


def who_is_taken_out_has_no_place(queue: ThreadQueue, thread: Thread, other: Thread) -> None:
    """Its neighbours are next to each other; or become the first, or the last."""
    requires(thread.next is not thread and thread.previous is not thread)
    requires(thread.next is None or thread.next is not thread.previous)
    requires(other is not thread and other is not thread.next and other is not thread.previous)
    previous, following, first, last = thread.previous, thread.next, queue.head, queue.tail
    before, after = other.previous, other.next
    take_out(queue, thread)
    assert previous is None or previous.next is following
    assert following is None or following.previous is previous
    assert queue.head is (following if previous is None else first)
    assert queue.tail is (previous if following is None else last)
    assert has_place(other, before, after)


def the_first_is_taken_as_any_other(queue: ThreadQueue, thread: Thread) -> None:
    """Only quicker."""
    requires(queue.head is thread and thread.next is not thread)
    following, last = thread.next, queue.tail
    take_first(queue, thread)
    assert queue.head is following and (following is None or following.previous is None)
    assert queue.tail is (None if following is None else last)


def who_is_ready_is_in_the_queue_of_its_priority(
    hart: Hart, queue: ThreadQueue, thread: Thread, priority: u64, front: bool
) -> None:
    """First, if it was interrupted; last, if it has just become ready. The map has that somebody is in it, until
    nobody is."""
    requires(priority < PRIORITIES and hart.queues[priority] is queue and not thread.ready)
    requires(queue.head is not thread and queue.tail is not thread)
    place = PRIORITIES - 1 - priority
    bit = u64(1) << (place % 64)
    enqueue(hart, thread, priority, front)
    assert is_ready(thread) and u64(thread.priority) == priority
    assert (queue.head if front else queue.tail) is thread and hart.ready[place // 64] & bit != 0
    dequeue(hart, thread)
    assert not is_ready(thread) and queue.head is not thread
    assert (hart.ready[place // 64] & bit != 0) == (queue.head is not None)
