"""A client's side of a network device: its rings, and frames and buffers of 2 KiB each, in one region of 256 KiB.

    device: Uses[NetworkDevice] = uses(lend=REGION)
    frames = Frames(region=whole, sends=…, buffers=…, events=…)     # a `Ring` each, in the part that is named below
    frames.open(process, slot_of(device), mine, 0)      # again after the driver's end; what was under way is lost

    place = frames.frame()                              # None: all are under way
    frames.send(place, length)
    frames.flush()                                      # once for as many as there are

    came = frames.next()                                # None: nothing now
    … frames.bytes(came.place, came.length) …
    frames.give_back(came.place)

Invariants:
- A place is with the driver, or its user's, or spare; each is in one of these.
- What events say is read once, and held against the region's size: a driver that lies makes an event nothing.
"""

from __future__ import annotations

from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.network import (
    RECEIVED,
    REFUSED,
    SENT,
    Buffer,
    Event,
    NetworkDevice,
    NoRings,
    Send,
)
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    Uses,
    array,
    copy,
    struct,
    u8,
    u16,
    u32,
    u64,
    uses,
    usize,
    value,
)
from neokernel.runtime import system
from neokernel.runtime.lend import Lent
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.queue import Queue as Fifo
from neokernel.runtime.ring import Broken, Ring
from neokernel.runtime.system import Failure

#: bytes of a ring before its slots
LINES = 128
#: bytes of the region, and where in it the rings are: so many bytes each, and after them all places
REGION = 256 << 10
SENDS_AT = 0
SENDS_SIZE = LINES + 64 * 16
BUFFERS_AT = SENDS_AT + SENDS_SIZE
BUFFERS_SIZE = LINES + 64 * 8
EVENTS_AT = BUFFERS_AT + BUFFERS_SIZE
EVENTS_SIZE = LINES + 256 * 16
PLACES_AT = 8192
#: bytes of each place; the first ones are for what comes, the others for what is sent
PLACE = 2048
BUFFERS = 64
FRAMES = (REGION - PLACES_AT) // PLACE - BUFFERS
#: where in its place a buffer begins, and a frame to be sent: frames are six bytes behind a multiple of eight, so that
#: headers of IP and all behind them are aligned; both may begin some bytes later, fewer than LATER
BUFFER_AT = 2
FRAME_AT = 6
LATER = 64
#: buffers that are given back at a time
BATCH = 16

assert EVENTS_AT + EVENTS_SIZE <= PLACES_AT and FRAMES <= 64, "everything has its place, and each frame a slot"


@value
class News:
    """What has happened: `kind` as in `Event`. Of frames that were sent nobody is told."""

    kind: u16
    flags: u16
    place: u32
    length: u32
    left: u16
    segment: u16


