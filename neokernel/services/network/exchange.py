"""A client's orders and its news: what `interfaces/sockets.py` says, over the core.

Invariants:
- What a client says is held against what is its own: sockets, counts, grants. What can't be ends that socket, or is
  nothing; it never fails a check.
- An order gives one message of news at most, and is taken only while there is room for that.
"""

from __future__ import annotations

from neokernel.interfaces.sockets import MOST_DATAGRAMS, End, News, Refusal
from neokernel.lang import Embedded, Handle, Posts, array, outbox_of, struct, truncate, u16, u32, u64, value
from neokernel.runtime.queue import Queue
from neokernel.runtime.ring import Broken
from neokernel.services.network import connection as core
from neokernel.services.network.address import Address, Endpoint
from neokernel.services.network.clock import SECOND
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.datagrams import Socket, UdpError
from neokernel.services.network.grants import Denied
from neokernel.services.network.network import Network
from neokernel.services.network.tcp import Listener, Tcp, TcpError

#: of a client, in a turn
MOST_ORDERS = 64
#: messages that are posted only if there is room for all: that somebody has connected, and what has come from there
TOGETHER: u32 = 2


@value
class Answer:
    """What an order gave: a listener, a socket with its pair and port, or a refusal. A socket of number 0 is none."""

    tag: u32 = 0
    socket: u64 = 0
    listens: bool = False
    pair: u32 = 0
    port: u16 = 0
    why: Refusal = Refusal.DENIED


@struct
class Exchange:
    """Handles `Orders`: `client` is whose they are. Answers are told when they were all taken."""

    network: Embedded[Network] = Network()
    client: u32 = 0
    now: u64 = 0
    answers: Embedded[Queue[Answer]] = Queue(slots=array(MOST_ORDERS, Answer()))

    # --- Orders -------------------------------------------------------------------------------------------------------

    def listen(self, tag: u32, address: u32, port: u16, backlog: u32) -> None:
        made = self.network.listen(self.client, Endpoint(Address(address), port), backlog)
        if isinstance(made, TcpError | Denied):
            _ = self.answers.push(Answer(tag=tag, why=refusal_of(made)))
        else:
            _ = self.answers.push(Answer(tag=tag, socket=packed(made.index, made.generation), listens=True))

    def stop(self, listener: u64) -> None:
        handle: Handle[Listener] = Handle(index_of(listener), generation_of(listener))
        _ = self.network.tcp.stop_listening(self.client, handle)

    def connect(self, tag: u32, address: u32, port: u16) -> None:
        tcp = self.network.tcp
        made = self.network.connect(self.client, Endpoint(Address(address), port), self.now)
        if isinstance(made, TcpError | Denied):
            _ = self.answers.push(Answer(tag=tag, why=refusal_of(made)))
            return
        connection = tcp.own(self.client, made)
        assert connection is not None, "it was made for this client"
        number = packed(made.index, made.generation)
        _ = self.answers.push(Answer(tag=tag, socket=number, pair=connection.pair, port=connection.flow.local.port))

    def moved(self, socket: u64, written: u32, read: u32) -> None:
        tcp, handle = self.network.tcp, connection_of(socket)
        connection = tcp.own(self.client, handle)
        if connection is not None:
            if not connection.has_moved(written, read):
                # Nobody knows any more what is in its buffers.
                connection.abort(core.End.ABORTED)
            tcp.settle(handle.index, connection)

    def finish(self, socket: u64) -> None:
        _ = self.network.tcp.finish(self.client, connection_of(socket), self.now)

    def close(self, socket: u64) -> None:
        _ = self.network.tcp.close(self.client, connection_of(socket), self.now)

    def abort(self, socket: u64) -> None:
        _ = self.network.tcp.abort(self.client, connection_of(socket))

    def options(self, socket: u64, no_delay: bool, idle: u32, interval: u32) -> None:
        tcp, handle = self.network.tcp, connection_of(socket)
        connection = tcp.own(self.client, handle)
        if connection is not None:
            connection.set_options(no_delay, u64(idle) * SECOND, u64(max(interval, 1)) * SECOND, self.now)
            tcp.settle(handle.index, connection)

    def bind(self, tag: u32, address: u32, port: u16) -> None:
        made = self.network.bind(self.client, Endpoint(Address(address), port), self.now)
        if isinstance(made, UdpError | Denied):
            _ = self.answers.push(Answer(tag=tag, why=refusal_of_udp(made)))
            return
        socket = self.network.udp.own(self.client, made)
        assert socket is not None, "it was made for this client"
        number = packed(made.index, made.generation)
        _ = self.answers.push(Answer(tag=tag, socket=number, pair=socket.pair, port=socket.local.port))

    def send_to(self, socket: u64, address: u32, port: u16, length: u32) -> None:
        self.network.post(self.client, socket_of(socket), Endpoint(Address(address), port), length, self.now)

    def taken(self, socket: u64, count: u32) -> None:
        for _ in range(min(count, MOST_DATAGRAMS)):
            self.network.udp.take(self.client, socket_of(socket))

    def unbind(self, socket: u64) -> None:
        _ = self.network.udp.close(self.network.tcp.buffers, self.client, socket_of(socket))


