"""Devices: interrupts, memory that devices reach, the kernel's trace, the platform."""

from __future__ import annotations

from world import PLAYGROUND, World

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE, PLATFORM
from neokernel.abi.call import NEVER
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, Status
from neokernel.abi.trace import Header
from neokernel.lang import at, object_at, u32, u64, unsafe, wire
from neokernel.runtime import system
from neokernel.runtime.space import map_device
from neokernel.runtime.system import Failure

unsafe("the real-time clock's registers are where it has mapped them")

#: the Goldfish real-time clock of QEMU's board, and its line
CLOCK = 0x10_1000
CLOCK_LINE = 11
HERE = PLAYGROUND + 0x2000_0000


@wire(registers=True)
class Clock:
    time_low: u32 = at(0)
    time_high: u32 = at(4)
    alarm_low: u32 = at(8)
    alarm_high: u32 = at(12)
    interrupt_enabled: u32 = at(16)
    clear_alarm: u32 = at(20)
    clear_interrupt: u32 = at(28)


def run(w: World) -> None:
    interrupts(w)
    pins(w)
    tables_with_pins(w)
    platform(w)


def alarm(clock: Clock) -> None:
    """Let the clock interrupt soon: in 1000 nanoseconds."""
    low = u64(clock.time_low)
    when = (low | (u64(clock.time_high) << 32)) + 1000
    clock.alarm_high = u32(when >> 32)
    clock.alarm_low = u32(when & 0xFFFF_FFFF)


