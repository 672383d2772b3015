"""A call that lends 64 KiB: of the memory only its place travels.

The root makes a server, on its clients' time, and a client, as init does, with a region that both have mapped.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.abi.boot import PLATFORM
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import RECEIVE, SEND, WRITE
from neokernel.lang import Array, Provides, Uses, array, interface, provides, slot_of, struct, u8, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.child import Child, await_death
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

ROUNDS: u64 = 64
WARM: u64 = 4
SIZE: usize = 64 << 10
PAGES: u64 = 16
NAME = b"lending"
SERVER: u64 = 1
CLIENT: u64 = 2
#: no budget ends before, in the machine's time
SECONDS = 1000


@interface
class Store(Protocol):
    """Two methods, of which the second one is measured."""

    def size(self) -> u64 | Failure: ...
    def last(self, data: Lent) -> u8 | Failure: ...


store: Uses[Store] = uses(lend=64 << 10)


@struct
class Keeper:
    piece: Array[u8] = array(1)

    def size(self) -> u64:
        return SIZE

    def last(self, data: Lent) -> u8:
        data.read(data.length - 1, self.piece)
        return self.piece[0]


def main(process: Process) -> None:
    if process.is_root:
        begin(process)
    elif process.arguments[0] == SERVER:
        serving: Provides[Store] = provides(process.arguments[1])
        keeper = Keeper()
        _ = serving.serve(process, keeper)
    else:
        measure(process)


def begin(process: Process) -> None:
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    endpoint = must_get(process.make(Kind.ENDPOINT))
    frames = must_get(process.make(Kind.FRAME, 0, PAGES))
    ticks = process.frequency * SECONDS
    server, client = Child(), Child()
    must(server.create(process, NAME, must_get(process.make(Kind.ENDPOINT)), 1 << 19))
    server.arguments[0] = SERVER
    server.next_slot += 1
    server.arguments[1] = must_get(server.grant(process, endpoint, RECEIVE))
    must(server.borrow(process, 1, frames, PAGES))
    server.own_memory = must_get(server.make(process, Kind.MEMORY, 64 << 10))
    must(server.start(process, 200, ticks, ticks))
    # Once it waits, it lives on its clients' time.
    while isinstance(system.try_send(endpoint, 0), Failure):
        system.yield_()
    must(system.unbind(server.thread, Binding.CONTEXT))
    must(client.create(process, NAME, events, 1 << 19))
    client.arguments[0] = CLIENT
    must(client.lend(process, must_get(client.grant(process, endpoint, SEND, 1)), frames, PAGES))
    must(client.grant_at(process, PLATFORM, PLATFORM, WRITE))
    client.own_memory = must_get(client.make(process, Kind.MEMORY, 64 << 10))
    must(client.start(process, 100, ticks, ticks))
    process.exit(must_get(await_death(process, events, reply)).status)


def measure(process: Process) -> None:
    whole = region(slot_of(store))
    assert whole.length == SIZE, "there is such a region"
    whole.write(SIZE - 1, b"\x07")
    total: u64 = 0
    for round in range(ROUNDS + WARM):
        before = system.instructions()
        found = store.last(whole)
        after = system.instructions()
        assert must_get(found) == 7
        if round >= WARM:
            total += after - before - 1
    process.console.write(f"= lend {total // ROUNDS}\n")
