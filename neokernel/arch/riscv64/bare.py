"""The bare machine: a program with nothing below it but OpenSBI, on QEMU's `virt` board.

A program's `main(machine: Machine)` gets a console and the power switch. The boot code maps memory with the rights that
the link script laid out, and ends any trap in a *panic record* on the console, which the host turns into a traceback
(`neokernel/image/panic.py` reads it and describes its form).

Invariants:
- The panic path is assembly that uses no stack, calls no compiled code and trusts nothing but this file's own data,
  so that it works whatever has failed. A trap inside it powers the machine off.
- Code can't be written, constants and data can't be executed, and the memory below the stack can't be accessed.
"""

from typing import NoReturn

from neokernel.lang import (
    Embedded,
    asm,
    assembly,
    at,
    object_at,
    struct,
    u8,
    u32,
    unsafe,
    wire,
    writer,
)

unsafe("the machine's registers are at fixed addresses, and no language has words for its first instructions")

#: 16550 UART: the board's console
UART = 0x1000_0000
TRANSMIT_READY = 0x20

#: SiFive test device: a store ends QEMU, with a status
TEST_DEVICE = 0x10_0000
TEST_PASS = 0x5555
TEST_FAIL = 0x3333

#: what the machine's exit status is after a panic
PANIC_STATUS = 101

#: how much of the stack a panic record shows, from its lowest used byte and up to its top
DUMP_BYTES = 16384


@wire(registers=True)
class Uart:
    """The registers of a 16550 that we use (PC16550D data sheet, section 8)."""

    data: u8 = at(0)
    line_status: u8 = at(5)


@wire(registers=True)
class TestDevice:
    finish: u32 = at(0)


@struct
class Console:
    """Text to the serial port, byte by byte, waiting for the port."""

    uart: Uart = object_at(Uart, UART)

    def put(self, byte: u8) -> None:
        while self.uart.line_status & TRANSMIT_READY == 0:
            pass
        self.uart.data = byte

    @writer
    def write(self, text: str) -> None:
        for byte in text.encode():
            self.put(byte)


@struct
class Machine:
    """What a program on the bare machine has: everything it may do starts here."""

    console: Embedded[Console] = Console()

    def power_off(self, status: u8) -> NoReturn:
        """End the machine; QEMU exits with `status`."""
        device = object_at(TestDevice, TEST_DEVICE)
        device.finish = TEST_PASS if status == 0 else (u32(status) << 16) | TEST_FAIL
        while True:
            asm("wfi")


# OpenSBI enters here in S-mode, without translation: a0 is the hart, a1 the device tree. `nk_start` is made by the
# build: it calls the program's main and powers off.
#
# Sv39 with large pages (privileged specification, 12.4): 1 GiB of devices at 0; the gigabyte at 0x80000000 in pieces of
# 2 MiB. Accessed and dirty bits are set beforehand: the hardware may fault on clear ones instead of setting them.
assembly(f"""
    .equ ENTRY_READ, 0x43           # V R A
    .equ ENTRY_EXECUTE, 0x4b        # V R X A
    .equ ENTRY_WRITE, 0xc7          # V R W A D
    .equ ENTRY_TABLE, 0x01          # V
    .equ SV39, 8
    .equ STATUS_FLOATS, 1 << 13     # sstatus.FS: programs may use floating point

    .section .text.nk.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    la t0, nk_bss_start
    la t1, nk_bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    addi t0, t0, 8
    j 1b
2:  la t0, nk_panic_registers
    csrw sscratch, t0
    la t0, nk_trap
    csrw stvec, t0
    la sp, nk_stack_top

    la s0, nk_page_table
    li t0, (0 << 28) | ENTRY_WRITE
    sd t0, 0(s0)
    la s1, nk_page_table_ram
    srli t0, s1, 2
    ori t0, t0, ENTRY_TABLE
    sd t0, 16(s0)

    la a2, nk_stack_bottom
    la a3, nk_stack_top
    li a4, ENTRY_WRITE
    jal t2, nk_map
    la a2, nk_code_start
    la a3, nk_constants_start
    li a4, ENTRY_EXECUTE
    jal t2, nk_map
    la a2, nk_constants_start
    la a3, nk_data_start
    li a4, ENTRY_READ
    jal t2, nk_map
    la a2, nk_data_start
    li a3, 0xc0000000
    li a4, ENTRY_WRITE
    jal t2, nk_map
    srli t0, s0, 12
    li t1, SV39 << 60
    or t0, t0, t1
    sfence.vma
    csrw satp, t0
    sfence.vma
    li t0, STATUS_FLOATS
    csrs sstatus, t0
    li s2, {UART}
    la s4, nk_start_text
    jal s5, nk_console_text         # the host hides what the firmware said before
    call nk_start
3:  wfi
    j 3b

# Map [a2, a3) to itself with rights a4, in the table at s1. Returns to t2.
nk_map:
    bgeu a2, a3, 4f
    srli t1, a2, 18                 # 8 bytes for each 2 MiB
    li t3, 0xff8
    and t0, t1, t3
    add t0, t0, s1
    srli t1, a2, 2
    or t1, t1, a4
    sd t1, 0(t0)
    li t1, 0x200000
    add a2, a2, t1
    j nk_map
4:  jr t2
    .size _start, . - _start

    .section .bss.nk.boot, "aw", @nobits
    .balign 4096
nk_page_table: .zero 4096
nk_page_table_ram: .zero 4096
nk_panic_registers: .zero 32 * 8
""")

