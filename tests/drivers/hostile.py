"""What hostile devices have in common, in every reading: registers, the device's side of queues, and chance.

A device is memory: registers keep what is written to them, and between the driver's calls anything may change. What is
peculiar to a kind of device is beside this, in `hostile_*.py`.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.mmio import Registers
from neokernel.drivers.virtio.queue import SIZE, Descriptors, Queue, Rings
from neokernel.lang import (
    Array,
    Embedded,
    array,
    struct,
    truncate,
    u16,
    u32,
    u64,
    usize,
    wrapping_add,
    wrapping_mul,
)

#: where the driver's first page is on the bus
PAGE_AT: u64 = 0x8000_0000


@struct
class Chance:
    state: u64

    def next(self, most: u64) -> u64:
        """Less than `most`."""
        self.state = wrapping_add(wrapping_mul(self.state, 6364136223846793005), 1442695040888963407)
        return (self.state >> 33) % most

    def word(self) -> u32:
        return truncate(u32, self.state >> 11)


@struct
class Side:
    """The device's side of a queue: the two pages, and what it remembers."""

    descriptors: Embedded[Descriptors] = Descriptors()
    rings: Embedded[Rings] = Rings()
    #: heads that the device has and hasn't given back
    heads: Array[u16] = array(SIZE, 0)
    count: usize = 0
    seen: u16 = 0
    used: u16 = 0

    def settle(self) -> None:
        self.count, self.seen, self.used = 0, 0, 0

    def listen(self, size: u16) -> None:
        """Take what the driver has handed over."""
        while self.seen != self.rings.available_index.number and self.count < SIZE:
            self.heads[self.count] = self.rings.available[usize(self.seen & (size - 1))].number
            self.count += 1
            self.seen = wrapping_add(self.seen, 1)

    def pick(self, place: usize) -> u16:
        """One of the chains that the device has, which it has no more then."""
        head = self.heads[place]
        self.count -= 1
        self.heads[place] = self.heads[self.count]
        return head

    def first(self) -> u16:
        """The oldest of them."""
        head = self.heads[0]
        self.count -= 1
        for place in range(self.count):
            self.heads[place] = self.heads[place + 1]
        return head

    def give_back(self, size: u16, head: u32, length: u32) -> None:
        entry = self.rings.used[usize(self.used & (size - 1))]
        entry.head, entry.length = head, length
        self.used = wrapping_add(self.used, 1)
        self.rings.used_index.number = self.used

    def address(self, head: u16) -> u64:
        """Where the first part of a chain lies."""
        return self.descriptors.entries[usize(head)].address

    def lie(self, queue: Queue, kind: u64, word: u32) -> None:
        """One of four: an entry of no chain, an index, descriptors, or event indices and flags."""
        match kind:
            case 0:
                self.give_back(queue.size, word % (2 * SIZE), word >> 20)
            case 1:
                near = wrapping_add(self.used, u16(word % 3))
                self.rings.used_index.number = truncate(u16, word >> 8) if word % 4 == 0 else near
            case 2:
                entry = self.descriptors.entries[usize(word % SIZE)]
                entry.next, entry.flags, entry.length = truncate(u16, word), truncate(u16, word >> 3), word
            case _:
                self.rings.used_flags.number = truncate(u16, word)
                self.rings.used[usize(queue.size)].head = word


def settle(registers: Registers, kind: u32, queue_size: u32) -> None:
    """The registers of a device that does nothing wrong."""
    registers.magic, registers.version, registers.kind = mmio.MAGIC, mmio.VERSION, kind
    registers.queue_size_most, registers.queue_ready = queue_size, 0
    registers.device_features = 0xFFFF_FFFF
    registers.interrupt_status = 0
