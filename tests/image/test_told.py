"""Records in words: each kind has a line that names who and what, and no number breaks it."""

from __future__ import annotations

import pytest

from neokernel.abi.call import FAULT_BIT, STATUS_SHIFT, Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.abi.trace import Event
from neokernel.image.ring import Entry
from neokernel.image.told import told

#: of each kind of record, two numbers and what is said of them
LINES = {
    Event.SYSCALL: (Call.RECEIVE.value, 12, "calls RECEIVE, capability 12"),
    Event.SEND: (7, 0x1E62, "sends a message to log, label 0x1e62"),
    Event.REPLY: (7, Status.MISSING_RIGHT.value << STATUS_SHIFT, "answers log, MISSING_RIGHT"),
    Event.SWITCH: (3, 0, "runs"),
    Event.INTERRUPT: (10, 0, "is interrupted by line 10"),
    Event.FAULT: (Fault.PAGE.value, 0x1000, "has fault PAGE at address 0x1000"),
    Event.DERIVE: (Kind.FRAME.value, 0, "derives FRAME"),
    Event.DELETE: (Kind.FRAME.value, 1, "ends FRAME"),
    Event.SIGNAL: (0x10, 0, "signals badge 0x10"),
    Event.READY: (7, 60, "log is ready, at priority 60"),
}


def name(thread: int) -> str:
    return {0: "nobody", 7: "log"}.get(thread, f"thread {thread}")


def entry(event: Event, a: int, b: int, thread: int = 3) -> Entry:
    return Entry(0, 0, thread, event, 0, a, b)


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_each_kind_has_its_words(event: Event) -> None:
    a, b, said = LINES[event]
    assert told(entry(event, a, b), name) == said


def test_what_differs_is_said() -> None:
    assert told(entry(Event.SWITCH, 3, 0, thread=0), name) == "the processor idles"
    assert told(entry(Event.INTERRUPT, 0, 0), name) == "is interrupted by the timer"
    assert told(entry(Event.SEND, 7, FAULT_BIT | Fault.PAGE.value), name) == "reports fault PAGE to log"
    assert told(entry(Event.REPLY, 7, 0), name) == "answers log"
    assert told(entry(Event.FAULT, Fault.BREAKPOINT.value, 0x10462), name) == "has fault BREAKPOINT at pc 0x10462"
    assert told(entry(Event.SIGNAL, 0, 0), name) == "signals"
    assert told(entry(Event.DERIVE, Kind.THREAD.value, 1), name) == "makes THREAD"
    assert told(entry(Event.DELETE, Kind.THREAD.value, 0), name) == "deletes THREAD"


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_numbers_that_are_nothing_are_shown_as_they_are(event: Event) -> None:
    assert told(entry(event, (1 << 64) - 1, (1 << 64) - 1), name)
