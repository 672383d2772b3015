"""A disk: the driver of a virtio-blk device as a process, which serves `BlockDevice`.

The device reads and writes what clients lend, by itself; the driver looks at none of it. Each call is a task, and has a
`Job`: a call for one request, or a batch for many. What is handed over to the device in one turn of the loop, it is
told of once.

A device that fails is reset, and what was in flight is LOST; if that happens too often, the driver ends, and init
decides. Nothing is kept between calls, so a new life has nothing to find again.
"""

from __future__ import annotations

from neokernel.drivers.process import SIGNALS, attach, attended, settled
from neokernel.drivers.virtio.block import BLOCK, REQUESTS, Block, Config
from neokernel.drivers.virtio.mmio import Transport
from neokernel.drivers.virtio.process import (
    CONFIG_REGISTERS,
    Pages,
    began,
    data,
    descriptors,
    quieten,
    registers,
    rings,
)
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.interfaces.block import ENTRY, MOST_ENTRIES, BlockDevice, BlockError, Geometry, Request, entry_of
from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Uses,
    array,
    object_at,
    pause,
    provides,
    struct,
    tasks,
    u32,
    u64,
    unsafe,
    uses,
    usize,
)
from neokernel.runtime.dma import Reach, pages_touched
from neokernel.runtime.executor import Answering, Executor, Group
from neokernel.runtime.executor import Request as Call
from neokernel.runtime.lend import Lent, borrowed
from neokernel.runtime.must import must
from neokernel.runtime.objects import Device, Dma, Interrupt, Memory
from neokernel.runtime.process import Process
from neokernel.runtime.task import Task

unsafe("the device's registers are where this process maps them")

device: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
#: for the device: three pages
space: Uses[Dma] = uses()
memory: Uses[Memory] = uses()
disk: Provides[BlockDevice] = provides()

#: calls at a time, whose tasks fit the stack; others wait in the kernel. A batch is one call
CALLS = 8
#: signal: a request has ended, so another one may have room
ROOM: u64 = 1 << SIGNALS
#: seconds that any request takes at most
PATIENCE = 20


async def accept(server: Server) -> None:
    while True:
        call = await server.executor.request()
        assert server.answering.spawn_now(server.executor, answer(server, call)) is not None


async def answer(server: Server, call: Call) -> None:
    with Answering(executor=server.executor, request=call) as answering:
        server.client = call.message.badge
        _ = answering.give(await disk.dispatch_later(server, call.message))


