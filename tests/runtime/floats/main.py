"""Floats in all threads of a process and of its child: each has registers of its own."""

from neokernel.abi.kinds import Kind
from neokernel.lang import f64, u64
from neokernel.runtime import system
from neokernel.runtime.child import Child, await_death
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.thread import spawn

ROUNDS = 100


def main(process: Process) -> None:
    done = must_get(process.make(Kind.NOTIFICATION, 1))
    go = must_get(process.make(Kind.NOTIFICATION, 1))
    process.arguments[0], process.arguments[1] = go, done
    for number in range(u64(1), u64(4)):
        _ = must_get(spawn(process, number, 140, 1000, 1000))
    sum: f64 = 0.0
    for round in range(u64(ROUNDS)):
        for _ in range(3):
            must(system.signal(go))
        for _ in range(3):
            _ = must_get(system.wait(done))
        sum += f64(round) / 4.0
    process.console.write(f"{u64(sum)}\n")
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    child = Child()
    must(child.create(process, b"child", events))
    must(child.start(process, 100))
    death = must_get(await_death(process, events, reply))
    if death.fault is not None:
        process.console.write(f"{death.fault.name} at {death.counter:#x}\n")
    process.console.write(f"{death.status}\n")


def thread(process: Process, argument: u64) -> None:
    """Waits and computes by turns with the others."""
    sum = f64(argument)
    for _ in range(ROUNDS):
        _ = must_get(system.wait(process.arguments[0]))
        sum += f64(argument)
        must(system.signal(process.arguments[1]))
    assert sum == f64(argument * (ROUNDS + 1)), "another thread's numbers"
