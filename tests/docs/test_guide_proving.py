"""The page on proving tells the truth: what it quotes is there, what it runs prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        (shown,) = (plain.text for plain in PAGE.having("plain") if plain.language == "python")
        assert written.read_text(encoding="utf-8") == shown