async def attend(server: Server) -> None:
    await attended(server, server.executor, line, server.patience // 4)


@struct
class Job:
    """A call: how many of its requests are still to end."""

    used: bool = False
    left: u32 = 0
    failed: u32 = 0
    result: BlockError | None = None
    #: of a batch: its entries, which get the results
    batch: Lent = Lent(0, 0)
    task: Task | None = None


@struct
class Server:
    block: Embedded[Block]
    #: ticks that any request takes at most
    patience: u64
    #: who has made the call that begins
    client: u64 = 0
    #: tasks that wait for room
    crowded: u32 = 0
    pages: Embedded[Pages] = Pages(addresses=array(3))
    reach: Embedded[Reach] = Reach()
    jobs: Array[Embedded[Job]] = array(CALLS)
    executor: Embedded[Executor] = Executor()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(answer, CALLS), tasks=array(CALLS))

    # --- BlockDevice --------------------------------------------------------------------------------------------------

    async def geometry(self) -> Geometry:
        return self.block.geometry()

    async def read(self, sector: u64, into: Lent) -> BlockError | None:
        return await self.one(Request.READ, sector, into.length, into)

    async def write(self, sector: u64, data: Lent) -> BlockError | None:
        return await self.one(Request.WRITE, sector, data.length, data)

    async def flush(self) -> BlockError | None:
        return await self.one(Request.FLUSH, 0, 0, Lent(0, 0))

    async def discard(self, sector: u64, sectors: u32) -> BlockError | None:
        return await self.one(Request.DISCARD, sector, u64(sectors) * 512, Lent(0, 0))

    async def write_zeroes(self, sector: u64, sectors: u32) -> BlockError | None:
        return await self.one(Request.WRITE_ZEROES, sector, u64(sectors) * 512, Lent(0, 0))

    async def run(self, batch: Lent) -> u32:
        client = self.client
        count = min(batch.length // ENTRY, MOST_ENTRIES)
        owner = self.claim()
        job = self.jobs[owner]
        job.batch = batch
        for number in range(count):
            # Each field is read once: the client can change them.
            entry = entry_of(batch, number)
            sector, length = entry.sector, entry.length
            kind = request_of(entry.kind)
            if kind is None:
                self.refuse(job, number, BlockError.UNSUPPORTED)
                continue
            part = self.part_of(kind, client, sector, entry.offset, length)
            if isinstance(part, BlockError):
                self.refuse(job, number, part)
            elif not self.block.needs_device(kind):
                entry.result = 0
            else:
                await self.room(part)
                self.begin_request(kind, sector, length, part, owner, number)
        await self.ended(job)
        job.used = False
        return job.failed

    def part_of(self, kind: Request, client: u64, sector: u64, offset: u64, length: u64) -> Lent | BlockError:
        """The memory of a batch's entry; none, of what has no data."""
        wrong = self.block.check(kind, sector, length)
        if wrong is not None:
            return wrong
        if kind is not Request.READ and kind is not Request.WRITE:
            return Lent(0, 0)
        found = borrowed(client, offset, length)
        return found if isinstance(found, Lent) else BlockError.RANGE

    def refuse(self, job: Job, number: usize, why: BlockError) -> None:
        entry_of(job.batch, number).result = 1 + u32(why.value)
        job.failed += 1

    # --- requests -----------------------------------------------------------------------------------------------------

    async def one(self, kind: Request, sector: u64, length: u64, part: Lent) -> BlockError | None:
        """A call for one request."""
        wrong = self.block.check(kind, sector, length)
        if wrong is not None or not self.block.needs_device(kind):
            return wrong
        owner = self.claim()
        await self.room(part)
        self.begin_request(kind, sector, length, part, owner, 0)
        job = self.jobs[owner]
        await self.ended(job)
        job.used = False
        return job.result

    def claim(self) -> usize:
        """A job for a call; there are as many as calls."""
        place: usize = 0
        while self.jobs[place].used:
            place += 1
        job = self.jobs[place]
        job.used, job.left, job.failed, job.result, job.task = True, 0, 0, None, None
        job.batch = Lent(0, 0)
        return place

    async def room(self, part: Lent) -> None:
        """Until a request for these data can be made."""
        while not self.block.has_room(pages_touched(part)):
            self.crowded += 1
            _ = await self.executor.signals(ROOM)
            self.crowded -= 1

    def begin_request(self, kind: Request, sector: u64, length: u64, part: Lent, owner: usize, place: usize) -> None:
        index = self.block.start(kind, sector, length, self.executor.now)
        done: usize = 0
        while done < part.length:
            run = self.reach.run(part, done, usize(self.block.segment_most))
            self.block.part(run.address, u32(run.length))
            done += run.length
        self.block.commit()
        pending = self.block.requests[usize(index)]
        pending.owner, pending.place = u32(owner), u32(place)
        self.jobs[owner].left += 1

    async def ended(self, job: Job) -> None:
        """Until all requests of the job have ended."""
        while job.left != 0:
            job.task = self.executor.running()
            await pause()
        job.task = None

    def end_request(self, index: u32) -> None:
        pending = self.block.requests[usize(index)]
        owner, place = usize(pending.owner), usize(pending.place)
        result = self.block.release(index)
        job = self.jobs[owner]
        job.left -= 1
        job.result = result
        if job.batch.length != 0:
            entry_of(job.batch, place).result = 0 if result is None else 1 + u32(result.value)
            if result is not None:
                job.failed += 1
        task = job.task
        if job.left == 0 and task is not None:
            self.executor.wake(task)
        if self.crowded != 0:
            self.executor.signal(ROOM)

    # --- the device ---------------------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        failed = self.block.interrupted() is not None
        while not failed:
            index = self.block.next_done()
            if index is None:
                break
            if isinstance(index, Broken):
                failed = True
            else:
                self.end_request(index)
        _ = settled(self, self.block.health, failed)

    def waited(self) -> None:
        _ = settled(self, self.block.health, self.block.is_late(self.executor.now, self.patience))

    def restart(self) -> None:
        began(self.block.transport.reset())
        self.block.abandon()
        self.begin()
        for index in range(REQUESTS):
            if self.block.is_done(index):
                self.end_request(u32(index))

    def begin(self) -> None:
        began(self.block.begin(self.pages.addresses[0], self.pages.addresses[1]))


def request_of(number: u32) -> Request | None:
    """The request with a number that a client wrote."""
    match number:
        case 0:
            return Request.READ
        case 1:
            return Request.WRITE
        case 2:
            return Request.FLUSH
        case 3:
            return Request.DISCARD
        case 4:
            return Request.WRITE_ZEROES
        case _:
            return None


def main(process: Process) -> None:
    server = Server(
        block=Block(
            transport=Transport(registers=registers()),
            queue=Queue(descriptors=descriptors(), rings=rings()),
            config=object_at(Config, CONFIG_REGISTERS),
            memory=data(2),
            address=0,
        ),
        patience=process.frequency * PATIENCE,
    )
    executor = server.executor
    must(executor.begin(process, disk.slot, CALLS))
    attach(process, executor.notification, device, line)
    quieten(server.block.transport, BLOCK)
    server.pages.begin(process, space, memory)
    must(server.reach.begin(process, space.slot))
    server.block.address = server.pages.addresses[2]
    server.begin()
    assert server.accepting.spawn(executor, accept(server)) is not None
    assert server.attending.spawn(executor, attend(server)) is not None
    process.ready()
    while True:
        must(executor.wait())
        server.accepting.run(executor)
        server.attending.run(executor)
        server.answering.run(executor)
        server.block.hand_over()
