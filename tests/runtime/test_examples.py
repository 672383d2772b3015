"""The examples that need the kernel print what stands in their `expected.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nk import boot

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/expected.txt"))
PAGE = ROOT / "docs" / "guide" / "processes.md"
#: the kernel's own line, which tells how much memory there is
KERNEL = "neokernel on hart "


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    text = PAGE.read_text(encoding="utf-8")
    assert [example.name for example in EXAMPLES if f"examples/{example.name}" not in text] == []


@pytest.mark.qemu
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example(example: Path) -> None:
    lines = [line for line in boot(example) if not line.startswith(KERNEL)]
    assert lines == (example / "expected.txt").read_text(encoding="utf-8").splitlines()
