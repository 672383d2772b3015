"""Takes all that comes at port 81, and gives as much as it is asked for at port 82: by TCP, without HTTP.

At port 81 a peer is told, when it has sent all, how many bytes came (8 bytes, the lowest first). At port 82 it says so
how many it wants.
"""

from __future__ import annotations

from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.sockets import End, Refusal, Sockets
from neokernel.lang import Array, Embedded, Uses, array, slot_of, struct, tasks, u8, u16, u64, uses, usize
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process

TAKES: u16 = 81
GIVES: u16 = 82
CONNECTIONS = 4
#: bytes of a buffer, and of a piece that is taken or given
EACH = 256 << 10
PIECE = 64 << 10
NUMBER = 8

network: Uses[Sockets] = uses(lend=4 << 20)


async def listen(bulk: Bulk, port: u16) -> None:
    listener = await bulk.net.listen(port, CONNECTIONS)
    assert not isinstance(listener, Refusal), "its entry grants it"
    while True:
        stream = await bulk.net.accept(listener)
        if isinstance(stream, Gone):
            return
        if bulk.serving.spawn(bulk.executor, serve(bulk, port, stream)) is None:
            bulk.net.abort(stream)


async def serve(bulk: Bulk, port: u16, stream: Stream) -> None:
    if port == TAKES:
        await take(bulk, stream)
    else:
        await give(bulk, stream)
    bulk.net.close(stream)


async def take(bulk: Bulk, stream: Stream) -> None:
    number: Array[u8] = array(NUMBER)
    count: u64 = 0
    while True:
        # Segments may have any length: so that all of them are copied in words.
        came = await bulk.net.receive(stream, bulk.pieces.taken[bulk.net.place_in(stream) :])
        if isinstance(came, End):
            return
        if came == 0:
            break
        count += u64(came)
    for place in range(NUMBER):
        number[place] = u8(count >> (8 * place) & 0xFF)
    _ = await bulk.net.send(stream, number.bytes())


async def give(bulk: Bulk, stream: Stream) -> None:
    number: Array[u8] = array(NUMBER)
    known: usize = 0
    while known < NUMBER:
        came = await bulk.net.receive(stream, number[known:])
        if isinstance(came, End) or came == 0:
            return
        known += came
    left: u64 = 0
    for place in range(NUMBER):
        left |= u64(number[place]) << (8 * place)
    while left != 0:
        count = min(left, PIECE)
        if await bulk.net.send(stream, bulk.pieces.given[: usize(count)].bytes()) is not None:
            return
        left -= count


@struct
class Pieces:
    """What is taken, and what is given: nobody looks at either."""

    taken: Array[u8] = array(PIECE)
    given: Array[u8] = array(PIECE)


@struct
class Bulk:
    executor: Executor
    net: Net
    pieces: Pieces
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))


def main(process: Process) -> None:
    executor = Executor()
    must(executor.begin(process))
    places: Array[Embedded[Socket]] = array(CONNECTIONS + 1)
    net = Net(executor=executor, slot=slot_of(network), sockets=places[:], each=EACH)
    assert net.open(process) is None, "the network service has a place for this client"
    pieces: Pieces = placed(process, 2 * PIECE // 4_096)
    bulk = Bulk(executor=executor, net=net, pieces=pieces)
    attending = Group(frames=tasks(attend, 1), tasks=array(1))
    taking = Group(frames=tasks(listen, 1), tasks=array(1))
    giving = Group(frames=tasks(listen, 1), tasks=array(1))
    assert attending.spawn(executor, attend(net)) is not None
    assert taking.spawn(executor, listen(bulk, TAKES)) is not None
    assert giving.spawn(executor, listen(bulk, GIVES)) is not None
    process.ready()
    while True:
        must(executor.wait())
        attending.run(executor)
        taking.run(executor)
        giving.run(executor)
        bulk.serving.run(executor)
