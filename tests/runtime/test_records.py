"""Records against a list; ended at any store; in damaged memory."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang import u64
from neokernel.lang.sequences import BYTE, window
from neokernel.lang.wire import MemoryCells
from neokernel.runtime.records import HEADER, LEAST, RECORD_HEADER, Header, Records, circle_of
from neokernel.runtime.vec import Full

SIZE = int(HEADER + LEAST)
MOST = 200
#: number, a, b, data
Record = tuple[int, int, int, bytes]


class Ended(Exception):
    """The process was ended."""


class Memory:
    """Bytes that outlive a process, which ends instead of one of its stores."""

    def __init__(self) -> None:
        self.data = bytearray(SIZE)
        self.stores_left = -1

    def load(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def store(self, offset: int, data: bytes) -> None:
        if self.stores_left == 0:
            raise Ended
        self.stores_left -= 1
        self.data[offset : offset + len(data)] = data


class Cells(MemoryCells):
    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            for position, byte in zip(range(*index.indices(self.size)), value, strict=True):
                super().__setitem__(position, byte)
        else:
            super().__setitem__(index, value)


def opened(memory: Memory) -> Any:
    span: Any = window(cast(Any, lang.Span), Cells(memory, SIZE), 0, SIZE, BYTE)
    store = Records(header=lang.wire_view(Header, span), circle=circle_of(span))
    store.adopt()
    return store


def records(store: Any) -> list[Record]:
    data: Any = lang.array(MOST + 10)
    found: list[Record] = []
    place = u64(0)
    while (record := store.read(place, data[:])) is not None:
        shown = bytes(data[: int(record.length)])
        found.append((int(record.number), int(record.a), int(record.b), shown))
        place = record.next
    return found


def add(store: Any, number: int, data: bytes) -> Record:
    """As the log does: the oldest make room."""
    for _ in range(LEAST):
        given = store.append(u64(number), u64(number % 7), lang.byte_view(data))
        if given is not Full.FULL:
            return int(given), number, number % 7, data
        store.drop()
    raise AssertionError("full, however much is dropped")


TEXTS = st.lists(st.binary(max_size=MOST), max_size=25)


@given(TEXTS)
def test_the_latest_records_are_there(texts: list[bytes]) -> None:
    store = opened(Memory())
    added: list[Record] = []
    for number, text in enumerate(texts):
        added.append(add(store, number, text))
        found = records(store)
        assert found == added[len(added) - len(found) :]
        assert [record[0] for record in added] == list(range(len(added)))
        kept = sum(RECORD_HEADER + (len(record[3]) + 7) // 8 * 8 for record in found)
        longest = RECORD_HEADER + MOST
        assert len(found) == len(added) or kept + 2 * longest > LEAST, "a record has gone, and there was room"


@settings(max_examples=60)
@given(TEXTS.filter(bool), st.data())
def test_ended_at_any_store(texts: list[bytes], data: st.DataObject) -> None:
    """What was there stays, but for what had to make room; what was being added is there wholly, or not at all."""
    memory = Memory()
    store = opened(memory)
    added = [add(store, number, text) for number, text in enumerate(texts[:-1])]
    before = records(store)
    memory.stores_left = data.draw(st.integers(0, 20 + len(texts[-1])))
    last: list[Record] = []
    with contextlib.suppress(Ended):
        last = [add(store, len(texts), texts[-1])]
    memory.stores_left = -1
    again = opened(memory)
    found = records(again)
    assert again.header.damaged == 0
    if last:
        assert found[-1:] == last
    kept = found[: -len(last)] if last else found
    assert kept == before[len(before) - len(kept) :]
    numbers = [record[0] for record in [*added, *last]]
    assert add(again, 5, b"more")[0] > max(numbers, default=-1), "a number is given once"
    assert records(again)[-1][3] == b"more"


def test_ended_while_it_is_made() -> None:
    for stores in range(12):
        memory = Memory()
        memory.data[:] = b"\xaa" * SIZE
        memory.stores_left = stores
        with contextlib.suppress(Ended):
            opened(memory)
        memory.stores_left = -1
        assert records(opened(memory)) == []


@settings(max_examples=60)
@given(TEXTS, st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_memory(texts: list[bytes], damage: list[tuple[int, int]]) -> None:
    """Whatever is in the memory: it is taken over, records can be read, and added."""
    memory = Memory()
    store = opened(memory)
    for number, text in enumerate(texts):
        add(store, number, text)
    for place, byte in damage:
        memory.data[place] = byte
    again = opened(memory)
    records(again)
    added = [add(again, number, b"x" * (number * 15)) for number in range(12)]
    assert records(again)[-1] == added[-1]


@settings(max_examples=40)
@given(st.binary(min_size=0, max_size=200), st.integers(0, 100))
def test_damaged_while_it_is_used(junk: bytes, place: int) -> None:
    """Nobody else should write there; if somebody does, nothing but records is lost."""
    memory = Memory()
    store = opened(memory)
    for number in range(20):
        add(store, number, b"y" * 50)
    at = min(int(HEADER) + place * 8, SIZE - len(junk))
    memory.data[at : at + len(junk)] = junk
    for number in range(40):
        add(store, number, b"z" * 60)
        records(store)
    assert records(store)[-1][3] == b"z" * 60


def test_reading_ends_whatever_length_the_last_record_says_it_has() -> None:
    memory = Memory()
    store = opened(memory)
    add(store, 1, b"first")
    place = int(HEADER) + int(store.end)
    add(store, 2, b"last")
    at = place + 24  # `length`, behind three numbers
    memory.data[at : at + 4] = (200).to_bytes(4, "little")
    assert [record[0] for record in records(store)] == [0, 1]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=MOST)), max_size=30))
def test_like_a_queue(steps: list[tuple[bool, bytes]]) -> None:
    store = opened(Memory())
    wanted: list[bytes] = []
    for put, data in steps:
        if put:
            given_number = store.append(u64(1), u64(2), lang.byte_view(data))
            if given_number is Full.FULL:
                used = sum(RECORD_HEADER + (len(each) + 7) // 8 * 8 for each in wanted)
                assert used + 2 * (RECORD_HEADER + MOST) > LEAST, "full, and there is room"
            else:
                wanted.append(data)
        else:
            assert store.drop() is bool(wanted)
            wanted = wanted[1:]
        assert [record[3] for record in records(store)] == wanted


def test_what_never_fits() -> None:
    store = opened(Memory())
    for size in (LEAST - RECORD_HEADER + 1, LEAST, LEAST + 1, 5 * LEAST):
        assert store.append(u64(0), u64(0), lang.byte_view(bytes(size))) is Full.FULL
    assert store.append(u64(0), u64(0), lang.byte_view(bytes(LEAST - RECORD_HEADER))) == 0
    assert store.append(u64(0), u64(0), lang.byte_view(b"")) is Full.FULL


def test_what_fits_at_all_fits_into_an_empty_circle() -> None:
    for size in range(0, LEAST - RECORD_HEADER, 37):
        store = opened(Memory())
        assert store.append(u64(0), u64(0), lang.byte_view(bytes(size))) == 0
        assert store.drop()
        assert store.append(u64(0), u64(0), lang.byte_view(bytes(LEAST - RECORD_HEADER))) == 1
        assert [record[0] for record in records(store)] == [1]
