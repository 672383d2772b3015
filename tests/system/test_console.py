"""Logging goes on whatever happens to the console; and who may show something can't read what is typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.image import qemu
from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.support.conversation import Conversation

__all__ = ["nk"]

SYSTEM = Path(__file__).parent / "console" / "system.toml"
TEXT = "a text of some length, so that the log is soon full"

pytestmark = pytest.mark.qemu


def shown(nk: Nk, system: Path, image: Path) -> str:
    """What a system shows until it ends. Its time is that of its instructions, so each run is like every other."""
    assert nk("build", system, "-o", image).status == 0
    with Conversation(image, *qemu.COUNTED) as machine:
        text = machine.rest()
        assert machine.process.returncode == 0
    return text


def test_a_console_that_hangs_holds_up_nobody_who_logs(nk: Nk, tmp_path: Path) -> None:
    assert shown(nk, SYSTEM, tmp_path / "console.elf").splitlines()[-3:] == [
        "read: WRONG_KIND, notify: MISSING_RIGHT",
        "1 lines logged, 0 failed",
        "200 lines logged, 0 failed",
    ]


def test_a_console_that_is_stopped_and_killed_is_told_later_what_the_log_still_has(nk: Nk, tmp_path: Path) -> None:
    wedged = 'program = "./wedged.py"\n'
    text = SYSTEM.read_text()
    assert text.count(wedged) == 1
    driver = 'program = "neokernel.drivers.console"\ndevices.device = "uart0"\ninterrupts.line = "uart0"\n'
    often = 'restart = { limit = 100, backoff = "1 ms", longest_backoff = "1 ms", window = "100 ms" }\n'
    text = text.replace(wedged, driver + often).replace('"./logger.py"', '"./logger.py"\nconfig.driver = true')
    (tmp_path / "logger.py").write_text((SYSTEM.parent / "logger.py").read_text())
    (tmp_path / "system.toml").write_text(text)
    text = shown(nk, tmp_path / "system.toml", tmp_path / "console.elf")
    assert "read: WRONG_KIND, notify: MISSING_RIGHT" in text
    logged = re.findall(r"(\d+) lines logged, (\d+) failed", text)
    assert logged == [("1", "0"), ("200", "0"), *[("10", "0")] * 10, ("1", "0")]
    dropped = [int(count) for count in re.findall(r"(\d+) records were dropped before they could be shown", text)]
    assert dropped and dropped[0] > 100, "the log is small"
    assert 80 < text.count(TEXT) <= 302 - sum(dropped), "what a driver had taken when it ended is lost, no more"
