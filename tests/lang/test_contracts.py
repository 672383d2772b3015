"""Contracts, ghosts, invariants, `with`, writers."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang.integers import u8

Load = Callable[[str], ModuleType]


def test_contracts(load: Load) -> None:
    m: Any = load(
        """
        @struct
        class Counter:
            count: u8 = 0
            log: Array[u8] = array(4)

        def bump(counter: Counter, by: u8, broken: bool) -> u8:
            "Docstring."
            requires(by > 0)
            ensures(lambda result: result == old(counter.count))
            ensures(lambda result: counter.count == result + by)
            before = counter.count
            if broken:
                return 77
            counter.count += by
            return before

        def fall_through(counter: Counter, by: u8) -> None:
            ensures(lambda: counter.count == old(counter.count) + 1)
            counter.count += by

        def search(counter: Counter, bound: usize) -> usize:
            index: usize = 0
            while index < len(counter.log):
                loop_bound(bound)
                loop_invariant(index <= 4)
                index += 1
            for x in range(2):
                loop_bound(bound)
            return index

        @ghost
        def doubled(x: u8) -> u8:
            return x * 2
        """
    )
    counter = m.Counter()
    assert m.bump.__doc__ == "Docstring."
    assert type(m.bump(counter, 3, False)) is u8
    attempts: list[Callable[[], Any]] = [
        lambda: m.bump(counter, 0, False),
        lambda: m.bump(counter, 3, True),
        lambda: m.fall_through(counter, 2),
        lambda: m.search(counter, 3),
    ]
    for attempt in attempts:
        with pytest.raises(lang.ContractFailed):
            attempt()
    m.fall_through(counter, 1)
    assert m.search(counter, 4) == 4
    assert m.doubled(4) == 8
    with pytest.raises(lang.IntegerOverflow):  # a failing body isn't masked by its contract
        m.bump(m.Counter(count=250), 10, False)
    for misused in (lambda: lang.ensures(lambda: True), lambda: lang.old(1), lambda: lang.loop_bound(1)):
        with pytest.raises(lang.StaticError):
            misused()


def test_postconditions_come_after_every_exit(load: Load) -> None:
    m: Any = load(
        """
        @struct
        class Lock:
            taken: bool = False

            def __enter__(self) -> Lock:
                self.taken = True
                return self

            def __exit__(self, *_: object) -> None:
                self.taken = False

        def f(lock: Lock) -> u8:
            ensures(lambda result: not lock.taken and result == 3)
            with lock:
                return 3

        def g(lock: Lock) -> None:
            for x in range(3):
                with lock as held:
                    assert held is lock and held.taken
                    if x == 1:
                        break
                    continue

        def h(lock: Lock) -> None:
            with lock:
                assert False
        """
    )
    lock = m.Lock()
    assert m.f(lock) == 3
    m.g(lock)
    assert not lock.taken
    with pytest.raises(lang.AssertionFailed):
        m.h(lock)
    assert lock.taken  # a failed check doesn't unwind


def test_an_invariant_may_call_methods(load: Load) -> None:
    m: Any = load(
        """
        @struct
        class Queue:
            count: u8 = 0

            @invariant
            def sound(self) -> bool:
                return self.count <= self.limit()

            def limit(self) -> u8:
                return 2

            def push(self) -> None:
                self.count += 1
        """
    )
    queue = m.Queue()
    queue.push()
    queue.push()
    with pytest.raises(lang.ContractFailed):
        queue.push()


def test_invariants(load: Load) -> None:
    m: Any = load(
        """
        @struct
        class Queue:
            head: u8 = 0
            count: u8 = 0

            @invariant
            def sound(self) -> bool:
                return self.head <= self.count

            def _half(self) -> None:
                self.head += 1

            def push(self) -> None:
                self.half()
                self.count += 1

            def half(self) -> None:
                self._half()

            def look(self) -> u8:
                return self.head

            def end(self) -> None:
                retire(self)
        """
    )
    queue = m.Queue()
    queue.push()  # inside, half() breaks it for a moment
    assert queue.look() == 1
    with pytest.raises(lang.ContractFailed) as caught:
        queue.half()
    position = lang.failure_position(caught.value)
    assert position is not None
    assert (position.line, position.column, position.end_column) == (9, 15, 38)
    with pytest.raises(lang.ContractFailed):
        m.Queue(head=2)
    last = m.Queue()
    last.end()
    with pytest.raises(lang.DeadObject):
        last.look()


def test_writers_take_the_pieces_in_order(load: Load) -> None:
    m: Any = load(
        """
        class Color(Enum):
            RED = 0

        @struct
        class Out:
            calls: u8 = 0
            used: usize = 0
            data: Array[u8] = array(64)

            @writer
            def write(self, text: str) -> None:
                self.calls += 1
                for byte in text.encode():
                    self.data[self.used] = byte
                    self.used += 1

        def f(out: Out, x: u8, name: str) -> None:
            out.write("plain ")
            out.write(f"{name}={x:#04x} {x:>4}{True}{Color.RED}{Color.RED.name}")
        """
    )
    out = m.Out()
    m.f(out, 10, "x")
    assert bytes(out.data[: out.used].bytes()) == b"plain x=0x0a   10TrueColor.REDRED"
    assert out.calls == 1 + 8
