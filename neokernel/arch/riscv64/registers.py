"""A thread's registers while it doesn't run, and what the trap entry needs to know of it.

Invariants: `Registers` is the first field of a thread, so that one address names both, and its
identifier is the second; `x0`'s place holds `pc`.
While the thread runs, `s0`–`s11`, `gp` and `tp` are in the processor only, also during a system call: they are stored
when the kernel leaves for another thread.
"""

from neokernel.lang import struct, u8, u64


@struct
class Registers:
    """x1 to x31 by their names in the calling convention (RISC-V psABI, chapter 1), in order."""

    pc: u64 = 0
    ra: u64 = 0
    sp: u64 = 0
    gp: u64 = 0
    tp: u64 = 0
    t0: u64 = 0
    t1: u64 = 0
    t2: u64 = 0
    s0: u64 = 0
    s1: u64 = 0
    a0: u64 = 0
    a1: u64 = 0
    a2: u64 = 0
    a3: u64 = 0
    a4: u64 = 0
    a5: u64 = 0
    a6: u64 = 0
    a7: u64 = 0
    s2: u64 = 0
    s3: u64 = 0
    s4: u64 = 0
    s5: u64 = 0
    s6: u64 = 0
    s7: u64 = 0
    s8: u64 = 0
    s9: u64 = 0
    s10: u64 = 0
    s11: u64 = 0
    t3: u64 = 0
    t4: u64 = 0
    t5: u64 = 0
    t6: u64 = 0
    #: top of the kernel's stack on the thread's hart
    kernel_stack: u64 = 0
    #: all registers must be restored, not only those that a system call preserves or returns
    full: u8 = 0
    #: every `ecall` is a fault; set only while `full` is
    foreign: u8 = 0
    #: the host's model only: the fast path has handed the call on
    general: u8 = 0
