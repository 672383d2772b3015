"""A network card's driver under a client that does its worst: it stays, and whoever has the card next is served."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import LONGEST_RUN
from tests.support.ports import free_ports

SOURCES = Path(__file__).parent / "hostile_client"
#: tries of each way at least; the last one ends the client before it can say how many
TRIES = [200, 600, 600, 600, 40, 300, 600, 1, 800, 600, 40, 40, 0]


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_the_driver_stays(tmp_path: Path) -> None:
    system = tmp_path / "system"
    shutil.copytree(SOURCES, system, ignore=shutil.ignore_patterns("__pycache__"))
    file = system / "system.toml"
    file.write_text(file.read_text().replace("40001", str(free_ports(1)[0])))
    said = json.loads(nk("run", "--json", "--timeout", str(LONGEST_RUN), file).stdout)
    assert said["exit"] == 0 and not said["panics"], said
    found = re.findall(r"way (\d+): (\d+) tries, 20 frames went round", said["console"])
    assert [int(way) for way, _ in found] == list(range(len(TRIES))), said["console"]
    assert all(int(tried) >= least for (_, tried), least in zip(found, TRIES, strict=True)), found
