"""The tutorial, from its first line to its last, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "tutorial.md")


@pytest.mark.qemu
def test_step_by_step(tmp_path: Path) -> None:
    blocks = PAGE.having("console")
    assert len(blocks) >= 6
    for block in blocks:
        printed = snippets.run(PAGE, block, tmp_path)
        assert snippets.fits(block.text, printed), f"{block.name}:\n{printed}"
