"""What a service that has failed was denied: the lines that its system file lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from neokernel.abi.description import DESCRIPTION_NAME, GrantKind
from neokernel.image.description import BadDescription, Has, read
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of
from neokernel.image.needs import BadNeeds, Need, needs_in
from neokernel.image.systemfile.left_out import lines_left_out
from neokernel.image.systemfile.matching import TABLES
from neokernel.image.systemfile.needs import OBJECTS
from neokernel.image.traceback import Frame
from neokernel.lang.interfaces.declare import OBJECTS as OBJECTS_MODULE


def note_of(image: Image, program: Image, name: str, frames: Iterable[Frame]) -> str:
    """What to say below the traceback of the program called `name`; nothing if it was denied nothing.

    Of several things that were denied those are meant that the lines of the traceback name.
    """
    denied = missing_lines(image, program, name)
    shown = "\n".join(map(source_line, frames))
    named = {key: lines for key, lines in denied.items() if re.search(rf"\b{re.escape(key)}\b", shown)}
    said = [line for lines in (named or denied).values() for line in lines]
    return "; ".join(said)


def missing_lines(image: Image, program: Image, name: str) -> dict[str, list[str]]:
    """By the name of a declaration: what stands in no system file, of each service that runs the program."""
    try:
        described = next(entry for entry in archive_of(image) if entry.name == DESCRIPTION_NAME)
        services = [service for service in read(described.content).services if service.program == name]
        needs = {need.name: need for need in needs_in(program.path)}
    except (StopIteration, BadDescription, BadNeeds):
        return {}
    places = {(line.service, line.name): line for line in lines_left_out(image.path)}
    found: dict[str, list[str]] = {}
    for service in services:
        for grant in service.grants:
            if isinstance(grant, Has) and grant.kind is GrantKind.NONE and grant.name in needs:
                place = places.get((service.name, grant.name))
                table = table_of(needs[grant.name])
                said = f"[service.{service.name}] was built without `{table}.{grant.name}`" if place is None else place
                found.setdefault(grant.name, []).append(f"{said}: it isn't granted {grant.name}")
    return found


def table_of(need: Need) -> str:
    """Where its grant stands in a system file."""
    table = OBJECTS.get(need.type, "") if need.module == OBJECTS_MODULE else ""
    return table if table in TABLES else "uses"


def source_line(frame: Frame) -> str:
    try:
        lines = Path(frame.file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[frame.line - 1 : frame.end_line or frame.line])
