"""A queue of letters as a service: one queue; who wants several runs it several times.

The letters are in memory that outlives the process (`preserve`), so a restart of anybody loses none. What `look` has
given is given again until it was taken: each letter arrives at least once.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.letters import Letter, LetterBox, Letters, Nothing, Refusal
from neokernel.lang import Provides, Span, provides, struct, truncate, u8, u32, u64, wire_view
from neokernel.runtime import interface, system
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.records import Header, Records, circle_of
from neokernel.runtime.system import Failure
from neokernel.runtime.vec import Full

box: Provides[LetterBox] = provides()
letters: Provides[Letters] = provides()


@struct
class Keeper:
    """Handles both interfaces."""

    process: Process
    records: Records
    #: whom to tell that a letter has come, 0 for nobody
    listener: u64 = 0

    def put(self, data: bytes) -> u64 | Refusal:
        number = self.records.append(system.now(), self.process.client, data)
        if isinstance(number, Full):
            return Refusal.FULL
        self.tell()
        return number

    def look(self, into: Span[u8]) -> Letter | Nothing:
        found = self.records.read(0, into)
        if found is None:
            return Nothing.EMPTY
        return Letter(found.number, found.a, truncate(u32, found.b), found.length)

    def take(self, number: u64) -> Nothing | None:
        oldest = self.records.oldest()
        if oldest is None:
            return Nothing.EMPTY
        if oldest != number:
            return Nothing.ANOTHER
        _ = self.records.drop()
        return None

    def notify(self, whom: Notification) -> None:
        if self.listener != 0:
            _ = self.process.drop(self.listener)
        self.listener = whom.slot
        if self.records.oldest() is not None:
            self.tell()

    def tell(self) -> None:
        if self.listener != 0 and system.signal(self.listener) is not None:
            # Who was to be told has gone.
            _ = self.process.drop(self.listener)
            self.listener = 0


def main(process: Process) -> None:
    memory = process.state()
    records = Records(header=wire_view(Header, memory), circle=circle_of(memory))
    records.adopt()
    keeper = Keeper(process=process, records=records)
    reply = must_get(process.make(Kind.REPLY))
    window = must_get(interface.open_window(process, 1))
    process.ready()
    asked = system.receive(box.slot, reply)
    while True:
        if isinstance(asked, Failure):
            process.exit(1)
        process.client = interface.client_of(asked.badge)
        if interface.provided_of(asked.badge) == 0:
            answer = box.dispatch(keeper, asked, reply)
        else:
            answer = letters.dispatch(keeper, asked, reply)
        window = must_get(interface.next_window(process, window, 1, asked.capabilities(), answer.taken))
        asked = interface.next_message(process, box.slot, reply, answer)
