"""A hash map of fixed capacity: open addressing, linear probing in the order of homes ("robin hood" hashing).

Celis, "Robin Hood hashing", 1986; deletion shifts back, so there are no tombstones and no rehashing, ever.

Invariants:
- The capacity, `len(slots)`, is a power of two, at most 2**31. An eighth of the slots is free, and at least one.
- A slot is in use exactly when bit 31 of its `mark` is set; the other bits are of its key's hash. The low ones say its
  home: the slot where the search for it begins.
- No slot is free between an entry and its home, and along such a run homes never go back (cyclically). So a
  search ends at the first entry that is nearer to its home than the key would be.
- An operation that returns `Full` has changed nothing.

Keys have `hash(seed)` (see `hashing.py`). Without the seed nobody can make keys that collide, so long searches are as
rare for a hostile client as for anybody; the bound that always holds is the capacity.
"""

from typing import Generic, TypeVar

from neokernel.lang import Array, invariant, replace, struct, truncate, u32, unreachable, usize, value, wrapping_sub
from neokernel.runtime.hashing import Key, Seed
from neokernel.runtime.vec import Full

K = TypeVar("K", bound=Key)
V = TypeVar("V")

#: the bit of `mark` that says "in use"
USED: u32 = 1 << 31


@value
class Entry(Generic[K, V]):
    """A key and its value."""

    mark: u32
    key: K
    value: V


@value
class Place:
    """Where a key is or, if it isn't there, belongs."""

    index: usize
    found: bool


@struct
class Map(Generic[K, V]):
    """`Map(seed=seed, slots=array(64))`. Where keys or values have no zero (references), give `array` a fill:
    `array(64, Entry(0, key, value))`.
    """

    seed: Seed
    slots: Array[Entry[K, V]]
    size: usize = 0

    @invariant
    def capacity_fits(self) -> bool:
        capacity = len(self.slots)
        return 0 < capacity <= 1 << 31 and capacity & (capacity - 1) == 0 and self.size <= self.limit()

    def __len__(self) -> usize:
        return self.size

    def capacity(self) -> usize:
        """The number of slots: what `entry` takes."""
        return len(self.slots)

    def limit(self) -> usize:
        """The most entries it can hold: seven eighths of the capacity."""
        return len(self.slots) - max(len(self.slots) // 8, 1)

    def __contains__(self, key: K) -> bool:
        return self.locate(key, self.mark_of(key)).found

    def get(self, key: K) -> V | None:
        """The value of `key`."""
        place = self.locate(key, self.mark_of(key))
        if not place.found:
            return None
        return self.slots[place.index].value

    def insert(self, key: K, value: V) -> Full | None:
        """Set the value of `key`, which may be there or not."""
        mark = self.mark_of(key)
        place = self.locate(key, mark)
        index = place.index
        if place.found:
            self.slots[index] = replace(self.slots[index], value=value)
            return None
        if self.size == self.limit():
            return Full.FULL
        # Those from here to the next free slot move on by one.
        moving = Entry(mark, key, value)
        for _ in range(len(self.slots)):
            moving, self.slots[index] = self.slots[index], moving
            if moving.mark == 0:
                break
            index = self.after(index)
        self.size += 1
        return None

    def remove(self, key: K) -> V | None:
        """Take `key` out; gives its value."""
        place = self.locate(key, self.mark_of(key))
        if not place.found:
            return None
        free = place.index
        value = self.slots[free].value
        # Those behind it that aren't at home move back by one.
        for _ in range(len(self.slots)):
            behind = self.after(free)
            moving = self.slots[behind]
            if moving.mark == 0 or self.home_of(moving.mark) == behind:
                break
            self.slots[free] = moving
            free = behind
        self.slots[free] = replace(self.slots[free], mark=u32(0))
        self.size -= 1
        return value

    def entry(self, index: usize) -> Entry[K, V] | None:
        """What slot `index` holds, for loops over `range(map.capacity())`: in no order, each entry once.

        An insertion or removal meanwhile moves entries, so some may be met twice or not at all.
        """
        found = self.slots[index]
        if found.mark == 0:
            return None
        return found

    def clear(self) -> None:
        """Take all entries out. Steps: the capacity."""
        for index in range(len(self.slots)):
            self.slots[index] = replace(self.slots[index], mark=u32(0))
        self.size = 0

    # --- inside ---------------------------------------------------------------------------------------------------

    def mark_of(self, key: K) -> u32:
        return truncate(u32, key.hash(self.seed) >> 32) | USED

    def home_of(self, mark: u32) -> usize:
        return usize(mark) & (len(self.slots) - 1)

    def after(self, index: usize) -> usize:
        return (index + 1) & (len(self.slots) - 1)

    def locate(self, key: K, mark: u32) -> Place:  # noqa: RET503 - `unreachable` ends it
        """The slot of `key`, or the one where it would be inserted. Steps: at most the capacity."""
        capacity = len(self.slots)
        # Of a length that belongs to the type: costs nothing where it holds.
        assert 0 < capacity <= 1 << 31 and capacity & (capacity - 1) == 0, "a map's capacity is a power of two"
        index = self.home_of(mark)
        for distance in range(capacity):
            found = self.slots[index]
            if found.mark == mark and found.key == key:
                return Place(index, True)
            if found.mark == 0 or wrapping_sub(index, self.home_of(found.mark)) & (capacity - 1) < distance:
                return Place(index, False)
            index = self.after(index)
        unreachable("a slot is free")
