"""Running `nk` in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neokernel.cli.main import guarded

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"


@dataclass(frozen=True)
class Result:
    status: int
    output: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


class Nk:
    """`nk(...)` runs a command line in a folder of its own."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self.capture = capture

    def __call__(self, *arguments: object) -> Result:
        self.capture.readouterr()
        status = guarded([str(argument) for argument in arguments])
        captured = self.capture.readouterr()
        return Result(int(status), captured.out.decode(), captured.err.decode())


@contextmanager
def start(*arguments: object, cwd: Path | None = None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`nk` in a process of its own, which ends, with what it has started, when the test does."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from neokernel.cli.main import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def write_program(folder: Path, body: str, name: str = "program") -> Path:
    """A program whose `main` has these statements."""
    path = folder / f"{name}.py"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    path.write_text(
        '"""A program for a test."""\n\nfrom neokernel.arch.riscv64.bare import Machine\n'
        "from neokernel.lang import Array, array, u8, u32, unreachable, usize\n\n\n"
        f"def main(machine: Machine) -> None:\n{lines}"
    )
    return path
