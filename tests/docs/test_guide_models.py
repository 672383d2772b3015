"""The guide to models tells the truth: its commands print what it shows."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "models.md")


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("numpy", "onnx")),
    reason="numpy and onnx are missing: `tools/setup.sh test`",
)
def test_the_commands_print_this(tmp_path: Path) -> None:
    (block,) = PAGE.having("console")
    shutil.copytree(PACKAGE_ROOT / "models", tmp_path / "models")
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed
