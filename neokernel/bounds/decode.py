"""Machine code of RV64IMAC as instructions: what each does to control flow, and to integers where that is simple.

Compressed instructions become what they abbreviate (unprivileged specification, chapter "C"). An instruction that
isn't known here, floating point for one, is `other`: it goes on to the next and leaves an unknown value in `rd`. That
is safe: what changes control flow is all known.
"""

from __future__ import annotations

from dataclasses import dataclass

MASK = (1 << 64) - 1
RA, SP, T0 = 1, 2, 5

BRANCHES_BY_CODE = {0: "beq", 1: "bne", 4: "blt", 5: "bge", 6: "bltu", 7: "bgeu"}
LOADS_BY_CODE = {0: "lb", 1: "lh", 2: "lw", 3: "ld", 4: "lbu", 5: "lhu", 6: "lwu"}
STORES_BY_CODE = {0: "sb", 1: "sh", 2: "sw", 3: "sd"}
IMMEDIATE = {0: "addi", 2: "slti", 3: "sltiu", 4: "xori", 6: "ori", 7: "andi"}
REGISTER = {
    (0, 0): "add",
    (32, 0): "sub",
    (0, 1): "sll",
    (0, 2): "slt",
    (0, 3): "sltu",
    (0, 4): "xor",
    (0, 5): "srl",
    (32, 5): "sra",
    (0, 6): "or",
    (0, 7): "and",
}
REGISTER_WORD = {(0, 0): "addw", (32, 0): "subw", (0, 1): "sllw", (0, 5): "srlw", (32, 5): "sraw"}
CONTROL = {1: "csrrw", 2: "csrrs", 3: "csrrc", 5: "csrrwi", 6: "csrrsi", 7: "csrrci"}
BRANCHES, LOADS, STORES = (frozenset(codes.values()) for codes in (BRANCHES_BY_CODE, LOADS_BY_CODE, STORES_BY_CODE))
SYSTEM = {0x00000073: "ecall", 0x00100073: "ebreak", 0x10200073: "sret", 0x10500073: "wfi"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """`op` is the mnemonic of the form that isn't compressed; `imm` also the number of a control register.

    A target (of jal and branches) is `address + imm`. Registers that an instruction hasn't are 0.
    """

    address: int
    length: int
    op: str
    rd: int = 0
    rs1: int = 0
    rs2: int = 0
    imm: int = 0

    @property
    def next(self) -> int:
        return self.address + self.length

    @property
    def target(self) -> int:
        return (self.address + self.imm) & MASK


def decode(code: bytes, offset: int, address: int) -> Instruction:
    """The instruction at `offset` of the code, which lies at `address`."""
    half = int.from_bytes(code[offset : offset + 2], "little")
    if half & 3 != 3:
        op, rd, rs1, rs2, imm = _compressed(half)
        return Instruction(address, 2, op, rd, rs1, rs2, imm)
    op, rd, rs1, rs2, imm = _full(int.from_bytes(code[offset : offset + 4], "little"))
    return Instruction(address, 4, op, rd, rs1, rs2, imm)


Fields = tuple[str, int, int, int, int]


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _full(word: int) -> Fields:
    rd, three, rs1, rs2, seven = word >> 7 & 31, word >> 12 & 7, word >> 15 & 31, word >> 20 & 31, word >> 25
    short = signed(word >> 20, 12)
    match word & 0x7F:
        case 0x37:
            return "lui", rd, 0, 0, signed(word & 0xFFFFF000, 32)
        case 0x17:
            return "auipc", rd, 0, 0, signed(word & 0xFFFFF000, 32)
        case 0x6F:
            imm = (word >> 31) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1
            return "jal", rd, 0, 0, signed(imm, 21)
        case 0x67:
            return "jalr", rd, rs1, 0, short
        case 0x63 if three in BRANCHES_BY_CODE:
            imm = (word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3F) << 5 | (word >> 8 & 15) << 1
            return BRANCHES_BY_CODE[three], 0, rs1, rs2, signed(imm, 13)
        case 0x03 if three in LOADS_BY_CODE:
            return LOADS_BY_CODE[three], rd, rs1, 0, short
        case 0x23 if three in STORES_BY_CODE:
            return STORES_BY_CODE[three], 0, rs1, rs2, signed(seven << 5 | rd, 12)
        case 0x13 if three in IMMEDIATE:
            return IMMEDIATE[three], rd, rs1, 0, short
        case 0x13 if seven >> 1 in (0, 16):
            return (
                {(1, 0): "slli", (5, 0): "srli", (5, 16): "srai"}.get((three, seven >> 1), "other"),
                rd,
                rs1,
                0,
                (word >> 20 & 63),
            )
        case 0x1B if three == 0:
            return "addiw", rd, rs1, 0, short
        case 0x1B if seven in (0, 32):
            return {(1, 0): "slliw", (5, 0): "srliw", (5, 32): "sraiw"}.get((three, seven), "other"), rd, rs1, 0, rs2
        case 0x33 if (seven, three) in REGISTER:
            return REGISTER[seven, three], rd, rs1, rs2, 0
        case 0x3B if (seven, three) in REGISTER_WORD:
            return REGISTER_WORD[seven, three], rd, rs1, rs2, 0
        case 0x73 if word in SYSTEM:
            return SYSTEM[word], 0, 0, 0, 0
        case 0x73 if three in CONTROL:
            return CONTROL[three], rd, rs1, 0, word >> 20
    return "other", rd, rs1, rs2, 0


def _compressed(half: int) -> Fields:
    three, rd, rs2 = half >> 13, half >> 7 & 31, half >> 2 & 31
    # The registers of the short forms are x8 to x15.
    low, high = 8 + (half >> 2 & 7), 8 + (half >> 7 & 7)
    six = (half >> 12 & 1) << 5 | half >> 2 & 31
    if half == 0:
        return "ebreak", 0, 0, 0, 0
    match half & 3, three:
        case 0, 0:
            imm = (half >> 7 & 15) << 6 | (half >> 11 & 3) << 4 | (half >> 5 & 1) << 3 | (half >> 6 & 1) << 2
            return "addi", low, SP, 0, imm
        case 0, 2:
            return "lw", low, high, 0, _word_offset(half)
        case 0, 3:
            return "ld", low, high, 0, _double_offset(half)
        case 0, 6:
            return "sw", 0, high, low, _word_offset(half)
        case 0, 7:
            return "sd", 0, high, low, _double_offset(half)
        case 1, 0:
            return "addi", rd, rd, 0, signed(six, 6)
        case 1, 1:
            return "addiw", rd, rd, 0, signed(six, 6)
        case 1, 2:
            return "addi", rd, 0, 0, signed(six, 6)
        case 1, 3 if rd == SP:
            imm = (half >> 12 & 1) << 9 | (half >> 3 & 3) << 7 | (half >> 5 & 1) << 6 | (half >> 2 & 1) << 5
            return "addi", SP, SP, 0, signed(imm | (half >> 6 & 1) << 4, 10)
        case 1, 3:
            return "lui", rd, 0, 0, signed(six << 12, 18)
        case 1, 4:
            return _arithmetic(half, high, low, six)
        case 1, 5:
            imm = (half >> 12 & 1) << 11 | (half >> 8 & 1) << 10 | (half >> 9 & 3) << 8 | (half >> 6 & 1) << 7
            imm |= (half >> 7 & 1) << 6 | (half >> 2 & 1) << 5 | (half >> 11 & 1) << 4 | (half >> 3 & 7) << 1
            return "jal", 0, 0, 0, signed(imm, 12)
        case 1, (6 | 7):
            imm = (half >> 12 & 1) << 8 | (half >> 5 & 3) << 6 | (half >> 2 & 1) << 5 | (half >> 10 & 3) << 3
            return "beq" if three == 6 else "bne", 0, high, 0, signed(imm | (half >> 3 & 3) << 1, 9)
        case 2, 0:
            return "slli", rd, rd, 0, six
        case 2, 2:
            return "lw", rd, SP, 0, (half >> 2 & 3) << 6 | (half >> 12 & 1) << 5 | (half >> 4 & 7) << 2
        case 2, 3:
            return "ld", rd, SP, 0, (half >> 2 & 7) << 6 | (half >> 12 & 1) << 5 | (half >> 5 & 3) << 3
        case 2, 4:
            return _jump_or_move(half, rd, rs2)
        case 2, 6:
            return "sw", 0, SP, rs2, (half >> 7 & 3) << 6 | (half >> 9 & 15) << 2
        case 2, 7:
            return "sd", 0, SP, rs2, (half >> 7 & 7) << 6 | (half >> 10 & 7) << 3
    # Loads and stores of floating point leave no integer; the odd forms are relative to `sp`.
    return "other", 0, SP if half & 3 == 2 else high, 0, 0


def _word_offset(half: int) -> int:
    return (half >> 5 & 1) << 6 | (half >> 10 & 7) << 3 | (half >> 6 & 1) << 2


def _double_offset(half: int) -> int:
    return (half >> 5 & 3) << 6 | (half >> 10 & 7) << 3


def _arithmetic(half: int, high: int, low: int, six: int) -> Fields:
    match half >> 10 & 3:
        case 0:
            return "srli", high, high, 0, six
        case 1:
            return "srai", high, high, 0, six
        case 2:
            return "andi", high, high, 0, signed(six, 6)
    ops = ("sub", "xor", "or", "and", "subw", "addw", "other", "other")
    return ops[(half >> 12 & 1) << 2 | half >> 5 & 3], high, high, low, 0


def _jump_or_move(half: int, rd: int, rs2: int) -> Fields:
    link = half >> 12 & 1
    if rs2 != 0:
        return ("add", rd, rd, rs2, 0) if link else ("add", rd, 0, rs2, 0)
    if rd == 0:
        return "ebreak", 0, 0, 0, 0
    return "jalr", link, rd, 0, 0


def evaluate(instruction: Instruction, a: int | None, b: int | None) -> int | None:
    """What an instruction of integers leaves in `rd`, given its operands; None when it can't be told."""
    op, imm = instruction.op, instruction.imm
    if op == "lui":
        return imm & MASK
    if op == "auipc":
        return (instruction.address + imm) & MASK
    if op in WITH_IMMEDIATE:
        b = imm & MASK
        op = WITH_IMMEDIATE[op]
    if op in ("and", "andw") and (a == 0 or b == 0):
        return 0
    if a is None or b is None:
        return None
    if op.endswith("w") and op[:-1] in ARITHMETIC:
        shift = b & 31
        match op:
            case "srlw":
                found = (a & 0xFFFFFFFF) >> shift
            case "sraw":
                found = signed(a, 32) >> shift
            case "sllw":
                found = a << shift
            case _:
                found = a + b if op == "addw" else a - b
        return signed(found, 32) & MASK
    if op not in ARITHMETIC:
        return None
    return _arithmetic_of(op, a, b) & MASK


ARITHMETIC = frozenset(REGISTER.values())
WITH_IMMEDIATE = {name: name[:-1] for name in (*IMMEDIATE.values(), "slli", "srli", "srai")}
WITH_IMMEDIATE |= {"sltiu": "sltu", "addiw": "addw", "slliw": "sllw", "srliw": "srlw", "sraiw": "sraw"}


def _arithmetic_of(op: str, a: int, b: int) -> int:
    match op:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "sll":
            return a << (b & 63)
        case "srl":
            return a >> (b & 63)
        case "sra":
            return signed(a, 64) >> (b & 63)
        case "slt":
            return int(signed(a, 64) < signed(b, 64))
        case "sltu":
            return int(a < b)
        case "xor":
            return a ^ b
        case "or":
            return a | b
        case _:
            return a & b


def taken(op: str, a: int, b: int) -> bool:
    """Does a branch on these values jump?"""
    match op:
        case "beq":
            return a == b
        case "bne":
            return a != b
        case "blt":
            return signed(a, 64) < signed(b, 64)
        case "bge":
            return signed(a, 64) >= signed(b, 64)
        case "bltu":
            return a < b
        case _:
            return a >= b
