"""Mutex, semaphore and slots: every interleaving and reordering of small programs, and what they cost.

The kernel's part, counting notifications and floors, is played by the explorer, or by `Kernel`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi.status import Status
from neokernel.lang import u32, u64
from neokernel.lang.atomics import Atomic
from neokernel.runtime import capabilities, mutex, semaphore
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from tests.runtime.weak_memory import Access, Body, Execution, History, Rule, Wrong, explore

CEILING = 9


class Memory:
    """What the new process's buffer lies in."""

    def object_at(self, kind: Any, address: int) -> Any:
        return kind()

    def new_at(self, kind: Any, address: int) -> Any:
        return self.object_at(kind, address)

    def span_at(self, element: Any, address: int, length: int) -> Any:
        raise AssertionError("no test needs one")

    def address_of(self, target: Any) -> int:
        return id(target)

    def asm(self, template: str, inputs: Any, result: Any) -> Any:
        raise AssertionError(f"a system call: {inputs}")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    before = lang.set_simulator(Memory())
    yield
    lang.set_simulator(before)


class Kernel:
    """Counting notifications of one execution; floors, which must come back to what they were."""

    def __init__(self, now: Callable[[], Execution]) -> None:
        self.now = now
        self.calls: list[str] = []

    def wait(self, notification: int) -> Any:
        self.now().take("counter")
        return u64(1)

    def signal(self, notification: int) -> None:
        self.now().signal("counter")


def process(priority: int = 0) -> Any:
    made = Process()
    made.priority = u64(priority)
    return made


def with_kernel(module: Any, kernel: Any) -> None:
    """System calls of the module under test go to `kernel`."""
    module.system = kernel


@pytest.fixture(autouse=True)
def real_system() -> Iterator[None]:
    modules: tuple[Any, ...] = (mutex, semaphore)
    saved = [module.system for module in modules]
    yield
    for module, system in zip(modules, saved, strict=True):
        module.system = system


def locked_counts(module: Any, threads: int, rounds: int, leave_out: Rule = Access.after) -> set[History]:
    """Each thread adds to a plain variable, under the mutex. Plain accesses that race are found by the explorer."""

    def prepare(now: Callable[[], Execution]) -> tuple[list[Body], dict[str, Atomic]]:
        lock = module.Mutex()
        with_kernel(module, Kernel(now))
        ends = {"count": 0}

        def work() -> None:
            own = process()
            for _ in range(rounds):
                lock.lock(own)
                now().plain("sum", now().plain("sum", None) + 1)
                lock.unlock(own)
            ends["count"] += 1
            if ends["count"] == threads:
                assert now().memory["sum"][-1].value == threads * rounds

        return [work] * threads, {"state": lock.state}

    return explore(module, prepare, leave_out)


def handed_over(module: Any, items: int, leave_out: Rule = Access.after) -> set[History]:
    """One thread fills places and gives, the other takes and reads them."""

    def prepare(now: Callable[[], Execution]) -> tuple[list[Body], dict[str, Atomic]]:
        filled = module.Semaphore()
        with_kernel(module, Kernel(now))

        def produce() -> None:
            for item in range(items):
                now().plain(f"place {item}", item + 1)
                filled.give()

        def consume() -> None:
            for item in range(items):
                filled.take()
                assert now().plain(f"place {item}", None) == item + 1

        return [produce, consume], {"count": filled.count}

    return explore(module, prepare, leave_out)


def allocations(module: Any, threads: int) -> set[History]:
    """Each thread takes a slot, uses it and gives it back: never the same at the same time."""

    def prepare(now: Callable[[], Execution]) -> tuple[list[Body], dict[str, Atomic]]:
        slots = module.Slots()
        slots.begin(u64(62), u64(64))
        slots.words = u64(1)

        def work() -> None:
            slot = slots.allocate()
            if slot is not None:
                now().plain(f"slot {slot}", 1)
                slots.release(slot)

        return [work] * threads, {"word": slots.taken[0]}

    return explore(module, prepare)


@pytest.mark.parametrize(
    ("threads", "rounds"), [(2, 1), (2, 2), pytest.param(3, 1), pytest.param(3, 2, marks=pytest.mark.slow)]
)
def test_a_mutex_excludes(threads: int, rounds: int) -> None:
    found = locked_counts(mutex, threads, rounds)
    waited = [history for history in found if any("take" in line for log in history for line in log)]
    assert waited
    assert len(waited) < len(found)


@pytest.mark.parametrize("items", [1, 2, 3])
def test_a_semaphore_hands_over(items: int) -> None:
    assert len(handed_over(semaphore, items)) > 1


def test_no_slot_twice() -> None:
    assert len(allocations(capabilities, 2)) > 1


def test_what_the_explorer_leaves_out_makes_no_difference() -> None:
    assert locked_counts(mutex, 2, 1) == locked_counts(mutex, 2, 1, Access.nowhere)
    assert handed_over(semaphore, 2) == handed_over(semaphore, 2, Access.nowhere)


