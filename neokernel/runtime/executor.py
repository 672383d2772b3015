"""An executor: runs coroutines as tasks, each when what it waits for is there, and lets the thread sleep when none is.

    @struct
    class Server:
        executor: Embedded[Executor] = Executor()
        clients: Embedded[Group] = Group(frames=tasks(serve, 64), tasks=array(64))

    must(server.executor.begin(process, endpoint, 64))
    _ = server.clients.spawn(server.executor, serve(server, 3))
    while True:
        must(server.executor.wait())
        server.clients.run(server.executor)

A `Group` has room for as many coroutines of one `async def` as it has frames. There is no other memory: what tasks wait
in are lists through themselves. A program has an executor for each thread, and as many groups as it has kinds of tasks;
it runs them itself, in the order that it likes.

To wait, a task awaits a method of the executor (`sleep_until`, `signals`, `request`, `turn`), or `slots` of a ring.
Whenever a task is resumed, it looks whether it has what it wanted; if not, it says again what it waits for. So what
waits for several things at once (`select`, `timeout`, `gather`) needs nothing of its own, and what has been cancelled
waits for nothing. A task may be resumed without need.

The thread needs time of its own (a SchedContext): on its callers' time there are no deadlines.

When another version is to take over (HAND_OVER), no more requests are received: they wait for whoever comes next. Those
that are worked on are answered first, and then the process hands over; other tasks end with it. So what is to outlive
it is in order whenever an answer is given. If that takes longer than the supervisor waits, it goes on as before.

Invariants: `ready` is the number of tasks in the groups' queues; the thread sleeps only while it is 0. There is at most
one request in `inbox`, and none is received while nobody waits for one, or while `leaving` isn't None.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

from neokernel.abi.call import NEVER, NOW, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.status import REPLY, Status
from neokernel.lang import (
    Array,
    Coroutine,
    Embedded,
    Handle,
    Tasks,
    array,
    cancel,
    pause,
    result_of,
    resume,
    start,
    struct,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
)
from neokernel.runtime import system
from neokernel.runtime.interface import REFUSED, Answer, handed_over
from neokernel.runtime.process import HAND_OVER, Process, current
from neokernel.runtime.ring import Broken, Ring
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.task import Queue, Task, Timers, Waiting

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")

#: requests that one executor has received and not answered
MAXIMUM_REQUESTS = 256


@value
class Request:
    """A message that has arrived. If it is a call, the caller waits for the answer, by the Reply of this index.

    Words beyond the fourth are in the thread's buffer until somebody else uses that. So a program whose requests have
    some runs the group that waits for requests before its others, and its task takes them before it awaits anything.
    """

    reply: u64
    message: Message


@struct
class Executor:
    """`begin` comes first."""

    #: the time of the last look at it, in ticks
    now: u64 = 0
    #: the task that is running
    current: Task | None = None
    ready: usize = 0
    #: signals that have arrived, and that nobody has taken
    signalled: u64 = 0
    inbox: Request | None = None
    timers: Embedded[Timers] = Timers()
    waiting: Embedded[Waiting] = Waiting()
    #: where requests arrive, 0 if none do
    endpoint: u64 = 0
    #: index of the notification that is bound to the thread: others get copies of it, with their signals as badges
    notification: u64 = 0
    #: Replies that hold nobody, and how many there are in all
    replies: Array[u64] = array(MAXIMUM_REQUESTS)
    free: usize = 0
    made: usize = 0
    #: the supervisor's request to hand over, and until when it waits
    leaving: Request | None = None
    patience: u64 = NEVER

    def begin(self, process: Process, endpoint: u64 = 0, requests: u64 = 0) -> Failure | None:
        """Make what the executor of this thread needs. It has at most so many requests at a time."""
        notification = process.make(Kind.NOTIFICATION)
        if isinstance(notification, Failure):
            return notification
        bound = system.bind(process.buffer, process.thread, Binding.NOTIFICATION, notification)
        if bound is not None:
            return bound
        self.notification = notification
        self.endpoint = endpoint
        for _ in range(min(requests, MAXIMUM_REQUESTS)):
            reply = process.make(Kind.REPLY)
            if isinstance(reply, Failure):
                return reply
            self.replies[self.free] = reply
            self.free += 1
        self.made = self.free
        self.now = system.now()
        return None

    # --- what tasks wait for ------------------------------------------------------------------------------------------

    async def sleep_until(self, time: u64) -> None:
        """In ticks, as `now`."""
        while self.now < time:
            self.until(time)
            await pause()

    async def signals(self, mask: u64) -> u64:
        """Take those of `mask` that have arrived, wait for one."""
        while self.signalled & mask == 0:
            self.watch(mask)
            await pause()
        found = self.signalled & mask
        self.signalled &= ~found
        return found

    async def request(self) -> Request:
        """The next message that arrives at the endpoint."""
        while True:
            found = self.inbox
            if found is not None:
                self.inbox = None
                return found
            self.running().listens = True
            await pause()

    async def turn(self) -> None:
        """Let all others go on that can."""
        self.wake(self.running())
        await pause()

    def until(self, time: u64) -> None:
        """The running task is to be resumed at that time, if not before."""
        task = self.running()
        task.deadline = min(task.deadline, time)

    def after(self, milliseconds: u64) -> u64:
        """The time so many milliseconds after `now`, in ticks: for `sleep_until`, `timeout` and other deadlines."""
        return self.now + milliseconds * current().frequency // 1_000

    def watch(self, mask: u64) -> None:
        """The running task is to be resumed when one of these signals arrives, if not before."""
        self.running().signals |= mask

    def running(self) -> Task:
        task = self.current
        assert task is not None, "only a task can wait: it is started by `spawn`"
        return task

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, request: Request, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Failure | None:
        """Answer a request, once. If the caller can't take the answer, it gets one that says so."""
        failure = system.reply(request.reply, word, w0, w1, w2, w3)
        if failure is not None:
            _ = system.reply(request.reply, refusal(failure.status))
        self.replies[self.free] = request.reply
        self.free += 1
        return failure

    # --- the loop -----------------------------------------------------------------------------------------------------

    def wait(self) -> Failure | None:
        """Let the thread sleep until a task can go on; if some can, only look what has arrived. One system call."""
        self.look()
        if self.leaving is not None:
            self.leave_if_done()
        deadline: u64 = NOW if self.ready > 0 else min(self.timers.soonest(), self.patience)
        failure: Failure | None = None
        receives = self.endpoint != 0 and self.leaving is None
        if receives and self.free > 0 and self.inbox is None and self.waiting.listener() is not None:
            reply = self.replies[self.free - 1]
            arrived = system.receive(self.endpoint, reply, deadline)
            if isinstance(arrived, Failure):
                failure = arrived
            elif arrived.is_signals():
                self.signal(arrived.badge)
            else:
                self.free -= 1
                if arrived.badge == 0 and arrived.label() == HAND_OVER and not arrived.is_fault():
                    self.leaving = Request(reply, arrived)
                    self.patience = arrived.w0 if arrived.length() > 0 else NEVER
                    self.leave_if_done()
                else:
                    self.deliver(Request(reply, arrived))
        else:
            signals = system.wait(self.notification, deadline)
            if isinstance(signals, Failure):
                failure = signals
            else:
                self.signal(signals)
        self.look()
        return None if failure is not None and failure.status is Status.TIMED_OUT else failure

    def leave_if_done(self) -> None:
        """If another version is to take over: hand over if nothing else is owed, go on if that takes too long."""
        request = self.leaving
        if request is None or (self.free + 1 < self.made and self.now < self.patience):
            return
        if self.free + 1 == self.made:
            # If it returns, nobody waits for it any more.
            current().hand_over(request.reply)
        self.leaving, self.patience = None, NEVER
        _ = self.answer(request, refusal(Status.CANCELLED))

    def look(self) -> None:
        """Look at the clock: those whose time has come can go on."""
        self.now = system.now()
        while True:
            task = self.timers.root
            if task is None or task.filed > self.now:
                break
            self.timers.remove(task)
            self.wake(task)
        # Who was to have the request may have ended since.
        listener = self.waiting.listener()
        if self.inbox is not None and listener is not None:
            self.wake(listener)

    def signal(self, bits: u64) -> None:
        """Signals have arrived; or tasks tell one another."""
        self.signalled |= bits
        task = self.waiting.first
        while task is not None:
            if task.signals & bits != 0:
                self.wake(task)
            task = task.after

    def deliver(self, request: Request) -> None:
        """A message has arrived: who has waited longest can go on."""
        self.inbox = request
        listener = self.waiting.listener()
        if listener is not None:
            self.wake(listener)

    def wake(self, task: Task) -> None:
        """The task can go on."""
        queue = task.queue
        if not task.ready and queue is not None:
            queue.add(task)
            self.ready += 1

    def enter(self, task: Task) -> None:
        """The task is resumed now."""
        task.forget()
        self.current = task

    def leave(self, task: Task) -> None:
        """It has paused or ended: let it stand where it said that it waits."""
        self.current = None
        if task.filed != task.deadline:
            if task.filed != NEVER:
                self.timers.remove(task)
            if task.deadline != NEVER:
                self.timers.add(task, task.deadline)
        waits = task.signals != 0 or task.listens
        if waits and not task.waits:
            self.waiting.add(task)
        elif task.waits and not waits:
            self.waiting.remove(task)


