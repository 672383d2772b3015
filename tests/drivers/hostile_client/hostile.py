"""A client that misuses its network card in one way after the other; each time it has the device anew.

It is more urgent than the driver: whatever it does lies there as a whole before the driver sees any of it, and what the
device writes can be changed before the driver reads it.
"""

from __future__ import annotations

from attack import Attack

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.drivers.virtio.network import Header
from neokernel.interfaces.clients.frames import (
    BUFFERS_AT,
    BUFFERS_SIZE,
    EVENTS_AT,
    EVENTS_SIZE,
    REGION,
    SENDS_AT,
    SENDS_SIZE,
)
from neokernel.interfaces.network import NetworkDevice, NoRings, buffer_slots, send_slots
from neokernel.lang import (
    Array,
    Order,
    Provides,
    Uses,
    array,
    provides,
    slot_of,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    uses,
    usize,
    wire_view,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.post import line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Line
from neokernel.runtime.system import Failure

device: Uses[NetworkDevice] = uses(lend=REGION)
attack: Provides[Attack] = provides()

#: where frames are, beyond the rings
DATA: u32 = 8192
ROUNDS: u32 = 40


@struct
class Hostile:
    """Handles `Attack`."""

    process: Process
    whole: Lent
    mine: u64
    #: whom to signal for the rings
    wake: u64 = 0
    random: u64 = 7
    tried: u32 = 0

    def attack(self, way: u32) -> u32:
        self.tried = 0
        match way:
            case 0:
                self.wrong_parts()
            case 1:
                self.open(0)
                self.wrong_frames()
            case 2:
                self.open(15)
                self.wrong_frames()
            case 3:
                self.open(15)
                self.wrong_buffers()
            case 4:
                self.wrong_indices()
            case 5:
                self.noise()
            case 6:
                self.open(0)
                self.never_take()
            case 7:
                self.open(15)
                self.wrong_headers()
            case 8:
                self.wrong_calls()
            case 9:
                self.open(0)
                self.wrong_frames()
                # Who is to be woken has gone.
                _ = self.process.drop(self.mine)
                self.mine = must_get(self.process.make(Kind.NOTIFICATION))
                self.flood()
            case 10:
                for _ in range(ROUNDS):
                    self.open(truncate(u32, self.next()))
            case 11:
                self.few_events()
            case _:
                self.open(0)
                self.wrong_frames()
                # The client ends in the middle of its caller's call, with frames and buffers at the device.
                self.process.exit(1)
        return self.tried

    def next(self) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return self.random >> 16

    def odd(self) -> u32:
        """A length or a place that can't be, or can only just; or any."""
        number = self.next()
        edges: Array[u32] = array(8)
        edges[0], edges[1], edges[2], edges[3] = 13, 1519, 1535, 4097
        edges[4], edges[5], edges[6], edges[7] = 65_551, 0x3_FFFF, 0x4_0001, 0xFFFF_FFFF
        near = edges[usize(number % 8)] - truncate(u32, number >> 8 & 1)
        return near if number >> 16 & 3 != 0 else truncate(u32, number >> 10)

    def part(self, at: usize, size: usize) -> Lent:
        return self.whole.part(at, size)

    def sends(self) -> Lent:
        return self.part(SENDS_AT, SENDS_SIZE)

    def buffers(self) -> Lent:
        return self.part(BUFFERS_AT, BUFFERS_SIZE)

    def events(self) -> Lent:
        return self.part(EVENTS_AT, EVENTS_SIZE)

    # --- opening ------------------------------------------------------------------------------------------------------

    def open(self, wanted: u32) -> None:
        """As it should be."""
        for line in range(usize(2)):
            clear(self.sends(), line)
            clear(self.buffers(), line)
            clear(self.events(), line)
        self.tell(self.sends(), self.buffers(), self.events(), wanted)
        assert self.wake != 0, "a device that can be had"

    def tell(self, sends: Lent, buffers: Lent, events: Lent, wanted: u32) -> None:
        """`open`, with parts of any kind."""
        if self.wake != 0:
            _ = self.process.drop(self.wake)
            self.wake = 0
        own = must_get(self.process.derive(self.mine, SIGNAL))
        opened = device.open(sends, buffers, events, Notification(own), wanted)
        if isinstance(opened, NoRings | Failure):
            if self.process.slots().is_taken(own):
                _ = self.process.drop(own)
        else:
            self.wake = opened.slot
        self.tried += 1

    def wrong_parts(self) -> None:
        for number in range(ROUNDS):
            place = self.whole.address + (self.next() % 4096 if number % 2 == 0 else self.next() % 64 * 64)
            size = usize(self.next() % 600)
            self.tell(Lent(place, size), self.buffers(), self.events(), 0)
            self.tell(self.sends(), Lent(place, size), self.events(), 15)
            # Rings in one place, and outside of what is lent.
            self.tell(self.sends(), self.sends(), self.sends(), 0)
            self.tell(self.sends(), self.buffers(), Lent(self.whole.address + REGION - 64, 4096), 0)
            self.tell(Lent(self.whole.address, 1 << 40), self.buffers(), self.events(), 0)
            self.scribble()
            self.flood()

    # --- rings --------------------------------------------------------------------------------------------------------

    def wrong_frames(self) -> None:
        """Lengths, places and wishes that can't be, among some that can."""
        slots, line = send_slots(self.sends()), line_of(self.sends(), 0)
        index: u32 = 0
        for _ in range(ROUNDS):
            for _ in range(16):
                slot = slots[usize(index) & (len(slots) - 1)]
                good = self.next() % 4 == 0
                slot.place, slot.length = DATA if good else self.odd(), u32(60) if good else self.odd()
                slot.checksum_start, slot.checksum_place = self.small(), self.small()
                slot.segment, slot.header = self.small(), self.small()
                index += 1
                self.tried += 1
            line.index.store(index, Order.RELEASE)
            self.let_it_run()
            self.take_events()

    def small(self) -> u16:
        number = self.next()
        return 0 if number % 3 == 0 else truncate(u16, number >> 8)

    def wrong_buffers(self) -> None:
        """Also over the rings, which frames that come then lie in."""
        slots, line = buffer_slots(self.buffers()), line_of(self.buffers(), 0)
        index: u32 = 0
        for _ in range(ROUNDS):
            for _ in range(16):
                slot = slots[usize(index) & (len(slots) - 1)]
                slot.place = truncate(u32, self.next() % 4096) if self.next() % 4 == 0 else self.odd()
                slot.length = u32(2046) if self.next() % 2 == 0 else self.odd()
                index += 1
                self.tried += 1
            line.index.store(index, Order.RELEASE)
            self.send(4)
            self.let_it_run()
            self.take_events()

    def wrong_indices(self) -> None:
        """Each session's first lie ends it."""
        for number in range(ROUNDS):
            self.open(0)
            self.send(2)
            self.let_it_run()
            which = number % 3
            part = self.sends() if which == 0 else self.buffers() if which == 1 else self.events()
            line = line_of(part, 1 if which == 2 else 0)
            line.index.store(self.odd(), Order.RELEASE)
            self.flood()
            self.tried += 1

    def noise(self) -> None:
        """Anything in the lines and the slots of all rings, again and again."""
        for _ in range(ROUNDS):
            self.open(15)
            for _ in range(8):
                self.scribble()
                self.flood()
                self.tried += 1

    def scribble(self) -> None:
        words = self.part(0, usize(DATA)).span()
        for _ in range(200):
            words[usize(self.next() % u64(DATA))] = truncate(u8, self.next())

    def never_take(self) -> None:
        """No event is ever taken: sooner or later there is no room for more."""
        for number in range(u32(600)):
            # What the driver hasn't taken yet is overwritten.
            self.send(1)
            self.tried += 1
            if number % 8 == 0:
                self.let_it_run()

    def few_events(self) -> None:
        """A ring of events of which buffers could take all is refused, or they leave some for frames."""
        self.tell(self.sends(), self.buffers(), self.part(EVENTS_AT, EVENTS_SIZE - (256 - 16) * 16), 0)
        assert self.wake == 0, "it was refused"
        for line in range(usize(2)):
            clear(self.sends(), line)
            clear(self.buffers(), line)
            clear(self.events(), line)
        self.tell(self.sends(), self.buffers(), self.part(EVENTS_AT, EVENTS_SIZE - (256 - 32) * 16), 0)
        slots, given, taken = buffer_slots(self.buffers()), line_of(self.buffers(), 0), line_of(self.buffers(), 1)
        sent = line_of(self.sends(), 1)
        for number in range(u32(64)):
            slot = slots[usize(number)]
            slot.place, slot.length = DATA + 2048 * (number + 1) + 2, 2046
        given.index.store(64, Order.RELEASE)
        self.let_it_run_until(taken, 14)
        self.let_it_run()
        assert taken.index.load(Order.ACQUIRE) == 14, "18 are left of 32"
        for number in range(ROUNDS):
            self.send(1)
            self.let_it_run_until(sent, number + 1)
            self.take_events()
            self.tried += 1
        assert sent.index.load(Order.ACQUIRE) == ROUNDS, "frames are taken, one by one"

    def wrong_headers(self) -> None:
        """What the device says before each frame that came is changed before the driver reads it."""
        slots, line = buffer_slots(self.buffers()), line_of(self.buffers(), 0)
        for number in range(u32(32)):
            slot = slots[usize(number)]
            slot.place, slot.length = DATA + 2048 * (number + 1) + 2, 2046
        line.index.store(32, Order.RELEASE)
        for number in range(u32(32)):
            header = wire_view(Header, self.part(usize(DATA + 2048 * (number + 1) + 2), 12).span())
            header.buffers = 0
        self.send(16)
        self.let_it_run()
        # Nobody less urgent runs meanwhile.
        for _ in range(20_000):
            for number in range(u32(32)):
                header = wire_view(Header, self.part(usize(DATA + 2048 * (number + 1) + 2), 12).span())
                if header.buffers != 0:
                    header.buffers, header.kind, header.flags = 0xFFFF, 0xFF, 0xFF
                    header.buffers = 0
                    self.tried += 1
        self.let_it_run()

    def send(self, count: u32) -> None:
        """Frames that are as they should be, by the first slots of a ring that is new."""
        slots, line = send_slots(self.sends()), line_of(self.sends(), 0)
        index = line.index.load(Order.RELAXED)
        for _ in range(count):
            slot = slots[usize(index) & (len(slots) - 1)]
            slot.place, slot.length = DATA, 1000
            slot.checksum_start, slot.checksum_place, slot.segment, slot.header = 0, 0, 0, 0
            index = wrapping_add(index, 1)
        line.index.store(index, Order.RELEASE)

    def take_events(self) -> None:
        """All that there are, whatever they say."""
        events = self.events()
        theirs, ours = line_of(events, 0), line_of(events, 1)
        ours.index.store(theirs.index.load(Order.ACQUIRE), Order.RELEASE)

    def let_it_run(self) -> None:
        """The driver, which is less urgent: for a fifth of a millisecond."""
        self.flood()
        _ = system.wait(self.mine, system.now() + self.process.frequency // 5000)

    def let_it_run_until(self, line: Line, index: u32) -> None:
        """Where the host is busy, that is too short."""
        for _ in range(10_000):
            if line.index.load(Order.ACQUIRE) == index:
                return
            self.let_it_run()

    def flood(self) -> None:
        for _ in range(4):
            if self.wake != 0:
                _ = system.signal(self.wake)

    # --- calls --------------------------------------------------------------------------------------------------------

    def wrong_calls(self) -> None:
        """Messages of all shapes, to the driver itself."""
        for number in range(u64(400)):
            length = self.next() % 40
            _ = system.call(slot_of(device), message(self.next() & 0xFFFF_FFFF, length), number, self.next())
            _ = system.call(slot_of(device), message(number % 4, length), self.next(), self.next(), number)
            self.tried += 2


def clear(part: Lent, number: usize) -> None:
    line = line_of(part, number)
    line.index.store(0, Order.RELAXED)
    line.wake_at.store(0, Order.RELAXED)


def main(process: Process) -> None:
    hostile = Hostile(process=process, whole=region(slot_of(device)), mine=must_get(process.make(Kind.NOTIFICATION)))
    process.ready()
    failure = attack.serve(process, hostile)
    process.exit(u64(failure.status.value))
