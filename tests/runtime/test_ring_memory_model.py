"""The ring under every interleaving and every reordering that the memory model allows, for small programs.

The explorer must also find what is wrong with rings that lack one of the orders or fences: else it proves nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang import sequences, u32, u64
from neokernel.lang.atomics import Atomic
from neokernel.lang.wire import wire_over
from neokernel.runtime import ring as real
from tests.runtime.weak_memory import Access, Body, Execution, History, Rule, Wrong, explore

SOURCE = Path(str(real.__file__)).read_text()


class Slot:
    """The memory of one slot: plain accesses of the execution."""

    def __init__(self, place: str, now: Callable[[], Execution]) -> None:
        self.place = place
        self.now = now

    def load(self, offset: int, size: int) -> bytes:
        assert (offset, size) == (0, 8)
        return self.now().plain(self.place, None).to_bytes(8, "little")

    def store(self, offset: int, data: bytes) -> None:
        assert (offset, len(data)) == (0, 8)
        self.now().plain(self.place, int.from_bytes(data, "little"))


def ends(module: Any, slots: int, start: int, now: Callable[[], Execution]) -> tuple[Any, Any, dict[str, Atomic]]:
    """Producer, consumer, and the atomic cells."""
    lines = {"producer": module.Line(), "consumer": module.Line()}
    cells: dict[str, Atomic] = {}
    for name, line in lines.items():
        line.index.store(u32(start))
        line.wake_at.store(u32(start))
        cells |= {f"{name}.index": line.index, f"{name}.wake_at": line.wake_at}
    words = [wire_over(module.Word, Slot(f"slot {number}", now)) for number in range(slots)]
    span = sequences.window(sequences.Span, words, 0, slots, None)
    made = [
        module.Ring(role=role, own=own, peer=peer, slots=span)
        for role, own, peer in (
            (module.Role.PRODUCER, lines["producer"], lines["consumer"]),
            (module.Role.CONSUMER, lines["consumer"], lines["producer"]),
        )
    ]
    for end in made:
        assert end.attach() is None
    return made[0], made[1], cells


def everything(
    module: ModuleType, slots: int, messages: int, batch: int, start: int = 0, leave_out: Rule = Access.after
) -> set[History]:
    """All executions of a producer and a consumer that sleep when they find nothing to do."""

    def prepare(now: Callable[[], Execution]) -> tuple[list[Body], dict[str, Atomic]]:
        producer, consumer, cells = ends(module, slots, start, now)
        sleeps = {"producer": 0, "consumer": 0}

        def settle(end: Any, name: str, peer: str, moved: Any) -> None:
            """Wake the peer, and sleep."""
            if moved.notify:
                sleeps[peer] -= 1
                assert sleeps[peer] >= 0, "more notifications than sleeps"
                now().notify(peer)
            if moved.count == 0:
                sleeps[name] += 1
                if end.may_sleep(u32(1)):
                    now().sleep(name)

        def produce() -> None:
            sent = 0
            while sent < messages:
                words = tuple(u64(number + 1) for number in range(sent, min(sent + batch, messages)))
                moved = module.send(producer, words)
                sent += int(moved.count)
                settle(producer, "producer", "consumer", moved)

        def consume() -> None:
            received: list[int] = []
            while len(received) < messages:
                into = lang.array(batch, u64(0))
                moved = module.receive(consumer, into)
                received += [int(word) for word in into][: moved.count]
                settle(consumer, "consumer", "producer", moved)
            assert received == list(range(1, messages + 1)), received

        return [produce, consume], cells

    return explore(module, prepare, leave_out)


#: slots, messages, messages sent at once
PROGRAMS = [(1, 1, 1), (2, 2, 1), (4, 4, 2), (1, 2, 1), (2, 4, 2)]
MARKED = [*PROGRAMS[:3], *(pytest.param(*program, marks=pytest.mark.slow) for program in PROGRAMS[3:])]


@functools.cache
def executions(slots: int, messages: int, batch: int) -> set[History]:
    """All of the ring as it is."""
    return everything(real, slots, messages, batch)


@pytest.mark.parametrize(("slots", "messages", "batch"), MARKED)
def test_every_execution(slots: int, messages: int, batch: int) -> None:
    found = executions(slots, messages, batch)
    slept = [history for history in found if any("sleep" in done for done in history[1])]
    assert slept
    assert len(slept) < len(found)


#: a program and a rule to leave out executions by
LEFT_OUT = [((1, 1, 1), Access.nowhere), pytest.param((2, 2, 1), Access.beside, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("program", "rule"), LEFT_OUT)
def test_what_the_explorer_leaves_out_makes_no_difference(program: tuple[int, int, int], rule: Rule) -> None:
    assert executions(*program) == everything(real, *program, leave_out=rule)


def test_indices_that_wrap() -> None:
    """As many executions as from 0: at the seam nothing is special."""
    assert len(everything(real, 2, 2, 1, start=(1 << 32) - 1)) == len(executions(2, 2, 1))


FENCE = "        fence(Order.SEQUENTIAL)\n"
LAST_LOOK = "found = self.look(wrapping_sub(self.limit, self.place))"

#: what a ring must not lack: the place in its source, what stands there, what stands there instead, what goes wrong
MUTANTS = {
    "indices are released": ("self.own.index.store(self.place, Order.RELEASE)", "RELEASE", "RELAXED", "a race"),
    "indices are acquired": ("self.peer.index.load(Order.ACQUIRE)", "ACQUIRE", "RELAXED", "a race"),
    "a fence before the look at the wish": (f"{FENCE}        wake_at", FENCE, "", "a wake-up was lost"),
    "a fence before the last look": (f"{FENCE}        found", FENCE, "", "a wake-up was lost"),
    "a last look": (LAST_LOOK, "self.look(", "u32(", "a wake-up was lost"),
    "a look at the wish": ("wrapping_sub(self.place, wake_at) < count", "< count", "< 0", "a wake-up was lost"),
    "no wakes without wish": ("wrapping_sub(self.place, wake_at) < count", "< count", "<= count", "more notifications"),
    "no slot before it is filled": ("Role.PRODUCER else 0", "else 0", "else 1", "a race|AssertionError"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_rings_that_lack_something_fail(name: str) -> None:
    where, old, new, complaint = MUTANTS[name]
    assert SOURCE.count(where) == 1
    mutant = lang.load_module(SOURCE.replace(where, where.replace(old, new)), "mutant_ring", real.__file__)

    def explore_all() -> None:
        for slots, messages, batch in PROGRAMS:
            everything(mutant, slots, messages, batch)

    try:
        with pytest.raises(Wrong, match=complaint):
            explore_all()
    finally:
        del sys.modules["mutant_ring"]
