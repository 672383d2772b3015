"""What the pages on the design show is what there is, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.compiler import pipeline
from neokernel.compiler.ir import Kind
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.compiler.vocabulary import VOCABULARY
from tests.docs import snippets

DOCS = PACKAGE_ROOT / "docs"
COMPILER = snippets.read(DOCS / "design" / "compiler.md")
#: words of the contract that stand for many
FAMILIES = re.compile(r"u\d+(be|le)?")


@pytest.mark.parametrize("block", COMPILER.having("ir"), ids=lambda block: block.option)
def test_the_shown_ir_is_the_real_one(block: snippets.Block) -> None:
    dumped = pipeline.dump(PACKAGE_ROOT / "examples" / "02_overflow", "ir")
    assert isinstance(dumped, str)
    assert block.text in dumped


def test_the_page_on_the_compiler_names_every_pass() -> None:
    text = COMPILER.path.read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert shown == [pass_.__name__ for pass_ in pipeline.FRONT_END]


def test_the_contract_names_every_word() -> None:
    text = (DOCS / "design" / "language.md").read_text(encoding="utf-8")
    assert {
        word for word in VOCABULARY if not re.search(rf"\b{word}\b", text) and not FAMILIES.fullmatch(word)
    } == set()


def test_the_contract_names_every_kind_of_failure() -> None:
    text = (DOCS / "design" / "language.md").read_text(encoding="utf-8")
    kinds = [kind.value for kind in Kind]
    assert " ".join(kinds) in text


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    plain = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", plain):
        if target:
            assert (page.parent / target).exists(), target
        else:
            assert anchor in anchors


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def _anchor(title: str) -> str:
    """What a link to a heading says, as forges make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
