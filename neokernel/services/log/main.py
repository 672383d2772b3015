"""The log's service: keeps what services write, and shows on the console what is bad enough.

Anybody may have `Log`, few `Journal`: calls of both come to the service's one endpoint, with badges that tell which.
Records are in memory that outlives the process, so a restart loses none, and the dispatcher's hand-over is enough.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.console import Console
from neokernel.interfaces.log import MOST_TEXT, Journal, Level, Log, NoRecord, Record
from neokernel.lang import (
    Array,
    Provides,
    Setting,
    Span,
    Uses,
    array,
    copy,
    provides,
    setting,
    struct,
    truncate,
    u8,
    u32,
    u64,
    uses,
    usize,
    wire_view,
    writer,
)
from neokernel.runtime import interface, system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.records import Header, Records, circle_of
from neokernel.runtime.system import Failure
from neokernel.runtime.vec import Full

console: Uses[Console] = uses()
log: Provides[Log] = provides()
journal: Provides[Journal] = provides()
#: from which level on records are kept, and shown on the console; of Level
level: Setting[Level] = setting(Level.INFO)
shown: Setting[Level] = setting(Level.WARNING)

#: bytes of a line on the console: time, level and source beside the text
MOST_LINE = MOST_TEXT + 56


@struct
class Line:
    """Text that is put together; what doesn't fit is cut off."""

    data: Array[u8] = array(MOST_LINE)
    length: usize = 0

    @writer
    def write(self, text: str) -> None:
        more = text.encode()
        taken = min(len(more), MOST_LINE - self.length)
        copy(self.data[self.length : self.length + taken], more[:taken])
        self.length += taken


@struct
class Recorder:
    """Handles both interfaces."""

    process: Process
    records: Records
    level: Level
    shown: Level

    # --- Log ----------------------------------------------------------------------------------------------------------

    def write(self, level: Level, text: str) -> None:
        if u32(level.value) < u32(self.level.value):
            return
        source = truncate(u32, self.process.client)
        time = system.now()
        while isinstance(self.records.append(time, u64(source) << 32 | u64(level.value), text.encode()), Full):
            _ = self.records.drop()
        if u32(level.value) >= u32(self.shown.value):
            self.show(time, source, level, text)

    # --- Journal ------------------------------------------------------------------------------------------------------

    def read(self, place: u64, text: Span[u8]) -> Record | NoRecord:
        found = self.records.read(place, text)
        if found is None:
            return NoRecord.END
        source, level = truncate(u32, found.b >> 32), level_of(found.b & 0xFF)
        return Record(found.a, found.number, source, level, found.length, found.next)

    def set_level(self, level: Level) -> None:
        self.level = level

    def lost(self) -> u32:
        return truncate(u32, min(self.records.header.damaged, 0xFFFF_FFFF))

    # --- the console --------------------------------------------------------------------------------------------------

    def show(self, time: u64, source: u32, level: Level, text: str) -> None:
        """On the console, as far as it has room: nobody waits for it."""
        frequency = self.process.frequency
        micros = time % frequency * 1_000_000 // frequency
        line = Line()
        line.write(f"[{time // frequency:5}.{micros:06}] {level.name} of {source}: {text}")
        if line.length > MOST_LINE - 2:
            line.length = MOST_LINE - 2
        line.write("\r\n")
        _ = console.write(line.data[: line.length].bytes())


def level_of(number: u64) -> Level:
    """What isn't one is the worst."""
    return Level(u8(number)) if number <= u64(Level.ERROR.value) else Level.ERROR


def main(process: Process) -> None:
    memory = process.state()
    records = Records(header=wire_view(Header, memory), circle=circle_of(memory))
    records.adopt()
    recorder = Recorder(process=process, records=records, level=level.get(process), shown=shown.get(process))
    reply = must_get(process.make(Kind.REPLY))
    process.ready()
    asked = system.receive(log.slot, reply)
    while True:
        if isinstance(asked, Failure):
            process.exit(1)
        process.client = interface.client_of(asked.badge)
        if interface.provided_of(asked.badge) == 0:
            answer = log.dispatch(recorder, asked, reply)
        else:
            answer = journal.dispatch(recorder, asked, reply)
        asked = interface.next_message(process, log.slot, reply, answer)
