"""The system of `machine`, with drivers that are killed so often: how it ends."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.support.nk import nk

MACHINE = Path(__file__).parent / "machine"


def run(folder: Path, kills: int, timeout: int) -> dict[str, Any]:
    """Build and boot it in `folder`; what `nk run --json` says."""
    system = folder / "machine"
    shutil.copytree(MACHINE, system, ignore=shutil.ignore_patterns("__pycache__"))
    file = system / "system.toml"
    text = file.read_text()
    text = re.sub(r'(?m)^program = "./(?:tester|killer).py"$', rf"\g<0>\nconfig.kills = {kills}", text)
    file.write_text(text)
    done = nk("run", "--json", "--timeout", str(timeout), system, timeout=timeout + 100, folder=folder)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
