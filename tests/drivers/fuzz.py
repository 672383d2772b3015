"""The disk's driver against a device that answers at random: `python -m tests.drivers.fuzz --answers 10000000`.

The driver and the device (`hostile_disk.py`) are compiled for the host, with all checks.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT

MODULE = "tests.drivers.hostile_disk"
STEPS = 2000
#: the fields of `Seen`
NAMES = ("answers", "started", "done", "failed", "lost", "resets")


@functools.cache
def compiled() -> Callable[[int, int], Any]:
    state = run_front_end(State(PACKAGE_ROOT, [MODULE]))
    assert state.program is not None
    assert not state.diagnostics.items, state.diagnostics.sorted()
    library = jit.Library(state.program, (f"{MODULE}.walk",), poison=True)
    return lambda seed, steps: library.call(f"{MODULE}.walk", seed, steps)


def counted(seen: Any) -> dict[str, int]:
    """What a walk has seen, by name; compiled, it comes back as a tuple."""
    numbers = seen if isinstance(seen, tuple) else [getattr(seen, name) for name in NAMES]
    return dict(zip(NAMES, map(int, numbers), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    before, seed = time.monotonic(), options.seed
    while total["answers"] < options.answers:
        total.update(counted(compiled()(seed, STEPS)))
        seed += 1
    said = ", ".join(f"{number:,} {name}" for name, number in total.items())
    print(f"seeds {options.seed} to {seed - 1}: {said}; {time.monotonic() - before:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
