"""A program's sockets and the network service's core, plugged together by their rings, without a machine.

`Service` does for one client what `services/network/main.py` does between frames; `Program` has tasks that use sockets.
"""

from __future__ import annotations

from neokernel.interfaces.clients.socket import Datagrams, Gone, Listener, Peer, Sent, Stream
from neokernel.interfaces.clients.sockets import ORDERS_AT, ORDERS_SIZE, Net
from neokernel.interfaces.sockets import End, News, Orders, Refusal
from neokernel.lang import (
    Array,
    Embedded,
    Posts,
    Takes,
    array,
    posts,
    struct,
    takes,
    tasks,
    u8,
    u16,
    u32,
    u64,
    usize,
)
from neokernel.runtime.executor import Group
from neokernel.runtime.lend import Lent
from neokernel.runtime.ring import Broken
from neokernel.services.network.exchange import Exchange, tell_accepted, tell_answers, tell_datagrams, tell_moved


@struct
class Service:
    """`exchange.client` is the client."""

    exchange: Exchange
    orders: Lent
    news: Lent

    def take(self, most: u32) -> u32:
        """Take orders, and tell what became of them; how many there were."""
        orders: Takes[Orders] = takes(self.orders, 0)
        news: Posts[News] = posts(self.news, 0)
        taken: u32 | Broken = orders.take(self.exchange, most)
        tell_answers(self.exchange, news)
        assert not isinstance(taken, Broken), "the client's ring is a ring"
        return taken

    def post_moved(self, pair: u32, arrived: u32, acknowledged: u32) -> None:
        """News of an open connection that a test makes up."""
        news: Posts[News] = posts(self.news, 0)
        assert news.moved(pair, arrived, acknowledged, True, False, End.NONE) is None, "there is room"

    def tell(self) -> None:
        """What has changed; there is room for it."""
        news: Posts[News] = posts(self.news, 0)
        tcp, udp = self.exchange.network.tcp, self.exchange.network.udp
        for _ in range(len(tcp.changed)):
            handle = tcp.take_news()
            connection = tcp.connections.get(handle) if handle is not None else None
            if connection is not None:
                assert tell_moved(connection, news), "there is room"
        for index in range(len(tcp.listeners)):
            listener, known = tcp.listeners.at(index), tcp.listeners.handle_at(index)
            if listener is not None and known is not None and listener.pending != 0:
                assert tell_accepted(tcp, known, news), "there is room"
        for index in range(len(udp.sockets)):
            socket = udp.sockets.at(index)
            if socket is not None and socket.news:
                socket.news = not tell_datagrams(socket, news)


#: 127.0.0.1
HERE: u32 = 0x7F00_0001
#: what a task does
LISTEN: u64 = 0
CONNECT: u64 = 1
BIND: u64 = 2
HEAR: u64 = 3
RECEIVE: u64 = 4
SEND: u64 = 5
SAY: u64 = 6


async def task(program: Program, kind: u64, port: u16, until: u64) -> None:
    net = program.net
    match kind:
        case 0:
            made = await net.listen(port, 4, 0, until)
            if isinstance(made, Refusal):
                program.why = made
            else:
                program.listener = made
        case 1:
            reached = await net.connect(HERE, port, until)
            if isinstance(reached, Refusal):
                program.why = reached
            elif isinstance(reached, End):
                program.end = reached
            else:
                program.stream = reached
        case 2:
            bound = await net.bind(port, 0, until)
            if isinstance(bound, Refusal):
                program.why = bound
            else:
                program.own = bound
        case 3:
            own = program.own
            assert own is not None, "it was bound before"
            heard = await net.receive_from(own, program.data[:], until)
            program.expired = heard is Gone.EXPIRED
            if not isinstance(heard, Gone):
                program.length = heard.length
        case 5:
            stream = program.stream
            assert stream is not None, "it was opened before"
            sent = await net.send(stream, program.much[:].bytes(), until)
            program.expired = isinstance(sent, Sent)
            if isinstance(sent, Sent):
                program.length = sent.count
            elif isinstance(sent, End):
                program.end = sent
        case 6:
            own = program.own
            assert own is not None, "it was bound before"
            program.gone = await net.send_to(own, Peer(HERE, port), program.data[:5], until)
        case _:
            stream = program.stream
            assert stream is not None, "it was opened before"
            came = await net.receive(stream, program.data[:], until)
            program.expired = came is End.NONE
            if not isinstance(came, End):
                program.length = came
    program.ended += 1


@struct
class Program:
    """What its tasks have got: the latest of each."""

    net: Net
    ended: u64 = 0
    listener: Listener | None = None
    stream: Stream | None = None
    own: Datagrams | None = None
    why: Refusal | None = None
    end: End | None = None
    expired: bool = False
    length: usize = 0
    gone: Gone | None = None
    data: Array[u8] = array(64)
    #: more than the buffers of both ends have room for
    much: Array[u8] = array(8_192)
    group: Embedded[Group] = Group(frames=tasks(task, 20), tasks=array(20))

    def spawn(self, kind: u64, port: u16, until: u64) -> bool:
        return self.group.spawn(self.net.executor, task(self, kind, port, until)) is not None

    def say(self, own: Datagrams) -> bool:
        """A datagram to itself, if there is room for the order."""
        socket = self.net.datagrams_of(own)
        return socket is not None and self.net.post_datagram(own.pair, socket, Peer(HERE, own.port), self.data[:5])

    def fill(self) -> None:
        """Orders about nothing, as many as there is room for."""
        orders: Posts[Orders] = posts(self.net.part(ORDERS_AT, ORDERS_SIZE), 0)
        while orders.unbind(0) is None:
            pass
