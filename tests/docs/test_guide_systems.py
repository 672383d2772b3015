"""The guide to systems tells the truth: its commands print what it shows, for the files on the page."""

from __future__ import annotations

from neokernel.cli import system_reference
from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "systems.md")


def test_the_picture_is_what_is_drawn() -> None:
    drawn = system_reference.PICTURE.read_text(encoding="utf-8")
    assert system_reference.picture() == drawn, "`nk manual` draws it anew"
