"""What the cases share: objects of each kind, and agents."""

from __future__ import annotations

from agents import HIGH, HIGHER, LOW, Agent
from tap import Tap

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import ALL
from neokernel.abi.status import Status
from neokernel.lang import Embedded, struct, u16, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: an index that holds nothing, one that no table has
EMPTY = 0
BEYOND = 100_000
#: addresses for cases that map something: nothing else is there
PLAYGROUND = 0x30_0000_0000


@struct
class World:
    t: Tap
    process: Process
    endpoint: u64 = 0
    reply: u64 = 0
    other_reply: u64 = 0
    notification: u64 = 0
    counter: u64 = 0
    frame: u64 = 0
    high: Embedded[Agent] = Agent()
    higher: Embedded[Agent] = Agent()
    low: Embedded[Agent] = Agent()

    def begin(self, process: Process) -> None:
        self.endpoint = self.new(Kind.ENDPOINT)
        self.reply = self.new(Kind.REPLY)
        self.other_reply = self.new(Kind.REPLY)
        self.notification = self.new(Kind.NOTIFICATION)
        self.counter = self.new(Kind.NOTIFICATION, 1)
        self.frame = self.new(Kind.FRAME)
        self.high.make(self.t, process, HIGH)
        self.higher.make(self.t, process, HIGHER)
        self.low.make(self.t, process, LOW)

    def new(self, kind: Kind, size: u64 = 0) -> u64:
        """An object that a case needs."""
        return self.t.need(self.process.make(kind, size))

    def copy(self, source: u64, rights: u16 = ALL, badge: u64 = 0) -> u64:
        """A copy that a case needs."""
        return self.t.need(self.process.derive(source, rights, badge))

    def slot(self, count: u64 = 1) -> u64:
        """An empty slot."""
        return self.t.need(self.process.slot(count))

    def drop(self, index: u64) -> None:
        self.t.done(self.process.drop(index))

    def kind_at(self, index: u64) -> u64:
        """A number of `Kind`, of what is in a slot of the own table."""
        found = system.inspect(OWN_TABLE, index)
        if isinstance(found, Failure):
            self.t.bail(found)
            return 0
        return found.kind

    def is_empty(self, index: u64) -> bool:
        return self.kind_at(index) == u64(Kind.NONE.value)

    def timed_out(self, found: u64 | Failure) -> bool:
        return isinstance(found, Failure) and found.status is Status.TIMED_OUT
