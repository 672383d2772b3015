"""Runs `nk` as a process of its own, as a user does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.nursery import run_nk
from tests.support.patience import PATIENCE


def nk(
    *arguments: str | Path, timeout: float = PATIENCE, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return run_nk([*map(str, arguments)], folder=folder, timeout=timeout)


def boot(program: Path) -> list[str]:
    """What a program or a system printed that ended well, by lines; the first is what `nk run` said of it.

    Its time is that of its instructions: it talks to nobody outside, and what it prints may say how long things took.
    """
    done = nk("run", "--counted", program)
    said = [line for line in done.stderr.splitlines() if not line.startswith(("building ", "booting "))]
    assert (done.returncode, said) == (0, []), done.stdout[-2000:]
    return done.stdout.splitlines()
