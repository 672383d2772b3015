"""The page on drivers, from its first line to its last, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "drivers.md")


@pytest.mark.qemu
def test_step_by_step(tmp_path: Path) -> None:
    assert len(PAGE.having("console")) >= 6 and len(PAGE.having("made")) >= 10
    for block in PAGE.blocks:
        if block.role == "console":
            printed = snippets.run(PAGE, block, tmp_path)
            assert snippets.fits(block.text, printed), f"{block.name}:\n{printed}"
        elif block.role == "made":
            made = (tmp_path / block.option).read_text(encoding="utf-8")
            assert f"\n{block.text}" in f"\n{made}", f"{block.name}: {block.option} doesn't have these lines"
