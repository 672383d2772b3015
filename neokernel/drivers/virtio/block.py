"""A disk (section 5.2): requests as chains of descriptors, over one queue.

    wrong = block.check(kind, sector, length)           # before anything else
    if block.has_room(pages):                           # else: later
        index = block.start(kind, sector, length)
        block.part(address, length)                     # where the data are, on the bus
        block.commit()
    block.hand_over()                                   # once for as many as there are

    done = block.next_done()                            # a request's index; `release` gives its result

Knows nothing of processes. What a request is made of, beside its data, is in the driver's own page, 64 bytes each.

Invariants:
- A request is FREE, FLYING (its chain is with the device), or DONE (its result waits for `release`); the free ones are
  `spare[:spares]`.
- A read is done only if the device says that it wrote all of it. What it says about anything is read once.
- Each call ends after a number of steps that doesn't depend on the device.
"""

from __future__ import annotations

from enum import Enum

from neokernel.drivers.health import Health
from neokernel.drivers.virtio.mmio import CHANGED, MOST_READS, Problem, Transport
from neokernel.drivers.virtio.queue import SIZE, Broken, Queue
from neokernel.interfaces.block import SECTOR, BlockError, Geometry, Request
from neokernel.lang import Array, Embedded, Span, array, at, size_of, struct, u8, u32, u64, usize, wire, wire_view

#: kind of device
BLOCK = 2

#: features (5.2.3)
SIZE_MOST = 1 << 1
SEGMENTS_MOST = 1 << 2
READ_ONLY = 1 << 5
BLOCK_SIZE = 1 << 6
FLUSH = 1 << 9
DISCARD = 1 << 13
WRITE_ZEROES = 1 << 14
WANTED = SIZE_MOST | SEGMENTS_MOST | READ_ONLY | BLOCK_SIZE | FLUSH | DISCARD | WRITE_ZEROES

#: requests at a time, and bytes of each in the driver's page
REQUESTS = 64
SLOT = 64
#: where in these the device finds a range, and puts its status
RANGE = 16
STATUS = 32
#: status (5.2.6)
OK = 0
FAILED = 1
UNSUPPORTED = 2
#: what it is before
NONE = 0xFF
#: descriptors that a request takes beside its data
BESIDE = 3
#: a queue takes one page that lies across two, at least
LEAST_QUEUE = 8

PAGE = 4096
#: the largest block, and read or write: as much as a client can lend
MOST_BLOCK = 65536
MOST_BYTES = 0x4_0000
#: sectors of the largest disk, so that no place in bytes is beyond 64 bits
MOST_SECTORS: u64 = 1 << 54
#: turns of a look at the queue: all requests, and as many looks whether more have come
MOST_TURNS = 2 * REQUESTS + 2


@wire(registers=True)
class Config:
    """Section 5.2.4. Fields of 64 bits are read by halves (4.2.2.2)."""

    sectors_low: u32
    sectors_high: u32
    size_most: u32
    segments_most: u32
    block_size: u32 = at(20)
    discard_most: u32 = at(36)
    discard_segments: u32
    zeroes_most: u32 = at(48)
    zeroes_segments: u32


@wire(registers=True)
class Slot:
    """Section 5.2.6: the header, the range of what has no data, and what the device writes at the end."""

    kind: u32
    reserved: u32
    sector: u64
    range_sector: u64 = at(16)
    range_count: u32
    range_flags: u32
    status: u8 = at(32)
    last: u8 = at(63)


assert size_of(Slot) == SLOT and REQUESTS * SLOT == PAGE, "all requests fill a page"


class State(Enum):
    FREE = 0
    FLYING = 1
    DONE = 2


@struct
class Pending:
    """A request. `owner` and `place` are its maker's."""

    state: State = State.FREE
    kind: Request = Request.READ
    result: BlockError | None = None
    #: bytes that the device must write
    expected: u32 = 0
    since: u64 = 0
    owner: u32 = 0
    place: u32 = 0


