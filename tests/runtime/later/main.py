"""A server of a typed interface, whose methods wait: each request is a task."""

from __future__ import annotations

from alarm import Alarm, Refusal

from neokernel.abi.boot import PLATFORM
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SEND, WRITE
from neokernel.lang import Embedded, Provides, array, provides, struct, tasks, u32, u64
from neokernel.runtime.child import Child
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

CLIENTS = 9
TOO_LONG = 150_000


async def accept(server: Server) -> None:
    while True:
        request = await server.executor.request()
        assert server.answering.spawn_now(server.executor, answer(server, request)) is not None


async def answer(server: Server, request: Request) -> None:
    alarm: Provides[Alarm] = provides(server.executor.endpoint)
    with Answering(executor=server.executor, request=request) as call:
        must(call.give(await alarm.dispatch_later(server, request.message)))
    server.answered += 1


@struct
class Server:
    executor: Embedded[Executor] = Executor()
    answered: u64 = 0
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(answer, CLIENTS), tasks=array(CLIENTS))

    async def sleep(self, ticks: u64) -> Refusal | u64:
        if ticks >= TOO_LONG:
            return Refusal.TOO_LONG
        await self.executor.sleep_until(self.executor.now + ticks)
        return ticks

    async def spell(self, ticks: u64, text: str) -> u32:
        await self.executor.sleep_until(self.executor.now + ticks)
        return u32(len(text.encode())) + 1000


def main(process: Process) -> None:
    server = Server()
    executor = server.executor
    endpoint, events = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.ENDPOINT))
    must(executor.begin(process, endpoint, CLIENTS))
    assert server.accepting.spawn(executor, accept(server)) is not None
    for number in range(u64(CLIENTS)):
        child = Child()
        must(child.create(process, b"client", events))
        must(child.grant_at(process, PLATFORM, PLATFORM, WRITE))
        child.arguments[0] = must_get(child.grant(process, endpoint, SEND, number + 1))
        child.arguments[1] = number
        must(child.start(process, 200))
    while server.answered < 2 * CLIENTS:
        must(executor.wait())
        server.accepting.run(executor)
        server.answering.run(executor)
    process.console.write(f"free {executor.free}, tasks {server.answering.living}\n")
