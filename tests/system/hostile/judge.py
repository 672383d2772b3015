"""Says what the hostile service has tried, and whether anybody was harmed by it."""

from __future__ import annotations

from contracts import Court, Tally

from neokernel.interfaces.system import Phase, ServiceStatus, Watch
from neokernel.lang import Array, Provides, Uses, array, provides, struct, text_of, u8, u32, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process

court: Provides[Court] = provides()
tally: Uses[Tally] = uses(lend=4096)
init: Uses[Watch] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()


@struct
class Judge:
    process: Process
    memory: u64 = 0
    slots: u64 = 0
    before: u64 = 0

    def begin(self) -> None:
        left = must_get(init.resources())
        self.memory, self.slots = left.memory, left.slots
        self.before = self.count()

    def count(self) -> u64:
        """Of the victim that counts."""
        victim = init.find(b"victim")
        assert isinstance(victim, u64)
        return must_get(tally.of(u32(victim + 1)))

    def said(self, what: str, tries: u64, wrong: u64) -> None:
        self.process.console.write(f"{what}: {tries} tries, {wrong} wrong\n")

    def counted(self, what: str, count: u64) -> None:
        self.process.console.write(f"{what}: {count}\n")

    def odd(self, tried: u64, argument: u64, found: u64) -> None:
        self.process.console.write(f"? {tried:#x} {argument:#x} {found:#x}\n")

    def done(self) -> None:
        console = self.process.console
        left = must_get(init.resources())
        taken, slots = left.memory == self.memory, left.slots == self.slots
        console.write(f"init has what it had: memory {taken}, slots {slots}\n")
        console.write(f"the victim has counted on: {self.count() > self.before}\n")
        self.tell(b"tally")
        self.tell(b"victim")
        self.tell(b"patron")
        self.tell(b"hostile")
        must(system.power_off(power.slot, 0))

    def tell(self, name: bytes) -> None:
        service = init.find(name)
        assert isinstance(service, u64)
        shown: Array[u8] = array(48)
        status = init.service(service, shown[:])
        assert isinstance(status, ServiceStatus)
        runs = status.phase is Phase.RUNS
        self.process.console.write(f"{text_of(name)} runs: {runs}, started {status.starts}\n")


def main(process: Process) -> None:
    judge = Judge(process=process)
    failure = court.serve(process, judge)
    process.exit(u64(failure.status.value))
