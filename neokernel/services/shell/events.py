"""The kernel's events, as the console shows them: by service, and the latest one by one.

The ring is the shell's own grant of kind TRACE, mapped read-only. init keeps it when the shell ends, so what was
recorded is there afterwards. Nothing is recorded while records are shown: a page of text on a slow line would overwrite
them with what its own bytes make the kernel do.

Invariant: a number out of a record is looked at before it is used.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.call import Call
from neokernel.abi.description import MAXIMUM_SERVICES
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import PAGE_SIZE, kind_of
from neokernel.abi.rights import READ
from neokernel.abi.trace import Event, Header, Record
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    object_at,
    span_at,
    struct,
    truncate,
    u8,
    u32,
    u64,
    unsafe,
    usize,
)
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at, released
from neokernel.runtime.system import Failure
from neokernel.runtime.tracing import ALL_EVENTS, begins_stay, sent_by, went_on
from neokernel.services.shell.roster import Roster
from neokernel.services.shell.terminal import Terminal

unsafe("the ring is mapped at an address that nothing else has")

RING = 0x3A_1000_0000
#: records of a page
RECORDS_OF_PAGE: u64 = PAGE_SIZE // 32
#: that are shown one by one at most
MOST_SHOWN: usize = 100


@struct
class Row:
    """What is counted of a service's events."""

    thread: u64 = 0
    calls: u64 = 0
    messages: u64 = 0
    switches: u64 = 0
    faults: u64 = 0
    latest: u64 = 0


