"""The driver of the machine's switch: against a model of it, and on the machine, with one that does nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from neokernel.arch.riscv64 import panic
from neokernel.drivers import sifive_test
from neokernel.drivers.sifive_test import Finisher, Registers
from neokernel.interfaces.power import MOST_REASON
from tests.support.nk import nk
from tests.support.patience import LONGEST_RUN

SYSTEM = Path(__file__).parent / "power"


class Switch:
    """What was stored; a load would be a mistake, as the device says nothing."""

    def __init__(self) -> None:
        self.stored: list[tuple[int, bytes]] = []

    def store(self, offset: int, data: bytes) -> None:
        self.stored.append((offset, data))


@pytest.mark.parametrize(("method", "number"), [("power_off", 0x5555), ("reset", 0x7777)])
def test_one_store_is_all(method: str, number: int) -> None:
    switch = Switch()
    finisher: Any = Finisher(registers=lang.wire_over(Registers, switch))
    getattr(finisher, method)()
    assert switch.stored == [(0, number.to_bytes(4, "little"))]


def test_the_kernel_stores_the_same() -> None:
    assert sifive_test.PASS == panic.TEST_PASS


@pytest.mark.qemu
def test_wrong_reasons_and_a_switch_that_does_nothing(tmp_path: Path) -> None:
    system = shutil.copytree(SYSTEM, tmp_path / "power", ignore=shutil.ignore_patterns("__pycache__"))
    done = nk("run", "--json", "--timeout", str(LONGEST_RUN), system / "system.toml", folder=tmp_path)
    found = json.loads(done.stdout)
    # The kernel switches off, and the status says that this isn't what was wanted.
    assert found["exit"] == 1, found
    assert found["console"].splitlines()[1:] == [
        f"refused {2 * 2 * (256 - 95) + 2} times",
        "the machine is to start again",
        f"power: the machine starts again: {'a' * int(MOST_REASON)}",
        "power: the board's switch does nothing: the kernel switches off",
    ]
