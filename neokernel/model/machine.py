"""Code for riscv64: one piece of bytes that can be put anywhere and needs nothing.

Invariants:
- The code refers to nothing but itself, by distances alone: linked for two addresses, it has the same bytes.
- It has no data that is written, and calls nothing outside: else the linker refuses.
- The same text gives the same bytes.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from elftools.dwarf.callframe import FDE
from elftools.dwarf.constants import DW_CFA
from elftools.dwarf.dwarf_expr import DWARFExprParser
from elftools.elf.elffile import ELFFile

from neokernel.compiler import toolchain
from neokernel.compiler.llvm.target import Target, riscv64
from neokernel.compiler.objects import compile_cached
from neokernel.model.code import Machine
from neokernel.model.emit import ENTRY, Emitted


@dataclass(frozen=True, slots=True)
class Variant:
    """Machines of one kind: what the code is shaped for, and the instructions that they have."""

    machine: Machine
    march: str

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def target(self) -> Target:
        base = riscv64(floats=True)
        return Target(base.architecture, base.triple, base.data_layout, self.march, base.abi)


#: 16 of 32 floats are a block's sums; the others, weights and elements. A group is four instructions.
SCALAR = Variant(
    Machine("rv64gc", lanes=4, accumulators=4, unrolled=16, integers_as_floats=True), "rv64imafdc_zicsr_zifencei"
)
#: registers of 128 bits at least, in pairs: 8 of 16 pairs are a block's sums
VECTOR = Variant(Machine("rv64gcv", lanes=8, accumulators=8, unrolled=144), "rv64imafdcv_zicsr_zifencei")
#: the best one last
VARIANTS = (SCALAR, VECTOR)

#: where the code is linked to, twice
ADDRESSES = (0x1_0000, 0x4000_0000)
SCRIPT = """
SECTIONS
{
  . = ADDRESS;
  .code : ALIGN(64) { KEEP(*(.text.infer)) *(.text .text.*) . = ALIGN(64); *(.rodata .rodata.* .srodata .srodata.*) }
  .rest : { *(.data .data.* .sdata .sdata.* .bss .bss.* .sbss .sbss.* .got .got.* COMMON) }
  /DISCARD/ : { *(.comment) *(.eh_frame) *(.riscv.attributes) *(.note.*) }
}
ASSERT(SIZEOF(.rest) == 0, "code of a model with data of its own")
"""


#: DWARF's numbers of registers (RISC-V DWARF Specification)
STACK_POINTER, VLENB = 2, 4096 + 0xC22
#: the expression for a frame with vector registers in it
FRAME = ["DW_OP_breg2", "DW_OP_consts", "DW_OP_plus", "DW_OP_consts", "DW_OP_bregx", "DW_OP_mul", "DW_OP_plus"]


class NotMovable(Exception):
    """Code that depends on where it is put, or takes unknown memory: a fault of the compiler, not of the model."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Code; it is entered at its first byte. `stack`: bytes that a call takes at most, and `stack_vectors` vector
    registers more, each as large as the machine has them."""

    code: bytes
    stack: int
    stack_vectors: int


def machine_code(emitted: Emitted, variant: Variant, level: int = 2) -> Blob:
    """The code of a model. `emitted` for the variant's machine."""
    (path,) = compile_cached([emitted.text], variant.target, level)
    with tempfile.TemporaryDirectory(prefix="nk-model-") as folder:
        images = []
        for address in ADDRESSES:
            image = Path(folder) / f"{address:x}.elf"
            script = SCRIPT.replace("ADDRESS", hex(address), 1)
            toolchain.link([path], image, script, emitted.entry)
            images.append(image)
        first, second = (code_of(image) for image in images)
        if first != second:
            raise NotMovable(f"code for {variant.name} depends on its address")
    return Blob(first, *stack_of(path))


def code_of(image: Path) -> bytes:
    with image.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".code")
        assert section is not None, "the script above makes it"
        return bytes(section.data())


def stack_of(path: Path) -> tuple[int, int]:
    """What `infer` and the one function that it is in take: bytes, and vector registers.

    Bytes by the sizes of frames that the compiler notes. They leave out the vector registers that a function keeps on
    its stack: how large these are, the machine says (`vlenb`). How many there are stands in what the compiler tells
    debuggers of frames, as all functions count theirs from the stack's pointer (`emit.ATTRIBUTES`).
    """
    frames: list[int] = []
    infer = 0
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        for section in elf.iter_sections():
            if section.name.startswith(".stack_sizes"):
                size = uleb128(bytes(section.data())[8:])
                of = elf.get_section(section["sh_link"])
                if of.name == f".text.{ENTRY}":
                    infer = size
                else:
                    frames.append(size)
        return infer + max(frames, default=0), vectors_of(elf)


def vectors_of(elf: ELFFile) -> int:
    """The most vector registers that a function keeps on its stack."""
    most = 0
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False)
    expressions = DWARFExprParser(dwarf.structs)
    for entry in dwarf.EH_CFI_entries():
        for instruction in entry.instructions if isinstance(entry, FDE) else ():
            if instruction.opcode in (DW_CFA.def_cfa, DW_CFA.def_cfa_register) and instruction.args[0] != STACK_POINTER:
                raise NotMovable("a function whose frame isn't counted from the stack's pointer")
            if instruction.opcode == DW_CFA.def_cfa_expression:
                operations = expressions.parse_expr(instruction.args[0])
                # sp + bytes + registers × vlenb, as LLVM writes it
                if [each.op_name for each in operations] != FRAME or operations[4].args[0] != VLENB:
                    raise NotMovable("a function whose frame is of unknown size")
                most = max(most, int(operations[3].args[0]))
    return most


def uleb128(data: bytes) -> int:
    """A number as DWARF writes it (DWARF 5, 7.6)."""
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            break
    return value
