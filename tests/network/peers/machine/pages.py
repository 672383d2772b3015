"""A site for a thousand clients: bodies whose bytes say which they are, an echo, and what the network counts.

| path | what |
|---|---|
| `/part?from=F&size=N` | N bytes of the noise, from its byte F on, which goes around |
| `/echo` | the body, as it comes |
| `/call?port=P&size=N` | connects to that port of the host, sends N bytes, and says how many came back right |
| `/counters` | the site's, the network's, and what is in use |
| any other | the files of `www` |
"""

from __future__ import annotations

from www_files import FILES

from neokernel.http.beginning import begin
from neokernel.http.characters import number_of
from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.files import offer
from neokernel.http.limits import Limits
from neokernel.http.method import GET, POST
from neokernel.http.server import Server
from neokernel.http.target import value_of
from neokernel.http.text import Text
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.network_watch import SOCKET_SIZE, Beyond, NetworkWatch, SocketRecord, SocketState
from neokernel.interfaces.sockets import End, Refusal, Sockets
from neokernel.lang import (
    Array,
    Embedded,
    Uses,
    array,
    slot_of,
    struct,
    tasks,
    u8,
    u16,
    u32,
    u64,
    uses,
    usize,
    wire_view,
)
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: who comes when all are there waits
CONNECTIONS = 1_000
EACH = 8_192
PLAIN = b"text/plain"
BYTES = b"application/octet-stream"
#: bytes that repeat nowhere, so that none can stand for another one
NOISE = 1 << 16
MOST_PART = 16 << 20
#: 10.0.2.2: the other end of the link
HOST: u32 = 0x0A00_0202
RECORDS = 16

network: Uses[Sockets] = uses(lend=18 << 20)
watch: Uses[NetworkWatch] = uses()


async def listen(site: Site, server: Server) -> None:
    net = server.net
    listener = await net.listen(80, CONNECTIONS)
    assert not isinstance(listener, Refusal), "its entry grants it"
    while True:
        stream = await net.accept(listener)
        if isinstance(stream, Gone):
            return
        server.counters.connections += 1
        if site.serving.spawn(net.executor, serve(site, server, stream)) is None:
            net.abort(stream)


async def serve(site: Site, server: Server, stream: Stream) -> None:
    http = Exchange(server=server, stream=stream)
    while await http.next():
        match http.path():
            case b"/part":
                if await http.allows(GET):
                    await part(site, http)
            case b"/echo":
                if await http.allows(POST):
                    await echo(http)
            case b"/call":
                await call(site, server, http)
            case b"/counters":
                await counters(site, http)
            case _:
                await offer(http, FILES)


async def part(site: Site, http: Exchange) -> None:
    first, size = asked(http, b"from"), asked(http, b"size")
    if first is None or size is None or size > MOST_PART:
        await http.refuse(400)
        return
    http.begin(200)
    http.header(b"Content-Type", BYTES)
    await http.start(size)
    left = usize(size)
    place = usize(first % NOISE)
    while left != 0:
        count = min(left, NOISE - place)
        if not await http.write(site.noise[place : place + count].bytes()):
            return
        left -= count
        place = (place + count) % NOISE
    await http.finish()


async def echo(http: Exchange) -> None:
    data: Array[u8] = array(1_000)
    begun = False
    while True:
        came = await http.read(data[:])
        if isinstance(came, BodyError):
            return
        if not begun:
            begun = True
            http.begin(200)
            http.header(b"Content-Type", BYTES)
            await http.start_chunked()
        if came == 0:
            break
        if not await http.write(data[:came].bytes()):
            return
    await http.finish()


