"""The dashboard: a page about the running system, which shows what it does and passes on what operators have signed.

It sees what an onlooker sees, and can change nothing: an order counts by its signature, which somebody else looks at.
So whoever takes this process over, by what it parses or otherwise, has a page to lie with, and no other authority than
its lines in the system file.

Each connection has a task. One more task counts messages while somebody looks (`capture.py`).
"""

from __future__ import annotations

from neokernel.http.beginning import begin
from neokernel.http.characters import COLON, find, number_of
from neokernel.http.client import Fetch, Place
from neokernel.http.exchange import Exchange
from neokernel.http.files import offer
from neokernel.http.limits import Limits
from neokernel.http.method import GET, POST
from neokernel.http.overload import turn_away
from neokernel.http.seat import Room, Seat, seat_for
from neokernel.http.server import Server
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.log import Journal, Level, Log
from neokernel.interfaces.orders import Orders
from neokernel.interfaces.recorder import Recorder
from neokernel.interfaces.sockets import Refusal, Sockets
from neokernel.interfaces.system import Watch
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
    u16,
    u32,
    u64,
    uses,
    usize,
)
from neokernel.runtime.executor import Executor, Group, timeout
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process, current
from neokernel.services.dashboard.asked import MOST_INFERENCE, carry_out, infer, number_in, tell_challenge, tell_error
from neokernel.services.dashboard.capture import Turns, sample, tell_trace
from neokernel.services.dashboard.files import FILES
from neokernel.services.dashboard.metrics import tell_metrics
from neokernel.services.dashboard.origin import is_meant
from neokernel.services.dashboard.tell import Teller, tell_state, tell_system
from neokernel.services.network.configuration import Wrong, place_of

#: connections at a time; those that are told that there is no room; those that wait; those to who serves models
CONNECTIONS = 12
TURNED = 2
WAITING = 8
FETCHES = 4
#: the executor's signal that a connection has ended
FREED = 1
#: milliseconds that a connection may be without a request; for a request's head, and for its body if that comes slowly
IDLE: u64 = 15_000
HEAD: u64 = 3_000
BODY: u64 = 3_000
#: for which it may have us wait, for a request or in one, before it gives way to another one
GRACE: u64 = 500
#: milliseconds after which the network service is asked again that has refused to let clients connect
AGAIN: u64 = 5_000
#: bytes of each of a connection's two buffers
EACH: u32 = 4_096
#: pages of all that is placed
PAGES = 240
API = b"/api/"
INFER = b"/api/infer/"
#: what every answer says: nothing of others is loaded, run, or shown; nobody else may show this page, or read it
FIELDS = (
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"X-Frame-Options: DENY\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\n"
    b"Cross-Origin-Opener-Policy: same-origin\r\n"
    b"Cache-Control: no-cache\r\n"
)

network: Uses[Sockets] = uses(lend=256 << 10)
log: Uses[Log] = uses()
journal: Uses[Journal] = uses()
watch: Uses[Watch] = uses()
#: without these two, nobody's orders are passed on, and nobody sees who calls whom
orders: Uses[Orders] = uses(optional=True)
recorder: Uses[Recorder] = uses(optional=True)
port: Setting[u16] = setting(8080)
#: what the page is called, in small letters, beside its address: `gateway.example.org`
name: Setting[bytes] = setting(b"")
#: who serves models, and what they are called: "10.0.2.15:8000", "digits digits-int8"
inference: Setting[bytes] = setting(b"")
models: Setting[bytes] = setting(b"")


async def listen(site: Site, server: Server, at: u16) -> None:
    """A task for each who connects."""
    listener = await server.net.listen(at, WAITING)
    if isinstance(listener, Refusal):
        _ = log.write(Level.ERROR, "the network refuses to let clients connect: is it granted by `network.listen`?")
    while isinstance(listener, Refusal):
        await site.executor.sleep_until(server.after(AGAIN))
        listener = await server.net.listen(at, WAITING)
    while True:
        stream = await server.net.accept(listener)
        if isinstance(stream, Gone):
            return
        server.counters.connections += 1
        while not site.admit(server, stream):
            _ = await timeout(site.executor, server.after(GRACE), site.executor.signals(FREED))


