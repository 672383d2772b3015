"""System calls: every call and operation of `neokernel/abi`, typed.

Capabilities are named by their indices in the caller's table. A call's arguments are in registers, so each function
here becomes the bare `ecall` where it is used. What needs the thread's buffer has it as first parameter: capabilities
that travel with a call are named in it, and capabilities that come back fill the empty slots that `into` names.

What can go wrong comes back as a `Failure`; the comments of `abi/operations.py` say what each operation does.
"""

from __future__ import annotations

from neokernel.abi.buffer import Buffer
from neokernel.abi.call import (
    FAULT_BIT,
    NEVER,
    NOW,
    REGISTER_WORDS,
    SIGNALS_BIT,
    Call,
    argument_of,
    capabilities_of,
    label_of,
    length_of,
    message,
    status_of,
)
from neokernel.abi.fault import Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, Stop
from neokernel.abi.status import Status
from neokernel.lang import Order, Span, asm, u8, u16, u32, u64, unsafe, usize, value

unsafe("it enters the kernel, which checks all that it is given; a call changes no memory but the thread's buffer")

#: registers of the machine that a thread's state consists of: pc, ra, sp, … t6
THREAD_REGISTERS = 32
#: bytes that one CONSOLE_WRITE takes
CONSOLE_BYTES = 24


@value
class Failure:
    """Nothing happened, because of that argument: see `abi/status.py`."""

    status: Status
    argument: u64


@value
class Message:
    """What a call brought. Words beyond the fourth, and `arrived`, are in the buffer."""

    badge: u64
    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64

    def label(self) -> u64:
        return label_of(self.word)

    def length(self) -> u64:
        return length_of(self.word)

    def capabilities(self) -> u64:
        return capabilities_of(self.word)

    def is_fault(self) -> bool:
        """The kernel reports a fault: the label is a number of `Fault`."""
        return self.word & FAULT_BIT != 0

    def is_signals(self) -> bool:
        """The bound notification was signalled: its word is the badge."""
        return self.word & SIGNALS_BIT != 0


def checked(message: Message) -> Message | Failure:
    """What a call brought, or how it failed: then the other words mean nothing."""
    status = status_of(message.word)
    return message if status == 0 else Failure(Status(u8(status)), argument_of(message.word))


def failure_of(made: Message | Failure) -> Failure | None:
    """The failure of a call that brings nothing else."""
    return made if isinstance(made, Failure) else None


# --- calls ------------------------------------------------------------------------------------------------------------


