"""Makes a server and a client of it, by hand, and waits for the client's end."""

from neokernel.abi.boot import PLATFORM, PROCESSOR
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import CONTROL, GRANT, RECEIVE, SEND, WRITE
from neokernel.lang import u64
from neokernel.runtime.child import Child, await_death
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

MEMORY: u64 = 1 << 20


def main(process: Process) -> None:
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    endpoint = must_get(process.make(Kind.ENDPOINT))
    server = Child()
    must(server.create(process, b"server", events, MEMORY))
    assert must_get(server.grant(process, endpoint, RECEIVE)) == FIRST_DECLARED
    begin(process, server, 110)
    client = Child()
    must(client.create(process, b"client", events, MEMORY))
    assert must_get(client.grant(process, endpoint, SEND | GRANT, 1)) == FIRST_DECLARED
    client.settings.add(0x9C)
    client.settings.add_text(b"somebody")
    client.settings.add(2)
    client.settings.add(u64(10) << 32 | 2045)
    client.settings.add(0)
    begin(process, client, 100)
    death = must_get(await_death(process, events, reply))
    if death.fault is not None:
        process.console.write(f"child {death.child}: {death.fault.name} at {death.counter:#x}, {death.address:#x}\n")
        process.exit(1)
    process.exit(death.status)


def begin(process: Process, child: Child, priority: u64) -> None:
    """Let it begin, with the console and memory of its own."""
    must(child.grant_at(process, PLATFORM, PLATFORM, WRITE))
    must(child.grant_at(process, PROCESSOR, PROCESSOR, CONTROL))
    child.own_memory = must_get(child.make(process, Kind.MEMORY, 128 << 10))
    must(child.start(process, priority))
