"""Drivers of virtio devices on the machine: used, refused what can't be, and killed while they work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.drivers.devices import run
from tests.support.machine import QEMU
from tests.support.patience import LONGEST_RUN

KILLS = 15


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_disk_and_random_bytes_while_their_drivers_are_killed(tmp_path: Path) -> None:
    found = run(tmp_path, KILLS, LONGEST_RUN)
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found
    said = found["console"].splitlines()[1:]
    assert said[:7] == [
        "16384 sectors, blocks of 512, at most 262144",
        "beyond the end: RANGE",
        "no whole block: BLOCKS",
        "nothing: BLOCKS",
        "discard: done",
        "zeroes: done",
        "of a batch: 1 failed, RANGE",
    ]
    # Of a mean length of years, so New Year may be told a day early or late.
    assert re.fullmatch("the year is about 20[2-9][0-9]", said[7]), said
    said = said[1:]
    assert re.fullmatch(f"{KILLS} kills each, [0-9]+ different bytes", said[7]), said
    # What each step saw was checked there: the wrong block, or a version that can't be, ends the tester.
    assert re.fullmatch("[0-9]+ steps, lost [0-9]+, kept [0-9]+", said[8]), said
