"""Segments in a row: a connection that has much to send sends up to MOST at a time, as segmentation offload would. Of
each but the first only that is made which differs from the one before: its number, its bytes, its checksum.

`start` notes a segment that was built just now. `follow` builds the next one, if what `compose` would look at is as it
was then, so that this would decide the same; if not, it is asked, as always.

Invariants:
- What `follow` builds is, bit for bit, what `fetch_from` would have built, and leaves the connection as that would.
- A train lasts for one moment: as long as `now` is the same.
"""

from __future__ import annotations

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
    wrapping_add,
    wrapping_sub,
)
from neokernel.runtime.pool import Pool
from neokernel.services.network import ethernet, ipv4
from neokernel.services.network import segment as wire_form
from neokernel.services.network.checksum import folded, pseudo_header, sum_of
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.ethernet import SHIFT
from neokernel.services.network.host import Host
from neokernel.services.network.segment import ACK, TIMESTAMPS_SIZE, Segment
from neokernel.services.network.sequence import before

#: segments of one connection before another one has its turn
MOST: u32 = 16


@wire(registers=True)
class Plain:
    """The headers of IP and TCP, without options, in the order of memory; behind those of Ethernet."""

    w0: u32
    w1: u32
    w2: u32
    w3: u32
    w4: u32
    w5: u32
    w6: u32
    w7: u32
    w8: u32
    w9: u32


@wire(registers=True)
class Link:
    """Ethernet's header behind its first two bytes."""

    w0: u32
    w1: u32
    w2: u32


@wire(registers=True)
class First:
    bytes: u16


@wire(registers=True)
class Stamped:
    """What follows, if there are timestamps."""

    w0: u32
    w1: u32
    w2: u32


PLAIN = size_of(Plain)
STAMPED = PLAIN + size_of(Stamped)

assert PLAIN == ipv4.SIZE + wire_form.SIZE and STAMPED == PLAIN + TIMESTAMPS_SIZE


@struct
class Train:
    """`left`: how many may follow; the others say nothing while it is 0."""

    #: none, if it is 0
    most: u32 = MOST
    left: u32 = 0
    handle: Handle[Connection] = Handle(0, 0)
    #: of the next one
    number: u32 = 0
    #: what the first one was made of: a moment, what it acknowledged, the window, sizes
    now: u64 = 0
    expected: u32 = 0
    waiting: u32 = 0
    recent: u32 = 0
    mss: u16 = 0
    size: u32 = 0
    #: where bytes begin in the packet, and where that begins (`Host.lead`)
    begin: usize = PLAIN
    lead: usize = 0
    partial: bool = False
    #: the sum of all that the checksum is about, but for number and bytes
    rest: u32 = 0
    headers: Array[u32] = array(13)
    #: Ethernet's
    first: u16 = 0
    links: Array[u32] = array(3)

    def start(
        self, handle: Handle[Connection], connection: Connection, out: Segment, packet: Span[u8], host: Host, now: u64
    ) -> None:
        """`packet` was built of `out`, and counts as sent. Others may follow if it is as they would be."""
        self.left = 0
        begin = ipv4.SIZE + out.header_size()
        if self.most == 0 or (begin != PLAIN and begin != STAMPED) or out.flags != ACK or host.to.number == 0:
            return
        if out.length != connection.segment_size() or connection.nxt != wrapping_add(out.sequence, out.length):
            return
        self.left, self.handle, self.number, self.now = self.most - 1, handle, connection.nxt, now
        self.expected, self.waiting, self.recent = connection.expected, connection.waiting, connection.recent
        self.mss, self.size, self.begin = connection.mss, out.length, begin
        self.lead, self.partial = host.lead, host.partial
        plain = wire_view(Plain, packet)
        headers = self.headers
        headers[0], headers[1], headers[2], headers[3], headers[4] = plain.w0, plain.w1, plain.w2, plain.w3, plain.w4
        headers[5], headers[6], headers[7], headers[8], headers[9] = plain.w5, plain.w6, plain.w7, plain.w8, plain.w9
        if begin == STAMPED:
            stamped = wire_view(Stamped, packet[PLAIN:])
            headers[10], headers[11], headers[12] = stamped.w0, stamped.w1, stamped.w2
        if not host.partial:
            header = wire_view(wire_form.Header, packet[ipv4.SIZE :])
            flow, length = connection.flow, begin - ipv4.SIZE + usize(out.length)
            sum = pseudo_header(flow.local.address, flow.remote.address, ipv4.TCP, length)
            sum += u32(sum_of(packet[ipv4.SIZE : begin])) + u32(~header.check)
            # What is added complemented is taken off (RFC 1624).
            sum += (~out.sequence >> 16) + (~out.sequence & 0xFFFF)
            self.rest = u32(folded(sum))

    def note_link(self, frame: Span[u8]) -> None:
        """The frame that the first one became: the others have its header."""
        link = wire_view(Link, frame[2:])
        self.first = wire_view(First, frame).bytes
        self.links[0], self.links[1], self.links[2] = link.w0, link.w1, link.w2

    def goes_on(self, connection: Connection, now: u64) -> bool:
        """Is the next segment another whole one, that says the same of everything else?"""
        if connection.state is not State.ESTABLISHED or connection.finishing or self.now != now:
            return False
        if connection.ack_now or connection.recovering or connection.repeat_first or connection.keep_probe:
            return False
        if connection.probe or connection.override or connection.duplicates != 0 or connection.board.count != 0:
            return False
        if connection.expected != self.expected or connection.waiting != self.waiting or connection.mss != self.mss:
            return False
        if connection.nxt != self.number or connection.most_sent != self.number or connection.recent != self.recent:
            return False
        sent, size = wrapping_sub(self.number, connection.una), self.size
        # The last one says PSH.
        if connection.retransmit_at == NEVER or connection.queued <= sent or connection.queued - sent <= size:
            return False
        right = wrapping_add(connection.una, connection.window)
        if not before(self.number, right) or wrapping_sub(right, self.number) < size:
            return False
        return connection.congestion.window >= sent and connection.congestion.window - sent >= size

    def note_sent(self, connection: Connection) -> None:
        """The next one counts as sent, as of `composing.note_sent`."""
        end = wrapping_add(self.number, self.size)
        if not connection.timing:
            connection.timing, connection.timed_end, connection.timed_at = True, end, self.now
        connection.last_sent = self.now
        connection.nxt, connection.most_sent = end, end
        self.number = end


