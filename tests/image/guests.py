"""Guests for tests: C programs on our own boot code, so that nothing here waits for the compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest import mock

from neokernel import lang
from neokernel.compiler import toolchain
from neokernel.compiler.llvm.target import riscv64
from neokernel.image import qemu
from neokernel.image.panic import ConsoleFilter
from tests.support.patience import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
SCRIPT = REPOSITORY / "boards" / "virt.ld"


@cache
def boot_code() -> str:
    """The top-level assembly of the bare machine's modules, in order."""
    texts: list[str] = []
    with mock.patch.object(lang, "assembly", texts.append):
        for name in ("panic", "bare"):
            lang.load_module(REPOSITORY / f"neokernel/arch/riscv64/{name}.py", f"{name}_for_its_assembly")
    return "\n".join(texts)


def build_guest(folder: Path, source: str, *, level: int = 2, name: str = "guest") -> Path:
    """An image of a C program that defines `nk_start`; debug information names `NAME.c` in `folder`."""
    target = riscv64()
    path = folder / f"{name}.c"
    path.write_text(source)
    boot, program, image = folder / "boot.o", folder / f"{name}.o", folder / f"{name}.elf"
    toolchain.assemble(boot_code(), boot, target)
    options = ["-g", "-ffreestanding", "-fno-asynchronous-unwind-tables", "-mcmodel=medany", f"-O{level}"]
    machine = ["--target=riscv64-unknown-none-elf", f"-march={target.march}", f"-mabi={target.abi}"]
    # By its path, as the traceback shows the file's lines.
    toolchain.run_tool("clang", [*machine, *options, "-c", str(path), "-o", str(program)])
    toolchain.link([boot, program], image, SCRIPT.read_text())
    return image


def boot(image: Path, timeout: float = PATIENCE) -> tuple[qemu.Outcome, bytes]:
    """Run an image to its end: how it ended, and what its console showed."""
    program = shutil.which(qemu.PROGRAM)
    assert program is not None
    shown = bytearray()
    show: Callable[[bytes], None] = shown.extend
    outcome = qemu.run(qemu.command(program, image), ConsoleFilter(after_start=True), show, timeout=timeout)
    return outcome, bytes(shown)


def line_of(source: str, text: str) -> int:
    """The number of the line that holds `text`."""
    return next(number for number, line in enumerate(source.splitlines(), 1) if text in line)


def is_running(pid: int) -> bool:
    return subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False).returncode == 0
