"""What the page is told, as JSON: what the system is, and how it does.

`/api/system`: services, what each has, models. It changes when the image does.
`/api/state?log=PLACE`: how each service does, who calls whom, ends of services, the log from a place on.

Times are in ticks; `frequency` of them are a second.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_GRANTS, MAXIMUM_NAME, MAXIMUM_SERVICES, GrantKind
from neokernel.http.exchange import Exchange
from neokernel.http.text import Text
from neokernel.interfaces.log import MOST_TEXT, Journal, Record
from neokernel.interfaces.orders import Ended, Orders
from neokernel.interfaces.system import GrantInfo, Phase, Resources, ServiceStatus, Watch
from neokernel.json.writer import LIST, LIST_END, OBJECT, OBJECT_END, Writer
from neokernel.lang import Array, Embedded, Uses, array, struct, u8, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.harmless import make_harmless
from neokernel.services.dashboard.paper import MEMORY, begin, end, member, room
from neokernel.services.dashboard.traffic import Traffic

#: lines of the log, and ends, that one answer has at most
LINES = 64
ENDS = 16


@struct
class Teller:
    """Whom the page's data comes from: slots of capabilities, 0 for what isn't granted."""

    watch: u64 = 0
    journal: u64 = 0
    orders: u64 = 0
    recorder: u64 = 0
    #: ticks in a second
    frequency: u64 = 1
    #: what models are called, with spaces between
    models: bytes = b""
    traffic: Embedded[Traffic] = Traffic()


async def tell_system(teller: Teller, http: Exchange) -> None:
    memory: Array[u8] = array(MEMORY)
    page = Writer(into=memory[:])
    name: Array[u8] = array(MAXIMUM_NAME)
    watch: Uses[Watch] = uses(teller.watch)
    await begin(http)
    page.open(OBJECT)
    member(page, b"frequency", teller.frequency)
    page.name(b"models")
    page.open(LIST)
    first: usize = 0
    for place in range(len(teller.models) + 1):
        if place == len(teller.models) or teller.models[place] == 0x20:
            if place > first:
                page.text(teller.models[first:place])
            first = place + 1
    page.close(LIST_END)
    page.name(b"services")
    page.open(LIST)
    for index in range(MAXIMUM_SERVICES):
        found = watch.service(u64(index), name[:])
        if not isinstance(found, ServiceStatus):
            break
        await room(http, page)
        page.open(OBJECT)
        page.name(b"name")
        page.text(name[: min(found.length, MAXIMUM_NAME)].bytes())
        page.name(b"grants")
        page.open(LIST)
        for place in range(MAXIMUM_GRANTS):
            grant = watch.grant(u64(index), u64(place), name[:])
            if not isinstance(grant, GrantInfo):
                break
            await room(http, page)
            page.open(OBJECT)
            page.name(b"name")
            page.text(name[: min(grant.length, MAXIMUM_NAME)].bytes())
            page.name(b"kind")
            page.text(kind_of(grant.kind))
            member(page, b"target", grant.target)
            member(page, b"size", grant.size)
            page.name(b"exists")
            page.truth(grant.exists)
            page.close(OBJECT_END)
        page.close(LIST_END)
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.close(OBJECT_END)
    await end(http, page)


def kind_of(kind: GrantKind) -> bytes:
    match kind:
        case GrantKind.NONE:
            return b"none"
        case GrantKind.PROVIDES:
            return b"provides"
        case GrantKind.USES:
            return b"uses"
        case GrantKind.DEVICE:
            return b"device"
        case GrantKind.INTERRUPT:
            return b"interrupt"
        case GrantKind.DMA:
            return b"dma"
        case GrantKind.PROCESSOR:
            return b"processor"
        case GrantKind.POWER:
            return b"power"
        case GrantKind.CONSOLE:
            return b"console"
        case GrantKind.MEMORY:
            return b"memory"
        case GrantKind.SYSTEM:
            return b"init"
        case GrantKind.TRACE:
            return b"trace"


async def tell_state(teller: Teller, http: Exchange, log: u64) -> None:
    memory: Array[u8] = array(MEMORY)
    page = Writer(into=memory[:])
    name: Array[u8] = array(MAXIMUM_NAME)
    watch: Uses[Watch] = uses(teller.watch)
    await begin(http)
    page.open(OBJECT)
    member(page, b"time", system.now())
    member(page, b"frequency", teller.frequency)
    left = watch.resources()
    if isinstance(left, Resources):
        member(page, b"memory", left.memory)
        member(page, b"slots", left.slots)
    page.name(b"services")
    page.open(LIST)
    for index in range(MAXIMUM_SERVICES):
        found = watch.service(u64(index), name[:])
        if not isinstance(found, ServiceStatus):
            break
        await room(http, page)
        page.open(OBJECT)
        page.name(b"phase")
        page.text(phase_of(found.phase))
        member(page, b"starts", found.starts)
        member(page, b"used", found.used)
        member(page, b"free", found.free)
        member(page, b"denied", found.denied)
        member(page, b"thread", u64(found.thread))
        page.close(OBJECT_END)
    page.close(LIST_END)
    await tell_traffic(teller, http, page)
    await tell_ends(teller, http, page)
    await tell_log(teller, http, page, log)
    page.close(OBJECT_END)
    await end(http, page)


def phase_of(phase: Phase) -> bytes:
    """As `nk ps` says it."""
    match phase:
        case Phase.DOWN:
            return b"down"
        case Phase.WAITING:
            return b"waits"
        case Phase.RUNS:
            return b"runs"
        case Phase.GIVEN_UP:
            return b"given up"
        case Phase.ENDING:
            return b"ending"


async def tell_traffic(teller: Teller, http: Exchange, page: Writer) -> None:
    traffic = teller.traffic
    member(page, b"sampled", traffic.sampled)
    page.name(b"traffic")
    page.open(LIST)
    for number in range(traffic.used):
        await room(http, page)
        row = traffic.rows[number]
        page.open(LIST)
        page.number(u64(row.origin))
        page.number(u64(row.target))
        page.number(row.messages)
        page.number(row.answers)
        page.number(row.ticks)
        page.number(row.longest)
        page.close(LIST_END)
    page.close(LIST_END)


async def tell_ends(teller: Teller, http: Exchange, page: Writer) -> None:
    """The latest first."""
    orders: Uses[Orders] = uses(teller.orders)
    page.name(b"ends")
    page.open(LIST)
    for number in range(ENDS):
        found = orders.ended(u64(number))
        if not isinstance(found, Ended):
            break
        await room(http, page)
        page.open(OBJECT)
        member(page, b"service", found.service)
        member(page, b"cause", found.cause)
        member(page, b"starts", found.starts)
        member(page, b"time", found.time)
        member(page, b"fault", found.fault)
        member(page, b"status", found.status)
        # Addresses don't fit into what JavaScript has for numbers.
        page.name(b"counter")
        write_address(page, found.counter)
        page.name(b"address")
        write_address(page, found.address)
        page.close(OBJECT_END)
    page.close(LIST_END)


def write_address(page: Writer, address: u64) -> None:
    memory: Array[u8] = array(20)
    text = Text(data=memory[:])
    text.write(f"{address:#x}")
    page.text(text.written())


async def tell_log(teller: Teller, http: Exchange, page: Writer, log: u64) -> None:
    text: Array[u8] = array(MOST_TEXT)
    at = log
    journal: Uses[Journal] = uses(teller.journal)
    page.name(b"log")
    page.open(LIST)
    for _ in range(LINES):
        found = journal.read(at, text[:])
        if not isinstance(found, Record):
            break
        await room(http, page)
        length = min(found.length, MOST_TEXT)
        # What was damaged with the machine's memory needn't be UTF-8; what was written could disguise its line.
        make_harmless(text[:length])
        page.open(OBJECT)
        member(page, b"time", found.time)
        member(page, b"number", found.number)
        member(page, b"source", u64(found.source))
        member(page, b"level", u64(found.level.value))
        page.name(b"text")
        page.text(text[:length].bytes())
        page.close(OBJECT_END)
        at = found.next
    page.close(LIST_END)
    member(page, b"next", at)
