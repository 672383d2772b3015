"""The pages on the examples tell the truth: what they quote is in the files, what they run prints what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.docs.snippets import Page

FOLDER = PACKAGE_ROOT / "docs" / "guide" / "examples"
PAGES = [snippets.read(path) for path in sorted(FOLDER.glob("*.md"))]
EXAMPLES = sorted(path.parent for path in (PACKAGE_ROOT / "examples").glob("*/expected.txt"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.stem)
def test_every_block_says_what_it_is(page: Page) -> None:
    assert {block.role for block in page.blocks} <= {"file", "change", "console", "trace", "plain"}
    # What isn't checked is a picture.
    assert {block.language for block in page.having("plain")} <= {"text"}
    # Every change is followed by what it makes of the example.
    changes = [change for block in page.having("console") for change in block.changes]
    assert [change.line for change in changes] == [change.line for change in page.having("change")]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_has_a_page_with_its_output(example: Path) -> None:
    name = f"examples/{example.name}"
    expected = (example / "expected.txt").read_text(encoding="utf-8")
    shown = [
        block.text
        for page in PAGES
        for block in page.having("console")
        if not block.changes and block.text.startswith(f"$ nk run {name}\n")
    ]
    # The kernel's own line comes first: it tells how much memory there is.
    assert shown == [f"$ nk run {name}\n…\n{expected}"]


@pytest.mark.qemu
@pytest.mark.parametrize("page", [page for page in PAGES if page.having("trace")], ids=lambda page: page.path.stem)
def test_the_trace_has_these_lines(page: Page, tmp_path: Path) -> None:
    (tracing,) = (block for block in page.having("console") if block.text.startswith("$ nk trace "))
    snippets.run(page, tracing, tmp_path)
    (trace,) = (tmp_path / "build").glob("*.trace.json")
    lines = [line.removesuffix(",") for line in trace.read_text(encoding="utf-8").splitlines()]
    shown = "".join(block.text for block in page.having("trace"))
    assert snippets.in_order(shown, lines) is None


def test_a_change_says_what_it_replaces() -> None:
    text = "one\ntwo\nthree\ntwo\n"
    assert snippets.changed(text, " one\n-two\n+2\n@@\n three\n+3\n") == "one\n2\nthree\n3\ntwo\n"
    for wrong in ("-two\n+2\n", "-four\n", "+2\n", "two\n", "-tw\n+2\n"):
        with pytest.raises(AssertionError):
            snippets.changed(text, wrong)


def test_lines_are_found_in_order() -> None:
    lines = ["at 1: a", "at 2: b", "at 3: a"]
    assert snippets.in_order("at …: a\nat …: a\n", lines) is None
    assert snippets.in_order("at …: b\nat 1: a\n", lines) == "at 1: a"
    assert snippets.in_order("at …: a\nat …\nat …\nat …\n", lines) == "at …"
