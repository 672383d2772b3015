"""Adds up by a typed interface, in many threads, while what serves it is replaced again and again."""

from __future__ import annotations

from shared import make_shared, shared
from sums import Sums

from neokernel.abi.boot import PLATFORM
from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import Refused, System, Watch
from neokernel.lang import Setting, Uses, setting, slot_of, u64, uses
from neokernel.runtime import system
from neokernel.runtime.lend import region
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
clients: Setting[u64] = setting(64)
swaps: Setting[u64] = setting(100)

PATIENCE: u64 = 1_000_000


def main(process: Process) -> None:
    make_shared(process)
    slice = process.frequency // 10_000
    for _ in range(clients.get(process)):
        _ = must_get(spawn(process, 0, 50, slice, slice))
    found = watch.find(b"adder")
    assert isinstance(found, u64), "there is such a service"
    refused = init.swap(found, b"asker", PATIENCE)
    assert isinstance(refused, Refused), "it isn't the same service"
    process.console.write(f"by another service: {refused.reason.name}\n")
    never = must_get(process.make(Kind.NOTIFICATION))
    done: u64 = 0
    right: u64 = 0
    rounds = swaps.get(process)
    for round in range(rounds):
        _ = system.wait(never, system.now() + process.frequency // 10_000)
        if init.swap(found, b"adder2" if round % 2 == 0 else b"adder", PATIENCE) is None:
            done += 1
        right += 1 if must_get(sums.version()) == 2 - round % 2 else 0
    seen = shared()
    seen.stop.store(1)
    while seen.running.load() != 0:
        _ = system.wait(never, system.now() + process.frequency // 10_000)
    lent = region(slot_of(sums)).part(4090, 10)
    lent.write(0, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a")
    process.console.write(f"the sum of what is lent: {must_get(sums.total(lent))}\n")
    assert init.kill(found) is None, "it runs"
    process.console.write(f"and in its next life: {must_get(sums.total(lent))}\n")
    total = must_get(sums.add(0))
    process.console.write(f"{done} swaps, {right} times the right version answered\n")
    process.console.write(f"{seen.failed.load()} calls lost, {total == seen.answered.load()}, {total > rounds}\n")
    _ = system.power_off(PLATFORM, 0)


def thread(process: Process, argument: u64) -> None:
    seen = shared()
    _ = seen.running.fetch_add(1)
    while seen.stop.load() == argument:
        answer = sums.add(1)
        if isinstance(answer, Failure):
            _ = seen.failed.fetch_add(1)
        else:
            _ = seen.answered.fetch_add(1)
    _ = seen.running.fetch_sub(1)