# --- News -------------------------------------------------------------------------------------------------------------


def tell_answers(exchange: Exchange, news: Posts[News]) -> None:
    """What became of the orders that were taken; there is room for it."""
    for _ in range(len(exchange.answers)):
        answer = exchange.answers.pop()
        if answer is None:
            break
        if answer.socket == 0:
            _ = news.refused(answer.tag, answer.why)
        elif answer.listens:
            _ = news.listening(answer.tag, answer.socket)
        else:
            _ = news.opened(answer.tag, answer.pair, answer.socket, answer.port)


def tell_moved(connection: Connection, news: Posts[News]) -> bool:
    """What has become of a connection; False: there is no room now."""
    established = connection.is_synchronized() or connection.acknowledged != 0
    end = end_of(connection)
    failed = news.moved(
        connection.pair, connection.arrived, connection.acknowledged, established, connection.fin_taken, end
    )
    return failed is None


def tell_accepted(tcp: Tcp, handle: Handle[Listener], news: Posts[News]) -> bool:
    """All who have connected to a listener; False: there is no room now."""
    listener = tcp.listeners.get(handle)
    client: u32 = listener.client if listener is not None else 0
    for _ in range(listener.pending if listener is not None else u32(0)):
        if not has_room(news, TOGETHER):
            return False
        accepted = tcp.accept(client, handle)
        if accepted is None or isinstance(accepted, TcpError):
            break
        connection = tcp.own(client, accepted)
        if connection is None:
            continue
        remote, number = connection.flow.remote, packed(accepted.index, accepted.generation)
        which = packed(handle.index, handle.generation)
        _ = news.accepted(which, connection.pair, number, remote.address.number, remote.port)
        connection.news = False
        _ = tell_moved(connection, news)
    return True


def tell_datagrams(socket: Socket, news: Posts[News]) -> bool:
    """What has come, and gone; False: there is no room now."""
    while socket.told < socket.incoming.count:
        record = socket.incoming.at(socket.told)
        if news.came(socket.pair, record.peer.address.number, record.peer.port, record.length) is not None:
            return False
        socket.told += 1
    if socket.gone != 0:
        if news.gone(socket.pair, socket.gone, socket.gone_bytes, socket.refused) is not None:
            return False
        socket.gone, socket.gone_bytes, socket.refused = 0, 0, False
    return True


def has_room(news: Posts[News], wanted: u32) -> bool:
    room = outbox_of(news).room()
    return not isinstance(room, Broken) and room >= wanted


def end_of(connection: Connection) -> End:
    if connection.state is not State.CLOSED:
        return End.NONE
    match connection.end:
        case core.End.NONE | core.End.DONE:
            return End.DONE
        case core.End.RESET:
            return End.RESET
        case core.End.REFUSED:
            return End.REFUSED
        case core.End.TIMED_OUT:
            return End.TIMED_OUT
        case core.End.UNREACHABLE:
            return End.UNREACHABLE
        case core.End.ABORTED:
            return End.ABORTED


def refusal_of(why: TcpError | Denied) -> Refusal:
    if isinstance(why, Denied):
        return Refusal.DENIED
    match why:
        case TcpError.FULL:
            return Refusal.FULL
        case TcpError.BUFFERS:
            return Refusal.BUFFERS
        case TcpError.IN_USE:
            return Refusal.IN_USE
        case TcpError.NO_ROUTE:
            return Refusal.NO_ROUTE
        case TcpError.SHARE:
            return Refusal.SHARE
        case _:
            return Refusal.ADDRESS


def refusal_of_udp(why: UdpError | Denied) -> Refusal:
    if isinstance(why, Denied):
        return Refusal.DENIED
    match why:
        case UdpError.FULL:
            return Refusal.FULL
        case UdpError.BUFFERS:
            return Refusal.BUFFERS
        case UdpError.IN_USE:
            return Refusal.IN_USE
        case UdpError.NO_ROUTE:
            return Refusal.NO_ROUTE
        case UdpError.SHARE:
            return Refusal.SHARE
        case _:
            return Refusal.ADDRESS


# --- numbers of sockets -----------------------------------------------------------------------------------------------


def packed(index: u32, generation: u32) -> u64:
    return u64(generation) << 32 | u64(index)


def index_of(number: u64) -> u32:
    return truncate(u32, number)


def generation_of(number: u64) -> u32:
    return truncate(u32, number >> 32)


def connection_of(number: u64) -> Handle[Connection]:
    return Handle(index_of(number), generation_of(number))


def socket_of(number: u64) -> Handle[Socket]:
    return Handle(index_of(number), generation_of(number))
