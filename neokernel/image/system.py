"""The image of a described system: the kernel, init, the programs, and the description that init goes by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.description import BadDescription, System, description_entry
from neokernel.image.kernel import build_image_of
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
    description = description_entry(system)
    for service in system.services:
        if service.program not in programs:
            raise BadDescription(f"service {service.name!r}: there is no program {service.program!r}")
    for name in (INIT_NAME, description.name):
        if name in programs:
            raise BadDescription(f"a program can't be called {name!r}: the system has that already")
    named = [(INIT_NAME, root), *sorted(programs.items())]
    return build_image_of(named, [description], output, checks=checks, release=release, traced=traced)
