"""`nk new`: what it makes works at once.

A driver's run and tests are on the guide's page, which a test goes through.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neokernel.cli.errors import Exit
from neokernel.cli.new import SUFFIX, TEMPLATES, command
from neokernel.compiler.source import PACKAGE_ROOT
from tests.cli.support import Nk
from tests.support.patience import LONGEST_RUN

OWN = {
    "service": {"tea_house.py", "main.py", "client.py", "handler.py", "test_tea_house.py"},
    "driver": {"tea_house.py", "main.py", "client.py", "device.py", "model.py", "test_tea_house.py"},
}


@pytest.mark.parametrize("kind", OWN)
def test_it_is_a_whole_system(nk: Nk, tmp_path: Path, kind: str) -> None:
    result = nk("new", kind, "tea-house")
    assert result.status == 0
    folder = tmp_path / "tea-house"
    files = {path.name for path in folder.iterdir()}
    assert len(files) == len(list((TEMPLATES / kind).glob(f"*{SUFFIX}")))
    assert files == OWN[kind] | {"service.toml", "system.toml"}
    assert result.output.splitlines()[-1] == "next: cd tea-house; nk run; nk test"
    checked = nk("check", "tea-house")
    assert (checked.status, checked.error) == (0, "")
    for path in folder.iterdir():
        assert "$" not in path.read_text()
    # A folder of its own: its modules are imported in the order of those of no project.
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--no-cache", "--config", str(PACKAGE_ROOT / "pyproject.toml")]
    lint = [*ruff, "check", *config, "--extend-ignore", "D,I001,INP001,S", str(folder)]
    style = [*ruff, "format", "--check", *config, str(folder)]
    for line in (lint, style):
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_has_a_command() -> None:
    assert set(command.commands) == {path.name for path in TEMPLATES.iterdir()} == set(OWN)


@pytest.mark.qemu
def test_it_runs_and_its_test_passes(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nk("new", "service", "tally", "-d", "services").status == 0
    monkeypatch.chdir(tmp_path / "services" / "tally")
    result = nk("run", "--timeout", LONGEST_RUN, "--json")
    assert (result.status, result.json["console"].splitlines()[1:]) == (3, ["tally has answered"])
    tested = nk("test", "--json", "-p", "no:cacheprovider")
    assert (tested.status, tested.json["tests"], tested.json["skipped"]) == (0, 2, 0), tested.output


@pytest.mark.parametrize(
    "name",
    [
        *("Tally", "3x", "a_b", "x-", "client", "main", "queue", "class", "kernel", "", "a" * 33),
        # what the service's own files import, or call something else
        *(
            "neokernel",
            "pytest",
            "hypothesis",
            "system",
            "console",
            "process",
            "first",
            "total",
            "must-get",
            "failure",
            "u64",
        ),
    ],
)
def test_names_that_cannot_be(nk: Nk, tmp_path: Path, name: str) -> None:
    result = nk("new", "service", name)
    assert result.status == Exit.USAGE and "error[NK1013]" in result.error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["timer", "server", "device", "model", "trouble", "line", "registers", "end-", "rtc"])
def test_names_that_a_driver_cannot_have(nk: Nk, tmp_path: Path, name: str) -> None:
    result = nk("new", "driver", name)
    assert result.status == Exit.USAGE and "error[NK1013]: a driver can't be called" in result.error
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "tally").mkdir()
    result = nk("new", "service", "tally")
    assert result.status == Exit.USAGE and "tally is there already" in result.error
    assert not list((tmp_path / "tally").iterdir())
    assert nk("new", "service", "other", "-d", "/proc/none").status == Exit.USAGE
