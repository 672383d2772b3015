"""Shows on the console what in the log is bad enough.

A service of its own, because the console may be slow, or hang: then this one waits, and the log, with all who write to
it, goes on. What it is late with waits in the log's memory, which is bounded: what was dropped there is counted.

Invariant: `next` and `number` say what was shown, also after a restart; a line is shown once, or twice if this service
ended while it wrote it.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.console import Console
from neokernel.interfaces.log import MOST_TEXT, Journal, Level, Record
from neokernel.interfaces.system import Watch
from neokernel.lang import (
    Array,
    Embedded,
    Setting,
    Uses,
    array,
    copy,
    setting,
    struct,
    text_of,
    u8,
    u32,
    u64,
    uses,
    usize,
    wire,
    wire_view,
    writer,
)
from neokernel.runtime import system
from neokernel.runtime.harmless import make_harmless
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

console: Uses[Console] = uses()
journal: Uses[Journal] = uses()
#: who wrote a record
watch: Uses[Watch] = uses()
#: from which level on records are shown
shown: Setting[Level] = setting(Level.WARNING)

#: bytes of a line: time, level and source beside the text
MOST_LINE = MOST_TEXT + 40 + MAXIMUM_NAME
#: how often in a second a console is asked again that has no room, or doesn't answer
TRIES: u64 = 20


@wire
class State:
    """What outlives the process; zeroes at first. Any numbers are as good: the log gives what there is."""

    #: where the next record may be, and its number
    next: u64
    number: u64


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
class Alerts:
    process: Process
    state: State
    shown: Level
    #: signalled when there are records
    news: u64
    #: never signalled
    never: u64
    names: Embedded[Names]
    line: Embedded[Line] = Line()

    def listen(self) -> None:
        """Have the log tell of records; one that was restarted has forgotten."""
        copied = self.process.derive(self.news, SIGNAL)
        if isinstance(copied, Failure):
            return
        if journal.notify(Notification(copied), self.shown) is not None and self.process.slots().is_taken(copied):
            _ = self.process.drop(copied)

    def show_all(self) -> None:
        """All that is there."""
        text: Array[u8] = array(MOST_TEXT)
        while True:
            record = journal.read(self.state.next, text[:])
            if not isinstance(record, Record):
                return
            missed = record.number - self.state.number if record.number > self.state.number else 0
            if missed != 0:
                self.line.write(f"[alerts: {missed} records were dropped before they could be shown]")
                self.put()
            if u32(record.level.value) >= u32(self.shown.value):
                make_harmless(text[: record.length])
                self.show(record, text_of(text[: record.length].bytes()))
            self.state.next, self.state.number = record.next, record.number + 1

    def show(self, record: Record, text: str) -> None:
        frequency = self.process.frequency
        micros = record.time % frequency * 1_000_000 // frequency
        self.line.write(f"[{record.time // frequency:5}.{micros:06}] {record.level.name} of ")
        self.tell_source(u64(record.source))
        self.line.write(f": {text}")
        self.put()

    def tell_source(self, source: u64) -> None:
        """Who has written a record: the index of a service plus 1, or 0."""
        if source == 0:
            self.line.write("somebody")
            return
        name = self.names.of(source - 1)
        if len(name) == 0:
            self.line.write(f"service {source - 1}")
        else:
            self.line.write(text_of(name))

    def put(self) -> None:
        """The line, with its end. Waits for the console, as long as that takes."""
        line = self.line
        line.length = min(line.length, MOST_LINE - 2)
        line.write("\r\n")
        done: usize = 0
        while done < line.length:
            taken = console.write(line.data[done : line.length].bytes())
            if isinstance(taken, Failure) or taken == 0:
                _ = system.wait(self.never, system.now() + self.process.frequency // TRIES)
            else:
                done += min(taken, line.length - done)
        line.length = 0


def main(process: Process) -> None:
    alerts = Alerts(
        process=process,
        state=wire_view(State, process.state()),
        shown=shown.get(process),
        news=must_get(process.make(Kind.NOTIFICATION)),
        never=must_get(process.make(Kind.NOTIFICATION)),
        names=Names(watch=watch),
    )
    process.ready()
    alerts.listen()
    while True:
        alerts.show_all()
        if isinstance(system.wait(alerts.news, system.now() + process.frequency), Failure):
            alerts.listen()