def enter(call: Call, capability: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Message:
    """A system call without a Reply: the registers of `abi/call.py`, as they come back."""
    badge, answer, r0, r1, r2, r3 = asm(
        "ecall",
        u64(call.value),
        capability,
        word,
        w0,
        w1,
        w2,
        w3,
        inputs="a7 a0 a1 a2 a3 a4 a5",
        results="a0 a1 a2 a3 a4 a5",
        clobbers="a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory",
    )
    return Message(badge, answer, r0, r1, r2, r3)


def enter_with(
    reply: u64, call: Call, capability: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0
) -> Message:
    """A system call that uses the Reply."""
    badge, answer, r0, r1, r2, r3 = asm(
        "ecall",
        u64(call.value),
        capability,
        word,
        w0,
        w1,
        w2,
        w3,
        reply,
        inputs="a7 a0 a1 a2 a3 a4 a5 a6",
        results="a0 a1 a2 a3 a4 a5",
        clobbers="a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory",
    )
    return Message(badge, answer, r0, r1, r2, r3)


def call(endpoint: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Message | Failure:
    """Send a message, wait for its reply."""
    return checked(enter(Call.CALL, endpoint, word, w0, w1, w2, w3))


def reply_receive(
    endpoint: u64, reply: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0
) -> Message | Failure:
    """Answer the caller whom `reply` holds, then wait for the next message."""
    return checked(enter_with(reply, Call.REPLY_RECEIVE, endpoint, word, w0, w1, w2, w3))


def send(endpoint: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Failure | None:
    """Wait until somebody takes the message."""
    return failure_of(checked(enter(Call.SEND, endpoint, word, w0, w1, w2, w3)))


def try_send(endpoint: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Failure | None:
    """Hand the message over if somebody waits for it; TIMED_OUT otherwise."""
    return failure_of(checked(enter(Call.TRY_SEND, endpoint, word, w0, w1, w2, w3)))


def receive(endpoint: u64, reply: u64, deadline: u64 = NEVER) -> Message | Failure:
    """Wait for a message. If it is a call, `reply` holds the caller then."""
    return checked(enter_with(reply, Call.RECEIVE, endpoint, 0, deadline))


def reply(reply: u64, word: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0) -> Failure | None:
    """Answer the caller whom `reply` holds."""
    return failure_of(checked(enter_with(reply, Call.REPLY, 0, word, w0, w1, w2, w3)))


def wait(notification: u64, deadline: u64 = NEVER) -> u64 | Failure:
    """Take a notification's signals (of a counting one: one), wait for some."""
    made = checked(enter(Call.WAIT, notification, 0, deadline))
    return made if isinstance(made, Failure) else made.badge


def poll(notification: u64) -> u64 | Failure:
    """Take a notification's signals if there are some; TIMED_OUT otherwise."""
    return wait(notification, NOW)


def signal(notification: u64) -> Failure | None:
    return failure_of(checked(enter(Call.SIGNAL, notification, 0)))


def yield_() -> None:
    """Let others of the same priority run."""
    enter(Call.YIELD, 0, 0)


def now() -> u64:
    """The time, in ticks."""
    return asm("rdtime {result}", result=u64)


def instructions() -> u64:
    """How many instructions the processor has executed."""
    return asm("rdinstret {result}", result=u64)


# --- operations: in registers -----------------------------------------------------------------------------------------


def invoke(
    capability: u64,
    operation: Operation,
    length: u64,
    w0: u64 = 0,
    w1: u64 = 0,
    w2: u64 = 0,
    w3: u64 = 0,
    capabilities: u64 = 0,
) -> Message | Failure:
    """An operation of a kernel object, `length` words of arguments."""
    return checked(enter(Call.CALL, capability, message(u64(operation.value), length, capabilities), w0, w1, w2, w3))


def invoke_with(
    buffer: Buffer,
    travelling: u64,
    capability: u64,
    operation: Operation,
    length: u64,
    w0: u64 = 0,
    w1: u64 = 0,
    w2: u64 = 0,
    w3: u64 = 0,
) -> Message | Failure:
    """An operation with which one capability travels."""
    buffer.capabilities[0].store(u32(travelling), Order.RELAXED)
    return invoke(capability, operation, length, w0, w1, w2, w3, 1)


def window(buffer: Buffer, first: u64, size: u64) -> None:
    """Let capabilities that arrive go into the `size` slots from `first` on; they must be empty then."""
    buffer.window_first.store(u32(first), Order.RELAXED)
    buffer.window_size.store(u32(size), Order.RELAXED)


def arrived(buffer: Buffer, made: Message | Failure) -> Failure | None:
    """What an operation has put into the window has arrived: a message that comes later finds it closed."""
    buffer.window_size.store(0, Order.RELAXED)
    return failure_of(made)


# --- Memory -----------------------------------------------------------------------------------------------------------


def retype(buffer: Buffer, memory: u64, kind: Kind, size: u64, count: u64, into: u64) -> Failure | None:
    """Make `count` objects; their capabilities go into the slots from `into` on. What `size` means: `abi/kinds.py`."""
    window(buffer, into, count)
    return arrived(buffer, invoke(memory, Operation.RETYPE, 4, u64(kind.value), size, count, 0))


def clear(memory: u64, size: u64) -> Failure | None:
    return failure_of(invoke(memory, Operation.CLEAR, 1, size))


@value
class MemoryInfo:
    """In bytes; `cleared` of those that are `free`."""

    size: u64
    free: u64
    cleared: u64


def memory_info(memory: u64) -> MemoryInfo | Failure:
    made = invoke(memory, Operation.MEMORY_INFO, 0)
    return made if isinstance(made, Failure) else MemoryInfo(made.w0, made.w1, made.w2)


# --- CapTable ---------------------------------------------------------------------------------------------------------


def copy(buffer: Buffer, table: u64, index: u64, rights: u16, badge: u64, source: u64) -> Failure | None:
    """Derive from the slot `source` of the caller's table into slot `index` of `table`; `badge` 0 sets none."""
    return failure_of(invoke_with(buffer, source, table, Operation.COPY, 3, index, u64(rights), badge))


def move(buffer: Buffer, table: u64, index: u64, source: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, source, table, Operation.MOVE, 1, index))


def copy_out(buffer: Buffer, table: u64, index: u64, rights: u16, into: u64) -> Failure | None:
    window(buffer, into, 1)
    return arrived(buffer, invoke(table, Operation.COPY_OUT, 2, index, u64(rights)))


def move_out(buffer: Buffer, table: u64, index: u64, into: u64) -> Failure | None:
    window(buffer, into, 1)
    return arrived(buffer, invoke(table, Operation.MOVE_OUT, 1, index))


def delete(table: u64, index: u64) -> Failure | None:
    return failure_of(invoke(table, Operation.DELETE, 1, index))


def revoke(table: u64, index: u64) -> Failure | None:
    return failure_of(invoke(table, Operation.REVOKE, 1, index))


def cancel_senders(table: u64, index: u64, badge: u64) -> Failure | None:
    """End the waits of all who wait to send by the badge, at the Endpoint whose unbadged capability is in the slot."""
    return failure_of(invoke(table, Operation.CANCEL_SENDERS, 2, index, badge))


@value
class SlotInfo:
    """`kind` is a number of `Kind`, 0 for an empty slot; `depth`: how often it was derived."""

    kind: u64
    rights: u64
    badge: u64
    depth: u64


def inspect(table: u64, index: u64) -> SlotInfo | Failure:
    made = invoke(table, Operation.INSPECT, 1, index)
    return made if isinstance(made, Failure) else SlotInfo(made.w0, made.w1, made.w2, made.w3)


@value
class Denial:
    """`count`: how many calls of a table's threads were denied. What was asked for is 0 if it isn't kept any more."""

    count: u64
    #: `a0`, `a1`, and the failure, with the number of the call below it (`abi/denials.py`)
    capability: u64
    word: u64
    outcome: u64


def denial(table: u64, number: u64) -> Denial | Failure:
    made = invoke(table, Operation.DENIALS, 1, number)
    return made if isinstance(made, Failure) else Denial(made.w0, made.w1, made.w2, made.w3)


# --- AddressSpace, Frame, PageTable -----------------------------------------------------------------------------------


def map(buffer: Buffer, space: u64, address: u64, rights: u16, frame: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, frame, space, Operation.MAP, 2, address, u64(rights)))


def install(buffer: Buffer, space: u64, address: u64, level: u64, table: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, table, space, Operation.INSTALL, 2, address, level))


def unmap(frame: u64) -> Failure | None:
    return failure_of(invoke(frame, Operation.UNMAP, 0))


def uninstall(table: u64) -> Failure | None:
    return failure_of(invoke(table, Operation.UNINSTALL, 0))


# --- Thread -----------------------------------------------------------------------------------------------------------


def bind(buffer: Buffer, thread: u64, binding: Binding, bound: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, bound, thread, Operation.BIND, 1, u64(binding.value)))


