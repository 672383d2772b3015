"""What is kept of a process that has come to its end against its will.

The latest `POST_MORTEMS` are kept, each with what can be known of the end in a bounded time: registers, the fault, the
stack from its lowest used byte on, the last messages if the kernel's events are recorded, and what it had used.

On the console a post-mortem is a record that the host makes a traceback of (`neokernel/image/panic.py`).
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.fault import Fault
from neokernel.lang import Array, Embedded, Span, array, copy, struct, text_of, truncate, u8, u64, usize
from neokernel.runtime.must import T3, T4, T5, what_was_said
from neokernel.runtime.system import THREAD_REGISTERS
from neokernel.services.init.name import Name
from neokernel.services.init.outbox import Outbox

#: how many are kept
POST_MORTEMS: usize = 16
#: of the stack
STACK_WORDS: usize = 256
#: messages before the end
MESSAGES: usize = 8


class Cause(Enum):
    """Why it was ended."""

    #: it ended itself, with a status other than 0, or although it should run for ever
    EXIT = 0
    #: a fault of `abi/fault.py`
    FAULT = 1
    #: it didn't signal in time that it lives
    SILENT = 2
    #: it couldn't be made: nothing is known but the status and argument of what failed
    NOT_MADE = 3
    #: it told init too often what means nothing
    NOISY = 4
    #: it was to take over from another version, and didn't say in time that it is ready
    UNREADY = 5


@struct
class Sent:
    """A message: one of `abi/trace.py`'s events, at a time, between its thread and another one."""

    time: u64
    #: the sender, and the other thread in the upper half
    threads: u64
    #: the event, and the message word behind it
    event: u64
    word: u64


@struct
class PostMortem:
    """All zeroes is none. `status` and `argument` are an exit's status, or a failure's."""

    service: u64
    cause: u64
    #: how often the service had been started, and when this was
    starts: u64
    time: u64
    fault: u64
    status: u64
    argument: u64
    #: of a page fault: the address, and 0 read, 1 write, 2 execute
    address: u64
    access: u64
    #: ticks of processor time, and free bytes of its memory
    used: u64
    free: u64
    #: of its first thread, in traces
    identifier: u64
    stack_words: u64
    message_count: u64
    program: Embedded[Name]
    #: pc, ra, sp, … t6
    registers: Array[u64] = array(THREAD_REGISTERS)
    messages: Array[Embedded[Sent]] = array(MESSAGES)
    stack: Array[u64] = array(STACK_WORDS)

    def write(self, into: Span[u8]) -> usize:
        """The whole of it, each number as eight bytes, little-endian, each name as 48: as much as fits. How many bytes.

        Numbers up to `message_count`, the program's name, the registers, MESSAGES messages, STACK_WORDS of the stack.
        """
        to = Bytes(memory=into)
        to.put(self.service)
        to.put(self.cause)
        to.put(self.starts)
        to.put(self.time)
        to.put(self.fault)
        to.put(self.status)
        to.put(self.argument)
        to.put(self.address)
        to.put(self.access)
        to.put(self.used)
        to.put(self.free)
        to.put(self.identifier)
        to.put(self.stack_words)
        to.put(self.message_count)
        to.put_text(self.program.text[:].bytes())
        for register in self.registers:
            to.put(register)
        for message in self.messages:
            to.put(message.time)
            to.put(message.threads)
            to.put(message.event)
            to.put(message.word)
        for word in self.stack:
            to.put(word)
        return to.count


@struct
class Bytes:
    """Numbers as bytes, one after the other; what finds no room is left out, with all that follows."""

    memory: Span[u8]
    count: usize = 0

    def put(self, number: u64) -> None:
        if len(self.memory) - self.count >= 8:
            for place in range(usize(0), 8):
                self.memory[self.count + place] = truncate(u8, number >> place * 8)
            self.count += 8

    def put_text(self, text: bytes) -> None:
        if len(self.memory) - self.count >= len(text):
            copy(self.memory[self.count : self.count + len(text)], text)
            self.count += len(text)


def fault_of(post_mortem: PostMortem) -> Fault | None:
    number = post_mortem.fault
    return Fault(u8(number)) if 1 <= number <= u64(Fault.BUS.value) else None


# --- on the console ---------------------------------------------------------------------------------------------------

