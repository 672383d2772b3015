"""A program's image for the bare machine: the program, the boot code, and a module between them that the build writes.

Beside the image lies the table of its checks (`checks.py`). The same source gives the same bytes, wherever it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from neokernel.compiler import toolchain
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.pipeline import State, export, make_objects, run_front_end, state_of
from neokernel.compiler.resolve import reject
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.checks import write_check_table

BARE = "neokernel.arch.riscv64.bare"
#: the functions that LLVM expects to find
MEMORY = "neokernel.arch.riscv64.memory"
ENTRY = "neokernel.entry"
LINK_SCRIPT = PACKAGE_ROOT / "boards" / "virt.ld"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A built image, or the diagnostics that prevented it."""

    image: Path
    diagnostics: list[Diagnostic] = field(default_factory=list)


def build_image(root: Path, output: Path, *, checks: bool = True, release: bool = True) -> BuildResult:
    """Build a program, `root`, for the bare machine: the boot code starts its `main(machine: Machine)`."""
    state, diagnostics = examine(root)
    if diagnostics:
        return BuildResult(output, diagnostics)
    assert state.program is not None
    export(state.program, {f"{ENTRY}.nk_start": "nk_start"})
    objects, records = make_objects(state.program, checks=checks, release=release)
    toolchain.link(objects, output, LINK_SCRIPT.read_text())
    write_check_table(output, records)
    return BuildResult(output)


def examine(root: Path) -> tuple[State, list[Diagnostic]]:
    """The program between front end and back end, with the boot code; and all that is wrong with it."""
    state = state_of(root)
    main = state.roots[0]
    state.overlay[ENTRY] = entry_source(main)
    state.roots += [ENTRY, MEMORY]
    run_front_end(state)
    return state, _of_the_program(state, main)


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


def _of_the_program(state: State, module: str) -> list[Diagnostic]:
    """The diagnostics; what is wrong with the written module is wrong with the program's `main`."""
    found = state.diagnostics.sorted()
    entry = f"<{ENTRY}>"
    mine = [diagnostic for diagnostic in found if diagnostic.span.file != entry]
    scope = state.scopes.get(module)
    if mine or scope is None:
        return mine
    main = scope.names.get("main")
    if isinstance(main, FunctionDecl) and not found:
        return []
    message = "`main` can't be started" if isinstance(main, FunctionDecl) else "this program has no `main`"
    place = main.node if isinstance(main, FunctionDecl) else scope.module.tree
    help = f"write `def main(machine: Machine) -> None:`, with `from {BARE} import Machine`"
    rejected = reject(scope, "NK0209", message, place, help).diagnostic
    assert rejected is not None
    return [rejected]