def unbind(thread: u64, binding: Binding) -> Failure | None:
    return failure_of(invoke(thread, Operation.UNBIND, 1, u64(binding.value)))


def start(thread: u64, counter: u64, stack: u64, argument: u64, second: u64) -> Failure | None:
    """Start at the program counter `counter`, `argument` and `second` being its `a0` and `a1`."""
    return failure_of(invoke(thread, Operation.START, 4, counter, stack, argument, second))


def suspend(thread: u64) -> Failure | None:
    return failure_of(invoke(thread, Operation.SUSPEND, 0))


def resume(thread: u64) -> Failure | None:
    return failure_of(invoke(thread, Operation.RESUME, 0))


def read_registers(buffer: Buffer, thread: u64, registers: Span[u64]) -> Failure | None:
    """pc, ra, sp, … t6 of a thread, into the 32 words of `registers`."""
    made = invoke(thread, Operation.READ_REGISTERS, 0)
    if isinstance(made, Failure):
        return made
    registers[0], registers[1], registers[2], registers[3] = made.w0, made.w1, made.w2, made.w3
    for place in range(REGISTER_WORDS, THREAD_REGISTERS):
        registers[place] = buffer.words[place - REGISTER_WORDS]
    return None


def write_registers(buffer: Buffer, thread: u64, registers: Span[u64]) -> Failure | None:
    for place in range(REGISTER_WORDS, THREAD_REGISTERS):
        buffer.words[place - REGISTER_WORDS] = registers[place]
    return failure_of(
        invoke(
            thread,
            Operation.WRITE_REGISTERS,
            THREAD_REGISTERS,
            registers[0],
            registers[1],
            registers[2],
            registers[3],
        )
    )


def set_foreign(thread: u64, foreign: bool) -> Failure | None:
    """Whether every `ecall` of the thread is a fault."""
    return failure_of(invoke(thread, Operation.SET_FOREIGN, 1, 1 if foreign else 0))


def hold(buffer: Buffer, thread: u64, notification: u64) -> Failure | None:
    """Run the thread by `dispatch` only; the notification is signalled when it could run."""
    return failure_of(invoke_with(buffer, notification, thread, Operation.HOLD, 0))


