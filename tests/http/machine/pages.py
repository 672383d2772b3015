"""A site with all that the tests ask for: bodies both ways, known and unknown lengths, handlers that are wrong."""

from __future__ import annotations

from neokernel.http import conditions
from neokernel.http.beginning import begin
from neokernel.http.characters import number_of
from neokernel.http.client import Fetch, FetchError, Place
from neokernel.http.conditions import Condition, NoRange, Version
from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.limits import Limits
from neokernel.http.method import GET, POST, PUT, Method
from neokernel.http.server import Server
from neokernel.http.target import decoded, value_of
from neokernel.http.text import Text
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.clock import Clock
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
    u64,
    uses,
    usize,
)
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process

CONNECTIONS = 64
EACH = 8_192
PLAIN = b"text/plain"
#: 10.0.2.2: QEMU's host
HOST: u32 = 0x0A00_0202

#: for clients on a host that may be slow, and of a site that is in a hurry
PATIENT = Limits(head=1_000_000, idle=1_000_000, body=1_000_000, write=1_000_000, linger=1_000_000, connect=1_000_000)
HASTY = Limits(head=3_000, idle=6_000, body=3_000, write=3_000, linger=1_000)

network: Uses[Sockets] = uses(lend=2 << 20)
clock: Uses[Clock] = uses()
#: the site's; at the next one is who asks the host
port: Setting[u16] = setting(80)
hasty: Setting[bool] = setting(False)


async def listen(site: Site, server: Server, at: u16) -> None:
    net = server.net
    listener = await net.listen(at, CONNECTIONS)
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
            case b"/":
                if await http.allows(GET):
                    await http.reply(200, PLAIN, b"hello\n")
            case b"/kilobyte":
                if await http.allows(GET):
                    await http.reply(200, PLAIN, site.page[:1024].bytes())
            case b"/large":
                await large(site, http)
            case b"/upload":
                if await http.allows(POST | PUT):
                    await upload(http)
            case b"/small":
                await small(http)
            case b"/stream":
                await stream_on(http)
            case b"/hasty":
                await http.reply(200, PLAIN, b"not read\n")
            case b"/silent":
                pass
            case b"/split":
                http.begin(200)
                http.header(b"X-Split", b"a\r\nSet-Cookie: b")
                await http.send(b"never\n")
            case b"/short":
                http.begin(200)
                await http.start(10)
                _ = await http.write(b"short")
            case b"/counters":
                await counters(site, http)
            case _:
                await http.refuse(404)


async def large(site: Site, http: Exchange) -> None:
    """A megabyte whose bytes say where they are; ranges of it, too."""
    size: u64 = 1 << 20
    version = Version(b'"large"', 784_111_777)
    match conditions.evaluate(http.request, version):
        case Condition.GO_ON:
            pass
        case Condition.NOT_MODIFIED:
            http.begin(304)
            http.header(b"ETag", version.tag)
            await http.send(b"")
            return
        case Condition.FAILED:
            await http.refuse(412)
            return
    part = conditions.wanted_range(http.request, version, size)
    first: u64 = 0
    end: u64 = size
    if part is NoRange.OUTSIDE:
        http.begin(416)
        http.head.size(size)
        await http.send(b"")
        return
    if isinstance(part, NoRange):
        http.begin(200)
    else:
        first, end = part.first, part.end
        http.begin(206)
        http.head.range(first, end - 1, size)
    http.header(b"ETag", version.tag)
    await http.start(end - first)
    while first < end:
        # The page goes on every 4096 bytes.
        place = usize(first % len(site.page))
        count = min(len(site.page) - place, usize(end - first))
        if not await http.write(site.page[place : place + count].bytes()):
            return
        first += count


