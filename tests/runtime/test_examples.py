"""The examples that need the kernel print what stands in their `expected.txt`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machine import QEMU

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/expected.txt"))
PAGE = ROOT / "docs" / "guide" / "processes.md"
RUN = "import sys; from neokernel.cli.main import main; sys.exit(main())"
#: the kernel's own line, which tells how much memory there is
KERNEL = "neokernel on hart "


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    text = PAGE.read_text(encoding="utf-8")
    assert [example.name for example in EXAMPLES if f"examples/{example.name}" not in text] == []


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example(example: Path) -> None:
    command = [sys.executable, "-c", RUN, "run", str(example)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(KERNEL)]
    assert (done.returncode, done.stderr) == (0, "")
    assert lines == (example / "expected.txt").read_text(encoding="utf-8").splitlines()
