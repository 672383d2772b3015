"""The executor: under CPython with a kernel of the test's own, and on the machine with 64 clients.

The kernel here is three functions: time passes only while the thread sleeps, up to the deadline or the next event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.abi.call import NEVER, SIGNALS_BIT, message
from neokernel.abi.status import WORD, Status
from neokernel.runtime import executor as executors
from neokernel.runtime import ring as rings
from neokernel.runtime import system
from neokernel.runtime.executor import Answering, Request
from neokernel.runtime.interface import REFUSED, Answer
from neokernel.runtime.process import HAND_OVER
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.task import Task, Timers
from tests.runtime.drivers import tasks_driver
from tests.support.nk import boot

driver: Any = tasks_driver
PROGRAMS = Path(__file__).parent / "tasks"
u64 = lang.u64
TIMED_OUT = Failure(Status.TIMED_OUT, u64(0))
SLEEP, SIGNAL, TIMEOUT, SELECT, GATHER, TURNS, ANSWER, RING, NESTED, LOCKED = range(10)


@pytest.mark.qemu
def test_a_server_of_64_clients() -> None:
    assert boot(PROGRAMS)[1:] == [
        "done 32, expired 16, stopped 16, wrong 0",
        "inside 0, entered 112",
        "tasks 0, free 64, ready 0",
        "signals yes, time passed yes",
    ]


@pytest.mark.qemu
def test_methods_of_an_interface_that_wait() -> None:
    """Each client is answered when its time has come, and what came with its call in the buffer is its own."""
    printed = boot(PROGRAMS.parent / "later")
    *lines, last = printed[1:]
    assert sorted(lines) == [*(f"{number}: woken" for number in range(8)), "8: too long"]
    assert last == "free 9, tasks 0"


@pytest.mark.qemu
def test_a_thousand_tasks() -> None:
    assert boot(PROGRAMS.parent / "thousand")[1:] == ["3000 rounds"]


class Kernel:
    """`events`: by their times, signals (a number) or messages (a tuple of words)."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.now = 0
        self.events: list[tuple[int, Any]] = []
        self.calls: list[tuple[str, int]] = []
        self.answers: list[tuple[int, int, int]] = []
        self.refuses = False

    def wait(self, notification: Any, deadline: Any = NEVER) -> Any:
        return self.sleep("wait", int(deadline), lambda event: isinstance(event, int))

    def receive(self, endpoint: Any, reply: Any, deadline: Any = NEVER) -> Any:
        found = self.sleep("receive", int(deadline), lambda event: True)
        if isinstance(found, Failure):
            return found
        if isinstance(found, Message):
            return found
        if isinstance(found, tuple):
            return Message(u64(5), message(u64(1), u64(4)), *(u64(word) for word in found))
        return Message(found, u64(SIGNALS_BIT), *[u64(0)] * 4)

    def sleep(self, call: str, deadline: int, takes: Any) -> Any:
        self.calls.append((call, deadline))
        assert len(self.calls) < 200, "it doesn't come to an end"
        for place, (time, event) in enumerate(self.events):
            if takes(event) and time <= max(deadline, self.now):
                del self.events[place]
                self.now = max(self.now, time)
                return u64(event) if isinstance(event, int) else event
        assert deadline != NEVER, "it would sleep for ever"
        self.now = max(self.now, deadline)
        return TIMED_OUT

    def reply(self, reply: Any, word: Any, *words: Any) -> Any:
        if self.refuses:
            self.refuses = False
            return Failure(Status.NO_BUFFER, u64(WORD))
        self.answers.append((int(reply), int(word), int(words[0]) if words else 0))
        return None

    def run(self, turns: int = 100) -> list[int]:
        """Until all tasks have ended: what they have noted."""
        bench = self.bench
        for _ in range(turns):
            if not bench.group.living:
                break
            assert bench.executor.wait() is None
            bench.group.run(bench.executor)
        return [int(number) for number in bench.log.view()][: int(bench.used)]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel(driver.Bench())
    for name in ("wait", "receive", "reply"):
        monkeypatch.setattr(system, name, getattr(made, name))
    monkeypatch.setattr(system, "now", lambda: u64(made.now))
    executor = made.bench.executor
    executor.notification = 9
    yield made
    assert made.bench.group.living > 0 or (executor.timers.root, executor.waiting.first) == (None, None)


