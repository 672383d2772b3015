"""A hash map from u64 to u64: open addressing, linear probing, deletion by shifting back.

Invariant: between a key's home slot and the slot it is in, no slot is free; at least one slot is free.
"""

from neokernel.lang import Array, Embedded, array, struct, u64, usize, wrapping_add, wrapping_mul, wrapping_sub

BITS = 10
CAPACITY = 1 << BITS
MASK = CAPACITY - 1

#: 2**64 divided by the golden ratio, odd (Knuth, volume 3, section 6.4).
MULTIPLIER = 0x9E3779B97F4A7C15


@struct
class Slot:
    """A key and its value, if `used`."""

    key: u64 = 0
    value: u64 = 0
    used: bool = False


@struct
class Map:
    """At most `CAPACITY - 1` keys."""

    size: usize = 0
    slots: Array[Embedded[Slot]] = array(CAPACITY)

    def find(self, key: u64) -> usize:
        """The slot that holds `key`, or the free one where it would go."""
        index = home(key)
        while self.slots[index].used and self.slots[index].key != key:
            index = (index + 1) & MASK
        return index

    def insert(self, key: u64, value: u64) -> bool:
        """Set `key` to `value`. False if the map is full."""
        slot = self.slots[self.find(key)]
        if not slot.used:
            if self.size == CAPACITY - 1:
                return False
            slot.key = key
            slot.used = True
            self.size += 1
        slot.value = value
        return True

    def get(self, key: u64) -> u64 | None:
        """The value of `key`."""
        slot = self.slots[self.find(key)]
        return slot.value if slot.used else None

    def delete(self, key: u64) -> bool:
        """Take `key` out, and move up those that were pushed on because of it. False if it wasn't there."""
        free = self.find(key)
        if not self.slots[free].used:
            return False
        index = free
        while True:
            index = (index + 1) & MASK
            slot = self.slots[index]
            if not slot.used:
                break
            # It may fill the gap if its home isn't cyclically after the gap.
            if wrapping_sub(index, home(slot.key)) & MASK >= wrapping_sub(index, free) & MASK:
                self.slots[free].key = slot.key
                self.slots[free].value = slot.value
                free = index
        self.slots[free].used = False
        self.size -= 1
        return True


@struct
class Work:
    """One run: the first `length` keys are inserted, every third is deleted, all are looked up."""

    fingerprint: u64 = 0
    inserted: u64 = 0
    deleted: u64 = 0
    found: u64 = 0
    length: usize = 0
    keys: Array[u64] = array(768)
    map: Embedded[Map] = Map()


def home(key: u64) -> usize:
    """The slot where the search for `key` begins."""
    return wrapping_mul(key, MULTIPLIER) >> (64 - BITS)


def run(work: Work) -> None:
    """The measured entry."""
    table = work.map
    keys = work.keys[: work.length]
    for key in keys:
        if table.insert(key, ~key):
            work.inserted += 1
    for i in range(0, len(keys), 3):
        if table.delete(keys[i]):
            work.deleted += 1
    for key in keys:
        value = table.get(key)
        if value is not None:
            work.found += 1
            work.fingerprint = wrapping_add(wrapping_mul(work.fingerprint, 31), value)
