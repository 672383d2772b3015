"""What a service logs is shown, and does nothing to the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.support.conversation import Conversation

__all__ = ["nk"]

SYSTEM = Path(__file__).parent / "loud" / "system.toml"
SHOWN = [
    "loud: cleared ?[2J?]0;owned?",
    "loud: eight bits ??2J, backwards ???",
    "loud: done??[    0.000001] ERROR of console: a line of nobody's",
    "loud: größer, 大きい, \U0001f40d",
]


@pytest.mark.qemu
def test_a_log_does_nothing_to_the_terminal(nk: Nk, tmp_path: Path) -> None:
    image = tmp_path / "loud.elf"
    assert nk("build", SYSTEM, "-o", image).status == 0
    with Conversation(image) as machine:
        # The alerts, which may come before the prompt or after it.
        alerts = machine.expect(SHOWN[-1])
        assert [line for line in SHOWN if f"ERROR of {line}\n" in f"{alerts}\n"] == SHOWN
        machine.type("log\r")
        log = machine.expect(SHOWN[-1])
    assert [line for line in SHOWN if f" ERROR   {line}\n" in f"{log}\n"] == SHOWN
    obeyed = ("\x07", "\x1b]", "cleared \x1b", "\x9b", "\u202e", "done\r")
    assert [each for each in obeyed if each.encode() in machine.read] == []