def serve(kernel: Kernel, replies: int) -> None:
    executor = kernel.bench.executor
    executor.endpoint = 7
    for number in range(replies):
        executor.replies[number] = 20 + number
    executor.free = executor.made = replies


def spawn(kernel: Kernel, kind: int, a: int = 0, b: int = 0) -> bool:
    return bool(kernel.bench.spawn(u64(kind), u64(a), u64(b)))


def test_sleepers_wake_in_the_order_of_their_times_and_the_thread_sleeps_between(kernel: Kernel) -> None:
    for number, time in ((1, 30), (2, 10), (3, 20), (4, 10)):
        assert spawn(kernel, SLEEP, number, time)
    assert kernel.run() == [2, 1002, 4, 1004, 3, 1003, 1, 1001]
    assert kernel.calls == [("wait", 0), ("wait", 10), ("wait", 20), ("wait", 30)]


def test_a_signal_wakes_who_wants_it_and_is_taken_once(kernel: Kernel) -> None:
    spawn(kernel, SIGNAL, 1, 0b011)
    spawn(kernel, SIGNAL, 2, 0b001)
    spawn(kernel, SIGNAL, 3, 0b100)
    kernel.events = [(5, 0b001), (6, 0b1000), (7, 0b101)]
    assert kernel.run() == [11, 1001, 12, 1002, 43, 1003]
    assert kernel.bench.executor.signalled == 0b1000, "nobody has taken it"
    spawn(kernel, SIGNAL, 4, 0b1000)
    assert kernel.run()[-2:] == [84, 1004], "it was there already"


@pytest.mark.parametrize(
    ("deadline", "sleeps", "found"), [(10, 20, [1001, 500]), (20, 10, [1, 1001, 601]), (10, 10, [1, 1001, 601])]
)
def test_timeout(kernel: Kernel, deadline: int, sleeps: int, found: list[int]) -> None:
    spawn(kernel, TIMEOUT, deadline, sleeps)
    assert kernel.run() == found
    assert kernel.now == min(deadline, sleeps)


@pytest.mark.parametrize(("signal", "found"), [(5, [12, 1002, 1001, 801]), (15, [1, 1001, 1002, 701])])
def test_select_cancels_the_other(kernel: Kernel, signal: int, found: list[int]) -> None:
    kernel.events = [(signal, 1)]
    spawn(kernel, SELECT, 10, 1)
    assert kernel.run() == found


@pytest.mark.parametrize(("a", "b"), [(3, 8), (8, 3), (5, 5)])
def test_gather(kernel: Kernel, a: int, b: int) -> None:
    spawn(kernel, GATHER, a, b)
    one, two = (a, b) if a <= b else (b, a)
    assert kernel.run() == [one, one + 1000, two, two + 1000, a * 100 + b]


@pytest.mark.parametrize(
    ("inner", "outer", "found"),
    [(10, 20, [1001, 1002, 500]), (20, 10, [1002, 1001, 500]), (10, 90, [1001, 2, 1002, 600])],
)
def test_what_is_nested_is_cancelled_innermost_first_the_last_parameter_before(
    kernel: Kernel, inner: int, outer: int, found: list[int]
) -> None:
    spawn(kernel, NESTED, inner, outer)
    assert kernel.run() == found


def test_a_turn_lets_all_others_go_on(kernel: Kernel) -> None:
    spawn(kernel, TURNS, 3, 1)
    spawn(kernel, TURNS, 2, 2)
    assert kernel.run() == [1, 2, 1, 2, 1]
    assert {deadline for _, deadline in kernel.calls} == {0}, "it only looks what has arrived"


