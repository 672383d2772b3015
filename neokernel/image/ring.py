"""Reading the kernel's event ring, and the names of threads, out of a machine's memory (`neokernel/abi/trace.py`).

A dump is bytes: all of a machine's memory, or a file that begins with the ring's header. Invariant: whatever they are,
reading ends, with a ring or with `BadDump`: who made the dump isn't trusted.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, replace
from typing import ClassVar

from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.names import MAXIMUM_NAME, NAME_MAGIC_HIGH, NAME_MAGIC_LOW, ThreadName
from neokernel.abi.trace import Event, Header, Record
from neokernel.lang.wire import Part

Memory = bytes | bytearray | mmap.mmap

#: faster counters than this are garbage
HIGHEST_FREQUENCY = 10**10
EVENTS = {event.value: event for event in Event}


class BadDump(Exception):
    """There is no ring to be read; the text says why."""


def layout(kind: type) -> struct.Struct:
    """How to unpack the integers and bytes of a wire class, in declared order."""
    form, end = "<", 0
    for part in vars(kind).values():
        if isinstance(part, Part):
            integer = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(part.size) if part.bits else None
            form += f"{part.offset - end}x" + (integer or f"{part.size}s")
            end = part.offset + part.size
    return struct.Struct(form)


HEADER, RECORD, NAME = layout(Header), layout(Record), layout(ThreadName)
MAGIC = int(NAME_MAGIC_LOW).to_bytes(8, "little") + int(NAME_MAGIC_HIGH).to_bytes(8, "little")
SMALLEST = PAGE_SIZE // RECORD.size


@dataclass(frozen=True, slots=True)
class Entry:
    """What was recorded, or what a record implies. `number` counts these, from the number of the first record on.

    Of a SYSCALL, `a` is the call's number and `b` the capability's index; of a SWITCH, `a` is the thread before.
    """

    number: int
    time: int
    thread: int
    event: Event
    hart: int
    a: int
    b: int


@dataclass(frozen=True)
class Ring:
    """What is left of what was written: `lost` records are not; `frequency` is of the times, in Hz."""

    frequency: int
    lost: int
    entries: list[Entry]


def find_ring(memory: Memory) -> tuple[Ring, int, int]:
    """The ring in a dump, where it begins and how many bytes it has.

    It is at the beginning, or else on some page: then of several the one that was written to last, as a ring whose
    memory was given back leaves its records there.
    """
    if is_header(memory, 0):
        return read_ring(memory, 0), 0, ring_size(memory, 0)
    best: tuple[Ring, int, int] | None = None
    for offset in range(PAGE_SIZE, len(memory) - PAGE_SIZE + 1, PAGE_SIZE):
        if not is_header(memory, offset):
            continue
        try:
            ring = read_ring(memory, offset)
        except BadDump:
            continue
        if best is None or ring.entries[-1].time > best[0].entries[-1].time:
            best = ring, offset, ring_size(memory, offset)
    if best is None:
        raise BadDump(f"no event ring in these {len(memory):,} bytes: nothing was traced, or they are something else")
    return best


def ring_at(memory: Memory, offset: int) -> Ring:
    """The ring whose header is said to be at `offset`."""
    if offset < 0 or not is_header(memory, offset):
        raise BadDump(f"no event ring is at {offset:#x} of these {len(memory):,} bytes")
    return read_ring(memory, offset)


def is_header(memory: Memory, offset: int) -> bool:
    """Could a header be there? It says little, but its page has nothing else."""
    if offset + HEADER.size > len(memory):
        return False
    _, capacity, frequency, rest = HEADER.unpack_from(memory, offset)
    power = capacity >= SMALLEST and capacity & (capacity - 1) == 0
    return power and 0 < frequency <= HIGHEST_FREQUENCY and not any(rest)


def ring_size(memory: Memory, offset: int) -> int:
    _, capacity, _, _ = HEADER.unpack_from(memory, offset)
    return HEADER.size + int(capacity) * RECORD.size


def read_ring(memory: Memory, offset: int) -> Ring:
    """The ring whose header is at `offset`."""
    written, capacity, frequency, _ = HEADER.unpack_from(memory, offset)
    size, there = ring_size(memory, offset), len(memory) - offset
    if size > there:
        raise BadDump(f"cut off: a ring of {capacity:,} records has {size:,} bytes, and there are {there:,}")
    if written == 0:
        raise BadDump("the ring is empty: nothing happened while it recorded")
    # When the ring is full, the machine may have been stopped while it wrote over the oldest record.
    first = max(0, written + 1 - capacity)
    entries: list[Entry] = []
    before = 0
    unfolding = Unfolding()
    for number in range(first, written):
        place = offset + HEADER.size + number % capacity * RECORD.size
        time, thread, kind, hart, _, a, b = RECORD.unpack_from(memory, place)
        event = EVENTS.get(kind)
        if event is None:
            raise BadDump(f"record {number} is no record: there is no event {kind}")
        if time < before:
            raise BadDump(f"record {number} is no record: its time {time} is before that of the one before, {before}")
        before = time
        for entry in unfolding.add(Entry(number, time, thread, event, hart, a, b)):
            entries.append(replace(entry, number=first + len(entries)))
    return Ring(frequency, first, entries)


def begins_stay(entry: Entry) -> bool:
    """Has its thread come into the kernel with it? (`abi/trace.py`)"""
    if entry.event is Event.FAULT:
        return entry.a != Fault.BUDGET.value
    return entry.event in (Event.SYSCALL, Event.INTERRUPT)


class Unfolding:
    """What the records imply (`abi/trace.py`): who runs, and what the kernel's fast paths have done.

    Records are added in their order. Invariant: between what `add` gives, each change of threads is a SWITCH.
    """

    #: what a call has done that went on with another thread at once
    DONE: ClassVar = {
        Call.CALL.value: Event.SEND,
        Call.REPLY_RECEIVE.value: Event.REPLY,
        Call.SIGNAL.value: Event.SIGNAL,
    }

    def __init__(self) -> None:
        #: of each hart: who runs; its latest record, if that is a call, and the call's message word
        self.running: dict[int, int] = {}
        self.called: dict[int, tuple[Entry, int]] = {}
        #: of the latest record, of any hart
        self.time = 0

    def add(self, entry: Entry) -> list[Entry]:
        """A record as it was written: what it implies, and it."""
        hart = entry.hart
        before, self.time = self.time, entry.time
        running, called = self.running.get(hart), self.called.pop(hart, None)
        if entry.event is Event.SWITCH:
            # It may be said of who ran before, too.
            self.running[hart] = entry.thread
            return [] if running == entry.thread else [replace(entry, a=running or 0)]
        if not begins_stay(entry):
            return [entry]
        implied: list[Entry] = []
        self.running[hart] = entry.thread
        if running is not None and running != entry.thread:
            if called is not None and entry.thread != 0:
                implied += self.done(*called, entry.thread, before)
            implied.append(replace(entry, time=before, event=Event.SWITCH, a=running, b=0))
        if entry.event is Event.SYSCALL:
            made, word = entry.a, entry.b
            entry = replace(entry, a=made & 0xFFFF_FFFF, b=made >> 32)
            self.called[hart] = entry, word
        return [*implied, entry]

    def done(self, call: Entry, word: int, thread: int, time: int) -> list[Entry]:
        """What a fast path has done that went on with `thread`."""
        event = self.DONE.get(call.a)
        if event is None:
            return []
        told = (0, 0) if event is Event.SIGNAL else (thread, word)
        return [replace(call, time=time, event=event, a=told[0], b=told[1])]


def find_names(memory: Memory) -> dict[int, str]:
    """Names of threads by identifier. What looks like one and isn't is passed over."""
    names: dict[int, str] = {}
    at = memory.find(MAGIC)
    while at >= 0 and at + NAME.size <= len(memory):
        _, _, thread, length, text = NAME.unpack_from(memory, at)
        name = text[:length].decode(errors="ignore")
        if thread and 0 < length <= MAXIMUM_NAME and name and name.isprintable():
            names[thread] = name
        at = memory.find(MAGIC, at + 1)
    return names


def pack_dump(memory: Memory) -> bytes:
    """What of a machine's memory a trace needs, as a dump of its own: the ring, then the names."""
    _, offset, size = find_ring(memory)
    names = b"".join(
        NAME.pack(int(NAME_MAGIC_LOW), int(NAME_MAGIC_HIGH), thread, len(name.encode()), name.encode())
        for thread, name in find_names(memory).items()
    )
    return bytes(memory[offset : offset + size]) + names
