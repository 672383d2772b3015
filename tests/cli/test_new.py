"""`nk new service`: what it makes works at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.cli.errors import Exit
from neokernel.cli.new import SUFFIX, TEMPLATES
from tests.cli.support import Nk


def test_it_is_a_whole_system(nk: Nk, tmp_path: Path) -> None:
    result = nk("new", "service", "tea-house")
    assert result.status == 0
    files = {path.name for path in (tmp_path / "tea-house").iterdir()}
    assert len(files) == len(list(TEMPLATES.glob(f"*{SUFFIX}")))
    assert {"tea_house.py", "main.py", "client.py", "service.toml", "system.toml", "test_tea_house.py"} <= files
    assert result.output.splitlines()[-1] == "next: cd tea-house; nk run; nk test"
    checked = nk("check", "tea-house")
    assert (checked.status, checked.error) == (0, "")
    for path in (tmp_path / "tea-house").iterdir():
        assert "$" not in path.read_text()


@pytest.mark.qemu
def test_it_runs_and_its_test_passes(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nk("new", "service", "tally", "-d", "services").status == 0
    monkeypatch.chdir(tmp_path / "services" / "tally")
    result = nk("run", "--timeout", "60", "--json")
    assert (result.status, result.json["console"].splitlines()[1:]) == (3, ["tally has answered"])
    tested = nk("test", "--json", "-p", "no:cacheprovider")
    assert (tested.status, tested.json["tests"], tested.json["skipped"]) == (0, 2, 0), tested.output


@pytest.mark.parametrize(
    "name",
    [
        *("Tally", "3x", "a_b", "x-", "client", "main", "queue", "class", "kernel", "", "a" * 33),
        # what the service's own files import, or call something else
        *("neokernel", "pytest", "system", "console", "process", "first", "total", "must-get", "failure", "u64"),
    ],
)
def test_names_that_cannot_be(nk: Nk, tmp_path: Path, name: str) -> None:
    result = nk("new", "service", name)
    assert result.status == Exit.USAGE and "error[NK1013]" in result.error
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "tally").mkdir()
    result = nk("new", "service", "tally")
    assert result.status == Exit.USAGE and "tally is there already" in result.error
    assert not list((tmp_path / "tally").iterdir())
    assert nk("new", "service", "other", "-d", "/proc/none").status == Exit.USAGE
