"""Debug information: what gdb shows of a running program, and what stands in an image."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from neokernel.compiler import ir, jit, toolchain
from neokernel.compiler.llvm import EmitOptions, emit, riscv64
from neokernel.compiler.types import (
    BOOL,
    I32,
    NONE,
    U8,
    U32,
    ArrayType,
    EnumType,
    Field,
    RefType,
    StructType,
    UnionType,
)
from tests.support.irbuilder import FILE, FunctionBuilder, const, program
from tests.support.patience import PATIENCE

GDB = shutil.which("gdb")


def sample() -> tuple[ir.Program, int]:
    """A program whose `sample.Thread.run` stops in `sample.stop`; the line of that call."""
    color = EnumType("State", "sample", {"IDLE": 0, "READY": 1, "RUNNING": 2}, U8)
    thread = StructType("Thread", "sample")
    link = UnionType((RefType(thread), NONE))
    outcome = UnionType((U32, color))
    thread.fields |= {
        "state": Field("state", color),
        "ready": Field("ready", BOOL),
        "priority": Field("priority", I32),
        "next": Field("next", link),
        "stack": Field("stack", ArrayType(U32, 4), inline=True),
        "result": Field("result", outcome),
    }
    stop = FunctionBuilder("sample.stop", [("thread", RefType(thread))])
    stop.function.cold = True
    stop.function.exported = True
    f = FunctionBuilder("sample.Thread.run", [("priority", I32)], I32)
    f.function.exported = True
    f.line = 40
    here = f.variable("here", RefType(thread))
    f.set(here, f.new(thread))
    f.store(f.get(here), thread, "state", const(color, 2))
    f.store(f.get(here), thread, "priority", f.parameter(0))
    f.store(f.get(here), thread, "next", f.union(link, f.get(here)))
    f.store(f.get(here), thread, "result", f.union(outcome, const(U32, 77)))
    f.fill(f.field_ref(f.get(here), thread, "stack"), const(U32, 9))
    f.call(stop.function, f.get(here))
    line = f.line
    f.ret(f.load(f.get(here), thread, "priority"))
    entry = FunctionBuilder("main", [], I32)
    entry.function.exported = True
    entry.ret(entry.call(f.function, const(I32, -5)))
    stop.ret()
    return program(stop, f, entry), line


@pytest.mark.skipif(GDB is None or shutil.which("cc") is None, reason="needs gdb and a linker for the host")
def test_gdb_shows_python_lines_and_values(tmp_path: Path) -> None:
    built, line = sample()
    emitted = emit(built, jit.host(), EmitOptions(level=0))
    toolchain.compile_ir(emitted.text, tmp_path / "sample.o", jit.host(), 0)
    subprocess.run(["cc", "-o", tmp_path / "sample", tmp_path / "sample.o"], check=True, timeout=PATIENCE)
    commands = ["break sample.stop", "run", "backtrace", "up", "print *here", "ptype here", "print here->next->state"]
    command = [
        str(GDB),
        "-batch",
        "-nx",
        *(word for text in commands for word in ("-ex", text)),
        str(tmp_path / "sample"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    shown = done.stdout
    print(shown)
    if "ptrace: Operation not permitted" in done.stderr:
        pytest.skip("no tracing here")
    assert f"sample.Thread.run (priority=-5) at {FILE}:{line}" in shown
    assert "state = RUNNING" in shown
    assert "ready = false" in shown
    assert "priority = -5" in shown
    assert "stack = {9, 9, 9, 9}" in shown
    assert "arm = u32" in shown
    assert "u32 = 77" in shown
    assert "= RUNNING" in shown.splitlines()[-1]


def test_an_image_maps_instructions_to_lines(tmp_path: Path) -> None:
    built, line = sample()
    emitted = emit(built, riscv64(), EmitOptions(level=0))
    toolchain.compile_ir(emitted.text, tmp_path / "sample.o", riscv64(), 0)
    toolchain.link([tmp_path / "sample.o"], tmp_path / "sample.elf", entry="main")
    with (tmp_path / "sample.elf").open("rb") as stream:
        dwarf = ELFFile(stream).get_dwarf_info()
        units = list(dwarf.iter_CUs())
        names = {
            entry.attributes["DW_AT_name"].value.decode()
            for entry in units[0].iter_DIEs()
            if entry.tag == "DW_TAG_subprogram" and "DW_AT_name" in entry.attributes
        }
        table = dwarf.line_program_for_CU(units[0])
        assert table is not None
        lines = {entry.state.line for entry in table.get_entries() if entry.state}
    assert {"sample.Thread.run", "sample.stop"} <= names
    assert line in lines
    assert str(tmp_path).encode() not in (tmp_path / "sample.elf").read_bytes()
