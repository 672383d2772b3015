# Boot code of a machine that runs models: S-mode, entered by OpenSBI at 0x80200000.
#
# Switches floats and vectors on, takes a stack, and calls harness_main. Any trap goes to harness_trap.

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    la      sp, stack_top
    la      t0, trap_entry
    csrw    stvec, t0
    csrw    sie, zero
    li      t0, (1 << 13) | (1 << 9)
    csrs    sstatus, t0
    call    harness_main
3:  wfi
    j       3b

    .balign 4
trap_entry:
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    la      sp, stack_top
    tail    harness_trap

    .section .rodata.cases, "a", @progbits
    .globl cases
    .balign 64
cases:
    .incbin "cases.bin"

    .section .bss.stack, "aw", @nobits
    .balign 16
    .space  1048576
stack_top:
