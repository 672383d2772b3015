"""Supervision under fire, at length: `python -m tests.services.campaign --kills 1000 --swaps 100`.

The system of the tests, without those services that do nothing: 64 clients call one of the others all the time, while
any service but the test's own is killed, again and again; before that, one version of it replaces the other. At the end
nothing may be lost: no memory, no slot, no call, and nothing that was counted. Each kill of a service that is called
tells how many instructions it took until it answered again.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from neokernel.image import qemu
from neokernel.image.system import build_described
from tests.services.init_system import PROGRAMS, system
from tests.support.machine import QEMU

#: what the machine says at the end, if all is well
EXPECTED = (
    "True swaps under 64 clients",
    "lost calls: 0, busy: True",
    "kills: 0 bytes and 0 slots lost",
    "True running as before",
    "counted what was answered: True",
    "otherwise failed: 0",
)


def run(kills: int, swaps: int, timeout: float) -> list[str]:
    """The lines of a run."""
    assert QEMU is not None, "QEMU is missing"
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "system.elf"
        built = build_described(system(kills, swaps, idle=0, tell=True), PROGRAMS, image)
        assert not built.diagnostics, built.diagnostics[0].message
        command = [*qemu.command(QEMU, image), "-icount", "shift=0,sleep=off"]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    return done.stdout.decode(errors="replace").replace("\r", "").splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill and replace services under load, and count what is lost.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=600, help="seconds until the machine is stopped")
    options = parser.parse_args()
    lines = run(options.kills, options.swaps, options.timeout)
    missing = [line for line in EXPECTED if line not in lines]
    took = sorted(int(line.split()[-1]) for line in lines if line.startswith("recovered after "))
    print(f"{options.kills} kills, {options.swaps} swaps, 64 clients")
    if took:
        median = statistics.median(took)
        print(f"instructions until a killed service answers: median {median:,.0f}, worst {took[-1]:,}, of {len(took)}")
    for line in missing:
        print(f"not said: {line}", file=sys.stderr)
    if missing:
        print(*lines[-20:], sep="\n", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
