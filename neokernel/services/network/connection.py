"""One connection of TCP: RFC 9293, section 3.10, but for the table it stands in, which is `tcp.py`.

Whatever happens (`arrive`, `expire`, a client's verb) changes the state, and `wants_output` then says that there may be
something to send. What that is, `compose` finds out when the connection's turn has come, from the state alone.

Names are the RFC's: `una` is SND.UNA, `nxt` SND.NXT, `expected` RCV.NXT. `most_sent` is the highest number ever sent:
 `nxt` goes back to `una` after a timeout, and runs through what was sent before once more.

Invariants, once the SYN is acknowledged:
- The buffer `sending` holds `queued` bytes, the first of which is number `una`; FIN is the number behind the last.
- `una <= nxt <= most_sent`, and most_sent is at most one beyond the FIN.
- The buffer `receiving` holds `waiting` bytes that the client hasn't read; the one behind these has number `expected`;
  what the assembler knows of lies beyond that, at its place.
- `expected <= edge`, and everything up to `edge` has room: what was offered once isn't taken back.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Embedded,
    Handle,
    Span,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_sub,
)
from neokernel.services.network import segment as wire
from neokernel.services.network.address import Flow
from neokernel.services.network.assembler import Assembler
from neokernel.services.network.circle import Circle
from neokernel.services.network.clock import MILLISECOND, NEVER, SECOND
from neokernel.services.network.congestion import Congestion
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.limits import (
    ACK_DELAY,
    FIN_WAIT,
    GIVE_UP,
    GIVE_UP_ACCEPTING,
    GIVE_UP_OPENING,
    KEEP_INTERVAL,
    KEEP_PROBES,
)
from neokernel.services.network.round_trip import RoundTrip
from neokernel.services.network.scoreboard import Scoreboard
from neokernel.services.network.segment import ACK, FIN, PSH, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before, earlier, later, until

#: what a peer is taken to say at least, and if it says nothing (RFC 9293, 3.7.1)
LEAST_MSS: u16 = 216
DEFAULT_MSS: u16 = 536
#: a timestamp older than this says nothing (RFC 7323, 5.5): 24 days
TIMESTAMP_LIFE: u64 = 24 * 86_400_000_000
#: retransmissions before a connection is given up
LEAST_TRIES = 5
#: in a second, to one peer
MOST_CHALLENGES: u32 = 10
#: duplicate acknowledgements that mean a loss
DUPLICATES = 3


class State(Enum):
    """RFC 9293, 3.3.2. LISTEN and TIME-WAIT aren't connections here (`tcp.py`, `time_wait.py`)."""

    CLOSED = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    CLOSE_WAIT = 6
    CLOSING = 7
    LAST_ACK = 8


class End(Enum):
    """How a connection ended. DONE: in order, both ways."""

    NONE = 0
    DONE = 1
    RESET = 2
    REFUSED = 3
    TIMED_OUT = 4
    UNREACHABLE = 5
    ABORTED = 6


class Verdict(Enum):
    """What the table has to do about a segment."""

    NOTHING = 0
    #: answer it with a reset that fits it, whatever becomes of the connection
    REFUSE = 1
    #: both sides have ended, and this one is to wait (TIME-WAIT)
    WAIT = 2


@value
class Piece:
    """Bytes to send: from the number `left` on, and whether FIN follows them."""

    left: u32
    length: u32
    fin: bool

    def left_of(self, una: u32) -> u32:
        """Where it begins in the buffer whose first byte is number `una`."""
        return wrapping_sub(self.left, una)


