"""A source of random bytes that answers at random, right and wrong, and its driver: in every reading.

As `hostile_disk.py`; what must hold is that each byte that is handed out was delivered, and is handed out once.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import SIZE, Descriptors, Queue, Rings
from neokernel.drivers.virtio.random import POOL, RANDOM, Source
from neokernel.lang import (
    Array,
    Embedded,
    array,
    replace,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_mul,
)

PAGE_AT: u64 = 0x8000_0000


@value
class Seen:
    """What a walk has come across: answers of the device, bytes delivered and handed out, resets."""

    answers: u64 = 0
    delivered: u64 = 0
    taken: u64 = 0
    resets: u64 = 0


@struct
class World:
    registers: Embedded[Registers] = Registers()
    descriptors: Embedded[Descriptors] = Descriptors()
    rings: Embedded[Rings] = Rings()
    page: Array[u8] = array(4096)
    random: u64 = 0
    used: u16 = 0

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def settle(self) -> None:
        registers = self.registers
        registers.magic, registers.version, registers.kind = mmio.MAGIC, mmio.VERSION, RANDOM
        registers.queue_size_most, registers.queue_ready = u32(1) << u32(self.next(9)), 0
        registers.device_features = 0xFFFF_FFFF
        registers.interrupt_status = 0
        self.used = 0

    def give_back(self, size: u16, head: u32, length: u32) -> None:
        entry = self.rings.used[usize(self.used & (size - 1))]
        entry.head, entry.length = head, length
        self.used = wrapping_add(self.used, 1)
        self.rings.used_index.number = self.used


def walk(seed: u64, steps: u64) -> Seen:
    world = World(random=seed)
    world.settle()
    source = Source(
        transport=Transport(registers=world.registers),
        queue=Queue(descriptors=world.descriptors, rings=world.rings),
        memory=world.page,
        address=PAGE_AT,
    )
    assert source.begin(PAGE_AT + 0x1000, PAGE_AT + 0x2000) is None
    into: Array[u8] = array(256)
    seen = Seen()
    for _ in range(steps):
        answer(world, source)
        before, asked = source.held, source.asked
        broken = source.interrupted()
        assert source.held <= POOL and (asked or source.held == before)
        seen = replace(seen, answers=seen.answers + 1, delivered=seen.delivered + (source.held - before))
        if broken is not None:
            world.settle()
            assert source.begin(PAGE_AT + 0x1000, PAGE_AT + 0x2000) is None
            seen = replace(seen, resets=seen.resets + 1)
        seen = replace(seen, taken=seen.taken + source.take(into[: usize(world.next(256))]))
        assert seen.taken + source.held == seen.delivered, "a byte that nobody delivered, or that was given twice"
        assert u64(source.queue.in_flight) == (1 if source.asked else 0)
    return seen


def answer(world: World, source: Source) -> None:
    """One of the device's, right, nearly right, or anything."""
    size = source.queue.size
    word = truncate(u32, world.random >> 11)
    match world.next(12):
        case 0:
            world.give_back(size, word % (2 * SIZE), word >> 20)
        case 1:
            world.rings.used_index.number = truncate(u16, word)
        case 2:
            world.registers.interrupt_status = word % 4
        case 3:
            entry = world.descriptors.entries[usize(word % SIZE)]
            entry.next, entry.flags, entry.length = truncate(u16, word), truncate(u16, word >> 3), word
        case 4:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
        case _ if source.asked:
            head = world.rings.available[usize(wrapping_add(source.queue.published, 0xFFFF) & (size - 1))].number
            world.give_back(size, u32(head), u32(world.next(POOL - source.held + 1)))
        case _:
            pass