async def call(site: Site, server: Server, http: Exchange) -> None:
    """What the host brings back has to be the noise again: a piece goes out, and comes, before the next one."""
    port, size = asked(http, b"port"), asked(http, b"size")
    if port is None or port > 65_535 or size is None:
        await http.refuse(400)
        return
    data: Array[u8] = array(1_000)
    line: Array[u8] = array(80)
    text = Text(data=line[:])
    net = server.net
    made = await net.connect(HOST, u16(port))
    if not isinstance(made, Stream):
        if isinstance(made, Refusal):
            text.write(f"{made.name}\n")
        else:
            text.write(f"{made.name}\n")
        await http.reply(200, PLAIN, text.written())
        return
    sent: u64 = 0
    right: u64 = 0
    ended = False
    while sent < size and not ended:
        # As much as fits between the places where the noise goes around.
        place = usize(sent % NOISE)
        count = min(usize(min(size - sent, 4_096)), NOISE - place)
        if await net.send(made, site.noise[place : place + count].bytes()) is not None:
            break
        sent += u64(count)
        while right < sent and not ended:
            came = await net.receive(made, data[: usize(min(sent - right, 1_000))])
            if isinstance(came, End) or came == 0:
                ended = True
                break
            for index in range(came):
                if data[index] != site.noise[usize((right + u64(index)) % NOISE)]:
                    ended = True
            right += 0 if ended else u64(came)
    net.close(made)
    text.write(f"{right} of {size}\n")
    await http.reply(200, PLAIN, text.written())


async def counters(site: Site, http: Exchange) -> None:
    line: Array[u8] = array(1_500)
    text = Text(data=line[:])
    seen = http.server.counters
    text.write(f"connections {seen.connections}\nrequests {seen.requests}\nrefused {seen.refused}\n")
    text.write(f"timed_out {seen.timed_out}\nliving {site.serving.living}\n")
    found = watch.segments()
    if not isinstance(found, Failure):
        text.write(f"accepted {found.accepted}\nfailed {found.failed}\n")
        text.write(f"resets_in {found.resets_in}\nresets_out {found.resets_out}\n")
        text.write(f"segments_in {found.segments_in}\nsegments_out {found.segments_out}\n")
        text.write(f"retransmitted {found.retransmitted}\ntimeouts {found.timeouts}\nrecoveries {found.recoveries}\n")
        text.write(f"cookies_out {found.cookies_out}\ncookies_in {found.cookies_in}\nchallenges {found.challenges}\n")
    card = watch.link()
    if not isinstance(card, Failure):
        text.write(f"checksums {u32(card.checksums)}\n")
    reason: u32 = 0
    while True:
        told = watch.dropped(reason)
        if isinstance(told, Beyond | Failure):
            break
        text.write(f"dropped_{reason} {told}\n")
        reason += 1
    text.write(f"pairs {pairs()}\nsockets {sockets()}\n")
    await http.reply(200, PLAIN, text.written())


def pairs() -> u32:
    """Of buffers, that all clients have in use."""
    taken: u32 = 0
    place: u32 = 0
    while True:
        found = watch.client(place)
        if isinstance(found, Beyond | Failure):
            return taken
        taken += found.taken
        place = found.next


def sockets() -> u32:
    """Of TCP that are there, but for such as are over: listeners, connections."""
    records: Array[u8] = array(RECORDS * SOCKET_SIZE)
    count: u32 = 0
    place: u32 = 0
    while True:
        page = watch.sockets(place, records[:])
        if isinstance(page, Failure) or page.count == 0:
            return count
        for index in range(usize(page.count)):
            record = wire_view(SocketRecord, records[index * SOCKET_SIZE : (index + 1) * SOCKET_SIZE])
            count += u32(record.state != u8(SocketState.TIME_WAIT.value))
        place = page.next


def asked(http: Exchange, name: bytes) -> u64 | None:
    """A number of the query."""
    found = value_of(http.query(), name)
    return number_of(found) if found is not None else None


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    #: as many as tasks: whoever comes then waits for one that is free, before anybody has accepted it
    sockets: Array[Embedded[Socket]] = array(CONNECTIONS)
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))
    noise: Array[u8] = array(NOISE)


def main(process: Process) -> None:
    site: Site = placed(process, 5_800)
    executor = site.executor
    must(executor.begin(process))
    limits = Limits(most_body=64 << 20, head=5_000, idle=60_000, body=5_000, write=5_000, linger=1_000)
    server = begin(process, executor, site.sockets[:], slot_of(network), EACH, limits)
    state: u32 = 1
    for place in range(NOISE):
        # A linear congruence modulo 2**31; its high bits are noise enough.
        state = u32((u64(state) * 1_103_515_245 + 12_345) % (1 << 31))
        site.noise[place] = u8(state >> 16 & 0xFF)
    assert site.attending.spawn(executor, attend(server.net)) is not None
    assert site.listening.spawn(executor, listen(site, server)) is not None
    process.ready()
    while True:
        must(executor.wait())
        site.attending.run(executor)
        site.listening.run(executor)
        site.serving.run(executor)
