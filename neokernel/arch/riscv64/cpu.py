"""RISC-V as the kernel sees it, in S-mode: control registers, the interrupt controller, the way in and out.

`neokernel/arch/cpu.py` is the host's model of this module and says what each function does.

Invariants:
- `sscratch` is the current thread's registers while a thread runs, 0 in the kernel: a trap there is a panic.
- Interrupts are off in the kernel. What waits is served between the steps of long operations, or after it.
- No register leaves the kernel with anything of it, or of another thread: a thread goes on with registers that are its
  own, its message's, or zero.
"""

from neokernel.abi.trace import Event, Header, Record
from neokernel.arch.riscv64.panic import TEST_DEVICE, TEST_FAIL, TEST_PASS, TRANSMIT_READY, UART
from neokernel.arch.riscv64.registers import Registers
from neokernel.lang import (
    Array,
    Span,
    address_of,
    asm,
    assembly,
    at,
    invariant,
    naked,
    object_at,
    offset_of,
    requires,
    size_of,
    struct,
    u8,
    u32,
    u64,
    unsafe,
    wire,
)

unsafe("control registers, and the way between user and kernel, have no words in any language")

DIRECT = 0xFFFF_FFC0_0000_0000
USER_END = 1 << 38


#: sip, sie: supervisor timer, supervisor external
PENDING = 1 << 5 | 1 << 9
EXTERNAL_PENDING = 1 << 9
#: sstatus.FS and VS, dirty
FLOATING_ON = 3 << 13 | 3 << 9
VECTORS_ON = 3 << 9
#: sstatus.SUM
USER_MEMORY = 1 << 18
#: bytes of a user's stack that a crash shows
SHOWN_STACK = 8192
#: SBI, "TIME" extension: set_timer
SBI_TIME = 0x54494D45
#: PLIC (riscv-plic-spec): offsets of enable bits, of the contexts' registers, and their sizes
PLIC_ENABLE = 0x2000
PLIC_ENABLE_SIZE = 0x80
PLIC_CONTEXT = 0x20_0000
PLIC_CONTEXT_SIZE = 0x1000
#: it has no more contexts; and in the direct map it lies below
MOST_CONTEXTS = 15872
CONTROLLERS_END = 0xFFFF_FFF8_0000_0000


@struct
class Cpu:
    """What boot has found: the PLIC's registers in the direct map, this hart's context there; is there `stimecmp`?

    If not, `told` is what the firmware was told last, which is slow.
    """

    controller: u64 = 0
    context: u64 = 0
    sstc: bool = False
    told: u64 = 0

    @invariant
    def in_the_direct_map(self) -> bool:
        return self.controller <= CONTROLLERS_END and self.context < MOST_CONTEXTS


@wire(registers=True)
class Word:
    """Any 32-bit register."""

    value: u32


@wire(registers=True)
class Context:
    """A PLIC context."""

    threshold: u32
    claim: u32


@wire(registers=True)
class Uart:
    data: u8 = at(0)
    line_status: u8 = at(5)


def now(cpu: Cpu) -> u64:
    return asm("rdtime {result}", result=u64)


def set_timer(cpu: Cpu, deadline: u64) -> None:
    if cpu.sstc:
        set_near_timer(cpu, deadline)
    elif deadline != cpu.told:
        cpu.told = deadline
        set_timer_by_firmware(deadline)


def timer_is_near(cpu: Cpu) -> bool:
    return cpu.sstc


def set_near_timer(cpu: Cpu, deadline: u64) -> None:
    asm("csrw 0x14d, {0}", deadline)


@naked
def set_timer_by_firmware(deadline: u64) -> None:
    """The SBI keeps all registers but a0 and a1."""
    asm(f"li a7, {SBI_TIME}\nli a6, 0\necall\nret")


def interrupt_pending(cpu: Cpu) -> bool:
    return asm("csrr {result}, sip", result=u64) & PENDING != 0


def line_pending(cpu: Cpu) -> bool:
    return asm("csrr {result}, sip", result=u64) & EXTERNAL_PENDING != 0


def wait_for_interrupt(cpu: Cpu) -> None:
    """Comes back when something is pending, though interrupts are off."""
    asm("wfi")


def has_ended(cpu: Cpu) -> bool:
    return False


