"""The kernel's interface on the machine: `machine/` is a root program, which tries it from user mode.

`machine/cases.txt` names the cases in order. `NK_ACCEPT=1` writes it anew from what ran.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from neokernel.image import qemu
from neokernel.image.kernel import build_system
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE

PROGRAM = Path(__file__).parent / "machine"
LIST = PROGRAM / "cases.txt"
CASES = LIST.read_text(encoding="utf-8").splitlines()
LINE = re.compile(r"(ok|not ok) (\d+) - (.*?)(?: # (.*))?")

pytestmark = [
    pytest.mark.qemu,
]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the program prints: one run, with the kernel's checks on. Its time is that of instructions, not ours."""
    image = tmp_path_factory.mktemp("machine") / "machine.elf"
    built = build_system(PROGRAM, image)
    assert not built.diagnostics, built.diagnostics[0].message
    assert QEMU is not None
    command = [*qemu.command(QEMU, image), "-cpu", "rv64,v=true", *qemu.COUNTED]
    # Idle, it may ignore a polite signal: subprocess kills it when time is up.
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
    found = done.stdout.decode(errors="replace").replace("\r", "").splitlines()
    last = next((number for number, line in enumerate(found) if line.startswith("1..")), None)
    assert done.returncode in (0, 1) and last is not None, f"{found[-5:]}\n{done.stderr.decode(errors='replace')}"
    return found[: last + 1]


@pytest.fixture(scope="module")
def results(lines: list[str]) -> dict[int, tuple[bool, str, str]]:
    """By number: whether it went well, its name, what was found instead."""
    found = [match for line in lines if (match := LINE.fullmatch(line))]
    return {int(match[2]): (match[1] == "ok", match[3], match[4] or "") for match in found}


def test_all_cases_ran(lines: list[str], results: dict[int, tuple[bool, str, str]]) -> None:
    names = [results[number][1] for number in sorted(results)]
    if os.environ.get("NK_ACCEPT") == "1":
        LIST.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        return
    assert sorted(results) == list(range(1, len(results) + 1))
    assert names == CASES
    assert lines[-1] == f"1..{len(CASES)}"


@pytest.mark.parametrize(
    ("number", "name"), list(enumerate(CASES, start=1)), ids=[f"{n} - {name}" for n, name in enumerate(CASES, start=1)]
)
def test_case(results: dict[int, tuple[bool, str, str]], number: int, name: str) -> None:
    assert number in results, "the run ended before this case"
    good, ran, found = results[number]
    assert ran == name
    assert good, found
