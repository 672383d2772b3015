"""QEMU's own line (QMP): the machine is stopped for a moment, and its processor looked at.

While it is stopped its clock is, too: nothing in it notices.

Invariant: a machine that `stopped` has stopped goes on afterwards, whatever happens; what QEMU says is looked at.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from neokernel.patience import patient

#: seconds until QEMU must have answered, times `NK_PATIENCE`
PATIENCE = 10.0
#: registers in QEMU's words, and control registers
REGISTER = re.compile(r"\bx(\d+)/\w+\s+([0-9a-f]{16})")
CSR = re.compile(r"^ (\w+)\s+([0-9a-f]{1,16})$", re.MULTILINE)
#: how QEMU is told to stop between any two instructions: from 8.1 on, and before
SINGLE_INSTRUCTIONS = ("one-insn-per-tb", "singlestep")


class NoMonitor(Exception):
    """QEMU doesn't answer."""


class Monitor:
    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(patient(patience))
        self.unread = b""
        try:
            self.socket.connect(str(path))
            if "QMP" not in self._message():
                raise NoMonitor("it isn't QEMU")
            self.command("qmp_capabilities")
        except OSError as error:
            self.socket.close()
            raise NoMonitor(f"the machine has gone: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self.unread:
            more = self.socket.recv(65536)
            if not more:
                raise NoMonitor("the machine has ended")
            self.unread += more
        line, _, self.unread = self.unread.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError as error:
            raise NoMonitor("it isn't QEMU") from error
        if not isinstance(found, dict):
            raise NoMonitor("it isn't QEMU")
        return found

    def command(self, name: str, **arguments: object) -> Any:
        """Its result; events that come meanwhile are passed over."""
        try:
            self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while True:
                found = self._message()
                if "error" in found:
                    raise NoMonitor(str(found["error"].get("desc", name)))
                if "return" in found:
                    return found["return"]
        except OSError as error:
            raise NoMonitor(f"QEMU doesn't answer: {error.strerror or error}") from error

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The machine stands still; if it did before, it does so afterwards."""
        ran = bool(self.command("query-status").get("running"))
        if ran:
            self.command("stop")
        try:
            yield
        finally:
            if ran:
                self.command("cont")

    def words(self, line: str) -> str:
        """What QEMU answers to a line of its monitor for people."""
        return str(self.command("human-monitor-command", **{"command-line": line})).replace("\r", "")

    def single_instructions(self, on: bool) -> bool:
        """From when the machine next goes on, let it be stopped between any two instructions, which makes it slow.

        Else it stops only where a run of instructions without a branch ends. False: this QEMU can't.
        """
        return any(not self.words(f"{name} {'on' if on else 'off'}") for name in SINGLE_INSTRUCTIONS)

    def registers(self) -> dict[str, int]:
        """pc, x1 to x31 and what else QEMU tells of the hart (satp, scause, …)."""
        text = self.words("info registers")
        found = {name: int(number, 16) for name, number in CSR.findall(text)}
        found.update((f"x{number}", int(word, 16)) for number, word in REGISTER.findall(text))
        if "pc" not in found or "x2" not in found:
            raise NoMonitor("QEMU tells no registers")
        return found
