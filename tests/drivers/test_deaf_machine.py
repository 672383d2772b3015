"""The console's driver whose interrupts don't come, on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.drivers.uart16550 import SENT
from tests.drivers.devices import run
from tests.support.machine import QEMU
from tests.support.patience import LONGEST_RUN


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_what_is_written_is_sent_though_no_interrupt_comes(tmp_path: Path) -> None:
    found = run(tmp_path, 0, LONGEST_RUN, "deaf")
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found
    shown, told, _ = found["console"].partition("there is room again")
    assert told, "who waits for room is told"
    assert 0 < shown.count(".") <= SENT
