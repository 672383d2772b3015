"""A scheduler in user space: it lends its own time to threads, one after the other, until they have ended."""

from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Stop
from neokernel.lang import Array, array, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import make_thread

THREADS: u64 = 3
ROUNDS: u64 = 2


def main(process: Process) -> None:
    ready = process.make(Kind.NOTIFICATION)
    assert not isinstance(ready, Failure), "the root has memory"
    held: Array[u64] = array(3)
    for number in range(THREADS):
        made = make_thread(process, number + 1, process.priority)
        assert not isinstance(made, Failure), "the root has memory for threads"
        assert system.hold(process.buffer, made.thread, ready) is None
        held[number] = made.thread
    left = THREADS
    while left > 0:
        for number in range(THREADS):
            if held[number] != 0 and not goes_on(process, held[number], number + 1):
                held[number] = 0
                left -= 1


def goes_on(process: Process, thread: u64, number: u64) -> bool:
    """Let a thread run until it gives the processor back. Will it want it again?"""
    stop = system.dispatch(thread, system.now() + process.frequency)
    if isinstance(stop, Failure):
        process.console.write(f"scheduler: {stop.status.name} of argument {stop.argument}\n")
        return False
    process.console.write(f"scheduler: thread {number} has {stop.name}\n")
    return stop is not Stop.STOPPED


def thread(process: Process, argument: u64) -> None:
    for round in range(u64(1), ROUNDS + 1):
        process.console.write(f"thread {argument}: round {round}\n")
        system.yield_()
