"""Rings with honest ends against a queue, and with hostile ones, in every reading.

What happens when both ends run at once is in `test_ring_memory_model.py`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang import u32
from neokernel.runtime.ring import Broken, Line, Ring, RingMemory, Role, Word
from tests.runtime import lockstep
from tests.runtime.drivers.ring_driver import SLOTS
from tests.runtime.drivers.work import BROKEN
from tests.runtime.lockstep import MASK, Command

DRIVER = "ring_driver"
SPOILT = int(BROKEN)
START = 4
INDICES = st.integers(0, 2**32 - 1) | st.integers(-6, 6).map(lambda near: near % 2**32)


class Model:
    """A queue. Indices don't wrap; those of wishes are absolute, too."""

    def __init__(self) -> None:
        self.queue: deque[int] = deque()
        self.sent = self.received = 0
        self.wishes = {"producer": 0, "consumer": 0}

    def perform(self, operation: int, operand: int, number: int) -> int:
        match operation:
            case 0:
                count = min(operand % 7, SLOTS - len(self.queue))
                self.queue.extend(number + place for place in range(count))
                self.sent += count
                return count + (256 if self.sent - count < self.wishes["consumer"] <= self.sent else 0)
            case 1:
                count = min(operand % 7, len(self.queue))
                found = 0
                for _ in range(count):
                    found = (found * 31 + self.queue.popleft()) & MASK
                self.received += count
                notify = self.received - count < self.wishes["producer"] <= self.received
                return (count + (256 if notify else 0)) ^ (found & 0xFFFF_FFFF) << 12
            case 2:
                self.wishes["producer"] = self.sent + operand % SLOTS + 1 - SLOTS
                return int(SLOTS - len(self.queue) < operand % SLOTS + 1)
            case 3:
                self.wishes["consumer"] = self.received + operand % SLOTS + 1
                return int(len(self.queue) < operand % SLOTS + 1)
            case _:
                return 1


def expect(commands: Sequence[Command]) -> list[int]:
    model = Model()
    return [model.perform(*command) for command in commands]


HONEST = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3]), st.integers(0, 6), st.integers(0, 2**32)), max_size=60
)


@given(INDICES, HONEST)
def test_like_a_queue(start: int, commands: list[Command]) -> None:
    commands = [(START, 0, start), *commands]
    lockstep.check(DRIVER, commands, expect(commands))


@pytest.mark.qemu
def test_on_the_machine() -> None:
    source = random.Random(1)
    many = []
    for _ in range(30):
        commands = [(source.randrange(4), source.randrange(7), source.getrandbits(32)) for _ in range(60)]
        many.append([(START, 0, source.randrange(-9, 9) % 2**32), *commands])
    for commands, outcome in zip(many, lockstep.emulated(DRIVER, many), strict=True):
        assert (list(outcome.results), outcome.kind) == (expect(commands), None)


HOSTILE = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 1, 2, 3, 5, 7]), st.integers(0, 6), INDICES)
    | st.tuples(st.just(6), st.integers(0, 1), st.integers(-5, 5).map(lambda by: by % 2**32)),
    max_size=60,
)


@given(INDICES, HOSTILE)
def test_a_hostile_peer_between_calls(start: int, commands: list[Command]) -> None:
    """No check fails, and both readings agree on what is broken."""
    commands = [(START, 0, start), *commands]
    outcome = lockstep.interpreted(DRIVER, commands)
    assert outcome.kind is None
    assert len(outcome.results) == len(commands)
    for (operation, operand, _), result in zip(commands, outcome.results, strict=True):
        if operation in (0, 1) and result != SPOILT:
            assert result & 0xFF <= min(operand % 7, SLOTS)
    assert lockstep.compiled(DRIVER, commands) == outcome


class Liar:
    """A peer's line whose every read is another number."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def load(self, _order: Any) -> Any:
        return u32(self.numbers.pop() if self.numbers else 0)


@given(st.sampled_from(Role), st.lists(INDICES, max_size=30), st.lists(st.integers(1, SLOTS), max_size=20))
def test_a_hostile_peer_within_calls(role: Role, lies: list[int], wants: list[int]) -> None:
    """What we own grows only by what we hand over less; what is reported broken stays so."""
    memory: Any = RingMemory[Word](slots=lang.array(SLOTS))
    peer: Any = Line()
    peer.__dict__["index"] = peer.__dict__["wake_at"] = Liar(lies)
    ring = Ring[Word](role=role, own=memory.producer, peer=peer, slots=memory.slots)
    known, broken = 0, ring.attach() is not None
    for wanted in wants:
        found = ring.available(u32(wanted))
        if isinstance(found, Broken):
            broken, known = True, 0
            continue
        assert not broken
        assert known <= found <= SLOTS
        for offset in range(found):
            ring.slot(u32(offset)).value = lang.u64(offset)
        with pytest.raises(lang.AssertionFailed):
            ring.slot(found)
        given_up = min(wanted, int(found))
        ring.advance(u32(given_up))
        known = int(found) - given_up
        asked = ring.may_sleep(u32(wanted))
        broken = isinstance(asked, Broken)


def ring_of(slots: int, role: Role = Role.PRODUCER) -> Ring[Word]:
    memory: Any = RingMemory[Word](slots=lang.array(slots))
    return Ring[Word](role=role, own=memory.producer, peer=memory.consumer, slots=memory.slots)


@pytest.mark.parametrize("slots", [0, 3, 12])
def test_slots_are_a_power_of_two(slots: int) -> None:
    with pytest.raises(lang.AssertionFailed):
        ring_of(slots).attach()


def test_an_end_that_isnt_attached_has_no_slots() -> None:
    """Nothing is lost quietly: what was forgotten is found at the first message."""
    for role in Role:
        ring = ring_of(4, role)
        assert ring.available(u32(1)) is Broken.PEER
        assert ring.may_sleep(u32(1)) is Broken.PEER
        assert ring.attach() is None
        assert ring.available(u32(1)) == (4 if role is Role.PRODUCER else 0)


def test_what_the_caller_must_not_ask() -> None:
    ring = ring_of(4)
    assert ring.attach() is None
    with pytest.raises(lang.AssertionFailed):
        ring.advance(u32(5))
    for wanted in (0, 5):
        with pytest.raises(lang.AssertionFailed):
            ring.may_sleep(u32(wanted))


def test_an_end_that_restarts_goes_on_where_it_was() -> None:
    memory: Any = RingMemory[Word](slots=lang.array(4))
    producer = Ring[Word](role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    assert producer.attach() is None
    assert producer.available(u32(3)) == 4
    producer.advance(u32(3))
    for handed_back in (2, 1):
        consumer = Ring[Word](role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
        assert consumer.attach() is None
        assert consumer.available(u32(1)) == handed_back + (handed_back == 2)
        consumer.advance(u32(handed_back))
    again = Ring[Word](role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    assert again.attach() is None
    assert again.available(u32(4)) == 4


def test_slots_that_a_peer_takes_back() -> None:
    memory: Any = RingMemory[Word](slots=lang.array(4))
    consumer = Ring[Word](role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
    assert consumer.attach() is None
    memory.producer.index.store(u32(3))
    assert consumer.available(u32(3)) == 3
    memory.producer.index.store(u32(2))
    assert consumer.available(u32(3)) == 3  # known, so nobody looks
    assert consumer.available(u32(4)) is Broken.PEER
    memory.producer.index.store(u32(3))
    assert consumer.available(u32(1)) is Broken.PEER
    assert consumer.attach() is None
    assert consumer.available(u32(1)) == 3
