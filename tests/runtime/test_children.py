"""Children end, by themselves, by faults or by their maker, and nothing of them is left but Memory for the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel import lang
from neokernel.runtime import capabilities
from neokernel.runtime.capabilities import BUSY, MAXIMUM_CHILDREN, Holding, Holdings, Slots
from neokernel.runtime.process import Settings
from tests.support.nk import boot

PROGRAM = Path(__file__).parent / "children"
TRIED_AGAIN = [
    "no such priority: OUT_OF_RANGE of argument 2",
    "no context: WRONG_KIND of argument 8",
    "no slot for its page: OUT_OF_SLOTS of argument 12",
    "nor on its maker's context: OUT_OF_SLOTS of argument 12",
]


@pytest.mark.qemu
def test_children_on_the_machine() -> None:
    assert boot(PROGRAM)[1:] == [
        "no such program: NO_PROGRAM of argument 2",
        "too little memory: OUT_OF_MEMORY of argument 0",
        "again: OUT_OF_MEMORY of argument 0",
        "nobody's slot: NO_CAPABILITY of argument 2",
        "no slot: NO_CAPABILITY of argument 2",
        "no child: OUT_OF_RANGE of argument 2",
        "no number: OUT_OF_RANGE of argument 2",
        *TRIED_AGAIN,
        *TRIED_AGAIN,
        "started already: NO_WINDOW of argument 12",
        "thread without priority: OUT_OF_RANGE of argument 2",
        *["another one: OUT_OF_RANGE of argument 2"] * 2,
        *["too few slots for a thread: OUT_OF_SLOTS of argument 12"] * 3,
        "1000 rounds: 0 slots and 0 bytes lost",
        "one too many: OUT_OF_SLOTS of argument 12",
        "status 256: BREAKPOINT",
        "nobody else: TIMED_OUT",
        "flooded: TIMED_OUT of argument 2",
        "no beat",
        "passive supervisor: WRONG_STATE of argument 2",
        "passive supervisor: STOPPED",
        "pinned: PINNED of argument 2",
        "server: BREAKPOINT",
        "client 0: PEER_DIED",
        "client 1: 10",
        "client 20000: 4000",
        "orphan: BUDGET",
        "and then: 1",
        "130 pages",
    ]


def slots(first: int, end: int) -> Slots:
    made = Slots()
    made.begin(first, end)
    return made


def test_runs_of_slots_are_the_first_that_fit_and_within_a_word() -> None:
    table = slots(5, 256)
    assert [table.allocate(60), table.allocate(59), table.allocate(64), table.allocate(1)] == [64, 5, 128, 124]
    table.release(10, 3)
    assert [table.allocate(4), table.allocate(2), table.allocate(1), table.allocate(1)] == [192, 10, 12, 125]
    assert [table.allocate(64), table.allocate(60), table.allocate(5)] == [None, 196, None]


def test_the_last_slot_is_the_last_free_one() -> None:
    table = slots(63, 130)
    assert [table.allocate_last() for _ in range(3)] == [129, 128, 127]
    table.release(128)
    assert table.allocate_last() == 128
    assert table.allocate(64) is None
    assert [table.allocate_last() for _ in range(63)] == [*range(126, 63, -1)]
    assert [table.allocate_last(), table.allocate_last()] == [63, None]


def test_a_slot_is_taken_from_its_allocation_to_its_release() -> None:
    table = slots(63, 130)
    assert [table.is_taken(slot) for slot in (0, 62, 63, 129, 130, 191, 192, 1 << 63)] == [
        *(True, True, False, False, True, True, False, False)
    ]
    assert table.allocate() == 63
    assert table.is_taken(63)
    table.release(63)
    assert not table.is_taken(63)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 33, 64])
@pytest.mark.parametrize("free", [0, 1, 0b1011_0111, 2**64 - 1, 0xFFFF_FFFF_0000_0001, 0x7F80_FF00_3FFF_0FE5])
def test_runs(free: int, count: int) -> None:
    run = (1 << count) - 1
    expected = sum(1 << place for place in range(65 - count) if free >> place & run == run)
    assert capabilities.runs(free, count) == expected


def test_memory_of_ended_children_is_used_again_the_smallest_that_suffices() -> None:
    children = Holdings()
    for number, pages in enumerate((64, 128, 32), 1):
        assert children.take(pages) == number
        assert children.get(number) == Holding(0, BUSY, pages)
        children.set(number, Holding(100 + number, 200, pages))
    assert children.first(2) == 200
    assert children.claim(2) == Holding(102, 200, 128)
    assert (children.claim(2), children.first(2)) == (None, None), "somebody ends it already"
    children.set(2, Holding(102, 0, 128))
    assert (children.claim(2), children.first(2)) == (None, None), "it has ended"
    assert children.claim(1) == Holding(101, 200, 64)
    children.set(1, Holding(101, 0, 64))
    assert children.take(40) == 1
    assert children.get(1) == Holding(101, BUSY, 64)
    assert children.take(40) == 2
    assert children.take(200) == 4, "none suffices"
    assert children.take(30, True) == 5, "none has that size"
    children.set(5, Holding(105, 0, 30))
    assert children.take(30, True) == 5
    children.set(4, Holding(0, 0, 0))
    assert children.take(1) == 4, "a number without Memory is free"


@pytest.mark.parametrize("number", [0, 1, MAXIMUM_CHILDREN, MAXIMUM_CHILDREN + 1])
def test_a_number_that_no_child_has(number: int) -> None:
    assert (Holdings().claim(number), Holdings().first(number)) == (None, None)


def test_there_are_so_many_numbers() -> None:
    children = Holdings()
    assert [children.take(1) for _ in range(MAXIMUM_CHILDREN)] == [*range(1, MAXIMUM_CHILDREN + 1)]
    assert children.take(1) is None


def test_a_table_that_has_grown_has_more_slots() -> None:
    table = slots(126, 128)
    table.extend(128, 256)
    assert [table.allocate(64), table.allocate(2), table.allocate(64), table.allocate()] == [128, 126, 192, None]


def test_settings_are_numbers_and_texts_in_order() -> None:
    made = Settings()
    made.add(lang.u64(7))
    made.add_text(lang.byte_view(b"first"))
    made.add_text(lang.byte_view(b"second"))
    copied = Settings()
    copied.assign(made)
    places = [int(copied.numbers[place]) for place in range(int(copied.count))]
    assert places == [7, 5 << 32, 6 << 32 | 5]
    assert bytes(copied.text[:11].bytes()) == b"firstsecond"
