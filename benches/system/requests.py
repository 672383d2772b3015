"""Requests of HTTP on a connection that is kept: what a service executes for each, between news and orders.

The process plays the network service, too: it puts a request into the socket's buffer, and takes the orders; neither is
counted. So what is counted is the program's part: it is told that bytes have come, its task goes on, reads the request,
answers it with 1,024 bytes, posts one order, and waits for the next one. The kernel isn't entered.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_CONTEXT, OWN_SPACE, PROCESSOR
from neokernel.abi.rights import READ, WRITE
from neokernel.http.exchange import Exchange
from neokernel.http.method import GET
from neokernel.http.request import Look, Request
from neokernel.http.server import Server
from neokernel.interfaces.clients.socket import Peer, Socket, Stream
from neokernel.interfaces.clients.sockets import BUFFERS_AT, ORDERS_AT, ORDERS_SIZE, Net
from neokernel.interfaces.sockets import End, Orders
from neokernel.lang import Array, Embedded, Takes, array, copy, struct, takes, tasks, u8, u16, u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.space import map_new

REGION = 0x3B_0000_0000
EACH = 8_192
PAGES = 8
#: requests of which a report is the mean, behind one that warms up
ROUNDS: u64 = 256
#: no budget ends before, in the machine's time
SECONDS = 1000
PRIORITY = 128
NUMBER = 7

REQUEST = b"GET /kilobyte HTTP/1.1\r\nHost: 10.0.2.15:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"


@struct
class Network:
    """Takes orders."""

    written: u32 = 0
    orders: u64 = 0

    def moved(self, socket: u64, written: u32, read: u32) -> None:
        self.written = written
        self.orders += 1

    def listen(self, tag: u32, address: u32, port: u16, backlog: u32) -> None:
        pass

    def stop(self, listener: u64) -> None:
        pass

    def connect(self, tag: u32, address: u32, port: u16) -> None:
        pass

    def finish(self, socket: u64) -> None:
        pass

    def close(self, socket: u64) -> None:
        pass

    def abort(self, socket: u64) -> None:
        pass

    def options(self, socket: u64, no_delay: bool, idle: u32, interval: u32) -> None:
        pass

    def bind(self, tag: u32, address: u32, port: u16) -> None:
        pass

    def send_to(self, socket: u64, address: u32, port: u16, length: u32) -> None:
        pass

    def taken(self, socket: u64, count: u32) -> None:
        pass

    def unbind(self, socket: u64) -> None:
        pass


@struct
class Page:
    data: Array[u8] = array(1_024, 0x61)


async def serve(server: Server, page: Page, stream: Stream) -> None:
    http = Exchange(server=server, stream=stream)
    while await http.next():
        match http.path():
            case b"/kilobyte":
                if await http.allows(GET):
                    await http.reply(200, b"text/plain", page.data.bytes())
            case _:
                await http.refuse(404)


def main(process: Process) -> None:
    ticks = process.frequency * SECONDS
    must(system.configure(process.buffer, PROCESSOR, PRIORITY, ticks, ticks, OWN_CONTEXT))
    must(map_new(process, OWN_SPACE, process.memory, REGION, READ | WRITE, PAGES))
    executor = Executor()
    must(executor.begin(process))
    sockets: Array[Embedded[Socket]] = array(1)
    whole = Lent(REGION, usize(BUFFERS_AT + 2 * EACH))
    net = Net(executor=executor, slot=0, sockets=sockets[:], each=EACH, whole=whole)
    server = Server(net=net, frequency=process.frequency)
    orders: Takes[Orders] = takes(whole.part(ORDERS_AT, ORDERS_SIZE), 0)
    service, page = Network(), Page()
    peer = Peer(1, 2)
    assert net.begin(0, NUMBER, peer)
    sockets[0].established = True
    serving = Group(frames=tasks(serve, 1), tasks=array(1))
    assert serving.spawn(executor, serve(server, page, Stream(0, NUMBER, peer))) is not None
    serving.run(executor)
    arrived: u32 = 0
    total: u64 = 0
    for round in range(ROUNDS + 1):
        buffer = net.buffer(0, True)
        for index in range(len(REQUEST)):
            buffer[(usize(arrived) + index) % EACH] = REQUEST[index]
        arrived += u32(len(REQUEST))
        before = system.instructions()
        net.moved(0, arrived, service.written, True, False, End.NONE)
        serving.run(executor)
        after = system.instructions()
        taken = orders.take(service, 64)
        assert not isinstance(taken, Broken) and taken == 1, "an answer is told of once"
        if round != 0:
            total += after - before
    assert server.counters.requests == ROUNDS + 1 and server.counters.refused == 0
    request = Request()
    looking: u64 = 0
    for round in range(ROUNDS + 1):
        request.at, request.filled = 0, len(REQUEST)
        copy(request.input[: len(REQUEST)], REQUEST)
        request.filled = 0
        request.begin()
        request.filled = len(REQUEST)
        before = system.instructions()
        look = request.look()
        after = system.instructions()
        assert look is Look.READY
        if round != 0:
            looking += after - before
    process.console.write(f"= request {(total + ROUNDS // 2) // ROUNDS}\n= head {(looking + ROUNDS // 2) // ROUNDS}\n")
