"""The walks, compiled for the host."""

from __future__ import annotations

import functools

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT

MODULE = "tests.json.walk"
NAMES = ("transcribe", "skipped", "float64", "float32", "narrow", "text32", "text64", "round_trips")


@functools.cache
def library() -> jit.Library:
    """With all checks."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE]))
    assert state.program is not None and not state.diagnostics.items, state.diagnostics.sorted()
    return jit.Library(state.program, tuple(f"{MODULE}.{name}" for name in NAMES), poison=True)
