"""Runs `nk` as a process of its own, as a user does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_MAIN = "import sys; from neokernel.cli.main import main; sys.exit(main())"


def nk(*arguments: str | Path, timeout: float = 250, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=folder, check=False)


def boot(program: Path) -> list[str]:
    """What a program or a system printed that ended well, by lines; the first is what `nk run` said of it."""
    done = nk("run", program)
    said = [line for line in done.stderr.splitlines() if not line.startswith(("building ", "booting "))]
    assert (done.returncode, said) == (0, []), done.stdout[-2000:]
    return done.stdout.splitlines()
