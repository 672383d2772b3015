"""What a connection sends next: RFC 9293, 3.7 and 3.8, and RFC 6675, section 4.

`compose` finds it out when the connection's turn has come, from the state alone: bytes, flags and window of one
segment. One place decides about windows, small segments (Nagle), recovery and probes.
"""

from __future__ import annotations

from neokernel.lang import (
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_sub,
)
from neokernel.services.network import segment as wire
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.deadlines import arm, start_timer
from neokernel.services.network.host import Host
from neokernel.services.network.segment import ACK, FIN, PSH, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before, earlier, later


@value
class Piece:
    """Bytes to send: from the number `left` on, and whether FIN follows them."""

    left: u32
    length: u32
    fin: bool

    def left_of(self, una: u32) -> u32:
        """Where it begins in the buffer whose first byte is number `una`."""
        return wrapping_sub(self.left, una)


def compose(connection: Connection, out: Segment, host: Host, now: u64) -> Piece | None:
    """The next segment, but for its ports and bytes: which these are is the result. None: there is nothing to send.

    It counts as sent then.
    """
    connection.wants_output = False
    match connection.state:
        case State.CLOSED:
            if not connection.reset_due:
                return None
            connection.reset_due = False
            out.clear(RST | ACK)
            out.sequence, out.acknowledgment = empty_number(connection), connection.expected
            return Piece(out.sequence, 0, False)
        case State.SYN_SENT | State.SYN_RECEIVED:
            if connection.nxt == connection.iss:
                return compose_syn(connection, out, host, now)
            if connection.state is State.SYN_SENT or not connection.ack_now:
                return None
            return compose_piece(connection, out, Piece(connection.nxt, 0, False), now)
        case _:
            pass
    # What is to be told of gaps isn't put off for the sake of data, which may leave no room for it.
    gaps = connection.ack_now and connection.sack and connection.beyond.count != 0
    piece = None if gaps else next_piece(connection, now)
    if piece is None:
        if connection.keep_probe:
            piece = Piece(wrapping_sub(connection.una, 1), 0, False)
        elif connection.ack_now:
            piece = Piece(empty_number(connection), 0, False)
        elif connection.reminders != 0:
            connection.reminders -= 1
            piece = Piece(empty_number(connection), 0, False)
        else:
            arm(connection, now)
            return None
    connection.keep_probe = False
    found = compose_piece(connection, out, piece, now)
    note_sent(connection, piece, host, now)
    # If there may be more, it is asked again when its turn comes.
    connection.wants_output = may_have_more(connection)
    if not connection.wants_output:
        arm(connection, now)
    return found


def may_have_more(connection: Connection) -> bool:
    """Might there be another segment to send at once? False: all is sent, in order, and nothing is to be repeated."""
    if connection.ack_now or connection.probe or connection.repeat_first or connection.recovering:
        return True
    if connection.finishing or connection.reminders != 0:
        return True
    sent = wrapping_sub(connection.nxt, connection.una)
    return connection.nxt != connection.most_sent or sent < connection.queued


def empty_number(connection: Connection) -> u32:
    """The number of a segment without bytes: behind all that was sent, as far as the peer takes any."""
    return later(connection.una, earlier(connection.most_sent, wrapping_add(connection.una, connection.window)))


def compose_syn(connection: Connection, out: Segment, host: Host, now: u64) -> Piece:
    answers = connection.state is State.SYN_RECEIVED
    out.clear(SYN | ACK if answers else SYN)
    out.sequence, out.acknowledgment = connection.iss, connection.expected if answers else 0
    out.mss = host.segment_size_to(connection.flow.remote.address, now)
    if answers and not connection.timed:
        # A multiple of eight, as `segment_size` is.
        out.mss &= ~u16(7)
    out.scale = connection.scale_in
    if answers and connection.scale_in == 0 and connection.scale_out == 0:
        out.scale = wire.NO_SCALE
    out.sack_permitted, out.timed = connection.sack, connection.timed
    out.time, out.echo = connection.time(now), connection.recent if answers else 0
    # Never scaled (RFC 7323, 2.2).
    window = min(connection.receiving.capacity(), wire.MOST_WINDOW)
    out.window = u16(window)
    connection.edge = wrapping_add(connection.expected, window)
    connection.nxt = wrapping_add(connection.iss, 1)
    first = connection.most_sent == connection.iss
    connection.most_sent = connection.nxt
    connection.timing, connection.timed_at = first, now
    connection.timed_end = connection.nxt
    if connection.retransmit_at == NEVER:
        # A SYN that comes again is answered, but doesn't prolong the time in which the answer is to be acknowledged.
        connection.retransmit_at = now + connection.trip.timeout()
    connection.ack_now, connection.last_sent = False, now
    if not first:
        host.counters.retransmitted += 1
    return Piece(connection.iss, 0, False)


def compose_piece(connection: Connection, out: Segment, piece: Piece, now: u64) -> Piece:
    flags = ACK
    if piece.fin:
        flags |= FIN
    if piece.length != 0 and wrapping_sub(piece.left, connection.una) + piece.length == connection.queued:
        flags |= PSH
    out.clear(flags)
    out.sequence, out.acknowledgment = piece.left, connection.expected
    out.length = piece.length
    out.window = offer(connection)
    out.timed, out.time, out.echo = connection.timed, connection.time(now), connection.recent
    if connection.sack and connection.beyond.count != 0 and piece.length == 0:
        most: usize = wire.MOST_BLOCKS_WITH_TIME if connection.timed else wire.MOST_BLOCKS
        out.block_count = min(connection.beyond.count, most)
        for index in range(out.block_count):
            out.blocks[index] = connection.beyond.ranges[index]
    connection.ack_now, connection.ack_at, connection.unanswered = False, NEVER, 0
    connection.last_ack = connection.expected
    return piece