@struct
class Events:
    """`trace` is the index of the Trace."""

    process: Process
    terminal: Terminal
    roster: Roster
    trace: u64
    #: how many pages of the ring are mapped, its header first
    mapped: u64 = 0
    #: one for each service, and one for all other threads
    rows: Array[Embedded[Row]] = array(MAXIMUM_SERVICES + 1)

    def record(self, events: u64) -> bool:
        """Record these events from now on. Can it be done? If not, that is said."""
        failure = system.trace_start(self.trace, events)
        if failure is not None:
            self.terminal.write(f"the kernel's events can't be recorded: {failure.status.name}\n")
        return failure is None

    def start(self) -> None:
        if self.record(ALL_EVENTS):
            self.terminal.write("recording; `trace` counts the events by service, `trace N` shows the latest\n")

    def stop(self) -> None:
        _ = self.record(0)

    # --- the ring -----------------------------------------------------------------------------------------------------

    def is_mapped(self) -> bool:
        """Is the ring there, and anything in it? If not, that is said."""
        failure = self.map(0) if self.mapped == 0 else None
        # The header says how large the ring is once something was to be recorded.
        while failure is None and self.mapped <= object_at(Header, RING).capacity // RECORDS_OF_PAGE:
            failure = self.map(self.mapped)
        if failure is not None:
            self.terminal.write(f"the kernel's events can't be read: {failure.status.name}\n")
            return False
        if object_at(Header, RING).written == 0:
            self.terminal.write("nothing was recorded; `trace on` begins\n")
            return False
        return True

    def map(self, page: u64) -> Failure | None:
        slot = self.process.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.trace_frame(self.process.buffer, self.trace, page, slot)
        if failure is None:
            address = RING + page * PAGE_SIZE
            failure = map_at(self.process, OWN_SPACE, self.process.memory, address, READ, slot)
        if failure is not None:
            return released(self.process, slot, failure)
        self.mapped += 1
        return None

    def records(self) -> Span[Embedded[Record]]:
        return span_at(Embedded[Record], RING + PAGE_SIZE, object_at(Header, RING).capacity)

    def know_threads(self) -> u64:
        """Ask init which thread is whose: how many services there are."""
        services = min(self.roster.services(), MAXIMUM_SERVICES)
        for index in range(services):
            self.rows[index].thread = self.roster.thread(index)
        return services

    def hold(self) -> bool:
        """Record nothing while records are shown. Was something recorded?"""
        header = object_at(Header, RING)
        written = header.written
        # A call, which is recorded if anything is.
        _ = self.roster.services()
        recording = header.written != written
        return recording and system.trace_start(self.trace, 0) is None

    def go_on(self, held: bool) -> None:
        if held:
            self.terminal.flush()
            _ = system.trace_start(self.trace, ALL_EVENTS)

    # --- by service ---------------------------------------------------------------------------------------------------

    def summary(self) -> None:
        if self.is_mapped():
            held = self.hold()
            self.count_all()
            self.terminal.write("recording\n" if held else "not recording\n")
            self.go_on(held)

    def count_all(self) -> None:
        services = self.know_threads()
        for row in self.rows:
            row.calls = row.messages = row.switches = row.faults = row.latest = 0
        header, records = object_at(Header, RING), self.records()
        written = header.written
        kept = min(written, header.capacity)
        now = system.now()
        after: u32 = 0
        for back in range(kept):
            record = records[(written - 1 - back) % header.capacity]
            index = self.service_of(u64(record.thread), services)
            row = self.rows[services if index is None else index]
            self.count(row, u8(record.event), record.time)
            if back != 0 and went_on(record, records[(written - back) % header.capacity]) is not None:
                row.messages += 1 if sent_by(record) is not None else 0
            if begins_stay(record):
                # Who came next ran in between.
                if after not in (0, record.thread):
                    other = self.service_of(u64(after), services)
                    self.rows[services if other is None else other].switches += 1
                after = record.thread
        self.terminal.write("service               calls  messages  switches  faults       latest\n")
        for index in range(services + 1):
            row = self.rows[index]
            if row.latest == 0:
                continue
            name = self.roster.name(index) if index < services else "others"
            self.terminal.write(f"{name:18}{row.calls:9}{row.messages:10}{row.switches:10}{row.faults:8}")
            micros = (now - min(row.latest, now)) * 1_000_000 // self.process.frequency
            self.terminal.write(f"{micros // 1000:9}.{micros % 1000:03} ms ago\n")
        self.terminal.write(f"{kept} of {written} events are there; ")

    def count(self, row: Row, event: u8, time: u64) -> None:
        row.latest = max(row.latest, time)
        if event == u8(Event.SYSCALL.value):
            row.calls += 1
        elif event == u8(Event.SEND.value) or event == u8(Event.REPLY.value):
            row.messages += 1
        elif event == u8(Event.FAULT.value):
            row.faults += 1

    # --- one by one ---------------------------------------------------------------------------------------------------

    def latest(self, wanted: u64) -> None:
        """The latest events, the oldest of them first."""
        if self.is_mapped():
            held = self.hold()
            self.show_latest(wanted)
            self.go_on(held)

    def show_latest(self, wanted: u64) -> None:
        header, records = object_at(Header, RING), self.records()
        written = header.written
        count = min(wanted, written, header.capacity, MOST_SHOWN)
        services = self.know_threads()
        for place in range(count):
            number = written - count + place
            record = records[number % header.capacity]
            after = went_on(record, records[(number + 1) % header.capacity])
            self.show(record, after if place + 1 != count else None, services)

    def show(self, record: Record, went_on_to: u32 | None, services: u64) -> None:
        """One line. `went_on_to`: the thread that a call went on with at once."""
        terminal, frequency = self.terminal, self.process.frequency
        time, number, a, b = record.time, u8(record.event), record.a, record.b
        terminal.write(f"{time // frequency:5}.{time % frequency * 1_000_000 // frequency:06} s  ")
        self.name_first(u64(record.thread), services)
        if number > u8(Event.READY.value):
            terminal.write(f"event {number}\n")
            return
        event = Event(number)
        if event is Event.SYSCALL and went_on_to is not None:
            # As messages are told that take longer: so the line is no wider than theirs.
            call = truncate(u32, a)
            if u64(call) <= u64(Call.TRY_SEND.value):
                terminal.write(f"{Call(u8(call)).name:9} ")
            terminal.write("to ")
            self.name(u64(went_on_to), services)
            if sent_by(record) is not None:
                terminal.write(f", label {b & 0xFFFF_FFFF:#x}")
            terminal.write("\n")
            return
        terminal.write(f"{event.name:10}")
        match event:
            case Event.SYSCALL:
                call = truncate(u32, a)
                if u64(call) <= u64(Call.TRY_SEND.value):
                    terminal.write(f"{Call(u8(call)).name} ")
                terminal.write(f"of capability {a >> 32}")
            case Event.SEND | Event.REPLY:
                terminal.write("to ")
                self.name(a, services)
                terminal.write(f", label {b & 0xFFFF_FFFF:#x}")
            case Event.SWITCH:
                terminal.write("idle" if record.thread == 0 else "goes on")
            case Event.INTERRUPT:
                if a == 0:
                    terminal.write("timer")
                else:
                    terminal.write(f"line {a}")
            case Event.FAULT:
                if 1 <= a <= u64(Fault.BUS.value):
                    terminal.write(f"{Fault(u8(a)).name} ")
                terminal.write(f"{b:#x}")
            case Event.DERIVE | Event.DELETE:
                kind = kind_of(a)
                if kind is not None:
                    terminal.write(f"{kind.name}")
            case Event.SIGNAL:
                terminal.write(f"badge {a:#x}")
            case Event.READY:
                self.name(a, services)
                terminal.write(f", priority {b}")
        terminal.write("\n")

    def name_first(self, thread: u64, services: u64) -> None:
        """Whose thread it is, as a column."""
        index = self.service_of(thread, services)
        if index is not None:
            self.terminal.write(f"{self.roster.name(index):16} ")
        elif thread == 0:
            self.terminal.write("nobody           ")
        else:
            self.terminal.write(f"thread {thread:<9} ")

    def name(self, thread: u64, services: u64) -> None:
        """The same, among words."""
        index = self.service_of(thread, services)
        if index is not None:
            self.terminal.write(self.roster.name(index))
        elif thread == 0:
            self.terminal.write("nobody")
        else:
            self.terminal.write(f"thread {thread}")

    def service_of(self, thread: u64, services: u64) -> u64 | None:
        for index in range(services):
            if thread != 0 and self.rows[index].thread == thread:
                return index
        return None
