"""Serves `Sums`, each call by a task that waits in the middle of it; the sum outlives the process."""

from __future__ import annotations

from sums import State, Sums, total_of

from neokernel.lang import Embedded, Provides, array, provides, struct, tasks, u64, wire_view
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must
from neokernel.runtime.process import Process

CLIENTS = 16


async def accept(server: Server) -> None:
    while True:
        request = await server.executor.request()
        assert server.answering.spawn_now(server.executor, answer(server, request)) is not None


async def answer(server: Server, request: Request) -> None:
    sums: Provides[Sums] = provides(server.executor.endpoint)
    with Answering(executor=server.executor, request=request) as call:
        must(call.give(await sums.dispatch_later(server, request.message)))


@struct
class Server:
    state: State
    program: u64
    #: ticks that it takes to add 1
    delay: u64
    executor: Embedded[Executor] = Executor()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(answer, CLIENTS), tasks=array(CLIENTS))

    async def add(self, number: u64) -> u64:
        """A larger number takes longer."""
        if number != 0:
            await self.executor.sleep_until(self.executor.now + self.delay * number)
        self.state.sum = self.state.sum + number
        return self.state.sum

    async def version(self) -> u64:
        return self.program

    async def total(self, numbers: Lent) -> u64:
        return total_of(numbers)


def serve(process: Process, endpoint: u64, program: u64) -> None:
    server = Server(state=wire_view(State, process.state()), program=program, delay=process.frequency // 100_000)
    executor = server.executor
    must(executor.begin(process, endpoint, CLIENTS))
    assert server.accepting.spawn(executor, accept(server)) is not None
    process.ready()
    while True:
        must(executor.wait())
        server.accepting.run(executor)
        server.answering.run(executor)