# Any trap: the registers go to nk_panic_registers, then everything to the console, then the machine ends.
#   s2 UART   s3 registers   s4 next text   s5 return address   s6 cursor   s7 end
assembly(f"""
    .section .text.nk.trap, "ax", @progbits
    .balign 4
nk_trap:
    csrrw t6, sscratch, t6
    sd x1, 8(t6)
    sd x2, 16(t6)
    sd x3, 24(t6)
    sd x4, 32(t6)
    sd x5, 40(t6)
    sd x6, 48(t6)
    sd x7, 56(t6)
    sd x8, 64(t6)
    sd x9, 72(t6)
    sd x10, 80(t6)
    sd x11, 88(t6)
    sd x12, 96(t6)
    sd x13, 104(t6)
    sd x14, 112(t6)
    sd x15, 120(t6)
    sd x16, 128(t6)
    sd x17, 136(t6)
    sd x18, 144(t6)
    sd x19, 152(t6)
    sd x20, 160(t6)
    sd x21, 168(t6)
    sd x22, 176(t6)
    sd x23, 184(t6)
    sd x24, 192(t6)
    sd x25, 200(t6)
    sd x26, 208(t6)
    sd x27, 216(t6)
    sd x28, 224(t6)
    sd x29, 232(t6)
    sd x30, 240(t6)
    mv s3, t6
    csrr t0, sscratch
    sd t0, 248(s3)
    la t0, nk_panic_end             # a trap from here on: give up
    csrw stvec, t0
    li s2, {UART}

    la s4, nk_panic_text_cause
    jal s5, nk_console_text
    csrr a0, scause
    jal s5, nk_console_number
    la s4, nk_panic_text_pc
    jal s5, nk_console_text
    csrr a0, sepc
    jal s5, nk_console_number
    la s4, nk_panic_text_value
    jal s5, nk_console_text
    csrr a0, stval
    jal s5, nk_console_number

    la s4, nk_panic_text_registers
    jal s5, nk_console_text
    addi s6, s3, 8
    addi s7, s3, 32 * 8
1:  ld a0, 0(s6)
    jal s5, nk_console_number
    addi s6, s6, 8
    bltu s6, s7, 1b

    # The stack from sp (or its bottom, when sp has left it), then its top, without showing anything twice.
    ld s6, 16(s3)
    andi s6, s6, -8
    la t0, nk_stack_bottom
    bgeu s6, t0, 2f
    mv s6, t0
2:  la s8, nk_stack_top
    li t1, {DUMP_BYTES}
    add s7, s6, t1
    bltu s7, s8, 3f
    mv s7, s8
3:  jal s9, nk_panic_stack
    la s7, nk_stack_top
    li t1, {DUMP_BYTES}
    sub t0, s7, t1
    bgeu s6, t0, 4f
    mv s6, t0
4:  jal s9, nk_panic_stack
    la s4, nk_panic_text_end
    jal s5, nk_console_text
    .balign 4
nk_panic_end:
    li t0, {TEST_DEVICE}
    li t1, {(PANIC_STATUS << 16) | TEST_FAIL}
    sw t1, 0(t0)
5:  wfi
    j 5b

# The words from s6 to s7, a line each: the address, then up to four words. Leaves s6 at s7. Returns to s9.
nk_panic_stack:
    bgeu s6, s7, 8f
    la s4, nk_panic_text_stack
    jal s5, nk_console_text
    mv a0, s6
    jal s5, nk_console_number
    addi s10, s6, 32
6:  ld a0, 0(s6)
    jal s5, nk_console_number
    addi s6, s6, 8
    bgeu s6, s7, 7f
    bltu s6, s10, 6b
7:  j nk_panic_stack
8:  jr s9

# The text at s4, up to a zero byte. Returns to s5.
nk_console_text:
    lbu t1, 0(s4)
    beqz t1, 10f
9:  lbu t0, 5(s2)
    andi t0, t0, {TRANSMIT_READY}
    beqz t0, 9b
    sb t1, 0(s2)
    addi s4, s4, 1
    j nk_console_text
10: jr s5

# A space and a0 in 16 hexadecimal digits. Returns to s5.
nk_console_number:
    li t2, 64
    li t1, ' '
11: lbu t0, 5(s2)
    andi t0, t0, {TRANSMIT_READY}
    beqz t0, 11b
    sb t1, 0(s2)
    beqz t2, 13f
    addi t2, t2, -4
    srl t1, a0, t2
    andi t1, t1, 15
    addi t1, t1, '0'
    li t0, '9'
    bleu t1, t0, 12f
    addi t1, t1, 'a' - '0' - 10
12: j 11b
13: jr s5

    .section .rodata.nk.trap, "a", @progbits
nk_start_text: .asciz "\\036nk-start 1\\n"
nk_panic_text_cause: .asciz "\\036nk-panic 1\\nscause"
nk_panic_text_pc: .asciz "\\nsepc"
nk_panic_text_value: .asciz "\\nstval"
nk_panic_text_registers: .asciz "\\nregisters"
nk_panic_text_stack: .asciz "\\nstack"
nk_panic_text_end: .asciz "\\nnk-panic-end\\n"
""")
