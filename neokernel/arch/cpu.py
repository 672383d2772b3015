"""The machine as the kernel sees it: this is the host's model, for CPython and the JIT.

An image is built with `arch/riscv64/cpu.py` in its place: the same names, on real registers. Time, pending interrupts
and the console are fields of `Cpu` here, which tests set and read.

Invariants:
- Nothing here decides anything: guards are the kernel's.
- `leave` and `fallback` are the last thing that a system call's fast path does.
"""

from neokernel.abi.trace import Header
from neokernel.arch.riscv64.registers import Registers
from neokernel.lang import Array, Span, array, span_at, struct, u8, u32, u64, unsafe, wrapping_add

unsafe("memory is cleared by its address")

#: where physical memory begins in the kernel's address space: on the host, an address that tests reserve
DIRECT = 0x1000_0000_0000
#: the lowest half of addresses is the user's
USER_END = 1 << 38
#: how a machine ends whose root process can't go on
CRASHED = 101
CONSOLE_BYTES = 4096
LINES = 128
#: ASIDs have 16 bits at most
ASIDS = 1 << 16


@struct
class Cpu:
    """State of the model."""

    time: u64 = 0
    timer: u64 = 0xFFFF_FFFF_FFFF_FFFF
    translation: u64 = 0
    #: what `prepare` was told
    controller: u64 = 0
    context: u64 = 0
    sstc: bool = False
    #: what the firmware was told last, without `stimecmp`: not in the model
    told: u64 = 0
    #: an interrupt is pending, so that long operations give way; `unseen`: not the next so many times that they look
    pending: bool = False
    unseen: u64 = 0
    #: the line that the controller reports next
    line: u32 = 0
    floating: bool = False
    vectors: bool = False
    enabled: Array[bool] = array(LINES)
    console: Array[u8] = array(CONSOLE_BYTES)
    printed: u64 = 0
    #: when it has printed so many bytes, the console is full, once; 0: never
    full_at: u64 = 0
    #: 1 + the status with which the machine was ended
    ended: u64 = 0
    flushes: u64 = 0


def prepare(cpu: Cpu, controller: u64, context: u64, sstc: bool) -> None:
    """Before the first thread: interrupts come from the PLIC, its registers at `controller`, that knows the hart as
    `context`; the hart has `stimecmp` if `sstc`. (The model has a near timer in any case.)
    """
    cpu.controller = controller
    cpu.context = context
    cpu.sstc = sstc


def asid_limit(translation: u64) -> u64:
    """How many ASIDs the hart has. `translation` is what `satp` holds."""
    return ASIDS


def now(cpu: Cpu) -> u64:
    """The `time` counter."""
    return cpu.time


def set_timer(cpu: Cpu, deadline: u64) -> None:
    """Interrupt when `time` has reached `deadline`."""
    cpu.timer = deadline


def timer_is_near(cpu: Cpu) -> bool:
    """Is setting the timer a matter of an instruction, without the firmware?"""
    return True


def set_near_timer(cpu: Cpu, deadline: u64) -> None:
    """The same as `set_timer`, if it is."""
    cpu.timer = deadline


def interrupt_pending(cpu: Cpu) -> bool:
    """Does an interrupt wait for the kernel to leave?"""
    if cpu.unseen != 0:
        cpu.unseen -= 1
        return False
    return cpu.pending or cpu.time >= cpu.timer


def line_pending(cpu: Cpu) -> bool:
    """Is there a line to be claimed?"""
    if cpu.unseen != 0:
        cpu.unseen -= 1
        return False
    return cpu.line != 0


def wait_for_interrupt(cpu: Cpu) -> None:
    """Idle. In the model time goes on to the timer; without one the machine has nothing left to do."""
    if cpu.ended != 0:
        return
    if cpu.timer == 0xFFFF_FFFF_FFFF_FFFF:
        cpu.ended = 1 + 255
    elif cpu.time < cpu.timer:
        cpu.time = cpu.timer


def has_ended(cpu: Cpu) -> bool:
    """True only in the model: the real machine doesn't come back."""
    return cpu.ended != 0


def use_translation(cpu: Cpu, translation: u64) -> None:
    """Write `satp`."""
    cpu.translation = translation


def flush_page(cpu: Cpu, address: u64, asid: u64) -> None:
    """Forget the translation of a page."""
    cpu.flushes = (cpu.flushes + 1) & 0xFFFF_FFFF


