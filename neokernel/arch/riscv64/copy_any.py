"""Copies for programs: from anywhere to anywhere, in words. `memory.py` says how these functions are made.

Where the two places differ modulo 8, each word of the destination is put together from two of the source: the bytes of
a frame rarely lie as a program's do. Only words are read that hold a byte of the source, so no page is touched that
isn't the source's; what else is in them is shifted out.

Where the destination begins inside the source, `memmove` goes from the end to the beginning, in the same way. In the
other direction what overlaps needs no care: a word is read before the one in front of it is written.
"""

from neokernel.lang import assembly, unsafe

unsafe("LLVM calls these by name, and would turn any loop of ours into a call of itself")

# memcpy(a0 destination, a1 source, a2 count) -> a0; memmove, which may overlap
#
# t0: destination, t1: where a loop ends; t2: how far the source is behind a word, a3 and a4: that in bits, and 64 less
# that (shifts take the lower 6 bits); t4 and t5: words of the source.
assembly("""
    .section .text.memcpy, "ax", @progbits
    .globl nk_copy_any
    .globl memmove
    .globl memcpy
    .type memmove, @function
    .type memcpy, @function
nk_copy_any:                        # `nk size` knows the file by it
memmove:
    .cfi_startproc
    sub t0, a0, a1
    beqz t0, 18f                    # the same: nothing to do
    bltu t0, a2, 30f                # the destination begins inside the source
memcpy:
    mv t0, a0
    li t1, 16
    bltu a2, t1, 14f
11: andi t2, t0, 7                  # up to the destination's first whole word
    beqz t2, 12f
    lb t1, 0(a1)
    sb t1, 0(t0)
    addi a1, a1, 1
    addi t0, t0, 1
    addi a2, a2, -1
    j 11b
12: andi t2, a1, 7
    bnez t2, 20f
    andi t1, a2, -64                # 64 bytes at a time
    beqz t1, 16f
    add t1, t1, t0
13: ld t2, 0(a1)
    ld t3, 8(a1)
    ld t4, 16(a1)
    ld t5, 24(a1)
    ld a3, 32(a1)
    ld a4, 40(a1)
    ld a5, 48(a1)
    ld a6, 56(a1)
    sd t2, 0(t0)
    sd t3, 8(t0)
    sd t4, 16(t0)
    sd t5, 24(t0)
    sd a3, 32(t0)
    sd a4, 40(t0)
    sd a5, 48(t0)
    sd a6, 56(t0)
    addi a1, a1, 64
    addi t0, t0, 64
    bltu t0, t1, 13b
    andi a2, a2, 63
16: andi t1, a2, -8
    beqz t1, 14f
    add t1, t1, t0
17: ld t2, 0(a1)
    sd t2, 0(t0)
    addi a1, a1, 8
    addi t0, t0, 8
    bltu t0, t1, 17b
    andi a2, a2, 7
14: beqz a2, 18f
    add a2, a2, t0
15: lb t1, 0(a1)
    sb t1, 0(t0)
    addi a1, a1, 1
    addi t0, t0, 1
    bltu t0, a2, 15b
18: ret

20: sub a1, a1, t2                  # in words that aren't the source's
    slli a3, t2, 3
    neg a4, a3
    ld t4, 0(a1)
    andi t1, a2, -32                # 32 bytes at a time
    beqz t1, 22f
    add t1, t1, t0
21: ld t5, 8(a1)
    srl t4, t4, a3
    sll t6, t5, a4
    or t4, t4, t6
    sd t4, 0(t0)
    ld t4, 16(a1)
    srl t5, t5, a3
    sll t6, t4, a4
    or t5, t5, t6
    sd t5, 8(t0)
    ld t5, 24(a1)
    srl t4, t4, a3
    sll t6, t5, a4
    or t4, t4, t6
    sd t4, 16(t0)
    ld t4, 32(a1)
    srl t5, t5, a3
    sll t6, t4, a4
    or t5, t5, t6
    sd t5, 24(t0)
    addi a1, a1, 32
    addi t0, t0, 32
    bltu t0, t1, 21b
    andi a2, a2, 31
22: andi t1, a2, -8
    beqz t1, 24f
    add t1, t1, t0
23: ld t5, 8(a1)
    srl t4, t4, a3
    sll t6, t5, a4
    or t4, t4, t6
    sd t4, 0(t0)
    mv t4, t5
    addi a1, a1, 8
    addi t0, t0, 8
    bltu t0, t1, 23b
    andi a2, a2, 7
24: add a1, a1, t2
    j 14b

30: add a1, a1, a2                  # from the end: places are those behind what is left
    add t0, a0, a2
    li t1, 16
    bltu a2, t1, 37f
31: andi t2, t0, 7
    beqz t2, 32f
    addi a1, a1, -1
    addi t0, t0, -1
    lb t1, 0(a1)
    sb t1, 0(t0)
    j 31b
32: sub a2, t0, a0
    andi t1, a2, -8                 # at least one word
    sub t1, t0, t1
    andi t2, a1, 7
    bnez t2, 34f
33: ld t2, -8(a1)
    sd t2, -8(t0)
    addi a1, a1, -8
    addi t0, t0, -8
    bne t0, t1, 33b
    j 37f
34: sub a1, a1, t2
    slli a3, t2, 3
    neg a4, a3
    ld t4, 0(a1)
35: ld t5, -8(a1)
    sll t4, t4, a4
    srl t6, t5, a3
    or t4, t4, t6
    sd t4, -8(t0)
    mv t4, t5
    addi a1, a1, -8
    addi t0, t0, -8
    bne t0, t1, 35b
    add a1, a1, t2
37: beq t0, a0, 38f
    addi a1, a1, -1
    addi t0, t0, -1
    lb t1, 0(a1)
    sb t1, 0(t0)
    j 37b
38: ret
    .cfi_endproc
    .size memcpy, . - memcpy
""")