@struct
class Group:
    """Tasks of one coroutine: `Group(frames=tasks(serve, 64), tasks=array(64))`."""

    frames: Tasks
    tasks: Array[Embedded[Task]]
    queue: Embedded[Queue] = Queue()
    #: tasks that have had a coroutine; the first of those that have none any more; how many have one
    used: usize = 0
    free: Task | None = None
    living: usize = 0

    def __len__(self) -> usize:
        """How many tasks there is room for."""
        return len(self.tasks)

    def spawn(self, executor: Executor, work: Coroutine[None]) -> Handle[Task] | None:
        """Start a task, which begins when the group is next run; None if there is no room for it."""
        task = self.claim()
        if task is None:
            return None
        start(self.frames[task.index], work)
        executor.wake(task)
        return Handle(u32(task.index), task.generation)

    def spawn_now(self, executor: Executor, work: Coroutine[None]) -> Handle[Task] | None:
        """The same, and let it go on at once until it waits: so it can take what is in the thread's buffer.

        Tasks of the group itself can't: they would run within one another.
        """
        task = self.claim()
        if task is None:
            return None
        start(self.frames[task.index], work)
        handle: Handle[Task] = Handle(u32(task.index), task.generation)
        running = executor.current
        self.go_on(executor, task)
        executor.current = running
        return handle

    def claim(self) -> Task | None:
        """A task that has no coroutine, for one that is started now."""
        assert len(self.frames) == len(self.tasks), "a group has as many tasks as frames"
        task = self.free
        if task is not None:
            self.free = task.free
        elif self.used < len(self.tasks):
            task = self.tasks[self.used]
            task.index, task.queue = self.used, self.queue
            self.used += 1
        else:
            return None
        task.generation = wrapping_add(task.generation, 1)
        self.living += 1
        return task

    def __contains__(self, handle: Handle[Task]) -> bool:
        """Is it still running?"""
        if handle.generation % 2 == 0 or usize(handle.index) >= self.used:
            return False
        return self.tasks[usize(handle.index)].generation == handle.generation

    def cancel(self, executor: Executor, handle: Handle[Task]) -> bool:
        """End a task where it waits; False if it has ended. A task can't cancel itself: it returns."""
        if handle not in self:
            return False
        task = self.tasks[usize(handle.index)]
        cancel(self.frames[task.index])
        task.forget()
        self.end(executor, task)
        return True

    def run(self, executor: Executor) -> None:
        """Let all go on that can, once."""
        for _ in range(self.queue.length):
            task = self.queue.take()
            if task is None:
                break
            executor.ready -= 1
            if task.lives():
                self.go_on(executor, task)

    def go_on(self, executor: Executor, task: Task) -> None:
        """Let a task go on until it waits or ends."""
        executor.enter(task)
        ended = resume(self.frames[task.index])
        if ended:
            task.forget()
            self.end(executor, task)
        else:
            executor.leave(task)

    def end(self, executor: Executor, task: Task) -> None:
        """The task's coroutine has ended."""
        running = executor.current
        executor.leave(task)
        if running is not task:
            executor.current = running
        task.generation = wrapping_add(task.generation, 1)
        task.free = self.free
        self.free = task
        self.living -= 1


