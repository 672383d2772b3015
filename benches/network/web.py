"""A site of one page of 1,024 bytes; and `/instructions`: how many the machine has executed so far, in all."""

from __future__ import annotations

from neokernel.http.beginning import begin
from neokernel.http.exchange import Exchange
from neokernel.http.method import GET
from neokernel.http.server import Server
from neokernel.http.text import Text
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.sockets import Refusal, Sockets
from neokernel.lang import Array, Embedded, Uses, array, slot_of, struct, tasks, u8, uses
from neokernel.runtime import system
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process

#: those of a run, whoever counts, and some that are still ending
CONNECTIONS = 80
EACH = 8_192
PLAIN = b"text/plain"
BODY = 1_024

network: Uses[Sockets] = uses(lend=2 << 20)


async def listen(site: Site, server: Server) -> None:
    listener = await server.net.listen(80, CONNECTIONS)
    assert not isinstance(listener, Refusal), "its entry grants it"
    while True:
        stream = await server.net.accept(listener)
        if isinstance(stream, Gone):
            return
        if site.serving.spawn(site.executor, serve(site, server, stream)) is None:
            server.net.abort(stream)


async def serve(site: Site, server: Server, stream: Stream) -> None:
    http = Exchange(server=server, stream=stream)
    while await http.next():
        match http.path():
            case b"/kilobyte":
                if await http.allows(GET):
                    await http.reply(200, PLAIN, site.page.bytes())
            case b"/instructions":
                memory: Array[u8] = array(20)
                text = Text(data=memory[:])
                text.write(f"{system.instructions()}")
                await http.reply(200, PLAIN, text.written())
            case _:
                await http.refuse(404)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    sockets: Array[Embedded[Socket]] = array(CONNECTIONS + 1)
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))
    page: Array[u8] = array(BODY, 0x61)


def main(process: Process) -> None:
    site: Site = placed(process, 400)
    must(site.executor.begin(process))
    server = begin(process, site.executor, site.sockets[:], slot_of(network), EACH)
    for place in range(BODY):
        site.page[place] = 0x61
    assert site.attending.spawn(site.executor, attend(server.net)) is not None
    assert site.listening.spawn(site.executor, listen(site, server)) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        site.attending.run(site.executor)
        site.listening.run(site.executor)
        site.serving.run(site.executor)
