"""Traces of what the system does: who starts them, and how threads get names in them.

`nk trace PROGRAM` starts one before `main`; a program can do so itself when it likes, and give names to its threads:

    tracing = start_tracing(process, pages=64)
    names = Names()
    _ = names.add(worker, "worker")

Both are read out of the machine's memory when it has ended, so nothing has to be done at the end. The ring is the
kernel's (`abi/trace.py`), of one Trace object at a time; the names are the program's (`abi/names.py`).
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.names import MAXIMUM_NAME, NAME_MAGIC_HIGH, NAME_MAGIC_LOW, ThreadName
from neokernel.abi.status import FIRST, Status
from neokernel.abi.trace import Event, Record
from neokernel.lang import Array, Embedded, array, struct, truncate, u8, u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: every kind of record
ALL_EVENTS: u64 = (u64(1) << (u64(Event.READY.value) + 1)) - 1
#: of the ring: 128 records each
DEFAULT_PAGES = 256
MAXIMUM_NAMES = 32


def start_tracing(process: Process, pages: u64 = DEFAULT_PAGES, events: u64 = ALL_EVENTS) -> u64 | Failure:
    """Record events (bits 1 << `Event`) into a new ring of `pages` pages, a power of 2: the index of its Trace."""
    trace = process.make(Kind.TRACE, pages)
    if isinstance(trace, Failure):
        return trace
    failure = system.trace_start(trace, events)
    if failure is None:
        return trace
    _ = process.drop(trace)
    return failure


def begins_stay(record: Record) -> bool:
    """Has its thread come into the kernel with it? (`abi/trace.py`)"""
    event = u8(record.event)
    if event == u8(Event.FAULT.value):
        return record.a != u64(Fault.BUDGET.value)
    return event == u8(Event.SYSCALL.value) or event == u8(Event.INTERRUPT.value)


def went_on(record: Record, after: Record) -> u32 | None:
    """With which thread a call went on by a fast path of the kernel's, as the next record tells."""
    if u8(record.event) != u8(Event.SYSCALL.value) or not begins_stay(after) or after.thread in (0, record.thread):
        return None
    return after.thread


def sent_by(record: Record) -> Event | None:
    """What a call does by which a message went on so: SEND or REPLY; None if it carries none."""
    call = truncate(u32, record.a)
    if call == u32(Call.CALL.value):
        return Event.SEND
    return Event.REPLY if call == u32(Call.REPLY_RECEIVE.value) else None


@struct
class Names:
    """Names of threads, for traces. They count as long as the object is there."""

    entries: Array[Embedded[ThreadName]] = array(MAXIMUM_NAMES)
    count: usize = 0

    def add(self, thread: u64, name: str) -> Failure | None:
        """Call the thread whose capability is at index `thread` by `name`: of a long one, the beginning."""
        if self.count == len(self.entries):
            return Failure(Status.OUT_OF_RANGE, FIRST)
        known = system.thread_info(thread)
        if isinstance(known, Failure):
            return known
        entry = self.entries[self.count]
        self.count += 1
        text = name.encode()
        length = min(len(text), MAXIMUM_NAME)
        for place in range(length):
            entry.text[place] = text[place]
        entry.length = u32(length)
        entry.thread = u32(known.identifier)
        entry.magic_low = NAME_MAGIC_LOW
        entry.magic_high = NAME_MAGIC_HIGH
        return None


def begin_trace(process: Process, names: Names) -> None:
    """What `nk trace` does before a program's `main`."""
    assert not isinstance(start_tracing(process), Failure), "no memory for a trace"
    _ = names.add(OWN_THREAD, "main")
