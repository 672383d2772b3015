"""`/metrics`: what the system counts, as Prometheus reads it (text exposition format, 0.0.4).

Names are those of `nk metrics`, as far as both have the same. All of one name stand together, as the format asks, so
services are gone through once for each.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import MAXIMUM_NAME, MAXIMUM_SERVICES
from neokernel.http.exchange import Exchange
from neokernel.http.text import Text
from neokernel.interfaces.recorder import Counters, Recorder
from neokernel.interfaces.system import Phase, Resources, ServiceStatus, Watch
from neokernel.json.writer import Writer
from neokernel.lang import Array, Span, Uses, array, u8, u64, uses
from neokernel.runtime import system
from neokernel.services.dashboard.paper import MEMORY, begin, end, room
from neokernel.services.dashboard.tell import Teller

EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"
COUNTER = b"counter"
GAUGE = b"gauge"
UPTIME = b"uptime_seconds"
SAMPLED = b"ipc_sampled_seconds_total"
#: that seconds are told in
PARTS = 1_000_000


class Of(Enum):
    """Of a service."""

    UP = 0
    STARTS = 1
    CPU = 2
    FREE = 3
    DENIED = 4


class Between(Enum):
    """Of two services."""

    MESSAGES = 0
    ANSWERS = 1
    SECONDS = 2


async def tell_metrics(teller: Teller, http: Exchange, requests: u64) -> None:
    memory: Array[u8] = array(MEMORY)
    page = Writer(into=memory[:])
    watch: Uses[Watch] = uses(teller.watch)
    recorder: Uses[Recorder] = uses(teller.recorder)
    await begin(http, EXPOSITION)
    await of_services(teller, http, page, Of.UP)
    await of_services(teller, http, page, Of.STARTS)
    await of_services(teller, http, page, Of.CPU)
    await of_services(teller, http, page, Of.FREE)
    await of_services(teller, http, page, Of.DENIED)
    await about(http, page, UPTIME, GAUGE, b"Since the machine started.")
    line(page, UPTIME)
    seconds(page, system.now(), teller.frequency)
    left = watch.resources()
    if isinstance(left, Resources):
        await one(http, page, b"memory_free_bytes", GAUGE, b"Memory that is nobody's.", left.memory)
        await one(http, page, b"slots_free", GAUGE, b"Free slots of init's table.", left.slots)
    of = recorder.counters()
    if isinstance(of, Counters):
        await one(http, page, b"control_sessions_total", COUNTER, b"Sessions of operators.", of.sessions)
        await one(http, page, b"control_wrong_keys_total", COUNTER, b"Who came without an operator's key.", of.wrong)
        await one(http, page, b"control_bad_frames_total", COUNTER, b"What was no frame of the protocol.", of.refused)
        await one(http, page, b"control_calls_total", COUNTER, b"Calls that operators have made.", of.calls)
    await about(http, page, SAMPLED, COUNTER, b"Time for which messages were counted.")
    line(page, SAMPLED)
    seconds(page, teller.traffic.sampled, teller.frequency)
    await between_services(teller, http, page, Between.MESSAGES)
    await between_services(teller, http, page, Between.ANSWERS)
    await between_services(teller, http, page, Between.SECONDS)
    await one(http, page, b"dashboard_requests_total", COUNTER, b"Requests that the dashboard has had.", requests)
    await end(http, page)


async def of_services(teller: Teller, http: Exchange, page: Writer, which: Of) -> None:
    name: Array[u8] = array(MAXIMUM_NAME)
    watch: Uses[Watch] = uses(teller.watch)
    metric = b"service_up"
    match which:
        case Of.UP:
            await about(http, page, metric, GAUGE, b"Whether the service runs.")
        case Of.STARTS:
            metric = b"service_starts_total"
            await about(http, page, metric, COUNTER, b"How often it was started.")
        case Of.CPU:
            metric = b"service_cpu_seconds_total"
            await about(http, page, metric, COUNTER, b"Processor time since its last start.")
        case Of.FREE:
            metric = b"service_memory_free_bytes"
            await about(http, page, metric, GAUGE, b"What it has left of its memory.")
        case Of.DENIED:
            metric = b"service_denied_total"
            await about(http, page, metric, COUNTER, b"What the kernel has denied it.")
    for index in range(MAXIMUM_SERVICES):
        found = watch.service(u64(index), name[:])
        if not isinstance(found, ServiceStatus):
            break
        await room(http, page)
        line(page, metric)
        label(page, b'{service="', name[: min(found.length, MAXIMUM_NAME)].bytes())
        page.add(b"}")
        match which:
            case Of.UP:
                number(page, 1 if found.phase is Phase.RUNS else 0)
            case Of.STARTS:
                number(page, found.starts)
            case Of.CPU:
                seconds(page, found.used, teller.frequency)
            case Of.FREE:
                number(page, found.free)
            case Of.DENIED:
                number(page, found.denied)


async def between_services(teller: Teller, http: Exchange, page: Writer, which: Between) -> None:
    watch: Uses[Watch] = uses(teller.watch)
    name: Array[u8] = array(MAXIMUM_NAME)
    metric = b"ipc_messages_total"
    match which:
        case Between.MESSAGES:
            await about(http, page, metric, COUNTER, b"Messages in that time.")
        case Between.ANSWERS:
            metric = b"ipc_answers_total"
            await about(http, page, metric, COUNTER, b"Of these, calls that were answered in it.")
        case Between.SECONDS:
            metric = b"ipc_latency_seconds_total"
            await about(http, page, metric, COUNTER, b"How long these took in all.")
    for place in range(teller.traffic.used):
        await room(http, page)
        row = teller.traffic.rows[place]
        line(page, metric)
        label(page, b'{service="', name_of(watch, u64(row.origin), name[:]))
        label(page, b',target="', name_of(watch, u64(row.target), name[:]))
        page.add(b"}")
        match which:
            case Between.MESSAGES:
                number(page, row.messages)
            case Between.ANSWERS:
                number(page, row.answers)
            case Between.SECONDS:
                seconds(page, row.ticks, teller.frequency)


def name_of(watch: Watch, index: u64, into: Span[u8]) -> bytes:
    found = watch.service(index, into)
    length = min(found.length, len(into)) if isinstance(found, ServiceStatus) else 0
    return into[:length].bytes()


# --- lines ------------------------------------------------------------------------------------------------------------


async def one(http: Exchange, page: Writer, name: bytes, kind: bytes, said: bytes, found: u64) -> None:
    """What has one line."""
    await about(http, page, name, kind, said)
    line(page, name)
    number(page, found)


async def about(http: Exchange, page: Writer, name: bytes, kind: bytes, said: bytes) -> None:
    """What comes before a name's lines."""
    await room(http, page)
    page.add(b"# HELP neokernel_")
    page.add(name)
    page.add(b" ")
    page.add(said)
    page.add(b"\n# TYPE neokernel_")
    page.add(name)
    page.add(b" ")
    page.add(kind)
    page.add(b"\n")


def line(page: Writer, name: bytes) -> None:
    page.add(b"neokernel_")
    page.add(name)


def label(page: Writer, before: bytes, value: bytes) -> None:
    """Values are names of services, which have nothing in them that had to be escaped."""
    page.add(before)
    page.add(value)
    page.add(b'"')


def number(page: Writer, found: u64) -> None:
    memory: Array[u8] = array(24)
    text = Text(data=memory[:])
    text.write(f" {found}\n")
    page.add(text.written())


def seconds(page: Writer, ticks: u64, frequency: u64) -> None:
    memory: Array[u8] = array(40)
    text = Text(data=memory[:])
    text.write(f" {ticks // frequency}.{ticks % frequency * PARTS // frequency:06}\n")
    page.add(text.written())
