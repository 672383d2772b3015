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


class Side:
    """A queue as the device has it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.descriptors: Any = Descriptors()
        self.rings: Any = Rings()
        #: where the driver says that they are
        self.places = (bus.address(), bus.address())
        #: the registers that say so
        self.said = bytearray(0x100)
        self.size = 0
        self.ready = False
        self.seen = 0
        self.used = 0

    def reset(self) -> None:
        self.ready, self.size, self.seen, self.used = False, 0, 0, 0

    def check_places(self) -> None:
        """The queue is where the driver's memory is."""
        found = [int.from_bytes(self.said[low : low + 8], "little") for low in (0x80, 0x90, 0xA0)]
        rings = self.places[1]
        assert found == [self.places[0], rings, rings + int(lang.offset_of(Rings, "used_flags"))]

    def chains(self, events: bool) -> Iterator[Chain]:
        """What was handed over since it was last asked for; it asks to be notified of more."""
        index = int(self.rings.available_index.number)
        assert (index - self.seen) % WRAP <= self.size, "more chains than descriptors"
        while self.seen != index:
            head = int(self.rings.available[lang.usize(self.seen % self.size)].number)
            self.seen = (self.seen + 1) % WRAP
            yield self.chain(head)
        if events:
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

    def give_back(self, head: int, length: int, events: bool) -> bool:
        """An entry of the used ring, whatever it says. True: the driver wants to be interrupted."""
        entry = self.rings.used[lang.usize(self.used % self.size)]
        entry.head, entry.length = lang.u32(head), lang.u32(length)
        before, self.used = self.used, (self.used + 1) % WRAP
        self.rings.used_index.number = lang.u16(self.used)
        if events:
            return int(self.rings.available[lang.usize(self.size)].number) == before
        return not int(self.rings.available_flags.number) & SILENT


class Device:
    """Registers that behave, and queues; what has one queue only has its parts by their names."""

    def __init__(
        self, bus: Bus, kind: int, features: int = 0, most: int = SIZE, config: bytes = b"", queues: int = 1
    ) -> None:
        self.bus = bus
        self.kind = kind
        self.offered = features | mmio.VERSION_1
        self.most = most
        self.config = bytearray(config)
        self.sides = [Side(bus) for _ in range(queues)]
        self.registers = bytearray(0x100)
        self.status = 0
        self.resets = 0
        self.accepted = 0
        self.interrupts = 0
        self.generation = 0
        #: notifications, and of which queues
        self.notified = 0
        self.bells: set[int] = set()
        #: answers to reads of a register that aren't its own: (offset, value)
        self.lies: dict[int, deque[int]] = {}
        self.accesses = 0

    descriptors = property(lambda self: self.sides[0].descriptors)
    rings = property(lambda self: self.sides[0].rings)
    places = property(lambda self: self.sides[0].places)

    @property
    def size(self) -> int:
        return self.sides[0].size

    @property
    def ready(self) -> bool:
        return self.sides[0].ready

    @property
    def side(self) -> Side | None:
        """The queue that is selected, if there is one."""
        selected = self.word(0x30)
        return self.sides[selected] if selected < len(self.sides) else None

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
                return self.most if self.side is not None else 0
            case 0x44:
                return int(self.side is not None and self.side.ready)
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
            case 0x38 | 0x44 | 0x80 | 0x84 | 0x90 | 0x94 | 0xA0 | 0xA4:
                self.set_queue(offset, number)
            case 0x50:
                assert self.status & mmio.DRIVER_OK, "no notification before DRIVER_OK (3.1.1)"
                self.notified += 1
                self.bells.add(number)
            case 0x64:
                self.interrupts &= ~number
            case 0x70:
                self.set_status(number)

    def set_queue(self, offset: int, number: int) -> None:
        side = self.side
        assert side is not None, "a queue that isn't there"
        if offset == 0x38:
            side.size = number
        elif offset == 0x44:
            assert self.status & mmio.DRIVER_OK == 0, "queues come before DRIVER_OK (3.1.1)"
            side.check_places()
            side.ready = bool(number)
        else:
            side.said[offset : offset + 4] = number.to_bytes(4, "little")

    def set_status(self, number: int) -> None:
        if number == 0:
            self.resets += 1
            self.accepted = self.interrupts = 0
            for side in self.sides:
                side.reset()
        if number & mmio.FEATURES_OK and self.accepted & ~self.offered:
            number &= ~mmio.FEATURES_OK
        self.status = number

    @property
    def events(self) -> bool:
        return bool(self.accepted & mmio.EVENT_INDEX)

    # --- queues -------------------------------------------------------------------------------------------------------

    def chains(self, queue: int = 0) -> Iterator[Chain]:
        """What was handed over since it was last asked for."""
        if self.sides[queue].ready and self.status & mmio.DRIVER_OK:
            yield from self.sides[queue].chains(self.events)

    def read(self, chain: Chain) -> bytes:
        return b"".join(self.bus.read(*part) for part in chain.reads)

    def finish(self, chain: Chain, data: bytes, length: int | None = None, queue: int = 0) -> None:
        """Write `data` where the chain has room for it, and hand the chain back."""
        left = data
        for address, room in chain.writes:
            self.bus.write(address, left[:room])
            left = left[room:]
        assert not left, "the device writes beyond the chain"
        self.give_back(chain.head, len(data) if length is None else length, queue)

    def give_back(self, head: int, length: int, queue: int = 0) -> None:
        """An entry of the used ring, whatever it says; the driver is interrupted if it wants to."""
        if self.sides[queue].give_back(head, length, self.events):
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


