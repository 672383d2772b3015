"""How long an interrupt waits at most, while the kernel does the longest work that there is.

A thread of higher priority asks for service again and again: it waits for a deadline, at intervals that shift, and
compares the counter behind its `ecall` with the count at which the deadline came. The longest such time is reported:
the rest of the step that the kernel was in, the timer interrupt, and the way to the thread's first instruction. For
comparison, the same while the root program only computes.

Under `-icount shift=0` an instruction takes a nanosecond, so a tick of the clock is a number of instructions.
"""

from __future__ import annotations

from support import done, give_up, made, report, settle, share, shared, timed

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE
from neokernel.abi.call import Call, status_of
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, READ
from neokernel.abi.status import Status
from neokernel.lang import asm, assembly, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.thread import spawn

unsafe("the threads that only wait are assembly: they need no stack")

#: priorities: of the thread that asks for service, and of those that run until they wait
URGENT = 250
PARKED = 200
#: nanoseconds in a second
SECOND = 1_000_000_000
#: between two deadlines, in ticks; then a little more each time
INTERVAL = 60
SHIFT = 37
RANGE = 101

DESCENDANTS = 100_000
WAITERS = 100_000
TIMERS = 10_000
CALLS = 64
LARGE_MEMORY = 64 << 20
#: entries of a table of pages, and those of the root that are a user's
ENTRIES = 512
ROOT_ENTRIES = 256

#: places in the shared page: the longest time, how many there were; what the watching thread derives from, and the
#: slot into which; how often it could, and how often not
WORST = 0
COUNT = 1
SOURCE = 2
TARGET = 3
DERIVED = 4
REFUSED = 5
#: its notification
QUIET = 6

# Threads that need no stack. `bench_wait`: wait for the notification a0 until the deadline a1. `bench_chain`: receive
# from the endpoint in the low half of a0 by the Reply in its high half, then call the endpoint a1.
assembly("""
    .section .text.bench_threads, "ax", @progbits
    .globl bench_wait
bench_wait:
    mv a2, a1
    li a7, 5
    ecall
1:  ebreak
    j 1b
    .globl bench_chain
bench_chain:
    mv s0, a1
    srli a6, a0, 32
    slli a0, a0, 32
    srli a0, a0, 32
    li a2, -1
    li a7, 3
    ecall
    mv a0, s0
    li a1, 0
    li a7, 0
    ecall
1:  ebreak
    j 1b
""")


def wait_entry() -> u64:
    return asm("la {result}, bench_wait", result=u64)


def chain_entry() -> u64:
    return asm("la {result}, bench_chain", result=u64)


# --- the thread that asks for service ---------------------------------------------------------------------------------


def thread(process: Process, argument: u64) -> None:
    """Wait for one deadline after the other; remember how late it was at most."""
    page = shared()
    tick = SECOND // process.frequency
    offset = phase(tick)
    deadline = system.now() + INTERVAL
    step: u64 = 0
    while True:
        got = timed(Call.WAIT, argument, 0, deadline)
        if status_of(got.word) == u64(Status.TIMED_OUT.value) and got.before < deadline * tick + offset:
            late = got.after - (deadline * tick + offset)
            if late > page.get(WORST):
                page.put(WORST, late)
            page.put(COUNT, page.get(COUNT) + 1)
        if page.get(SOURCE) != 0:
            derive(process, page.get(SOURCE), page.get(TARGET))
        step = (step + SHIFT) % RANGE
        deadline = system.now() + INTERVAL + step


def phase(tick: u64) -> u64:
    """What the counter is ahead of the clock, counted in instructions, where a tick begins."""
    first = system.now()
    now = first
    count: u64 = 0
    while now == first:
        now = system.now()
        count = system.instructions()
    return count - now * tick


def derive(process: Process, source: u64, target: u64) -> None:
    """Try to make a copy of what is being revoked."""
    page = shared()
    if system.copy(process.buffer, OWN_TABLE, target, ALL, 0, source) is None:
        page.put(DERIVED, page.get(DERIVED) + 1)
        _ = system.delete(OWN_TABLE, target)
    else:
        page.put(REFUSED, page.get(REFUSED) + 1)


def mark() -> None:
    """`slti zero, zero, 1`, which does nothing: for who traces instructions (`stretch.c`)."""
    asm(".4byte 0x00102013")


def begin() -> None:
    page = shared()
    page.put(WORST, 0)
    page.put(COUNT, 0)
    mark()


def end(process: Process, name: str, least: u64) -> None:
    """Report; there must have been enough samples for the number to mean something."""
    mark()
    page = shared()
    worst, count = page.get(WORST), page.get(COUNT)
    if count < least:
        give_up(process, name, count)
    report(process, name, worst)
    process.console.write(f"{name}: {count} samples\n")


# --- the work ---------------------------------------------------------------------------------------------------------


