"""A machine that runs while the tests of a module ask it, of this session's own folders and keys."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.cli.support import Nk, start
from tests.support.patience import eventually

SYSTEM = PACKAGE_ROOT / "systems" / "watched.toml"
BUSY = PACKAGE_ROOT / "tests" / "control" / "busy" / "system.toml"


@pytest.fixture
def nk(capfdbinary: pytest.CaptureFixture[bytes]) -> Nk:
    return Nk(capfdbinary)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys and sockets of this module's own."""
    base = tmp_path_factory.mktemp("nk")
    own = {"NK_STATE": str(base / "state"), "NK_RUNTIME": str(base / "run")}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    yield base
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def machine(folders: Path) -> Iterator[str]:
    """The name of a machine that is up."""
    with up(SYSTEM, folders):
        yield "watched"


@pytest.fixture(scope="module")
def busy(folders: Path) -> Iterator[str]:
    """Likewise, with a service that works all the time."""
    with up(BUSY, folders):
        yield "busy"


@contextmanager
def up(system: Path, folders: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The machine of a system file, started in the folder `folders`."""
    with start("run", system, cwd=folders) as process:
        socket = folders / "run" / tomllib.loads(system.read_text())["system"]["name"] / "control"
        eventually(lambda: socket.exists() or process.poll() is not None, "the machine doesn't start")
        assert process.poll() is None, process.communicate()
        yield process
