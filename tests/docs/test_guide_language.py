"""The guide to the language tells the truth: programs mean the same in every reading, messages are the real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Block
from tests.support import meanings
from tests.support.patience import PATIENCE

UPDATE = "what is printed has changed; if it is right, run: python -m tests.docs.snippets docs/guide/language.md"
PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "language.md")
ERRORS = [block for block in PAGE.having("error") if block.language == "python"]
REPORTS = [block for block in PAGE.having("error") if block.language == "text"]


def blocks(found: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=lambda block: block.name)


def test_every_block_says_what_it_is() -> None:
    assert {block.role for block in PAGE.blocks} <= snippets.ROLES
    assert [block.line for block in PAGE.blocks if block.language == "python" and block.role == "plain"] == []
    assert len(ERRORS) > 20
    # Every rejected block is followed by what is printed about it.
    assert [id(block) for block in ERRORS] == [id(block.about) for block in REPORTS]


def test_examples_mean_the_same_in_every_reading() -> None:
    cases = snippets.cases(PAGE)
    told = meanings.ask(cases)
    for case in cases:
        try:
            meanings.check(case, told[case.name])
        except AssertionError as failure:
            raise AssertionError(f"{case.name}: {failure}\n{case.program.source}") from failure


def write_sources(folder: Path) -> list[str]:
    """The page's modules and programs as files; their paths."""
    sources = {f"{name}.py": source for name, source in PAGE.modules.items()} | PAGE.programs
    for name, source in sources.items():
        (folder / name).write_text(source, encoding="utf-8")
    return [str(folder / name) for name in sources]


def tool(*arguments: str) -> None:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_type_checker_accepts_the_examples(tmp_path: Path) -> None:
    options = ["--strict", "--python-version", "3.11", "--config-file", "", "--cache-dir", str(tmp_path / "cache")]
    tool("mypy", *options, *write_sources(tmp_path))


def test_a_linter_accepts_the_examples(tmp_path: Path) -> None:
    paths = write_sources(tmp_path)
    # Rejected blocks use what modules import; `any` and `Self` aren't in the language; a page is no package.
    ignored = "F401,I001,INP001,PYI034,SIM110"
    tool("ruff", "check", "--no-cache", "--config", "pyproject.toml", "--extend-ignore", ignored, *paths)
    tool("ruff", "format", "--no-cache", "--config", "pyproject.toml", "--check", *paths)


@blocks(PAGE.having("traceback"))
def test_the_traceback_is_the_real_one(block: Block) -> None:
    assert block.about is not None
    assert snippets.traceback(block.about) == block.text, UPDATE
