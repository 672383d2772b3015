"""A virtio device behind memory-mapped registers (VIRTIO 1.2, sections 2.7 and 4.2), for drivers under CPython.

    bus = Bus()
    device = Device(bus, kind=4)
    transport = Transport(registers=lang.wire_over(Registers, device))
    queue = Queue(descriptors=device.descriptors, rings=device.rings)
    memory, address = bus.page()                        # a page that both sides see
    …
    for chain in device.chains():                       # what the driver has handed over since
        device.finish(chain, b"what the device writes")

A kind of device is a subclass that answers its chains in `work`. What a hostile one does is done to it from outside:
its answers, configuration and pages are open.

Invariant: the model reaches memory by bus addresses only; one that the driver has no memory at is an error of the
driver's: `BadAddress`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neokernel import lang
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.block import BLOCK, READ_ONLY, WANTED
from neokernel.drivers.virtio.queue import NEXT, SILENT, SIZE, WRITE, Descriptors, Rings
from neokernel.lang.sequences import BYTE, window

PAGE = 4096
FIRST_PAGE = 0x8000_0000
WRAP = 1 << 16


class BadAddress(Exception):
    """The driver made the device reach for memory that isn't there for it."""


class Bus:
    """Memory as devices see it."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.next = FIRST_PAGE

    def page(self) -> tuple[Any, int]:
        """A page, as the driver has it, and its address."""
        memory = bytearray(PAGE)
        address = self.address()
        self.pages[address] = memory
        span: Any = lang.Span
        return window(span, memory, 0, PAGE, BYTE), address

    def address(self) -> int:
        """That of a page of which only the owner knows what is in it."""
        # Pages aren't neighbours: what crosses an end must have been meant to.
        self.next += 2 * PAGE
        return self.next

    def cell(self, address: int) -> tuple[bytearray, int]:
        page = self.pages.get(address // PAGE * PAGE)
        if page is None:
            raise BadAddress(f"{address:#x}")
        return page, address % PAGE

    def read(self, address: int, length: int) -> bytes:
        found = bytearray()
        while length:
            page, place = self.cell(address)
            part = min(length, PAGE - place)
            found += page[place : place + part]
            address, length = address + part, length - part
        return bytes(found)

    def write(self, address: int, data: bytes) -> None:
        while data:
            page, place = self.cell(address)
            part = min(len(data), PAGE - place)
            page[place : place + part] = data[:part]
            address, data = address + part, data[part:]


@dataclass(frozen=True)
class Chain:
    """What the driver asks: parts that the device reads, and parts that it writes, as (address, length)."""

    head: int
    reads: tuple[tuple[int, int], ...]
    writes: tuple[tuple[int, int], ...]

    @property
    def room(self) -> int:
        return sum(length for _, length in self.writes)


class Device:
    """One queue, and registers that behave."""

    def __init__(self, bus: Bus, kind: int, features: int = 0, most: int = SIZE, config: bytes = b"") -> None:
        self.bus = bus
        self.kind = kind
        self.offered = features | mmio.VERSION_1
        self.most = most
        self.config = bytearray(config)
        self.descriptors: Any = Descriptors()
        self.rings: Any = Rings()
        #: where the driver says that they are
        self.places = (bus.address(), bus.address())
        self.registers = bytearray(0x100)
        self.status = 0
        self.resets = 0
        self.accepted = 0
        self.size = 0
        self.ready = False
        self.interrupts = 0
        self.generation = 0
        self.notified = 0
        self.seen = 0
        self.used = 0
        #: answers to reads of a register that aren't its own: (offset, value)
        self.lies: dict[int, deque[int]] = {}
        self.accesses = 0

    # --- registers ----------------------------------------------------------------------------------------------------

    def load(self, offset: int, size: int) -> bytes:
        self.accesses += 1
        if offset >= mmio.CONFIG:
            place = offset - mmio.CONFIG
            return bytes(self.config[place : place + size].ljust(size, b"\0"))
        assert size == 4, "registers are words (4.2.2.2)"
        lies = self.lies.get(offset)
        return (lies.popleft() if lies else self.answer(offset)).to_bytes(4, "little")

    def answer(self, offset: int) -> int:
        match offset:
            case 0x00:
                return int(mmio.MAGIC)
            case 0x04:
                return int(mmio.VERSION)
            case 0x08:
                return self.kind
            case 0x10:
                return self.offered >> 32 * self.word(0x14) & 0xFFFF_FFFF
            case 0x34:
                return self.most
            case 0x44:
                return int(self.ready)
            case 0x60:
                return self.interrupts
            case 0x70:
                return self.status
            case 0xFC:
                return self.generation
        return self.word(offset)

    def word(self, offset: int) -> int:
        return int.from_bytes(self.registers[offset : offset + 4], "little")

    def store(self, offset: int, data: bytes) -> None:
        self.accesses += 1
        if offset >= mmio.CONFIG:
            place = offset - mmio.CONFIG
            self.config[place : place + len(data)] = data
            return
        assert len(data) == 4, "registers are words (4.2.2.2)"
        self.registers[offset : offset + 4] = data
        number = int.from_bytes(data, "little")
        match offset:
            case 0x20:
                shift = 32 * self.word(0x24)
                self.accepted = self.accepted & ~(0xFFFF_FFFF << shift) | number << shift
            case 0x38:
                self.size = number
            case 0x44:
                assert self.status & mmio.DRIVER_OK == 0, "queues come before DRIVER_OK (3.1.1)"
                self.check_places()
                self.ready = bool(number)
            case 0x50:
                assert self.status & mmio.DRIVER_OK, "no notification before DRIVER_OK (3.1.1)"
                self.notified += 1
            case 0x64:
                self.interrupts &= ~number
            case 0x70:
                self.set_status(number)

    def set_status(self, number: int) -> None:
        if number == 0:
            self.resets += 1
            self.ready, self.size, self.accepted = False, 0, 0
            self.seen = self.used = self.interrupts = 0
        if number & mmio.FEATURES_OK and self.accepted & ~self.offered:
            number &= ~mmio.FEATURES_OK
        self.status = number

    def check_places(self) -> None:
        """The queue is where the driver's memory is."""
        found = [self.word(low) | self.word(low + 4) << 32 for low in (0x80, 0x90, 0xA0)]
        rings = self.places[1]
        assert found == [self.places[0], rings, rings + int(lang.offset_of(Rings, "used_flags"))]

    @property
    def events(self) -> bool:
        return bool(self.accepted & mmio.EVENT_INDEX)

    # --- the queue ----------------------------------------------------------------------------------------------------

    def chains(self) -> Iterator[Chain]:
        """What was handed over since it was last asked for; it asks to be notified of more."""
        if not (self.ready and self.status & mmio.DRIVER_OK):
            return
        index = int(self.rings.available_index.number)
        assert (index - self.seen) % WRAP <= self.size, "more chains than descriptors"
        while self.seen != index:
            head = int(self.rings.available[lang.usize(self.seen % self.size)].number)
            self.seen = (self.seen + 1) % WRAP
            yield self.chain(head)
        if self.events:
            self.rings.used[lang.usize(self.size)].head = lang.u32(self.seen)

    def chain(self, head: int) -> Chain:
        reads: list[tuple[int, int]] = []
        writes: list[tuple[int, int]] = []
        index = head
        for _ in range(self.size):
            entry = self.descriptors.entries[lang.usize(index)]
            flags, part = int(entry.flags), (int(entry.address), int(entry.length))
            if flags & WRITE:
                writes.append(part)
            else:
                assert not writes, "what the device reads comes first (2.7.4.2)"
                reads.append(part)
            if not flags & NEXT:
                return Chain(head, tuple(reads), tuple(writes))
            index = int(entry.next)
        raise AssertionError("a chain that goes in a circle")

    def read(self, chain: Chain) -> bytes:
        return b"".join(self.bus.read(*part) for part in chain.reads)

    def finish(self, chain: Chain, data: bytes, length: int | None = None) -> None:
        """Write `data` where the chain has room for it, and hand the chain back."""
        left = data
        for address, room in chain.writes:
            self.bus.write(address, left[:room])
            left = left[room:]
        assert not left, "the device writes beyond the chain"
        self.give_back(chain.head, len(data) if length is None else length)

    def give_back(self, head: int, length: int) -> None:
        """An entry of the used ring, whatever it says; the driver is interrupted if it wants to."""
        entry = self.rings.used[lang.usize(self.used % self.size)]
        entry.head, entry.length = lang.u32(head), lang.u32(length)
        before, self.used = self.used, (self.used + 1) % WRAP
        self.rings.used_index.number = lang.u16(self.used)
        if self.events:
            wanted = int(self.rings.available[lang.usize(self.size)].number)
            if wanted == before:
                self.interrupts |= int(mmio.USED)
        elif not int(self.rings.available_flags.number) & SILENT:
            self.interrupts |= int(mmio.USED)


