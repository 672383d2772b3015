"""Who calls whom, how often, and how long that takes: out of the kernel's records of messages and replies.

While the kernel records, its fast paths aren't taken. So it does that for a part of the time, while somebody looks at
the page; what is counted here is of that part, `sampled` ticks in all, and rates are counts by that.

Invariant: a thread that isn't a service's first one, or is init's, is nobody here; of a pair that has no row there is
nothing.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_SERVICES
from neokernel.abi.trace import Event, Record
from neokernel.lang import Array, Embedded, Span, array, struct, u8, u32, u64, usize, wire_view

RECORD = 32
#: pairs of services that are counted
ROWS = 256
NOBODY = 0xFFFF


@struct
class Row:
    """`origin` calls `target`: messages, answers that were seen, how long these took in all, and the longest one."""

    origin: u32 = 0
    target: u32 = 0
    messages: u64 = 0
    answers: u64 = 0
    ticks: u64 = 0
    longest: u64 = 0


@struct
class Open:
    """A service's message that wasn't answered yet. `target`: NOBODY if there is none."""

    target: u32 = NOBODY
    time: u64 = 0


@struct
class Traffic:
    rows: Array[Embedded[Row]] = array(ROWS)
    used: usize = 0
    sampled: u64 = 0
    #: of each service its first thread, as records have it; 0 for none
    threads: Array[u32] = array(MAXIMUM_SERVICES)
    services: usize = 0
    waiting: Array[Embedded[Open]] = array(MAXIMUM_SERVICES)

    def begin(self) -> None:
        """Records follow that don't belong to those before."""
        for index in range(self.services):
            self.waiting[index].target = NOBODY

    def take(self, data: Span[u8]) -> None:
        """Whole records, in their order."""
        for place in range(len(data) // RECORD):
            record = wire_view(Record, data[place * RECORD : (place + 1) * RECORD])
            kind = u64(record.event)
            if kind == u64(Event.SEND.value):
                self.sent(record.time, self.service(record.thread), self.service(u32(record.a & 0xFFFF_FFFF)))
            elif kind == u64(Event.REPLY.value):
                self.answered(record.time, self.service(record.thread), self.service(u32(record.a & 0xFFFF_FFFF)))

    def end(self, own: u64) -> None:
        """That was all. The last message of who counts was that which ended the counting: it is none of these."""
        if own < MAXIMUM_SERVICES and self.waiting[usize(own)].target != NOBODY:
            row = self.row(u32(own), self.waiting[usize(own)].target)
            if row is not None:
                row.messages -= min(row.messages, 1)

    def service(self, thread: u32) -> u32:
        for index in range(self.services):
            if self.threads[index] == thread and thread != 0:
                return u32(index)
        return NOBODY

    def sent(self, time: u64, origin: u32, target: u32) -> None:
        if origin == NOBODY or target == NOBODY:
            return
        row = self.row(origin, target)
        if row is not None:
            row.messages += 1
            waiting = self.waiting[usize(origin)]
            waiting.target, waiting.time = target, time

    def answered(self, time: u64, origin: u32, target: u32) -> None:
        """`origin` answers `target`, who has called it."""
        if origin == NOBODY or target == NOBODY:
            return
        waiting = self.waiting[usize(target)]
        row = self.row(target, origin)
        if row is None or waiting.target != origin or time < waiting.time:
            return
        waiting.target = NOBODY
        took = time - waiting.time
        row.answers += 1
        row.ticks += took
        row.longest = max(row.longest, took)

    def row(self, origin: u32, target: u32) -> Row | None:
        for index in range(self.used):
            row = self.rows[index]
            if row.origin == origin and row.target == target:
                return row
        if self.used == ROWS:
            return None
        row = self.rows[self.used]
        self.used += 1
        row.origin, row.target = origin, target
        return row
