"""A program's image, for the bare machine: the program, the boot code, and a module between them that the build writes.

Beside the image lies the table of its checks (`checks.py`). The same source gives the same bytes, wherever it lies.
A program that takes a `Process` needs the kernel: its image is made in `kernel.py`.
"""

from __future__ import annotations

from pathlib import Path

from neokernel.compiler import toolchain
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.pipeline import State, export, make_objects, run_front_end, state_of
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.checks import sources_in, write_check_table
from neokernel.image.kernel import build_system
from neokernel.image.program import ENTRY, MEMORY, PROCESS, BuildResult, of_the_program, takes_process

BARE = "neokernel.arch.riscv64.bare"
HELP = (
    f"write `def main(machine: Machine) -> None:`, with `from {BARE} import Machine`; "
    f"above the kernel `def main(process: Process) -> None:`, with `from {PROCESS} import Process`"
)
LINK_SCRIPT = PACKAGE_ROOT / "boards" / "virt.ld"


def is_system(root: Path) -> bool:
    """Does the program at `root`, a folder with `main.py` or a module's file, need the kernel?"""
    return takes_process(root / "main.py" if root.is_dir() else root)


def build_image(root: Path, output: Path, *, checks: bool = True, release: bool = True) -> BuildResult:
    """Build the program at `root`: with the kernel below it, or for the bare machine, as its `main` takes it."""
    if is_system(root):
        return build_system(root, output, checks=checks, release=release)
    state, diagnostics = examine(root)
    if diagnostics:
        return BuildResult(output, diagnostics)
    assert state.program is not None
    export(state.program, {f"{ENTRY}.nk_start": "nk_start"})
    objects, records = make_objects(state.program, checks=checks, release=release)
    toolchain.link(objects, output, LINK_SCRIPT.read_text())
    write_check_table(output, records, sources_in(state.folder, state.modules))
    return BuildResult(output)


def examine(root: Path) -> tuple[State, list[Diagnostic]]:
    """The program between front end and back end, with the boot code; and all that is wrong with it."""
    state = state_of(root)
    main = state.roots[0]
    state.overlay[ENTRY] = entry_source(main)
    state.roots += [ENTRY, *MEMORY]
    run_front_end(state)
    return state, of_the_program(state, main, HELP, "`machine.power_off(u8(3))`")


def is_program(state: State) -> bool:
    """Could the program's module be read, and is it the target's?"""
    return state.roots[0] in state.scopes


def entry_source(main: str) -> str:
    """The module that the boot code calls."""
    return (
        '"""Made by the build: what the boot code calls."""\n'
        f"from neokernel.lang import u8\nfrom {BARE} import Machine\nfrom {main} import main\n\n"
        "def nk_start() -> None:\n    machine = Machine()\n    main(machine)\n    machine.power_off(u8(0))\n"
    )