#: traps by which a fault came, for what was read, written, executed (privileged specification, supervisor causes)
PAGE_CAUSES: tuple[u64, ...] = (13, 15, 12)
MISALIGNED_CAUSES: tuple[u64, ...] = (4, 6, 0)
BUS_CAUSES: tuple[u64, ...] = (5, 7, 1)
TIMER: u64 = 1 << 63 | 5
#: bytes of text that a post-mortem takes at most
WHOLE: usize = 12_288
#: none of the machine's: it didn't show in time that it lives, it talked nonsense
NO_HEARTBEAT: u64 = 1 << 63 | 63
NONSENSE: u64 = 1 << 63 | 62
NOT_READY: u64 = 1 << 63 | 61


def word_of(cause: Cause) -> u64:
    """What stands in the place of a trap where there was none."""
    match cause:
        case Cause.NOISY:
            return NONSENSE
        case Cause.UNREADY:
            return NOT_READY
        case _:
            return NO_HEARTBEAT


def trap_of(fault: Fault, access: u64) -> u64:
    """The number of the trap behind a fault."""
    which = min(access, 2)
    match fault:
        case Fault.PAGE:
            return PAGE_CAUSES[which]
        case Fault.ILLEGAL_INSTRUCTION:
            return 2
        case Fault.MISALIGNED:
            return MISALIGNED_CAUSES[which]
        case Fault.BREAKPOINT:
            return 3
        case Fault.BUDGET:
            return TIMER
        case Fault.SYSTEM_CALL:
            return 8
        case Fault.BUS:
            return BUS_CAUSES[which]


def write_fault(outbox: Outbox, post_mortem: PostMortem, fault: Fault | None) -> None:
    """What a program did that ended it. A failed check is a breakpoint, and so is the end by `must`."""
    if fault is not Fault.BREAKPOINT:
        if fault is not None:
            outbox.write(f"{fault.name}")
        return
    registers = post_mortem.registers
    said = what_was_said(registers[T3], registers[T4], registers[T5])
    if said is None:
        outbox.write("a check failed")
    else:
        outbox.write(f"a call said {said.status.name} of argument {said.argument}")


def show(outbox: Outbox, service: bytes, post_mortem: PostMortem, whole: bool) -> None:
    """One line; `whole`: and all that a traceback can be made of, if there is room for it."""
    name = text_of(service)
    counter = post_mortem.registers[0]
    fault = fault_of(post_mortem)
    match Cause(u8(post_mortem.cause)):
        case Cause.EXIT:
            outbox.write(f"init: {name} has ended with status {post_mortem.status}\n")
        case Cause.SILENT:
            outbox.write(f"init: {name} is silent, at {counter:#x}\n")
        case Cause.NOISY:
            outbox.write(f"init: {name} talks nonsense, at {counter:#x}\n")
        case Cause.UNREADY:
            outbox.write(f"init: {name} hasn't called process.ready() in time, at {counter:#x}\n")
        case Cause.NOT_MADE:
            outbox.write(f"init: {name} can't be made: ")
        case Cause.FAULT:
            outbox.write(f"init: {name} has failed: ")
            write_fault(outbox, post_mortem, fault)
            outbox.write(f" at {counter:#x}\n")
    if not whole or outbox.room() < WHOLE or post_mortem.cause in (u64(Cause.EXIT.value), u64(Cause.NOT_MADE.value)):
        return
    outbox.write(f"\x1enk-crash 1\nprogram {text_of(post_mortem.program.view())}\n")
    trap = word_of(Cause(u8(post_mortem.cause))) if fault is None else trap_of(fault, post_mortem.access)
    outbox.write(f"scause {trap:016x}\nsepc {counter:016x}\nstval {post_mortem.address:016x}\nregisters")
    for register in post_mortem.registers[1:]:
        outbox.write(f" {register:016x}")
    place = post_mortem.registers[2] & ~u64(7)
    outbox.write(f"\nzeroes {place:016x} {post_mortem.stack_words:016x}\n")
    for number in range(usize(post_mortem.stack_words)):
        word = post_mortem.stack[number]
        if word != 0:
            outbox.write(f"stack {place + number * 8:016x} {word:016x}\n")
    outbox.write("nk-crash-end\n")
