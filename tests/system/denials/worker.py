"""Has something of every kind that can be granted, and does with each what it is for; what is denied fails alone.

It says of each what came of it, and fails if anything did: so the host has a traceback to explain.
"""

from __future__ import annotations

from contracts import Echo, Notes, Office, Store

from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import System, Watch
from neokernel.lang import Posts, Uses, object_at, posts, slot_of, struct, u32, u64, unsafe, uses, wire
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Console, Device, Dma, Interrupt, Memory, Power, Processor, Trace
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device
from neokernel.runtime.system import Failure

unsafe("the registers are where this process maps them")

echo: Uses[Echo] = uses()
store: Uses[Store] = uses(lend=64 << 10)
office: Uses[Office] = uses(lend=4096)
clock: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
reach: Uses[Dma] = uses()
room: Uses[Memory] = uses()
processor: Uses[Processor] = uses()
trace: Uses[Trace] = uses()
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
power: Uses[Power] = uses()
console: Uses[Console] = uses()

REGISTERS: u64 = 0x3A_0000_0000


@wire(registers=True)
class Clock:
    low: u32
    high: u32


@struct
class Results:
    """What failed, and how often something did."""

    process: Process
    failed: u64 = 0

    def note(self, name: str, failure: Failure | None) -> None:
        if failure is None:
            self.process.console.write(f"{name}: done\n")
        else:
            self.process.console.write(f"{name}: {failure.status.name} of argument {failure.argument}\n")
            self.failed += 1


def main(process: Process) -> None:
    results = Results(process=process)
    results.note("echo", echoes())
    results.note("store", stores())
    results.note("office", posted())
    results.note("clock", read_clock(process))
    results.note("line", interrupted(process))
    results.note("reach", pinned(process))
    results.note("room", made(process))
    results.note("processor", scheduled(process))
    results.note("trace", system.trace_start(slot_of(trace), 0))
    refused = init.take_back(0)
    results.note("init", refused if isinstance(refused, Failure) else None)
    left = watch.resources()
    results.note("watch", left if isinstance(left, Failure) else None)
    written = system.console_write(slot_of(console), b"")
    results.note("console", written if isinstance(written, Failure) else None)
    if results.failed == 0:
        results.note("power", system.power_off(slot_of(power), 0))
    else:
        # The switch is there: it only wants a status that there isn't.
        found = system.power_off(slot_of(power), 1 << 20)
        assert found is not None
        results.note("power", found if found.argument == 0 else None)
    assert results.failed == 1, "more is missing than was denied"
    assert results.failed == 0, "what was denied is missing"


def echoes() -> Failure | None:
    found = echo.same(7)
    if isinstance(found, Failure):
        return found
    assert found == 7
    return None


def stores() -> Failure | None:
    whole = region(slot_of(store))
    # What would be lent is there, whether there is somebody to lend it to or not.
    whole.part((64 << 10) - 8, 8).write(0, b"see this")
    found = store.size(whole)
    if isinstance(found, Failure):
        return found
    assert found == 64 << 10 and whole.length == found
    return None


def posted() -> Failure | None:
    ring = region(slot_of(office))
    failure = office.open(ring)
    if failure is not None:
        return failure
    notes: Posts[Notes] = posts(ring, 0)
    for number in range(u64(1), u64(4)):
        failure = notes.note(number)
        if failure is not None:
            return failure
    # In a later life there are those of the ones before.
    assert must_get(office.count()) % 6 == 0
    return None


def read_clock(process: Process) -> Failure | None:
    failure = map_device(process, slot_of(clock), REGISTERS)
    if failure is None:
        registers = object_at(Clock, REGISTERS)
        assert registers.low != 0 or registers.high != 0
    return failure


def interrupted(process: Process) -> Failure | None:
    signals = must_get(process.make(Kind.NOTIFICATION))
    failure = system.bind_interrupt(process.buffer, slot_of(line), signals)
    return failure if failure is not None else system.unbind_interrupt(slot_of(line))


def pinned(process: Process) -> Failure | None:
    frame = must_get(process.make(Kind.FRAME))
    address = system.pin(process.buffer, slot_of(reach), frame)
    return address if isinstance(address, Failure) else system.unpin(process.buffer, slot_of(reach), frame)


def made(process: Process) -> Failure | None:
    frame = process.make_of(slot_of(room), Kind.FRAME)
    return frame if isinstance(frame, Failure) else None


def scheduled(process: Process) -> Failure | None:
    context = must_get(process.make(Kind.SCHED_CONTEXT))
    tick = process.frequency // 1000
    return system.configure(process.buffer, slot_of(processor), 1, tick, tick, context)
