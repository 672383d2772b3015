"""Says what the hostile service has tried, and whether anybody was harmed by it."""

from __future__ import annotations

from contracts import Court, Tally

from neokernel.lang import Provides, Uses, provides, struct, text_of, u32, u64, uses
from neokernel.runtime import control, system
from neokernel.runtime.control import Phase, Refused
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power, System
from neokernel.runtime.process import Process

court: Provides[Court] = provides()
tally: Uses[Tally] = uses()
init: Uses[System] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()


@struct
class Judge:
    process: Process
    memory: u64 = 0
    slots: u64 = 0
    before: u64 = 0

    def begin(self) -> None:
        left = control.resources(init.slot)
        assert not isinstance(left, Refused)
        self.memory, self.slots = left.memory, left.slots
        self.before = self.count()

    def count(self) -> u64:
        """Of the victim that counts."""
        victim = control.find(self.process.buffer, init.slot, b"victim")
        assert victim is not None
        return must_get(tally.of(u32(victim + 1)))

    def said(self, what: str, tries: u64, wrong: u64) -> None:
        self.process.console.write(f"{what}: {tries} tries, {wrong} wrong\n")

    def counted(self, what: str, count: u64) -> None:
        self.process.console.write(f"{what}: {count}\n")

    def odd(self, tried: u64, argument: u64, found: u64) -> None:
        self.process.console.write(f"? {tried:#x} {argument:#x} {found:#x}\n")

    def done(self) -> None:
        console = self.process.console
        left = control.resources(init.slot)
        assert not isinstance(left, Refused)
        taken, slots = left.memory == self.memory, left.slots == self.slots
        console.write(f"init has what it had: memory {taken}, slots {slots}\n")
        console.write(f"the victim has counted on: {self.count() > self.before}\n")
        self.tell(b"tally")
        self.tell(b"victim")
        self.tell(b"patron")
        self.tell(b"hostile")
        must(system.power_off(power.slot, 0))

    def tell(self, name: bytes) -> None:
        service = control.find(self.process.buffer, init.slot, name)
        assert service is not None
        status = control.status(init.slot, service)
        assert not isinstance(status, Refused)
        runs = status.phase is Phase.RUNS
        self.process.console.write(f"{text_of(name)} runs: {runs}, started {status.starts}\n")


def main(process: Process) -> None:
    judge = Judge(process=process)
    failure = court.serve(process, judge)
    process.exit(u64(failure.status.value))
