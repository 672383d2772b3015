"""The UART's driver and the line editor on the machine, at a terminal: the host's end of the serial line."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.image.kernel import build_system
from tests.support.conversation import Conversation

PROGRAM = Path(__file__).parent / "console"


@pytest.mark.qemu
def test_a_conversation(tmp_path: Path) -> None:
    built = build_system(PROGRAM, tmp_path / "console.elf")
    assert not built.diagnostics, built.diagnostics[0].message
    typed = "hello\r" + "abc\x1b[D\x1b[DX\r" + "\x10\x10!\r" + "y" * 200 + "\r" + "gone\x15\x04"
    with Conversation(tmp_path / "console.elf") as machine:
        machine.expect("ready\r\n")
        machine.type(typed)
        rest = machine.rest()
        assert machine.process.returncode == 4, rest
    answers = [line for line in rest.splitlines() if line[:1].isdigit()]
    assert answers == [
        "5 hello",
        "4 aXbc",
        "6 hello!",
        f"200 {'y' * 200}",
    ]
