"""What LLVM calls for fills and comparisons of unknown or large size; copies are in `copy_any.py` or `copy_aligned.py`.

They follow C's calling convention and meaning. Words are used where both sides are aligned; no vector, no unaligned
access. Each stands in a section of its own, so that an image holds only those it uses. None touches the stack or the
return address, which is all that `.cfi_startproc` says: tracebacks go on to who called.
"""

from neokernel.lang import assembly, unsafe

unsafe("LLVM calls these by name, and would turn any loop of ours into a call of itself")

# memset(a0 destination, a1 byte, a2 count) -> a0
assembly("""
    .cfi_sections .debug_frame
    .section .text.memset, "ax", @progbits
    .globl memset
    .type memset, @function
memset:
    .cfi_startproc
    mv t0, a0
    li t1, 16
    bltu a2, t1, 4f
    andi a1, a1, 0xff               # the byte, eight times
    slli t2, a1, 8
    or a1, a1, t2
    slli t2, a1, 16
    or a1, a1, t2
    slli t2, a1, 32
    or a1, a1, t2
1:  andi t2, t0, 7                  # up to the first whole word
    beqz t2, 2f
    sb a1, 0(t0)
    addi t0, t0, 1
    addi a2, a2, -1
    j 1b
2:  andi t1, a2, -32                # 32 bytes at a time
    beqz t1, 5f
    add t1, t1, t0
3:  sd a1, 0(t0)
    sd a1, 8(t0)
    sd a1, 16(t0)
    sd a1, 24(t0)
    addi t0, t0, 32
    bltu t0, t1, 3b
    andi a2, a2, 31
5:  andi t1, a2, -8
    beqz t1, 4f
    add t1, t1, t0
6:  sd a1, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 6b
    andi a2, a2, 7
4:  beqz a2, 8f
    add a2, a2, t0
7:  sb a1, 0(t0)
    addi t0, t0, 1
    bltu t0, a2, 7b
8:  ret
    .cfi_endproc
    .size memset, . - memset
""")

# memcmp(a0 left, a1 right, a2 count) -> a0: negative, 0, positive. bcmp asks for equality only.
assembly("""
    .section .text.memcmp, "ax", @progbits
    .globl memcmp
    .globl bcmp
    .type memcmp, @function
    .type bcmp, @function
memcmp:
bcmp:
    .cfi_startproc
    or t0, a0, a1
    andi t0, t0, 7
    add a3, a0, a2
    bnez t0, 32f
    andi t1, a2, -8
    add t1, t1, a0
31: beq a0, t1, 32f                 # whole words while they are equal
    ld t2, 0(a0)
    ld t3, 0(a1)
    bne t2, t3, 32f
    addi a0, a0, 8
    addi a1, a1, 8
    j 31b
32: beq a0, a3, 33f
    lbu t2, 0(a0)
    lbu t3, 0(a1)
    addi a0, a0, 1
    addi a1, a1, 1
    beq t2, t3, 32b
    sub a0, t2, t3
    ret
33: li a0, 0
    ret
    .cfi_endproc
    .size memcmp, . - memcmp
""")
