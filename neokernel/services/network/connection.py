"""One connection of TCP: RFC 9293, section 3.10, but for the table it stands in, which is `tcp.py`.

Here are its state, how it begins, and a client's verbs; a file each has the rest:

    arrival.py          a segment came: is it the peer's, and what becomes of the state
    acknowledgment.py   what it acknowledges
    delivery.py         what it carries
    composing.py        what is to be sent next
    deadlines.py        what is due

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
    wrapping_add,
    wrapping_sub,
)
from neokernel.services.network import segment as wire
from neokernel.services.network.address import Flow
from neokernel.services.network.assembler import Assembler
from neokernel.services.network.circle import Circle
from neokernel.services.network.clock import MILLISECOND, NEVER
from neokernel.services.network.congestion import Congestion
from neokernel.services.network.host import Host
from neokernel.services.network.limits import (
    DRAIN,
    FIN_WAIT,
    SLOW,
)
from neokernel.services.network.round_trip import RoundTrip
from neokernel.services.network.scoreboard import Scoreboard
from neokernel.services.network.secret import Cookie
from neokernel.services.network.segment import DEFAULT_MSS, SYN, Segment, scale_for
from neokernel.services.network.sequence import before, later

#: what a peer is taken to say at least
LEAST_MSS: u16 = 216


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


@struct
class Connection:
    flow: Flow = Flow()
    state: State = State.CLOSED
    end: End = End.NONE
    #: whose it is, and which pair of its buffers; `open`: the client has it still (or is to accept it)
    client: u32 = 0
    pair: u32 = 0
    #: false once the pair was given back, as its client has gone
    has_buffers: bool = True
    open: bool = False
    #: when the client has closed it
    left_at: u64 = 0
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
    #: bytes that the peer has acknowledged in all, modulo 2**32
    acknowledged: u32 = 0
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
    #: bytes that have come in order in all, modulo 2**32
    arrived: u32 = 0
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
    #: acknowledgements that are to be sent although nothing new has come
    reminders: u32 = 0

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
    keep_interval: u64 = 0
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
        self.heard_at = now
        self.scale_in = scale_for(self.receiving.capacity())

    def start_at(self, iss: u32) -> None:
        self.iss, self.una, self.nxt, self.most_sent = iss, iss, iss, iss
        self.repeated, self.recovery_point = iss, iss

    def connect(self, host: Host, now: u64) -> None:
        """Active OPEN (3.10.1). Options are offered: `timed` and `sack` say what is wanted, until the answer comes."""
        self.state = State.SYN_SENT
        self.start_at(host.secret.sequence(self.flow, now))
        self.mss = host.segment_size_to(self.flow.remote.address, now)
        self.timed, self.sack = True, True
        self.wants_output = True

    def answer_syn(self, syn: Segment, host: Host, now: u64) -> None:
        """A SYN came to a listener (3.10.7.2)."""
        self.state, self.passive = State.SYN_RECEIVED, True
        self.start_at(host.secret.cookie(self.flow, syn, now))
        self.mss = host.segment_size_to(self.flow.remote.address, now)
        self.take_syn(syn, now)
        self.wants_output = True

    def resume(self, ack: Segment, cookie: Cookie, host: Host, now: u64) -> None:
        """A good cookie came back: as if its SYN had been remembered."""
        self.state, self.passive = State.SYN_RECEIVED, True
        self.mss = min(cookie.mss, host.segment_size_to(self.flow.remote.address, now))
        self.start_at(wrapping_sub(ack.acknowledgment, 1))
        self.nxt, self.most_sent = ack.acknowledgment, ack.acknowledgment
        self.timing = False
        self.irs = wrapping_sub(ack.sequence, 1)
        self.expected, self.last_ack = ack.sequence, ack.sequence
        self.edge = wrapping_add(self.expected, min(self.receiving.capacity(), wire.MOST_WINDOW))
        self.timed, self.sack = ack.timed, cookie.sack
        scaled = cookie.scale != wire.NO_SCALE
        self.scale_in = scale_for(self.receiving.capacity()) if scaled else u8(0)
        self.scale_out = cookie.scale if scaled else u8(0)
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
        self.commit(count)
        return count

    def commit(self, count: u32) -> None:
        """So many bytes were put into the buffer, behind those that are queued; there must have been room."""
        self.queued += count
        self.wants_output = True

    def has_moved(self, written: u32, read: u32) -> bool:
        """The client has put bytes into one buffer by itself, and has read some in the other.

        `written`, `read`: how many in all, modulo 2**32. False: that can't be.
        """
        taken = wrapping_sub(read, wrapping_sub(self.arrived, self.waiting))
        if taken > self.waiting:
            return False
        if not self.finishing and self.state is not State.CLOSED:
            put = wrapping_sub(written, wrapping_add(self.acknowledged, self.queued))
            if put > self.room():
                return False
            if put != 0:
                self.commit(put)
        if taken != 0:
            self.consume(taken)
        return True

    def receive(self, into: Span[u8]) -> u32:
        """RECEIVE (3.10.3): how many bytes there were."""
        count = min(u32(len(into)), self.waiting)
        self.receiving.read(0, into[: usize(count)])
        self.consume(count)
        return count

    def consume(self, count: u32) -> None:
        """The oldest `count` of the bytes that wait have been read."""
        self.receiving.advance(count)
        self.waiting -= count
        # Tell of the room, when it is worth it (3.8.6.2.2).
        if count != 0 and not self.fin_taken and self.is_synchronized():
            fresh = wrapping_sub(wrapping_add(self.expected, self.receiving.capacity() - self.waiting), self.edge)
            if fresh >= min(self.receiving.capacity() // 2, 2 * u32(self.mss)):
                self.ack_now, self.wants_output = True, True

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

    def set_options(self, no_delay: bool, keep_alive: u64, interval: u64, now: u64) -> None:
        """`keep_alive`: silence behind which the peer is asked for a sign of life, 0 for never; `interval`: again."""
        self.no_delay, self.keep_alive, self.keep_interval, self.keep_probes = no_delay, keep_alive, interval, 0
        self.keep_at = NEVER
        if keep_alive != 0 and self.is_synchronized():
            self.keep_at = max(self.heard_at + keep_alive, now)
        # What waited for an acknowledgement needn't any longer.
        self.wants_output = self.wants_output or (no_delay and self.queued != 0)

    def leave(self, now: u64) -> None:
        """The client has closed it. If it hasn't read all, the peer is to know that (RFC 2525, 2.17)."""
        self.open, self.left_at = False, now
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

    def may_give_way(self, now: u64) -> bool:
        """Is it of less use than one whose peer has just answered?

        A handshake whose peer hasn't, though it was asked again; or what nobody here has any more: its peer has all
        that was sent, and needn't ever end; or it has taken none of the rest for some time, or not all of it in a
        longer one, as one that acknowledges a byte now and then.
        """
        if self.state is State.SYN_RECEIVED:
            return self.passive and self.trip.doublings != 0
        if self.open:
            return False
        return self.state is State.FIN_WAIT_2 or self.trip.waited() >= SLOW or now - self.left_at >= DRAIN

    def may_wait_for_us(self, now: u64) -> bool:
        """Has the peer perhaps sent what never came? One that was heard lately, counts duplicates, and may say more."""
        lately = now < self.heard_at + FIN_WAIT
        return lately and self.is_synchronized() and not self.sack and not self.fin_known

    # --- what the other files ask -------------------------------------------------------------------------------------

    def segment_size(self) -> u32:
        """Bytes that a segment carries at most: a multiple of eight, so that the next one lies as this one does."""
        return (u32(self.mss) - wire.TIMESTAMPS_SIZE if self.timed else u32(self.mss)) & ~u32(7)

    def time(self, now: u64) -> u32:
        """The clock of our timestamps: a tick a millisecond (RFC 7323, 5.4)."""
        return wrapping_add(truncate(u32, now // MILLISECOND), self.time_offset)

    def fin_follows(self, offset: u32) -> bool:
        return self.finishing and not self.fin_acked and offset == self.queued

    def deadline(self) -> u64:
        """When `expire` has something to do."""
        return min(self.retransmit_at, self.ack_at, self.keep_at, self.close_at)

    def receive_window(self) -> u32:
        return wrapping_sub(self.edge, self.expected) if before(self.expected, self.edge) else 0
