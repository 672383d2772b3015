"""Programs that compute with floats: the build and the runtime see to it that each thread has registers for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machine import QEMU

PROGRAM = Path(__file__).parent / "floats"
RUN = "import sys; from neokernel.cli.main import main; sys.exit(main())"


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_every_thread_computes() -> None:
    command = [sys.executable, "-c", RUN, "run", str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == [f"{sum(range(100)) // 4}", f"{int(10_000_000**0.5 / 100)}"]