def test_requests_go_to_who_has_waited_longest_and_only_then_are_received(kernel: Kernel) -> None:
    serve(kernel, 2)
    kernel.events = [(1, (100, 0, 0, 0)), (2, (200, 0, 0, 0)), (3, (300, 0, 0, 0))]
    for number in range(3):
        spawn(kernel, ANSWER, 50 + number, number)
    assert kernel.run() == [100, 200, 300]
    assert [(reply, word) for reply, word, _ in kernel.answers] == [(21, message(1, 1)), (20, message(1, 1))] * 1 + [
        kernel.answers[2][:2]
    ]
    assert [first for _, _, first in kernel.answers] == [100, 201, 302]
    assert kernel.bench.executor.free == 2
    # The third came when both Replies held callers: it was received after the first answer.
    kinds = [call for call, _ in kernel.calls]
    assert kinds[:4] == ["wait", "receive", "receive", "wait"] and "receive" in kinds[4:]


def test_a_request_whose_task_is_cancelled_is_refused(kernel: Kernel) -> None:
    serve(kernel, 1)
    bench = kernel.bench
    kernel.events = [(1, (100, 0, 0, 0))]
    handle = bench.group.spawn(bench.executor, driver.task(bench, u64(ANSWER), u64(50), u64(0)))
    kernel.run(turns=2)
    assert bench.group.cancel(bench.executor, handle)
    assert not bench.group.cancel(bench.executor, handle)
    ((reply, word, _),) = kernel.answers
    assert (reply, word & 0xFF, bool(word & REFUSED)) == (20, Status.CANCELLED.value, True)
    assert (bench.executor.free, bench.group.living) == (1, 0)


@dataclass
class Successor:
    """Who takes over: `waits` says until when."""

    kernel: Kernel
    waits: int = NEVER
    took_over: int | None = None

    def hand_over(self, reply: Any) -> None:
        if self.kernel.now < self.waits:
            self.took_over = self.kernel.now
            raise SystemExit

    def asks(self, time: int, *words: int) -> tuple[int, Message]:
        return time, Message(u64(0), message(HAND_OVER, len(words)), *(u64(word) for word in (*words, 0, 0, 0, 0)[:4]))


