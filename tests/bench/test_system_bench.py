"""The budgets of what stands above the kernel, and what isn't measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from neokernel.bench import system
from neokernel.bench.row import BenchError


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are interfaces"):
        system.run(["nothing"])


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-riscv64") is None, reason="qemu-system-riscv64 is missing")
def test_a_call_by_an_interface_keeps_its_budget(tmp_path: Path) -> None:
    """Both sides' instructions beside the kernel's, at most 25 each."""
    rows = system.run(["interfaces"], keep=tmp_path)
    assert [row.budget for row in rows] == [None, 25, 25]
    assert not any(row.over for row in rows), rows
    assert rows[0].ours > rows[1].ours + rows[2].ours
