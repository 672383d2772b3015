"""The guide to signed images tells the truth: its commands print what it shows, and it names every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.stage.refusal import Refusal
from tests.docs import snippets
from tests.docs.snippets import Block
from tests.support.machine import QEMU

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "signing.md")


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
@pytest.mark.parametrize("block", PAGE.having("console"), ids=lambda block: block.name)
def test_the_commands_print_this(block: Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed


def test_every_reason_is_there() -> None:
    text = PAGE.path.read_text(encoding="utf-8")
    named = re.findall(r"`([A-Z_]+)`", text[text.index("| reason |") :])
    assert named == [refusal.name for refusal in Refusal]
