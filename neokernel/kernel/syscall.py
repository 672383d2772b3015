"""The way into the kernel and out of it: system calls off the fast path, faults, interrupts.

Each entry is given the thread that was running, with its registers stored (of a system call: the arguments, and `pc`
behind the `ecall`), and gives the registers of the thread that goes on.
"""

from neokernel.abi.call import (
    NEVER,
    NOW,
    Call,
    capabilities_of,
    failure,
    label_of,
)
from neokernel.abi.fault import Fault
from neokernel.abi.operations import Operation, Stop, operation_of
from neokernel.abi.rights import RECEIVE
from neokernel.abi.status import INVOKED, REPLY, WORD, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.arch.riscv64.registers import Registers
from neokernel.kernel import captable, dma, endpoint, interrupt, memory, notification, platform, processor, space, timer
from neokernel.kernel import thread as threads
from neokernel.kernel import trace as traces
from neokernel.kernel.fast import wake_driver
from neokernel.kernel.fault import miss_time, raise_fault
from neokernel.kernel.notification import go_on as resume
from neokernel.kernel.objects import (
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Frame,
    Hart,
    Interrupt,
    Memory,
    PageTable,
    Platform,
    Processor,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
    Trace,
    runs,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED, BLOCKED, answer, fail, give_answer
from neokernel.kernel.reply import attach, detach, end_dispatch, lose_time, withdraw
from neokernel.kernel.schedule import (
    begin_slice,
    charge,
    choose,
    idle,
    is_due,
    make_ready,
    priority_of,
    program,
    rotate,
    take_off,
    wait_for_refill,
)
from neokernel.kernel.slot import find, refuse, refuse_operation
from neokernel.kernel.tracing import record, record_switch
from neokernel.lang import Order, cold, inline, loop_bound, requires, u8, u64, wrapping_sub

#: steps of a call, or of the timer wheel; each is bounded, with a look at the interrupts: together they needn't be
STEPS = 1 << 62

# --- system calls -----------------------------------------------------------------------------------------------------


def system_call(thread: Thread) -> Registers:
    """An `ecall` that the fast path didn't take."""
    requires(runs(thread))
    hart = thread.hart
    registers = thread.registers
    number = registers.a7
    if number > u64(Call.TRY_SEND.value):
        registers.pc = wrapping_sub(registers.pc, 4)
        report_call(hart, thread)
        return leave(hart, thread)
    conclude(hart, thread, perform(hart, thread, Call(u8(number))))
    return leave(hart, thread)


def invocation(thread: Thread) -> Registers:
    """The same for a CALL on a kernel object, as the fast path knows. Nobody records it."""
    requires(runs(thread) and thread.registers.a0 < len(thread.slots))
    hart = thread.hart
    slot = thread.slots[thread.registers.a0]
    conclude(hart, thread, invoke(hart, thread, slot))
    return leave(hart, thread)


@inline
def conclude(hart: Hart, thread: Thread, outcome: u64) -> None:
    """Leave the outcome in the thread's registers, if it is an answer that isn't there already."""
    if outcome == 0:
        give_answer(thread, 0, 0)
    elif outcome in (ANSWERED, BLOCKED):
        return
    elif outcome == AGAIN:
        go_on(hart, thread)
    else:
        fail(thread, outcome)


@cold
def go_on(hart: Hart, thread: Thread) -> None:
    """A step of the call is done: do the others, until something more important is to be done. A message begins anew.

    Then the thread will enter the call again, whose progress is in objects and in its arguments.
    """
    registers = thread.registers
    while registers.a7 == u64(Call.CALL.value) and hart.current is thread and not cpu.interrupt_pending(hart.cpu):
        loop_bound(STEPS)
        slot = find(thread.slots, registers.a0)
        if slot is not None and isinstance(slot.object, Endpoint):
            break
        outcome = failure(Status.NO_CAPABILITY, INVOKED) if slot is None else invoke(hart, thread, slot)
        if outcome != AGAIN:
            if outcome == 0:
                give_answer(thread, 0, 0)
            elif outcome > ANSWERED:
                fail(thread, outcome)
            return
    registers.pc = wrapping_sub(registers.pc, 4)
    registers.full = 1


def report_call(hart: Hart, thread: Thread) -> None:
    """An `ecall` that is the handler's business; `pc` is at it."""
    requires(thread.state is State.RUNNABLE)
    registers = thread.registers
    raise_fault(hart, thread, Fault.SYSTEM_CALL, registers.a7, registers.pc, registers.a0, registers.a1)


def perform(hart: Hart, thread: Thread, number: Call) -> u64:
    """The outcome of a system call (`outcome.py`)."""
    requires(runs(thread))
    registers = thread.registers
    if number is Call.YIELD:
        return give_way(hart, thread)
    if number is Call.REPLY:
        return reply(hart, thread)
    slot = find(thread.slots, registers.a0)
    if slot is None:
        return failure(Status.NO_CAPABILITY, INVOKED)
    match number:
        case Call.CALL:
            if isinstance(slot.object, Endpoint):
                return endpoint.send(hart, thread, slot, True, True)
            return invoke(hart, thread, slot)
        case Call.REPLY_RECEIVE:
            return receive(hart, thread, slot, True, NEVER)
        case Call.SEND:
            return endpoint.send(hart, thread, slot, False, True)
        case Call.TRY_SEND:
            return endpoint.send(hart, thread, slot, False, False)
        case Call.RECEIVE:
            return receive(hart, thread, slot, False, registers.a2)
        case Call.WAIT:
            return notification.wait(hart, thread, slot, registers.a2)
        case _:
            return notification.signal_call(hart, slot)


def receive(hart: Hart, thread: Thread, slot: Slot, answering: bool, deadline: u64) -> u64:
    """RECEIVE and REPLY_RECEIVE."""
    requires(runs(thread))
    requires(not answering or deadline == NEVER)
    target = slot.object
    if not isinstance(target, Endpoint):
        return refuse(INVOKED)
    if slot.rights & RECEIVE == 0:
        return failure(Status.MISSING_RIGHT, INVOKED)
    reply_object: Reply | None = None
    index = thread.registers.a6
    if index != 0:
        given = find(thread.slots, index)
        if given is None:
            return failure(Status.NO_CAPABILITY, REPLY)
        found = given.object
        if not isinstance(found, Reply):
            return refuse(REPLY)
        server = found.server
        if server is not None and server is not thread:
            return failure(Status.OCCUPIED, REPLY)
        reply_object = found
    return endpoint.receive(hart, thread, target, reply_object, deadline, answering)


def reply(hart: Hart, thread: Thread) -> u64:
    """REPLY."""
    requires(runs(thread))
    named = find(thread.slots, thread.registers.a6)
    if named is None:
        return failure(Status.NO_CAPABILITY, REPLY)
    found = named.object
    if not isinstance(found, Reply):
        return failure(Status.WRONG_KIND, REPLY)
    return endpoint.respond(hart, thread, found)


def give_way(hart: Hart, thread: Thread) -> u64:
    """YIELD."""
    requires(runs(thread))
    if thread.dispatcher is not None:
        end_dispatch(hart, thread, Stop.YIELDED)
    else:
        rotate(hart, thread)
    return 0


def invoke(hart: Hart, thread: Thread, slot: Slot) -> u64:
    """A call on the capability of a kernel object: one of its operations."""
    requires(runs(thread))
    word = thread.registers.a1
    operation = operation_of(label_of(word))
    if operation is None:
        return failure(Status.UNKNOWN_OPERATION, WORD)
    given: Slot | None = None
    if endpoint.needs_buffer(word):
        # A capability, or more words than any operation looks at.
        refused = endpoint.malformed(thread, word)
        if refused != 0:
            return refused
        buffer = thread.buffer
        if capabilities_of(word) != 0 and buffer is not None:
            given = find(thread.slots, u64(buffer.capabilities[0].load(Order.RELAXED)))
    return operate(hart, thread, slot, operation, given)


@cold
def operate(hart: Hart, thread: Thread, slot: Slot, operation: Operation, given: Slot | None) -> u64:
    """The operation, by the kind of object."""
    requires(runs(thread) and (given is None or given.object is not None))
    thing = slot.object
    match thing:
        case Memory():
            return memory.invoke(hart, thread, slot, operation, thing)
        case CapTable():
            return captable.invoke(hart, thread, slot, operation, given, thing)
        case AddressSpace():
            return space.invoke(hart, thread, slot, operation, given, thing)
        case Frame() | PageTable():
            return space.invoke_mapped(hart, slot, operation)
        case Thread():
            return threads.invoke(hart, thread, slot, operation, given, thing)
        case SchedContext():
            return processor.inspect_context(hart, thread, operation, thing)
        case Interrupt():
            return interrupt.invoke(hart, slot, operation, given, thing)
        case DmaSpace():
            return dma.invoke(thread, slot, operation, given, thing)
        case Trace():
            return traces.invoke(hart, thread, slot, operation, thing)
        case Processor():
            return processor.invoke(hart, thread, slot, operation, given)
        case Platform():
            return platform.invoke(hart, thread, slot, operation)
        case _:
            return refuse_operation()


# --- faults and interrupts --------------------------------------------------------------------------------------------

#: scause (privileged specification, table 12.3)
INTERRUPT_BIT = 1 << 63
TIMER = 5
EXTERNAL = 9
ILLEGAL = 2
ECALL = 8


def trap(thread: Thread, cause: u64, value: u64) -> Registers:
    """Everything else that ends user mode; all registers are stored."""
    requires(runs(thread))
    hart = thread.hart
    if cause == INTERRUPT_BIT | EXTERNAL:
        line = interrupt.claim(hart)
        driver = wake_driver(hart, thread, line)
        if driver is not None:
            return driver.registers
        interrupt.serve(hart, line)
    elif cause == INTERRUPT_BIT | TIMER:
        serve_next(hart)
    elif cause == ILLEGAL and threads.use_floats(hart, thread):
        pass
    elif cause == ECALL:
        report_call(hart, thread)
    else:
        where = thread.registers.pc
        raise_fault(hart, thread, fault_of(cause), value, where, access_of(cause), 0)
    return leave(hart, thread)


def fault_of(cause: u64) -> Fault:
    match cause:
        case 12 | 13 | 15:
            return Fault.PAGE
        case 2:
            return Fault.ILLEGAL_INSTRUCTION
        case 3:
            return Fault.BREAKPOINT
        case 0 | 4 | 6:
            return Fault.MISALIGNED
        case _:
            return Fault.BUS


def access_of(cause: u64) -> u64:
    """0 read, 1 write, 2 execute."""
    match cause:
        case 6 | 7 | 15:
            return 1
        case 0 | 1 | 12:
            return 2
        case _:
            return 0


def serve_next(hart: Hart) -> None:
    """A device, if one wants something, or else the timer: many timers may come due together.

    That is the order of the privileged specification (4.1.3), but not of all processors, QEMU's among them: they
    report the timer while a device waits, too.
    """
    if cpu.line_pending(hart.cpu):
        interrupt.serve(hart, interrupt.claim(hart))
    else:
        tick(hart)


def tick(hart: Hart) -> None:
    """The timer has come: waits end, budgets come back; or the active one is used up. What else is due comes next.

    The timer stays pending then: nobody computes in between, though who is more important may be chosen already.
    """
    if hart.trace_mask != 0:
        record(hart, Event.INTERRUPT, 0, 0)
    now = charge(hart)
    active = hart.active
    if hart.wheel.earliest <= now:
        expire(hart, now)
    elif active is not None and now >= hart.budget_end:
        end_budget(hart, active, now)
    program(hart)


def expire(hart: Hart, now: u64) -> None:
    """All timers that have expired, in the order of their times; until a device wants something."""
    while hart.wheel.earliest <= now and not cpu.line_pending(hart.cpu):
        loop_bound(STEPS)
        expired = timer.take_expired(hart.wheel, now)
        if expired is not None:
            match expired.owner:
                case Thread() as thread:
                    time_out(hart, thread)
                case SchedContext() as context:
                    refill(hart, context, now)
                case None:
                    pass


def time_out(hart: Hart, thread: Thread) -> None:
    """A thread has waited long enough; or it waits for nothing but time."""
    match thread.state:
        case State.DISPATCHING:
            stop_dispatching(hart, thread)
        case State.RUNNABLE:
            miss_time(hart, thread)
        case _:
            threads.cancel(hart, thread, failure(Status.TIMED_OUT, 2))


def stop_dispatching(hart: Hart, thread: Thread) -> None:
    """The scheduler's deadline has come: it gets its context back, wherever that is.

    The held thread may have lent it on: then the calls forget it, one a step, and who serves the last loses its time.
    """
    requires(thread.state is State.DISPATCHING)
    context = thread.home
    held = thread.dispatched
    if context is not None and context.top is not None:
        withdraw(hart, context)
        timer.insert(hart.wheel, thread.timer, NOW)
        return
    if held is not None and held.context is not None:
        end_dispatch(hart, held, Stop.EXHAUSTED)
        return
    if held is not None:
        held.dispatcher = None
    _ = answer(thread, 0, u64(Stop.EXHAUSTED.value), 0, 0, 0)
    if context is None:
        resume(hart, thread)
        return
    borrower = context.thread
    detach(hart, context)
    thread.state = State.RUNNABLE
    attach(hart, context, thread)
    if borrower is not None:
        lose_time(hart, borrower, context)


def refill(hart: Hart, context: SchedContext, now: u64) -> None:
    """A context's budget has come back."""
    context.empty = False
    thread = context.thread
    if thread is not None and thread.state is State.RUNNABLE and not thread.ready and hart.current is not thread:
        make_ready(hart, thread)


def end_budget(hart: Hart, context: SchedContext, now: u64) -> None:
    """The active context's budget, or slice, is over. Its thread is current, or was until just now."""
    thread = context.thread
    hart.active = None
    if context.slice:
        begin_slice(context)
    if thread is None or thread.state is not State.RUNNABLE:
        return
    if is_due(context, now):
        rotate(hart, thread)
    elif thread.dispatcher is not None:
        end_dispatch(hart, thread, Stop.EXHAUSTED)
    else:
        take_off(hart, thread)
        wait_for_refill(hart, context)
        if context.home is not thread:
            # Somebody else's time, used up here: the server's handler decides.
            raise_fault(hart, thread, Fault.BUDGET, context.identifier, thread.registers.pc, 0, 0)


# --- out of the kernel ------------------------------------------------------------------------------------------------


@inline
def leave(hart: Hart, thread: Thread) -> Registers:
    """Who goes on: this thread, if nothing has changed."""
    context = thread.context
    if hart.current is thread and context is not None and hart.attention == 0:
        if hart.active is context and hart.best <= priority_of(thread, context) + 1 and thread.space.translation != 0:
            return thread.registers
    return leave_for_another(hart, thread)


def leave_for_another(hart: Hart, thread: Thread) -> Registers:
    """Who goes on: the best ready thread; if there is none, wait for an interrupt."""
    if thread.dispatcher is not None and thread.state is not State.RUNNABLE and thread.context is not None:
        end_dispatch(hart, thread, Stop.FAULTED if thread.faulted else Stop.BLOCKED)
    chosen = choose(hart)
    if chosen is None:
        idle(hart)
        while chosen is None:
            loop_bound(STEPS)
            cpu.wait_for_interrupt(hart.cpu)
            if cpu.has_ended(hart.cpu):
                return thread.registers
            serve_next(hart)
            chosen = choose(hart)
    if hart.trace_mask != 0:
        record_switch(hart, chosen)
    return chosen.registers
