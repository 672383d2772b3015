"""Runs compiled functions on an emulated riscv64 machine, many per boot.

Each call gets an area of memory, filled with its input, and is handed the area's address: functions with one reference
as parameter directly, all others through their entry stub (the area is then their `Frame`).
"""

from __future__ import annotations

import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neokernel.compiler import ir, toolchain
from neokernel.compiler.jit import read_value, write_value
from neokernel.compiler.layout import Layout, entry_frame
from neokernel.compiler.llvm import CheckRecord, EmitOptions, emit, read_checks, riscv64
from neokernel.compiler.types import NONE, RefType
from tests.support.patience import PATIENCE

QEMU = shutil.which("qemu-system-riscv64")
TARGET = riscv64(floats=True)
_HERE = Path(__file__).parent
_MARK = b"\nNKRESULTS\n"
_HEAD = struct.Struct("<QQQQ")
_BREAKPOINT = 3

_SCRIPT = """
ENTRY(_start)
SECTIONS
{
  . = 0x80200000;
  .text : { *(.text.start) *(.text .text.*) }
  .rodata : ALIGN(16) { *(.rodata .rodata.* .srodata .srodata.*) }
  .data : ALIGN(16) { *(.data .data.* .sdata .sdata.*) }
  .bss (NOLOAD) : ALIGN(16) { bss_start = .; *(.sbss .sbss.* .bss .bss.* COMMON) . = ALIGN(16); bss_end = .; }
}
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one call: its area afterwards, and the check that failed, or another trap."""

    output: bytes
    failed: CheckRecord | None = None
    trap: str | None = None
    instructions: int = 0


class MachineError(Exception):
    """The machine didn't finish."""


@functools.cache
def _runner_objects() -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        start, runner = Path(folder) / "start.o", Path(folder) / "runner.o"
        toolchain.assemble((_HERE / "runner.S").read_text(), start, TARGET)
        toolchain.compile_c((_HERE / "runner.c").read_text(), runner, TARGET, options=["-fno-builtin"])
        return start.read_bytes(), runner.read_bytes()


def run_functions(
    program: ir.Program,
    symbols: Sequence[str],
    output_size: int,
    inputs: Sequence[bytes] | None = None,
    *,
    level: Literal[0, 1, 2, 3] = 2,
    checks: bool = True,
    counted: bool = False,
    debug: bool = True,
    timeout: float = PATIENCE,
) -> list[Outcome]:
    """Call the functions in turn. `counted`: make the instruction counts exact (slower). `debug`: emit DWARF."""
    functions = {function.symbol: function for function in program.functions}
    direct = {symbol for symbol in symbols if _takes_reference(functions[symbol])}
    entries = tuple(dict.fromkeys(symbol for symbol in symbols if symbol not in direct))
    options = EmitOptions(checks=checks, debug=debug, level=level, exported=frozenset(direct), entries=entries)
    emitted = emit(program, TARGET, options)
    names = [symbol if symbol in direct else f"nk.entry.{symbol}" for symbol in symbols]
    output_size = max(8, (output_size + 7) // 8 * 8)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        image = here / "image.elf"
        toolchain.compile_ir(emitted.text, here / "program.o", TARGET, level)
        _build(here, image, names, output_size, inputs or [b""] * len(names))
        addresses = read_checks(image)
        data = boot(image, counted, timeout)
    found = data.find(_MARK)
    body = data[found + len(_MARK) :]
    step = _HEAD.size + output_size
    if found < 0 or len(body) < step * len(names):
        raise MachineError(f"the machine stopped early; it wrote {data[-2000:]!r}")
    records = {record.id: record for record in emitted.checks}
    outcomes = []
    for position in range(len(names)):
        pc, cause, value, instructions = _HEAD.unpack_from(body, position * step)
        output = body[position * step + _HEAD.size : (position + 1) * step]
        failed = trap = None
        if pc and cause == _BREAKPOINT and pc in addresses:
            failed = records[addresses[pc]]
        elif pc:
            trap = f"cause {cause} at {pc:#x}, value {value:#x}"
        outcomes.append(Outcome(output, failed, trap, instructions))
    return outcomes


def call_all(
    program: ir.Program, calls: Sequence[tuple[str, tuple[Any, ...]]], **options: Any
) -> list[tuple[Any, Outcome]]:
    """Call functions with Python values (see `jit.Library.call`; no references); their results, and the outcomes."""
    layout = Layout()
    functions = {function.symbol: function for function in program.functions}
    frames = {}
    for symbol, _ in calls:
        function = functions[symbol]
        frames[symbol] = entry_frame(layout, [parameter.type for parameter in function.parameters], function.result)
    size = max(frame.size for frame in frames.values()) + 8
    inputs = []
    for symbol, arguments in calls:
        area = bytearray(size)
        parameters = functions[symbol].parameters
        for parameter, offset, argument in zip(parameters, frames[symbol].arguments, arguments, strict=True):
            write_value(layout, parameter.type, argument, memoryview(area), offset, [])
        inputs.append(bytes(area))
    outcomes = run_functions(program, [symbol for symbol, _ in calls], size, inputs, **options)
    results = []
    for (symbol, _), outcome in zip(calls, outcomes, strict=True):
        value = None
        if outcome.failed is None and outcome.trap is None:
            value = read_value(layout, functions[symbol].result, memoryview(outcome.output), frames[symbol].result)
        results.append((value, outcome))
    return results


def _takes_reference(function: ir.Function) -> bool:
    types = [parameter.type for parameter in function.parameters]
    return len(types) == 1 and isinstance(types[0], RefType) and function.result == NONE


def _build(here: Path, image: Path, names: Sequence[str], output_size: int, inputs: Sequence[bytes]) -> None:
    start, runner = _runner_objects()
    (here / "start.o").write_bytes(start)
    (here / "runner.o").write_bytes(runner)
    areas = [data.ljust(output_size, b"\0")[:output_size] for data in inputs]
    (here / "inputs.bin").write_bytes(b"".join(areas) + bytes(8))
    table = "\n".join(f'.quad "{name}"' for name in names)
    (here / "table.s").write_text(
        f"""
        .section .rodata.table, "a"
        .globl calls, call_count, output_size, inputs, output
        .p2align 3
        calls: {table}
        call_count: .quad {len(names)}
        output_size: .quad {output_size}
        .p2align 4
        inputs: .incbin "inputs.bin"
        .section .bss
        .p2align 4
        output: .skip {output_size + 16}
        """
    )
    toolchain.assemble((here / "table.s").read_text(), here / "table.o", TARGET)
    objects = [here / name for name in ("start.o", "runner.o", "table.o", "program.o")]
    toolchain.link(objects, image, _SCRIPT)


def boot(image: Path, counted: bool = False, timeout: float = PATIENCE) -> bytes:
    """Boot an image until it powers the machine off; what it wrote to the serial line."""
    if QEMU is None:
        raise MachineError("qemu-system-riscv64 is not installed")
    log = image.with_suffix(".log")
    command = [QEMU, "-M", "virt", "-m", "128", "-bios", "default", "-display", "none", "-monitor", "none"]
    command += ["-serial", f"file:{log}", "-kernel", str(image)]
    if counted:
        command += ["-icount", "shift=0,sleep=off"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MachineError(f"no end after {timeout} s; it wrote {log.read_bytes()[-2000:]!r}") from None
    except subprocess.CalledProcessError as failure:
        raise MachineError(f"exit code {failure.returncode}: {failure.stderr.decode()}") from failure
    return log.read_bytes()
