"""`Recorder`: the kernel's events out of the service's ring, and its own counters.

The ring is the service's own grant of kind TRACE, mapped read-only when it is first asked for.

Who isn't an operator records for a while, and has to ask again: it may end, or be ended, in the middle, and nobody says
so here; and the kernel is slower for all while it records.

Invariants: a number out of the ring's header is looked at before it is used. While something is recorded, `held` is
true or `until` isn't 0.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE, OWN_THREAD
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import READ
from neokernel.abi.trace import Header
from neokernel.interfaces.recorder import RECORD_SIZE, Counters, NoRing, Ring
from neokernel.lang import Span, copy, object_at, span_at, struct, u8, u32, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process, current
from neokernel.runtime.space import map_at, released
from neokernel.runtime.system import Failure

unsafe("the ring is mapped at an address that nothing else has")

RING: u64 = 0x3A_1000_0000
RECORDS_OF_PAGE: u64 = PAGE_SIZE // RECORD_SIZE
#: records that a ring has at most here
MOST_CAPACITY: u64 = 1 << 20


@struct
class Tape:
    """Handles `Recorder`. `trace` is the index of the Trace, 0 for none."""

    trace: u64 = 0
    #: how many pages of the ring are mapped, its header first
    mapped: u64 = 0
    sessions: u64 = 0
    wrong: u64 = 0
    refused: u64 = 0
    calls: u64 = 0
    #: the operator whose session this is records: nobody else may until it ends
    held: bool = False
    #: ticks, at which what an onlooker records is over; 0: none does
    until: u64 = 0

    def counters(self) -> Counters:
        return Counters(self.sessions, self.wrong, self.refused, self.calls, system.instructions(), system.now())

    def record(self, events: u64) -> Ring | NoRing:
        made = self.begin(events)
        if not isinstance(made, NoRing):
            self.held, self.until = events != 0, 0
        return made

    def record_for_a_while(self, events: u64, ticks: u64) -> Ring | NoRing:
        """For who isn't an operator, unless one records."""
        if self.held:
            return NoRing.TAKEN
        made = self.begin(events)
        recording = events != 0 and not isinstance(made, NoRing)
        self.until = system.now() + ticks if recording else u64(0)
        return made

    def end_what_is_over(self) -> None:
        """Nobody has asked again."""
        if self.until != 0 and system.now() >= self.until:
            self.until = 0
            _ = self.begin(0)

    def let_go(self) -> None:
        """The operator has gone, however that was: what was recorded for them needn't be recorded any longer."""
        if self.held:
            _ = self.begin(0)
        self.held = False

    def begin(self, events: u64) -> Ring | NoRing:
        if self.trace == 0 or system.trace_start(self.trace, events) is not None:
            return NoRing.REFUSED
        made = self.ring()
        if isinstance(made, NoRing):
            # Nobody could read what would be recorded.
            _ = system.trace_start(self.trace, 0)
        return made

    def ring(self) -> Ring | NoRing:
        if not self.is_mapped():
            return NoRing.REFUSED
        header = object_at(Header, RING)
        return Ring(header.written, self.capacity(), header.frequency)

    def read(self, number: u64, into: Span[u8]) -> u32 | NoRing:
        if not self.is_mapped():
            return NoRing.REFUSED
        capacity, written = self.capacity(), object_at(Header, RING).written
        if number >= written or written - number > capacity:
            return 0
        count = min(written - number, len(into) // RECORD_SIZE, capacity - number % capacity)
        start = RING + PAGE_SIZE + number % capacity * RECORD_SIZE
        copy(into[: count * RECORD_SIZE], span_at(u8, start, count * RECORD_SIZE).bytes())
        # What was overwritten meanwhile is none of these.
        if object_at(Header, RING).written - number > capacity:
            return 0
        return u32(count)

    def thread(self, index: u64) -> u32:
        if index != 0:
            return 0
        known = system.thread_info(OWN_THREAD)
        return 0 if isinstance(known, Failure) else u32(known.identifier)

    # --- the ring -----------------------------------------------------------------------------------------------------

    def capacity(self) -> u64:
        """Of what is mapped."""
        return (self.mapped - 1) * RECORDS_OF_PAGE

    def is_mapped(self) -> bool:
        if self.trace == 0:
            return False
        process = current()
        if self.mapped == 0 and self.map(process) is not None:
            return False
        wanted = min(object_at(Header, RING).capacity, MOST_CAPACITY) // RECORDS_OF_PAGE
        while self.mapped <= wanted:
            if self.map(process) is not None:
                return False
        return self.mapped > 1

    def map(self, process: Process) -> Failure | None:
        """The next page of it."""
        slot = process.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.trace_frame(process.buffer, self.trace, self.mapped, slot)
        if failure is None:
            failure = map_at(process, OWN_SPACE, process.memory, RING + self.mapped * PAGE_SIZE, READ, slot)
        if failure is not None:
            return released(process, slot, failure)
        self.mapped += 1
        return None
