"""The guide to processes tells the truth: its programs run as it shows, when they are copied from the page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block
from tests.support.machine import QEMU

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "processes.md")
COMMANDS = PAGE.having("console")


def test_each_program_is_run() -> None:
    programs = {name.split("/")[0] for name in PAGE.programs}
    assert programs == {block.text.splitlines()[0].removeprefix("$ nk run ") for block in COMMANDS}


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_the_commands_print_this(block: Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), printed


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_the_line_of_a_fault(tmp_path: Path) -> None:
    """What `nk where` says of the program counter that the supervisor prints; it is another in each build."""
    (block,) = (block for block in PAGE.having("plain") if block.text.startswith("$ nk where "))
    run = snippets.run(PAGE, replace(block, text="$ nk run supervisor\n"), tmp_path)
    printed = re.search(r"^child 0: BREAKPOINT at (\w+)$", run, re.MULTILINE)
    assert printed is not None
    shown = block.text.splitlines()[0].split()[-1]
    expected = block.text.replace(shown, printed[1])
    assert snippets.run(PAGE, replace(block, text=expected), tmp_path) == expected
