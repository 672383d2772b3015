"""Network devices: Ethernet frames, both ways, in memory that the client lends its driver, which copies none of it.

    device: Uses[NetworkDevice] = uses(lend=256 << 10)
    wake = device.open(sends, buffers, events, mine, CHECKSUM)      # three parts of the region: rings; whom to wake

Three rings (`runtime/ring.py`), each in a part of the client's region, of as many slots as fit, a power of two:

| ring | from | slot |
|---|---|---|
| sends | the client | a frame that is to be sent, and what the device is to do to it |
| buffers | the client | room for frames: the driver fills it and gives it back with an event |
| events | the driver | a frame was sent, or has come; the link came or went |

Both sides work on as many slots as there are, hand them over at once, and wake the other one if it sleeps. Each part of
the region that was handed over is the client's again when an event says so: `SENT` or `REFUSED` of a frame, `RECEIVED`
of a buffer. Until then the device may read or write it. The driver takes no more than it could give events for, so
there is always room for these; what it doesn't take stays in the client's rings, which is the back-pressure.

**Buffers.** Of a frame that came, the first buffer begins with HEADER bytes that are the device's, and `place` is where
the frame begins. If the device was allowed to join what belongs together (JOIN), a frame may lie in several buffers:
`left` says how many more come, whose bytes begin where they begin. One that has begun may never end: the next one,
which is FIRST, takes its place. A buffer of which nothing was used comes back with `length` 0. Give many back at a
time. The device takes so many that 18 slots of the ring of events are left, no more: so there is always room for
frames to be sent, too.

**Sending.** The driver tells of frames that were sent when it runs anyway, or when several have been: so a client needs
17 to send at least, as it may not be told of the last 16.

**When the driver ends**, what was under way is lost, as frames can be, and the region stays the device's until the next
life has answered `open`: then all of it is the client's, and it supplies buffers anew. A client that waits asks
`describe` now and then, some times a second: a `session` that isn't its own, or 0, says that nobody serves its rings.
(It knows its own by `describe`, before which the driver may have ended already: then it was told 0.) When the driver
resets its device, the client isn't concerned: frames are lost, and told as sent; buffers stay where they are.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import Embedded, Given, Span, interface, size_of, span_at, u16, u32, u64, unsafe, usize, value, wire
from neokernel.runtime.lend import Lent
from neokernel.runtime.objects import Notification
from neokernel.runtime.ring import Line
from neokernel.runtime.system import Failure

unsafe("a ring's slots are in memory that is lent, where this module says")

#: slots of rings at least; of that of events
LEAST_SLOTS = 4
LEAST_EVENTS = 32
#: bytes before a frame in its first buffer
HEADER = 12
#: bytes of room for a frame
LEAST_BUFFER = 1536
MOST_BUFFER = 4096
#: of a frame: without and with `segment`
MOST_FRAME = 1518
MOST_SEGMENTED = 65_550
LEAST_FRAME = 14

#: what devices can do for a client; it says what it wants, and is told what there is
#: compute the checksum of what is sent
CHECKSUM = 1
#: check that of what came (CHECKED), and leave it out between machines that trust one another
CHECK = 2
#: cut what is sent into TCP segments over IPv4
SEGMENT = 4
#: join segments that came
JOIN = 8

#: kinds of events
SENT = 1
REFUSED = 2
RECEIVED = 3
LINK = 4

#: `flags` of RECEIVED: the checksum is right; a frame begins; of LINK: it is there
CHECKED = 1
FIRST = 2
UP = 1


class NoRings(Enum):
    """Why the device wasn't opened."""

    #: a part is too small for a ring of LEAST_SLOTS slots, or LEAST_EVENTS of events, or begins at no multiple of 64
    PARTS = 0


@value
class Description:
    """A device, and who has it."""

    #: its address, the first byte in the lowest bits
    address: u64
    #: bytes of a frame behind its header
    mtu: u16
    #: of CHECKSUM to JOIN
    offloads: u32
    link: bool
    #: a number that is another one after each `open`; 0: nobody has opened it
    session: u64


@wire(registers=True)
class Send:
    """A frame to be sent: where in the region, and how many bytes.

    CHECKSUM: that of the bytes from `checksum_start` on is put `checksum_place` behind that; 0: none. SEGMENT: it is
    cut into pieces of `segment` bytes, each behind the first `header` bytes; 0: it isn't.
    """

    place: u32
    length: u32
    checksum_start: u16
    checksum_place: u16
    segment: u16
    header: u16


@wire(registers=True)
class Buffer:
    """Room for frames: from LEAST_BUFFER to MOST_BUFFER bytes, from an even place on.

    The frame begins HEADER bytes behind that: two bytes behind a multiple of eight let the header of IP be aligned.
    """

    place: u32
    length: u32


@wire(registers=True)
class Event:
    """What happened. `place` and `length`: of a frame that came, or as they were handed over."""

    kind: u16
    flags: u16
    place: u32
    length: u32
    #: RECEIVED: how many more buffers the frame has; bytes of each segment that was joined
    left: u16
    segment: u16


@interface
class NetworkDevice(Protocol):
    """Whoever opens it has it."""

    def open(
        self, sends: Lent, buffers: Lent, events: Lent, wake: Given[Notification], wanted: u32
    ) -> Given[Notification] | NoRings | Failure:
        """Begin anew with these rings, all zeroes; `wake` is signalled for events. Whom to signal for the others."""
        ...

    def describe(self) -> Description | Failure: ...


# --- rings ------------------------------------------------------------------------------------------------------------


def slots_in(part: Lent, size: usize) -> usize:
    """How many slots of so many bytes a ring in this part has: the largest power of two that fits."""
    count: usize = 1
    while count * 2 * size <= part.length - 2 * size_of(Line):
        count *= 2
    return count


def send_slots(part: Lent) -> Span[Embedded[Send]]:
    return span_at(Embedded[Send], part.address + 2 * size_of(Line), slots_in(part, size_of(Send)))


def buffer_slots(part: Lent) -> Span[Embedded[Buffer]]:
    return span_at(Embedded[Buffer], part.address + 2 * size_of(Line), slots_in(part, size_of(Buffer)))


def event_slots(part: Lent) -> Span[Embedded[Event]]:
    return span_at(Embedded[Event], part.address + 2 * size_of(Line), slots_in(part, size_of(Event)))
