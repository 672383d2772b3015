"""A queue: up to a fixed number of elements, first in, first out, in an array of its own, used in a circle.

Invariants:
- Elements are the `size` slots from `first` on, modulo `len(slots)`. Others keep what was there.
- An operation that returns `Full` has changed nothing.
"""

from typing import Generic, TypeVar

from neokernel.lang import Array, Span, copy, invariant, struct, u8, usize
from neokernel.runtime.vec import Full

T = TypeVar("T")


@struct
class Queue(Generic[T]):
    """`Queue(slots=array(16))`; with a fill (`array(16, idle)`) where elements have no zero, as references."""

    slots: Array[T]
    first: usize = 0
    size: usize = 0

    @invariant
    def within_capacity(self) -> bool:
        return self.size <= len(self.slots) and (self.first < len(self.slots) or self.first == 0)

    def __len__(self) -> usize:
        return self.size

    def room(self) -> usize:
        """How many more elements it can hold."""
        return len(self.slots) - self.size

    def head(self) -> T | None:
        """The oldest element, which stays."""
        if self.size == 0:
            return None
        return self.slots[self.first]

    def push(self, item: T) -> Full | None:
        """Append."""
        if self.size == len(self.slots):
            return Full.FULL
        self.slots[self.after(self.size)] = item
        self.size += 1
        return None

    def pop(self) -> T | None:
        """Take the oldest element."""
        if self.size == 0:
            return None
        item = self.slots[self.first]
        self.first = self.after(1)
        self.size -= 1
        return item

    def clear(self) -> None:
        self.first, self.size = 0, 0

    def after(self, count: usize) -> usize:
        """The slot `count` behind the first, at most as many as there are slots."""
        wrapped = len(self.slots) - self.first
        return self.first + count if count < wrapped else count - wrapped


def push_bytes(queue: Queue[u8], data: bytes) -> usize:
    """Append as many of the first bytes of `data` as there is room for: how many."""
    count = min(len(data), queue.room())
    begin = queue.after(queue.size)
    straight = min(count, len(queue.slots) - begin)
    copy(queue.slots[begin : begin + straight], data[:straight])
    copy(queue.slots[: count - straight], data[straight:count])
    queue.size += count
    return count


def pop_bytes(queue: Queue[u8], target: Span[u8]) -> usize:
    """Take as many of the oldest bytes as there are, and as `target` has room for: how many."""
    count = min(len(target), queue.size)
    straight = min(count, len(queue.slots) - queue.first)
    copy(target[:straight], queue.slots[queue.first : queue.first + straight].bytes())
    copy(target[straight:count], queue.slots[: count - straight].bytes())
    queue.first = queue.after(count)
    queue.size -= count
    return count
