"""The bare machine: a program with nothing below it but OpenSBI, on QEMU's `virt` board.

A program's `main(machine: Machine)` gets a console and the power switch. The boot code maps memory with the rights that
the link script laid out, and ends any trap in a panic record on the console (`panic.py`), which the host turns into a
traceback. The first stage (`neokernel/stage`) begins here too: for it the link script lays out memory to load into.

Invariant: code can't be written, constants and data can't be executed, the memory below the stack can't be accessed.
"""

from typing import NoReturn

from neokernel.arch.riscv64.panic import TEST_DEVICE, TEST_FAIL, TEST_PASS, TRANSMIT_READY, UART
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


# OpenSBI enters here in S-mode, without translation: a0 is the hart, a1 the device tree, and both are handed on.
# `nk_start` is made by the build: it calls the program's main and powers off.
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
    la a2, nk_load_start
    la a3, nk_load_end
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

# Any trap is the end: a panic record.
assembly(f"""
    .section .text.nk.trap, "ax", @progbits
    .balign 4
nk_trap:
    csrrw t6, sscratch, t6
    j nk_panic_record

    .section .rodata.nk.trap, "a", @progbits
    .balign 8
    .globl nk_panic_devices
nk_panic_devices: .dword {TEST_DEVICE}, {UART}
nk_start_text: .asciz "\\036nk-start 1\\n"
""")
