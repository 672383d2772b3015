"""`NetworkWatch`: what others may see of the network, read out of the core as it is between two turns.

Each call goes through one table at most, so its steps are bounded by the tables' sizes.
"""

from __future__ import annotations

from neokernel.interfaces.network_watch import (
    SOCKET_SIZE,
    Beyond,
    ClientStatus,
    DenialStatus,
    Link,
    NeighbourStatus,
    Page,
    Segments,
    SocketRecord,
    SocketState,
)
from neokernel.lang import Span, struct, u8, u32, u64, usize, wire_view
from neokernel.services.network import dhcp, ipv4
from neokernel.services.network.address import Flow
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.datagrams import Socket
from neokernel.services.network.denials import PLACES as DENIALS
from neokernel.services.network.drop import REASONS
from neokernel.services.network.grants import Protocol, Verb
from neokernel.services.network.limits import CLIENTS, CONNECTIONS, ENDED, LISTENERS, PORTS
from neokernel.services.network.neighbours import SETS, WAYS
from neokernel.services.network.network import Network
from neokernel.services.network.tcp import Listener

#: where each table begins in the list of all sockets
TCP_AT = LISTENERS
UDP_AT = TCP_AT + CONNECTIONS
ENDED_AT = UDP_AT + PORTS
ALL = ENDED_AT + ENDED


@struct
class Watching:
    """Handles `NetworkWatch`. `now`: the core's time; `refused`: frames that the driver wouldn't send."""

    network: Network
    now: u64 = 0
    refused: u64 = 0

    def link(self) -> Link:
        network, host = self.network, self.network.host
        counters = host.counters
        return Link(
            network.link_up,
            network.dhcp.state is not dhcp.State.OFF,
            host.completes_checksums,
            host.link.number,
            host.address.number,
            host.prefix,
            host.gateway.number,
            host.mtu,
            counters.restarts,
            self.refused,
            counters.frames_in,
            counters.frames_out,
            counters.bytes_in,
            counters.bytes_out,
        )

    def segments(self) -> Segments:
        counters = self.network.host.counters
        return Segments(
            counters.opened,
            counters.accepted,
            counters.failed,
            counters.resets_in,
            counters.resets_out,
            counters.segments_in,
            counters.segments_out,
            counters.retransmitted,
            counters.timeouts,
            counters.recoveries,
            counters.cookies_out,
            counters.cookies_in,
            counters.challenges,
        )

    def dropped(self, reason: u32) -> u64 | Beyond:
        return self.network.host.counters.dropped[usize(reason)] if reason < REASONS else Beyond.END

    # --- sockets ------------------------------------------------------------------------------------------------------

    def sockets(self, place: u32, into: Span[u8]) -> Page:
        room: usize = len(into) // SOCKET_SIZE
        count: usize = 0
        at: usize = usize(place)
        while at < ALL and count < room:
            begin = count * SOCKET_SIZE
            if self.socket_at(at, wire_view(SocketRecord, into[begin : begin + SOCKET_SIZE])):
                count += 1
            at += 1
        return Page(u32(count), u32(min(at, ALL)))

    def socket_at(self, at: usize, record: SocketRecord) -> bool:
        """Fill in what is there; False: nothing is."""
        tcp = self.network.tcp
        if at < TCP_AT:
            listener = tcp.listeners.at(at)
            if listener is not None:
                self.listening(listener, record)
            return listener is not None
        if at < UDP_AT:
            connection = tcp.connections.at(at - TCP_AT)
            if connection is not None:
                self.connected(connection, record)
            return connection is not None
        if at < ENDED_AT:
            socket = self.network.udp.sockets.at(at - UDP_AT)
            if socket is not None:
                self.bound(socket, record)
            return socket is not None
        ended = tcp.ended.places[at - ENDED_AT]
        if ended.used:
            self.begin(record, ipv4.TCP, SocketState.TIME_WAIT, ended.flow)
        return ended.used

    def begin(self, record: SocketRecord, protocol: u8, state: SocketState, flow: Flow) -> None:
        """What each has; the rest is nothing at first."""
        record.owner, record.protocol, record.state, record.unused = 0, protocol, u8(state.value), 0
        record.local, record.local_port = flow.local.address.number, flow.local.port
        record.remote, record.remote_port = flow.remote.address.number, flow.remote.port
        record.received, record.unsent, record.room, record.round_trip, record.window = 0, 0, 0, 0, 0

    def listening(self, listener: Listener, record: SocketRecord) -> None:
        self.begin(record, ipv4.TCP, SocketState.LISTEN, Flow(local=listener.local))
        record.owner = self.owner_of(listener.client)
        record.received, record.unsent, record.room = listener.pending, listener.half_open, listener.backlog

    def connected(self, connection: Connection, record: SocketRecord) -> None:
        self.begin(record, ipv4.TCP, state_of(connection), connection.flow)
        record.owner = self.owner_of(connection.client)
        record.received, record.unsent = connection.waiting, connection.queued
        record.room = connection.sending.capacity() if connection.has_buffers else 0
        record.round_trip = u32(min(connection.trip.smoothed, 0xFFFF_FFFF))
        record.window = min(connection.window, connection.congestion.window)

    def bound(self, socket: Socket, record: SocketRecord) -> None:
        self.begin(record, ipv4.UDP, SocketState.BOUND, Flow(local=socket.local))
        record.owner = self.owner_of(socket.client)
        record.received, record.unsent = socket.incoming.used, socket.outgoing.used
        record.room = socket.incoming.circle.capacity()

    def owner_of(self, client: u32) -> u32:
        """A client's number in badges."""
        return u32(self.network.tcp.buffers.regions[usize(client)].owner)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def neighbour(self, place: u32) -> NeighbourStatus | Beyond:
        at: usize = usize(place)
        while at < SETS * WAYS:
            entry = self.network.host.neighbours.entries[at]
            if not entry.address.is_unspecified():
                left: u64 = entry.until - self.now if entry.known and entry.until > self.now else 0
                return NeighbourStatus(entry.address.number, entry.known, entry.link.number, left, u32(at + 1))
            at += 1
        return Beyond.END

    def client(self, place: u32) -> ClientStatus | Beyond:
        at: usize = usize(place)
        while at < CLIENTS:
            region = self.network.tcp.buffers.regions[at]
            if region.owner != 0:
                pairs, taken, each = u32(region.pairs), u32(region.taken), u32(region.each)
                return ClientStatus(u32(region.owner), region.memory is not None, pairs, taken, each, u32(at + 1))
            at += 1
        return Beyond.END

    def denial(self, place: u32) -> DenialStatus | Beyond:
        at: usize = usize(place)
        while at < DENIALS:
            known = self.network.denials.places[at]
            if known.count != 0:
                protocol: u8 = ipv4.TCP if known.protocol is Protocol.TCP else ipv4.UDP
                return DenialStatus(
                    self.owner_of(known.client),
                    known.share,
                    known.verb is Verb.LISTEN,
                    protocol,
                    known.endpoint.address.number,
                    known.endpoint.port,
                    known.count,
                    u32(at + 1),
                )
            at += 1
        return Beyond.END


def state_of(connection: Connection) -> SocketState:
    match connection.state:
        case State.CLOSED:
            return SocketState.CLOSED
        case State.SYN_SENT:
            return SocketState.SYN_SENT
        case State.SYN_RECEIVED:
            return SocketState.SYN_RECEIVED
        case State.ESTABLISHED:
            return SocketState.ESTABLISHED
        case State.FIN_WAIT_1:
            return SocketState.FIN_WAIT_1
        case State.FIN_WAIT_2:
            return SocketState.FIN_WAIT_2
        case State.CLOSE_WAIT:
            return SocketState.CLOSE_WAIT
        case State.CLOSING:
            return SocketState.CLOSING
        case State.LAST_ACK:
            return SocketState.LAST_ACK
