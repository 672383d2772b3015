"""From OpenSBI to the first line of the kernel's own Python, and the page tables that the kernel keeps.

Everything here is in the image's `.boot` part: once the first thread runs, it is unmapped and its memory the root's.

Address space (Sv39; privileged specification, 12.4):

| from | what |
|---|---|
| 0 | user |
| `DIRECT` | physical memory: RAM, and the registers that the kernel uses; never executable |
| `IMAGE` | the kernel, in pages of 4 KiB with the rights of their sections; nothing below the stack |

Invariants: no page of the kernel's tables can be written and executed, by itself or through two addresses: code and
constants aren't in the direct map. Accessed and dirty bits are set beforehand, as hardware may fault on clear ones.
"""

from typing import NoReturn

from neokernel.arch.cpu import DIRECT, clear
from neokernel.arch.riscv64.panic import TEST_DEVICE, TRANSMIT_READY, UART
from neokernel.arch.riscv64.registers import Registers
from neokernel.lang import (
    Array,
    Span,
    address_of,
    array,
    asm,
    assembly,
    at,
    ensures,
    naked,
    object_at,
    span_at,
    struct,
    u8,
    u64,
    unsafe,
    value,
    wire,
    writer,
)

unsafe("memory becomes page tables, and no language has words for the machine's first instructions")

#: where the image is mapped, less where it is loaded (boards/kernel.ld)
OFFSET = 0xFFFF_FFFF_0000_0000
RAM = 0x8000_0000
PAGE = 4096
#: what `clear` takes multiples of
LINE = 64
#: all that boot takes lies below: the direct map goes so far
MOST_RAM = 1 << 38

#: bits of page table entries: valid, read, write, execute, global, accessed, dirty
VALID = 1
READ = VALID | 1 << 1 | 1 << 5 | 1 << 6
WRITE = READ | 1 << 2 | 1 << 7
EXECUTE = READ | 1 << 3
EARLY = WRITE | EXECUTE
SV39 = 8

# --- entry ------------------------------------------------------------------------------------------------------------

# OpenSBI enters at `_start` in S-mode, without translation, a0 the hart, a1 the device tree. `la` is relative to the
# program counter: before the jump it gives physical addresses, after it those of the image.
#
# The early table maps by pieces of 1 GiB: RAM's first one to itself, into the direct map and as the image; the
# devices; the one that holds the device tree.
assembly(f"""
    .section .text.nk.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    rdinstret s8
    mv s9, a0
    mv s10, a1
    csrw sie, zero
    la t0, nk_bss_start
    la t1, nk_bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    sd zero, 8(t0)
    sd zero, 16(t0)
    sd zero, 24(t0)
    sd zero, 32(t0)
    sd zero, 40(t0)
    sd zero, 48(t0)
    sd zero, 56(t0)
    addi t0, t0, 64
    j 1b

2:  la t0, nk_early_table
    li t1, {RAM >> 2 | EARLY}
    sd t1, 8 * 2(t0)
    li t2, 2048                     # the upper half of the table
    add t3, t0, t2
    sd t1, 8 * 2(t3)
    sd t1, 8 * (510 - 256)(t3)
    li t1, {WRITE}
    sd t1, 0(t3)
    srli t2, s10, 30
    li t1, 510 - 256
    bgeu t2, t1, 3f                 # beyond the direct map: nk_boot refuses it
    slli t1, t2, 28
    ori t1, t1, {WRITE}
    slli t2, t2, 3
    add t3, t3, t2
    ld t2, 0(t3)
    bnez t2, 3f
    sd t1, 0(t3)
3:  srli t0, t0, 12
    li t1, {SV39} << 60
    or t0, t0, t1
    sfence.vma
    csrw satp, t0
    sfence.vma
    la t0, 4f
    li t1, {OFFSET}
    add t0, t0, t1
    jr t0

4:  la t0, nk_panic_registers
    csrw sscratch, t0
    la t0, nk_boot_trap
    csrw stvec, t0
    la sp, nk_stack_top
    la t0, nk_panic_devices
    ld s2, 8(t0)
    la s4, nk_start_text
    jal s5, nk_console_text         # the host hides what the firmware said before
    mv a0, s9
    mv a1, s10
    mv a2, s8
    call nk_boot
    ebreak
    .size _start, . - _start

    .section .text.nk.boot, "ax", @progbits
    .balign 4
nk_boot_trap:
    csrrw t6, sscratch, t6
    j nk_panic_record

    .section .boot.pages, "aw", @progbits
    .balign 4096
nk_early_table: .zero 4096

    .section .bss.nk.panic, "aw", @nobits
    .balign 64
    .globl nk_panic_registers
nk_panic_registers: .zero 32 * 8

    .section .rodata.nk.trap, "a", @progbits
    .balign 8
    .globl nk_panic_devices
nk_panic_devices: .dword {DIRECT + TEST_DEVICE}, {DIRECT + UART}
nk_start_text: .asciz "\\036nk-start 1\\n"
""")