@struct
class Connection:
    flow: Flow = Flow()
    state: State = State.CLOSED
    end: End = End.NONE
    #: whose it is, and which pair of its buffers; `open`: the client has it still (or is to accept it)
    client: u32 = 0
    pair: u32 = 0
    open: bool = False
    #: it came to a listener, which its client hasn't accepted yet
    passive: bool = False
    accepted: bool = False
    listener: u32 = 0
    following: Handle[Connection] = Handle(0, 0)
    #: for `tcp.py`: it may have something to send; the client may want to look
    wants_output: bool = False
    news: bool = False

    # --- what is sent
    sending: Embedded[Circle] = Circle()
    queued: u32 = 0
    #: the client has no more to send; that is acknowledged
    finishing: bool = False
    fin_acked: bool = False
    iss: u32 = 0
    una: u32 = 0
    nxt: u32 = 0
    most_sent: u32 = 0
    window: u32 = 0
    most_window: u32 = 0
    wl1: u32 = 0
    wl2: u32 = 0
    scale_out: u8 = 0
    #: SMSS: what the peer and the path take, without options
    mss: u16 = DEFAULT_MSS
    no_delay: bool = False
    #: RST is due
    reset_due: bool = False
    #: send what there is room for, though it is little; a byte although there is no room; a sign of life
    override: bool = False
    probe: bool = False
    keep_probe: bool = False
    last_sent: u64 = 0

    # --- losses
    trip: Embedded[RoundTrip] = RoundTrip()
    congestion: Embedded[Congestion] = Congestion()
    board: Embedded[Scoreboard] = Scoreboard()
    sack: bool = False
    duplicates: u32 = 0
    recovering: bool = False
    recovery_point: u32 = 0
    #: all below was sent again in this recovery
    repeated: u32 = 0
    repeat_first: bool = False
    timing: bool = False
    timed_end: u32 = 0
    timed_at: u64 = 0

    # --- what is received
    receiving: Embedded[Circle] = Circle()
    waiting: u32 = 0
    beyond: Embedded[Assembler] = Assembler()
    irs: u32 = 0
    expected: u32 = 0
    edge: u32 = 0
    scale_in: u8 = 0
    #: FIN has come, at this number, perhaps before what is in front of it
    fin_known: bool = False
    fin_at: u32 = 0
    fin_taken: bool = False
    ack_now: bool = False
    #: bytes that came since the last acknowledgement
    unanswered: u32 = 0

    #: challenges in the second that began then
    challenged: u32 = 0
    challenged_from: u64 = 0

    # --- timestamps (RFC 7323)
    timed: bool = False
    time_offset: u32 = 0
    recent: u32 = 0
    recent_at: u64 = 0
    last_ack: u32 = 0

    # --- deadlines
    retransmit_at: u64 = NEVER
    ack_at: u64 = NEVER
    keep_at: u64 = NEVER
    close_at: u64 = NEVER
    #: 0: it isn't kept alive
    keep_alive: u64 = 0
    keep_probes: u32 = 0
    #: when the peer was heard last, or had nothing to say
    heard_at: u64 = 0

    # --- it begins ----------------------------------------------------------------------------------------------------

    def begin(self, flow: Flow, sending: Span[u8], receiving: Span[u8], host: Host, now: u64) -> None:
        """The first thing: who it is between, and its buffers."""
        self.flow = flow
        self.open = True
        self.sending.attach(sending)
        self.receiving.attach(receiving)
        self.time_offset = host.secret.time_offset(flow)
        self.start_at(host.secret.sequence(flow, now))
        self.heard_at = now
        self.scale_in = scale_for(self.receiving.capacity())

    def start_at(self, iss: u32) -> None:
        self.iss, self.una, self.nxt, self.most_sent = iss, iss, iss, iss
        self.repeated, self.recovery_point = iss, iss

    def connect(self, host: Host, now: u64) -> None:
        """Active OPEN (3.10.1). Options are offered: `timed` and `sack` say what is wanted, until the answer comes."""
        self.state = State.SYN_SENT
        self.mss = host.segment_size_to(self.flow.remote.address, now)
        self.timed, self.sack = True, True
        self.wants_output = True

    def answer_syn(self, syn: Segment, host: Host, now: u64) -> None:
        """A SYN came to a listener (3.10.7.2)."""
        self.state, self.passive = State.SYN_RECEIVED, True
        self.mss = host.segment_size_to(self.flow.remote.address, now)
        self.take_syn(syn, now)
        self.wants_output = True

    def resume_cookie(self, ack: Segment, iss: u32, mss: u16, host: Host, now: u64) -> None:
        """A good cookie came back: as if its SYN had been remembered. Scale and SACK are in the echoed timestamp."""
        self.state, self.passive = State.SYN_RECEIVED, True
        self.mss = min(mss, host.segment_size_to(self.flow.remote.address, now))
        self.start_at(iss)
        self.nxt, self.most_sent = wrapping_add(iss, 1), wrapping_add(iss, 1)
        self.irs = wrapping_sub(ack.sequence, 1)
        self.expected, self.last_ack = ack.sequence, ack.sequence
        self.edge = wrapping_add(self.expected, min(self.receiving.capacity(), 0xFFFF))
        self.timed = ack.timed
        self.scale_in, self.scale_out, self.sack = cookie_options(ack, self.time_offset, self.scale_in)
        if ack.timed:
            self.recent, self.recent_at = ack.time, now

    def take_syn(self, syn: Segment, now: u64) -> None:
        """The peer's first number, and what it offers or agrees to."""
        self.irs = syn.sequence
        self.expected = wrapping_add(syn.sequence, 1)
        self.last_ack, self.edge = self.expected, self.expected
        self.mss = min(self.mss, max(syn.mss if syn.mss != 0 else DEFAULT_MSS, LEAST_MSS))
        if syn.scale == wire.NO_SCALE:
            self.scale_in, self.scale_out = 0, 0
        else:
            self.scale_out = syn.scale
        self.sack = syn.sack_permitted
        self.timed = syn.timed
        if syn.timed:
            self.recent, self.recent_at = syn.time, now

    def established(self, segment: Segment, now: u64) -> None:
        """The peer has acknowledged our SYN."""
        self.state = State.ESTABLISHED
        self.una = wrapping_add(self.iss, 1)
        self.nxt, self.most_sent = later(self.nxt, self.una), later(self.most_sent, self.una)
        self.repeated, self.recovery_point = self.una, self.una
        if self.timing:
            self.trip.measured(now - self.timed_at)
        self.timing = False
        self.trip.doublings = 0
        self.congestion.begin(self.segment_size())
        # The window of a segment with SYN is never scaled (RFC 7323, 2.2).
        scale: u8 = 0 if segment.has(SYN) else self.scale_out
        self.window = u32(segment.window) << scale
        self.most_window = self.window
        self.wl1, self.wl2 = segment.sequence, segment.acknowledgment
        self.retransmit_at = NEVER
        self.news, self.wants_output = True, True
        if self.keep_alive != 0:
            self.keep_at = now + self.keep_alive
        # A client may have closed it before.
        if self.finishing:
            self.state = State.FIN_WAIT_1

    # --- a client's verbs ---------------------------------------------------------------------------------------------

    def room(self) -> u32:
        """How many more bytes can be handed over to be sent."""
        return self.sending.capacity() - self.queued

    def send(self, data: Span[u8]) -> u32:
        """SEND (3.10.2): how many of the bytes were taken."""
        count = min(u32(len(data)), self.room())
        self.sending.write(self.queued, data[: usize(count)])
        self.queued += count
        self.wants_output = True
        return count

    def receive(self, into: Span[u8]) -> u32:
        """RECEIVE (3.10.3): how many bytes there were."""
        count = min(u32(len(into)), self.waiting)
        self.receiving.read(0, into[: usize(count)])
        self.receiving.advance(count)
        self.waiting -= count
        # Tell of the room, when it is worth it (3.8.6.2.2).
        if count != 0 and not self.fin_taken and self.is_synchronized():
            fresh = wrapping_sub(wrapping_add(self.expected, self.receiving.capacity() - self.waiting), self.edge)
            if fresh >= min(self.receiving.capacity() // 2, 2 * u32(self.mss)):
                self.ack_now, self.wants_output = True, True
        return count

    def finish(self, now: u64) -> None:
        """CLOSE (3.10.4): there is no more to send. What comes can still be read."""
        if self.finishing:
            return
        self.finishing = True
        self.wants_output = True
        match self.state:
            case State.ESTABLISHED:
                self.state = State.FIN_WAIT_1
            case State.CLOSE_WAIT:
                self.state = State.LAST_ACK
            case _:
                # While it opens: it will be done then.
                pass

    def leave(self, now: u64) -> None:
        """The client has closed it. If it hasn't read all, the peer is to know that (RFC 2525, 2.17)."""
        self.open = False
        if self.waiting != 0 and self.is_synchronized():
            self.abort(End.ABORTED)
            return
        if self.state is State.SYN_SENT:
            self.close(End.DONE)
            return
        self.finish(now)
        if self.state is State.FIN_WAIT_2:
            self.close_at = now + FIN_WAIT

    def abort(self, end: End) -> None:
        """ABORT (3.10.5): tell the peer, if there may be one."""
        if self.state is State.CLOSED:
            return
        self.reset_due = self.is_synchronized() or self.state is State.SYN_RECEIVED
        self.close(end)
        self.wants_output = self.reset_due

    def close(self, end: End) -> None:
        """It is over. What was received can still be read."""
        self.state, self.end = State.CLOSED, end
        self.retransmit_at, self.ack_at, self.keep_at, self.close_at = NEVER, NEVER, NEVER, NEVER
        self.ack_now, self.wants_output = False, False
        self.queued = 0
        self.news = True

    def is_synchronized(self) -> bool:
        return self.state not in (State.CLOSED, State.SYN_SENT, State.SYN_RECEIVED)

    # --- what there is to send ----------------------------------------------------------------------------------------

    def segment_size(self) -> u32:
        """Bytes that a segment carries at most."""
        return u32(self.mss) - wire.TIMESTAMPS_SIZE if self.timed else u32(self.mss)

    def time(self, now: u64) -> u32:
        """The clock of our timestamps: a tick a millisecond (RFC 7323, 5.4)."""
        return wrapping_add(truncate(u32, now // MILLISECOND), self.time_offset)

    def compose(self, out: Segment, host: Host, now: u64) -> Piece | None:
        """The next segment, but for its ports and bytes: which these are is the result. None: there is nothing to send.

        It counts as sent then.
        """
        self.wants_output = False
        match self.state:
            case State.CLOSED:
                if not self.reset_due:
                    return None
                self.reset_due = False
                out.clear(RST | ACK)
                out.sequence, out.acknowledgment = self.empty_number(), self.expected
                return Piece(out.sequence, 0, False)
            case State.SYN_SENT | State.SYN_RECEIVED:
                if self.nxt == self.iss:
                    return self.compose_syn(out, host, now)
                if self.state is State.SYN_SENT or not self.ack_now:
                    return None
                return self.compose_piece(out, Piece(self.nxt, 0, False), now)
            case _:
                pass
        # What is to be told of gaps isn't put off for the sake of data, which may leave no room for it.
        gaps = self.ack_now and self.sack and self.beyond.count != 0
        piece = None if gaps else self.next_piece(now)
        if piece is None:
            if self.keep_probe:
                piece = Piece(wrapping_sub(self.una, 1), 0, False)
            elif self.ack_now:
                piece = Piece(self.empty_number(), 0, False)
            else:
                self.arm(now)
                return None
        self.keep_probe = False
        found = self.compose_piece(out, piece, now)
        self.note_sent(piece, host, now)
        # There may be more: it is asked again when its turn comes.
        self.wants_output = True
        return found

    def empty_number(self) -> u32:
        """The number of a segment without bytes: behind all that was sent, as far as the peer takes any."""
        return later(self.una, earlier(self.most_sent, wrapping_add(self.una, self.window)))

    def compose_syn(self, out: Segment, host: Host, now: u64) -> Piece:
        answers = self.state is State.SYN_RECEIVED
        out.clear(SYN | ACK if answers else SYN)
        out.sequence, out.acknowledgment = self.iss, self.expected if answers else 0
        out.mss = host.segment_size_to(self.flow.remote.address, now)
        out.scale = self.scale_in
        if answers and self.scale_in == 0 and self.scale_out == 0:
            out.scale = wire.NO_SCALE
        out.sack_permitted, out.timed = self.sack, self.timed
        out.time, out.echo = self.time(now), self.recent if answers else 0
        # Never scaled (RFC 7323, 2.2).
        window = min(self.receiving.capacity(), 0xFFFF)
        out.window = u16(window)
        self.edge = wrapping_add(self.expected, window)
        self.nxt = wrapping_add(self.iss, 1)
        first = self.most_sent == self.iss
        self.most_sent = self.nxt
        self.timing, self.timed_at = first, now
        self.timed_end = self.nxt
        self.retransmit_at = now + self.trip.timeout()
        self.ack_now, self.last_sent = False, now
        if not first:
            host.counters.retransmitted += 1
        return Piece(self.iss, 0, False)

    def compose_piece(self, out: Segment, piece: Piece, now: u64) -> Piece:
        flags = ACK
        if piece.fin:
            flags |= FIN
        if piece.length != 0 and wrapping_sub(piece.left, self.una) + piece.length == self.queued:
            flags |= PSH
        out.clear(flags)
        out.sequence, out.acknowledgment = piece.left, self.expected
        out.length = piece.length
        out.window = self.offer()
        out.timed, out.time, out.echo = self.timed, self.time(now), self.recent
        if self.sack and self.beyond.count != 0 and piece.length == 0:
            most: usize = wire.MOST_BLOCKS_WITH_TIME if self.timed else wire.MOST_BLOCKS
            out.block_count = min(self.beyond.count, most)
            for index in range(out.block_count):
                out.blocks[index] = self.beyond.ranges[index]
        self.ack_now, self.ack_at, self.unanswered = False, NEVER, 0
        self.last_ack = self.expected
        return piece

    def offer(self) -> u16:
        """The window: how far the peer may send. It grows by what is worth a segment (3.8.6.2.2)."""
        capacity = self.receiving.capacity()
        edge = wrapping_add(self.expected, capacity - self.waiting)
        if wrapping_sub(edge, self.edge) >= min(capacity // 2, u32(self.mss)) and before(self.edge, edge):
            self.edge = edge
        # At most what can be said; FIN took a number without room.
        window = self.receive_window()
        return u16(min(window >> self.scale_in, 0xFFFF))

    def next_piece(self, now: u64) -> Piece | None:
        """Which bytes are to be sent next: what was lost (RFC 6675, 4, NextSeg), or what wasn't sent yet."""
        mss = self.segment_size()
        if self.probe:
            self.probe = False
            if self.window == 0:
                return self.piece_at(self.una, 1)
        if self.repeat_first:
            self.repeat_first = False
            if self.una != self.nxt:
                piece = self.piece_at(self.una, self.board.room_from(self.una, mss))
                self.repeated = later(self.repeated, self.end_of(piece))
                return piece
        flight = self.in_flight()
        window = self.congestion.window
        room: u32 = window - flight if window > flight else 0
        lossy = self.recovering and self.sack and room >= mss
        if lossy:
            lost = self.board.next_lost(self.una, self.repeated, mss, True)
            if lost is not None:
                return self.repeat(lost, mss)
        fresh = self.fresh_piece(flight, room, mss, now)
        if fresh is None and lossy:
            rest = self.board.next_lost(self.una, self.repeated, mss, False)
            if rest is not None:
                return self.repeat(rest, mss)
        return fresh

    def repeat(self, lost: Range, mss: u32) -> Piece:
        piece = self.piece_at(lost.left, min(lost.size(), mss))
        self.repeated = self.end_of(piece)
        return piece

    def piece_at(self, left: u32, most: u32) -> Piece:
        """At most so many bytes from there on, of those that the client has handed over; FIN, if it follows."""
        offset = wrapping_sub(left, self.una)
        length = min(most, self.queued - offset)
        return Piece(left, length, self.fin_follows(offset + length))

    def fin_follows(self, offset: u32) -> bool:
        return self.finishing and not self.fin_acked and offset == self.queued

    def end_of(self, piece: Piece) -> u32:
        return wrapping_add(piece.left, piece.length + u32(piece.fin))

    def fresh_piece(self, flight: u32, room: u32, mss: u32, now: u64) -> Piece | None:
        """What comes next in order: within both windows, and not in small pieces (3.8.6.2.1 and 3.7.4)."""
        if self.nxt != self.most_sent:
            self.nxt = earlier(self.board.skip(self.nxt), self.most_sent)
        offset = wrapping_sub(self.nxt, self.una)
        if offset > self.queued:
            return None
        available = self.queued - offset
        right = wrapping_add(self.una, self.window)
        usable: u32 = wrapping_sub(right, self.nxt) if before(self.nxt, right) else 0
        length = min(available, mss, usable)
        if self.nxt != self.most_sent:
            length = self.board.room_from(self.nxt, length)
        fin = length == available and self.fin_follows(self.queued)
        if length == 0:
            # FIN waits for no window: a peer without room acknowledges as it can.
            return Piece(self.nxt, 0, True) if fin else None
        if flight == 0 and self.last_sent + self.trip.timeout() < now:
            self.congestion.idle()
        elif flight != 0 and length > room:
            return None
        again = self.nxt != self.most_sent
        whole = length == available and (offset == 0 or self.no_delay or fin)
        if length == mss or again or whole or self.override or 2 * length >= self.most_window:
            self.override = False
            return Piece(self.nxt, length, fin)
        return None

    def in_flight(self) -> u32:
        """Bytes that are on their way, as far as can be known (RFC 6675, "pipe")."""
        sent = wrapping_sub(self.nxt, self.una)
        if not self.sack:
            gone = min(self.duplicates, 0xFFFF) * self.segment_size()
            return sent - min(gone, sent)
        if self.board.count == 0 and not self.recovering:
            return sent
        if self.recovering:
            return self.board.pipe(self.una, self.nxt, self.repeated, self.segment_size())
        return sent - min(self.board.sacked_below(self.nxt), sent)

    def note_sent(self, piece: Piece, host: Host, now: u64) -> None:
        end = self.end_of(piece)
        if end == piece.left:
            return
        self.last_sent = now
        # A probe beyond the window isn't in flight: what it carries is sent again when there is room.
        probes = self.window == 0 and piece.length != 0
        if before(self.most_sent, end):
            if not self.timing and not probes and piece.left == self.most_sent:
                self.timing, self.timed_end, self.timed_at = True, end, now
            self.most_sent = end
        else:
            host.counters.retransmitted += 1
            # What is sent twice can't be timed (Karn).
            if before(piece.left, self.timed_end):
                self.timing = False
        if piece.left == self.nxt and not probes:
            self.nxt = end
        if self.retransmit_at == NEVER:
            self.start_timer(now)

    # --- deadlines ----------------------------------------------------------------------------------------------------

    def deadline(self) -> u64:
        """When `expire` has something to do."""
        return min(self.retransmit_at, self.ack_at, self.keep_at, self.close_at)

    def arm(self, now: u64) -> None:
        """The timer runs while something is in flight, or waits for a window that nobody may tell of."""
        if self.nxt == self.iss:
            return
        left = wrapping_sub(self.nxt, self.una) <= self.queued and (self.queued != 0 or self.fin_follows(0))
        if self.nxt == self.una and not left:
            self.retransmit_at = NEVER
        elif self.retransmit_at == NEVER:
            self.start_timer(now)

    def wait_for_link(self, now: u64) -> None:
        """It can't be sent, as there is no way at the moment; but not for ever."""
        self.wants_output = False
        if self.retransmit_at == NEVER and self.state is not State.CLOSED:
            self.start_timer(now)

    def start_timer(self, now: u64) -> None:
        """From here on the peer is waited for."""
        self.retransmit_at = now + self.trip.timeout()
        self.heard_at = max(self.heard_at, now)

    def expire(self, host: Host, now: u64) -> None:
        """What was due by now."""
        if self.ack_at <= now:
            self.ack_at = NEVER
            self.ack_now, self.wants_output = True, True
        if self.close_at <= now:
            self.close(End.DONE)
            return
        if self.keep_at <= now:
            self.keep(now)
        if self.retransmit_at <= now:
            self.retransmit(host, now)

    def keep(self, now: u64) -> None:
        """Is the peer there (3.8.4)?"""
        due = self.heard_at + self.keep_alive
        if now < due:
            self.keep_at, self.keep_probes = due, 0
            return
        if self.keep_probes == KEEP_PROBES:
            self.abort(End.TIMED_OUT)
            return
        self.keep_probes += 1
        self.keep_at = now + KEEP_INTERVAL
        if self.nxt == self.una and self.is_synchronized():
            self.keep_probe, self.wants_output = True, True

    def retransmit(self, host: Host, now: u64) -> None:
        """Nothing came in time (RFC 6298, 5.4 to 5.6; RFC 9293, 3.8.6.1)."""
        patience = GIVE_UP
        if self.state is State.SYN_SENT:
            patience = GIVE_UP_OPENING
        elif self.state is State.SYN_RECEIVED:
            patience = GIVE_UP_ACCEPTING
        # Time alone may have jumped.
        if now > self.heard_at and now - self.heard_at >= patience and self.trip.doublings >= LEAST_TRIES:
            self.close(End.TIMED_OUT)
            return
        self.wants_output = True
        if self.state in (State.SYN_SENT, State.SYN_RECEIVED):
            self.nxt = self.iss
        elif self.nxt == self.una:
            # No window, or hardly one.
            if self.window == 0:
                self.probe = True
            else:
                self.override = True
        else:
            host.counters.timeouts += 1
            if self.trip.doublings == 0:
                self.congestion.timed_out(wrapping_sub(self.nxt, self.una))
            else:
                self.congestion.restart_from_nothing()
            # All is taken for lost; what the peer has told of may be forgotten by it (RFC 2018, 8).
            self.board.clear()
            self.recovering, self.repeat_first, self.duplicates = False, False, 0
            self.recovery_point, self.repeated = self.most_sent, self.una
            self.nxt = self.una
        self.timing = False
        self.trip.back_off()
        self.retransmit_at = now + self.trip.timeout()

    def narrow(self, mss: u16) -> None:
        """The path takes less than was thought (RFC 1191, 6.4): send again what was too large."""
        if mss >= self.mss:
            return
        self.mss = max(mss, LEAST_MSS)
        if self.is_synchronized():
            self.congestion.shrink_segments(self.segment_size())
            self.nxt = self.una
            self.timing, self.recovering, self.repeat_first = False, False, False
            self.wants_output = True

    # --- a segment came -----------------------------------------------------------------------------------------------

    def arrive(self, segment: Segment, data: Span[u8], host: Host, now: u64) -> Verdict:
        """SEGMENT ARRIVES (3.10.7). `data` is what the segment carries."""
        if self.state is State.SYN_SENT:
            return self.arrive_opening(segment, host, now)
        if self.timed and not segment.timed and not segment.has(RST):
            # A segment without a timestamp isn't the peer's (RFC 7323, 3.2).
            host.counters.drop(Drop.FORM)
            return Verdict.NOTHING
        if self.is_outdated(segment, now):
            host.counters.drop(Drop.WINDOW)
            self.acknowledge_soon(segment, host, now)
            return Verdict.NOTHING
        if segment.has(RST):
            self.take_reset(segment, host, now)
            return Verdict.NOTHING
        if not self.is_acceptable(segment):
            host.counters.drop(Drop.WINDOW)
            # The peer's SYN came again: our answer to it was lost.
            again = segment.has(SYN) and not segment.has(ACK) and segment.sequence == self.irs
            if self.state is State.SYN_RECEIVED and again:
                self.nxt, self.wants_output = self.iss, True
            else:
                self.acknowledge_soon(segment, host, now)
            return Verdict.NOTHING
        if segment.has(SYN):
            self.challenge(host, now)
            return Verdict.NOTHING
        if not segment.has(ACK):
            host.counters.drop(Drop.FORM)
            return Verdict.NOTHING
        if segment.timed and until(self.recent, segment.time) and until(segment.sequence, self.last_ack):
            self.recent, self.recent_at = segment.time, now
        if self.state is State.SYN_RECEIVED:
            if not (before(self.una, segment.acknowledgment) and until(segment.acknowledgment, self.most_sent)):
                host.counters.drop(Drop.ACKNOWLEDGMENT)
                return Verdict.REFUSE
            self.established(segment, now)
        self.heard_at, self.keep_probes = now, 0
        if not self.take_acknowledgment(segment, host, now):
            host.counters.drop(Drop.ACKNOWLEDGMENT)
            self.challenge(host, now)
            return Verdict.NOTHING
        if self.state is State.CLOSED:
            return Verdict.NOTHING
        if not self.take_data(segment, data, now):
            # Nobody will read it: the peer is to know that it is lost (3.10.4 and RFC 1122, 4.2.2.13).
            self.abort(End.ABORTED)
            return Verdict.NOTHING
        return self.take_fin(now)

    def arrive_opening(self, segment: Segment, host: Host, now: u64) -> Verdict:
        """In SYN-SENT (3.10.7.3)."""
        acknowledges = segment.has(ACK)
        if acknowledges:
            number = segment.acknowledgment
            if not (before(self.iss, number) and until(number, self.most_sent)):
                host.counters.drop(Drop.ACKNOWLEDGMENT)
                return Verdict.NOTHING if segment.has(RST) else Verdict.REFUSE
        if segment.has(RST):
            if acknowledges:
                host.counters.resets_in += 1
                self.close(End.REFUSED)
            return Verdict.NOTHING
        if not segment.has(SYN):
            host.counters.drop(Drop.FORM)
            return Verdict.NOTHING
        self.take_syn(segment, now)
        self.heard_at = now
        # What the SYN offered.
        self.edge = wrapping_add(self.expected, min(self.receiving.capacity(), 0xFFFF))
        if acknowledges:
            self.established(segment, now)
            self.ack_now = True
        else:
            # Both have opened at once (3.5): ours is sent again, with an acknowledgement.
            self.state = State.SYN_RECEIVED
            self.nxt = self.iss
            self.wants_output = True
        return Verdict.NOTHING

    def is_outdated(self, segment: Segment, now: u64) -> bool:
        """PAWS (RFC 7323, 5.3): is it from an earlier round of the sequence numbers?"""
        if not (self.timed and segment.timed) or segment.has(RST):
            return False
        return before(segment.time, self.recent) and now - self.recent_at < TIMESTAMP_LIFE

    def receive_window(self) -> u32:
        return wrapping_sub(self.edge, self.expected) if before(self.expected, self.edge) else 0

    def is_acceptable(self, segment: Segment) -> bool:
        """3.4, table 6; and what is just at the edge, for its acknowledgement's sake (3.10.7.4)."""
        size, window = segment.size(), self.receive_window()
        if segment.sequence == self.expected or (size == 0 and segment.sequence == self.edge):
            return True
        if window == 0:
            return False
        offered = Range(self.expected, wrapping_add(self.expected, window))
        if offered.holds(segment.sequence):
            return True
        return size != 0 and offered.holds(wrapping_add(segment.sequence, size - 1))

    def take_reset(self, segment: Segment, host: Host, now: u64) -> None:
        """RFC 5961, 3.2: only at the very number that is expected; elsewhere in the window it is asked about."""
        if segment.sequence == self.expected:
            host.counters.resets_in += 1
            self.close(End.REFUSED if self.state is State.SYN_RECEIVED and not self.passive else End.RESET)
        elif self.is_acceptable(segment):
            self.challenge(host, now)
        else:
            host.counters.drop(Drop.WINDOW)

    def challenge(self, host: Host, now: u64) -> None:
        """Let the peer say whether it was it: so many a second (RFC 5961, 7), of each connection for itself.

        A number for all could be counted by others (see `rate.py`).
        """
        if now - self.challenged_from >= SECOND:
            self.challenged_from, self.challenged = now, 0
        if self.challenged != MOST_CHALLENGES:
            self.challenged += 1
            host.counters.challenges += 1
            self.ack_now, self.wants_output = True, True
        else:
            host.counters.drop(Drop.RATE)

    def acknowledge_soon(self, segment: Segment, host: Host, now: u64) -> None:
        """What isn't acceptable is answered. One without bytes can be an answer itself: only so many a second."""
        if segment.size() != 0:
            self.ack_now, self.wants_output = True, True
        else:
            self.challenge(host, now)

    # --- its acknowledgement ------------------------------------------------------------------------------------------

    def take_acknowledgment(self, segment: Segment, host: Host, now: u64) -> bool:
        """False: it acknowledges what was never sent, or is too old to be genuine (RFC 5961, 5.2)."""
        number = segment.acknowledgment
        if before(self.most_sent, number) or before(number, wrapping_sub(self.una, self.most_window)):
            return False
        if before(number, self.una):
            return True
        fresh = self.sack and self.take_blocks(segment)
        window = u32(segment.window) << self.scale_out
        same = window == self.window
        if before(self.wl1, segment.sequence) or (self.wl1 == segment.sequence and until(self.wl2, number)):
            self.window = window
            self.most_window = max(self.most_window, window)
            self.wl1, self.wl2 = segment.sequence, number
            if not same:
                self.wants_output = True
            if self.nxt == self.una and window != 0:
                # There is room again: what waited for it wasn't lost.
                self.trip.doublings, self.retransmit_at = 0, NEVER
        if number != self.una:
            self.advance(segment, host, now)
        elif self.nxt != self.una:
            plain = segment.length == 0 and not segment.has(FIN) and same
            if fresh or (plain and not self.sack):
                self.duplicates += 1
                self.wants_output = True
        self.consider_loss(host, now)
        if self.state is not State.CLOSED:
            self.arm(now)
        return True

    def take_blocks(self, segment: Segment) -> bool:
        """Note what the peer has. True: some of it is new. Blocks that can't be are ignored (RFC 2018; RFC 2883)."""
        fresh = False
        low = later(self.una, segment.acknowledgment)
        for block in segment.blocks[: segment.block_count]:
            if until(low, block.left) and before(block.left, block.right) and until(block.right, self.most_sent):
                # What follows `una` at once would have been acknowledged.
                if block.left != low and self.board.add(block):
                    fresh = True
        return fresh

    def advance(self, segment: Segment, host: Host, now: u64) -> None:
        """Some of what was sent has been acknowledged."""
        number = segment.acknowledgment
        count = wrapping_sub(number, self.una)
        flight = wrapping_sub(self.nxt, self.una)
        data = min(count, self.queued)
        if count > self.queued:
            self.fin_acked = True
        self.sending.advance(data)
        self.queued -= data
        self.una = number
        self.nxt = later(self.nxt, number)
        self.repeated = later(self.repeated, number)
        self.board.acknowledge(number)
        if self.timing and until(self.timed_end, number):
            self.timing = False
            self.trip.measured(now - self.timed_at)
        elif not self.timing and self.timed:
            ticks = wrapping_sub(self.time(now), segment.echo)
            if ticks < 60_000:
                self.trip.measured(u64(ticks) * MILLISECOND)
        self.trip.doublings = 0
        self.retransmit_at = NEVER
        mss = self.segment_size()
        if self.recovering:
            if until(self.recovery_point, number):
                self.recovering, self.duplicates = False, 0
                left = max(wrapping_sub(self.nxt, self.una), mss) + mss
                self.congestion.window = min(self.congestion.threshold, left)
            elif not self.sack:
                # A partial acknowledgement: the next one is lost, too (RFC 6582, 3.2, step 5).
                self.repeat_first = True
                self.duplicates -= min(self.duplicates, count // mss)
        else:
            self.duplicates = 0
            window = self.congestion.window
            slow = window < self.congestion.threshold
            if flight + mss >= window or (slow and 2 * flight >= window):
                self.congestion.acknowledged(count, self.trip.smoothed, now)
        self.news, self.wants_output = self.news or data != 0, True
        if self.fin_acked:
            self.finished(now)

    def finished(self, now: u64) -> None:
        """Our FIN is acknowledged."""
        match self.state:
            case State.FIN_WAIT_1:
                self.state = State.FIN_WAIT_2
                if not self.open:
                    self.close_at = now + FIN_WAIT
            case State.LAST_ACK:
                self.close(End.DONE)
            case _:
                pass

    def consider_loss(self, host: Host, now: u64) -> None:
        """Has a segment been lost (RFC 5681, 3.2; RFC 6675, 5)? Once for all that was sent by then (RFC 6582)."""
        if self.recovering or self.nxt == self.una or before(self.una, self.recovery_point):
            return
        mss = self.segment_size()
        if self.duplicates < DUPLICATES and not (self.sack and self.board.first_is_lost(mss)):
            return
        self.recovering, self.recovery_point = True, self.most_sent
        self.repeated = self.una
        self.congestion.lost(wrapping_sub(self.nxt, self.una), now)
        self.repeat_first, self.wants_output = True, True
        host.counters.recoveries += 1

    # --- its bytes, and its end ---------------------------------------------------------------------------------------

    def take_data(self, segment: Segment, data: Span[u8], now: u64) -> bool:
        """Put the bytes to their place. False: the client is gone, and nobody will read them."""
        if segment.size() == 0:
            return True
        end = wrapping_add(segment.sequence, segment.length)
        left, right = later(segment.sequence, self.expected), earlier(end, later(self.edge, self.expected))
        if self.fin_known:
            right = earlier(right, self.fin_at)
        if segment.has(FIN) and right == end and not self.fin_known and until(self.expected, end):
            # Not if bytes have come that would be behind it.
            self.fin_known, self.fin_at = not self.beyond.reaches_beyond(end), end
        if not before(left, right):
            # Nothing new in it: perhaps an acknowledgement was lost.
            self.ack_now, self.wants_output = True, True
            return True
        if not self.open:
            return False
        offset = wrapping_sub(left, self.expected)
        skip = usize(wrapping_sub(left, segment.sequence))
        part = data[skip : skip + usize(wrapping_sub(right, left))]
        if offset != 0:
            # The gap is told of at once (RFC 5681, 4.2).
            self.ack_now, self.wants_output = True, True
            if self.beyond.add(Range(left, right)):
                self.receiving.write(self.waiting + offset, part)
            return True
        self.receiving.write(self.waiting, part)
        reached = right
        if self.beyond.count != 0:
            reached = self.beyond.take(right)
            self.ack_now, self.wants_output = True, True
        count = wrapping_sub(reached, self.expected)
        self.waiting += count
        self.expected = reached
        self.unanswered += count
        self.news = True
        if self.unanswered >= 2 * u32(self.mss) or right != end:
            self.ack_now, self.wants_output = True, True
        elif self.ack_at == NEVER:
            self.ack_at = now + ACK_DELAY
        return True

    def take_fin(self, now: u64) -> Verdict:
        """The peer's end, when all before it is there (3.10.7.4, eighth)."""
        if self.fin_known and not self.fin_taken and self.expected == self.fin_at:
            self.fin_taken = True
            self.expected = wrapping_add(self.expected, 1)
            self.ack_now, self.wants_output, self.news = True, True, True
            match self.state:
                case State.ESTABLISHED:
                    self.state = State.CLOSE_WAIT
                case State.FIN_WAIT_1:
                    self.state = State.CLOSING
                case _:
                    pass
        if self.fin_taken and self.fin_acked and self.state in (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING):
            return Verdict.WAIT
        return Verdict.NOTHING


def scale_for(capacity: u32) -> u8:
    """The window scale that a buffer needs (RFC 7323, 2.3)."""
    scale: u8 = 0
    while capacity >> scale > 0xFFFF and scale < wire.MOST_SCALE:
        scale += 1
    return scale


def cookie_options(ack: Segment, offset: u32, scale: u8) -> tuple[u8, u8, bool]:
    """Of the timestamp that went out with a cookie: our scale, the peer's, and whether there is SACK."""
    if not ack.timed:
        return 0, 0, False
    said = wrapping_sub(ack.echo, offset) & 63
    peer = truncate(u8, said & 15)
    if peer == 15:
        return 0, 0, said & 16 != 0
    return scale, min(peer, wire.MOST_SCALE), said & 16 != 0


def cookie_time(syn: Segment, time: u32) -> u32:
    """The latest timestamp, not after `time`, that says what the SYN offers in its low 6 bits. `time` has no offset."""
    scale: u32 = 15 if syn.scale == wire.NO_SCALE else u32(syn.scale)
    said = scale | (16 if syn.sack_permitted else 0)
    rounded = (time & ~u32(63)) | said
    return rounded if rounded <= time else wrapping_sub(rounded, 64)
