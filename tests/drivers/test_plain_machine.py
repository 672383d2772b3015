"""The drivers of a console, of a clock and of the machine's switch, killed while they are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.drivers.devices import run
from tests.support.machine import QEMU
from tests.support.patience import LONGEST_RUN

KILLS = 40
LAST = re.compile(r"(\d+) kills each, (\d+) lines, (\d+) refused, (\d+) lost\n")


def told(console: str) -> str:
    """The last line, when what was shown before it is numbered lines in order; else what is wrong with them.

    With a driver ends what it had taken and not shown. So lines may be missing, or stand there in pieces; none comes in
    another's place.
    """
    last = LAST.search(console)
    if last is None:
        return "no end\n" + console[-500:]
    shown = 0
    for line in console[: last.start()].splitlines():
        whole = re.fullmatch(r"<(\d{8})>", line)
        if whole is not None:
            if int(whole[1]) < shown:
                return f"{line} behind {shown}: less than before\n"
            shown = int(whole[1])
    if not shown or shown > int(last[2]):
        return f"{shown} shown: less than before\n"
    return last[0]


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_console_clock_and_switch_while_their_drivers_are_killed(tmp_path: Path) -> None:
    found = run(tmp_path, KILLS, LONGEST_RUN, "plain")
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found
    last = LAST.fullmatch(told(found["console"]))
    assert last is not None and int(last[1]) == KILLS, found["console"][-2000:]
    # What the clock and the switch said was checked there.
    assert min(int(last[2]), int(last[3])) > KILLS and int(last[4]) > 0, last[0]


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        ("<00000001>\n<00000003>\n<000<00000003>\n4>\n", False),
        ("<00000002>\n<00000001>\n", True),
        ("<00000012>\n", True),
        ("nothing\n", True),
    ],
)
def test_lines_in_another_order_are_told(shown: str, wrong: bool) -> None:
    said = told(shown + "5 kills each, 4 lines, 4 refused, 1 lost\n")
    assert ("less than before" in said) == wrong
