"""Takes what all probes post, and answers each watcher when it is as warm as that one wants: many wait at once."""

from __future__ import annotations

from contracts import Probes, Samples, Silence, Weather

from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Setting,
    Takes,
    array,
    i32,
    provides,
    setting,
    struct,
    takes,
    tasks,
    u32,
    u64,
    usize,
)
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.interface import provided_of
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must
from neokernel.runtime.process import Process

probes: Provides[Probes] = provides()
weather: Provides[Weather] = provides()
#: microseconds between two looks at the rings
pause: Setting[u64] = setting(500)

PROBES = 4
WATCHERS = 8
COLDEST: i32 = -2732


async def accept(station: Station) -> None:
    """Give each request to a task of its own."""
    while True:
        request = await station.executor.request()
        assert station.answering.spawn_now(station.executor, answer(station, request)) is not None


async def answer(station: Station, request: Request) -> None:
    endpoint = station.executor.endpoint
    of_probes: Provides[Probes] = provides(endpoint)
    of_watchers: Provides[Weather] = provides(endpoint)
    with Answering(executor=station.executor, request=request) as call:
        if provided_of(request.message.badge) == 0:
            must(call.give(await of_probes.dispatch_later(station, request.message)))
        else:
            must(call.give(await of_watchers.dispatch_later(station, request.message)))


async def collect(station: Station) -> None:
    """Look into all rings, again and again."""
    while True:
        for place in range(station.joined):
            samples: Takes[Samples] = takes(station.rings[place], 0)
            _ = samples.take(station, u32(16))
        await station.executor.sleep_until(station.executor.now + station.pause)


@struct
class Station:
    """The handler of all three interfaces."""

    #: ticks
    pause: u64
    frequency: u64
    warmest: i32 = COLDEST
    rings: Array[Lent] = array(PROBES, Lent(0, 0))
    joined: usize = 0
    executor: Embedded[Executor] = Executor()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    collecting: Embedded[Group] = Group(frames=tasks(collect, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(answer, WATCHERS), tasks=array(WATCHERS))

    async def join(self, ring: Lent) -> None:
        if self.joined < PROBES:
            self.rings[self.joined] = ring
            self.joined += 1

    async def above(self, tenths: i32, patience: u64) -> i32 | Silence:
        end = self.executor.now + min(patience, 60_000_000) * self.frequency // 1_000_000
        while self.warmest <= tenths:
            if self.executor.now >= end:
                return Silence.TOO_LONG
            await self.executor.sleep_until(min(end, self.executor.now + self.pause))
        return self.warmest

    def sample(self, tenths: i32) -> None:
        self.warmest = max(self.warmest, tenths)


def main(process: Process) -> None:
    station = Station(pause=pause.get(process) * process.frequency // 1_000_000, frequency=process.frequency)
    executor = station.executor
    must(executor.begin(process, probes.slot, WATCHERS))
    assert station.accepting.spawn(executor, accept(station)) is not None
    assert station.collecting.spawn(executor, collect(station)) is not None
    process.ready()
    while True:
        must(executor.wait())
        station.accepting.run(executor)
        station.collecting.run(executor)
        station.answering.run(executor)
