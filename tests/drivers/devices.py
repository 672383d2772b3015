"""The system of `machine`, with drivers that are killed so often: how it ends."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.support.nk import nk

MACHINE = Path(__file__).parent / "machine"


def copied(folder: Path, kills: int, name: str = "system", *, paced: bool = False) -> Path:
    """A system file of it, with everything, in `folder`. `paced`: a driver is killed when its client has used it."""
    system = folder / "machine"
    shutil.copytree(MACHINE, system, ignore=shutil.ignore_patterns("__pycache__"))
    file = system / f"{name}.toml"
    text = file.read_text()
    text = re.sub(r'(?m)^program = "./(?:tester|circle|plain|killer).py"$', rf"\g<0>\nconfig.kills = {kills}", text)
    if paced:
        text = re.sub(r'(?m)^program = "./(?:circle|killer).py"$', r"\g<0>\nconfig.paced = 1", text)
    file.write_text(text)
    return file


def run(folder: Path, kills: int, timeout: int, name: str = "system") -> dict[str, Any]:
    """Build and boot it in `folder`; what `nk run --json` says."""
    system = copied(folder, kills, name)
    done = nk("run", "--json", "--timeout", str(timeout), system, timeout=timeout + 100, folder=folder)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
