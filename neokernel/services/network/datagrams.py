"""UDP's sockets (RFC 768; RFC 1122, 4.1): which datagram is for whom, and what waits to be sent.

A socket has a pair of its client's buffers. The bytes of datagrams lie there; how long they are, and who they are from
or for, lies here: the client could write that, too, and send to where it mustn't.

Nothing is sent in fragments: a datagram that the path doesn't take is refused, or dropped if the path has got narrower.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Array,
    Embedded,
    Handle,
    Span,
    array,
    invariant,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
)
from neokernel.runtime.pool import Pool
from neokernel.services.network import ipv4, udp
from neokernel.services.network.address import Endpoint, Flow, LinkAddress
from neokernel.services.network.buffers import Buffers
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.circle import Circle
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.ipv4 import Packet
from neokernel.services.network.limits import CLIENTS, PORTS
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.secret import PORT
from neokernel.services.network.shares import Lack, Shares

#: datagrams that wait, each way
MOST = 32
HEADERS = ipv4.SIZE + udp.SIZE
FIRST_PORT = 49_152
PORT_COUNT = 16_384


class UdpError(Enum):
    """Why a client's request wasn't done."""

    #: no such socket, or it is another client's
    HANDLE = 0
    FULL = 1
    BUFFERS = 2
    #: somebody has that port
    IN_USE = 3
    NO_ROUTE = 4
    ADDRESS = 5
    #: larger than the path, or the socket's buffer, takes
    TOO_LONG = 6
    #: there is no room for it now
    WAIT = 7
    #: it has its share of the places, and the others are in use, or kept for other clients
    SHARE = 8


@value
class Record:
    """A datagram in a queue: who it is from or for, and its length. For port 0: its bytes are skipped."""

    peer: Endpoint = Endpoint()
    length: u32 = 0


@struct
class Queue:
    """Datagrams, the oldest first: `count` records from `first` on, and their `used` bytes in the circle."""

    circle: Embedded[Circle] = Circle()
    records: Array[Record] = array(MOST)
    first: usize = 0
    count: usize = 0
    used: u32 = 0

    @invariant
    def is_bounded(self) -> bool:
        return self.first < MOST and self.count <= MOST

    def has_room(self, length: u32) -> bool:
        return self.count < MOST and length <= self.circle.capacity() - self.used

    def push(self, peer: Endpoint, data: Span[u8]) -> None:
        """There must be room."""
        self.circle.write(self.used, data)
        self.note(peer, u32(len(data)))

    def note(self, peer: Endpoint, length: u32) -> None:
        """A datagram whose bytes are in the circle; there must be room."""
        self.records[(self.first + self.count) % MOST] = Record(peer, length)
        self.count += 1
        self.used += length

    def at(self, number: usize) -> Record:
        """The oldest is number 0."""
        assert number < self.count, "a datagram that isn't there"
        return self.records[(self.first + number) % MOST]

    def oldest(self) -> Record | None:
        return self.records[self.first] if self.count != 0 else None

    def pop(self) -> None:
        """The oldest has been read, or sent."""
        length = self.records[self.first].length
        self.circle.advance(length)
        self.used -= length
        self.first = (self.first + 1) % MOST
        self.count -= 1


@struct
class Socket:
    local: Endpoint = Endpoint()
    client: u32 = 0
    pair: u32 = 0
    incoming: Embedded[Queue] = Queue()
    outgoing: Embedded[Queue] = Queue()
    #: who has sent what the client has read last
    latest: Endpoint = Endpoint()
    #: its neighbour is being asked for
    blocked: bool = False
    #: the client may want to look: of those that came it was told of `told`; `gone` aren't to be sent any more, and one
    #: of these was `refused`
    news: bool = False
    told: usize = 0
    gone: u32 = 0
    gone_bytes: u32 = 0
    refused: bool = False


@struct
class Udp:
    sockets: Embedded[Pool[Socket]] = Pool(slots=array(PORTS))
    shares: Embedded[Shares] = Shares(places=PORTS)
    #: datagrams that wait to be sent, in all sockets that aren't blocked
    ready: usize = 0
    #: whose turn it is
    turn: usize = 0
    #: a socket has news, since whoever asks has set it to False
    changed: bool = False

    # --- clients' verbs -----------------------------------------------------------------------------------------------

    def bind(self, host: Host, buffers: Buffers, client: u32, local: Endpoint, now: u64) -> Handle[Socket] | UdpError:
        """A socket on one address, or all (ANY); port 0: one that nobody foresees (RFC 6056)."""
        if client >= CLIENTS:
            return UdpError.ADDRESS
        port = local.port
        if port == 0:
            first = host.secret.hash(PORT, Flow(local, Endpoint()), now)
            for attempt in range(u64(0), u64(PORTS) + 1):
                port = u16(FIRST_PORT + (first + attempt) % PORT_COUNT)
                if self.socket_of(Endpoint(local.address, port)) is None:
                    break
        chosen = Endpoint(local.address, port)
        for index in range(len(self.sockets)):
            known = self.sockets.at(index)
            if known is not None and known.local == chosen:
                return UdpError.IN_USE
        if self.shares.lacking(client) is Lack.SHARE:
            return UdpError.SHARE
        if self.sockets.free() == 0:
            return UdpError.FULL
        region = buffers.regions[usize(client)]
        pair = region.take()
        if pair is None:
            return UdpError.BUFFERS
        handle = self.sockets.allocate()
        assert handle is not None, "one is free"
        self.shares.take(client)
        socket = self.sockets.get(handle)
        assert socket is not None
        socket.local, socket.client, socket.pair = chosen, client, pair
        socket.outgoing.circle.attach(region.part(pair, False))
        socket.incoming.circle.attach(region.part(pair, True))
        return handle

    def send(
        self, host: Host, client: u32, handle: Handle[Socket], remote: Endpoint, data: Span[u8], now: u64
    ) -> UdpError | None:
        """All of it is taken, or nothing."""
        socket = self.own(client, handle)
        if socket is None:
            return UdpError.HANDLE
        wrong = self.takes(host, socket, remote, u32(len(data)), now)
        if wrong is not None:
            return wrong
        if not socket.outgoing.has_room(u32(len(data))):
            return UdpError.WAIT
        socket.outgoing.push(remote, data)
        self.ready += 0 if socket.blocked else 1
        return None

    def post(self, host: Host, client: u32, handle: Handle[Socket], remote: Endpoint, length: u32, now: u64) -> None:
        """The same, of bytes that the client has put into the buffer by itself. Without a port they are skipped."""
        socket = self.own(client, handle)
        if socket is None or not socket.outgoing.has_room(length):
            # That is no datagram of ours: whoever says so has lost its own.
            return
        right = remote.port != 0 and self.takes(host, socket, remote, length, now) is None
        socket.refused = socket.refused or not right
        socket.outgoing.note(remote if right else Endpoint(), length)
        self.ready += 0 if socket.blocked else 1

    def take(self, client: u32, handle: Handle[Socket]) -> None:
        """The client has read the oldest datagram in its buffer."""
        socket = self.own(client, handle)
        record = socket.incoming.oldest() if socket is not None else None
        if socket is not None and record is not None:
            socket.incoming.pop()
            socket.told -= min(socket.told, 1)
            socket.latest = record.peer

    def receive(self, client: u32, handle: Handle[Socket], into: Span[u8]) -> Record | UdpError | None:
        """The oldest datagram, as much of it as there is room for; its own length is told. None: there is none."""
        socket = self.own(client, handle)
        if socket is None:
            return UdpError.HANDLE
        record = socket.incoming.oldest()
        if record is None:
            return None
        socket.incoming.circle.read(0, into[: min(len(into), usize(record.length))])
        socket.incoming.pop()
        socket.latest = record.peer
        return record

    def close(self, buffers: Buffers, client: u32, handle: Handle[Socket]) -> UdpError | None:
        """What waits is lost."""
        socket = self.own(client, handle)
        if socket is None:
            return UdpError.HANDLE
        if not socket.blocked:
            self.ready -= socket.outgoing.count
        buffers.regions[usize(client)].give_back(socket.pair)
        _ = self.sockets.release(handle)
        self.shares.give_back(client)
        return None

    def forget(self, buffers: Buffers, client: u32) -> None:
        """The client has gone. Steps: as many as sockets."""
        for index in range(PORTS):
            socket, handle = self.sockets.at(index), self.sockets.handle_at(index)
            if socket is not None and handle is not None and socket.client == client:
                _ = self.close(buffers, client, handle)

    def takes(self, host: Host, socket: Socket, remote: Endpoint, length: u32, now: u64) -> UdpError | None:
        """Can a datagram go there?"""
        if remote.port == 0 or remote.address.is_this_network():
            return UdpError.ADDRESS
        local = host.is_local(remote.address)
        if not local and (not host.up or host.next_hop(remote.address) is None):
            return UdpError.NO_ROUTE
        mtu = host.mtu if local else host.paths.mtu_to(remote.address, host.mtu, now)
        if usize(length) + HEADERS > usize(mtu) or length > socket.outgoing.circle.capacity():
            return UdpError.TOO_LONG
        return None

    def answers(self, client: u32, handle: Handle[Socket], remote: Endpoint) -> bool:
        """Has the peer spoken to that port before? Then it may be answered: `latest` is whom the client read last."""
        socket = self.own(client, handle)
        return socket is not None and socket.latest == remote and remote.port != 0

    def local_of(self, client: u32, handle: Handle[Socket]) -> Endpoint | UdpError:
        socket = self.own(client, handle)
        return socket.local if socket is not None else UdpError.HANDLE

    def own(self, client: u32, handle: Handle[Socket]) -> Socket | None:
        socket = self.sockets.get(handle)
        return socket if socket is not None and socket.client == client else None

    # --- in and out ---------------------------------------------------------------------------------------------------

    def arrive(self, host: Host, packet: Packet, data: Span[u8], verified: bool) -> bool:
        """A datagram to us, or to everybody. False: nobody takes it."""
        pseudo = pseudo_header(packet.source, packet.destination, ipv4.UDP, 0)
        found = udp.parse(data, pseudo, verified)
        if isinstance(found, Drop):
            host.counters.drop(found)
            return True
        socket = self.socket_of(Endpoint(packet.destination, found.destination))
        if socket is None:
            host.counters.drop(Drop.NO_SOCKET)
            return False
        content = data[udp.SIZE : found.length]
        if not socket.incoming.has_room(u32(len(content))):
            host.counters.drop(Drop.FULL)
            return True
        socket.incoming.push(Endpoint(packet.source, found.source), content)
        socket.news, self.changed = True, True
        return True

    def fetch(self, host: Host, into: Span[u8], now: u64) -> usize:
        """Build the next packet: its length, 0 if there is none. Sockets take turns. Steps: as many as sockets."""
        if self.ready == 0:
            return 0
        for _ in range(PORTS):
            self.turn = (self.turn + 1) % PORTS
            socket = self.sockets.at(self.turn)
            if socket is None or socket.blocked:
                continue
            record = socket.outgoing.oldest()
            while record is not None and record.peer.port == 0:
                self.drop_oldest(socket)
                record = socket.outgoing.oldest()
            if record is None:
                continue
            length = self.fetch_from(host, socket, record, into, now)
            if length != 0:
                return length
        return 0

    def fetch_from(self, host: Host, socket: Socket, record: Record, into: Span[u8], now: u64) -> usize:
        remote = record.peer.address
        length = HEADERS + usize(record.length)
        host.to = LinkAddress(0)
        if not host.is_local(remote):
            link = host.link_to(remote, now)
            if isinstance(link, Unknown):
                match link:
                    case Unknown.WAIT:
                        socket.blocked = True
                        self.ready -= socket.outgoing.count
                    case Unknown.NOBODY:
                        host.counters.drop(Drop.UNREACHABLE)
                        self.drop_oldest(socket)
                return 0
            host.to = link
            if length > usize(host.paths.mtu_to(remote, host.mtu, now)):
                host.counters.drop(Drop.LENGTH)
                self.drop_oldest(socket)
                return 0
        source = socket.local.address
        if source.is_unspecified():
            source = host.source_for(remote)
        packet = into[:length]
        data = packet[ipv4.SIZE :]
        socket.outgoing.circle.read(0, data[udp.SIZE :])
        udp.build(data, socket.local.port, record.peer.port, pseudo_header(source, remote, ipv4.UDP, len(data)))
        ipv4.build(packet, source, remote, ipv4.UDP, length, 0)
        self.drop_oldest(socket)
        return length

    def drop_oldest(self, socket: Socket) -> None:
        """It was sent, or won't be."""
        record = socket.outgoing.at(0)
        socket.outgoing.pop()
        self.ready -= 1
        socket.gone = wrapping_add(socket.gone, 1)
        socket.gone_bytes = wrapping_add(socket.gone_bytes, record.length)
        socket.news, self.changed = True, True

    def resolved(self) -> None:
        """A neighbour is known, or known not to be there."""
        for index in range(PORTS):
            socket = self.sockets.at(index)
            if socket is not None and socket.blocked:
                socket.blocked = False
                self.ready += socket.outgoing.count

    def take_news(self) -> Handle[Socket] | None:
        """A socket that has got something. Steps: as many as sockets."""
        for index in range(PORTS):
            socket = self.sockets.at(index)
            if socket is not None and socket.news:
                socket.news = False
                return self.sockets.handle_at(index)
        return None

    def socket_of(self, local: Endpoint) -> Socket | None:
        """Who has that port: on this address, or else on all."""
        found: Socket | None = None
        for index in range(PORTS):
            socket = self.sockets.at(index)
            if socket is not None and socket.local.port == local.port:
                if socket.local.address == local.address:
                    return socket
                if socket.local.address.is_unspecified():
                    found = socket
        return found