def main(process: Process) -> None:
    settle(process)
    _ = share(process)
    quiet = made(process, "notification", process.make(Kind.NOTIFICATION))
    ticks = process.frequency * 1000
    _ = made(process, "the thread that watches", spawn(process, quiet, URGENT, ticks, ticks))
    compute(process)
    clear(process)
    revoke(process)
    delete_table(process)
    tear_down(process)
    chain(process)
    timers(process)
    waiters(process)
    process.exit()


def compute(process: Process) -> None:
    """Nothing that enters the kernel."""
    begin()
    last = system.instructions() + 2_000_000
    while system.instructions() < last:
        pass
    end(process, "latency_user", 50)


def clear(process: Process) -> None:
    """64 MiB as 32 large frames, which are cleared."""
    slots = made(process, "slots", process.slot(32))
    begin()
    done(process, "large frames", system.retype(process.buffer, process.memory, Kind.FRAME, 1, 32, slots))
    end(process, "latency_retype", 200)
    for frame in range(u64(0), u64(32)):
        done(process, "delete", system.delete(OWN_TABLE, slots + frame))
        process.slots().release(slots + frame)


def revoke(process: Process) -> None:
    """All copies of a capability, while a holder of one derives from it as fast as it can."""
    page = shared()
    source = made(process, "endpoint", process.make(Kind.ENDPOINT))
    held = made(process, "copy", process.derive(source, ALL))
    table = made(process, "table", process.make(Kind.CAP_TABLE, DESCENDANTS))
    for index in range(u64(0), u64(DESCENDANTS)):
        done(process, "copy", system.copy(process.buffer, table, index, ALL, 0, source))
    page.put(TARGET, made(process, "slot", process.slot()))
    page.put(SOURCE, held)
    begin()
    done(process, "revoke", system.revoke(OWN_TABLE, source))
    end(process, "latency_revoke", 200)
    page.put(SOURCE, 0)
    if page.get(REFUSED) < 200:
        give_up(process, "the holder was refused too seldom", page.get(REFUSED))
    if not_empty(table, 0) or not_empty(table, DESCENDANTS - 1) or not_empty(OWN_TABLE, held):
        give_up(process, "something is left", 0)
    done(process, "delete table", system.delete(OWN_TABLE, table))


def not_empty(table: u64, index: u64) -> bool:
    found = system.inspect(table, index)
    return not isinstance(found, system.Failure) and found.kind != 0


def delete_table(process: Process) -> None:
    """A table that is full."""
    source = made(process, "endpoint", process.make(Kind.ENDPOINT))
    table = made(process, "table", process.make(Kind.CAP_TABLE, DESCENDANTS))
    for index in range(u64(0), u64(DESCENDANTS)):
        done(process, "copy", system.copy(process.buffer, table, index, ALL, 0, source))
    begin()
    done(process, "delete table", system.delete(OWN_TABLE, table))
    end(process, "latency_table", 200)


def tear_down(process: Process) -> None:
    """An address space that is full at each level: 256 middle tables, 512 lowest ones in one of them, 512 pages."""
    buffer = process.buffer
    space = made(process, "space", process.make(Kind.ADDRESS_SPACE))
    keep = made(process, "table", process.make(Kind.CAP_TABLE, ROOT_ENTRIES + 2 * ENTRIES))
    kept: u64 = 0
    mine = made(process, "slot", process.slot())
    for index in range(u64(0), u64(ROOT_ENTRIES)):
        done(process, "table", system.retype(buffer, process.memory, Kind.PAGE_TABLE, 0, 1, mine))
        done(process, "install", system.install(buffer, space, index << 30, 2, mine))
        done(process, "move", system.move(buffer, keep, kept, mine))
        kept += 1
    for index in range(u64(0), u64(ENTRIES)):
        done(process, "table", system.retype(buffer, process.memory, Kind.PAGE_TABLE, 0, 1, mine))
        done(process, "install", system.install(buffer, space, index << 21, 1, mine))
        done(process, "move", system.move(buffer, keep, kept, mine))
        kept += 1
    frame = made(process, "frame", process.make(Kind.FRAME))
    for index in range(u64(0), u64(ENTRIES)):
        done(process, "copy", system.copy(buffer, OWN_TABLE, mine, ALL, 0, frame))
        done(process, "map", system.map(buffer, space, index * PAGE_SIZE, READ, mine))
        done(process, "move", system.move(buffer, keep, kept, mine))
        kept += 1
    begin()
    done(process, "delete space", system.delete(OWN_TABLE, space))
    end(process, "latency_space", 1)
    begin()
    done(process, "delete tables", system.delete(OWN_TABLE, keep))
    end(process, "latency_page_tables", 5)


