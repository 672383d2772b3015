"""What is said to port 7 comes back (RFC 862), by TCP and UDP: for tests, and an example of a service that listens."""

from __future__ import annotations

from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Datagrams, Gone, Socket, Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.sockets import End, Refusal, Sockets
from neokernel.lang import (
    Array,
    Embedded,
    Setting,
    Uses,
    array,
    setting,
    slot_of,
    struct,
    tasks,
    u8,
    u16,
    u32,
    uses,
)
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.process import Process

#: connections at a time; others wait until there is room
CONNECTIONS = 14
#: bytes of a connection's two buffers each
EACH: u32 = 8192

network: Uses[Sockets] = uses(lend=256 << 10)
log: Uses[Log] = uses()
port: Setting[u16] = setting(7)


async def listen(server: Server, at: u16) -> None:
    """Serve all who connect, each by a task."""
    net = server.net
    listener = await net.listen(at, CONNECTIONS)
    if isinstance(listener, Refusal):
        complain(listener)
        return
    while True:
        stream = await net.accept(listener)
        if isinstance(stream, Gone):
            return
        if server.serving.spawn(server.executor, echo(server.net, stream)) is None:
            net.abort(stream)


async def echo(net: Net, stream: Stream) -> None:
    """Until the peer has sent all, or is gone."""
    data: Array[u8] = array(1024)
    while True:
        came = await net.receive(stream, data[:])
        if isinstance(came, End) or came == 0:
            break
        if await net.send(stream, data[:came].bytes()) is not None:
            break
    net.close(stream)


async def answer(net: Net, at: u16) -> None:
    """The same with datagrams. The socket is closed when the network service begins anew, so it is opened again."""
    while True:
        own = await net.bind(at)
        if isinstance(own, Datagrams):
            await answer_at(net, own)
        elif own is not Refusal.NO_ROUTE:
            complain(own)
            return
        else:
            # The service isn't there now.
            await net.executor.sleep_until(net.look_at)


async def answer_at(net: Net, own: Datagrams) -> None:
    """As long as there is this socket."""
    data: Array[u8] = array(2048)
    while True:
        came = await net.receive_from(own, data[:])
        if isinstance(came, Gone):
            return
        if await net.send_to(own, came.peer, data[: came.length]) is not None:
            return


@struct
class Server:
    executor: Executor
    net: Net
    serving: Embedded[Group] = Group(frames=tasks(echo, CONNECTIONS), tasks=array(CONNECTIONS))


def complain(why: Refusal) -> None:
    if why is Refusal.DENIED:
        _ = log.write(Level.ERROR, 'the system file doesn\'t grant listen = ["tcp/7", "udp/7"]')
    else:
        _ = log.write(Level.ERROR, "the network refuses the port")


def main(process: Process) -> None:
    executor = Executor()
    must(executor.begin(process))
    places: Array[Embedded[Socket]] = array(CONNECTIONS + 1)
    net = Net(executor=executor, slot=slot_of(network), sockets=places[:], each=EACH)
    assert net.open(process) is None, "the network service has a place for this client"
    server = Server(executor=executor, net=net)
    at = port.get(process)
    attending = Group(frames=tasks(attend, 1), tasks=array(1))
    listening = Group(frames=tasks(listen, 1), tasks=array(1))
    answering = Group(frames=tasks(answer, 1), tasks=array(1))
    assert attending.spawn(executor, attend(net)) is not None
    assert listening.spawn(executor, listen(server, at)) is not None
    assert answering.spawn(executor, answer(net, at)) is not None
    process.ready()
    while True:
        must(executor.wait())
        attending.run(executor)
        listening.run(executor)
        answering.run(executor)
        server.serving.run(executor)