@struct
class Lock:
    """One task at a time is in a block `async with lock:`, and may wait there.

    `signal`: one of the executor's signals that is used for nothing else.
    """

    executor: Executor
    signal: u64
    held: bool = False

    async def __aenter__(self) -> None:
        while self.held:
            _ = await self.executor.signals(self.signal)
        self.held = True

    async def __aexit__(self, *_: object) -> None:
        self.held = False
        self.executor.signal(self.signal)


# --- several at once --------------------------------------------------------------------------------------------------


class Expired(Enum):
    """The time was over before."""

    DEADLINE = 0


@value
class First(Generic[A]):
    """The first one has ended, with this result."""

    result: A


@value
class Second(Generic[B]):
    """The second one has."""

    result: B


async def timeout(executor: Executor, time: u64, work: Coroutine[A]) -> A | Expired:
    """The result of `work`, unless it takes longer than until `time`: then it is cancelled."""
    while not resume(work):
        if executor.now >= time:
            return Expired.DEADLINE
        executor.until(time)
        await pause()
    return result_of(work)


async def select(first: Coroutine[A], second: Coroutine[B]) -> First[A] | Second[B]:
    """Run both until one has ended, and cancel the other one."""
    while not resume(first):
        if resume(second):
            return Second(result_of(second))
        await pause()
    return First(result_of(first))


