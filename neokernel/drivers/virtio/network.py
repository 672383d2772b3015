"""A network device (section 5.1): frames to be sent, and room for those that come.

    network.put_frame_at(token, offload, address, length, now)      # a frame; there must be room: `send_room`
    network.put_buffer_at(token, address, length)                   # room for one that comes; `receive_room`
    network.hand_over()                                             # once for as many as there are

    network.put_frame(token, offload)       # the same of a frame that lies in several places on the bus
    network.frame_part(address, length)
    network.commit_frame(now)               # buffers likewise

    token = network.next_sent()             # None: there is none
    came = network.next_received()
    meaning = network.read(header, came)    # of a frame's first buffer: what the device says of it

Knows nothing of processes. Tokens are the caller's, of 32 bits each: where in a client's region something lies.

Invariants:
- What the device has is what the queues have in flight; the token of each is its chain's.
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
    copy,
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
#: in the driver's page: headers by the first descriptor of their frames, and behind them one of zeroes, for all frames
#: to which nothing is to be done
PLAIN_AT = SIZE * HEADER
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

assert PLAIN_AT + HEADER <= 4096, "the headers are in a page"


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
class Lost:
    """A frame or buffer that the device had when it was begun anew, until its user is told."""

    untold: bool = False
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
    #: by the first descriptor that each had
    lost_frames: Array[Embedded[Lost]] = array(SIZE)
    lost_buffers: Array[Embedded[Lost]] = array(SIZE)
    #: of the one that is being made of parts
    token: u32 = 0
    #: buffers that the frame which is coming still has
    left: u16 = 0
    address: u64 = 0
    mtu: u16 = USUAL_MTU
    link: bool = True
    #: since when frames are with the device, of which it has sent none since
    since: u64 = 0
    #: the device was asked to interrupt when it has sent some
    waits: bool = False

    # --- the device ---------------------------------------------------------------------------------------------------

    def begin(self, pages: Span[u64], wanted: u32) -> Problem | None:
        """Set the device up, in whatever state it is: bus addresses of two pages of each queue, and of the headers."""
        lose(self.send, self.lost_frames[:])
        lose(self.receive, self.lost_buffers[:])
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
        self.left, self.waits = 0, False
        nothing: Array[u8] = array(HEADER)
        copy(self.memory[PLAIN_AT : PLAIN_AT + HEADER], nothing[:].view())
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

    def forget(self) -> None:
        """What the device had before isn't wanted back; `begin` comes next, or has come."""
        for number in range(SIZE):
            self.send.chains[number].live, self.receive.chains[number].live = False, False
            self.lost_frames[number].untold, self.lost_buffers[number].untold = False, False

    def lost_frame(self, number: usize) -> u32 | None:
        """The token of a frame that the device had before it was begun anew, each once; numbers are below SIZE."""
        found = self.lost_frames[number]
        was, found.untold = found.untold, False
        return found.token if was else None

    def lost_buffer(self, number: usize) -> Came | None:
        """The same of a buffer, with its length; whoever gets them may put each again at once."""
        found = self.lost_buffers[number]
        was, found.untold = found.untold, False
        return Came(found.token, found.length, False) if was else None

    # --- to the device ------------------------------------------------------------------------------------------------

    def send_room(self, parts: u16) -> usize:
        """How many frames of at most so many parts can be put now."""
        return usize(self.send.free // (parts + 1))

    def receive_room(self) -> usize:
        return usize(self.receive.free // FEW_PARTS)

    def put_frame_at(self, token: u32, offload: Offload, address: u64, length: u32, now: u64) -> None:
        """A frame that lies together on the bus; there is room for it, and what is to be done to it was agreed on."""
        if self.send.in_flight == 0:
            self.since = now
        self.send.put_behind(self.header_of(offload), HEADER, token, address, length)

    def put_buffer_at(self, token: u32, address: u64, length: u32) -> None:
        """A buffer that lies together on the bus; there is room for it."""
        self.receive.put(token, address, length, True)

    def put_frame(self, token: u32, offload: Offload) -> None:
        """Begin a frame that lies in several places: what holds for `put_frame_at` holds here."""
        self.token = token
        self.send.add(self.header_of(offload), HEADER, False)

    def frame_part(self, address: u64, length: u32) -> None:
        self.send.add(address, length, False)

    def commit_frame(self, now: u64) -> None:
        if self.send.in_flight == 0:
            self.since = now
        self.send.close(self.token)

    def put_buffer(self, token: u32) -> None:
        """Begin a buffer that lies in several places."""
        self.token = token

    def buffer_part(self, address: u64, length: u32) -> None:
        self.receive.add(address, length, True)

    def commit_buffer(self) -> None:
        self.receive.close(self.token)

    def header_of(self, offload: Offload) -> u64:
        """The header of the frame that begins now: where on the bus."""
        segmented = offload.segment != 0
        if not segmented and offload.checksum_start == 0:
            return self.headers + PLAIN_AT
        start = usize(self.send.first_free) * HEADER
        header = wire_view(Header, self.memory[start : start + HEADER])
        header.flags = u8(NEEDS_CHECKSUM) if offload.checksum_start != 0 else 0
        header.kind = u8(TCP4) if segmented else NO_SEGMENTS
        header.header, header.segment = offload.header, offload.segment
        header.start, header.place = offload.checksum_start, offload.checksum_place
        header.buffers = 0
        return self.headers + start

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

    def has_sent(self) -> bool:
        """Is it worth while to ask `next_sent`?"""
        return self.send.has_done()

    def has_received(self) -> bool:
        return self.receive.has_done()

    def next_sent(self, now: u64) -> u32 | Broken | None:
        """The token of a frame that was sent."""
        done = self.send.take()
        if done is None or isinstance(done, Broken):
            return done
        self.health.progress()
        self.since = now
        return done.token

    def next_received(self) -> Came | Broken | None:
        """A buffer that was filled; if a frame begins in it, `read` comes next."""
        first = self.left == 0
        done = self.receive.take(HEADER + 1 if first else 1)
        if done is None or isinstance(done, Broken):
            return done
        self.health.progress()
        if not first:
            self.left -= 1
        return Came(done.token, done.length, first)

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
        self.waits = waiting >= LATER or self.send.free < self.send.size // 2
        if not self.waits:
            self.send.silence()
            return came
        return came and self.send.may_sleep_until(waiting * 3 // 4)

    def is_late(self, now: u64, patience: u64) -> bool:
        """Has the device had frames for longer than it takes to send any?"""
        return self.send.in_flight != 0 and now - self.since > patience


#: as many frames with the device are waited for; fewer are told of when the driver runs anyway
LATER = 16


def lose(queue: Queue, lost: Span[Embedded[Lost]]) -> None:
    """What a queue has in flight won't come back: note it, to be told."""
    for number in range(SIZE):
        chain = queue.chains[number]
        if chain.live:
            chain.live = False
            lost[number].untold, lost[number].token, lost[number].length = True, chain.token, chain.writable


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
