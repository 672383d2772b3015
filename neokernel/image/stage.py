"""The first stage's own ELF file: what the firmware starts in an image's place."""

from __future__ import annotations

from pathlib import Path

from neokernel.compiler import toolchain
from neokernel.compiler.pipeline import State, export, make_objects, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.checks import sources_in, write_check_table
from neokernel.image.program import MEMORY_BELOW, BuildResult

ROOT = "neokernel.stage.main"
LINK_SCRIPT = PACKAGE_ROOT / "boards" / "stage.ld"
#: the stack that the link script lays out
STACK = 2 << 20


def stage_state() -> State:
    """The first stage, before any pass of the compiler."""
    return State(PACKAGE_ROOT, [ROOT, *MEMORY_BELOW], stack=STACK)


def build_stage(output: Path, *, checks: bool = True) -> BuildResult:
    """Build the first stage. It has all its checks: they are the second line of defence where bytes are read."""
    state = run_front_end(stage_state())
    if state.diagnostics.items:
        return BuildResult(output, state.diagnostics.sorted())
    assert state.program is not None
    export(state.program, {f"{ROOT}.start": "nk_start"})
    objects, records = make_objects(state.program, checks=checks, release=True)
    toolchain.link(objects, output, LINK_SCRIPT.read_text())
    write_check_table(output, records, sources_in(state.folder, state.modules))
    return BuildResult(output)
