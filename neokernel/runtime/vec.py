"""A vector: up to a fixed number of elements, in order, in an array of its own.

Invariants:
- Elements are `slots[:size]`; `size` is at most `len(slots)`. Slots above keep what was there.
- An operation that returns `Full` has changed nothing.
- An index must be below `size`, even where there is a slot: else the check *index* fails.

`pop` and `last` give `None` when the vector is empty. Where elements may be `None` themselves, ask for the length.
"""

from enum import Enum
from typing import Generic, TypeVar

from neokernel.lang import Array, Span, copy, invariant, struct, u8, usize

T = TypeVar("T")


class Full(Enum):
    """The container holds as many elements as it can."""

    FULL = 0


@struct
class Vec(Generic[T]):
    """`Vec(slots=array(16))`; with a fill (`array(16, idle)`) where elements have no zero, as references."""

    slots: Array[T]
    size: usize = 0

    @invariant
    def within_capacity(self) -> bool:
        return self.size <= len(self.slots)

    def __len__(self) -> usize:
        return self.size

    def capacity(self) -> usize:
        """The most elements it can hold."""
        return len(self.slots)

    def as_span(self) -> Span[T]:
        """The elements, in place. A later `push` isn't seen, other changes are."""
        return self.slots[: self.size]

    def __getitem__(self, index: usize) -> T:
        return self.slots[: self.size][index]

    def __setitem__(self, index: usize, item: T) -> None:
        self.slots[: self.size][index] = item

    def last(self) -> T | None:
        """The last element, which stays."""
        if self.size == 0:
            return None
        return self.slots[self.size - 1]

    def push(self, item: T) -> Full | None:
        """Append."""
        if self.size == len(self.slots):
            return Full.FULL
        self.slots[self.size] = item
        self.size += 1
        return None

    def pop(self) -> T | None:
        """Take the last element."""
        if self.size == 0:
            return None
        self.size -= 1
        return self.slots[self.size]

    def insert(self, index: usize, item: T) -> Full | None:
        """Put `item` at `index`, at most the length, and move those from there on up. Steps: those moved."""
        if self.size == len(self.slots):
            return Full.FULL
        tail = self.slots[: self.size + 1][index:]
        copy(tail[1:], tail[: len(tail) - 1].view())
        tail[0] = item
        self.size += 1
        return None

    def remove(self, index: usize) -> T:
        """Take the element at `index`, and move those above down. Steps: those moved."""
        tail = self.slots[: self.size][index:]
        taken = tail[0]
        copy(tail[: len(tail) - 1], tail[1:].view())
        self.size -= 1
        return taken

    def swap_remove(self, index: usize) -> T:
        """Take the element at `index`, and put the last one there."""
        taken = self[index]
        self.size -= 1
        self.slots[index] = self.slots[self.size]
        return taken

    def clear(self) -> None:
        """Take all elements out."""
        self.size = 0

    def truncate(self, size: usize) -> None:
        """Keep the first `size` elements, if there are more."""
        self.size = min(self.size, size)

    def extend(self, items: tuple[T, ...]) -> Full | None:
        """Append all of `items`, or none."""
        if len(items) > len(self.slots) - self.size:
            return Full.FULL
        copy(self.slots[self.size : self.size + len(items)], items)
        self.size += len(items)
        return None


def extend_bytes(vec: Vec[u8], data: bytes) -> Full | None:
    """`vec.extend(data)`, for type checkers: they tell `bytes` from `tuple[u8, ...]`, as the language doesn't."""
    if len(data) > vec.capacity() - len(vec):
        return Full.FULL
    copy(vec.slots[vec.size : vec.size + len(data)], data)
    vec.size += len(data)
    return None
