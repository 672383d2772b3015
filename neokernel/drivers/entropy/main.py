"""Random bytes: the driver of a virtio-rng device as a process, which serves `Entropy`.

Each call is a task, so calls may wait for the device. A device that fails is reset, and waiting calls are told; if that
happens too often the driver ends, and init decides.
"""

from __future__ import annotations

from neokernel.drivers.process import SIGNALS, attach, attended, settled
from neokernel.drivers.virtio.mmio import Transport
from neokernel.drivers.virtio.process import Pages, began, data, descriptors, quieten, registers, rings
from neokernel.drivers.virtio.queue import Queue
from neokernel.drivers.virtio.random import RANDOM, Source
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.lang import Embedded, Provides, Span, Uses, array, provides, struct, tasks, u8, u64, uses, usize
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.must import must
from neokernel.runtime.objects import Device, Dma, Interrupt, Memory
from neokernel.runtime.process import Process

device: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
#: for the device: three pages
space: Uses[Dma] = uses()
memory: Uses[Memory] = uses()
entropy: Provides[Entropy] = provides()

#: calls at a time; others wait in the kernel
CALLS = 8
#: signal: bytes may have come
NEWS: u64 = 1 << SIGNALS


async def accept(server: Server) -> None:
    while True:
        request = await server.executor.request()
        assert server.answering.spawn_now(server.executor, answer(server, request)) is not None


async def answer(server: Server, request: Request) -> None:
    with Answering(executor=server.executor, request=request) as call:
        _ = call.give(await entropy.dispatch_later(server, request.message))


async def attend(server: Server) -> None:
    await attended(server, server.executor, line, server.patience)


#: seconds in which any device answers
PATIENCE = 5


@struct
class Server:
    source: Embedded[Source]
    pages: Embedded[Pages] = Pages(addresses=array(3))
    #: ticks in which any device answers
    patience: u64
    executor: Embedded[Executor] = Executor()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(answer, CALLS), tasks=array(CALLS))

    async def fill(self, into: Span[u8]) -> usize | NoEntropy:
        done: usize = 0
        resets = self.source.health.resets
        while True:
            done += self.source.take(into[done:])
            if done == len(into):
                # Who waits, too, may find some left.
                self.executor.signal(NEWS)
                return done
            if self.source.health.resets != resets:
                return NoEntropy.DEVICE
            _ = await self.executor.signals(NEWS)

    def interrupted(self) -> None:
        self.settle(self.source.interrupted() is not None)

    def waited(self) -> None:
        self.settle(self.source.health.tick(self.source.asked))

    def settle(self, failed: bool) -> None:
        _ = settled(self, self.source.health, failed)
        self.executor.signal(NEWS)

    def restart(self) -> None:
        began(self.source.begin(self.pages.addresses[0], self.pages.addresses[1]))


def main(process: Process) -> None:
    server = Server(
        source=Source(
            transport=Transport(registers=registers()),
            queue=Queue(descriptors=descriptors(), rings=rings()),
            memory=data(2),
            address=0,
        ),
        patience=process.frequency * PATIENCE,
    )
    executor = server.executor
    must(executor.begin(process, entropy.slot, CALLS))
    attach(process, executor.notification, device, line)
    quieten(server.source.transport, RANDOM)
    server.pages.begin(process, space, memory)
    server.source.address = server.pages.addresses[2]
    server.restart()
    assert server.accepting.spawn(executor, accept(server)) is not None
    assert server.attending.spawn(executor, attend(server)) is not None
    process.ready()
    while True:
        must(executor.wait())
        server.accepting.run(executor)
        server.attending.run(executor)
        server.answering.run(executor)
