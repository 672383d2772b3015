"""A dying machine's last words: registers and stack as a *panic record* on the console, then the end.

The host reads the record (`neokernel/image/panic.py` describes its form) and makes a traceback of it. Whoever finds
that the machine can't go on jumps to `nk_panic_record`.

Invariant: this is assembly that uses no stack, calls no compiled code and trusts nothing but its own text, so that it
works whatever has failed. A trap inside it ends the machine.
"""

from neokernel.lang import assembly, unsafe

unsafe("it must work when nothing else does")

#: the board's console, a 16550, and SiFive's test device, a store to which ends QEMU with a status. They are used
#: whatever the device tree says
UART = 0x1000_0000
TEST_DEVICE = 0x10_0000
#: what is used of their registers: a bit of the line status, and what is stored
TRANSMIT_READY = 0x20
TEST_PASS = 0x5555
TEST_FAIL = 0x3333

#: what the machine's exit status is after a panic
PANIC_STATUS = 101

#: how much of the stack a panic record shows, from its lowest used byte and up to its top
DUMP_BYTES = 16384

# Enter with t6 = where 32 registers fit, sscratch = what t6 was. `nk_panic_devices` are the addresses of the test
# device and of the UART, as they are mapped.
#   s1 test device   s2 UART   s3 registers   s4 next text   s5 return address   s6 cursor   s7 end
#   s8 top of the stack   s9 return address   s10 end of a line
assembly(f"""
    .section .text.nk.trap, "ax", @progbits
    .globl nk_panic_record
    .type nk_panic_record, @function
    .balign 4
nk_panic_record:
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    sd x\\n, 8 * \\n(t6)
    .endr
    mv s3, t6
    csrr t0, sscratch
    sd t0, 248(s3)
    csrr t0, sepc
    sd t0, 0(s3)
    jal s9, nk_panic_begin

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
    .balign 4
nk_panic_finish:
    la t0, nk_panic_end             # a trap from here on: give up
    csrw stvec, t0
    la s4, nk_panic_text_end
    jal s5, nk_console_text
    .balign 4
nk_panic_end:
    li t1, {(PANIC_STATUS << 16) | TEST_FAIL}
    sw t1, 0(s1)
5:  wfi
    j 5b
    .size nk_panic_record, . - nk_panic_record

# Everything but the stack, of the registers at s3 (in the place of x0, pc). Returns to s9.
nk_panic_begin:
    la t0, nk_panic_devices
    ld s1, 0(t0)
    ld s2, 8(t0)
    la t0, nk_panic_end
    csrw stvec, t0
    la s4, nk_panic_text_cause
    jal s5, nk_console_text
    csrr a0, scause
    jal s5, nk_console_number
    la s4, nk_panic_text_pc
    jal s5, nk_console_text
    ld a0, 0(s3)
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
    jr s9

# The words from s6 to s7, a line each: the address, then up to four words. Leaves s6 at s7. Returns to s9.
nk_panic_stack:
    bgeu s6, s7, 8f
    ld t0, 0(s6)                    # of a user's stack: a trap before anything of the line is shown
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
nk_panic_text_cause: .asciz "\\036nk-panic 1\\nscause"
nk_panic_text_pc: .asciz "\\nsepc"
nk_panic_text_value: .asciz "\\nstval"
nk_panic_text_registers: .asciz "\\nregisters"
nk_panic_text_stack: .asciz "\\nstack"
nk_panic_text_space: .asciz "\\nspace 1"
nk_panic_text_end: .asciz "\\nnk-panic-end\\n"
""")
