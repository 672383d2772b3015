"""A network device (section 5.1): frames to be sent, and room for those that come.

    network.put_frame(token, offload)       # begin a frame; there must be room: `send_room`
    network.frame_part(address, length)     # where it lies on the bus
    network.commit_frame(now)
    network.hand_over()                     # once for as many as there are; buffers likewise

    token = network.next_sent()             # None: there is none
    came = network.next_received()
    meaning = network.read(header, came)    # of a frame's first buffer: what the device says of it

Knows nothing of processes. Tokens are the caller's, of 32 bits each: where in a client's region something lies.

Invariants:
- What the device has is `out` in `sending` or `filling`, by the number in its chain; other numbers are in spare lists.
- What the device says of a frame is read once and within what was agreed on; buffers of one frame are at most as many
  as it had.
- Each call ends after a number of steps that doesn't depend on the device.
"""

from __future__ import annotations

from neokernel.drivers.health import Health
from neokernel.drivers.virtio.mmio import CHANGED, MOST_READS, Problem, Transport
from neokernel.drivers.virtio.queue import SIZE, Broken, Queue
from neokernel.interfaces.network import CHECK, CHECKED, CHECKSUM, HEADER, JOIN, SEGMENT
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    size_of,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wire,
    wire_view,
)
from neokernel.runtime.queue import Queue as Fifo

#: kind of device
NETWORK = 1

#: features (5.1.3)
CSUM = 1 << 0
GUEST_CSUM = 1 << 1
MTU = 1 << 3
MAC = 1 << 5
GUEST_TSO4 = 1 << 7
HOST_TSO4 = 1 << 11
MERGE = 1 << 15
STATUS = 1 << 16
ALWAYS = MTU | MAC | MERGE | STATUS

#: queues: what comes, what is sent
RECEIVE = 0
SEND = 1
#: descriptors of a queue at least: half of them are room for a frame that is cut
LEAST_QUEUE = 64
#: frames with the device at a time: two descriptors each at least
FRAMES = SIZE // 2
#: bytes of the driver's page for each frame's header
SLOT = 32
#: parts on the bus, at most: of a buffer, or a frame that isn't cut; and of one that is
FEW_PARTS = 2
MANY_PARTS = 18

#: flags of a header, and kinds of segmentation (5.1.6)
NEEDS_CHECKSUM = 1
DATA_VALID = 2
NO_SEGMENTS = 0
TCP4 = 1
#: link status (5.1.4)
LINK_UP = 1
#: of Ethernet, if the device doesn't say
USUAL_MTU = 1500
LEAST_MTU = 68

assert FRAMES * SLOT == 4096, "the headers fill a page"


@wire(registers=True)
class Config:
    """Section 5.1.4."""

    address0: u8
    address1: u8
    address2: u8
    address3: u8
    address4: u8
    address5: u8
    status: u16
    pairs: u16
    mtu: u16


@wire(registers=True)
class Header:
    """Section 5.1.6."""

    flags: u8
    kind: u8
    header: u16
    segment: u16
    start: u16
    place: u16
    buffers: u16


assert size_of(Header) == HEADER


@value
class Offload:
    """What the device is to do to a frame; zeroes: nothing."""

    checksum_start: u16 = 0
    checksum_place: u16 = 0
    segment: u16 = 0
    header: u16 = 0


@value
class Came:
    """A buffer that the device has filled. `first`: a frame begins in it."""

    token: u32
    length: u32
    first: bool


@value
class Meaning:
    """What the device says of a frame: how many more buffers it has; flags and segments as the client has them."""

    left: u16
    flags: u16
    segment: u16


@struct
class Placed:
    """A frame or buffer, if the device has it."""

    out: bool = False
    token: u32 = 0
    length: u32 = 0


@struct
class Network:
    """`begin` comes first, and again after `Broken`; then `lost_frame` and `lost_buffer`, or `forget`."""

    transport: Embedded[Transport]
    config: Config
    receive: Embedded[Queue]
    send: Embedded[Queue]
    #: a page of the device's, and where it finds that
    memory: Span[u8]
    headers: u64 = 0
    health: Embedded[Health] = Health()
    #: by the number in a chain
    sending: Array[Embedded[Placed]] = array(FRAMES)
    filling: Array[Embedded[Placed]] = array(SIZE)
    spare_frames: Embedded[Fifo[u8]] = Fifo(slots=array(FRAMES))
    spare_buffers: Embedded[Fifo[u8]] = Fifo(slots=array(SIZE))
    #: the number of the one that is being made
    current: u8 = 0
    #: buffers that the frame which is coming still has
    left: u16 = 0
    address: u64 = 0
    mtu: u16 = USUAL_MTU
    link: bool = True
    #: since when frames are with the device, of which it has sent none since
    since: u64 = 0

    # --- the device ---------------------------------------------------------------------------------------------------

    def begin(self, pages: Span[u64], wanted: u32) -> Problem | None:
        """Set the device up, in whatever state it is: bus addresses of two pages of each queue, and of the headers."""
        problem = self.transport.begin(NETWORK, ALWAYS | features_for(wanted))
        if problem is None:
            problem = self.transport.attach(RECEIVE, self.receive, LEAST_QUEUE, pages[0], pages[1])
        if problem is None:
            problem = self.transport.attach(SEND, self.send, LEAST_QUEUE, pages[2], pages[3])
        if problem is None:
            problem = self.configure()
        if problem is not None:
            return problem
        self.headers = pages[4]
        self.left = 0
        self.refill()
        self.transport.go()
        return None

    def configure(self) -> Problem | None:
        """Read what the device is like: all of it, or nothing, if it changes meanwhile (2.5.1)."""
        config = self.config
        for _ in range(MOST_READS):
            before = self.transport.generation()
            address = u64(config.address0) | u64(config.address1) << 8 | u64(config.address2) << 16
            address |= u64(config.address3) << 24 | u64(config.address4) << 32 | u64(config.address5) << 40
            status = config.status if self.transport.has(STATUS) else LINK_UP
            mtu = config.mtu if self.transport.has(MTU) else USUAL_MTU
            if self.transport.generation() == before:
                if not self.transport.has(MAC) or mtu < LEAST_MTU or address & 1 != 0:
                    return self.transport.give_up(Problem.CONFIGURATION)
                self.address, self.mtu, self.link = address, min(mtu, USUAL_MTU), status & LINK_UP != 0
                return None
        return self.transport.give_up(Problem.CONFIGURATION)

    def offloads(self) -> u32:
        """Of CHECKSUM to JOIN, what was agreed on."""
        found = CHECKSUM if self.transport.has(CSUM) else u32(0)
        found |= CHECK if self.transport.has(GUEST_CSUM) else 0
        # What depends on another feature is nothing without it (5.1.3.1).
        found |= SEGMENT if self.transport.has(HOST_TSO4) and self.transport.has(CSUM) else 0
        joins = self.transport.has(GUEST_TSO4) and self.transport.has(GUEST_CSUM) and self.transport.has(MERGE)
        return found | (JOIN if joins else 0)

    def refill(self) -> None:
        """The device has nothing any more."""
        while self.spare_frames.pop() is not None:
            pass
        while self.spare_buffers.pop() is not None:
            pass
        for number in range(FRAMES):
            _ = self.spare_frames.push(u8(number))
        for number in range(SIZE):
            _ = self.spare_buffers.push(u8(number))

    def forget(self) -> None:
        """What it had before isn't wanted back."""
        for number in range(FRAMES):
            self.sending[number].out = False
        for number in range(SIZE):
            self.filling[number].out = False

    def lost_frame(self, number: usize) -> u32 | None:
        """The token of a frame that the device had before it was begun anew, each once."""
        found = self.sending[number]
        was, found.out = found.out, False
        return found.token if was else None

    def lost_buffer(self, number: usize) -> Came | None:
        """The same of a buffer, with its length; in order, whoever gets them may put each again at once."""
        found = self.filling[number]
        was, found.out = found.out, False
        return Came(found.token, found.length, False) if was else None

    # --- to the device ------------------------------------------------------------------------------------------------

    def send_room(self, parts: u16) -> usize:
        """How many frames of at most so many parts can be put now."""
        return min(usize(self.send.free // (parts + 1)), len(self.spare_frames))

    def receive_room(self) -> usize:
        return min(usize(self.receive.free // FEW_PARTS), len(self.spare_buffers))

    def put_frame(self, token: u32, offload: Offload) -> None:
        """Begin a frame; there is room for it, and what the device is to do was agreed on."""
        number = self.spare_frames.pop()
        assert number is not None, "no room: look at `send_room` before"
        start = usize(number) * SLOT
        header = wire_view(Header, self.memory[start : start + SLOT])
        segmented = offload.segment != 0
        header.flags = u8(NEEDS_CHECKSUM) if offload.checksum_start != 0 else 0
        header.kind = u8(TCP4) if segmented else NO_SEGMENTS
        header.header, header.segment = offload.header, offload.segment
        header.start, header.place = offload.checksum_start, offload.checksum_place
        header.buffers = 0
        self.current = number
        frame = self.sending[usize(number)]
        frame.out, frame.token = True, token
        self.send.add(self.headers + start, HEADER, False)

    def frame_part(self, address: u64, length: u32) -> None:
        self.send.add(address, length, False)

    def commit_frame(self, now: u64) -> None:
        if self.send.in_flight == 0:
            self.since = now
        self.send.close(u32(self.current))

    def put_buffer(self, token: u32, length: u32) -> None:
        """Begin a buffer; there is room for it."""
        number = self.spare_buffers.pop()
        assert number is not None, "no room: look at `receive_room` before"
        self.current = number
        buffer = self.filling[usize(number)]
        buffer.out, buffer.token, buffer.length = True, token, length

    def buffer_part(self, address: u64, length: u32) -> None:
        self.receive.add(address, length, True)

    def commit_buffer(self) -> None:
        self.receive.close(u32(self.current))

    def hand_over(self) -> None:
        """Let the device see what was put."""
        if self.receive.publish():
            self.transport.notify(RECEIVE)
        if self.send.publish():
            self.transport.notify(SEND)

    # --- what the device says -----------------------------------------------------------------------------------------

    def interrupted(self) -> Broken | None:
        """The device has interrupted, or may have."""
        self.health.interrupted()
        if self.transport.interrupted() & CHANGED != 0:
            if self.transport.wants_reset() or self.configure() is not None:
                return Broken.ASKED
        return None

    def next_sent(self, now: u64) -> u32 | Broken | None:
        """The token of a frame that was sent."""
        done = self.send.take()
        if done is None or isinstance(done, Broken):
            return done
        self.health.progress()
        self.since = now
        assert self.spare_frames.push(u8(done.token)) is None, "there are as many places as frames"
        frame = self.sending[usize(done.token)]
        frame.out = False
        return frame.token

    def next_received(self) -> Came | Broken | None:
        """A buffer that was filled; if a frame begins in it, `read` comes next."""
        done = self.receive.take()
        if done is None or isinstance(done, Broken):
            return done
        self.health.progress()
        first = self.left == 0
        if done.length == 0 or (first and done.length <= HEADER):
            return Broken.LENGTH
        assert self.spare_buffers.push(u8(done.token)) is None, "there are as many places as buffers"
        if not first:
            self.left -= 1
        buffer = self.filling[usize(done.token)]
        buffer.out = False
        return Came(buffer.token, done.length, first)

    def read(self, header: Header) -> Meaning | Broken:
        """What the device says of the frame that begins; each field is read once, as anybody may change them."""
        flags, kind, segment, buffers = header.flags, header.kind, header.segment, header.buffers
        offloads = self.offloads()
        left: u16 = 0
        if self.transport.has(MERGE):
            # It has a buffer that was taken, and others that are with the device.
            if buffers == 0 or buffers > self.receive.in_flight + 1:
                return Broken.LENGTH
            left = buffers - 1
        self.left = left
        checked = offloads & CHECK != 0 and flags & (NEEDS_CHECKSUM | DATA_VALID) != 0
        joined = offloads & JOIN != 0 and kind == TCP4
        return Meaning(left, CHECKED if checked else 0, segment if joined else 0)

    def may_sleep(self) -> bool:
        """Ask to be interrupted when something comes, or when most of many frames were sent. False: it is so."""
        came = self.receive.may_sleep()
        waiting = self.send.in_flight
        if waiting < LATER and self.send.free >= self.send.size // 2:
            self.send.silence()
            return came
        return came and self.send.may_sleep_until(waiting * 3 // 4)

    def is_late(self, now: u64, patience: u64) -> bool:
        """Has the device had frames for longer than it takes to send any?"""
        return self.send.in_flight != 0 and now - self.since > patience


#: as many frames with the device are waited for; fewer are told of when the driver runs anyway
LATER: u16 = 16


def features_for(wanted: u32) -> u64:
    """Those by which the device can do what a client wants."""
    found: u64 = 0
    if wanted & (CHECKSUM | SEGMENT) != 0:
        found |= CSUM
    if wanted & (CHECK | JOIN) != 0:
        found |= GUEST_CSUM
    if wanted & SEGMENT != 0:
        found |= HOST_TSO4
    if wanted & JOIN != 0:
        found |= GUEST_TSO4
    return found
