"""The library's modules, compiled for the host."""

from __future__ import annotations

import functools

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT


@functools.cache
def library(module: str, *functions: str) -> jit.Library:
    """With all checks, and dead objects found."""
    name = f"tests.http.{module}"
    state = run_front_end(State(PACKAGE_ROOT, [name]))
    assert state.program is not None
    assert not state.diagnostics.items, state.diagnostics.sorted()
    return jit.Library(state.program, tuple(f"{name}.{function}" for function in functions), poison=True, keep=True)
