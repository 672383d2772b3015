"""The kernel's records as a trace that https://ui.perfetto.dev and chrome://tracing open.

The form is the JSON of Google's "Trace Event Format". There are two groups of tracks:

- *harts*: which thread each hart runs, and the interrupts that it takes;
- *threads*: when each runs, and its system calls; faults, signals, capabilities as instants. An arrow leads from who
  sends a message or a reply to where the receiver goes on.

The ring has no record of a return from the kernel. So a call lasts until its thread is switched to again, if the kernel
switched away from it; otherwise until the last record that the kernel wrote in it.

Invariants: on each track slices nest, and every one that begins ends; arrows have both ends; times never decrease.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from neokernel.abi import call
from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.abi.trace import Event
from neokernel.image.ring import Entry, Ring, begins_stay

#: groups of tracks
HARTS, THREADS = 1, 2
IDLE = 0

#: the slice of a thread that a hart runs, outside of calls that wait
RUNNING = "running"


@dataclass
class Thread:
    """What is open on a thread's track, innermost last; `expected`: arrows that end when it runs, and their names."""

    open: list[str] = field(default_factory=list)
    expected: list[tuple[int, str]] = field(default_factory=list)


def chrome_trace(ring: Ring, names: dict[int, str], methods: dict[int, str] | None = None) -> dict[str, Any]:
    """The JSON object of a trace. `methods`: of the contracts that are spoken, by the labels of their requests."""
    return {
        "traceEvents": Writer(ring, names, methods or {}).events(),
        "displayTimeUnit": "ns",
        "otherData": {"records": len(ring.entries), "lost": ring.lost, "ticks per second": ring.frequency},
    }


