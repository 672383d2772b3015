/* Boot of the test machine, and entry into the functions under test.

   OpenSBI starts us in S mode at 0x80200000, a0 = hart, a1 = device tree. Interrupts stay off. A trap abandons the function
   under test: the registers saved by `run_one` come back, and `run_one` returns the trap's pc. */

    .section .text.start, "ax"
    .globl _start
_start:
    la sp, stack_top
    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    addi t0, t0, 8
    j 1b
2:  la t0, trap
    csrw stvec, t0
    li t0, 0x2000            /* sstatus.FS: floating point may be used */
    csrs sstatus, t0
    call run_all
3:  wfi
    j 3b

    /* u64 run_one(void (*function)(void *), void *output): 0, or where it trapped */
    .text
    .globl run_one
run_one:
    addi sp, sp, -208
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    sd gp, 104(sp)
    sd tp, 112(sp)
    la t0, saved_stack
    sd sp, 0(t0)
    mv t0, a0
    mv a0, a1
    jalr t0
    li a0, 0
leave:
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    ld gp, 104(sp)
    ld tp, 112(sp)
    addi sp, sp, 208
    ret

    .p2align 2
trap:
    la t0, saved_stack
    ld sp, 0(t0)
    la t0, trap_cause
    csrr t1, scause
    sd t1, 0(t0)
    csrr t1, stval
    sd t1, 8(t0)
    csrr a0, sepc
    j leave

    .section .bss
    .p2align 4
saved_stack: .skip 8
    .globl trap_cause
trap_cause: .skip 16
    .p2align 4
    .skip 262144
stack_top:
