"""The executor (`neokernel/runtime/executor.py`): what a task costs, beside what it does itself.

A switch is from one task to the next of its group, both of which only let all others go on. Nothing of the kernel is in
it: it is entered once for each time that all have gone on, which is counted alone.
"""

from __future__ import annotations

from neokernel.lang import Embedded, array, struct, tasks, u64
from neokernel.runtime import system
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.process import Process

ROUNDS = 64
WARM = 4
TASKS = 64
FAR: u64 = 1 << 60


async def turns(bench: Bench) -> None:
    while True:
        await bench.executor.turn()


async def deep(bench: Bench) -> None:
    while True:
        await outer(bench)


async def outer(bench: Bench) -> None:
    while True:
        await inner(bench)


async def inner(bench: Bench) -> None:
    while True:
        await bench.executor.turn()


async def timed(bench: Bench) -> None:
    """Each deadline is before the one that it has: the heap changes each time."""
    time: u64 = FAR
    while True:
        time -= 1
        bench.executor.until(time)
        await bench.executor.turn()


async def short(bench: Bench) -> None:
    bench.ended += 1


@struct
class Bench:
    ended: u64 = 0
    executor: Embedded[Executor] = Executor()
    turning: Embedded[Group] = Group(frames=tasks(turns, TASKS), tasks=array(TASKS))
    deep: Embedded[Group] = Group(frames=tasks(deep, TASKS), tasks=array(TASKS))
    timed: Embedded[Group] = Group(frames=tasks(timed, TASKS), tasks=array(TASKS))
    short: Embedded[Group] = Group(frames=tasks(short, TASKS), tasks=array(TASKS))


def main(process: Process) -> None:
    bench = Bench()
    executor = bench.executor
    must(executor.begin(process))
    total: u64 = 0
    for _ in range(TASKS):
        assert bench.turning.spawn(executor, turns(bench)) is not None
    for round in range(u64(ROUNDS + WARM)):
        before = system.instructions()
        bench.turning.run(executor)
        after = system.instructions()
        if round >= WARM:
            total += after - before - 1
    report(process, "switch", total)

    total = 0
    for _ in range(TASKS):
        assert bench.deep.spawn(executor, deep(bench)) is not None
    for round in range(u64(ROUNDS + WARM)):
        before = system.instructions()
        bench.deep.run(executor)
        after = system.instructions()
        if round >= WARM:
            total += after - before - 1
    report(process, "switch_deep", total)

    total = 0
    for _ in range(TASKS):
        assert bench.timed.spawn(executor, timed(bench)) is not None
    for round in range(u64(ROUNDS + WARM)):
        before = system.instructions()
        bench.timed.run(executor)
        after = system.instructions()
        if round >= WARM:
            total += after - before - 1
    report(process, "switch_timed", total)

    total = 0
    for round in range(u64(ROUNDS + WARM)):
        before = system.instructions()
        for _ in range(TASKS):
            _ = bench.short.spawn(executor, short(bench))
        bench.short.run(executor)
        after = system.instructions()
        if round >= WARM:
            total += after - before - 1
    assert bench.ended == (ROUNDS + WARM) * TASKS
    report(process, "task", total)

    total = 0
    for round in range(u64(ROUNDS + WARM)):
        before = system.instructions()
        must(executor.wait())
        after = system.instructions()
        if round >= WARM:
            total += (after - before - 1) * TASKS
    report(process, "idle", total)


def report(process: Process, name: str, total: u64) -> None:
    process.console.write(f"= {name} {(total + ROUNDS * TASKS // 2) // (ROUNDS * TASKS)}\n")
