"""What the kernel does, for a while: counted for the page, or as a whole for who wants to see it in Perfetto.

The kernel has one ring, and whoever records has it. An operator comes first: then nothing is told here. Of ours, a
capture comes first, and nobody can have one after the other without end: the kernel is slower while it records.

`/api/trace?milliseconds=200`: a header of four numbers (ticks in a second, number of the first record, records that
were overwritten, records that follow), then records as `abi/trace.py` has them, all little-endian.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME, MAXIMUM_SERVICES
from neokernel.abi.trace import Event
from neokernel.http.exchange import Exchange
from neokernel.interfaces.recorder import MOST_RECORDS, MOST_SECONDS, RECORD_SIZE, NoRing, Recorder, Ring
from neokernel.interfaces.system import ServiceStatus, Watch
from neokernel.lang import Array, Uses, array, size_of, struct, u8, u64, uses, usize, wire, wire_view
from neokernel.runtime.executor import Executor
from neokernel.runtime.system import Failure
from neokernel.runtime.tracing import ALL_EVENTS
from neokernel.services.dashboard.asked import number_in, tell_error
from neokernel.services.dashboard.tell import Teller

MESSAGES: u64 = (u64(1) << u64(Event.SEND.value)) | (u64(1) << u64(Event.REPLY.value))
#: milliseconds: of each `EVERY`, `FOR` are recorded, until nobody has looked for `IDLE`
EVERY: u64 = 1_000
FOR: u64 = 50
IDLE: u64 = 5_000
#: of a capture: as many at most, and as many if nothing is said; afterwards others wait, so many times as long
MOST_MILLISECONDS: u64 = 1_000
USUAL_MILLISECONDS: u64 = 200
RESTS: u64 = 4

assert MOST_MILLISECONDS < MOST_SECONDS * 1_000, "a capture is over before the control service ends it"


@wire
class Head:
    frequency: u64
    first: u64
    lost: u64
    count: u64


@struct
class Turns:
    """Who records. In ticks: `looked`, when somebody has last looked at the page; `rest`: until when captures wait."""

    capturing: bool = False
    looked: u64 = 0
    rest: u64 = 0

    def is_watched(self, now: u64, ticks: u64) -> bool:
        """Has anybody looked in so many ticks?"""
        return self.looked != 0 and now - self.looked <= ticks

    def is_free(self) -> bool:
        """Does nobody capture?"""
        return not self.capturing


async def sample(executor: Executor, teller: Teller, turns: Turns) -> None:
    """Count messages while somebody looks, for as long as the program lives."""
    recorder: Uses[Recorder] = uses(teller.recorder)
    millisecond = teller.frequency // 1_000
    while True:
        await executor.sleep_until(executor.now + (EVERY - FOR) * millisecond)
        if not turns.is_free() or not turns.is_watched(executor.now, IDLE * millisecond):
            continue
        know_threads(teller)
        begun = recorder.record(MESSAGES)
        if not isinstance(begun, Ring):
            continue
        since = executor.now
        await executor.sleep_until(since + FOR * millisecond)
        if not turns.is_free():
            # It goes on with what is in the ring by now; this piece is left out.
            continue
        ended = recorder.record(0)
        if isinstance(ended, Ring) and ended.written >= begun.written:
            count(teller, begun.written, ended)
            if ended.written - begun.written <= ended.capacity:
                teller.traffic.sampled += executor.now - since


def know_threads(teller: Teller) -> None:
    name: Array[u8] = array(MAXIMUM_NAME)
    watch: Uses[Watch] = uses(teller.watch)
    traffic = teller.traffic
    traffic.services = 0
    for index in range(MAXIMUM_SERVICES):
        found = watch.service(u64(index), name[:])
        if not isinstance(found, ServiceStatus):
            return
        traffic.threads[index] = found.thread
        traffic.services = index + 1


def count(teller: Teller, first: u64, ring: Ring) -> None:
    """Records from `first` on; none if some were overwritten, as rates would be wrong."""
    if ring.written - first > ring.capacity:
        return
    data: Array[u8] = array(MOST_RECORDS * RECORD_SIZE)
    recorder: Uses[Recorder] = uses(teller.recorder)
    teller.traffic.begin()
    number = first
    while number < ring.written:
        found = recorder.read(number, data[:])
        if isinstance(found, NoRing | Failure) or found == 0:
            return
        teller.traffic.take(data[: usize(found) * RECORD_SIZE])
        number += u64(found)
    watch: Uses[Watch] = uses(teller.watch)
    own = watch.own()
    if not isinstance(own, Failure):
        teller.traffic.end(own)


async def tell_trace(executor: Executor, teller: Teller, turns: Turns, http: Exchange) -> None:
    recorder: Uses[Recorder] = uses(teller.recorder)
    millisecond = teller.frequency // 1_000
    length = min(max(number_in(http, b"milliseconds", USUAL_MILLISECONDS), 1), MOST_MILLISECONDS)
    if turns.capturing or executor.now < turns.rest:
        await tell_error(http, 409, b"somebody else has just had a trace: try again in a moment")
        return
    turns.capturing = True
    begun = recorder.record(ALL_EVENTS)
    ended: Ring | NoRing | Failure = NoRing.REFUSED
    since = executor.now
    if isinstance(begun, Ring):
        await executor.sleep_until(since + length * millisecond)
        ended = recorder.record(0)
    turns.rest = executor.now + (executor.now - since) * RESTS
    if isinstance(begun, Ring) and isinstance(ended, Ring) and ended.written >= begun.written:
        await send_records(teller, http, begun.written, ended)
    elif begun is NoRing.TAKEN or ended is NoRing.TAKEN:
        await tell_error(http, 409, b"an operator records what the kernel does: try again later")
    else:
        await tell_error(http, 503, b"the kernel's events can't be recorded by this system")
    turns.capturing = False


async def send_records(teller: Teller, http: Exchange, begun: u64, ring: Ring) -> None:
    """Those that are still there, of all since `begun`; nobody records meanwhile, but an operator may begin to."""
    data: Array[u8] = array(MOST_RECORDS * RECORD_SIZE)
    recorder: Uses[Recorder] = uses(teller.recorder)
    number = max(begun, ring.written - min(ring.capacity, ring.written))
    head = wire_view(Head, data[: size_of(Head)])
    head.frequency, head.first, head.lost, head.count = ring.frequency, number, number - begun, ring.written - number
    http.begin(200)
    http.header(b"Content-Type", b"application/octet-stream")
    await http.start(size_of(Head) + (ring.written - number) * RECORD_SIZE)
    going = await http.write(data[: size_of(Head)].bytes())
    while going and number < ring.written:
        found = recorder.read(number, data[:])
        if isinstance(found, NoRing | Failure) or found == 0:
            http.abort()
            return
        taken = min(u64(found), ring.written - number)
        going = await http.write(data[: usize(taken) * RECORD_SIZE].bytes())
        number += taken
