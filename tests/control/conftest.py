"""A machine that runs while the tests of a module ask it, of this session's own folders and keys."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.cli.support import Nk, start

SYSTEM = PACKAGE_ROOT / "systems" / "watched.toml"
#: seconds after which a machine that isn't up never will be
PATIENCE = 150


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
    with start("run", SYSTEM, cwd=folders) as process:
        end = time.monotonic() + PATIENCE
        socket = folders / "run" / "watched" / "control"
        while not socket.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "the machine doesn't start"
            time.sleep(0.1)
        yield "watched"