def use_translation(cpu: Cpu, translation: u64) -> None:
    asm("csrw satp, {0}", translation)


def flush_page(cpu: Cpu, address: u64, asid: u64) -> None:
    asm("sfence.vma {0}, {1}", address, asid)


def flush_space(cpu: Cpu, asid: u64) -> None:
    asm("sfence.vma x0, {0}", asid)


def fence_instructions(cpu: Cpu) -> None:
    asm("fence.i")


def set_floating(cpu: Cpu, on: bool) -> None:
    if on:
        asm("csrs sstatus, {0}", u64(FLOATING_ON))
    else:
        asm("csrc sstatus, {0}", u64(FLOATING_ON))


def refuse_vectors(cpu: Cpu) -> None:
    asm("csrc sstatus, {0}", u64(VECTORS_ON))


def vector_bytes(cpu: Cpu) -> u32:
    asm("csrs sstatus, {0}", u64(VECTORS_ON))
    size = asm(".option push\n.option arch, +v\ncsrr {result}, vlenb\n.option pop", result=u64)
    asm("csrc sstatus, {0}", u64(VECTORS_ON))
    return u32(size)


def save_floats(cpu: Cpu, registers: Array[u64]) -> u64:
    store_floats(address_of(registers))
    return asm(".option push\n.option arch, +d\nfrcsr {result}\n.option pop", result=u64)


def load_floats(cpu: Cpu, registers: Array[u64], control: u64) -> None:
    fetch_floats(address_of(registers))
    asm(".option push\n.option arch, +d\nfscsr {0}\n.option pop", control)


@naked
def store_floats(place: u64) -> None:
    asm("""
    .option push
    .option arch, +d
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\\n, 8 * \\n(a0)
    .endr
    .option pop
    ret""")


@naked
def fetch_floats(place: u64) -> None:
    asm("""
    .option push
    .option arch, +d
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\\n, 8 * \\n(a0)
    .endr
    .option pop
    ret""")


def save_vectors(cpu: Cpu, registers: Span[u64], state: Array[u64]) -> None:
    store_vectors(address_of(registers), address_of(state))


def load_vectors(cpu: Cpu, registers: Span[u64], state: Array[u64]) -> None:
    fetch_vectors(address_of(registers), address_of(state))


@naked
def store_vectors(place: u64, state: u64) -> None:
    # Whole registers depend on neither vl nor vtype, but on vstart.
    asm("""
    .option push
    .option arch, +v
    csrr t0, vstart
    csrr t1, vcsr
    csrr t2, vl
    csrr t3, vtype
    sd t0, 0(a1)
    sd t1, 8(a1)
    sd t2, 16(a1)
    sd t3, 24(a1)
    csrw vstart, zero
    csrr t0, vlenb
    slli t0, t0, 3
    .irp n, 0,8,16,24
    vs8r.v v\\n, (a0)
    add a0, a0, t0
    .endr
    .option pop
    ret""")


@naked
def fetch_vectors(place: u64, state: u64) -> None:
    asm("""
    .option push
    .option arch, +v
    csrw vstart, zero
    csrr t0, vlenb
    slli t0, t0, 3
    .irp n, 0,8,16,24
    vl8re8.v v\\n, (a0)
    add a0, a0, t0
    .endr
    ld t0, 0(a1)
    ld t1, 8(a1)
    ld t2, 16(a1)
    ld t3, 24(a1)
    vsetvl zero, t2, t3
    csrw vcsr, t1
    csrw vstart, t0
    .option pop
    ret""")


@naked
def clear(address: u64, size: u64) -> None:
    asm("""
    .macro ZERO_WORDS words:vararg
    .irp n, \\words
    sd zero, 8 * \\n(a0)
    .endr
    .endm
    add a1, a0, a1
    addi a2, a1, -128
    bltu a2, a0, 2f
1:  ZERO_WORDS 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    addi a0, a0, 128
    bgeu a2, a0, 1b
2:  bgeu a0, a1, 3f
    ZERO_WORDS 0,1,2,3,4,5,6,7
3:  ret""")


# --- interrupt controller ---------------------------------------------------------------------------------------------


def registers_of(cpu: Cpu) -> Context:
    return object_at(Context, cpu.controller + PLIC_CONTEXT + PLIC_CONTEXT_SIZE * cpu.context)