@struct
class Block:
    """`begin` comes first, and again after `Broken`, with `abandon` between."""

    transport: Embedded[Transport]
    queue: Embedded[Queue]
    config: Config
    #: a page of the device's, and where it finds that
    memory: Span[u8]
    address: u64
    health: Embedded[Health] = Health()
    requests: Array[Embedded[Pending]] = array(REQUESTS)
    spare: Array[u8] = array(REQUESTS)
    spares: usize = 0
    #: the request that is being made
    current: usize = 0
    sectors: u64 = 0
    block: u32 = SECTOR
    #: descriptors of one request's data, and bytes of each, whole pages
    segments: u32 = 0
    segment_most: u32 = PAGE
    discard_most: u32 = 0
    zeroes_most: u32 = 0

    # --- the device ---------------------------------------------------------------------------------------------------

    def begin(self, descriptors: u64, rings: u64) -> Problem | None:
        """Set the device up, in whatever state it is; bus addresses of the queue's pages. No request is FLYING."""
        problem = self.transport.begin(BLOCK, WANTED)
        if problem is None:
            problem = self.transport.attach(0, self.queue, LEAST_QUEUE, descriptors, rings)
        if problem is None:
            problem = self.configure()
        if problem is not None:
            return problem
        self.spares = 0
        for index in range(REQUESTS):
            if self.requests[index].state is State.FREE:
                self.spare[self.spares] = u8(index)
                self.spares += 1
        self.transport.go()
        return None

    def configure(self) -> Problem | None:
        """Read what the disk is like: all of it, or nothing, if it changes meanwhile (2.5.1)."""
        config = self.config
        for _ in range(MOST_READS):
            before = self.transport.generation()
            sectors = u64(config.sectors_low) | u64(config.sectors_high) << 32
            size_most = config.size_most if self.transport.has(SIZE_MOST) else MOST_BYTES
            segments = config.segments_most if self.transport.has(SEGMENTS_MOST) else u32(SIZE)
            block = config.block_size if self.transport.has(BLOCK_SIZE) else SECTOR
            discard = config.discard_most if self.transport.has(DISCARD) else 0
            zeroes = config.zeroes_most if self.transport.has(WRITE_ZEROES) else 0
            if self.transport.generation() == before:
                segments = min(segments, u32(self.queue.size) - BESIDE)
                possible = SECTOR <= block <= MOST_BLOCK and block & (block - 1) == 0 and sectors <= MOST_SECTORS
                if not possible or size_most < PAGE or segments < 2:
                    return self.transport.give_up(Problem.CONFIGURATION)
                self.sectors, self.block, self.segments = sectors, block, segments
                self.segment_most = min(size_most, MOST_BYTES) & ~u32(PAGE - 1)
                self.discard_most, self.zeroes_most = discard, zeroes
                return None
        return self.transport.give_up(Problem.CONFIGURATION)

    def geometry(self) -> Geometry:
        # What begins within a page takes one descriptor more.
        most = min(u64(self.segments - 1) * PAGE, MOST_BYTES)
        read_only = self.transport.has(READ_ONLY)
        return Geometry(self.sectors, self.block, u32(most), self.discard_most, self.zeroes_most, read_only)

    # --- requests -----------------------------------------------------------------------------------------------------

    def check(self, kind: Request, sector: u64, length: u64) -> BlockError | None:
        """Can such a request be made? `length` is in bytes; a flush has none."""
        if kind is Request.FLUSH:
            return None
        if kind is not Request.READ and self.transport.has(READ_ONLY):
            return BlockError.READ_ONLY
        most = u64(self.geometry().most_bytes)
        if kind is Request.DISCARD or kind is Request.WRITE_ZEROES:
            most = u64(self.discard_most if kind is Request.DISCARD else self.zeroes_most) * SECTOR
            if most == 0:
                return BlockError.UNSUPPORTED
        if length > most:
            return BlockError.TOO_LARGE
        mask = u64(self.block) - 1
        if length == 0 or length & mask != 0 or sector & (mask // SECTOR) != 0:
            return BlockError.BLOCKS
        if sector > self.sectors or length // SECTOR > self.sectors - sector:
            return BlockError.RANGE
        return None

    def needs_device(self, kind: Request) -> bool:
        """Without the feature, what was written outlives the power already (5.2.6.2)."""
        return kind is not Request.FLUSH or self.transport.has(FLUSH)

    def has_room(self, pages: usize) -> bool:
        """Can a request be made now whose data lie in so many pages?"""
        return self.spares != 0 and usize(self.queue.free) >= pages + BESIDE

    def start(self, kind: Request, sector: u64, length: u64, now: u64) -> u32:
        """Begin a request that was checked, and that there is room for: its index."""
        self.spares -= 1
        index = usize(self.spare[self.spares])
        self.current = index
        request, slot = self.requests[index], self.slot(index)
        request.state, request.kind, request.result, request.since = State.FLYING, kind, None, now
        request.expected = 1 + (u32(length) if kind is Request.READ else 0)
        address = self.address + index * SLOT
        slot.kind = number_of(kind)
        slot.reserved = 0
        slot.sector = sector if kind is Request.READ or kind is Request.WRITE else 0
        slot.status = NONE
        self.queue.add(address, RANGE, False)
        if kind is Request.DISCARD or kind is Request.WRITE_ZEROES:
            slot.range_sector = sector
            slot.range_count = u32(length // SECTOR)
            slot.range_flags = 0
            self.queue.add(address + RANGE, STATUS - RANGE, False)
        return u32(index)

    def part(self, address: u64, length: u32) -> None:
        """Data of the request that was begun, at most `segment_most` bytes."""
        self.queue.add(address, length, self.requests[self.current].kind is Request.READ)

    def commit(self) -> None:
        """The request is complete."""
        self.queue.add(self.address + self.current * SLOT + STATUS, 1, True)
        self.queue.close(u32(self.current))

    def hand_over(self) -> None:
        """Let the device see what was committed."""
        if self.queue.publish():
            self.transport.notify(0)

    def release(self, index: u32) -> BlockError | None:
        """The result of a request that is DONE."""
        request = self.requests[usize(index)]
        assert request.state is State.DONE, "a request that isn't done"
        request.state = State.FREE
        self.spare[self.spares] = u8(index)
        self.spares += 1
        return request.result

    # --- what the device says -----------------------------------------------------------------------------------------

    def interrupted(self) -> Broken | None:
        """The device has interrupted, or may have; then comes `next_done`."""
        self.health.interrupted()
        if self.transport.interrupted() & CHANGED != 0:
            if self.transport.wants_reset() or self.configure() is not None:
                return Broken.ASKED
        return None

    def next_done(self) -> u32 | Broken | None:
        """The index of a request that is DONE now. None: there is none, and the device interrupts for the next one."""
        for _ in range(MOST_TURNS):
            done = self.queue.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.health.progress()
                return self.finish(done.token, done.length)
            if self.queue.may_sleep():
                return None
        return Broken.ENDLESS

    def finish(self, index: u32, length: u32) -> u32 | Broken:
        request = self.requests[usize(index)]
        match self.slot(usize(index)).status:
            case 0:
                if length != request.expected:
                    return Broken.LENGTH
                request.result = None
            case 1:
                request.result = BlockError.DEVICE
            case 2:
                request.result = BlockError.UNSUPPORTED
            case _:
                return Broken.STATUS
        request.state = State.DONE
        return index

    def is_late(self, now: u64, patience: u64) -> bool:
        """Is a request with the device for longer than any takes?"""
        late = False
        for index in range(REQUESTS):
            request = self.requests[index]
            late = late or (request.state is State.FLYING and now - request.since > patience)
        return late

    def abandon(self) -> None:
        """The device is stopped, or said what can't be: all that it was to do is LOST."""
        for index in range(REQUESTS):
            request = self.requests[index]
            if request.state is State.FLYING:
                request.state, request.result = State.DONE, BlockError.LOST

    def is_done(self, index: usize) -> bool:
        return self.requests[index].state is State.DONE

    # --- inside -------------------------------------------------------------------------------------------------------

    def slot(self, index: usize) -> Slot:
        return wire_view(Slot, self.memory[index * SLOT : (index + 1) * SLOT])


def number_of(kind: Request) -> u32:
    """As the device calls it (5.2.6)."""
    match kind:
        case Request.READ:
            return 0
        case Request.WRITE:
            return 1
        case Request.FLUSH:
            return 4
        case Request.DISCARD:
            return 11
        case Request.WRITE_ZEROES:
            return 13
