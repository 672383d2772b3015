"""The pinned tools: clang (objects from IR text, assembly, C), and lld (linking), both out of the `ziglang` wheel.

Outputs depend on the inputs alone: no path of this machine, no time stamp. A tool's complaint becomes a `ToolError`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from neokernel.compiler.llvm.target import Target

#: what names of folders begin with that files are made in, until they are whole
ASIDE = ".nk-"


class ToolError(Exception):
    """A tool refused its input: what it said, and which tool it was."""

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(f"{tool}: {message.strip()}")
        self.tool = tool


@functools.cache
def zig() -> str:
    """The zig binary of the installed `ziglang` package."""
    specification = importlib.util.find_spec("ziglang")
    if specification is None or not specification.submodule_search_locations:
        raise ToolError("zig", "the ziglang package is not installed: pip install ziglang")
    for folder in specification.submodule_search_locations:
        for name in ("zig", "zig.exe"):
            path = Path(folder) / name
            if path.is_file():
                return str(path)
    raise ToolError("zig", "the ziglang package holds no zig binary")


def run_tool(tool: str, arguments: Sequence[str], source: str = "", directory: Path | None = None) -> bytes:
    """Run one of zig's tools (`clang`, `ld.lld`) with `source` as standard input; its standard output."""
    environment = {key: value for key, value in os.environ.items() if key not in ("CPATH", "C_INCLUDE_PATH")}
    environment["LC_ALL"] = "C"
    done = subprocess.run(
        [zig(), tool, *arguments],
        input=source.encode(),
        capture_output=True,
        cwd=directory,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise ToolError(tool, done.stderr.decode(errors="replace") or f"exit code {done.returncode}")
    return done.stdout


def machine_options(target: Target) -> list[str]:
    """What clang must know about the machine."""
    if target.is_riscv:
        machine = [f"-march={target.march}", f"-mabi={target.abi}", "-mcmodel=medany"]
    else:
        machine = ["-fPIC"]
    return ["-target", target.triple, *machine]


def _compile(language: str, text: str, output: Path, target: Target, options: Sequence[str]) -> None:
    # The source goes in through a pipe and the output is named relatively, so that no path gets into the object.
    output = output.resolve()
    arguments = [*machine_options(target), *options, "-c", "-x", language, "-", "-o", output.name]
    run_tool("clang", arguments, text, output.parent)


CODE = (
    "-ffunction-sections",
    "-fdata-sections",
    "-fstack-size-section",
    "-Wno-override-module",
    # What unwinds reads .debug_frame, which isn't loaded.
    "-fforce-dwarf-frame",
    # Up to 16 stores rather than a call of memset: its entry alone takes longer.
    "-mllvm",
    "-max-store-memset=16",
)


def compile_ir(text: str, output: Path, target: Target, level: int = 2, options: Sequence[str] = ()) -> None:
    """LLVM IR text to an object file."""
    _compile("ir", text, output, target, [f"-O{level}", *CODE, *options])


def assembly_of_ir(text: str, target: Target, level: int = 2, options: Sequence[str] = ()) -> str:
    """LLVM IR text to assembly text, to read."""
    arguments = [*machine_options(target), f"-O{level}", *CODE, *options, "-S", "-x", "ir", "-", "-o", "-"]
    return run_tool("clang", arguments, text).decode()


def compile_c(text: str, output: Path, target: Target, level: int = 2, options: Sequence[str] = ()) -> None:
    """Freestanding C to an object file."""
    _compile("c", text, output, target, [f"-O{level}", "-ffreestanding", *CODE, *options])


def assemble(text: str, output: Path, target: Target, options: Sequence[str] = ()) -> None:
    """Assembly text, with the C preprocessor, to an object file."""
    _compile("assembler-with-cpp", text, output, target, list(options))


def link(
    objects: Sequence[Path],
    output: Path,
    script: str | None = None,
    entry: str = "_start",
    options: Sequence[str] = (),
) -> None:
    """Link objects to an ELF, without what nothing refers to. Whoever reads `output` meanwhile reads the old one.

    `script`: text of a linker script. Records of checks in code that was dropped get the address -1, and `read_checks`
    skips them.
    """
    arguments = ["--gc-sections", "--build-id=none", "-e", entry]
    arguments += ["-z", "max-page-size=4096", "-z", "dead-reloc-in-nonalloc=.nk.checks=0xffffffffffffffff", *options]
    # The linker removes its output before it writes it: another `nk` may be about to run it.
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=output.parent) as folder:
        if script is not None:
            path = Path(folder) / "link.ld"
            path.write_text(script)
            arguments += ["-T", str(path)]
        made = Path(folder) / output.name
        run_tool("ld.lld", [*arguments, "-o", str(made), *map(str, objects)])
        made.replace(output)