class Ports(Device):
    """Section 5.3 with ports, as QEMU has it: what each side of a port says is seen by the other one."""

    def __init__(self, bus: Bus, names: dict[int, bytes], most: int = 8, features: int = 2) -> None:
        super().__init__(bus, 3, features | int(mmio.EVENT_INDEX), 32, bytes(4) + most.to_bytes(4, "little"), 12)
        self.names = names
        #: by the port's number: is the host's side open, is the driver's; bytes for the driver, and of it
        self.host = dict.fromkeys(names, False)
        self.guest = dict.fromkeys(names, False)
        self.to_send = dict.fromkeys(names, b"")
        self.received = {number: bytearray() for number in names}
        #: does somebody on the host take what the driver sends?
        self.taking = dict.fromkeys(names, True)
        self.buffers: dict[int, deque[Chain]] = {queue: deque() for queue in range(12)}
        self.waiting: deque[bytes] = deque()
        self.said: list[tuple[int, int, int]] = []
        self.failed: list[int] = []

    def set_status(self, number: int) -> None:
        super().set_status(number)
        if number == 0:
            self.waiting.clear()
            for found in self.buffers.values():
                found.clear()
            self.guest = dict.fromkeys(self.names, False)

    def say(self, port: int, event: int, value: int, rest: bytes = b"") -> None:
        message = port.to_bytes(4, "little") + event.to_bytes(2, "little") + value.to_bytes(2, "little") + rest
        self.waiting.append(message)

    def connect(self, port: int) -> None:
        self.host[port] = True
        self.say(port, 6, 1)

    def disconnect(self, port: int) -> None:
        self.host[port] = False
        self.to_send[port] = b""
        # The one that it was about to carry it forgets.
        for chain in list(self.chains(3 + 2 * port))[1:]:
            self.give_back(chain.head, 0, 3 + 2 * port)
        self.say(port, 6, 0)

    def work(self) -> None:
        for chain in self.chains(3):
            self.heed(self.read(chain))
            self.give_back(chain.head, 0, 3)
        for queue in (2, *(2 + 2 * port for port in self.names)):
            self.buffers[queue].extend(self.chains(queue))
        while self.waiting and self.buffers[2]:
            self.finish(self.buffers[2].popleft(), self.waiting.popleft(), queue=2)
        for port in self.names:
            self.carry(port)

    def carry(self, port: int) -> None:
        """Bytes, both ways."""
        into = self.buffers[2 + 2 * port]
        while self.guest[port] and self.to_send[port] and into:
            chain = into.popleft()
            part, self.to_send[port] = self.to_send[port][: chain.room], self.to_send[port][chain.room :]
            self.finish(chain, part, queue=2 + 2 * port)
        if self.taking[port] or not self.host[port]:
            for chain in self.chains(3 + 2 * port):
                if self.host[port]:
                    self.received[port] += self.read(chain)
                self.give_back(chain.head, 0, 3 + 2 * port)

    def heed(self, message: bytes) -> None:
        port, event, value = (
            int.from_bytes(message[:4], "little"),
            int.from_bytes(message[4:6], "little"),
            int.from_bytes(message[6:8], "little"),
        )
        self.said.append((port, event, value))
        if event == 0 and value:
            for number in self.names:
                self.say(number, 1, 1)
        elif event == 3 and not value:
            self.failed.append(port)
        elif port not in self.names:
            # A broken device told of it, and the driver believed it: QEMU reports the number and goes on.
            return
        elif event == 3:
            self.say(port, 7, 1, self.names[port] + b"\0")
            if self.host[port]:
                self.say(port, 6, 1)
        elif event == 6:
            self.guest[port] = bool(value)


class Card(Device):
    """Section 5.1: a network device whose other end is the test."""

    def __init__(self, bus: Bus, features: int, *, most: int = SIZE, mtu: int = 1500) -> None:
        config = bytes.fromhex("525400123456") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
        config += mtu.to_bytes(2, "little")
        super().__init__(bus, 1, features | int(mmio.EVENT_INDEX), most, config, 2)
        #: frames that were sent, each behind its header
        self.sent: list[tuple[bytes, bytes]] = []
        self.buffers: deque[Chain] = deque()

    def set_status(self, number: int) -> None:
        super().set_status(number)
        if number == 0:
            self.buffers.clear()

    def work(self) -> None:
        """Send what was handed over."""
        for chain in self.chains(1):
            data = self.read(chain)
            self.sent.append((data[:12], data[12:]))
            self.give_back(chain.head, 0, 1)
        self.buffers.extend(self.chains(0))

    def bring(
        self, frame: bytes, *, flags: int = 0, kind: int = 0, segment: int = 0, buffers: int | None = None
    ) -> None:
        """A frame, in as many buffers as it takes, or says that it does."""
        self.buffers.extend(self.chains(0))
        parts: list[tuple[Chain, bytes]] = []
        left = bytes(12) + frame
        while left:
            chain = self.buffers.popleft()
            parts.append((chain, left[: chain.room]))
            left = left[chain.room :]
        count = len(parts) if buffers is None else buffers
        header = (
            bytes((flags, kind)) + bytes(2) + segment.to_bytes(2, "little") + bytes(4) + count.to_bytes(2, "little")
        )
        for number, (chain, part) in enumerate(parts):
            self.finish(chain, header + part[12:] if number == 0 else part)
