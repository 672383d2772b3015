"""An image has the machine's floats exactly if its program computes with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from neokernel.image.build import build_image

#: e_flags: the ABI passes doubles in registers (RISC-V ELF psABI, section "File Header")
DOUBLE = 0x4

PROGRAM = """
from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import f64, square_root, u32


def root(number: u32) -> u32:
    return {root}


def main(machine: Machine) -> None:
    status = u32(machine.console.uart.line_status)
    machine.console.write(f"{{root(status)}}\\n")
"""


@pytest.mark.parametrize("release", [True, False])
@pytest.mark.parametrize(("root", "flag"), [("number // 2", 0), ("u32(square_root(f64(number)) / 2.5)", DOUBLE)])
def test_floats_are_there_when_used(tmp_path: Path, root: str, flag: int, release: bool) -> None:
    source = PROGRAM.format(root=root)
    if not flag:
        source = source.replace("f64, square_root, ", "")
    (tmp_path / "main.py").write_text(source, encoding="utf-8")
    built = build_image(tmp_path, tmp_path / "image.elf", release=release)
    assert built.diagnostics == []
    with built.image.open("rb") as stream:
        assert ELFFile(stream).header["e_flags"] & 0x6 == flag
