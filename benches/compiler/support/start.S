# Boot code of a benchmark image: S-mode, entered by OpenSBI at 0x80200000.
#
# Clears .bss, takes a stack, and calls harness_main. Any trap (a failed check is an `ebreak`) goes to harness_trap,
# which doesn't return.

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    la      sp, stack_top
    la      t0, trap_entry
    csrw    stvec, t0
    csrw    sie, zero
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  call    harness_main
3:  wfi
    j       3b

    .balign 4
trap_entry:
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    la      sp, stack_top
    tail    harness_trap

# The cases of the kernel: header (see harness.c), then the work images, packed by the driver.
    .section .rodata.cases, "a", @progbits
    .globl cases
    .balign 16
cases:
    .incbin "cases.bin"

    .section .bss.stack, "aw", @nobits
    .balign 16
    .space  65536
stack_top:
