"""Further threads of the own process. They start in the program's `thread(process, argument)`.

Each has a place of its own in the address space: a page for the buffer, one that isn't mapped, so that a stack that
runs over faults, and the stack, on whose top its `ThreadStart` lies.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import address_of, asm, object_at, size_of, u64, unsafe, value
from neokernel.runtime import system
from neokernel.runtime.process import Process, ThreadStart
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure

unsafe("a new thread's stack is at an address that nothing else has")

#: where the first further thread's place is, and how far apart they are
PLACES: u64 = 0x3D_0000_0000
PLACE_SIZE: u64 = 0x10_0000
STACK_PAGES = 16

#: what lies on top of the stack, aligned as a stack pointer must be
START_SIZE: u64 = (size_of(ThreadStart) + 15) // 16 * 16


def thread_entry() -> u64:
    """Where threads of this program begin: the build makes the symbol."""
    return asm("la {result}, nk_thread_start", result=u64)


@value
class NewThread:
    """Indices of a thread, its Floats, or 0, and the frame of its buffer; those of its stack follow."""

    thread: u64
    floats: u64
    buffer: u64
    #: of its place, from 0 on
    number: u64


def make_thread(process: Process, argument: u64, priority: u64, finished: u64 = 0) -> NewThread | Failure:
    """A thread that has no context yet, and so doesn't run: `start_thread` gives it one. It has `argument`.

    `priority` is that of the context that it will get; `finished` a notification that is signalled when it ends, or 0.
    """
    thread = process.make(Kind.THREAD)
    if isinstance(thread, Failure):
        return thread
    floats = process.make_floats(thread)
    if isinstance(floats, Failure):
        _ = process.drop(thread)
        return floats
    buffer = process.make(Kind.FRAME, 0, 1 + STACK_PAGES)
    if isinstance(buffer, Failure):
        _ = process.drop(thread)
        if floats != 0:
            _ = process.drop(floats)
        return buffer
    main = process.main()
    made = NewThread(thread, floats, buffer, main.stacks.fetch_add(1))
    failure = prepare(process, made, argument, priority, finished)
    if failure is None:
        return made
    drop_thread(process, made)
    return failure


def prepare(process: Process, made: NewThread, argument: u64, priority: u64, finished: u64) -> Failure | None:
    """Map a thread's buffer and stack at its place, and say how it begins."""
    place = PLACES + made.number * PLACE_SIZE
    failure = map_at(process, OWN_SPACE, process.memory, place, READ | WRITE, made.buffer)
    for page in range(u64(1), u64(1 + STACK_PAGES)):
        if failure is None:
            address = place + (page + 1) * PAGE_SIZE
            failure = map_at(process, OWN_SPACE, process.memory, address, READ | WRITE, made.buffer + page)
    if failure is not None:
        return failure
    top = place + (STACK_PAGES + 2) * PAGE_SIZE - START_SIZE
    start = object_at(ThreadStart, top)
    start.process = address_of(process.main())
    start.buffer = place
    start.thread = made.thread
    start.priority = priority
    start.finished = finished
    failure = bind_own(process, made.thread, made.buffer)
    return system.start(made.thread, thread_entry(), top, argument, top) if failure is None else failure


def drop_thread(process: Process, made: NewThread) -> None:
    """Take down a thread, with its buffer and its stack."""
    _ = process.drop(made.thread)
    if made.floats != 0:
        _ = process.drop(made.floats)
    for frame in range(made.buffer, made.buffer + 1 + STACK_PAGES):
        _ = process.drop(frame)
    main = process.main()
    # If another thread was placed behind it meanwhile, its place stays empty.
    _ = main.stacks.compare_exchange(made.number + 1, made.number)


def bind_own(process: Process, thread: u64, buffer: u64) -> Failure | None:
    """Give a thread the process's address space and table, a buffer, and who hears of the process's faults."""
    failure = system.bind(process.buffer, thread, Binding.SPACE, OWN_SPACE)
    if failure is None:
        failure = system.bind(process.buffer, thread, Binding.TABLE, OWN_TABLE)
    if failure is None:
        failure = system.bind(process.buffer, thread, Binding.BUFFER, buffer)
    if failure is None and process.supervisor != 0:
        failure = system.bind(process.buffer, thread, Binding.HANDLER, process.supervisor)
    return failure


def start_thread(process: Process, thread: u64, context: u64) -> Failure | None:
    """Let the thread run on `context`."""
    return system.bind(process.buffer, thread, Binding.CONTEXT, context)


def spawn(process: Process, argument: u64, priority: u64, budget: u64, period: u64, finished: u64 = 0) -> u64 | Failure:
    """A running thread with a context of its own, of `budget` ticks in each `period`: its index."""
    made = make_thread(process, argument, priority, finished)
    if isinstance(made, Failure):
        return made
    context = process.context(priority, budget, period)
    if isinstance(context, Failure):
        drop_thread(process, made)
        return context
    failure = start_thread(process, made.thread, context)
    if failure is None:
        return made.thread
    drop_thread(process, made)
    _ = process.drop(context)
    return failure