class RandomDevice(Device):
    """Section 5.4: gives what it is told to."""

    def __init__(self, bus: Bus, data: bytes = b"", most: int = 8, features: int = 0) -> None:
        super().__init__(bus, 4, features, most)
        self.data = data
        self.given = bytearray()

    def work(self, most: int = 1 << 16) -> None:
        for chain in self.chains():
            part, self.data = self.data[: min(chain.room, most)], self.data[min(chain.room, most) :]
            self.given += part
            self.finish(chain, part)


class Disk(Device):
    """Section 5.2, with all that `neokernel/drivers/virtio/block.py` knows of."""

    def __init__(self, bus: Bus, sectors: int, *, without: int = 0, most: int = SIZE, block: int = 512) -> None:
        super().__init__(bus, int(BLOCK), (int(WANTED) | int(mmio.EVENT_INDEX)) & ~int(READ_ONLY) & ~without, most)
        self.content = bytearray(sectors * 512)
        self.config = bytearray(60)
        self.configure(0, sectors, 8)
        self.configure(8, PAGE, 4)
        self.configure(12, most - 2, 4)
        self.configure(20, block, 4)
        self.configure(36, 64, 4)
        self.configure(48, 32, 4)
        self.flushes = 0

    def configure(self, place: int, number: int, size: int) -> None:
        self.config[place : place + size] = number.to_bytes(size, "little")

    def work(self) -> None:
        """Do all that was handed over, in order."""
        for chain in self.chains():
            self.perform(chain)

    def perform(self, chain: Chain) -> None:
        parts = chain.reads + chain.writes
        assert max(length for _, length in parts) <= int.from_bytes(self.config[8:12], "little"), "a segment too large"
        asked = self.read(chain)
        kind, sector = int.from_bytes(asked[:4], "little"), int.from_bytes(asked[8:16], "little")
        data = self.answer_to(kind, sector, asked[16:], chain.room - 1)
        self.finish(chain, bytes(chain.room - 1) + b"\x01" if data is None else data + b"\0")

    def answer_to(self, kind: int, sector: int, rest: bytes, room: int) -> bytes | None:
        """What the driver gets before the status; None if it can't be done."""
        if kind in (11, 13):
            sector, count = int.from_bytes(rest[:8], "little"), int.from_bytes(rest[8:12], "little")
            rest = bytes(count * 512)
        place = sector * 512
        if place + max(len(rest), room) > len(self.content):
            return None
        match kind:
            case 0:
                return bytes(self.content[place : place + room])
            case 1 | 11 | 13:
                self.content[place : place + len(rest)] = rest
            case 4:
                self.flushes += 1
        return b""
