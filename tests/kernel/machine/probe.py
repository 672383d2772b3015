"""All registers around a system call: set before, looked at after."""

from neokernel.lang import Array, address_of, array, asm, assembly, offset_of, struct, u64, unsafe

unsafe("it fills all registers, and has them back when it returns")


@struct
class Registers:
    """x0 to x31; before: x0's place keeps the stack pointer, and x27 is left alone: it holds this object's address."""

    before: Array[u64] = array(32)
    after: Array[u64] = array(32)

    def address(self) -> u64:
        return address_of(self)


RA = 1
SP = 2
GP = 3
TP = 4
T0 = 5
S0 = 8
A0 = 10
A7 = 17
S2 = 18
#: the one that isn't set
S11 = 27
T3 = 28

AFTER = offset_of(Registers, "after")

assembly(f"""
    .macro each operation, offset
    \\operation x1, \\offset+8(s11)
    \\operation x2, \\offset+16(s11)
    \\operation x3, \\offset+24(s11)
    \\operation x4, \\offset+32(s11)
    \\operation x5, \\offset+40(s11)
    \\operation x6, \\offset+48(s11)
    \\operation x7, \\offset+56(s11)
    \\operation x8, \\offset+64(s11)
    \\operation x9, \\offset+72(s11)
    \\operation x10, \\offset+80(s11)
    \\operation x11, \\offset+88(s11)
    \\operation x12, \\offset+96(s11)
    \\operation x13, \\offset+104(s11)
    \\operation x14, \\offset+112(s11)
    \\operation x15, \\offset+120(s11)
    \\operation x16, \\offset+128(s11)
    \\operation x17, \\offset+136(s11)
    \\operation x18, \\offset+144(s11)
    \\operation x19, \\offset+152(s11)
    \\operation x20, \\offset+160(s11)
    \\operation x21, \\offset+168(s11)
    \\operation x22, \\offset+176(s11)
    \\operation x23, \\offset+184(s11)
    \\operation x24, \\offset+192(s11)
    \\operation x25, \\offset+200(s11)
    \\operation x26, \\offset+208(s11)
    \\operation x28, \\offset+224(s11)
    \\operation x29, \\offset+232(s11)
    \\operation x30, \\offset+240(s11)
    \\operation x31, \\offset+248(s11)
    .endm

    .text
    .globl probe_registers
probe_registers:
    addi sp, sp, -128
    sd ra, 0(sp)
    sd gp, 8(sp)
    sd tp, 16(sp)
    sd s0, 24(sp)
    sd s1, 32(sp)
    sd s2, 40(sp)
    sd s3, 48(sp)
    sd s4, 56(sp)
    sd s5, 64(sp)
    sd s6, 72(sp)
    sd s7, 80(sp)
    sd s8, 88(sp)
    sd s9, 96(sp)
    sd s10, 104(sp)
    sd s11, 112(sp)
    mv s11, a0
    sd sp, 0(s11)
    each ld, 0
    ecall
    each sd, {AFTER}
    ld sp, 0(s11)
    ld ra, 0(sp)
    ld gp, 8(sp)
    ld tp, 16(sp)
    ld s0, 24(sp)
    ld s1, 32(sp)
    ld s2, 40(sp)
    ld s3, 48(sp)
    ld s4, 56(sp)
    ld s5, 64(sp)
    ld s6, 72(sp)
    ld s7, 80(sp)
    ld s8, 88(sp)
    ld s9, 96(sp)
    ld s10, 104(sp)
    ld s11, 112(sp)
    addi sp, sp, 128
    ret

    .option push
    .option arch, +d
    .globl add_floats
add_floats:
    fmv.d.x ft0, a0
    fmv.d.x ft1, a1
    fadd.d ft0, ft0, ft1
    fmv.x.d a0, ft0
    ret
    .option pop

    .option push
    .option arch, +v
    .globl exchange_vector
exchange_vector:
    csrr a2, vl
    vmv.x.s a3, v8
    vsetvli zero, a1, e64, m1, ta, ma
    vmv.v.x v8, a0
    mv a0, a3
    mv a1, a2
    ret
    .option pop
""")


def add_floats(left: u64, right: u64) -> u64:
    """The bits of the sum of two doubles, given as bits."""
    (sum,) = asm("call add_floats", left, right, inputs="a0 a1", results="a0", clobbers="a1 ra ft0 ft1")
    return sum


def exchange_vector(word: u64, count: u64) -> tuple[u64, u64]:
    """Fill v8 with `count` of the word: what its first element and the count were before."""
    before, length = asm("call exchange_vector", word, count, inputs="a0 a1", results="a0 a1", clobbers="a2 a3 ra")
    return before, length


def probe(registers: u64) -> None:
    """Make the system call that the Registers at the address describe."""
    asm(
        "call probe_registers",
        registers,
        inputs="a0",
        clobbers="a0 a1 a2 a3 a4 a5 a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory",
    )