async def upload(http: Exchange) -> None:
    """How many bytes came, and their sum."""
    data: Array[u8] = array(1_000)
    length: u64 = 0
    total: u64 = 0
    while True:
        came = await http.read(data[:])
        if isinstance(came, BodyError):
            return
        if came == 0:
            break
        length += came
        for byte in data[:came]:
            total += u64(byte)
    line: Array[u8] = array(80)
    text = Text(data=line[:])
    text.write(f"{length} bytes, sum {total}\n")
    await http.reply(200, PLAIN, text.written())


async def small(http: Exchange) -> None:
    """Brings back at most 16 bytes."""
    data: Array[u8] = array(16)
    came = await http.read_all(data[:])
    if not isinstance(came, BodyError):
        await http.reply(200, PLAIN, data[:came].bytes())


async def stream_on(http: Exchange) -> None:
    """So many lines, without a length."""
    number: Array[u8] = array(8)
    line: Array[u8] = array(80)
    wanted = value_of(http.query(), b"mark")
    length = decoded(wanted if wanted is not None else b"", number[:])
    if length is None:
        await http.refuse(400)
        return
    http.begin(200)
    http.header(b"Content-Type", PLAIN)
    await http.start_chunked()
    text = Text(data=line[:])
    for count in range(20):
        text.clear()
        text.write(f"line {count} ")
        if not await http.write(text.written()):
            return
        _ = await http.write(number[:length].bytes())
        _ = await http.write(b"\n")
    await http.finish()


async def counters(site: Site, http: Exchange) -> None:
    line: Array[u8] = array(200)
    text = Text(data=line[:])
    seen = http.server.counters
    text.write(f"connections {seen.connections}\nrequests {seen.requests}\nrefused {seen.refused}\n")
    text.write(f"timed_out {seen.timed_out}\nliving {site.serving.living}\n")
    await http.reply(200, PLAIN, text.written())


async def ask(server: Server, at: u16) -> None:
    """Asks a server of the host's, for who connects to this port and sends its port and a line's end."""
    net = server.net
    data: Array[u8] = array(300)
    memory: Array[u8] = array(100)
    listener = await net.listen(at, 4)
    assert not isinstance(listener, Refusal), "its entry grants it"
    fetch = Fetch(net=net, frequency=server.frequency, limits=server.limits)
    while True:
        stream = await net.accept(listener)
        if isinstance(stream, Gone):
            return
        came = await net.receive(stream, data[:])
        if not isinstance(came, End) and came != 0:
            port = number_of(data[: came - 1].bytes())
            if port is not None and port < 65_536:
                text = Text(data=memory[:])
                place = Place(HOST, u16(port), b"host")
                status = await fetch.ask(Method.POST, place, b"/path?query", PLAIN, b"question")
                if isinstance(status, FetchError):
                    text.write(f"{status.name}\n")
                else:
                    length = await fetch.read_all(data[:])
                    if isinstance(length, FetchError):
                        text.write(f"{status} {length.name}\n")
                    else:
                        text.write(f"{status} {length} bytes\n")
                fetch.close()
                _ = await net.send(stream, text.written())
        net.close(stream)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    sockets: Array[Embedded[Socket]] = array(CONNECTIONS + 3)
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    asking: Embedded[Group] = Group(frames=tasks(ask, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))
    page: Array[u8] = array(4_096)


def main(process: Process) -> None:
    site: Site = placed(process, 340)
    executor = site.executor
    must(executor.begin(process))
    limits = HASTY if hasty.get(process) else PATIENT
    server = begin(process, executor, site.sockets[:], slot_of(network), EACH, limits, slot_of(clock))
    for place in range(len(site.page)):
        site.page[place] = u8(place * 7 % 251)
    assert site.attending.spawn(executor, attend(server.net)) is not None
    at = port.get(process)
    assert site.listening.spawn(executor, listen(site, server, at)) is not None
    assert site.asking.spawn(executor, ask(server, at + 1)) is not None
    process.ready()
    while True:
        must(executor.wait())
        site.attending.run(executor)
        site.listening.run(executor)
        site.asking.run(executor)
        site.serving.run(executor)
