"""A scheduler in user space: it lends its own time to threads, one after the other, until they have ended."""

from neokernel.abi.call import NEVER, NOW
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Stop
from neokernel.abi.rights import SIGNAL
from neokernel.lang import Array, array, u64
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import make_thread

THREADS: u64 = 3
ROUNDS: u64 = 2
#: thread 2 waits until thread 3 has begun
WAITING: u64 = 2
SIGNALLING: u64 = 3
#: where threads find the notification that says so
BEGUN = 0


def main(process: Process) -> None:
    ready, begun = must_get(process.make(Kind.NOTIFICATION)), must_get(process.make(Kind.NOTIFICATION))
    process.arguments[BEGUN] = begun
    threads: Array[u64] = array(3)
    for place in range(THREADS):
        threads[place] = hold_new(process, place, ready)
    #: bit n: thread n + 1 could run
    runnable: u64 = 0
    left = THREADS
    while left > 0:
        word = system.wait(ready, NEVER if runnable == 0 else NOW)
        if not isinstance(word, Failure):
            runnable |= word
        for place in range(THREADS):
            if runnable & bit(place) == 0:
                continue
            stop = must_get(system.dispatch(threads[place], system.now() + process.frequency))
            process.console.write(f"scheduler: thread {place + 1} has {stop.name}\n")
            if stop is Stop.STOPPED:
                left -= 1
            if stop is not Stop.YIELDED and stop is not Stop.EXHAUSTED:
                # If it is ready again, we are told.
                runnable &= ~bit(place)


def bit(place: u64) -> u64:
    return u64(1) << place


def hold_new(process: Process, place: u64, ready: u64) -> u64:
    """A thread that runs when we let it: its index. It signals its bit when it is ready, so also now."""
    made = must_get(make_thread(process, place + 1, process.priority))
    badged = must_get(process.derive(ready, SIGNAL, bit(place)))
    must(system.hold(process.buffer, made.thread, badged))
    return made.thread


def thread(process: Process, argument: u64) -> None:
    if argument == WAITING:
        must_get(system.wait(process.arguments[BEGUN]))
    if argument == SIGNALLING:
        must(system.signal(process.arguments[BEGUN]))
    for turn in range(u64(1), ROUNDS + 1):
        process.console.write(f"thread {argument}: round {turn}\n")
        system.yield_()