async def serve(site: Site, server: Server, stream: Stream, index: usize) -> None:
    """One request after the other, until the connection ends."""
    seat = site.seats[index]
    http = Exchange(server=server, stream=stream, seat=seat)
    while await http.next():
        if not is_meant(http, name.get(current())):
            await tell_error(
                http, 403, b"this page answers by its address or its own name, and no other page's requests"
            )
            continue
        match http.path():
            case b"/api/system":
                if await http.allows(GET):
                    await tell_system(site.teller, http)
            case b"/api/state":
                if await http.allows(GET):
                    site.turns.looked = site.executor.now
                    await tell_state(site.teller, http, number_in(http, b"log", 0))
            case b"/api/challenge":
                if await http.allows(GET):
                    await tell_challenge(orders, http)
            case b"/api/order":
                if await http.allows(POST):
                    await carry_out(orders, http)
            case b"/api/trace":
                if await http.allows(GET):
                    await tell_trace(site.executor, site.teller, site.turns, http)
            case b"/metrics":
                if await http.allows(GET):
                    await tell_metrics(site.teller, http, server.counters.requests)
            case _:
                path = http.path()
                if len(path) > len(INFER) and path[: len(INFER)] == INFER:
                    if await http.allows(POST):
                        await ask_model(site, server, http, path[len(INFER) :])
                elif len(path) >= len(API) and path[: len(API)] == API:
                    await tell_error(http, 404, b"there is nothing here")
                else:
                    await offer(http, FILES)
    seat.leave()
    site.executor.signal(FREED)


async def ask_model(site: Site, server: Server, http: Exchange, model: bytes) -> None:
    place = site.gateway
    if place is None or not is_word_of(model, models.get(current())):
        await tell_error(http, 404, b"there is no model of that name")
        return
    fetch = Fetch(net=server.net, frequency=server.frequency)
    await infer(http, fetch, place, model)


def is_word_of(word: bytes, words: bytes) -> bool:
    """Is it one of these words, with spaces between?"""
    first: usize = 0
    while first < len(words):
        end = find(words, 0x20, first)
        if words[first:end] == word:
            return True
        first = end + 1
    return False


def gateway_of(text: bytes) -> Place | None:
    """Of "10.0.2.15:8000"."""
    end = find(text, COLON)
    if end >= len(text):
        return None
    address, at = place_of(text[:end]), number_of(text[end + 1 :])
    if isinstance(address, Wrong) or at is None or at == 0 or at > 0xFFFF:
        return None
    return Place(address.address.number, u16(at), text)


async def turn(site: Site, server: Server, stream: Stream) -> None:
    """Tell a client that there is no room for it."""
    await turn_away(server, stream)
    site.executor.signal(FREED)


async def watch_traffic(site: Site) -> None:
    await sample(site.executor, site.teller, site.turns)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    sockets: Array[Embedded[Socket]] = array(CONNECTIONS + TURNED + 1 + WAITING + FETCHES)
    seats: Array[Embedded[Seat]] = array(CONNECTIONS)
    teller: Embedded[Teller] = Teller()
    turns: Embedded[Turns] = Turns()
    gateway: Place | None = None
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CONNECTIONS), tasks=array(CONNECTIONS))
    turning: Embedded[Group] = Group(frames=tasks(turn, TURNED), tasks=array(TURNED))
    watching: Embedded[Group] = Group(frames=tasks(watch_traffic, 1), tasks=array(1))

    def admit(self, server: Server, stream: Stream) -> bool:
        """Serve a connection, or turn it away. False: there is no task for either now; FREED tells of one."""
        match seat_for(self.seats[:], self.executor, server.ticks(GRACE), FREED):
            case Room.SOON:
                return False
            case Room.NONE:
                return self.turning.spawn(self.executor, turn(self, server, stream)) is not None
            case index:
                taken = self.serving.spawn(self.executor, serve(self, server, stream, index)) is not None
                self.seats[index].taken = taken
                return taken


def main(process: Process) -> None:
    site: Site = placed(process, PAGES)
    must(site.executor.begin(process))
    teller = site.teller
    teller.watch, teller.journal = slot_of(watch), slot_of(journal)
    teller.orders, teller.recorder = slot_of(orders), slot_of(recorder)
    teller.frequency, teller.models = process.frequency, models.get(process)
    said = inference.get(process)
    site.gateway = gateway_of(said)
    if site.gateway is None and len(said) != 0:
        _ = log.write(Level.ERROR, '`inference` isn\'t an address and a port: "10.0.2.15:8000" is one')
    limits = Limits(most_body=MOST_INFERENCE, head=HEAD, body=BODY, idle=IDLE)
    server = begin(process, site.executor, site.sockets[:], slot_of(network), EACH, limits, fields=FIELDS)
    assert site.attending.spawn(site.executor, attend(server.net)) is not None
    assert site.listening.spawn(site.executor, listen(site, server, port.get(process))) is not None
    assert site.watching.spawn(site.executor, watch_traffic(site)) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        site.attending.run(site.executor)
        site.listening.run(site.executor)
        site.serving.run(site.executor)
        site.turning.run(site.executor)
        site.watching.run(site.executor)
