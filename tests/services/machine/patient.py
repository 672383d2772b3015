"""Has a service replaced while it is busy for long: too long for the one who asks, and then not."""

from __future__ import annotations

from shared import make_shared, shared
from sums import Sums

from neokernel.abi.boot import PLATFORM
from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import Refused, System, Watch
from neokernel.lang import Uses, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Console, Power, Processor
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

sums: Uses[Sums] = uses(lend=8192)
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()
processor: Uses[Processor] = uses()

#: 10 us each
LONG: u64 = 3000


def main(process: Process) -> None:
    make_shared(process)
    seen = shared()
    never = must_get(process.make(Kind.NOTIFICATION))
    found = watch.find(b"adder")
    assert isinstance(found, u64), "there is such a service"
    for round in range(2):
        patience: u64 = 5_000 if round == 0 else 100_000
        begin(process, LONG)
        _ = system.wait(never, system.now() + process.frequency // 1000)
        began = system.now()
        refused = init.swap(found, b"adder2", patience)
        took = (system.now() - began) * 1_000_000 // process.frequency
        in_time = took < 6_000 if round == 0 else 20_000 < took < 40_000
        if isinstance(refused, Refused):
            process.console.write(f"{refused.reason.name}, in time: {in_time}\n")
        else:
            process.console.write(f"done: {refused is None}, in time: {in_time}\n")
        version, sum = must_get(sums.version()), must_get(sums.add(0))
        busy = seen.running.load()
        process.console.write(f"version {version} has counted {sum}; it answers {busy} more\n")
        while seen.running.load() != 0:
            _ = system.wait(never, system.now() + process.frequency // 1000)
    answered, failed = seen.answered.load(), seen.failed.load()
    process.console.write(f"answered {answered}, failed {failed}, {must_get(sums.add(0))}\n")
    _ = system.power_off(PLATFORM, 0)


def begin(process: Process, number: u64) -> None:
    _ = must_get(spawn(process, number, 150, process.frequency // 1000, process.frequency // 1000))


def thread(process: Process, argument: u64) -> None:
    seen = shared()
    _ = seen.running.fetch_add(1)
    if isinstance(sums.add(argument), Failure):
        _ = seen.failed.fetch_add(1)
    else:
        _ = seen.answered.fetch_add(argument)
    _ = seen.running.fetch_sub(1)
