"""Numbers that take longest, counted on the machine: nobody holds up a program for long by what digits are in them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from neokernel.bench.kernel import EXACT
from neokernel.image import qemu
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE

PROGRAM = Path(__file__).parent / "cost.py"
#: instructions of a number that is written; of one that is read, so many, and so many for each of its bytes
MOST_WRITTEN = 1_000
MOST_READ, EACH_READ = 4_000, 100

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


def test_the_longest_numbers(tmp_path: Path) -> None:
    built = nk("build", PROGRAM, "-o", tmp_path / "cost.elf")
    assert built.returncode == 0, built.stderr
    assert QEMU is not None
    command = [*qemu.command(QEMU, tmp_path / "cost.elf"), *EXACT]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("read", "write"))]
    assert len(lines) == 15, done.stdout
    for verb, kind, length, instructions, _ in lines:
        most = MOST_READ + EACH_READ * int(length) if verb.startswith("read") else MOST_WRITTEN
        assert 0 < int(instructions) <= most, (verb, kind, instructions)
