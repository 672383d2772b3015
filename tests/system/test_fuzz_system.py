"""A short run of the fuzzing of system files, and that it would find a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.image.systemfile import document, matching, positions
from tests.system import fuzz


@pytest.mark.parametrize("count", [400, pytest.param(4_000, marks=pytest.mark.slow)])
def test_changed_systems_are_accepted_or_refused(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = fuzz.attack(count, 1, tmp_path)
    assert not found.failures
    assert found.outcomes["accepted"] > count // 20 and found.outcomes["refused"] > count // 2
    assert sum(number > 0 for number in found.codes.values()) > 15


PLANTED = [
    pytest.param(document, "line_starts", lambda _: [0], id="all on the first line", marks=pytest.mark.slow),
    pytest.param(
        matching,
        "did_you_mean",
        lambda _, known, *rest: known["?"],
        id="a list taken for a table",
        marks=pytest.mark.slow,
    ),
    pytest.param(positions, "LITERAL", positions.BASIC, id="quotes taken for others"),
    pytest.param(positions, "VOID", positions.BLANK, id="comments not skipped"),
]


@pytest.mark.parametrize(("module", "name", "wrong"), PLANTED)
def test_it_finds_mistakes(
    module: object, name: str, wrong: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, wrong)
    try:
        found = fuzz.attack(300, 1, tmp_path)
    except (AssertionError, IndexError, ValueError):
        return  # not even what is valid can be read
    assert found.failures
