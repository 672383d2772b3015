"""Set-up: scripts that hold under shellcheck, locked packages that fit the project's."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from neokernel.cli.distribution import QEMU_COMMANDS, this_system

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = [REPOSITORY / "tools/setup.sh", REPOSITORY / ".ci/run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is missing")
    subprocess.run([shellcheck, script], check=True)


def test_usage() -> None:
    done = subprocess.run([SCRIPTS[0], "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_locked_packages_are_the_pinned_ones() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for file, wanted in (
        ("requirements.txt", project["dependencies"]),
        ("requirements-model.txt", [*project["dependencies"], *project["optional-dependencies"]["model"]]),
        ("requirements-test.txt", [*project["dependencies"], *project["optional-dependencies"]["test"]]),
    ):
        text = (REPOSITORY / "tools" / file).read_text()
        locked = set(re.findall(r"^(\S+==\S+) ", text, re.MULTILINE))
        assert set(wanted) <= locked
        assert text.count("--hash=sha256:") >= len(locked)


def test_qemu_is_named_alike_in_set_up_and_tools(tmp_path: Path) -> None:
    """Without QEMU and without the right to install it, set-up names the packages, and marks this system's."""
    for name in ("bash", "dirname", "uname", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or "/nonexistent")
    user = tmp_path / "id"
    user.write_text("#!/bin/sh\necho 1000\n")
    user.chmod(0o755)
    done = subprocess.run(
        [SCRIPTS[0], "qemu"], capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)}
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()[1:]
    assert {line[2:20].strip(): line[21:] for line in lines} == QEMU_COMMANDS
    assert [line[2:20].strip() for line in lines if line.startswith(">")] == [*filter(None, [this_system()])]


def test_every_target_is_in_the_help() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for target in ("setup", "run", "test", "lint", "clean", "fuzz-compiler", "bench"):
        assert f"make {target} " in done.stdout