class Writer:
    """Goes through the records once. What a call's end needs to know of the future is found out before."""

    def __init__(self, ring: Ring, names: dict[int, str], methods: dict[int, str]) -> None:
        self.ring = ring
        self.names = names
        self.methods = methods
        #: what a thread was asked last, by whom: (it, who asked)
        self.asked: dict[tuple[int, int], str] = {}
        self.made: list[dict[str, Any]] = []
        self.threads: dict[int, Thread] = {}
        #: which thread each hart runs
        self.running: dict[int, int] = {}
        self.arrows = 0
        self.waits, self.ends = find_ends(ring.entries)
        self.time = 0.0

    def events(self) -> list[dict[str, Any]]:
        for entry in self.ring.entries:
            self.time = entry.time * 1e6 / self.ring.frequency
            if entry.event is Event.SWITCH:
                self.switch(entry.hart, entry.thread)
            else:
                if entry.hart not in self.running or begins_stay(entry):
                    # The first record of a hart, or switches weren't recorded.
                    self.switch(entry.hart, entry.thread)
                getattr(self, entry.event.name.lower())(entry)
            if entry.number in self.ends:
                self.end_call(self.ends[entry.number])
        for hart in self.running:
            self.switch(hart, IDLE)
        for number, thread in self.threads.items():
            while thread.open:
                self.end(number)
        unfinished = {arrow for thread in self.threads.values() for arrow, _ in thread.expected}
        return [*self.titles(), *(event for event in self.made if event.get("id") not in unfinished)]

    # --- what the records say -----------------------------------------------------------------------------------------

    def switch(self, hart: int, thread: int) -> None:
        before = self.running.get(hart, IDLE)
        if before == thread and hart in self.running:
            return
        self.running[hart] = thread
        if before != IDLE:
            self.write("E", HARTS, hart)
            # A call that waits goes on: it is all that is open, since it ended the slice of running.
            while RUNNING in self.threads[before].open:
                self.end(before)
        if thread == IDLE:
            return
        self.write("B", HARTS, hart, self.title(thread), {"thread": thread})
        while self.thread(thread).open:
            self.end(thread)
        self.begin(thread, RUNNING, {"hart": hart})
        for arrow, name in self.threads[thread].expected:
            self.finish(arrow, thread, name)
        self.threads[thread].expected.clear()

    def syscall(self, entry: Entry) -> None:
        name = member(Call, entry.a)
        if entry.thread == IDLE:
            return
        if entry.number in self.waits:
            while self.thread(entry.thread).open:
                self.end(entry.thread)
        self.begin(entry.thread, name, {"capability": entry.b})

    def send(self, entry: Entry) -> None:
        name = self.methods.get(entry.b & call.LABEL_MASK, "message")
        self.asked[entry.a & 0xFFFF_FFFF, entry.thread] = name
        self.message(entry, name)

    def reply(self, entry: Entry) -> None:
        asked = self.asked.pop((entry.thread, entry.a & 0xFFFF_FFFF), "message")
        self.message(entry, "reply" if asked == "message" else f"{asked}: reply")

    def message(self, entry: Entry, name: str) -> None:
        """An instant where it is sent, and an arrow to where its receiver runs."""
        receiver = entry.a & 0xFFFF_FFFF
        self.instant(THREADS, entry.thread, name, {"to": self.title(receiver), **message_arguments(entry.b)})
        if not self.thread(entry.thread).open or IDLE in (entry.thread, receiver):
            return
        self.arrows += 1
        self.write("s", THREADS, entry.thread, name, cat="ipc", id=self.arrows)
        if RUNNING in self.thread(receiver).open:
            self.finish(self.arrows, receiver, name)
        else:
            self.thread(receiver).expected.append((self.arrows, name))

    def interrupt(self, entry: Entry) -> None:
        self.instant(HARTS, entry.hart, f"interrupt {entry.a}", {"line": entry.a})

    def fault(self, entry: Entry) -> None:
        name = member(Fault, entry.a)
        where = "address" if name == Fault.PAGE.name else "pc"
        self.instant(THREADS, entry.thread, f"fault {name}", {"kind": name, where: hex(entry.b)})

    def derive(self, entry: Entry) -> None:
        kind = member(Kind, entry.a)
        self.instant(THREADS, entry.thread, f"derive {kind}", {"kind": kind, "object made": bool(entry.b)})

    def delete(self, entry: Entry) -> None:
        kind = member(Kind, entry.a)
        self.instant(THREADS, entry.thread, f"delete {kind}", {"kind": kind, "object ended": bool(entry.b)})

    def signal(self, entry: Entry) -> None:
        track = (THREADS, entry.thread) if entry.thread != IDLE else (HARTS, entry.hart)
        self.instant(*track, "signal", {"badge": hex(entry.a)})

    def ready(self, entry: Entry) -> None:
        self.instant(THREADS, entry.a & 0xFFFF_FFFF, "ready", {"priority": entry.b})

    # --- what is written ----------------------------------------------------------------------------------------------

    def write(
        self, phase: str, group: int, track: int, name: str = "", arguments: dict[str, Any] | None = None, **more: Any
    ) -> None:
        event: dict[str, Any] = {"ph": phase, "ts": self.time, "pid": group, "tid": track, **more}
        if name:
            event["name"] = name
        if arguments:
            event["args"] = arguments
        self.made.append(event)

    def begin(self, thread: int, name: str, arguments: dict[str, Any]) -> None:
        self.thread(thread).open.append(name)
        self.write("B", THREADS, thread, name, arguments)

    def end(self, thread: int) -> None:
        """End the innermost slice of a thread, if there is one."""
        if self.thread(thread).open:
            self.write("E", THREADS, thread, self.threads[thread].open.pop())

    def end_call(self, thread: int) -> None:
        """End the call that a running thread is in, unless something else has."""
        if self.thread(thread).open[-1:] not in ([], [RUNNING]):
            self.end(thread)

    def instant(self, group: int, track: int, name: str, arguments: dict[str, Any]) -> None:
        if group == THREADS:
            self.thread(track)
        self.write("i", group, track, name, arguments, s="t")

    def finish(self, arrow: int, thread: int, name: str) -> None:
        """Both ends of an arrow have one name."""
        self.write("f", THREADS, thread, name, cat="ipc", id=arrow, bp="e")

    def thread(self, number: int) -> Thread:
        return self.threads.setdefault(number, Thread())

    def title(self, thread: int) -> str:
        return self.names.get(thread, "idle" if thread == IDLE else f"thread {thread}")

    def titles(self) -> list[dict[str, Any]]:
        """Names of groups and tracks."""
        tracks = [(HARTS, hart, f"hart {hart}") for hart in sorted(self.running)]
        tracks += [(THREADS, thread, self.title(thread)) for thread in sorted(self.threads)]
        groups = [(HARTS, "harts"), (THREADS, "threads")]
        return [
            *({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}} for pid, name in groups),
            *({"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}} for pid, _ in groups),
            *(
                {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
                for pid, tid, name in tracks
            ),
        ]


def find_ends(entries: list[Entry]) -> tuple[set[int], dict[int, int]]:
    """Which SYSCALL records begin a call that the kernel switched away from; where the others end: record, thread."""
    waits: set[int] = set()
    ends: dict[int, int] = {}
    #: of each hart, the call that it is in: its record, and the last one of the kernel in it
    inside: dict[int, tuple[Entry, int]] = {}
    for entry in entries:
        if (entry.event is Event.SWITCH or begins_stay(entry)) and entry.hart in inside:
            begun, last = inside.pop(entry.hart)
            if entry.event is Event.SWITCH:
                waits.add(begun.number)
            else:
                ends[last] = begun.thread
        if entry.event is Event.SYSCALL:
            inside[entry.hart] = entry, entry.number
        elif entry.hart in inside:
            inside[entry.hart] = inside[entry.hart][0], entry.number
    ends.update((last, begun.thread) for begun, last in inside.values())
    return waits, ends


def member(kind: type[Enum], number: int) -> str:
    """The name of an enum's member; the number, if there is none."""
    return next((item.name for item in kind if item.value == number), str(number))


def message_arguments(word: int) -> dict[str, Any]:
    """What a message word says (`abi/call.py`)."""
    found: dict[str, Any] = {
        "label": word & call.LABEL_MASK,
        "words": word >> call.LENGTH_SHIFT & call.LENGTH_MASK,
        "capabilities": word >> call.CAPABILITIES_SHIFT & call.CAPABILITIES_MASK,
    }
    status = word >> call.STATUS_SHIFT & call.STATUS_MASK
    if status:
        found["status"] = member(Status, status)
    if word & call.FAULT_BIT:
        found["fault"] = True
    return found
