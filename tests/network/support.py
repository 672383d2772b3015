"""The network's modules, compiled for the host."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT


@functools.cache
def library(module: str, *functions: str, poison: bool = True) -> jit.Library:
    """With all checks. `poison`: dead objects are found, too, which asks about each access."""
    return built(module, functions, {}, poison)


def built(module: str, functions: tuple[str, ...], overlay: Mapping[str, str], poison: bool) -> jit.Library:
    """`overlay`: what modules say instead, by their names."""
    name = f"tests.network.{module}"
    state = run_front_end(State(PACKAGE_ROOT, [name], overlay=dict(overlay)))
    assert state.program is not None
    assert not state.diagnostics.items, state.diagnostics.sorted()
    names = tuple(f"{name}.{function}" for function in functions)
    return jit.Library(state.program, names, poison=poison, keep=True)
