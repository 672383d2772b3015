"""The guide to systems tells the truth: its commands print what it shows, for the files on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.cli import system_reference
from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block
from tests.support.machine import QEMU

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "systems.md")


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
@pytest.mark.parametrize("block", PAGE.having("console"), ids=lambda block: block.name)
def test_the_commands_print_this(block: Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed


def test_the_picture_is_what_is_drawn() -> None:
    drawn = system_reference.PICTURE.read_text(encoding="utf-8")
    assert system_reference.picture() == drawn, "`nk manual` draws it anew"
