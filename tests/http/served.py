"""A connection of a server, as a task over sockets that a test plays the peer and the network service of."""

from __future__ import annotations

from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.seat import Seat
from neokernel.http.server import Server
from neokernel.interfaces.clients.socket import Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.lang import Array, Embedded, array, struct, tasks, u8, u64, usize
from neokernel.runtime.executor import Group

SIGNAL: u64 = 4


async def serve(served: Served, stream: Stream) -> None:
    http = Exchange(server=served.server, stream=stream, seat=served.seat)
    while await http.next():
        served.requests += 1
        none = await http.read(served.data[:0])
        served.empty = 7 if isinstance(none, BodyError) else none
        http.begin(200)
        await http.start(served.pieces * len(served.data))
        for _ in range(served.pieces):
            if not await http.write(served.data.bytes()):
                break
    served.seat.leave()
    served.ended = True


@struct
class Served:
    """`pieces`: the answer's body is so many pieces of as many bytes as `data` has."""

    net: Net
    server: Server
    seat: Embedded[Seat] = Seat()
    pieces: u64 = 1
    requests: u64 = 0
    ended: bool = False
    empty: usize = 7
    data: Array[u8] = array(1_024)
    group: Embedded[Group] = Group(frames=tasks(serve, 1), tasks=array(1))

    def begin(self, stream: Stream) -> bool:
        self.seat.taken = True
        return self.group.spawn(self.net.executor, serve(self, stream)) is not None

    def ask_for_its_place(self) -> None:
        self.seat.give_way(self.net.executor, SIGNAL)
