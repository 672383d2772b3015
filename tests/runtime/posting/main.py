"""A worker and a customer with memory for both."""

from neokernel.abi.boot import PLATFORM
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import GRANT, RECEIVE, SEND, WRITE
from neokernel.lang import u64
from neokernel.runtime.child import Child, await_death
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

PAGES: u64 = 2
OWN_MEMORY: u64 = 4 << 12


def main(process: Process) -> None:
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    endpoint = must_get(process.make(Kind.ENDPOINT))
    frames = must_get(process.make(Kind.FRAME, 0, PAGES))
    worker, customer = Child(), Child()
    must(worker.create(process, b"worker", events))
    _ = must_get(worker.grant(process, endpoint, RECEIVE))
    must(worker.borrow(process, 1, frames, PAGES))
    start(process, worker, 100)
    must(customer.create(process, b"customer", events))
    slot = must_get(customer.grant(process, endpoint, SEND | GRANT, 1))
    must(customer.lend(process, slot, frames, PAGES))
    start(process, customer, 100)
    death = must_get(await_death(process, events, reply))
    if death.fault is not None:
        process.console.write(f"child {death.child}: {death.fault.name} at {death.counter:#x}\n")
    process.exit(death.status)


def start(process: Process, child: Child, priority: u64) -> None:
    must(child.grant_at(process, PLATFORM, PLATFORM, WRITE))
    child.own_memory = must_get(child.make(process, Kind.MEMORY, OWN_MEMORY))
    must(child.start(process, priority))
