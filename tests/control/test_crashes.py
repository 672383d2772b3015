"""How a service has crashed, as an operator is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.control.deaths import FORM, death_of
from tests.cli.support import Nk
from tests.support.patience import eventually


@pytest.mark.qemu
def test_show_has_the_last_crashes(busy: str, nk: Nk, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    shown = eventually(
        lambda: (found := nk("svc", "show", "frail")).output.startswith("frail: given up") and found, "it runs"
    )
    assert shown and shown.status == 0
    lines = shown.output.splitlines()
    assert lines[0] == "frail: given up, was started 2 times"
    said = [line.split() for line in lines if "start " in line]
    assert [words[1:3] for words in said] == [["start", "2:"], ["start", "1:"]], "the latest first"
    assert "DivisionByZero: division by zero" in shown.output
    assert shown.output.count("Traceback") == 1
    assert 'frail.py", line 12, in average' in shown.output
    assert "    return sacks // days" in shown.output
    found = nk("svc", "show", "frail", "--json").json["crashes"]
    assert [each["starts"] for each in found] == [2, 1]
    assert nk("svc", "show", "log", "--json").json["crashes"] == []


def test_what_is_no_post_mortem() -> None:
    for data in (b"", bytes(FORM.size - 1), bytes(FORM.size + 8), b"\xff" * FORM.size):
        assert death_of(data) is None
    assert death_of(bytes(FORM.size)) is not None, "of service 0, which ended by itself"
