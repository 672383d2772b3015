"""The log's service: keeps what services write. It calls nobody, so nothing that hangs can hold up who writes to it.

Anybody may have `Log`, few `Journal`: calls of both come to the service's one endpoint, with badges that tell which.
Records are in memory that outlives the process, so a restart loses none, and the dispatcher's hand-over is enough.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.log import Journal, Level, Log, NoRecord, Record
from neokernel.lang import (
    Provides,
    Setting,
    Span,
    provides,
    setting,
    struct,
    truncate,
    u8,
    u32,
    u64,
    wire_view,
)
from neokernel.runtime import interface, system
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.records import Header, Records, circle_of
from neokernel.runtime.system import Failure
from neokernel.runtime.vec import Full

log: Provides[Log] = provides()
journal: Provides[Journal] = provides()
#: from which level on records are kept
level: Setting[Level] = setting(Level.INFO)


@struct
class Recorder:
    """Handles both interfaces."""

    process: Process
    records: Records
    level: Level
    #: whom to tell of records, 0 for nobody, and from which level on
    listener: u64 = 0
    told: Level = Level.INFO

    # --- Log ----------------------------------------------------------------------------------------------------------

    def write(self, level: Level, text: str) -> None:
        if u32(level.value) < u32(self.level.value):
            return
        source = truncate(u32, self.process.client)
        time = system.now()
        while isinstance(self.records.append(time, u64(source) << 32 | u64(level.value), text.encode()), Full):
            _ = self.records.drop()
        if u32(level.value) >= u32(self.told.value):
            self.tell()

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

    def notify(self, whom: Notification, level: Level) -> None:
        if self.listener != 0:
            _ = self.process.drop(self.listener)
        self.listener, self.told = whom.slot, level
        if self.records.oldest() is not None:
            self.tell()

    def tell(self) -> None:
        if self.listener != 0 and system.signal(self.listener) is not None:
            # Who was to be told has gone.
            _ = self.process.drop(self.listener)
            self.listener = 0


def level_of(number: u64) -> Level:
    """What isn't one is the worst."""
    return Level(u8(number)) if number <= u64(Level.ERROR.value) else Level.ERROR


def main(process: Process) -> None:
    memory = process.state()
    records = Records(header=wire_view(Header, memory), circle=circle_of(memory))
    records.adopt()
    recorder = Recorder(process=process, records=records, level=level.get(process))
    reply = must_get(process.make(Kind.REPLY))
    window = must_get(interface.open_window(process, 1))
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
        window = must_get(interface.next_window(process, window, 1, asked.capabilities(), answer.taken))
        asked = interface.next_message(process, log.slot, reply, answer)
