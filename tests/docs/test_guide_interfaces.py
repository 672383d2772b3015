"""The guide to interfaces tells the truth: its programs run as it shows, when they are copied from the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block
from tests.support.machine import QEMU

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "interfaces.md")
COMMANDS = PAGE.having("console")
ERRORS = [block for block in PAGE.having("error") if block.language == "text"]


def test_the_page_checks_runs_and_tests_its_program() -> None:
    commands = [line for block in COMMANDS for line in block.text.splitlines() if line.startswith("$ ")]
    assert commands == ["$ nk check stock", "$ nk run stock", "$ nk test -q stock"]
    assert {name.split("/")[0] for name in PAGE.programs} == {"stock"}


@pytest.mark.parametrize("block", ERRORS, ids=lambda block: block.name)
def test_the_errors_are_these(block: Block) -> None:
    assert block.about is not None
    assert snippets.messages(block.about) == block.text


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_the_commands_print_this(block: Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed
