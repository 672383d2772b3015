"""A connection of a server, as a task over sockets that a test plays the peer and the network service of."""

from __future__ import annotations

from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.seat import Room, Seat, seat_for
from neokernel.http.server import Server
from neokernel.interfaces.clients.socket import Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.lang import Array, Embedded, array, struct, tasks, u8, u64, usize
from neokernel.runtime.executor import Group

SIGNAL: u64 = 4


async def serve(served: Served, stream: Stream) -> None:
    http = Exchange(server=served.server, stream=stream, seat=served.seats[0])
    while await http.next():
        served.requests += 1
        none = await http.read(served.data[:0])
        served.empty = 7 if isinstance(none, BodyError) else none
        while served.reads:
            more = await http.read(served.data[:])
            if isinstance(more, BodyError):
                break
            if more == 0:
                served.reads = False
        if served.reads:
            continue
        http.begin(200)
        await http.start(served.pieces * len(served.data))
        for _ in range(served.pieces):
            if not await http.write(served.data.bytes()):
                break
    served.seats[0].leave()
    served.ended = True


@struct
class Served:
    """`pieces`: the answer's body is so many pieces of as many bytes as `data` has. `reads`: the request's is read."""

    net: Net
    server: Server
    #: the connection has the first one
    seats: Array[Embedded[Seat]] = array(5)
    pieces: u64 = 1
    requests: u64 = 0
    reads: bool = False
    ended: bool = False
    empty: usize = 7
    data: Array[u8] = array(1_024)
    group: Embedded[Group] = Group(frames=tasks(serve, 1), tasks=array(1))

    def begin(self, stream: Stream) -> bool:
        self.seats[0].taken = True
        return self.group.spawn(self.net.executor, serve(self, stream)) is not None

    def ask_for_its_place(self) -> None:
        self.seats[0].give_way(self.net.executor, SIGNAL)

    def room(self, grace: u64) -> usize | Room:
        """What somebody else is told who comes now."""
        return seat_for(self.seats[:], self.net.executor, grace, SIGNAL)