@pytest.fixture
def successor(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Successor:
    made = Successor(kernel)
    monkeypatch.setattr(executors, "current", lambda: made)
    return made


def test_a_successor_gets_the_state_when_all_that_was_asked_is_answered(kernel: Kernel, successor: Successor) -> None:
    """And what is asked later isn't received: it is the successor's."""
    serve(kernel, 4)
    kernel.events = [(1, (100, 0, 0, 0)), successor.asks(2, 90), (3, (200, 0, 0, 0))]
    spawn(kernel, ANSWER, 50, 0)
    spawn(kernel, ANSWER, 10, 0)
    with pytest.raises(SystemExit):
        kernel.run()
    assert [first for _, _, first in kernel.answers] == [100]
    assert successor.took_over == kernel.now == 50 and [time for time, _ in kernel.events] == [3]


def test_a_successor_that_has_waited_long_enough_is_forgotten(kernel: Kernel, successor: Successor) -> None:
    """Then requests are received again; and the next one who asks is waited for as the first was."""
    serve(kernel, 2)
    successor.waits = 30
    kernel.events = [(1, (100, 0, 0, 0)), successor.asks(2, 30), (3, (200, 0, 0, 0))]
    spawn(kernel, ANSWER, 50, 0)
    spawn(kernel, ANSWER, 10, 0)
    spawn(kernel, SLEEP, 1, 100)
    kernel.run()
    assert sorted(first for _, word, first in kernel.answers if word == message(1, 1)) == [100, 200]
    assert [word & 0xFF for _, word, _ in kernel.answers if word & REFUSED] == [Status.CANCELLED.value]
    assert (kernel.bench.executor.free, kernel.bench.executor.leaving) == (2, None)
    successor.waits = NEVER
    kernel.events = [successor.asks(200)]
    spawn(kernel, ANSWER, 0, 0)
    with pytest.raises(SystemExit):
        kernel.run()
    assert successor.took_over == 200


def test_an_answer_that_can_not_be_taken_is_a_refusal(kernel: Kernel) -> None:
    serve(kernel, 1)
    kernel.events = [(1, (100, 0, 0, 0))]
    spawn(kernel, ANSWER, 0, 0)
    kernel.refuses = True
    with pytest.raises(lang.AssertionFailed):
        kernel.run()
    assert [word & 0xFF for _, word, _ in kernel.answers] == [Status.NO_BUFFER.value]
    assert kernel.bench.executor.free == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_what_an_answer_gives_away_has_no_slot_any_more(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    """Whether the caller has taken it or couldn't."""
    freed: list[int] = []
    monkeypatch.setattr(executors, "handed_over", lambda _, slot: freed.append(int(slot)))
    monkeypatch.setattr(executors, "current", lambda: None)
    kernel.refuses = refuses
    call = Answering(executor=kernel.bench.executor, request=Request(u64(20), Message(*[u64(0)] * 6)))
    zero = u64(0)
    answer = Answer(message(u64(1), zero, u64(1)), zero, zero, zero, zero, zero, u64(33))
    assert isinstance(call.give(answer), Failure) is refuses
    assert freed == [33] and len(kernel.answers) == 1


def test_the_kernel_s_failures_are_told(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    spawn(kernel, SIGNAL, 1, 1)
    kernel.bench.group.run(kernel.bench.executor)
    failure = Failure(Status.CANCELLED, u64(0))
    monkeypatch.setattr(system, "wait", lambda *_: failure)
    assert kernel.bench.executor.wait() == failure


def test_a_group_is_full_and_its_places_are_used_again(kernel: Kernel) -> None:
    bench = kernel.bench
    handles = [bench.group.spawn(bench.executor, driver.task(bench, u64(SIGNAL), u64(n), u64(1))) for n in range(4)]
    assert not spawn(kernel, SLEEP, 9, 9)
    bench.group.run(bench.executor)
    assert bench.group.cancel(bench.executor, handles[2])
    assert handles[2] not in bench.group and handles[1] in bench.group
    again = bench.group.spawn(bench.executor, driver.task(bench, u64(SLEEP), u64(9), u64(9)))
    assert (again.index, handles[2] in bench.group, again in bench.group) == (2, False, True)
    assert not bench.group.cancel(bench.executor, handles[2])
    kernel.events = [(20, 1), (21, 1), (22, 1)]
    assert kernel.run() == [1002, 9, 1009, 10, 1000, 11, 1001, 13, 1003]


def test_a_place_goes_on_when_its_generations_begin_anew(kernel: Kernel) -> None:
    """A server's tasks come and go for as long as it runs: 2**31 lives of a place aren't its end."""
    bench = kernel.bench
    bench.group.tasks[0].generation = lang.u32(0xFFFF_FFFE)
    last, *following = (
        bench.group.spawn(bench.executor, driver.task(bench, u64(SLEEP), u64(number), u64(number)))
        for number in range(1, 5)
    )
    assert last.generation == 0xFFFF_FFFF and last in bench.group
    assert bench.group.cancel(bench.executor, last)
    assert last not in bench.group
    again = bench.group.spawn(bench.executor, driver.task(bench, u64(SLEEP), u64(9), u64(9)))
    assert (again.index, again.generation) == (last.index, 1)
    assert again in bench.group and last not in bench.group
    assert kernel.run() == [2, 1002, 3, 1003, 4, 1004, 9, 1009]
    assert again not in bench.group and not any(each in bench.group for each in following)


def test_one_that_is_cancelled_before_it_begins_does_nothing(kernel: Kernel) -> None:
    bench = kernel.bench
    handle = bench.group.spawn(bench.executor, driver.task(bench, u64(SLEEP), u64(1), u64(5)))
    assert bench.group.cancel(bench.executor, handle)
    spawn(kernel, SLEEP, 2, 5)
    assert kernel.run() == [2, 1002]
    assert bench.executor.ready == 0


def test_one_task_at_a_time_has_the_lock_also_if_it_is_cancelled(kernel: Kernel) -> None:
    bench = kernel.bench
    bench.lock = driver.Lock(executor=bench.executor, signal=u64(1 << 63))
    handles = [
        bench.group.spawn(bench.executor, driver.task(bench, u64(LOCKED), u64(number), u64(10))) for number in range(4)
    ]
    assert bench.executor.wait() is None
    bench.group.run(bench.executor)
    assert bench.group.cancel(bench.executor, handles[2]), "it waits"
    assert bench.group.cancel(bench.executor, handles[0]), "it is inside"
    assert kernel.run() == [0, 1, 1001, 3, 1003]
    assert not bench.lock.held


@pytest.mark.parametrize("wanted", [1, 3])
def test_slots_of_a_ring(kernel: Kernel, wanted: int) -> None:
    memory = driver.Shared().memory
    consumer, producer = (
        rings.Ring(role=role, own=own, peer=peer, slots=memory.slots)
        for role, own, peer in (
            (rings.Role.CONSUMER, memory.consumer, memory.producer),
            (rings.Role.PRODUCER, memory.producer, memory.consumer),
        )
    )
    assert consumer.attach() is producer.attach() is None
    kernel.bench.ring = consumer
    spawn(kernel, RING, wanted)
    kernel.run(turns=1)
    kernel.events = [(1, int(driver.RING)), (2, 1)]
    kernel.run(turns=1)
    assert kernel.bench.used == 0, "a signal, but nothing is there"
    moved: list[Any] = [rings.send(producer, (u64(number),)) for number in range(3)]
    notify = [each.notify for each in moved]
    assert notify == [number == wanted - 1 for number in range(3)], "who sleeps is woken when there is enough"
    kernel.events = [(3, int(driver.RING))]
    assert kernel.run() == [3]


def test_a_ring_that_is_broken(kernel: Kernel) -> None:
    memory = driver.Shared().memory
    kernel.bench.ring = rings.Ring(
        role=rings.Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots
    )
    assert kernel.bench.ring.attach() is None
    memory.producer.index.store(lang.u32(77))
    spawn(kernel, RING, 1)
    assert kernel.run() == [900]


SHORT = st.lists(st.integers(0, 50), min_size=1, max_size=40)


@given(SHORT, st.data())
def test_timers_are_in_order_whatever_is_removed(times: list[int], data: st.DataObject) -> None:
    timers: Any = Timers()
    tasks: list[Any] = [Task() for _ in times]
    model: dict[int, int] = {}
    for place, time in enumerate(times):
        timers.add(tasks[place], u64(time))
        model[place] = time
        if data.draw(st.booleans()) and model:
            gone = data.draw(st.sampled_from(sorted(model)))
            timers.remove(tasks[gone])
            del model[gone]
        check_heap(timers.root)
        assert timers.soonest() == min(model.values(), default=NEVER)
    while model:
        root = timers.root
        place = next(place for place in model if tasks[place] is root)
        assert root.filed == min(model.values())
        timers.remove(root)
        del model[place]
        assert (root.filed, root.child, root.sibling, root.previous) == (NEVER, None, None, None)
        check_heap(timers.root)
    assert timers.root is None


def check_heap(root: Any) -> None:
    work = [root] if root is not None else []
    while work:
        task = work.pop()
        previous, child = task, task.child
        while child is not None:
            assert child.filed >= task.filed
            assert child.previous is previous
            work.append(child)
            previous, child = child, child.sibling