@value
class Image:
    """Where the parts of the image lie, as physical addresses. Each begins and ends on a page boundary.

    `boot` to `code` is boot's own, `code` to `constants` and `constants` to `data` what they say, `data` to `guard`
    data, `stack` to `end` the stack. The archive begins at a multiple of 2 MiB.
    """

    boot: u64
    code: u64
    constants: u64
    data: u64
    guard: u64
    stack: u64
    end: u64
    archive: u64
    archive_end: u64


def image() -> Image:
    """What the linker knows."""
    return Image(
        asm("la {result}, nk_image_start", result=u64) - OFFSET,
        asm("la {result}, nk_code_start", result=u64) - OFFSET,
        asm("la {result}, nk_constants_start", result=u64) - OFFSET,
        asm("la {result}, nk_data_start", result=u64) - OFFSET,
        asm("la {result}, nk_guard", result=u64) - OFFSET,
        asm("la {result}, nk_stack_bottom", result=u64) - OFFSET,
        asm("la {result}, nk_image_end", result=u64) - OFFSET,
        asm("la {result}, nk_archive_start", result=u64) - OFFSET,
        asm("la {result}, nk_archive_end", result=u64) - OFFSET,
    )


def stack_top() -> u64:
    """Where the kernel's stack begins, as it is mapped."""
    return asm("la {result}, nk_stack_top", result=u64)


def instructions() -> u64:
    """How many the hart has executed."""
    return asm("rdinstret {result}", result=u64)


# --- the console ------------------------------------------------------------------------------------------------------


@wire(registers=True)
class Uart:
    """The registers of a 16550 that we use (PC16550D data sheet, section 8)."""

    data: u8 = at(0)
    line_status: u8 = at(5)


@struct
class Console:
    """What boot says of the machine, and why it can't go on."""

    uart: Uart = object_at(Uart, DIRECT + UART)

    @writer
    def write(self, text: str) -> None:
        for byte in text.encode():
            while self.uart.line_status & TRANSMIT_READY == 0:
                pass
            self.uart.data = byte


def panic() -> NoReturn:
    """End the machine with a panic record. Why has been said on the console."""
    while True:
        asm("ebreak")


# --- memory -----------------------------------------------------------------------------------------------------------


@struct
class Pages:
    """Free physical memory, taken from below: page tables, and what the root begins with. What is left is the root's.

    It lies in the direct map's first gigabyte of RAM, which the early table has.
    """

    next: u64 = 0
    end: u64 = 0

    def take(self, size: u64, alignment: u64 = PAGE) -> u64:
        """The physical address of `size` bytes, zeroed. The alignment is a power of 2, at least LINE."""
        ensures(lambda result: result < MOST_RAM and size < MOST_RAM - result)
        found = (self.next + (alignment - 1)) & ~(alignment - 1)
        whole = (size + (LINE - 1)) & ~u64(LINE - 1)
        if self.end >= MOST_RAM or found > self.end or whole > self.end - found:
            Console().write("panic: too little memory for what the kernel begins with\n")
            panic()
        self.next = found + whole
        clear(DIRECT + found, whole)
        return found


def pages_between(start: u64, end: u64) -> Pages:
    """The memory from `start` to `end`, on whose first page is also what is kept of it here."""
    made = object_at(Pages, DIRECT + start)
    made.next = start + PAGE
    made.end = end
    return made


