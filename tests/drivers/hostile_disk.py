"""A disk that answers at random, right and wrong, and the driver that puts up with it: in every reading.

The device is memory: registers keep what is written to them, and between the driver's calls anything may change. What
must hold is asserted: every request comes to one end, once; counts agree; nothing makes a check of the driver's fail.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.block import BLOCK, REQUESTS, SLOT, Block, Config, Slot
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import SIZE, Broken, Descriptors, Queue, Rings
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
    wrapping_add,
    wrapping_mul,
)

PAGE_AT: u64 = 0x8000_0000
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
    """The device, and what it remembers."""

    registers: Embedded[Registers] = Registers()
    config: Embedded[Config] = Config()
    descriptors: Embedded[Descriptors] = Descriptors()
    rings: Embedded[Rings] = Rings()
    page: Array[u8] = array(4096)
    random: u64 = 0
    #: heads that the device has and hasn't given back
    heads: Array[u16] = array(SIZE, 0)
    count: usize = 0
    seen: u16 = 0
    used: u16 = 0

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def settle(self) -> None:
        """As a disk is that does nothing wrong."""
        registers, config = self.registers, self.config
        registers.magic, registers.version, registers.kind = mmio.MAGIC, mmio.VERSION, BLOCK
        registers.queue_size_most, registers.queue_ready = u32(8) << u32(self.next(6)), 0
        registers.device_features = 0xFFFF_FFFF
        registers.interrupt_status = 0
        config.sectors_low, config.sectors_high, config.block_size = SECTORS, 0, 512
        config.size_most, config.segments_most, config.discard_most, config.zeroes_most = 1 << 20, 200, 64, 64
        self.count, self.seen, self.used = 0, 0, 0

    def listen(self, size: u16) -> None:
        """Take what the driver has handed over."""
        while self.seen != self.rings.available_index.number and self.count < SIZE:
            self.heads[self.count] = self.rings.available[usize(self.seen & (size - 1))].number
            self.count += 1
            self.seen = wrapping_add(self.seen, 1)

    def give_back(self, size: u16, head: u32, length: u32) -> None:
        entry = self.rings.used[usize(self.used & (size - 1))]
        entry.head, entry.length = head, length
        self.used = wrapping_add(self.used, 1)
        self.rings.used_index.number = self.used
        self.registers.interrupt_status = mmio.USED


def walk(seed: u64, steps: u64) -> Seen:
    """So many steps, at random."""
    world = World(random=seed)
    world.settle()
    block = Block(
        transport=Transport(registers=world.registers),
        queue=Queue(descriptors=world.descriptors, rings=world.rings),
        config=world.config,
        memory=world.page,
        address=PAGE_AT,
    )
    begin(world, block)
    seen = Seen()
    for _ in range(steps):
        step = world.next(40)
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
    kind = kind_of(world.next(5))
    sector, length = world.next(SECTORS + 8), world.next(20) * 512
    if block.check(kind, sector, length) is not None or not block.has_room(3):
        return seen
    _ = block.start(kind, sector, length, 0)
    if kind is Request.READ or kind is Request.WRITE:
        first = 1 + world.next(length)
        block.part(0x1_0000, u32(first))
        if first < length:
            block.part(0x2_0000, u32(length - first))
    block.commit()
    if world.next(3) != 0:
        block.hand_over()
    return replace(seen, started=seen.started + 1)


def answer(world: World, block: Block, step: u64) -> None:
    """One of the device's, right, nearly right, or anything."""
    size = block.queue.size
    world.listen(size)
    word = truncate(u32, world.random >> 11)
    match step:
        case 35:
            world.give_back(size, word % (2 * SIZE), word >> 20)
        case 36:
            near = wrapping_add(world.used, u16(word % 3))
            world.rings.used_index.number = truncate(u16, word >> 8) if word % 4 == 0 else near
        case 37:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
            world.config.size_most = word
            world.config.sectors_low = word % (2 * SECTORS)
            world.registers.interrupt_status = word % 4
        case 38:
            entry = world.descriptors.entries[usize(word % SIZE)]
            entry.next, entry.flags = truncate(u16, word), truncate(u16, word >> 3)
            world.rings.used_flags.number = truncate(u16, word)
            world.rings.used[usize(size)].head = word
        case _ if world.count != 0:
            place = usize(world.next(u64(world.count)))
            head = world.heads[place]
            world.count -= 1
            world.heads[place] = world.heads[world.count]
            index = usize((world.descriptors.entries[usize(head)].address - PAGE_AT) // SLOT % REQUESTS)
            slot = wire_view(Slot, world.page[index * SLOT :])
            slot.status = 0 if step < 33 else u8(world.next(4))
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
