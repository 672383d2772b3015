"""TCP's table: connections and listeners, and what clients do. One of them is `connection.py`.

Which of them a segment is for is found out in `dispatch.py`, what has ended is answered in `lingering.py`, and
`transmission.py` builds the packets of those that have something to say.

A connection is known to its client by a handle, and inside by its slot. It stands in lines, when it has a reason to:
`ready` has something to send, `unresolved` waits for its neighbour's link address, `changed` has news for its client,
`buried` is over, and nobody has it.

Invariants:
- A slot is in `flows` exactly while its connection isn't CLOSED (a reset may be due after that).
- A connection's buffers are its own until its client has closed it *and* it is CLOSED.
- Connections are released in `bury` alone, when nobody holds a reference to one.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Embedded,
    Handle,
    Span,
    array,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
)
from neokernel.runtime.hashing import Seed
from neokernel.runtime.map import Map
from neokernel.runtime.pool import Pool
from neokernel.services.network.acknowledgment import DUPLICATES
from neokernel.services.network.address import ANY, Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.buffers import Buffers
from neokernel.services.network.clock import MILLISECOND, NEVER
from neokernel.services.network.composing import compose
from neokernel.services.network.connection import (
    Connection,
    End,
    State,
)
from neokernel.services.network.deadlines import expire, narrow
from neokernel.services.network.host import Host
from neokernel.services.network.limits import CLIENTS, CONNECTIONS, FLOWS, LISTENERS, LOOK_AGAIN
from neokernel.services.network.line import Line
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.owed import Owed
from neokernel.services.network.past import Past
from neokernel.services.network.prediction import Prediction
from neokernel.services.network.secret import OWED, PORT
from neokernel.services.network.segment import Segment
from neokernel.services.network.sequence import before, until
from neokernel.services.network.shares import Lack, Shares
from neokernel.services.network.time_wait import TimeWait
from neokernel.services.network.timers import Timers
from neokernel.services.network.train import Train

#: ports that are chosen for clients (RFC 6335, 6)
FIRST_PORT = 49_152
PORTS = 16_384
#: how many of them are tried
TRIES = 64


class TcpError(Enum):
    """Why a client's request wasn't done."""

    #: no such connection or listener, or it is another client's
    HANDLE = 0
    #: all places are taken
    FULL = 1
    #: all of the client's buffers are in use
    BUFFERS = 2
    #: somebody listens there, or this connection exists
    IN_USE = 3
    #: there is no way to that address
    NO_ROUTE = 4
    #: it isn't open any more, or in that direction; `end` says why
    CLOSED = 5
    #: that can't be an address or a port
    ADDRESS = 6
    #: it has its share of the places, and the others are in use, or kept for other clients
    SHARE = 7


@value
class Status:
    """What a client may know of its connection."""

    state: State
    end: End
    #: bytes to be read; room for bytes to be sent; bytes that aren't acknowledged
    waiting: u32
    room: u32
    queued: u32
    #: the peer has no more to send
    peer_finished: bool


@struct
class Listener:
    """`half_open` of its connections aren't established yet, `pending` are and haven't been accepted."""

    local: Endpoint = Endpoint()
    client: u32 = 0
    backlog: u32 = 0
    half_open: u32 = 0
    pending: u32 = 0
    first: Handle[Connection] = Handle(0, 0)
    last: Handle[Connection] = Handle(0, 0)
    #: there is one to be accepted, since `take_news` said so
    news: bool = False


@struct
class Tcp:
    connections: Embedded[Pool[Connection]] = Pool(slots=array(CONNECTIONS))
    flows: Embedded[Map[Flow, u32]] = Map(seed=Seed(0, 0), slots=array(FLOWS))
    listeners: Embedded[Pool[Listener]] = Pool(slots=array(LISTENERS))
    #: of these two
    connection_shares: Embedded[Shares] = Shares(places=CONNECTIONS)
    listener_shares: Embedded[Shares] = Shares(places=LISTENERS)
    ended: Embedded[TimeWait] = TimeWait()
    #: who may bring back a cookie
    owed: Embedded[Owed] = Owed()
    #: whom the life before had connections with, and this one has
    past: Embedded[Past] = Past()
    buffers: Embedded[Buffers] = Buffers()
    timers: Embedded[Timers] = Timers()
    ready: Embedded[Line] = Line()
    unresolved: Embedded[Line] = Line()
    changed: Embedded[Line] = Line()
    buried: Embedded[Line] = Line()
    incoming: Embedded[Segment] = Segment()
    outgoing: Embedded[Segment] = Segment()
    train: Embedded[Train] = Train()
    prediction: Embedded[Prediction] = Prediction()
    port: u16 = 0
    #: the place of the connection that a right segment came for last
    latest: u32 = 0
    #: it was the one before, too
    again: bool = False
    #: a listener has a connection to be accepted, since whoever asks has set it to False
    came: bool = False
    #: the place of the connection that gave way last
    given_way: usize = 0

    def begin(self, seed: Seed) -> None:
        """Before anything else: hashes depend on a secret."""
        self.flows.seed = seed
        self.ended.flows.seed = seed

    # --- clients' verbs -----------------------------------------------------------------------------------------------

    def listen(self, client: u32, local: Endpoint, backlog: u32) -> Handle[Listener] | TcpError:
        """Passive OPEN (3.10.1), on one address or on all (ANY). `backlog`: how many may wait to be accepted."""
        if local.port == 0 or client >= CLIENTS or local.address.is_multicast():
            return TcpError.ADDRESS
        for index in range(len(self.listeners)):
            known = self.listeners.at(index)
            if known is not None and known.local == local:
                return TcpError.IN_USE
        if self.listener_shares.lacking(client) is Lack.SHARE:
            return TcpError.SHARE
        handle = self.listeners.allocate()
        if handle is None:
            return TcpError.FULL
        self.listener_shares.take(client)
        listener = self.listeners.get(handle)
        assert listener is not None
        listener.local, listener.client, listener.backlog = local, client, max(backlog, 1)
        return handle

    def accept(self, client: u32, handle: Handle[Listener]) -> Handle[Connection] | TcpError | None:
        """The oldest connection that waits, if one does."""
        listener = self.listeners.get(handle)
        if listener is None or listener.client != client:
            return TcpError.HANDLE
        # Some may have ended meanwhile: these are shown, too, for what they have received.
        first = listener.first
        connection = self.connections.get(first)
        if listener.pending == 0 or connection is None:
            return None
        listener.first = connection.following
        listener.pending -= 1
        connection.accepted = True
        return first

    def stop_listening(self, client: u32, handle: Handle[Listener]) -> TcpError | None:
        """Nobody is accepted any more; who waits is reset. Steps: the connections."""
        listener = self.listeners.get(handle)
        if listener is None or listener.client != client:
            return TcpError.HANDLE
        for index in range(len(self.connections)):
            connection = self.connections.at(index)
            if connection is None or not connection.passive or connection.accepted:
                continue
            if connection.listener == handle.index and connection.open:
                connection.abort(End.ABORTED)
                connection.open = False
                connection.accepted = True
                self.settle(u32(index), connection)
        _ = self.listeners.release(handle)
        self.listener_shares.give_back(client)
        self.bury()
        return None

    def connect(self, host: Host, client: u32, remote: Endpoint, now: u64) -> Handle[Connection] | TcpError:
        """Active OPEN (3.10.1), from a port of our choice."""
        if remote.port == 0 or client >= CLIENTS or not remote.address.is_single() or host.is_broadcast(remote.address):
            return TcpError.ADDRESS
        if not host.is_local(remote.address) and (not host.up or host.next_hop(remote.address) is None):
            return TcpError.NO_ROUTE
        local = host.source_for(remote.address)
        # RFC 6056, 3.3.3: each destination has its own sequence of ports.
        first = u32(host.secret.hash(PORT, Flow(Endpoint(local, 0), remote), 0) >> 40)
        for _ in range(TRIES):
            port = u16(FIRST_PORT + (first + u32(self.port)) % PORTS)
            self.port = wrapping_add(self.port, 1)
            flow = Flow(Endpoint(local, port), remote)
            if flow not in self.flows and flow not in self.ended.flows:
                handle = self.admit(host, client, flow, now)
                if isinstance(handle, TcpError):
                    return handle
                connection = self.connections.get(handle)
                assert connection is not None
                connection.accepted = True
                connection.connect(host, now)
                host.counters.opened += 1
                self.settle(handle.index, connection)
                return handle
        return TcpError.IN_USE

    def send(self, client: u32, handle: Handle[Connection], data: Span[u8]) -> u32 | TcpError:
        """SEND (3.10.2): how many of the bytes were taken; 0 when there is no room."""
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        if connection.finishing or connection.state is State.CLOSED:
            return TcpError.CLOSED
        count = connection.send(data)
        self.settle(handle.index, connection)
        return count

    def receive(self, client: u32, handle: Handle[Connection], into: Span[u8]) -> u32 | TcpError:
        """RECEIVE (3.10.3): how many bytes there were; 0 when there are none yet. CLOSED: there will be none."""
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        if connection.waiting == 0 and (connection.fin_taken or connection.state is State.CLOSED):
            return TcpError.CLOSED
        count = connection.receive(into)
        self.settle(handle.index, connection)
        return count

    def finish(self, client: u32, handle: Handle[Connection], now: u64) -> TcpError | None:
        """No more will be sent; what comes can be read."""
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        connection.finish(now)
        self.settle(handle.index, connection)
        return None

    def close(self, client: u32, handle: Handle[Connection], now: u64) -> TcpError | None:
        """The client is done with it, and the handle isn't good any more. What was sent will arrive, if it can."""
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        connection.leave(now)
        self.settle(handle.index, connection)
        self.bury()
        return None

    def abort(self, client: u32, handle: Handle[Connection]) -> TcpError | None:
        """Reset it, and be done with it."""
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        connection.abort(End.ABORTED)
        connection.open = False
        self.settle(handle.index, connection)
        self.bury()
        return None

    def forget(self, client: u32) -> None:
        """The client has gone: its memory isn't used any more, and peers are told. Steps: listeners and connections."""
        for index in range(len(self.listeners)):
            listener, known = self.listeners.at(index), self.listeners.handle_at(index)
            if listener is not None and known is not None and listener.client == client:
                _ = self.listeners.release(known)
                self.listener_shares.give_back(client)
        for index in range(len(self.connections)):
            connection = self.connections.at(index)
            if connection is None or connection.client != client or not connection.has_buffers:
                continue
            connection.abort(End.ABORTED)
            connection.open, connection.accepted, connection.has_buffers = False, True, False
            connection.sending.detach()
            connection.receiving.detach()
            self.buffers.regions[usize(client)].give_back(connection.pair)
            self.settle(u32(index), connection)
        self.bury()

    def status(self, client: u32, handle: Handle[Connection]) -> Status | TcpError:
        connection = self.own(client, handle)
        if connection is None:
            return TcpError.HANDLE
        return Status(
            connection.state,
            connection.end,
            connection.waiting,
            connection.room(),
            connection.queued,
            connection.fin_taken,
        )

    def own(self, client: u32, handle: Handle[Connection]) -> Connection | None:
        """The client's, if it is that."""
        connection = self.connections.get(handle)
        if connection is None or connection.client != client or not connection.open or not connection.accepted:
            return None
        return connection

    def take_news(self) -> Handle[Connection] | None:
        """A connection that its client may want to look at: opened, bytes came, room for more, ended."""
        for _ in range(len(self.changed)):
            slot = self.changed.pop()
            if slot is None:
                return None
            connection = self.connections.at(usize(slot))
            if connection is not None and connection.news and connection.open and connection.accepted:
                connection.news = False
                return self.connections.handle_at(usize(slot))
        return None

    def owe(self, handle: Handle[Connection]) -> None:
        """The client couldn't be told of it now: `take_news` gives it again."""
        connection = self.connections.get(handle)
        if connection is not None:
            connection.news = True
            self.changed.push(handle.index)

    # --- listeners and neighbours -------------------------------------------------------------------------------------

    def left_opening(self, host: Host, slot: u32, connection: Connection) -> None:
        """A listener's connection is established, or was lost before."""
        listener = self.listeners.at(usize(connection.listener))
        if listener is None or listener.client != connection.client:
            return
        listener.half_open -= min(listener.half_open, 1)
        handle = self.connections.handle_at(usize(slot))
        if connection.state is State.CLOSED or handle is None:
            # Nobody has ever seen it.
            connection.open = False
            host.counters.failed += 1
            return
        host.counters.accepted += 1
        last = self.connections.get(listener.last)
        if listener.pending == 0 or last is None:
            listener.first = handle
        else:
            last.following = handle
        listener.last = handle
        listener.pending += 1
        listener.news, self.came = True, True

    def resolved(self) -> None:
        """A neighbour is known, or known not to be there: those that waited look again."""
        for _ in range(len(self.unresolved)):
            slot = self.unresolved.pop()
            if slot is not None:
                self.ready.push(slot)

    # --- time ---------------------------------------------------------------------------------------------------------

    def deadline(self) -> u64:
        """When `advance` has something to do."""
        return min(self.timers.next(), self.ended.deadline(), self.past.at)

    def advance(self, host: Host, now: u64) -> None:
        """What was due. Steps: at most the connections, as each is looked at once."""
        self.ended.expire(now)
        self.past.advance(host, self.outgoing, now)
        for _ in range(CONNECTIONS):
            slot = self.timers.due(now)
            if slot is None:
                break
            connection = self.connections.at(usize(slot))
            if connection is None:
                continue
            before_it = connection.state
            if connection.deadline() <= now:
                expire(connection, host, now)
            if before_it is State.SYN_RECEIVED and connection.passive and connection.state is State.CLOSED:
                self.left_opening(host, slot, connection)
            self.settle(slot, connection)
        self.bury()

    def try_at_once(self, now: u64) -> None:
        """The link is there again: what waits for a retransmission doesn't wait for it any longer.

        Nor does the peer, if it counts duplicates: who hears the same acknowledgement often enough takes the segment
        behind it for lost, and sends it again at once (RFC 5681, 3.2; Goff and others, "Freeze-TCP", 2000). With SACK
        it would want to hear what has come instead. What it has in flight it alone knows.
        """
        for index in range(len(self.connections)):
            connection = self.connections.at(index)
            if connection is None:
                continue
            if connection.retransmit_at != NEVER:
                connection.retransmit_at = min(connection.retransmit_at, now)
                connection.trip.doublings = 0
                self.timers.no_later(u32(index), now)
            if connection.may_wait_for_us(now):
                connection.reminders, connection.wants_output = DUPLICATES, True
                self.ready.push(u32(index))

    def lose_address(self, address: Address) -> None:
        """The host isn't that any more: its connections end, and nobody can be told. Steps: the connections."""
        for index in range(len(self.connections)):
            connection = self.connections.at(index)
            if connection is None or connection.flow.local.address != address:
                continue
            before_it = connection.state
            connection.close(End.UNREACHABLE)
            if before_it is State.SYN_RECEIVED and connection.passive:
                # Nobody has ever seen it.
                connection.open = False
                listener = self.listeners.at(usize(connection.listener))
                if listener is not None and listener.client == connection.client:
                    listener.half_open -= min(listener.half_open, 1)
            self.settle(u32(index), connection)
        self.bury()

    # --- ICMP ---------------------------------------------------------------------------------------------------------

    def is_in_flight(self, flow: Flow, sequence: u32) -> bool:
        """Is that one of the numbers that we have sent, and haven't had acknowledged (RFC 5927, 4.1)?"""
        slot = self.flows.get(flow)
        connection = self.connections.at(usize(slot)) if slot is not None else None
        if connection is None:
            return False
        return until(connection.una, sequence) and before(sequence, connection.most_sent)

    def narrow(self, flow: Flow, mss: u16) -> None:
        """A router says that a segment was too large."""
        slot = self.flows.get(flow)
        connection = self.connections.at(usize(slot)) if slot is not None else None
        if slot is not None and connection is not None:
            narrow(connection, mss)
            self.settle(slot, connection)

    def hard_error(self, flow: Flow, sequence: u32) -> None:
        """Unreachable, says ICMP: it ends what is being opened, and nothing else (RFC 5927, 5.2)."""
        slot = self.flows.get(flow)
        if slot is None:
            return
        connection = self.connections.at(usize(slot))
        if connection is not None and connection.state is State.SYN_SENT and sequence == connection.iss:
            connection.close(End.UNREACHABLE)
            self.settle(slot, connection)

    # --- inside -------------------------------------------------------------------------------------------------------

    def open(self, host: Host, client: u32, flow: Flow, now: u64) -> Handle[Connection] | TcpError:
        """The client's buffers, and a place."""
        region = self.buffers.regions[usize(client)]
        if region.taken == region.pairs:
            return TcpError.BUFFERS
        if self.connection_shares.lacking(client) is Lack.SHARE:
            return TcpError.SHARE
        if len(self.flows) >= CONNECTIONS or self.connections.free() == 0:
            return TcpError.FULL
        pair = region.take()
        assert pair is not None, "one is free"
        handle = self.connections.allocate()
        assert handle is not None, "one is free"
        self.connection_shares.take(client)
        connection = self.connections.get(handle)
        assert connection is not None
        connection.client, connection.pair = client, pair
        connection.begin(flow, region.part(pair, False), region.part(pair, True), host, now)
        full = self.flows.insert(flow, handle.index)
        assert full is None, "there is room for as many as there are connections"
        self.past.note(handle.index, flow)
        return handle

    def admit(self, host: Host, client: u32, flow: Flow, now: u64) -> Handle[Connection] | TcpError:
        """`open`, if need be in the place of one that may give way: for a peer that is there, or is wanted."""
        handle = self.open(host, client, flow, now)
        if isinstance(handle, TcpError) and self.make_room(host, client, handle, now):
            return self.open(host, client, flow, now)
        return handle

    def make_room(self, host: Host, client: u32, why: TcpError, now: u64) -> bool:
        """Give up a connection that may give way. False: there is none.

        So neither a flood of SYNs nor peers that don't end keep others out. `why`: what there isn't room for, as `open`
        says it; if it isn't places, only the client's own help, which have buffers and a place of its share each.

        A peer that has answered the SYN after all brings its cookie back. One that doesn't take what was left for it is
        told that nothing more will come.

        Steps: the connections, but only now and then if none of them gives way.
        """
        region = self.buffers.regions[usize(client)]
        if now < region.look_at:
            return False
        at = self.given_way
        for _ in range(CONNECTIONS):
            at = at + 1 if at + 1 < CONNECTIONS else usize(0)
            connection = self.connections.at(at)
            if connection is None or not connection.may_give_way(now):
                continue
            if why is not TcpError.FULL and connection.client != client:
                continue
            self.given_way = at
            if connection.state is State.SYN_RECEIVED:
                connection.close(End.TIMED_OUT)
                self.left_opening(host, u32(at), connection)
                self.owed.note(host.secret.hash(OWED, connection.flow, 0), now)
            elif connection.state is State.FIN_WAIT_2:
                connection.close(End.TIMED_OUT)
            else:
                self.reset_now(host, connection, now)
            self.settle(u32(at), connection)
            self.bury()
            return True
        region.look_at = now + LOOK_AGAIN
        return False

    def reset_now(self, host: Host, connection: Connection, now: u64) -> None:
        """ABORT, without keeping it until its turn has come: if the peer's link address isn't known, it isn't told."""
        connection.abort(End.TIMED_OUT)
        remote = connection.flow.remote.address
        to = LinkAddress(0) if host.is_local(remote) else host.link_to(remote, now)
        piece = compose(connection, self.outgoing, host, now)
        if piece is not None and not isinstance(to, Unknown) and host.answer(self.outgoing, connection.flow, to):
            host.counters.resets_out += 1

    def find(self, flow: Flow) -> u32 | None:
        """The place of the connection that is open between these two: mostly it is the one that was heard last."""
        connection = self.connections.at(usize(self.latest))
        if connection is not None and connection.state is not State.CLOSED and connection.flow == flow:
            return self.latest
        return self.flows.get(flow)

    def heard(self, slot: u32) -> None:
        """A segment for that one is right."""
        self.again = self.latest == slot
        self.latest = slot

    def settle(self, slot: u32, connection: Connection) -> None:
        """After anything has happened to a connection: which lines it stands in, and when it is looked at."""
        if connection.wants_output:
            self.ready.push(slot)
        if connection.news:
            self.changed.push(slot)
        if connection.state is State.CLOSED:
            found = self.flows.get(connection.flow)
            if found is not None and found == slot:
                _ = self.flows.remove(connection.flow)
                self.past.forget(slot)
            if not connection.open and not connection.reset_due:
                self.buried.push(slot)
        else:
            self.timers.no_later(slot, connection.deadline())

    def bury(self) -> None:
        """Give back what belongs to nobody any more."""
        for _ in range(len(self.buried)):
            slot = self.buried.pop()
            if slot is None:
                return
            handle = self.connections.handle_at(usize(slot))
            connection = self.connections.at(usize(slot))
            if handle is None or connection is None:
                continue
            if connection.has_buffers:
                self.buffers.regions[usize(connection.client)].give_back(connection.pair)
            self.timers.remove(slot)
            self.connection_shares.give_back(connection.client)
            _ = self.connections.release(handle)

    def listener_of(self, local: Endpoint) -> usize | None:
        """Who listens there: on this address, or else on all."""
        found: usize | None = None
        for index in range(len(self.listeners)):
            listener = self.listeners.at(index)
            if listener is not None and listener.local.port == local.port:
                if listener.local.address == local.address:
                    return index
                if listener.local.address == ANY:
                    found = index
        return found


def milliseconds(now: u64) -> u32:
    """The clock of timestamps, without a connection's offset."""
    return truncate(u32, now // MILLISECOND)
