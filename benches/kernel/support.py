"""What the programs that measure share: reports to the host, set-up that must succeed, calls with a count around them.

A report is a line `= NAME COUNT` on the console. A program that can't go on writes `! WHAT`, and ends the machine with
status 1. The host knows what the names mean, and compares the reports of several runs.

A count is taken by `rdinstret` directly before and behind the `ecall`, in one piece of assembly: what the calling
program does isn't in it, the `ecall` is.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_CONTEXT, OWN_SPACE, PROCESSOR
from neokernel.abi.call import Call, message, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL, READ, WRITE
from neokernel.lang import Array, Atomic, Order, array, asm, object_at, struct, u32, u64, unsafe, value
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure

unsafe("the counter is read next to the `ecall`; the shared page is where this module maps it")

#: calls of which a report is the mean, and those before, which aren't counted: they fill caches and queues
ROUNDS = 64
WARM = 4
#: where both processes of a measurement have the shared page
SHARED = 0x3B_0000_0000
#: no budget ends before, in the machine's time
SECONDS = 1000
#: priorities: the root program has 128
ABOVE = 200
EQUAL = 128


@value
class Timed:
    """What a call brought, and the counts before the `ecall` and behind it."""

    badge: u64
    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64
    before: u64
    after: u64

    def cost(self) -> u64:
        """The `ecall`, and all up to the instruction behind it. The first reading counts itself."""
        return self.after - self.before - 1


@struct
class Shared:
    """A page that both processes of a measurement see."""

    stamp: Array[Atomic[u64]] = array(8)

    def put(self, place: u64, stamp: u64) -> None:
        self.stamp[place].store(stamp, Order.RELAXED)

    def get(self, place: u64) -> u64:
        return self.stamp[place].load(Order.RELAXED)


def shared() -> Shared:
    return object_at(Shared, SHARED)


# --- calls with a count -----------------------------------------------------------------------------------------------


def timed(
    number: Call, capability: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0, reply: u64 = 0
) -> Timed:
    """A system call, counted."""
    badge, answer, r0, r1, r2, r3, before, after = asm(
        "rdinstret s2\necall\nrdinstret t0",
        u64(number.value),
        capability,
        word,
        w0,
        w1,
        w2,
        w3,
        reply,
        inputs="a7 a0 a1 a2 a3 a4 a5 a6",
        results="a0 a1 a2 a3 a4 a5 s2 t0",
        clobbers="a6 a7 ra t1 t2 t3 t4 t5 t6 memory",
    )
    return Timed(badge, answer, r0, r1, r2, r3, before, after)


def answer(endpoint: u64, reply: u64, word: u64, w0: u64, w2: u64) -> Timed:
    """REPLY_RECEIVE; the count before the `ecall` is the reply's second word."""
    badge, answer, r0, r1, r2, r3, after = asm(
        "rdinstret a3\necall\nrdinstret t0",
        u64(Call.REPLY_RECEIVE.value),
        endpoint,
        word,
        w0,
        w2,
        reply,
        inputs="a7 a0 a1 a2 a4 a6",
        results="a0 a1 a2 a3 a4 a5 t0",
        clobbers="a6 a7 ra t1 t2 t3 t4 t5 t6 memory",
    )
    return Timed(badge, answer, r0, r1, r2, r3, 0, after)


def invoked(
    process: Process,
    what: str,
    capability: u64,
    operation: Operation,
    length: u64,
    w0: u64 = 0,
    w1: u64 = 0,
    w2: u64 = 0,
    w3: u64 = 0,
    capabilities: u64 = 0,
) -> u64:
    """The cost of an operation of a kernel object, which must succeed."""
    word = message(u64(operation.value), length, capabilities)
    made = timed(Call.CALL, capability, word, w0, w1, w2, w3)
    if status_of(made.word) != 0:
        give_up(process, what, status_of(made.word))
    return made.cost()


def travelling(process: Process, source: u64) -> None:
    """The capability that travels with the next operation."""
    process.buffer.capabilities[0].store(u32(source), Order.RELAXED)


# --- reports ----------------------------------------------------------------------------------------------------------


def report(process: Process, name: str, count: u64) -> None:
    process.console.write(f"= {name} {count}\n")


def mean(process: Process, name: str, total: u64, rounds: u64 = ROUNDS) -> None:
    """Report the mean, rounded to the nearest."""
    report(process, name, (total + rounds // 2) // rounds)


def give_up(process: Process, what: str, number: u64) -> None:
    """Something that must succeed has failed."""
    process.console.write(f"! {what}: {number}\n")
    process.exit(1)


def done(process: Process, what: str, failure: Failure | None) -> None:
    """The step of a set-up must have succeeded."""
    if failure is not None:
        process.console.write(f"! {what}: {failure.status.name} of {failure.argument}\n")
        process.exit(1)


def made(process: Process, what: str, index: u64 | Failure) -> u64:
    """The index of what was made, if it was."""
    if isinstance(index, Failure):
        done(process, what, index)
        return 0
    return index


def settle(process: Process) -> None:
    """Let the root program run without a turn for others: no timer interrupt falls into what is measured."""
    ticks = process.frequency * SECONDS
    done(process, "settle", system.configure(process.buffer, PROCESSOR, EQUAL, ticks, ticks, OWN_CONTEXT))


# --- a second process -------------------------------------------------------------------------------------------------


def share(process: Process) -> u64:
    """Make the shared page, and map it here: its index."""
    frame = made(process, "shared page", process.make(Kind.FRAME))
    done(process, "map shared page", map_at(process, OWN_SPACE, process.memory, SHARED, READ | WRITE, frame))
    return frame


def begin(process: Process, child: Child, name: bytes, page: u64) -> None:
    """A second process of this program, with the shared page, stopped."""
    # Nobody waits for its end: the measurement ends before.
    events = made(process, "events", process.make(Kind.ENDPOINT))
    done(process, "create", child.create(process, name, events))
    done(process, "share page", child.share(process, SHARED, READ | WRITE, page))


def grant(process: Process, child: Child, what: str, index: u64) -> u64:
    """Give it a capability: the index in its table."""
    return made(process, what, child.grant(process, index, ALL))


def run(process: Process, child: Child, priority: u64, role: u64, first: u64 = 0, second: u64 = 0) -> None:
    """Let it run, with three arguments. If its priority is higher, it has run until it waits, afterwards."""
    child.arguments[0] = role
    child.arguments[1] = first
    child.arguments[2] = second
    ticks = process.frequency * SECONDS
    done(process, "start", child.start(process, priority, ticks, ticks))
