"""Queues against Python's deques, in every reading."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime import lockstep
from tests.runtime.drivers.queue_driver import CAPACITY, LONGEST
from tests.runtime.drivers.work import FULL, NOTHING
from tests.runtime.lockstep import MASK, Command

DRIVER = "queue_driver"
ABSENT, REFUSED = int(NOTHING), int(FULL)


class Model:
    def __init__(self) -> None:
        self.words: deque[int] = deque()
        self.octets: deque[int] = deque()

    def perform(self, operation: int, place: int, number: int) -> int:
        words, octets, count = self.words, self.octets, place % (LONGEST + 1)
        match operation:
            case 0 if len(words) == CAPACITY:
                return REFUSED
            case 0:
                words.append(number)
            case 1:
                return words.popleft() if words else ABSENT
            case 2:
                return words[0] if words else ABSENT
            case 3:
                return (CAPACITY - len(words)) * 16 + len(words)
            case 4:
                words.clear()
            case 5:
                count = min(count, CAPACITY - len(octets))
                octets.extend((number + index) % 256 for index in range(count))
                return count
            case 6:
                taken = [octets.popleft() for _ in range(min(count, len(octets)))]
                found = len(taken)
                for octet in [*taken, *[0] * (LONGEST - len(taken))]:
                    found = (found * 257 + octet) & MASK
                return found
            case _:
                return octets.popleft() if octets else ABSENT
        return 0


def expect(commands: Sequence[Command]) -> list[int]:
    model = Model()
    return [model.perform(*command) for command in commands]


COMMANDS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2, 3, 4, 5, 5, 6, 6, 7]), st.integers(0, LONGEST), st.integers(0, 2**32 - 1)),
    max_size=40,
)


@given(COMMANDS)
def test_like_a_deque(commands: list[Command]) -> None:
    lockstep.check(DRIVER, commands, expect(commands), None)


@pytest.mark.qemu
def test_on_the_machine() -> None:
    source = random.Random(1)
    many = [
        [(source.randrange(8), source.randrange(LONGEST + 1), source.getrandbits(32)) for _ in range(40)]
        for _ in range(30)
    ]
    for commands, outcome in zip(many, lockstep.emulated(DRIVER, many), strict=True):
        assert (list(outcome.results), outcome.kind) == (expect(commands), None)
