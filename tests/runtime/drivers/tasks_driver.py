"""Coroutines for the executor's tests: each notes in `log` what it does, and when it is left."""

from __future__ import annotations

from neokernel.abi.call import message
from neokernel.lang import Array, Embedded, array, struct, tasks, u32, u64, usize
from neokernel.runtime.executor import (
    Answering,
    Executor,
    Expired,
    First,
    Group,
    Lock,
    Second,
    gather,
    select,
    slots,
    timeout,
)
from neokernel.runtime.ring import Broken, Ring, RingMemory, Word

#: signals by which the ring's peer notifies
RING: u64 = 8


@struct
class Shared:
    """A ring's memory."""

    memory: Embedded[RingMemory[Word]] = RingMemory(slots=array(4))


@struct
class Mark:
    """Notes that its block was left."""

    bench: Bench
    number: u64

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.bench.note(self.number + 1000)


async def sleeper(bench: Bench, number: u64, time: u64) -> u64:
    with Mark(bench=bench, number=number):
        await bench.executor.sleep_until(time)
        bench.note(number)
    return number


async def listener(bench: Bench, number: u64, mask: u64) -> u64:
    with Mark(bench=bench, number=number):
        found = await bench.executor.signals(mask)
        bench.note(number + found * 10)
    return found


async def task(bench: Bench, kind: u64, a: u64, b: u64) -> None:
    """`kind` says what it does, with what numbers."""
    executor = bench.executor
    match kind:
        case 0:
            _ = await sleeper(bench, a, b)
        case 1:
            _ = await listener(bench, a, b)
        case 2:
            slept = await timeout(executor, a, sleeper(bench, 1, b))
            bench.note(500 if isinstance(slept, Expired) else slept + 600)
        case 3:
            match await select(sleeper(bench, 1, a), listener(bench, 2, b)):
                case First(result):
                    bench.note(result + 700)
                case Second(bits):
                    bench.note(bits + 800)
        case 4:
            one, two = await gather(sleeper(bench, a, a), sleeper(bench, b, b))
            bench.note(one * 100 + two)
        case 5:
            for _ in range(a):
                bench.note(b)
                await executor.turn()
        case 6:
            request = await executor.request()
            with Answering(executor=executor, request=request) as call:
                bench.note(request.message.w0)
                await executor.sleep_until(a)
                assert call.answer(message(1, 1), request.message.w0 + b) is None
        case 9:
            lock = bench.lock
            assert lock is not None
            async with lock:
                bench.note(a)
                await executor.sleep_until(executor.now + b)
                bench.note(a + 1000)
        case 7:
            ring = bench.ring
            assert ring is not None
            free = await slots(executor, ring, u32(a), RING)
            bench.note(900 if isinstance(free, Broken) else u64(free))
        case _:
            outer = await timeout(
                executor, b, gather(timeout(executor, a, listener(bench, 1, 1)), sleeper(bench, 2, 70))
            )
            bench.note(500 if isinstance(outer, Expired) else 600)


@struct
class Bench:
    executor: Embedded[Executor] = Executor()
    group: Embedded[Group] = Group(frames=tasks(task, 4), tasks=array(4))
    log: Array[u64] = array(64)
    used: usize = 0
    ring: Ring[Word] | None = None
    lock: Lock | None = None

    def note(self, number: u64) -> None:
        self.log[self.used] = number
        self.used += 1

    def spawn(self, kind: u64, a: u64 = 0, b: u64 = 0) -> bool:
        return self.group.spawn(self.executor, task(self, kind, a, b)) is not None