def interrupts(w: World) -> None:
    t, process = w.t, w.process
    device = process.device(CLOCK)
    if device is None:
        t.check(False, "the root has the clock's registers")
        return
    t.succeeds(map_device(process, device, HERE), "MAP of a device's registers")
    clock = object_at(Clock, HERE)
    line = u64(process.boot().interrupt_first) + CLOCK_LINE - 1
    notification = w.copy(w.notification, 0x1FF, 0x10)
    t.fails(system.acknowledge(line), Status.WRONG_STATE, INVOKED, "ACKNOWLEDGE of an interrupt that isn't bound")
    t.fails(system.unbind_interrupt(line), Status.WRONG_STATE, INVOKED, "UNBIND_INTERRUPT of what isn't bound")
    t.fails(
        system.bind_interrupt(process.buffer, line, w.endpoint),
        Status.WRONG_KIND,
        TRAVELLING,
        "to an endpoint",
    )
    t.succeeds(system.bind_interrupt(process.buffer, line, notification), "BIND_INTERRUPT")
    clock.interrupt_enabled = 1
    alarm(clock)
    found = system.wait(w.notification, system.now() + process.frequency)
    t.check(not isinstance(found, Failure) and found == 0x10, "the interrupt arrives as a signal")
    alarm(clock)
    found = system.wait(w.notification, system.now() + process.frequency // 100)
    t.check(isinstance(found, Failure), "it doesn't come again before it is acknowledged")
    clock.clear_interrupt = 1
    t.succeeds(system.acknowledge(line), "ACKNOWLEDGE")
    alarm(clock)
    found = system.wait(w.notification, system.now() + process.frequency)
    t.check(not isinstance(found, Failure) and found == 0x10, "then it comes again")
    clock.clear_interrupt = 1
    t.succeeds(system.acknowledge(line), "ACKNOWLEDGE once more")
    # The interrupt controller may have kept alarms that came before the acknowledgement.
    while not isinstance(system.wait(w.notification, system.now() + process.frequency // 100), Failure):
        _ = system.acknowledge(line)
    t.succeeds(system.unbind_interrupt(line), "UNBIND_INTERRUPT")
    alarm(clock)
    found = system.wait(w.notification, system.now() + process.frequency // 100)
    t.check(isinstance(found, Failure), "an unbound interrupt doesn't arrive")
    clock.clear_interrupt = 1
    clock.interrupt_enabled = 0
    w.drop(notification)


def pins(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    space = w.new(Kind.DMA_SPACE, 2)
    frame = w.new(Kind.FRAME)
    found = system.pin(buffer, space, frame)
    t.check(not isinstance(found, Failure) and found % PAGE_SIZE == 0 and found >= 0x8000_0000, "PIN gives an address")
    t.check(isinstance(system.pin(buffer, space, frame), Failure), "a frame is pinned once")
    t.fails(system.delete(OWN_TABLE, frame), Status.PINNED, FIRST, "DELETE of a pinned frame")
    t.succeeds(system.unpin(buffer, space, frame), "UNPIN")
    t.fails(system.unpin(buffer, space, frame), Status.WRONG_STATE, TRAVELLING, "UNPIN of what isn't pinned")
    t.check(isinstance(system.pin(buffer, space, w.endpoint), Failure), "an endpoint can't be pinned")
    w.drop(frame)
    w.drop(space)


def tables_with_pins(w: World) -> None:
    """A table that a pin keeps from ending holds up nobody but who deletes what it was made of."""
    t, buffer = w.t, w.process.buffer
    memory, table, pinned = w.new(Kind.MEMORY, 4 * PAGE_SIZE), w.slot(), w.slot()
    space, frame = w.new(Kind.DMA_SPACE, 2), w.new(Kind.FRAME)
    t.done(system.retype(buffer, memory, Kind.CAP_TABLE, 4, 1, table))
    t.done(system.copy(buffer, table, 1, READ, 0, frame))
    t.done(system.copy_out(buffer, table, 1, READ, pinned))
    t.check(not isinstance(system.pin(buffer, space, pinned), Failure), "PIN of what comes from another table")
    t.succeeds(system.delete(OWN_TABLE, table), "DELETE of that table")
    t.check(not w.is_empty(pinned), "the pinned frame stays")
    other = w.new(Kind.CAP_TABLE, 4)
    t.succeeds(system.delete(OWN_TABLE, other), "DELETE of a table without one isn't held up")
    t.fails(system.revoke(OWN_TABLE, memory), Status.PINNED, FIRST, "REVOKE of what the first was made of is")
    t.succeeds(system.delete(OWN_TABLE, space), "DELETE of the device space")
    t.check(w.is_empty(pinned), "ends the table that waited")
    t.succeeds(system.revoke(OWN_TABLE, memory), "its memory can be revoked")
    w.process.slots().release(table)
    w.process.slots().release(other)
    w.process.slots().release(space)
    w.process.slots().release(pinned)
    w.drop(memory)
    w.drop(frame)


def platform(w: World) -> None:
    t = w.t
    out = Status.OUT_OF_RANGE
    t.message_fails(system.invoke(PLATFORM, Operation.CONSOLE_WRITE, 4, 25), out, FIRST, "CONSOLE_WRITE of 25 bytes")
    t.equal(written(b""), 0, "CONSOLE_WRITE of none")
    t.equal(written(b"# twenty-four bytes, ha\n"), 24, "CONSOLE_WRITE of 24 bytes")
    trace = w.new(Kind.TRACE, 2)
    t.succeeds(system.trace_start(trace, 1), "TRACE_START")
    t.succeeds(system.trace_start(trace, 0), "TRACE_START with nothing stops it")
    into = w.slot()
    t.succeeds(system.trace_frame(w.process.buffer, trace, 0, into), "TRACE_FRAME")
    t.fails(
        system.map(w.process.buffer, OWN_SPACE, HERE + PAGE_SIZE, READ | WRITE, into),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "the trace can't be written",
    )
    t.succeeds(system.map(w.process.buffer, OWN_SPACE, HERE + PAGE_SIZE, READ, into), "but read")
    t.fails(
        system.trace_frame(w.process.buffer, trace, 100, w.slot()),
        Status.OUT_OF_RANGE,
        FIRST,
        "a page beyond the ring",
    )
    header = object_at(Header, HERE + PAGE_SIZE)
    before = header.written
    written(b"")
    t.equal(header.written - before, 0, "no call is recorded before the trace begins")
    t.succeeds(system.trace_start(trace, 1), "TRACE_START once more")
    before = header.written
    written(b"")
    t.equal(u64(header.written != before), 1, "a call is recorded where it comes in")
    t.succeeds(system.trace_start(trace, 0), "and it is stopped")
    before = header.written
    written(b"")
    t.equal(header.written - before, 0, "no call is recorded when the trace has ended")
    w.drop(into)
    w.drop(trace)


def written(text: bytes) -> u64:
    """Write until the console has taken it all: how many bytes it took; all ones if a call failed."""
    total: u64 = 0
    while True:
        found = system.console_write(PLATFORM, text[total:])
        if isinstance(found, Failure):
            return NEVER
        total += found
        if total >= len(text):
            return total
