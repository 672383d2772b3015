"""The page on containers: its examples mean the same in every reading."""

from __future__ import annotations

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.support import meanings

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "reference" / "containers.md")


def test_examples_mean_the_same_in_every_reading() -> None:
    cases = snippets.cases(PAGE)
    assert len(cases) == 5
    told = meanings.ask(cases)
    for case in cases:
        meanings.check(case, told[case.name])
