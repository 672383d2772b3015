"""Calls to the disk's server, each a task: what came of them."""

from __future__ import annotations

from neokernel.drivers.disk.main import Server, attend
from neokernel.lang import Array, Embedded, array, struct, tasks, u32, u64, usize
from neokernel.runtime.executor import Group
from neokernel.runtime.lend import LENT_ADDRESS, REGION_SPACE, Lent

CALLS = 8
#: what a call's result is while it waits, and when it was done; else 1 + the number of its BlockError
WAITS = 100
DONE = 0


async def call(bench: Bench, number: usize, writes: bool, sector: u64, offset: u64, length: u64) -> None:
    """The client with badge 1 lends the memory."""
    part = Lent(LENT_ADDRESS + REGION_SPACE + offset, length)
    server = bench.server
    failed = await server.write(sector, part) if writes else await server.read(sector, part)
    bench.results[number] = DONE if failed is None else 1 + u32(failed.value)


@struct
class Bench:
    server: Server
    results: Array[u32] = array(CALLS, WAITS)
    group: Embedded[Group] = Group(frames=tasks(call, CALLS), tasks=array(CALLS))

    def begin(self) -> None:
        server = self.server
        server.begin()
        assert server.attending.spawn(server.executor, attend(server)) is not None

    def call(self, number: usize, writes: bool, sector: u64, offset: u64, length: u64) -> None:
        self.results[number] = WAITS
        executor = self.server.executor
        assert self.group.spawn(executor, call(self, number, writes, sector, offset, length)) is not None

    def turn(self) -> None:
        """One of the server's loop."""
        server = self.server
        _ = server.executor.wait()
        server.attending.run(server.executor)
        self.group.run(server.executor)
        server.block.hand_over()