def offer(connection: Connection) -> u16:
    """The window: how far the peer may send. It grows by what is worth a segment (3.8.6.2.2)."""
    capacity = connection.receiving.capacity()
    edge = wrapping_add(connection.expected, capacity - connection.waiting)
    if wrapping_sub(edge, connection.edge) >= min(capacity // 2, u32(connection.mss)) and before(connection.edge, edge):
        connection.edge = edge
    # At most what can be said; FIN took a number without room.
    window = connection.receive_window()
    return u16(min(window >> connection.scale_in, wire.MOST_WINDOW))


def next_piece(connection: Connection, now: u64) -> Piece | None:
    """Which bytes are to be sent next: what was lost (RFC 6675, 4, NextSeg), or what wasn't sent yet."""
    mss = connection.segment_size()
    if connection.probe:
        connection.probe = False
        if connection.window == 0:
            return piece_at(connection, connection.una, 1)
    if connection.repeat_first:
        connection.repeat_first = False
        if connection.una != connection.nxt:
            piece = piece_at(connection, connection.una, connection.board.room_from(connection.una, mss))
            connection.repeated = later(connection.repeated, end_of(connection, piece))
            return piece
    flight = in_flight(connection)
    window = connection.congestion.window
    room: u32 = window - flight if window > flight else 0
    lossy = connection.recovering and connection.sack and room >= mss
    if lossy:
        lost = connection.board.next_lost(connection.una, connection.repeated, mss, True)
        if lost is not None:
            return repeat(connection, lost, mss)
    fresh = fresh_piece(connection, flight, room, mss, now)
    if fresh is None and lossy:
        rest = connection.board.next_lost(connection.una, connection.repeated, mss, False)
        if rest is not None:
            return repeat(connection, rest, mss)
    return fresh


def repeat(connection: Connection, lost: Range, mss: u32) -> Piece:
    piece = piece_at(connection, lost.left, min(lost.size(), mss))
    connection.repeated = end_of(connection, piece)
    return piece


def piece_at(connection: Connection, left: u32, most: u32) -> Piece:
    """At most so many bytes from there on, of those that the client has handed over; FIN, if it follows."""
    offset = wrapping_sub(left, connection.una)
    length = min(most, connection.queued - offset)
    return Piece(left, length, connection.fin_follows(offset + length))


def end_of(connection: Connection, piece: Piece) -> u32:
    return wrapping_add(piece.left, piece.length + u32(piece.fin))


def fresh_piece(connection: Connection, flight: u32, room: u32, mss: u32, now: u64) -> Piece | None:
    """What comes next in order: within both windows, and not in small pieces (3.8.6.2.1 and 3.7.4)."""
    if connection.nxt != connection.most_sent:
        connection.nxt = earlier(connection.board.skip(connection.nxt), connection.most_sent)
    offset = wrapping_sub(connection.nxt, connection.una)
    if offset > connection.queued:
        return None
    available = connection.queued - offset
    right = wrapping_add(connection.una, connection.window)
    usable: u32 = wrapping_sub(right, connection.nxt) if before(connection.nxt, right) else 0
    length = min(available, mss, usable)
    if connection.nxt != connection.most_sent:
        length = connection.board.room_from(connection.nxt, length)
    fin = length == available and connection.fin_follows(connection.queued)
    if length == 0:
        # FIN waits for no window: a peer without room acknowledges as it can.
        return Piece(connection.nxt, 0, True) if fin else None
    if flight == 0 and connection.last_sent + connection.trip.timeout() < now:
        connection.congestion.idle()
    elif flight != 0 and length > room:
        return None
    again = connection.nxt != connection.most_sent
    whole = length == available and (offset == 0 or connection.no_delay or fin)
    if length == mss or again or whole or connection.override or 2 * length >= connection.most_window:
        connection.override = False
        return Piece(connection.nxt, length, fin)
    return None


def in_flight(connection: Connection) -> u32:
    """Bytes that are on their way, as far as can be known (RFC 6675, "pipe")."""
    sent = wrapping_sub(connection.nxt, connection.una)
    if not connection.sack:
        gone = min(connection.duplicates, 0xFFFF) * connection.segment_size()
        return sent - min(gone, sent)
    if connection.board.count == 0 and not connection.recovering:
        return sent
    if connection.recovering:
        return connection.board.pipe(connection.una, connection.nxt, connection.repeated, connection.segment_size())
    return sent - min(connection.board.sacked_below(connection.nxt), sent)


def note_sent(connection: Connection, piece: Piece, host: Host, now: u64) -> None:
    end = end_of(connection, piece)
    if end == piece.left:
        return
    connection.last_sent = now
    # A probe beyond the window isn't in flight: what it carries is sent again when there is room.
    probes = connection.window == 0 and piece.length != 0
    if before(connection.most_sent, end):
        if not connection.timing and not probes and piece.left == connection.most_sent:
            connection.timing, connection.timed_end, connection.timed_at = True, end, now
        connection.most_sent = end
    else:
        host.counters.retransmitted += 1
        # What is sent twice can't be timed (Karn).
        if before(piece.left, connection.timed_end):
            connection.timing = False
    if piece.left == connection.nxt and not probes:
        connection.nxt = end
    if connection.retransmit_at == NEVER:
        start_timer(connection, now)
