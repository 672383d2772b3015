"""All pages of the guide tell the truth: commands print what is shown, the compiler says so, and quotes are quotes.

What one page has beside that is in a file of its own; so are pages whose commands go on from one another.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block, Page

GUIDE = PACKAGE_ROOT / "docs" / "guide"
PAGES = {path.relative_to(GUIDE).as_posix(): snippets.read(path) for path in sorted(GUIDE.rglob("*.md"))}
#: their commands have tests of their own
APART = {"drivers.md", "models.md", "proving.md", "tutorial.md", "watching.md", "why-slow.md"}


def blocks(role: str, language: str | None = None, without: frozenset[str] = frozenset()) -> pytest.MarkDecorator:
    """For each block of the role, with its page."""
    found = [
        pytest.param(page, block, id=f"{name.removesuffix('.md')}, {block.name}")
        for name, page in PAGES.items()
        for block in page.having(role)
        if name not in without and language in (None, block.language)
    ]
    assert found
    return pytest.mark.parametrize(("page", "block"), found)


def update(page: Page) -> str:
    path = page.path.relative_to(PACKAGE_ROOT)
    return f"what is printed has changed; if it is right, run: python -m tests.docs.snippets {path}"


@pytest.mark.qemu
@blocks("console", without=frozenset(APART))
def test_the_commands_print_this(page: Page, block: Block, tmp_path: Path) -> None:
    # Who has devices waits for the host.
    devices = any("[slot." in text for text in page.programs.values()) or "systems/" in block.text
    printed = snippets.run(page, block, tmp_path, counted=not devices)
    assert snippets.fits(block.text, printed), f"{printed}\n{update(page)}"


def test_toml_can_be_copied() -> None:
    for page in PAGES.values():
        for found in re.finditer(r"^```toml[^\n]*\n(.*?)^```", page.path.read_text(), re.MULTILINE | re.DOTALL):
            try:
                tomllib.loads(found[1])
            except tomllib.TOMLDecodeError as error:
                raise AssertionError(f"{page.path}: {error}:\n{found[1]}") from error


@blocks("error", "text")
def test_the_compiler_says_so(page: Page, block: Block) -> None:
    assert block.about is not None
    assert snippets.messages(block.about) == block.text, update(page)


@blocks("file")
def test_what_is_quoted_is_in_the_file(page: Page, block: Block) -> None:
    source = (PACKAGE_ROOT / block.option).read_text(encoding="utf-8")
    assert f"\n{block.text}" in f"\n{source}", f"{page.path}:{block.line}: {block.option} doesn't have these lines"
