"""Rounds of `rounds.py`, compiled for the host with all checks.

Invariant: a round depends on its seed alone.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass, field

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT

MODULE = "tests.fuzz_http.rounds"
#: statuses are less
STATUSES = 600
#: rounds of one call
STEP = 100_000
ENDS = {0: "all was read, or more must come", 1: "a body that is none"}


class Found(Exception):
    """What must not be."""


@dataclass
class Totals:
    rounds: int = 0
    requests: int = 0
    bytes_read: int = 0
    ends: Counter[int] = field(default_factory=Counter)


def library(overlay: dict[str, str] | None = None) -> jit.Library:
    """The rounds. `overlay`: other sources than those of the library, by module."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE], overlay or {}))
    assert state.program is not None and not state.diagnostics.items, state.diagnostics.sorted()
    return jit.Library(state.program, (f"{MODULE}.fuzz",), poison=True, keep=True)


def run(seed: int, count: int, compiled: jit.Library | None = None) -> Totals:
    """Rounds `seed` to `seed + count - 1`. Raises Found."""
    compiled = compiled or library()
    totals = Totals()
    statuses = (ctypes.c_uint64 * STATUSES)()
    for first in range(seed, seed + count, STEP):
        many = min(STEP, seed + count - first)
        try:
            rounds, requests, read, *_ = map(int, compiled.call(f"{MODULE}.fuzz", first, many, (statuses, STATUSES)))
        except jit.CheckError as error:
            raise Found(f"in rounds {first} to {first + many - 1}: {error}") from error
        totals.rounds += rounds
        totals.requests += requests
        totals.bytes_read += read
    totals.ends.update({status: times for status, times in enumerate(statuses) if times})
    return totals