@struct
class Table:
    """A page table as boot fills it by addresses: above `DIRECT`, and in tables that the kernel has no objects for.

    The root of these is the kernel's `Entries`, too; to the prover they have nothing to do with each other. No entry
    that is written so is one that a capability is in: all are of the upper half.
    """

    entry: Array[u64] = array(512)


def table_at(physical: u64) -> Table:
    return object_at(Table, DIRECT + physical)


def bytes_at(physical: u64, size: u64) -> Span[u8]:
    return span_at(u8, DIRECT + physical, size)


def map_range(pages: Pages, root: u64, address: u64, physical: u64, size: u64, rights: u64) -> None:
    """Map `size` bytes at `address` to `physical`, all multiples of the page size, by the largest pages that fit.

    `root` is the physical address of the root table. Requires: nothing is mapped there yet.
    """
    done: u64 = 0
    while done < size:
        place, target = address + done, physical + done
        level: u64 = 2
        while (place | target) & (span_of(level) - 1) != 0 or size - done < span_of(level):
            level -= 1
        table = table_at(root)
        for above in reversed(range(level + 1, u64(3))):
            index = index_at(place, above)
            if table.entry[index] == 0:
                table.entry[index] = pages.take(PAGE) >> 2 | VALID
            table = table_at((table.entry[index] >> 10) << 12)
        index = index_at(place, level)
        step = span_of(level)
        while index < 512 and size - done >= step:
            table.entry[index] = (physical + done) >> 2 | rights
            done += step
            index += 1


def span_of(level: u64) -> u64:
    """How much an entry of a table at `level` translates: 4 KiB, 2 MiB, 1 GiB."""
    return u64(PAGE) << (9 * level)


def index_at(address: u64, level: u64) -> u64:
    return (address >> (12 + 9 * level)) & 511


def map_kernel(pages: Pages, root: u64, parts: Image) -> None:
    """The image at its addresses, each part with its rights; and what of it can be written in the direct map."""
    map_range(pages, root, OFFSET + parts.boot, parts.boot, parts.constants - parts.boot, EXECUTE)
    map_range(pages, root, OFFSET + parts.constants, parts.constants, parts.data - parts.constants, READ)
    map_range(pages, root, OFFSET + parts.data, parts.data, parts.guard - parts.data, WRITE)
    map_range(pages, root, OFFSET + parts.stack, parts.stack, parts.end - parts.stack, WRITE)


def map_direct(pages: Pages, root: u64, physical: u64, size: u64) -> None:
    """RAM or registers, in the direct map. Both are multiples of the page size."""
    map_range(pages, root, DIRECT + physical, physical, size, WRITE)


def use_tables(root: u64) -> None:
    """Leave the early table for the one at `root`."""
    asm("csrw satp, {0}\n sfence.vma", SV39 << 60 | root >> 12, clobbers="memory")


# --- the end of boot --------------------------------------------------------------------------------------------------

# a0 the registers of the thread that begins, a1 and a2 the entries that map what is boot's own.
assembly("""
    .section .text.nk.trap, "ax", @progbits
    .type nk_leave_boot, @function
nk_leave_boot:
1:  sd zero, 0(a1)
    addi a1, a1, 8
    bltu a1, a2, 1b
    sfence.vma
    j nk_resume
    .size nk_leave_boot, . - nk_leave_boot
""")


@naked
def forget_boot(registers: Registers, first: u64, end: u64) -> None:
    """Unmap boot's own code, which this is the last of, and go on with the first thread."""
    asm("j nk_leave_boot")


def leave(registers: Registers, root: u64, parts: Image) -> NoReturn:
    """Boot is done."""
    table = table_at(root)
    for level in reversed(range(u64(1), u64(3))):
        table = table_at((table.entry[index_at(OFFSET + parts.boot, level)] >> 10) << 12)
    first = index_at(OFFSET + parts.boot, 0)
    entries = address_of(table.entry) + 8 * first
    forget_boot(registers, entries, entries + 8 * ((parts.code - parts.boot) // PAGE))
    while True:
        pass