def claim(cpu: Cpu) -> u32:
    return registers_of(cpu).claim


def complete(cpu: Cpu, line: u32) -> None:
    registers_of(cpu).claim = line


def enable_line(cpu: Cpu, line: u32, on: bool) -> None:
    priority = object_at(Word, cpu.controller + 4 * u64(line))
    priority.value = 1
    place = cpu.controller + PLIC_ENABLE + PLIC_ENABLE_SIZE * cpu.context + 4 * u64(line // 32)
    enable = object_at(Word, place)
    bit = u32(1) << (line % 32)
    enable.value = enable.value | bit if on else enable.value & ~bit


# --- console, power ---------------------------------------------------------------------------------------------------


def put(cpu: Cpu, byte: u8) -> bool:
    uart = object_at(Uart, DIRECT + UART)
    if uart.line_status & TRANSMIT_READY == 0:
        return False
    uart.data = byte
    return True


def power_off(cpu: Cpu, status: u64) -> None:
    requires(status < 1 << 16)
    device = object_at(Word, DIRECT + TEST_DEVICE)
    device.value = TEST_PASS if status == 0 else (u32(status) << 16) | TEST_FAIL
    while True:
        asm("wfi")


@naked
def crash(cpu: Cpu, registers: Registers) -> None:
    """The stack is read as the user's: up to the first page that isn't mapped, which is a trap."""
    asm(f"""
    mv s3, a1
    jal s9, nk_panic_begin
    la s4, nk_panic_text_space
    jal s5, nk_console_text
    ld s6, 16(s3)
    andi s6, s6, -8
    srli t0, s6, 38
    bnez t0, nk_panic_finish
    li t0, {USER_MEMORY}
    csrs sstatus, t0
    la t0, nk_panic_finish
    csrw stvec, t0
    li s7, {SHOWN_STACK}
    add s7, s6, s7
    jal s9, nk_panic_stack
    j nk_panic_finish""")


# --- in and out -------------------------------------------------------------------------------------------------------

assert offset_of(Registers, "pc") == 0, "x0's place"
assert offset_of(Registers, "s2") == 8 * 18, "register n is at 8 n"
assert offset_of(Registers, "t6") == 8 * 31, "up to the last"
assert size_of(Record) == 1 << 5 and u8(Event.SYSCALL.value) == 0, "what the way in records"

# Every way out of user mode. An `ecall` keeps what a system call preserves in the processor and goes on with the
# arguments where they are; everything else stores all registers. Foreign threads have a way in of their own. Register
# n is at 8 n, `pc` at 0.
assembly(f"""
    .equ STACK, {offset_of(Registers, "kernel_stack")}
    .equ FULL, {offset_of(Registers, "full")}
    .equ FOREIGN, {offset_of(Registers, "foreign")}
    .equ IDENTIFIER, {size_of(Registers)}
    .equ ECALL, 8

    # Above its stack the hart keeps where traps go, and of calls that are recorded: the ring's header, its records, and
    # the last one's index.
    .equ WAY_IN, 0
    .equ HEADER, 8
    .equ RECORDS, 16
    .equ LAST, 24
    .equ WRITTEN, {offset_of(Header, "written")}
    .equ CAPACITY, {offset_of(Header, "capacity")}
    .equ HEADER_PAGES, {size_of(Header)} >> 12
    .equ RECORD_SHIFT, 5
    .equ RECORD_TIME, {offset_of(Record, "time")}
    # With the thread, the record's event, SYSCALL, and its hart are written: 0.
    .equ RECORD_THREAD, {offset_of(Record, "thread")}
    .equ RECORD_A, {offset_of(Record, "a")}
    .equ RECORD_B, {offset_of(Record, "b")}

    .macro STORE at, registers:vararg
    .irp n, \\registers
    sd x\\n, 8 * \\n(\\at)
    .endr
    .endm
    .macro LOAD at, registers:vararg
    .irp n, \\registers
    ld x\\n, 8 * \\n(\\at)
    .endr
    .endm

    # What a system call preserves and the kernel's own code leaves alone: gp, tp, s0 to s11.
    .macro STORE_KEPT at
    STORE \\at, 3,4,8,9,18,19,20,21,22,23,24,25,26,27
    .endm
    .macro LOAD_KEPT at
    LOAD \\at, 2,3,4,8,9,18,19,20,21,22,23,24,25,26,27
    .endm

    # What a system call neither preserves nor returns: ra, t0 to t6, a6, a7.
    .macro ZERO_REST
    .irp n, 1,5,6,7,28,29,30,31,16,17
    li x\\n, 0
    .endr
    .endm

    .section .text.nk.entry, "ax", @progbits
    .globl nk_trap
    .type nk_trap, @function
    .balign 4
nk_trap:
    csrrw t0, sscratch, t0          # t0: the thread
    beqz t0, nk_kernel_trap
    STORE t0, 6
    csrr t1, scause
    addi t1, t1, -ECALL
    bnez t1, nk_trap_full
nk_call:
    csrw sscratch, zero
    STORE t0, 2
    ld sp, STACK(t0)
    bnez a7, 1f
    mv a7, t0
    j nk_fast_call
1:  addi t1, a7, -1
    bnez t1, 2f
    mv a7, t0
    j nk_fast_reply_receive
2:  addi t1, a7, -5
    bnez t1, 3f
    mv a6, t0
    j nk_fast_wait
3:  addi t1, a7, -6
    bnez t1, nk_general
    mv a6, t0
    j nk_fast_signal

    # The same while calls are recorded: a record of `abi/trace.py` before the call, then its number.
    .balign 4
nk_trap_recorded:
    csrrw t0, sscratch, t0
    beqz t0, nk_kernel_trap
    STORE t0, 6
    csrr t1, scause
    addi t1, t1, -ECALL
    bnez t1, nk_trap_full
    ld t1, STACK(t0)
    ld t3, HEADER(t1)
    ld t4, RECORDS(t1)
    ld t5, LAST(t1)
    ld t6, WRITTEN(t3)
    and t5, t5, t6
    slli t5, t5, RECORD_SHIFT
    add t4, t4, t5
    rdtime t1
    lwu t2, IDENTIFIER(t0)
    sd t1, RECORD_TIME(t4)
    sd t2, RECORD_THREAD(t4)
    sw a7, RECORD_A(t4)
    sw a0, RECORD_A + 4(t4)
    sd a1, RECORD_B(t4)
    fence w, w
    addi t6, t6, 1
    sd t6, WRITTEN(t3)
    j nk_call

    # A system call, not on the fast path: t0 the thread, arguments in their registers.
nk_general:
    la t2, nk_system_call
    STORE t0, 16,17
nk_general_by:
    STORE t0, 10,11,12,13,14,15
    csrr t1, sepc
    addi t1, t1, 4
    sd t1, 0(t0)
    addi sp, sp, -16
    sd t0, 0(sp)
    mv a0, t0
    jalr t2
    ld t0, 0(sp)
    bne a0, t0, 1f
    lbu t1, FULL(t0)
    bnez t1, 1f
    csrw sscratch, t0
    ld t1, 0(t0)
    csrw sepc, t1
    LOAD t0, 2,10,11,12,13,14,15
    ZERO_REST
    sret
1:  STORE_KEPT t0

    # Go on with the thread a0.
nk_resume:
    csrw sscratch, a0
    ld t0, 0(a0)
    csrw sepc, t0
    lbu t1, FULL(a0)
    LOAD_KEPT a0
    bnez t1, 2f
    LOAD a0, 11,12,13,14,15,10
    ZERO_REST
    sret
    # It may have stopped behind an `lr`, and others have run: a failing `sc` ends the reservation (unprivileged
    # specification, 12.2). Should it succeed, it has stored what is there.
2:  sc.d zero, t0, (a0)
    sb zero, FULL(a0)
    lbu t0, FOREIGN(a0)
    beqz t0, 3f
    la t0, nk_trap_foreign
    csrw stvec, t0
3:  LOAD a0, 1,5,6,7,28,29,30,31,11,12,13,14,15,16,17,10
    sret

    # A foreign thread: everything is a fault or an interrupt.
    .balign 4
nk_trap_foreign:
    csrrw t0, sscratch, t0
    STORE t0, 6
    ld t1, STACK(t0)
    ld t1, WAY_IN(t1)
    csrw stvec, t1

    # A fault, an interrupt, or an `ecall` of a foreign thread: t0 the thread, its t0 in sscratch, its t1 stored.
nk_trap_full:
    STORE_KEPT t0
    STORE t0, 10,11,12,13,14,15,16,17,1,2,7,28,29,30,31
    csrrw t1, sscratch, zero
    sd t1, 8 * 5(t0)
    csrr t1, sepc
    sd t1, 0(t0)
    li t1, 1
    sb t1, FULL(t0)
    ld sp, STACK(t0)
    mv a0, t0
    csrr a1, scause
    csrr a2, stval
    call nk_trap_taken
    j nk_resume

    # A trap in the kernel: its t0 is in sscratch.
nk_kernel_trap:
    csrr t0, sscratch
    csrw sscratch, t6
    la t6, nk_panic_registers
    j nk_panic_record
    .size nk_trap, . - nk_trap

    .text
""")


@naked
def record_calls(cpu: Cpu, header: Header) -> None:
    asm("""
    la t0, nk_stack_top
    sd a1, HEADER(t0)
    ld t1, CAPACITY(a1)
    addi t1, t1, -1
    sd t1, LAST(t0)
    lui t1, HEADER_PAGES
    add t1, t1, a1
    sd t1, RECORDS(t0)
    la t1, nk_trap_recorded
    sd t1, WAY_IN(t0)
    csrw stvec, t1
    ret""")


@naked
def record_no_calls(cpu: Cpu) -> None:
    asm("""
    la t0, nk_stack_top
    la t1, nk_trap
    sd t1, WAY_IN(t0)
    csrw stvec, t1
    ret""")


@naked
def leave(badge: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, next: Registers, previous: Registers) -> None:
    asm("""
    STORE_KEPT a7
    csrr t0, sepc
    addi t0, t0, 4
    sd t0, 0(a7)
    csrw sscratch, a6
    ld t0, 0(a6)
    csrw sepc, t0
    LOAD_KEPT a6
    ZERO_REST
    sret""")


@naked
def stay(badge: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    asm("""
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    csrw sscratch, a6
    LOAD a6, 2
    ZERO_REST
    sret""")


@naked
def leave_faulted(next: Registers, previous: Registers) -> None:
    asm("""
    STORE_KEPT a1
    csrr t0, sepc
    addi t0, t0, 4
    sd t0, 0(a1)
    j nk_resume""")


@naked
def fallback_call(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    asm("""
    mv t0, a7
    li a7, 0
    j nk_general""")


@naked
def fallback_invoke(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    asm("""
    mv t0, a7
    la t2, nk_invocation
    STORE t0, 16
    sd zero, 8 * 17(t0)
    j nk_general_by""")


@naked
def fallback_reply_receive(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, registers: Registers
) -> None:
    asm("""
    mv t0, a7
    li a7, 1
    j nk_general""")


@naked
def fallback_wait(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    asm("""
    mv t0, a6
    li a6, 0
    li a7, 5
    j nk_general""")


@naked
def fallback_signal(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, registers: Registers) -> None:
    asm("""
    mv t0, a6
    li a6, 0
    li a7, 6
    j nk_general""")


# --- the beginning ----------------------------------------------------------------------------------------------------


def prepare(cpu: Cpu, controller: u64, context: u64, sstc: bool) -> None:
    """Traps come to the kernel, interrupts are enabled for user mode, user mode may read time and counters."""
    requires(controller <= CONTROLLERS_END and context < MOST_CONTEXTS)
    cpu.controller = controller
    cpu.context = context
    cpu.sstc = sstc
    record_no_calls(cpu)
    asm("csrw sscratch, zero")
    asm("csrw scounteren, {0}", u64(7))
    # User mode next, with interrupts; no floating point; no access to the user's memory.
    asm("csrc sstatus, {0}", u64(FLOATING_ON | 1 << 8 | 1 << 18))
    asm("csrs sstatus, {0}", u64(1 << 5))
    asm("csrw sie, {0}", u64(PENDING))
    registers_of(cpu).threshold = 0


def asid_limit(translation: u64) -> u64:
    """Bits of `satp` that the hardware lacks don't stay set."""
    asm("csrw satp, {0}", translation | (0xFFFF << 44))
    limit = (asm("csrr {result}, satp", result=u64) >> 44) & 0xFFFF
    asm("csrw satp, {0}", translation)
    asm("sfence.vma")
    return limit + 1
