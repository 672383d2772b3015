"""A disk that answers at random, right and wrong, and the driver that puts up with it: in every reading.

What must hold is asserted: every request comes to one end, once; counts agree; nothing makes a check of the driver's
fail.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.block import BLOCK, REQUESTS, SLOT, Block, Config, Slot
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.interfaces.block import BlockError, Request
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
    wire_view,
)
from tests.drivers import hostile
from tests.drivers.hostile import PAGE_AT, Chance, Side

SECTORS = 4096


@value
class Seen:
    """What a walk has come across."""

    #: answers of the device, right or wrong
    answers: u64 = 0
    started: u64 = 0
    #: requests that ended well, with an error, or LOST
    done: u64 = 0
    failed: u64 = 0
    lost: u64 = 0
    resets: u64 = 0


@struct
class World:
    """The disk."""

    chance: Embedded[Chance]
    registers: Embedded[Registers] = Registers()
    config: Embedded[Config] = Config()
    side: Embedded[Side] = Side()
    page: Array[u8] = array(4096)

    def settle(self) -> None:
        """As a disk is that does nothing wrong."""
        config = self.config
        hostile.settle(self.registers, BLOCK, u32(8) << u32(self.chance.next(6)))
        config.sectors_low, config.sectors_high, config.block_size = SECTORS, 0, 512
        config.size_most, config.segments_most, config.discard_most, config.zeroes_most = 1 << 20, 200, 64, 64
        self.side.settle()

    def give_back(self, size: u16, head: u32, length: u32) -> None:
        self.side.give_back(size, head, length)
        self.registers.interrupt_status = mmio.USED


def walk(seed: u64, steps: u64) -> Seen:
    """So many steps, at random."""
    world = World(chance=Chance(state=seed))
    world.settle()
    block = Block(
        transport=Transport(registers=world.registers),
        queue=Queue(descriptors=world.side.descriptors, rings=world.side.rings),
        config=world.config,
        memory=world.page,
        address=PAGE_AT,
    )
    begin(world, block)
    seen = Seen()
    for _ in range(steps):
        step = world.chance.next(40)
        if step < 16:
            seen = start(world, block, seen)
        elif step < 39:
            answer(world, block, step)
            seen = replace(seen, answers=seen.answers + 1)
        seen = listen(world, block, seen)
        flying = seen.started - seen.done - seen.failed - seen.lost
        assert u64(block.queue.in_flight) == flying, "a request that has got lost, or ended twice"
        assert u64(block.spares) + flying == REQUESTS
    return seen


def begin(world: World, block: Block) -> None:
    assert block.begin(PAGE_AT + 0x1000, PAGE_AT + 0x2000) is None, "a disk that does nothing wrong"


def start(world: World, block: Block, seen: Seen) -> Seen:
    """A request, if it can be."""
    kind = kind_of(world.chance.next(5))
    sector, length = world.chance.next(SECTORS + 8), world.chance.next(20) * 512
    if block.check(kind, sector, length) is not None or not block.has_room(3):
        return seen
    _ = block.start(kind, sector, length, 0)
    if kind is Request.READ or kind is Request.WRITE:
        first = 1 + world.chance.next(length)
        block.part(0x1_0000, u32(first))
        if first < length:
            block.part(0x2_0000, u32(length - first))
    block.commit()
    if world.chance.next(3) != 0:
        block.hand_over()
    return replace(seen, started=seen.started + 1)


def answer(world: World, block: Block, step: u64) -> None:
    """One of the device's, right, nearly right, or anything."""
    size = block.queue.size
    world.side.listen(size)
    word = world.chance.word()
    match step:
        case 35 | 36:
            world.side.lie(block.queue, step - 35, word)
            world.registers.interrupt_status = mmio.USED
        case 37:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
            world.config.size_most = word
            world.config.sectors_low = word % (2 * SECTORS)
            world.registers.interrupt_status = word % 4
        case 38:
            world.side.lie(block.queue, 2 + u64(word % 2), word)
        case _ if world.side.count != 0:
            head = world.side.pick(usize(world.chance.next(u64(world.side.count))))
            index = usize((world.side.address(head) - PAGE_AT) // SLOT % REQUESTS)
            slot = wire_view(Slot, world.page[index * SLOT :])
            slot.status = 0 if step < 33 else u8(world.chance.next(4))
            world.give_back(size, u32(head), block.requests[index].expected - (1 if step == 34 else 0))
        case _:
            pass


def listen(world: World, block: Block, seen: Seen) -> Seen:
    """The driver's turn."""
    broken = block.interrupted() is not None
    world.registers.interrupt_status = 0
    while not broken:
        index = block.next_done()
        if index is None:
            break
        if isinstance(index, Broken):
            broken = True
        else:
            result = block.release(index)
            assert result is not BlockError.LOST
            seen = replace(seen, done=seen.done + 1) if result is None else replace(seen, failed=seen.failed + 1)
    if not broken:
        return seen
    block.abandon()
    world.settle()
    begin(world, block)
    lost = seen.lost
    for place in range(REQUESTS):
        if block.is_done(place):
            assert block.release(u32(place)) is BlockError.LOST
            lost += 1
    return replace(seen, lost=lost, resets=seen.resets + 1)


def kind_of(number: u64) -> Request:
    return Request(u8(number))
