"""The guide to interfaces tells the truth: its programs run as it shows, when they are copied from the page."""

from __future__ import annotations

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "interfaces.md")
COMMANDS = PAGE.having("console")


def test_the_page_checks_runs_and_tests_its_program() -> None:
    commands = [line for block in COMMANDS for line in block.text.splitlines() if line.startswith("$ ")]
    assert commands == [
        "$ nk run alarm/system.toml",
        "$ nk size alarm/system.toml",
        "$ nk run alarm/swapped.toml",
        *("$ nk check stock", "$ nk run stock", "$ nk run sums/system.toml", "$ nk test -q stock"),
    ]
    assert {name.split("/")[0] for name in PAGE.programs} == {"stock", "alarm", "sums"}
