"""Arenas against a model of memory, in every reading."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang import usize
from neokernel.runtime.arena import Arena, Mark
from neokernel.runtime.vec import Full
from tests.runtime import lockstep
from tests.runtime.drivers.arena_driver import SIZE
from tests.runtime.drivers.work import FULL
from tests.runtime.lockstep import MASK, Command

DRIVER = "arena_driver"
REFUSED = int(FULL)


class Model:
    def __init__(self) -> None:
        self.memory = bytearray(SIZE)
        self.used = 0
        self.marks: list[int] = []

    def fingerprint(self) -> int:
        found = self.used
        for byte in self.memory:
            found = (found * 31 + byte) & MASK
        return found & 0xFFFF_FFFF

    def place(self, size: int, alignment: int) -> int | None:
        start = -(-self.used // alignment) * alignment
        if start + size > SIZE:
            return None
        self.used = start + size
        return start

    def allocate(self, size: int, number: int) -> int:
        start = self.place(size, 1 << (number >> 8) % 5)
        if start is None:
            return REFUSED
        self.memory[start : start + size] = bytes([number % 251]) * size
        return 0 if number % 2 == 0 else SIZE - self.used

    def perform(self, operation: int, size: int, number: int) -> int:
        """The result; ValueError where a check fails."""
        match operation:
            case 0:
                return self.allocate(size, number)
            case 1:
                self.marks.append(self.used)
                return 0
            case 2:
                self.used = self.marks.pop() if self.marks else self.used
                return SIZE - self.used
            case 3:
                before = self.used
                outer = self.allocate(size, number)
                inner = self.allocate(size, number)
                self.used = before
                return outer ^ 1 if inner == REFUSED else outer
            case 4:
                self.used = 0
                self.marks.clear()
                return 0
            case _:
                if number % 4 in (0, 3):
                    raise ValueError
                return REFUSED if self.place(size, number % 4) is None else SIZE - self.used


def expect(commands: Sequence[Command]) -> tuple[list[int], str | None]:
    model = Model()
    results: list[int] = []
    for command in commands:
        try:
            result = model.perform(*command)
        except ValueError:
            return results, "assert"
        results.append((result * 3 + model.fingerprint()) & MASK)
    return results, None


SIZES = st.integers(0, 40) | st.sampled_from([SIZE, SIZE + 1, MASK, MASK - 7])
COMMANDS = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]), SIZES, st.integers(0, 2**16)), max_size=40)


@given(COMMANDS)
def test_like_a_level_in_memory(commands: list[Command]) -> None:
    lockstep.check(DRIVER, commands, *expect(commands))


@pytest.mark.qemu
def test_on_the_machine() -> None:
    source = random.Random(1)
    many = [
        [(source.choice([0, 0, 0, 1, 2, 3, 4]), source.randrange(30), source.getrandbits(16)) for _ in range(40)]
        for _ in range(30)
    ]
    for commands, outcome in zip(many, lockstep.emulated(DRIVER, many), strict=True):
        assert (list(outcome.results), outcome.kind) == expect(commands)


def test_a_mark_that_was_rolled_back_fails() -> None:
    arena = Arena(memory=lang.byte_span(bytearray(16)))
    assert not isinstance(arena.allocate(usize(8), usize(1)), Full)
    mark = arena.mark()
    arena.rollback(Mark(usize(4)))
    with pytest.raises(lang.AssertionFailed):
        arena.rollback(mark)


def test_no_memory() -> None:
    arena = Arena(memory=lang.byte_span(bytearray()))
    assert arena.allocate(usize(1), usize(8)) is Full.FULL
    assert not isinstance(arena.allocate(usize(0), usize(8)), Full)


def test_padding_counts() -> None:
    arena = Arena(memory=lang.byte_span(bytearray(16)))
    assert not isinstance(arena.allocate(usize(1), usize(1)), Full)
    assert arena.allocate(usize(9), usize(8)) is Full.FULL
    assert arena.allocate(usize(1), usize(32)) is Full.FULL
    assert arena.used == 1
    assert not isinstance(arena.allocate(usize(8), usize(8)), Full)
    assert arena.free() == 0