def release(thread: u64) -> Failure | None:
    return failure_of(invoke(thread, Operation.RELEASE, 0))


def dispatch(thread: u64, deadline: u64 = NEVER) -> Stop | Failure:
    """Run a held thread on the caller's own time, until it stops."""
    made = invoke(thread, Operation.DISPATCH, 1, deadline)
    return made if isinstance(made, Failure) else Stop(u8(made.w0))


@value
class ThreadInfo:
    state: u64
    priority: u64
    identifier: u64


def thread_info(thread: u64) -> ThreadInfo | Failure:
    made = invoke(thread, Operation.THREAD_INFO, 0)
    return made if isinstance(made, Failure) else ThreadInfo(made.w0, made.w1, made.w2)


def resume_faulted(reply_index: u64, how: Resume, a0: u64 = 0, a1: u64 = 0) -> Failure | None:
    """Answer a fault report. SKIP: `a0` is where the thread goes on; of an `ecall`, `a0` and `a1` are its results."""
    return reply(reply_index, message(u64(how.value), 2), a0, a1)


# --- Processor and SchedContext ---------------------------------------------------------------------------------------


def configure(buffer: Buffer, processor: u64, priority: u64, budget: u64, period: u64, context: u64) -> Failure | None:
    """Give a context the right to `budget` ticks in each `period`."""
    return failure_of(invoke_with(buffer, context, processor, Operation.CONFIGURE, 3, priority, budget, period))


def set_floor(buffer: Buffer, processor: u64, floor: u64, thread: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, thread, processor, Operation.SET_FLOOR, 1, floor))


@value
class ProcessorInfo:
    """`frequency`: ticks in a second."""

    frequency: u64
    harts: u64


def processor_info(processor: u64) -> ProcessorInfo | Failure:
    made = invoke(processor, Operation.PROCESSOR_INFO, 0)
    return made if isinstance(made, Failure) else ProcessorInfo(made.w0, made.w1)


@value
class ContextInfo:
    """In ticks: used since it was made, and left now."""

    used: u64
    left: u64


def context_info(context: u64) -> ContextInfo | Failure:
    made = invoke(context, Operation.CONTEXT_INFO, 0)
    return made if isinstance(made, Failure) else ContextInfo(made.w0, made.w1)


# --- devices, trace, platform -----------------------------------------------------------------------------------------


def bind_interrupt(buffer: Buffer, interrupt: u64, notification: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, notification, interrupt, Operation.BIND_INTERRUPT, 0))


def unbind_interrupt(interrupt: u64) -> Failure | None:
    return failure_of(invoke(interrupt, Operation.UNBIND_INTERRUPT, 0))


def acknowledge(interrupt: u64) -> Failure | None:
    return failure_of(invoke(interrupt, Operation.ACKNOWLEDGE, 0))


def pin(buffer: Buffer, space: u64, frame: u64) -> u64 | Failure:
    """The physical address of a frame that a device may now reach."""
    made = invoke_with(buffer, frame, space, Operation.PIN, 0)
    return made if isinstance(made, Failure) else made.w0


def unpin(buffer: Buffer, space: u64, frame: u64) -> Failure | None:
    return failure_of(invoke_with(buffer, frame, space, Operation.UNPIN, 0))


def trace_start(trace: u64, mask: u64) -> Failure | None:
    return failure_of(invoke(trace, Operation.TRACE_START, 1, mask))


def trace_frame(buffer: Buffer, trace: u64, page: u64, into: u64) -> Failure | None:
    window(buffer, into, 1)
    return arrived(buffer, invoke(trace, Operation.TRACE_FRAME, 1, page))


def console_write(platform: u64, text: bytes) -> u64 | Failure:
    """At most 24 bytes, to the machine's console: how many it took."""
    words = (word_of(text, 0), word_of(text, 8), word_of(text, 16))
    made = invoke(platform, Operation.CONSOLE_WRITE, 4, len(text), words[0], words[1], words[2])
    return made if isinstance(made, Failure) else made.w0


def word_of(text: bytes, first: usize) -> u64:
    """Eight bytes of `text` from `first` on as a number, the first byte lowest; zeroes beyond the end."""
    word: u64 = 0
    if first < len(text):
        for place, byte in enumerate(text[first : min(first + 8, len(text))]):
            word |= u64(byte) << (8 * place)
    return word


def power_off(platform: u64, status: u64) -> Failure | None:
    """End the machine; gives a failure if that isn't allowed."""
    return failure_of(invoke(platform, Operation.POWER_OFF, 1, status))
