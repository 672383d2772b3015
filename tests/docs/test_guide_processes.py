"""The guide to processes tells the truth: its programs run as it shows, when they are copied from the page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "processes.md")
COMMANDS = PAGE.having("console")


def test_each_program_is_run() -> None:
    programs = {name.split("/")[0] for name in PAGE.programs}
    assert programs == {block.text.splitlines()[0].removeprefix("$ nk run ") for block in COMMANDS}


@pytest.mark.qemu
def test_the_line_of_a_fault(tmp_path: Path) -> None:
    """What `nk where` says of the program counter that the supervisor prints; it is another in each build."""
    (block,) = (block for block in PAGE.having("plain") if block.text.startswith("$ nk where "))
    run = snippets.run(PAGE, replace(block, text="$ nk run supervisor\n"), tmp_path)
    printed = re.search(r"^child 0: BREAKPOINT at (\w+)$", run, re.MULTILINE)
    assert printed is not None
    shown = block.text.splitlines()[0].split()[-1]
    expected = block.text.replace(shown, printed[1])
    assert snippets.run(PAGE, replace(block, text=expected), tmp_path) == expected