#: what must not lack: module, what stands in its source, what stands there instead, what goes wrong
MUTANTS: dict[str, tuple[ModuleType, str, str, str]] = {
    "the mutex is acquired": (mutex, "fetch_add(1, Order.ACQUIRE)", "fetch_add(1, Order.RELAXED)", "a race"),
    "the mutex is released": (mutex, "fetch_sub(1, Order.RELEASE)", "fetch_sub(1, Order.RELAXED)", "a race"),
    "somebody waits": (mutex, "            self.wait()\n", "            pass\n", "a race"),
    "the waiter is woken": (mutex, "fetch_sub(1, Order.RELEASE) != 1", "load() > 9", "wake-up was lost"),
    "the semaphore is acquired": (semaphore, "fetch_sub(1, Order.ACQUIRE)", "fetch_sub(1, Order.RELAXED)", "a race"),
    "the semaphore is released": (semaphore, "fetch_add(1, Order.RELEASE)", "fetch_add(1, Order.RELAXED)", "a race"),
    "nobody takes what isn't there": (semaphore, "Order.ACQUIRE) > 0", "Order.ACQUIRE) > -1", "a race|AssertionError"),
    "the taker is woken": (semaphore, "Order.RELEASE) < 0", "Order.RELEASE) < -1", "wake-up was lost"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_locks_that_lack_something_fail(name: str) -> None:
    module, old, new, complaint = MUTANTS[name]
    source = Path(str(module.__file__)).read_text()
    assert source.count(old) == 1
    mutant = lang.load_module(source.replace(old, new), "mutant_lock", module.__file__)
    try:
        with pytest.raises(Wrong, match=complaint):
            _ = locked_counts(mutant, 2, 2) if module is mutex else handed_over(mutant, 2)
    finally:
        del sys.modules["mutant_lock"]


# --- one thread: what it costs, and priorities ------------------------------------------------------------------------


class Counting:
    """A kernel that writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def set_floor(self, buffer: Any, processor: int, floor: int, thread: int) -> None:
        self.asked.append(f"floor {floor}")

    def signal(self, notification: int) -> None:
        self.asked.append("signal")

    def wait(self, notification: int) -> Any:
        self.asked.append("wait")
        return u64(1)


@pytest.fixture
def kernel() -> Counting:
    made = Counting()
    with_kernel(mutex, made)
    with_kernel(semaphore, made)
    return made


def test_without_contention_nobody_enters_the_kernel(kernel: Counting) -> None:
    plain, urgent = mutex.Mutex(), mutex.Mutex()
    urgent.ceiling = u64(CEILING)
    own = process(CEILING)
    for lock in (plain, urgent):
        lock.lock(own)
        assert not lock.try_lock(own)
        lock.unlock(own)
        assert lock.try_lock(own)
        lock.unlock(own)
    pool = semaphore.Semaphore()
    pool.count.store(2)
    pool.take()
    assert pool.try_take()
    assert not pool.try_take()
    pool.give()
    assert kernel.asked == []


def test_who_is_below_the_ceiling_is_raised_to_it(kernel: Counting) -> None:
    outer, inner = mutex.Mutex(), mutex.Mutex()
    outer.ceiling, inner.ceiling = u64(5), u64(CEILING)
    own = process(3)
    outer.lock(own)
    inner.lock(own)
    assert own.floor == CEILING
    inner.unlock(own)
    assert own.floor == 5
    outer.unlock(own)
    assert own.floor == 0
    assert inner.try_lock(own)
    assert not inner.try_lock(own)
    inner.unlock(own)
    assert kernel.asked == ["floor 5", "floor 9", "floor 5", "floor 0", "floor 9", "floor 0"]


def test_a_nested_lock_below_the_floor_changes_nothing(kernel: Counting) -> None:
    outer, inner = mutex.Mutex(), mutex.Mutex()
    outer.ceiling, inner.ceiling = u64(CEILING), u64(5)
    own = process(3)
    outer.lock(own)
    inner.lock(own)
    inner.unlock(own)
    assert own.floor == CEILING
    outer.unlock(own)
    assert kernel.asked == ["floor 9", "floor 0"]


def test_a_suspension_does_not_give_the_mutex_away(kernel: Counting) -> None:
    """The kernel ends a wait with CANCELLED: the thread waits again."""
    answers = [Failure(Status.CANCELLED, u64(0)), u64(1)]
    with_kernel(mutex, SimpleNamespace(wait=lambda _: answers.pop(0), signal=lambda _: None))
    lock = mutex.Mutex()
    lock.state.store(u32(1))
    lock.lock(process())
    assert answers == []


# --- slots ------------------------------------------------------------------------------------------------------------


def test_slots_are_given_once_and_again_after_release() -> None:
    slots = capabilities.Slots()
    slots.begin(u64(40), u64(200))
    given = []
    while (slot := slots.allocate()) is not None:
        given.append(int(slot))
    assert given == list(range(40, 200))
    slots.release(u64(77))
    assert slots.allocate(u64(2)) is None
    assert slots.allocate() == 77


def test_runs_are_consecutive_and_do_not_overlap() -> None:
    slots = capabilities.Slots()
    slots.begin(u64(10), u64(256))
    taken: set[int] = set()
    for count in (64, 1, 7, 20, 30, 3):
        first = slots.allocate(u64(count))
        assert first is not None
        run = set(range(int(first), int(first) + count))
        assert not taken & run
        assert min(run) >= 10
        assert max(run) < 256
        taken |= run
    with pytest.raises(AssertionError, match="a slot that nobody has"):
        slots.release(u64(250))
    with pytest.raises(AssertionError, match="a run has 1 to 64"):
        slots.allocate(u64(65))
    with pytest.raises(AssertionError, match="no run"):
        slots.release(u64(60), u64(10))
