"""Copies for the kernel and the first stage: `memory.py` says how these functions are made.

What they copy in numbers is whole aligned words, objects and messages, so anything else goes byte by byte, in as little
code as it takes. Programs have `copy_any.py`.
"""

from neokernel.lang import assembly, unsafe

unsafe("LLVM calls these by name, and would turn any loop of ours into a call of itself")

# memcpy(a0 destination, a1 source, a2 count) -> a0; memmove, which may overlap, copies backwards where it must
assembly("""
    .section .text.memcpy, "ax", @progbits
    .globl nk_copy_aligned
    .globl memmove
    .globl memcpy
    .type memmove, @function
    .type memcpy, @function
nk_copy_aligned:                        # `nk size` knows the file by it
memmove:
    .cfi_startproc
    sub t0, a0, a1
    beqz t0, 18f                    # the same: nothing to do
    bltu t0, a2, 20f                # the destination begins inside the source
memcpy:
    mv t0, a0
    li t1, 16
    bltu a2, t1, 14f
    xor t1, a0, a1
    andi t1, t1, 7
    bnez t1, 14f                    # never aligned together
11: andi t2, t0, 7
    beqz t2, 12f
    lb t1, 0(a1)
    sb t1, 0(t0)
    addi a1, a1, 1
    addi t0, t0, 1
    addi a2, a2, -1
    j 11b
12: andi t1, a2, -64                # 64 bytes at a time
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
20: beqz a2, 22f
    add a1, a1, a2
    add t0, a0, a2
21: addi a1, a1, -1
    addi t0, t0, -1
    lb t1, 0(a1)
    sb t1, 0(t0)
    bne t0, a0, 21b
22: ret
    .cfi_endproc
    .size memcpy, . - memcpy
""")