def lead_of(connection: Connection, place: u32, header: usize) -> usize:
    """Where a frame begins so that its bytes, from `place` on in the buffer, are copied in words."""
    return SHIFT if (header + connection.sending.alignment(place)) % 8 == SHIFT else 0


def follow(train: Train, connections: Pool[Connection], host: Host, into: Span[u8], now: u64) -> usize:
    """Build the next frame of the train into `into`, as `Network.fetch` does: its length. 0: it is over."""
    connection = connections.get(train.handle)
    if connection is None or not train.goes_on(connection, now):
        train.left = 0
        return 0
    place = wrapping_sub(train.number, connection.una)
    lead = lead_of(connection, place, train.begin - ipv4.SIZE) if host.may_lead else usize(0)
    if lead != train.lead:
        train.left = 0
        return 0
    train.left -= 1
    length = ethernet.SIZE + train.begin + usize(train.size)
    frame = into[lead : lead + length]
    link, links = wire_view(Link, frame[2:]), train.links
    wire_view(First, frame).bytes = train.first
    link.w0, link.w1, link.w2 = links[0], links[1], links[2]
    packet = frame[ethernet.SIZE :]
    plain, headers = wire_view(Plain, packet), train.headers
    plain.w0, plain.w1, plain.w2, plain.w3, plain.w4 = headers[0], headers[1], headers[2], headers[3], headers[4]
    plain.w5, plain.w6, plain.w7, plain.w8, plain.w9 = headers[5], headers[6], headers[7], headers[8], headers[9]
    if train.begin == STAMPED:
        stamped = wire_view(Stamped, packet[PLAIN:])
        stamped.w0, stamped.w1, stamped.w2 = headers[10], headers[11], headers[12]
    header = wire_view(wire_form.Header, packet[ipv4.SIZE :])
    header.sequence = train.number
    if train.partial:
        connection.sending.read(place, packet[train.begin :])
    else:
        sum = train.rest + (train.number >> 16) + (train.number & 0xFFFF)
        sum += u32(connection.sending.read_summed(place, packet[train.begin :], lead + train.begin - ipv4.SIZE))
        header.check = ~folded(sum)
    train.note_sent(connection)
    host.lead, host.partial = lead, train.partial
    host.counters.segments_out += 1
    return length