def flush_space(cpu: Cpu, asid: u64) -> None:
    """Forget all translations of an address space."""
    cpu.flushes = (cpu.flushes + 1) & 0xFFFF_FFFF


def fence_instructions(cpu: Cpu) -> None:
    """What was written as data can be executed."""


def set_floating(cpu: Cpu, on: bool) -> None:
    """Turn the floating-point unit, and the vector registers, on or off."""
    cpu.floating = on
    cpu.vectors = on


def refuse_vectors(cpu: Cpu) -> None:
    """Turn the vector registers off."""
    cpu.vectors = False


def vector_bytes(cpu: Cpu) -> u32:
    """Bytes of a vector register, of a processor that has them."""
    return 16


def save_floats(cpu: Cpu, registers: Array[u64]) -> u64:
    """f0 to f31 into 32 words; gives `fcsr`."""
    for index in range(len(registers)):
        registers[index] = u64(index)
    return 0


def load_floats(cpu: Cpu, registers: Array[u64], control: u64) -> None:
    """f0 to f31 and `fcsr` from memory."""


def save_vectors(cpu: Cpu, registers: Span[u64], state: Array[u64]) -> None:
    """v0 to v31 into memory that has room for them; vstart, vcsr, vl, vtype into `state`."""
    for index in range(len(registers)):
        registers[index] = index


def load_vectors(cpu: Cpu, registers: Span[u64], state: Array[u64]) -> None:
    """The same from memory."""


def clear(address: u64, size: u64) -> None:
    """Zero memory, in words. `address` and `size` are multiples of 64."""
    words = span_at(u64, address, size // 8)
    for index in range(len(words)):
        words[index] = 0


def claim(cpu: Cpu) -> u32:
    """The line of the interrupt to be served first, 0 if there is none."""
    line = cpu.line
    cpu.line = 0
    return line


def complete(cpu: Cpu, line: u32) -> None:
    """The line may interrupt again."""


def enable_line(cpu: Cpu, line: u32, on: bool) -> None:
    if u64(line) < LINES:
        cpu.enabled[u64(line)] = on


def put(cpu: Cpu, byte: u8) -> bool:
    """A byte to the console, if that takes one now."""
    if cpu.full_at != 0 and cpu.printed == cpu.full_at:
        cpu.full_at = 0
        return False
    cpu.console[cpu.printed % CONSOLE_BYTES] = byte
    cpu.printed += 1
    return True


def power_off(cpu: Cpu, status: u64) -> None:
    """End the machine. It has ended once: what comes after would come after its end."""
    if cpu.ended == 0:
        cpu.ended = 1 + status


def crash(cpu: Cpu, registers: Registers) -> None:
    """End the machine: the root process can't go on, with these registers, in the current address space."""
    power_off(cpu, CRASHED)


def record_calls(cpu: Cpu, header: Header) -> None:
    """Record each system call from now on, where it comes in: into the ring with that header.

    The model has no way in: who calls the kernel records the calls (`tests/kernel/support.py`).
    """


def record_no_calls(cpu: Cpu) -> None:
    """End that."""


def leave(badge: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, next: Registers, previous: Registers) -> None:
    """End a system call of `previous` by going on with `next`, which waits in one, with these results."""
    previous.pc = wrapping_add(previous.pc, 4)
    deliver(badge, word, w0, w1, w2, w3, next)


def deliver(badge: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    """What `leave` does to the registers of the thread that goes on."""
    registers.a0 = badge
    registers.a1 = word
    registers.a2 = w0
    registers.a3 = w1
    registers.a4 = w2
    registers.a5 = w3


def leave_faulted(next: Registers, previous: Registers) -> None:
    """End a system call of `previous` by going on with `next`, all of whose registers are stored."""
    previous.pc = wrapping_add(previous.pc, 4)


def stay(badge: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    """End a system call by going on with the same thread, with these results."""
    registers.pc = wrapping_add(registers.pc, 4)
    deliver(badge, word, w0, w1, w2, w3, registers)


def fallback_call(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    """A CALL that isn't simple: take the general way."""
    registers.general = 1


def fallback_invoke(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    """A CALL on a kernel object: take the general way, but for what has been looked at."""
    registers.general = 1


def fallback_reply_receive(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    """A REPLY_RECEIVE that isn't simple: take the general way."""
    registers.general = 1


def fallback_wait(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    """A WAIT that isn't simple: take the general way."""
    registers.general = 1


def fallback_signal(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    """A SIGNAL that isn't simple: take the general way."""
    registers.general = 1