def chain(process: Process) -> None:
    """64 servers, each in a call to the next, on one context: it ends first, then the servers."""
    buffer = process.buffer
    memory = made(process, "memory", process.make(Kind.MEMORY, 1 << 20))
    ticks = process.frequency
    context = made(process, "context", process.context(PARKED, ticks, ticks))
    endpoints = made(process, "endpoints", process.slot(CALLS))
    replies = made(process, "replies", process.slot(CALLS))
    threads = made(process, "threads", process.slot(CALLS))
    last = made(process, "endpoint", process.make(Kind.ENDPOINT))
    done(process, "endpoints", system.retype(buffer, memory, Kind.ENDPOINT, 0, CALLS, endpoints))
    done(process, "replies", system.retype(buffer, memory, Kind.REPLY, 0, CALLS, replies))
    done(process, "threads", system.retype(buffer, memory, Kind.THREAD, 0, CALLS, threads))
    for number in range(u64(0), u64(CALLS)):
        thread = threads + number
        next = last if number == CALLS - 1 else endpoints + number + 1
        done(process, "space", system.bind(buffer, thread, Binding.SPACE, OWN_SPACE))
        done(process, "table", system.bind(buffer, thread, Binding.TABLE, OWN_TABLE))
        given = endpoints + number | (replies + number) << 32
        park(process, thread, context, chain_entry(), given, next)
    # The first call begins the chain; who makes it is a thread that is only for that.
    first = made(process, "thread", process.make(Kind.THREAD))
    own = made(process, "endpoint", process.make(Kind.ENDPOINT))
    done(process, "fault", system.bind(buffer, first, Binding.HANDLER, endpoints))
    done(process, "context", system.bind(buffer, first, Binding.CONTEXT, context))
    done(process, "start", system.start(first, 0, 0, 0, 0))
    info = system.thread_info(threads + CALLS - 1)
    if isinstance(info, system.Failure) or info.state != 3:
        give_up(process, "the last server isn't calling", 0)
    _ = own
    begin()
    done(process, "delete context", system.delete(OWN_TABLE, context))
    done(process, "delete servers", system.revoke(OWN_TABLE, memory))
    end(process, "latency_chain", 1)


def park(process: Process, thread: u64, context: u64, entry: u64, first: u64, second: u64) -> None:
    """Let a thread run until it waits, and take its time away."""
    done(process, "context", system.bind(process.buffer, thread, Binding.CONTEXT, context))
    done(process, "start", system.start(thread, entry, 0, first, second))
    done(process, "unbind", system.unbind(thread, Binding.CONTEXT))


def timers(process: Process) -> None:
    """Threads whose deadlines come together."""
    buffer = process.buffer
    memory = made(process, "memory", process.make(Kind.MEMORY, 32 << 20))
    table = made(process, "table", process.make(Kind.CAP_TABLE, TIMERS))
    quiet = made(process, "notification", process.make(Kind.NOTIFICATION))
    context = made(process, "context", process.context(PARKED, process.frequency, process.frequency))
    mine = made(process, "slot", process.slot())
    deadline = system.now() + process.frequency // 5
    for number in range(u64(0), u64(TIMERS)):
        done(process, "thread", system.retype(buffer, memory, Kind.THREAD, 0, 1, mine))
        done(process, "space", system.bind(buffer, mine, Binding.SPACE, OWN_SPACE))
        done(process, "table", system.bind(buffer, mine, Binding.TABLE, OWN_TABLE))
        park(process, mine, context, wait_entry(), quiet, deadline)
        done(process, "move", system.move(buffer, table, number, mine))
    if system.now() >= deadline:
        give_up(process, "the deadline came too early", 0)
    # Not only shortly before the deadline: the wheel takes all of them from level to level until then.
    begin()
    while system.now() < deadline + 100_000:
        pass
    end(process, "latency_timers", 20)
    done(process, "delete threads", system.delete(OWN_TABLE, table))


def waiters(process: Process) -> None:
    """An endpoint with threads in its queue: all have faulted, and wait for their handler."""
    buffer = process.buffer
    memory = made(process, "memory", process.make(Kind.MEMORY, 192 << 20))
    table = made(process, "table", process.make(Kind.CAP_TABLE, WAITERS))
    endpoint = made(process, "endpoint", process.make(Kind.ENDPOINT))
    context = made(process, "context", process.context(PARKED, process.frequency, process.frequency))
    mine = made(process, "slot", process.slot())
    for number in range(u64(0), u64(WAITERS)):
        done(process, "thread", system.retype(buffer, memory, Kind.THREAD, 0, 1, mine))
        done(process, "handler", system.bind(buffer, mine, Binding.HANDLER, endpoint))
        park(process, mine, context, 0, 0, 0)
        done(process, "move", system.move(buffer, table, number, mine))
    begin()
    done(process, "delete endpoint", system.delete(OWN_TABLE, endpoint))
    end(process, "latency_endpoint", 200)
    begin()
    done(process, "revoke threads", system.revoke(OWN_TABLE, memory))
    end(process, "latency_threads", 200)
