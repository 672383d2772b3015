"""A source of random bytes that answers at random, right and wrong, and its driver: in every reading.

As `hostile_disk.py`; what must hold is that each byte that is handed out was delivered, and is handed out once.
"""

from __future__ import annotations

from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import Queue
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
)
from tests.drivers import hostile
from tests.drivers.hostile import PAGE_AT, Chance, Side


@value
class Seen:
    """What a walk has come across: answers of the device, bytes delivered and handed out, resets."""

    answers: u64 = 0
    delivered: u64 = 0
    taken: u64 = 0
    resets: u64 = 0


@struct
class World:
    chance: Embedded[Chance]
    registers: Embedded[Registers] = Registers()
    side: Embedded[Side] = Side()
    page: Array[u8] = array(4096)

    def settle(self) -> None:
        hostile.settle(self.registers, RANDOM, u32(1) << u32(self.chance.next(9)))
        self.side.settle()


def walk(seed: u64, steps: u64) -> Seen:
    world = World(chance=Chance(state=seed))
    world.settle()
    source = Source(
        transport=Transport(registers=world.registers),
        queue=Queue(descriptors=world.side.descriptors, rings=world.side.rings),
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
        seen = replace(seen, taken=seen.taken + source.take(into[: usize(world.chance.next(256))]))
        assert seen.taken + source.held == seen.delivered, "a byte that nobody delivered, or that was given twice"
        assert u64(source.queue.in_flight) == (1 if source.asked else 0)
    return seen


def answer(world: World, source: Source) -> None:
    """One of the device's, right, nearly right, or anything."""
    size = source.queue.size
    word = world.chance.word()
    match world.chance.next(12):
        case 0:
            world.side.lie(source.queue, 0, word)
        case 1:
            world.side.rings.used_index.number = truncate(u16, word)
        case 2:
            world.registers.interrupt_status = word % 4
        case 3:
            world.side.lie(source.queue, 2, word)
        case 4:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
        case _ if source.asked:
            head = world.side.rings.available[usize(wrapping_add(source.queue.published, 0xFFFF) & (size - 1))].number
            world.side.give_back(size, u32(head), u32(world.chance.next(POOL - source.held + 1)))
        case _:
            pass
