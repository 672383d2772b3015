"""The page on proving tells the truth: what it quotes is there, what it runs prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from neokernel.cli import prove
from neokernel.cli.errors import Exit
from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "proving.md")
UPDATE = "what is printed has changed; if it is right, run: python -m tests.docs.snippets docs/guide/proving.md"


def test_every_block_says_what_it_is() -> None:
    assert {block.role for block in PAGE.blocks} <= {"file", "change", "console", "plain"}


@pytest.mark.parametrize("block", PAGE.having("console"), ids=lambda block: block.name)
def test_commands_print_what_is_shown(block: Block, tmp_path: Path) -> None:
    printed = snippets.run(PAGE, block, tmp_path)
    assert snippets.fits(block.text, printed), f"{UPDATE}\n{printed}"
    # The test that the page shows is the one that was written.
    written = tmp_path / "examples" / "08_verified" / "test_failure.py"
    if written.exists():
        assert written.read_text(encoding="utf-8") == python("Made by `nk prove`")


def python(words: str) -> str:
    """The block with these words."""
    (found,) = (block.text for block in PAGE.having("plain") if block.language == "python" and words in block.text)
    return found


def test_the_loop_is_proven_by_what_it_says(tmp_path: Path) -> None:
    text = python("loop_invariant")
    words = "Span, loop_invariant, requires, u8, u64, usize"
    for needed, status in (("", Exit.SUCCESS), ("loop_invariant(", Exit.NEGATIVE), ("requires(", Exit.NEGATIVE)):
        lines = [line for line in text.splitlines() if not needed or needed not in line]
        module = tmp_path / "total.py"
        module.write_text(f"from neokernel.lang import {words}\n\n\n" + "\n".join(lines) + "\n")
        result = CliRunner().invoke(prove.command, [str(module)], standalone_mode=False)
        assert result.return_value == status, result.output
