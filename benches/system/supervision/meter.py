"""Starts last, and measures init: how long the system took to start, a service's restart, its replacement.

Reports are lines `= NAME COUNT`, as those of `benches/kernel`; a line `! WHAT` says that something couldn't be done.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE, PLATFORM
from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import Status
from neokernel.interfaces.system import System, Watch
from neokernel.lang import Atomic, Uses, object_at, struct, u64, unsafe, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

unsafe("the threads share a page")

INIT: u64 = FIRST_DECLARED
COUNTER: u64 = FIRST_DECLARED + 1
WATCH: u64 = FIRST_DECLARED + 5
PATIENCE: u64 = 1_000_000
ROUNDS: u64 = 32
WARM: u64 = 4
#: of the client that calls all the time, below the counter
CLIENT: u64 = 50
SHARED = 0x10_0000_0000


@struct
class Shared:
    """What the client sees: the longest that a call took, and how many calls there were."""

    stop: Atomic[u64] = Atomic(0)
    longest: Atomic[u64] = Atomic(0)
    calls: Atomic[u64] = Atomic(0)


def shared() -> Shared:
    return object_at(Shared, SHARED)


def main(process: Process) -> None:
    now = system.instructions()
    watch: Uses[Watch] = uses(WATCH)
    begun = watch.beginning()
    if isinstance(begun, Failure):
        give_up(process, "init doesn't say when it began")
    else:
        report(process, "boot", begun.kernel + now - begun.instructions)
    counter = watch.find(b"counter")
    assert isinstance(counter, u64), "there is one"
    restarts(process, counter)
    swaps(process, counter)
    held(process, counter)
    _ = system.power_off(PLATFORM, 0)


def report(process: Process, name: str, count: u64) -> None:
    process.console.write(f"= {name} {count}\n")


def give_up(process: Process, what: str) -> None:
    process.console.write(f"! {what}\n")
    _ = system.power_off(PLATFORM, 1)


def call(process: Process) -> None:
    """A call that must be answered."""
    if isinstance(system.call(COUNTER, message(1)), Failure):
        give_up(process, "the counter doesn't answer")


def restarts(process: Process, counter: u64) -> None:
    """It is ended, and started without back-off: from there to the answer to the next call."""
    init: Uses[System] = uses(INIT)
    total: u64 = 0
    for round in range(WARM + ROUNDS):
        call(process)
        before = system.instructions()
        refused = init.kill(counter)
        call(process)
        if refused is not None:
            give_up(process, "the counter can't be killed")
        if round >= WARM:
            total += system.instructions() - before
    report(process, "restart", total // ROUNDS)


def swaps(process: Process, counter: u64) -> None:
    """It is replaced: from the request until the new one is ready."""
    init: Uses[System] = uses(INIT)
    total: u64 = 0
    for round in range(WARM + ROUNDS):
        call(process)
        before = system.instructions()
        if init.swap(counter, b"counter", PATIENCE) is not None:
            give_up(process, "the counter can't be replaced")
        if round >= WARM:
            total += system.instructions() - before
    report(process, "swap", total // ROUNDS)


def held(process: Process, counter: u64) -> None:
    """The longest that a call takes, of a client that calls all the time while the counter is replaced."""
    init: Uses[System] = uses(INIT)
    must(map_new(process, OWN_SPACE, process.memory, SHARED, READ | WRITE, 1))
    _ = must_get(spawn(process, 0, CLIENT, process.frequency, process.frequency))
    never = must_get(process.make(Kind.NOTIFICATION))
    for _ in range(ROUNDS):
        # Let the client call for a while.
        waited = system.wait(never, system.now() + process.frequency // 20_000)
        assert isinstance(waited, Failure) and waited.status is Status.TIMED_OUT, "nobody signals"
        if init.swap(counter, b"counter", PATIENCE) is not None:
            give_up(process, "the counter can't be replaced")
    seen = shared()
    seen.stop.store(1)
    if seen.calls.load() < ROUNDS:
        give_up(process, "the client didn't call")
    report(process, "held", seen.longest.load())


def thread(process: Process, argument: u64) -> None:
    seen = shared()
    while seen.stop.load() == argument:
        before = system.instructions()
        call(process)
        took = system.instructions() - before
        if took > seen.longest.load():
            seen.longest.store(took)
        _ = seen.calls.fetch_add(1)
