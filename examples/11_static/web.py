"""Serves the files of `www`, which `nk embed` has made a module."""

from __future__ import annotations

from www_files import FILES

from neokernel.http.beginning import begin
from neokernel.http.exchange import Exchange
from neokernel.http.files import offer
from neokernel.http.overload import turn_away
from neokernel.http.server import Server
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.sockets import Refusal, Sockets
from neokernel.lang import Array, Embedded, Uses, array, slot_of, struct, tasks, uses
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process

#: at a time; one more is told that there is no room, others wait until there is
CONNECTIONS = 14

network: Uses[Sockets] = uses(lend=256 << 10)


async def listen(site: Site, server: Server) -> None:
    """A task for each who connects."""
    listener = await server.net.listen(80, CONNECTIONS)
    assert not isinstance(listener, Refusal), "its entry grants it"
    while True:
        stream = await server.net.accept(listener)
        if isinstance(stream, Gone):
            return
        if site.serving.spawn(site.executor, serve(server, stream)) is None:
            if site.turning.spawn(site.executor, turn_away(server, stream)) is None:
                server.net.abort(stream)


async def serve(server: Server, stream: Stream) -> None:
    """One request after the other, until the connection ends."""
    http = Exchange(server=server, stream=stream)
    while await http.next():
        await offer(http, FILES)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    sockets: Array[Embedded[Socket]] = array(CONNECTIONS + 1)
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))
    turning: Embedded[Group] = Group(frames=tasks(turn_away, 1), tasks=array(1))


def main(process: Process) -> None:
    site: Site = placed(process, 80)
    must(site.executor.begin(process))
    server = begin(process, site.executor, site.sockets[:], slot_of(network), 8_192)
    assert site.attending.spawn(site.executor, attend(server.net)) is not None
    assert site.listening.spawn(site.executor, listen(site, server)) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        site.attending.run(site.executor)
        site.listening.run(site.executor)
        site.serving.run(site.executor)
        site.turning.run(site.executor)