async def gather(first: Coroutine[A], second: Coroutine[B]) -> tuple[A, B]:
    """Run both to their ends."""
    while True:
        one = resume(first)
        if resume(second) and one:
            return result_of(first), result_of(second)
        await pause()


async def slots(executor: Executor, ring: Ring[M], wanted: u32, signals: u64) -> u32 | Broken:
    """Wait until so many slots of the ring are this end's: how many are. The peer notifies by one of these signals."""
    while True:
        executor.signalled &= ~signals
        found = ring.available(wanted)
        if isinstance(found, Broken) or found >= wanted:
            return found
        sleeps = ring.may_sleep(wanted)
        if isinstance(sleeps, Broken):
            return sleeps
        if sleeps:
            executor.watch(signals)
            await pause()


# --- requests ---------------------------------------------------------------------------------------------------------


def refusal(status: Status) -> u64:
    """The word of an answer that says no."""
    return message(REFUSED | u64(status.value) | REPLY << 8)


@struct
class Answering:
    """A request that is worked on: `with Answering(executor=executor, request=request) as call:`.

    A task that leaves the block, or is cancelled in it, without having answered, refuses the request.
    """

    executor: Executor
    request: Request
    answered: bool = False

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.answered:
            self.refuse()

    def refuse(self) -> None:
        _ = self.answer(refusal(Status.CANCELLED))

    def give(self, answer: Answer) -> Failure | None:
        """What the dispatcher of an interface says."""
        failure = self.answer(answer.word, answer.w0, answer.w1, answer.w2, answer.w3)
        if answer.moved != 0:
            # Its slot is free again, whether the caller has got it or nobody has.
            handed_over(current(), answer.moved)
        return failure

    def answer(self, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Failure | None:
        assert not self.answered, "a request is answered once"
        self.answered = True
        return self.executor.answer(self.request, word, w0, w1, w2, w3)
