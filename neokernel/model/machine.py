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


#: 16 of 32 floats are a block's sums; the others, weights and elements
SCALAR = Variant(Machine("rv64gc", lanes=4, accumulators=4, integers_as_floats=True), "rv64imafdc_zicsr_zifencei")
#: registers of 128 bits at least, in pairs: 8 of 16 pairs are a block's sums
VECTOR = Variant(Machine("rv64gcv", lanes=8, accumulators=8), "rv64imafdcv_zicsr_zifencei")
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


class NotMovable(Exception):
    """Code that depends on where it is put: a fault of the compiler, not of the model."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Code; it is entered at its first byte. `stack`: bytes that a call takes at most."""

    code: bytes
    stack: int


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
    return Blob(first, stack_of(path))


def code_of(image: Path) -> bytes:
    with image.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".code")
        assert section is not None, "the script above makes it"
        return bytes(section.data())


def stack_of(path: Path) -> int:
    """What `infer` and the one function that it is in take, by the sizes of frames that the compiler noted."""
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
    return infer + max(frames, default=0)


def uleb128(data: bytes) -> int:
    """A number as DWARF writes it (DWARF 5, 7.6)."""
    value = 0
    for place, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            break
    return value