@struct
class Frames:
    """`open` comes first."""

    region: Lent
    sends: Embedded[Ring[Send]]
    buffers: Embedded[Ring[Buffer]]
    events: Embedded[Ring[Event]]
    #: whom to wake; 0: nobody has opened the device
    wake: u64 = 0
    spare: Embedded[Fifo[u32]] = Fifo(slots=array(FRAMES))
    #: slots that were filled or read, and not handed over
    to_send: u32 = 0
    to_give: u32 = 0
    seen: u32 = 0
    #: so many bytes later begin buffers that are given back: an even number below LATER
    shift: u32 = 0
    #: frames that the driver wouldn't send
    refused: u64 = 0
    #: the driver couldn't be woken: it has ended, or begun a new life
    gone: bool = False

    def open(self, process: Process, slot: u64, mine: u64, wanted: u32) -> NoRings | Failure | None:
        """Have the device, anew. `mine`: the notification that is signalled for events."""
        if self.wake != 0:
            _ = process.drop(self.wake)
            self.wake = 0
        device: Uses[NetworkDevice] = uses(slot)
        own = process.derive(mine, SIGNAL)
        if isinstance(own, Failure):
            return own
        sends, buffers = self.region.part(SENDS_AT, SENDS_SIZE), self.region.part(BUFFERS_AT, BUFFERS_SIZE)
        events = self.region.part(EVENTS_AT, EVENTS_SIZE)
        nothing: Array[u8] = array(LINES)
        copy(sends.span()[:LINES], nothing[:].bytes())
        copy(buffers.span()[:LINES], nothing[:].bytes())
        copy(events.span()[:LINES], nothing[:].bytes())
        opened = device.open(sends, buffers, events, Notification(own), wanted)
        if isinstance(opened, NoRings | Failure):
            if process.slots().is_taken(own):
                _ = process.drop(own)
            return opened
        self.wake, self.gone = opened.slot, False
        ours = self.sends.attach() is None and self.buffers.attach() is None and self.events.attach() is None
        assert ours, "rings of zeroes"
        self.to_send, self.to_give, self.seen = 0, 0, 0
        while self.spare.pop() is not None:
            pass
        for number in range(FRAMES):
            _ = self.spare.push(PLACES_AT + (BUFFERS + u32(number)) * PLACE + FRAME_AT)
        for number in range(BUFFERS):
            self.give_back(PLACES_AT + u32(number) * PLACE)
        return None

    def bytes(self, place: u32, length: u32) -> Span[u8]:
        """Of a frame; the device, or the driver, may still change them: copy, and look at the copy."""
        return self.region.part(usize(place), usize(length)).span()

    # --- to be sent ---------------------------------------------------------------------------------------------------

    def frame(self) -> u32 | None:
        """Room for a frame that is to be sent."""
        return self.spare.pop()

    def keep(self, place: u32) -> None:
        """Of what `frame` gave: it isn't needed."""
        _ = self.spare.push(place)

    def send(self, place: u32, length: u32, checksum_start: u16 = 0, checksum_place: u16 = 0) -> None:
        """Of what `frame` gave, or some bytes later; `flush` hands it over. Checksums as in `Send`.

        (There are as many slots as frames.)
        """
        free = self.sends.available(self.to_send + 1)
        if isinstance(free, Broken) or free <= self.to_send:
            self.has_sent(place)
            return
        slot = self.sends.slot(self.to_send)
        slot.place, slot.length = place, length
        slot.checksum_start, slot.checksum_place, slot.segment, slot.header = checksum_start, checksum_place, 0, 0
        self.to_send += 1

    def flush(self) -> None:
        """Let the driver have all that was filled."""
        count, self.to_send = self.to_send, 0
        if count != 0 and self.sends.advance(count):
            self.signal()

    # --- what comes ---------------------------------------------------------------------------------------------------

    def next(self) -> News | None:
        """The oldest event that is for the client; what was sent is spare again."""
        for _ in range(2 * FRAMES):
            found = self.events.available(self.seen + 1)
            if isinstance(found, Broken) or found <= self.seen:
                break
            slot = self.events.slot(self.seen)
            self.seen += 1
            kind, place, length = slot.kind, slot.place, slot.length
            if kind in (SENT, REFUSED):
                self.refused += 1 if kind == REFUSED else 0
                self.has_sent(place)
            elif kind != RECEIVED or u64(place) + u64(length) <= REGION:
                return News(kind, slot.flags, place, length, slot.left, slot.segment)
        self.hand_back()
        return None

    def has_sent(self, place: u32) -> None:
        if place >= PLACES_AT + BUFFERS * PLACE and usize(place) < REGION and FRAME_AT <= place % PLACE < LATER:
            _ = self.spare.push(place - place % PLACE + FRAME_AT)

    def hand_back(self) -> None:
        """The slots of events that were read are the driver's again."""
        count, self.seen = self.seen, 0
        if count != 0 and self.events.advance(count):
            self.signal()

    def give_back(self, place: u32) -> None:
        """The buffer of which this is a part can be filled again; many are handed over at a time."""
        number = min((place - PLACES_AT) // PLACE, BUFFERS - 1) if place >= PLACES_AT else 0
        free = self.buffers.available(self.to_give + 1)
        if isinstance(free, Broken) or free <= self.to_give:
            return
        slot = self.buffers.slot(self.to_give)
        begin = BUFFER_AT + self.shift
        slot.place, slot.length = PLACES_AT + number * PLACE + begin, PLACE - begin
        self.to_give += 1
        if self.to_give == BATCH:
            self.to_give = 0
            if self.buffers.advance(BATCH):
                self.signal()

    def signal(self) -> None:
        """Wake the driver."""
        if system.signal(self.wake) is not None:
            self.gone = True

    def is_sending(self) -> bool:
        """Has the driver frames that it hasn't given back?"""
        return len(self.spare) < FRAMES

    def may_sleep(self) -> bool:
        """Ask to be signalled for the next event. False: there is one."""
        found = self.events.may_sleep(1)
        return isinstance(found, Broken) or found
