"""The guide to watching a system tells the truth: its commands, in the order of the page, ask a machine that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "watching.md")
SYSTEM = (PACKAGE_ROOT / "systems" / "watched.toml").read_text(encoding="utf-8")


@pytest.mark.qemu
@pytest.mark.parametrize("block", PAGE.having("console"), ids=lambda block: block.name)
def test_the_commands_print_this(machine: str, block: snippets.Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed


def test_the_system_of_ones_own_is_that_of_the_file() -> None:
    text = PAGE.path.read_text(encoding="utf-8")
    uses = dict(re.findall(r"^uses\.(\w+) = \"([a-z.0-9]+)\"", text, re.MULTILINE))
    assert uses == dict(
        re.findall(r"^uses\.(port|entropy|log|journal|watch|init|trace) = \"(.*)\"", SYSTEM, re.MULTILINE)
    )
