"""The UART's driver and the line editor on the machine, at a terminal: the host's end of the serial line."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from neokernel.image import qemu
from neokernel.image.kernel import build_system
from tests.support.machine import QEMU

PROGRAM = Path(__file__).parent / "console"


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_a_conversation(tmp_path: Path) -> None:
    built = build_system(PROGRAM, tmp_path / "console.elf")
    assert not built.diagnostics, built.diagnostics[0].message
    assert QEMU is not None
    typed = b"hello\r" + b"abc\x1b[D\x1b[DX\r" + b"\x10\x10!\r" + b"y" * 200 + b"\r" + b"gone\x15\x04"
    command = qemu.command(QEMU, tmp_path / "console.elf")
    said, rest = b"", b""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as machine:
        watch = threading.Timer(100, machine.kill)
        watch.start()
        assert machine.stdin is not None and machine.stdout is not None
        while b"ready\r\n" not in said:
            more = machine.stdout.read(1000)
            assert more, said
            said += more
        machine.stdin.write(typed)
        while more := machine.stdout.read(1000):
            rest += more
        watch.cancel()
    assert machine.returncode == 4, rest
    answers = [line for line in rest.decode().replace("\r", "\n").splitlines() if line[:1].isdigit()]
    assert answers == [
        "5 hello",
        "4 aXbc",
        "6 hello!",
        f"200 {'y' * 200}",
    ]
