"""Drivers against devices that answer at random: `python -m tests.drivers.fuzz disk --answers 10000000`.

Driver and device (`hostile_*.py`) are compiled for the host, with all checks.
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

STEPS = 2000
#: the fields of each device's `Seen`
NAMES = {
    "disk": ("answers", "started", "done", "failed", "lost", "resets"),
    "random": ("answers", "delivered", "taken", "resets"),
    "network": ("answers", "sent", "came", "refused", "joined", "resets"),
    "clock": ("answers", "later", "same", "earlier", "begun"),
    "uart": ("answers", "received", "dropped", "broken", "overruns", "sent", "refused", "begun"),
    "ports": ("answers", "taken", "given", "peers", "hung", "resets"),
}


@functools.cache
def compiled(device: str) -> Callable[[int, int], Any]:
    module = f"tests.drivers.hostile_{device}"
    state = run_front_end(State(PACKAGE_ROOT, [module]))
    assert state.program is not None
    assert not state.diagnostics.items, state.diagnostics.sorted()
    library = jit.Library(state.program, (f"{module}.walk",), poison=True, keep=True)
    return lambda seed, steps: library.call(f"{module}.walk", seed, steps)


def counted(device: str, seen: Any) -> dict[str, int]:
    """What a walk has seen, by name; compiled, it comes back as a tuple."""
    names = NAMES[device]
    numbers = seen if isinstance(seen, tuple) else [getattr(seen, name) for name in names]
    return dict(zip(names, map(int, numbers), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", choices=sorted(NAMES))
    parser.add_argument("--answers", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    before, seed = time.monotonic(), options.seed
    while total["answers"] < options.answers:
        total.update(counted(options.device, compiled(options.device)(seed, STEPS)))
        seed += 1
    said = ", ".join(f"{number:,} {name}" for name, number in total.items())
    print(f"seeds {options.seed} to {seed - 1}: {said}; {time.monotonic() - before:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
