"""Vectors against Python's lists, in every reading."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.runtime.vec import Full, Vec
from tests.runtime import lockstep
from tests.runtime.drivers.vec_driver import CAPACITY
from tests.runtime.drivers.work import FULL, NOTHING
from tests.runtime.lockstep import MASK, Command

DRIVER = "vec_driver"
ABSENT, REFUSED = int(NOTHING), int(FULL)


class Model:
    """One list; the driver's three vectors are functions of it."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def fingerprint(self) -> int:
        found = len(self.items)
        for item in self.items:
            found = (found * 31 + item) & MASK
        for item in self.items:
            found = (found * 31 + ((item % 251) ^ (item * 3))) & MASK
        for item in self.items:
            found = (found * 31 + item % 251) & MASK
        return found & 0xFFFF_FFFF

    def perform(self, operation: int, place: int, number: int) -> int:
        """The result; IndexError where a check fails."""
        items = self.items
        place = min(place, 5 << 40)  # no list is longer (and the same modulo 5)
        match operation:
            case 0 | 2 if len(items) == CAPACITY:
                return REFUSED
            case 0:
                items.append(number)
            case 1:
                return items.pop() if items else ABSENT
            case 2:
                if place > len(items):
                    raise IndexError
                items.insert(place, number)
            case 3:
                return items.pop(place)
            case 4:
                items[place], items[-1] = items[-1], items[place]
                return items.pop()
            case 5:
                items[place] = number
            case 6:
                return items[place]
            case 7:
                return items[-1] if items else ABSENT
            case 8:
                items.clear()
            case 9:
                del items[place:]
                return len(items)
            case 10:
                if place % 5 > CAPACITY - len(items):
                    return REFUSED
                items += [number] * (place % 5)
            case _:
                return CAPACITY - len(items)
        return 0


def expect(commands: Sequence[Command]) -> tuple[list[int], str | None]:
    model = Model()
    results: list[int] = []
    for command in commands:
        try:
            result = model.perform(*command)
        except IndexError:
            return results, "index"
        results.append((result * 3 + model.fingerprint()) & MASK)
    return results, None


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        st.integers(0, CAPACITY) | st.just(MASK),
        st.integers(0, 2**32 - 1),
    ),
    max_size=40,
)


@given(COMMANDS)
def test_like_a_list(commands: list[Command]) -> None:
    lockstep.check(DRIVER, commands, *expect(commands))


def some_commands(source: random.Random) -> list[Command]:
    operations = [0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 9, 10, 11]
    return [(source.choice(operations), source.randrange(3), source.getrandbits(32)) for _ in range(40)]


@pytest.mark.qemu
def test_on_the_machine() -> None:
    source = random.Random(1)
    many = [some_commands(source) for _ in range(50)]
    for commands, outcome in zip(many, lockstep.emulated(DRIVER, many), strict=True):
        assert (list(outcome.results), outcome.kind) == expect(commands)


@settings(max_examples=30)
@given(st.integers(0, 20))
def test_an_index_beyond_the_length_fails_though_there_is_a_slot(index: int) -> None:
    vec: Vec[int] = Vec[lang.u32](slots=lang.array(16))
    for number in range(10):
        assert vec.push(lang.u32(number)) is None
    if index < 10:
        assert vec[lang.usize(index)] == index
        return
    for access in (vec.__getitem__, vec.remove, vec.swap_remove):
        with pytest.raises(lang.IndexOutOfRange):
            access(lang.usize(index))
    assert len(vec) == 10


def test_what_refuses_changes_nothing() -> None:
    vec: Vec[int] = Vec[lang.u32](slots=lang.array(3))
    assert vec.extend((lang.u32(1), lang.u32(2))) is None
    assert vec.extend((lang.u32(3), lang.u32(4))) is Full.FULL
    assert vec.insert(lang.usize(0), lang.u32(3)) is None
    assert vec.insert(lang.usize(0), lang.u32(5)) is Full.FULL
    assert vec.push(lang.u32(5)) is Full.FULL
    assert list(vec.as_span()) == [3, 1, 2]
