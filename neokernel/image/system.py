"""The image of a described system: the kernel, init, the programs, and the description that init goes by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from neokernel.abi.description import DESCRIPTION_NAME
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.description import BadDescription, Program, System, description_entry
from neokernel.image.kernel import build_image_of
from neokernel.image.needs import needs_of
from neokernel.image.program import BuildResult

INIT = PACKAGE_ROOT / "neokernel" / "services" / "init" / "main.py"
#: the root program's name in the archive
INIT_NAME = "init"


def build_described(
    system: System,
    programs: Mapping[str, Path],
    output: Path,
    *,
    checks: bool = True,
    release: bool = True,
    traced: bool = False,
    root: Path = INIT,
) -> BuildResult:
    """Build the system with its `programs`, named as its services name them; also such as only a swap brings in.

    `root`: another root program than init, for tests. Raises BadDescription if the system can't be described, or a
    program is missing.
    """
    for service in system.services:
        if service.program not in programs:
            raise BadDescription(f"service {service.name!r}: there is no program {service.program!r}")
    for name in (INIT_NAME, DESCRIPTION_NAME):
        if name in programs:
            raise BadDescription(f"a program can't be called {name!r}: the system has that already")
    described = tuple(Program(name, needs_hash(path)) for name, path in sorted(programs.items()))
    description = description_entry(replace(system, programs=described))
    named = [(INIT_NAME, root), *sorted(programs.items())]
    return build_image_of(named, [description], output, checks=checks, release=release, traced=traced)


def needs_hash(program: Path) -> int:
    """Of all that a program declares, but for the defaults of its settings: 64 bits; 0 if it declares nothing.

    Programs with the same have the same capabilities in the same slots, speak the same contracts, and have the same
    settings.
    """
    needs = [{key: value for key, value in need.as_json().items() if key != "default"} for need in needs_of(program)]
    if not needs:
        return 0
    text = json.dumps(needs, sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
