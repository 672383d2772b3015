"""Pools: objects that come and go, found by handles that can't be mistaken for later ones.

A pool is a fixed number of slots, each with an object inside. `allocate` gives the handle of a fresh object; `get` is
the object, or `None` once it has been released. Handles are values: keep them as long as you like, pass them on.
References are for the moment: a call that may release objects of this type ends them, and the compiler sees to it.

    handle = pool.allocate()            # None: the pool is full
    connection = pool.get(handle)       # None: released by now

Every operation takes constant time. To visit all living objects, a bounded loop goes through the slots:

    for index in range(len(pool)):
        connection = pool.at(index)     # None: nobody lives there

Invariants:
- A slot's generation is odd while its object lives; it grows by one at each allocation and at each release. So a handle
  fits one life of one slot only, and `Handle(0, 0)` fits none.
- A slot whose generations are used up (after some 2**31 lives) is never used again, so that no old handle fits it.
- Slots below `used` have had an object; those of them that are free and not used up form a list, `listed` long, from
  `first` on. Slots from `used` on are as the constructor made them.
- `live` objects live: `live + listed <= used <= len(slots)`.
"""

from typing import Generic, TypeVar

from neokernel.lang import Array, Embedded, Handle, invariant, renew, retire, struct, u32, usize

T = TypeVar("T")

#: the generation of a slot whose last life has ended
USED_UP = 0xFFFF_FFFE


@struct
class Slot(Generic[T]):
    """One object's place. `following` is the next free slot, while this one is in the list."""

    item: Embedded[T]
    generation: u32 = 0
    following: u32 = 0


@struct
class Pool(Generic[T]):
    """`Pool(slots=array(64))`: objects are made by the defaults of their fields. At most 2**32 slots."""

    slots: Array[Embedded[Slot[T]]]
    used: usize = 0
    live: usize = 0
    listed: usize = 0
    first: u32 = 0

    def __len__(self) -> usize:
        """How many objects there is room for, living and free."""
        return len(self.slots)

    def free(self) -> usize:
        """How many objects can be allocated before the pool is full."""
        return len(self.slots) - self.used + self.listed

    def allocate(self) -> Handle[T] | None:
        """The handle of a fresh object, every field at its default; None when the pool is full."""
        index = self.first
        if self.listed > 0:
            slot = self.slots[usize(index)]
            self.first = slot.following
            self.listed -= 1
            renew(slot.item)
        elif self.used < len(self.slots):
            index = u32(self.used)
            self.used += 1
        else:
            return None
        self.live += 1
        self.slots[usize(index)].generation += 1
        return Handle(index, self.slots[usize(index)].generation)

    def get(self, handle: Handle[T]) -> T | None:
        """The object, or None when it has been released. The reference is good until objects may be released."""
        if handle not in self:
            return None
        return self.slots[usize(handle.index)].item

    def release(self, handle: Handle[T]) -> bool:
        """End the object's life; False when that has happened before."""
        if handle not in self:
            return False
        slot = self.slots[usize(handle.index)]
        retire(slot.item)
        slot.generation += 1
        self.live -= 1
        if slot.generation != USED_UP:
            slot.following = self.first
            self.first = handle.index
            self.listed += 1
        return True

    def __contains__(self, handle: Handle[T]) -> bool:
        """Does the object live that the handle was given for?"""
        if handle.generation % 2 == 0 or usize(handle.index) >= self.used:
            return False
        return self.slots[usize(handle.index)].generation == handle.generation

    def at(self, index: usize) -> T | None:
        """The object that lives in slot `index`, if any. Fails (kind *index*) from `len` on."""
        slot = self.slots[index]
        if slot.generation % 2 == 0:
            return None
        return slot.item

    def handle_at(self, index: usize) -> Handle[T] | None:
        """The handle of the object that lives in slot `index`, if any. Fails (kind *index*) from `len` on."""
        slot = self.slots[index]
        if slot.generation % 2 == 0:
            return None
        return Handle(u32(index), slot.generation)

    @invariant
    def counts_agree(self) -> bool:
        return self.live + self.listed <= self.used and self.used <= len(self.slots)
