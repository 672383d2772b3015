"""The next segment is mostly like the one before: from the same peer on the same connection, with what comes next.

Van Jacobson's header prediction (1990, "4BSD header prediction"): the headers of a frame are held against those of one
that came before it and was looked at by all (`learn`). If nothing differs but numbers, and the connection is where
bytes just go both ways, then there are three cases, and little to do in each:

- It carries bytes that come next, and acknowledges nothing new (`note_next`).
- It acknowledges some more, and carries nothing (`Prediction.wait`). It waits for the next one, as that mostly
  acknowledges what this one does: of many in a row the last one counts, with their number, which RFC 3465 asks for.
  Nothing waits for longer than until somebody asks what there is to be sent (`Network.settle`).
- It does both, as a request does that follows an answer: then the rest is `arrival`'s, at once.

Anything else goes the long way, `ethernet` → `ipv4` → `dispatch` → `arrival`, which these are short cuts of.

Invariants:
- What is taken here is right: both checksums were looked at, lengths, and each field that says what a frame is.
- The connection is then as the long way would have left it; one that waits is as if it hadn't come yet.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Array,
    Handle,
    Span,
    array,
    size_of,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    wire,
    wire_view,
)
from neokernel.services.network import ethernet, ipv4
from neokernel.services.network import segment as wire_form
from neokernel.services.network.address import LinkAddress
from neokernel.services.network.checksum import turned
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.segment import ACK, PSH, TIMESTAMPS_HEAD, TIMESTAMPS_SIZE, Segment, Timestamps
from neokernel.services.network.sequence import before, until


@wire(registers=True)
class Headers:
    """What follows the first two bytes of a frame, as it lies in memory: Ethernet, IP, and TCP up to its options."""

    link0: u32
    link1: u32
    link2: u32
    length: u32
    fragment: u32
    protocol: u32
    source: u32
    destination: u32
    ports: u32
    sequence: u32
    acknowledgment: u32
    window: u32
    check: u32


@wire(registers=True)
class First:
    bytes: u16


#: bytes of headers without options
PLAIN = ethernet.SIZE + ipv4.SIZE + wire_form.SIZE
#: in `Headers`, as they lie in memory: the form of IP's header; MORE and the offset of a fragment; the protocol, TCP
FORM = 0x45
FORM_MASK = 0xFF
FRAGMENT_MASK = 0xFF3F_0000
PROTOCOL = 0x0600
PROTOCOL_MASK = 0xFF00

assert size_of(First) + size_of(Headers) == PLAIN


class Found(Enum):
    """What a frame is."""

    #: something else
    OTHER = 0
    #: bytes that come next, if the checksum is right
    NEXT = 1
    #: an acknowledgement, if the checksum is right
    ACKNOWLEDGMENT = 2
    #: bytes that come next, with an acknowledgement of what is in flight, if the checksum is right
    BOTH = 3


@struct
class Prediction:
    """`known`: the other fields are those of a frame that was looked at by all."""

    known: bool = False
    handle: Handle[Connection] = Handle(0, 0)
    peer: LinkAddress = LinkAddress(0)
    first: u16 = 0
    link0: u32 = 0
    link1: u32 = 0
    link2: u32 = 0
    source: u32 = 0
    destination: u32 = 0
    ports: u32 = 0
    #: acknowledgements that wait: how many, and what the last one says
    acks: u32 = 0
    number: u32 = 0
    window: u16 = 0
    timed: bool = False
    time: u32 = 0
    echo: u32 = 0
    #: the bytes that they carry
    nothing: Array[u8] = array(1)

    def learn(self, frame: Span[u8], handle: Handle[Connection], peer: LinkAddress) -> None:
        """That came on this connection from this link address, and was right."""
        self.known = False
        if len(frame) < PLAIN:
            return
        headers = wire_view(Headers, frame[2:])
        self.handle, self.peer, self.first = handle, peer, wire_view(First, frame).bytes
        self.link0, self.link1, self.link2 = headers.link0, headers.link1, headers.link2
        self.source, self.destination, self.ports = headers.source, headers.destination, headers.ports
        self.known = is_plain(headers)

    def forget(self) -> None:
        """Who we are, or how others are reached, may have changed."""
        self.known = False

    def is_like(self, frame: Span[u8]) -> bool:
        """Is it from the same peer on the same connection, and no fragment? (Of another length, it may be.)"""
        if not self.known or len(frame) < PLAIN:
            return False
        headers = wire_view(Headers, frame[2:])
        if headers.ports != self.ports or headers.source != self.source or headers.destination != self.destination:
            return False
        if headers.link0 != self.link0 or headers.link1 != self.link1 or headers.link2 != self.link2:
            return False
        return wire_view(First, frame).bytes == self.first and is_plain(headers)

    def waits_for_more(self, segment: Segment) -> bool:
        """Does this acknowledgement say more than the one that waits, if one does?"""
        if self.acks == 0:
            return True
        return before(self.number, segment.acknowledgment) and not (segment.timed and before(segment.time, self.time))

    def wait(self, segment: Segment) -> None:
        """It is one more that waits."""
        self.acks += 1
        self.number, self.window, self.timed = segment.acknowledgment, segment.window, segment.timed
        self.time, self.echo = segment.time, segment.echo


def is_plain(headers: Headers) -> bool:
    """TCP over IP without options, and not in fragments."""
    if headers.length & FORM_MASK != FORM or headers.fragment & FRAGMENT_MASK != 0:
        return False
    return headers.protocol & PROTOCOL_MASK == PROTOCOL


def packet_sum_is_right(frame: Span[u8]) -> bool:
    """Of the header of IP, which has no options."""
    headers = wire_view(Headers, frame[2:])
    total = u64(headers.length) + u64(headers.fragment) + u64(headers.protocol)
    total += u64(headers.source) + u64(headers.destination)
    return turned(total) == 0xFFFF


def look(connection: Connection, segment: Segment, data: Span[u8]) -> Found:
    """What the segment is, which `data` is all of, of a connection that it is for; fills in what says so."""
    header = wire_view(wire_form.Header, data)
    begin = usize(header.offset >> 4) * 4
    flags = header.flags & 0x3F
    timed = begin == wire_form.SIZE + TIMESTAMPS_SIZE
    if (
        connection.state is not State.ESTABLISHED
        or not connection.open
        or flags & ~PSH != ACK
        or connection.timed != timed
    ):
        return Found.OTHER
    if len(data) < begin or (not timed and begin != wire_form.SIZE) or header.sequence != connection.expected:
        return Found.OTHER
    segment.clear(flags)
    segment.sequence, segment.acknowledgment = header.sequence, header.acknowledgment
    segment.window, segment.payload, segment.length = header.window, begin, u32(len(data) - begin)
    if timed:
        times = wire_view(Timestamps, data[wire_form.SIZE :])
        if times.head != TIMESTAMPS_HEAD or before(times.value, connection.recent):
            return Found.OTHER
        segment.timed, segment.time, segment.echo = True, times.value, times.echo
    if u32(segment.window) << connection.scale_out != connection.window or connection.window == 0:
        return Found.OTHER
    if connection.recovering or connection.duplicates != 0 or connection.board.count != 0:
        return Found.OTHER
    if connection.fin_known or connection.beyond.count != 0:
        # What comes next may bring more with it than its own bytes: what came before it, or the end.
        return Found.OTHER
    number = segment.acknowledgment
    if number != connection.una:
        if not before(connection.una, number) or not until(number, connection.nxt):
            return Found.OTHER
        if segment.length != 0:
            return Found.BOTH
        return Found.ACKNOWLEDGMENT if flags == ACK else Found.OTHER
    # A timer runs just if something is in flight, and nothing else waits.
    flies = connection.nxt != connection.una
    rests = connection.retransmit_at == NEVER
    if segment.length == 0 or flies == rests or (not flies and connection.queued != 0):
        return Found.OTHER
    return Found.NEXT


def note_next(connection: Connection, segment: Segment, now: u64) -> None:
    """What the long way does beside taking the bytes (`arrival.arrive`, `take_acknowledgment`)."""
    if segment.timed and until(segment.sequence, connection.last_ack):
        connection.recent, connection.recent_at = segment.time, now
    connection.heard_at, connection.keep_probes = now, 0
    connection.wl1, connection.wl2 = segment.sequence, segment.acknowledgment
    if connection.nxt == connection.una:
        connection.trip.doublings = 0
