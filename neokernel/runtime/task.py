"""Tasks as the executor has them: what each waits for, and the lists in which they stand.

A task is a coroutine that was started in a frame of a `Group` (`executor.py`). All lists here go through the tasks
themselves, so they take no memory of their own and are never full:

- a `Queue` of those that can go on, for each group;
- the `Timers`: those that wait for a time, in a pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986): to add one
  takes constant time, to remove one the logarithm of their number, on average over all;
- the `Waiting`: those that wait for signals or for a message, in the order in which they began to.

Invariants:
- A task is in a queue exactly while `ready`, in the timers exactly while `filed` isn't NEVER, among the waiting exactly
  while `waits`.
- In the heap, no task's time is before its parent's. `previous` is the sibling before, or the parent of a first child,
  or None for the root.
- A task's generation is odd while its coroutine lives. It begins anew after 2**31 lives, as a server must go on: a
  handle that somebody has kept for so long could be taken for a later task's. (A pool never uses such a slot again.)
"""

from __future__ import annotations

from neokernel.abi.call import NEVER
from neokernel.lang import struct, u32, u64, usize


@struct
class Task:
    #: its frame in its group
    index: usize = 0
    generation: u32 = 0
    #: the next one of its group that has ended
    free: Task | None = None

    # What it waits for, as it has said since it was last resumed: for a time, one of these signals, a message.
    deadline: u64 = NEVER
    signals: u64 = 0
    listens: bool = False

    #: where it stands when it can go on: its group's queue
    queue: Queue | None = None
    ready: bool = False
    next: Task | None = None

    filed: u64 = NEVER
    child: Task | None = None
    sibling: Task | None = None
    previous: Task | None = None

    waits: bool = False
    before: Task | None = None
    after: Task | None = None

    def lives(self) -> bool:
        return self.generation % 2 == 1

    def forget(self) -> None:
        """It waits for nothing."""
        self.deadline, self.signals, self.listens = NEVER, 0, False


@struct
class Queue:
    """First in, first out."""

    first: Task | None = None
    last: Task | None = None
    length: usize = 0

    def add(self, task: Task) -> None:
        task.ready, task.next = True, None
        last = self.last
        if last is None:
            self.first = task
        else:
            last.next = task
        self.last = task
        self.length += 1

    def take(self) -> Task | None:
        task = self.first
        if task is not None:
            self.first = task.next
            if self.first is None:
                self.last = None
            task.ready, task.next = False, None
            self.length -= 1
        return task


@struct
class Waiting:
    """Those that wait for what somebody else does."""

    first: Task | None = None
    last: Task | None = None

    def add(self, task: Task) -> None:
        last = self.last
        task.waits, task.before, task.after = True, last, None
        if last is None:
            self.first = task
        else:
            last.after = task
        self.last = task

    def remove(self, task: Task) -> None:
        before, after = task.before, task.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self.last = before
        else:
            after.before = before
        task.waits, task.before, task.after = False, None, None

    def listener(self) -> Task | None:
        """Who has waited longest for a message."""
        task = self.first
        while task is not None and not task.listens:
            task = task.after
        return task


@struct
class Timers:
    root: Task | None = None

    def soonest(self) -> u64:
        """The time of the first one, NEVER if there is none."""
        root = self.root
        return NEVER if root is None else root.filed

    def add(self, task: Task, time: u64) -> None:
        """`time` isn't NEVER."""
        task.filed = time
        root = self.root
        self.root = task if root is None else melded(root, task)

    def remove(self, task: Task) -> None:
        below = merged(task.child)
        previous, sibling = task.previous, task.sibling
        if previous is None:
            self.root = below
        else:
            if previous.child is task:
                previous.child = sibling
            else:
                previous.sibling = sibling
            if sibling is not None:
                sibling.previous = previous
            root = self.root
            if below is not None and root is not None:
                self.root = melded(root, below)
        task.filed = NEVER
        task.child, task.sibling, task.previous = None, None, None


def melded(one: Task, other: Task) -> Task:
    """Two heaps as one: the root with the later time becomes the other's first child."""
    above, below = (other, one) if other.filed < one.filed else (one, other)
    first = above.child
    below.previous, below.sibling = above, first
    if first is not None:
        first.previous = below
    above.child, above.sibling, above.previous = below, None, None
    return above


def merged(first: Task | None) -> Task | None:
    """A list of siblings as one heap: pairs of neighbours, and then these from the last to the first."""
    pairs: Task | None = None
    while first is not None:
        one, other = first, first.sibling
        one.sibling, one.previous = None, None
        if other is None:
            first = None
        else:
            first = other.sibling
            other.sibling, other.previous = None, None
            one = melded(one, other)
        one.sibling = pairs
        pairs = one
    heap: Task | None = None
    while pairs is not None:
        one, pairs = pairs, pairs.sibling
        one.sibling = None
        heap = one if heap is None else melded(heap, one)
    return heap
