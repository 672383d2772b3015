"""The guide to signed images tells the truth: its commands print what it shows, and it names every reason."""

from __future__ import annotations

import re

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.stage.refusal import Refusal
from tests.docs import snippets

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "signing.md")


def test_every_reason_is_there() -> None:
    text = PAGE.path.read_text(encoding="utf-8")
    named = re.findall(r"`([A-Z_]+)`", text[text.index("| reason |") :])
    assert named == [refusal.name for refusal in Refusal]
