"""A server of 64 clients, each served by a task of its own: some are answered late, some too late, some not at all.

The kind of a client is its number modulo 4. Those of kind 2 are served until one of kind 3 has them cancelled.
"""

from __future__ import annotations

from words import CLIENTS, DONE, END, EXPIRED, KINDS, REPORT, STOP

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SEND, SIGNAL
from neokernel.lang import Array, Embedded, Handle, array, struct, tasks, u64, unreachable, usize
from neokernel.runtime.child import Child
from neokernel.runtime.executor import (
    Answering,
    Executor,
    Expired,
    First,
    Group,
    Request,
    gather,
    select,
    timeout,
)
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.task import Task

#: ticks: what takes long, what is too long for some clients, and what never comes
LONG = 20_000
TOO_LONG = 100_000
FOR_EVER = 100_000_000_000
READY = 1 << 7


@struct
class Turns:
    """How many are inside a `with` block of it, and how many have been."""

    inside: u64 = 0
    entered: u64 = 0

    def __enter__(self) -> None:
        self.inside += 1
        self.entered += 1

    def __exit__(self, *_: object) -> None:
        self.inside -= 1


async def accept(server: Server) -> None:
    """Give each request to a task."""
    while True:
        request = await server.executor.request()
        if request.message.label() == REPORT:
            server.note(request)
            continue
        handle = server.serving.spawn(server.executor, serve(server, request))
        assert handle is not None, "there are as many tasks as clients"
        server.handles[usize(request.message.w0)] = handle


async def serve(server: Server, request: Request) -> None:
    executor, number = server.executor, request.message.w0
    with Answering(executor=executor, request=request) as call, server.turns:
        match request.message.label():
            case 1:
                patience = u64(TOO_LONG) if number % KINDS == 1 else FOR_EVER
                found = await timeout(executor, executor.now + patience, work(server, number))
                if isinstance(found, Expired):
                    must(call.answer(message(EXPIRED)))
                else:
                    must(call.answer(message(DONE, 1), found))
            case 2:
                other = number - 1
                while server.handles[other] not in server.serving:
                    await executor.sleep_until(executor.now + LONG)
                assert server.serving.cancel(executor, server.handles[other])
                must(call.answer(message(DONE, 1), number * number))
            case _:
                unreachable("no such request")


async def work(server: Server, number: u64) -> u64:
    executor = server.executor
    with server.turns:
        match number % KINDS:
            case 0:
                await executor.sleep_until(executor.now + LONG // 4 * (number % 16))
            case 1:
                await executor.sleep_until(executor.now + FOR_EVER)
            case _:
                # Nobody sends these signals.
                _ = await gather(executor.signals(1 << 20), executor.signals(1 << 21))
        return number * number


async def heartbeat(server: Server) -> None:
    """Others signal, too, and time passes between."""
    executor = server.executor
    while server.reports < CLIENTS:
        match await select(executor.signals(READY), executor.sleep_until(executor.now + LONG)):
            case First(bits):
                assert bits == READY
                server.signals += 1
            case _:
                server.beats += 1


@struct
class Server:
    executor: Embedded[Executor] = Executor()
    turns: Embedded[Turns] = Turns()
    handles: Array[Handle[Task]] = array(CLIENTS)
    outcomes: Array[u64] = array(4)
    reports: u64 = 0
    signals: u64 = 0
    beats: u64 = 0
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, CLIENTS), tasks=array(CLIENTS))
    beating: Embedded[Group] = Group(frames=tasks(heartbeat, 1), tasks=array(1))

    def note(self, request: Request) -> None:
        """What a client says that it got."""
        outcome = request.message.w0
        self.outcomes[usize(outcome)] += 1
        self.reports += 1
        must(self.executor.answer(request, message(END)))


def main(process: Process) -> None:
    server = Server()
    executor = server.executor
    endpoint, events = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.ENDPOINT))
    must(executor.begin(process, endpoint, CLIENTS))
    for number in range(u64(CLIENTS)):
        begin(process, events, endpoint, executor.notification, number)
    assert server.accepting.spawn(executor, accept(server)) is not None
    assert server.beating.spawn(executor, heartbeat(server)) is not None
    while server.beating.living > 0:
        must(executor.wait())
        server.accepting.run(executor)
        server.serving.run(executor)
        server.beating.run(executor)
    process.console.write(f"done {server.outcomes[DONE]}, expired {server.outcomes[EXPIRED]}")
    process.console.write(f", stopped {server.outcomes[STOP]}, wrong {server.outcomes[0]}\n")
    process.console.write(f"inside {server.turns.inside}, entered {server.turns.entered}\n")
    process.console.write(f"tasks {server.serving.living}, free {executor.free}, ready {executor.ready}\n")
    signalled = "yes" if server.signals > 0 else "no"
    time = "yes" if server.beats > 0 else "no"
    process.console.write(f"signals {signalled}, time passed {time}\n")


def begin(process: Process, events: u64, endpoint: u64, notification: u64, number: u64) -> None:
    """Nobody listens to `events`: a client that has ended stands still."""
    child = Child()
    must(child.create(process, b"client", events))
    child.arguments[0] = must_get(child.grant(process, endpoint, SEND, number + 1))
    child.arguments[1] = must_get(child.grant(process, notification, SIGNAL, READY))
    child.arguments[2] = number
    must(child.start(process, 100))
