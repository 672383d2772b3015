"""Work in steps, under CPython: whose turn it is, and how much time others have. Time is what the test says."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel.lang import resume, u64
from neokernel.lang.coroutines import defined
from neokernel.runtime import system
from neokernel.runtime.executor import Executor
from neokernel.runtime.task import Queue, Task
from neokernel.services.gateway.pace import Pace, Turn


class Clock:
    """`slices`: when each step has begun, when it has ended, and whose it was."""

    def __init__(self) -> None:
        self.time = 0
        self.slices: list[tuple[int, int, str]] = []


@defined  # type: ignore[arg-type]
async def work(turn: Turn, clock: Clock, name: str, steps: list[int]) -> None:
    for ticks in steps:
        async with turn:
            begun = clock.time
            clock.time += ticks
            clock.slices.append((begun, clock.time, name))


def run(clock: Clock, executor: Executor, jobs: dict[str, Any]) -> None:
    """To their ends: each task goes on when it was woken, or when its time has come; time passes only when none can."""
    tasks = {}
    for name in jobs:
        tasks[name] = Task()
        tasks[name].queue = Queue()
        executor.wake(tasks[name])
    left = dict(jobs)
    for _ in range(10_000):
        if not left:
            return
        executor.now = u64(clock.time)
        due = [name for name in left if tasks[name].ready or int(tasks[name].deadline) <= clock.time]
        if not due:
            clock.time = min(int(tasks[name].deadline) for name in left)
            continue
        for name in due:
            tasks[name].ready = False
            executor.enter(tasks[name])
            ended = resume(left[name])
            executor.leave(tasks[name])
            if ended:
                del left[name]
    raise AssertionError("it doesn't come to an end")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(system, "now", lambda: u64(clock.time))
    return clock


@pytest.mark.parametrize("count", [1, 3, 30])
def test_others_have_half_of_the_time(clock: Clock, count: int) -> None:
    # All of them come while others still have their time.
    executor, pace = Executor(), Pace(until=u64(5))
    steps = {f"{number}": [10 + number, 50, 1, 7] for number in range(count)}
    jobs = {name: work(Turn(executor=executor, pace=pace), clock, name, each) for name, each in steps.items()}
    run(clock, executor, jobs)
    assert len(clock.slices) == 4 * count
    for (begun, end, _), (after, _, _) in zip(clock.slices, clock.slices[1:], strict=False):
        assert after - end >= end - begun, "a step has begun before others had as long"
    # A step each, in the order in which they came.
    order = [name for _, _, name in clock.slices]
    assert order == [f"{number}" for number in range(count)] * 4
