"""`nk where`: from an address in a program's code to its line, and to the check that fails there.

What a handler of faults has of a child is the program counter, the second word of the report. The rest stands in files
beside the image: debug information and tables of checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import REPOSITORY, find_program, is_image, open_image
from neokernel.cli.system import find_system, image_path, is_system_file, machine_of, roots_of
from neokernel.image.checks import check_of, sources_of, text_digest
from neokernel.image.crash import Crash, explain_address
from neokernel.image.elf import Image
from neokernel.image.systemfile.machine import Machine
from neokernel.image.traceback import openable, render_frame


class Address(click.ParamType[int]):
    """Hexadecimal, as the tools print addresses."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(str(value), 16)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 64:
            self.fail(f"{value!r} is no address: hexadecimal, such as 0x1a2b", param, ctx)
        return number


@dataclass(frozen=True)
class Place:
    """Where an address is in one of an image's programs."""

    program: str
    image: Path
    told: Crash
    #: sources of these lines that aren't what was compiled any more
    changed: tuple[str, ...]


@click.command()
@click.argument("path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.argument("addresses", metavar="PC...", type=Address(), nargs=-1, required=True)
@json_option
def command(path: Path, addresses: tuple[int, ...], as_json: bool) -> int:
    """Say which line of PROGRAM each PC is, and which check fails there.

    A PC is a hexadecimal address, such as a handler finds in the second word of a fault's report. PROGRAM: an image;
    or a program's source, or a system file, for the image of its latest build in build/. A system is looked at as a
    whole, kernel and programs; name a child's source (SYSTEM/CHILD.py), or its own ELF file
    (build/SYSTEM.programs/CHILD.elf), to look at that only: programs begin at one address, each in its own address
    space.

    A source that has changed since the build is named on standard error: the line that is shown may be another one.

    Exit status: 0, 1 if there is no code at one of the addresses.
    """
    images = list(images_of(path))
    found = {address: [place for each in images if (place := place_in(*each, address))] for address in addresses}
    missing = [address for address, places in found.items() if not places]
    status = Exit.NEGATIVE if missing else Exit.SUCCESS
    if as_json:
        print_json({"addresses": [as_value(*item) for item in found.items()], "exit": int(status)})
        return status
    for address, places in found.items():
        for place in places:
            click.echo("\n".join([f"{address:#x} in {place.program}:", *lines(place.told)]))
    for image, file in dict.fromkeys(
        (each.image, file) for item in found.values() for each in item for file in each.changed
    ):
        told = f"warning: {file} has changed since {shown(image)} was built: the line shown may not be the one meant"
        click.echo(told, err=True)
    if missing:
        names = ", ".join(name for name, _, _ in images)
        told = ", ".join(f"{address:#x}" for address in missing)
        help = "an address is of one build, and hexadecimal; `nk explain NK1009` says more"
        raise ToolError("NK1009", f"no code at {told} in {names}", help)
    return status


def images_of(path: Path) -> Iterator[tuple[str, Image, tuple[Path, ...]]]:
    """What is to be looked at: names, images with debug information, and where their sources may be."""
    if is_image(path):
        # Of one that was moved, a system's sources are in a folder of its name, mostly.
        system = path.parent if path.parent.suffix == ".programs" else path
        roots: tuple[Path, ...] = (Path.cwd() / system.stem, Path.cwd(), REPOSITORY)
    elif is_system_file(path):
        machine = machine_of(find_system(path), as_json=False, warn=False)
        roots, path = roots_of(machine), system_image(path, machine)
    else:
        program = find_program(path)
        roots = (*program.source_roots, Path.cwd())
        path = built_image(program.root)
    image = open_image(path)
    from neokernel.image.kernel import archive_of, program_of  # late, because the compiler is big

    entries = archive_of(image)
    yield ("the kernel" if entries else path.stem), image, roots
    for entry in entries:
        own = program_of(image, entry)
        if own is not None:
            yield entry.name, own, roots


def system_image(path: Path, machine: Machine) -> Path:
    """The image of a system that was built in the current folder."""
    place = image_path(machine)
    if not place.is_file():
        raise ToolError(
            "NK1002", f"{path} hasn't been built here: there is no {place}", f"`nk build {path}`, or `nk run`"
        )
    return place


def built_image(root: Path) -> Path:
    """The image of a program that was built in the current folder: of a system's child, the child's own."""
    name = root.resolve().stem
    build = Path("build")
    places = [build / f"{name}.elf"]
    if root.is_file():
        places.insert(0, build / f"{root.resolve().parent.name}.programs" / f"{name}.elf")
    for place in places:
        if place.is_file():
            return place
    tried = " and no ".join(map(str, places))
    raise ToolError("NK1002", f"{root} hasn't been built here: there is no {tried}", f"`nk build {root}`, or `nk run`")


def place_in(name: str, image: Image, roots: tuple[Path, ...], address: int) -> Place | None:
    """Where the address is in the image; its sources are sought first where they lay when it was built."""
    sources = sources_of(image)
    if sources is not None:
        roots = (sources.folder, *roots)
    told = explain_address(image, address, check_of(image, address), roots)
    if told is None:
        return None
    compiled = {} if sources is None else {openable(file, roots): text for file, text in sources.digests.items()}
    files = dict.fromkeys(frame.file for frame in told.frames if frame.file in compiled and Path(frame.file).is_file())
    changed = tuple(file for file in files if text_digest(Path(file)) != compiled[file])
    return Place(name, image.path, told, changed)


def lines(told: Crash) -> list[str]:
    """As in a traceback. Without a check there is nothing that failed: any instruction has an address."""
    return [line for frame in told.frames for line in render_frame(frame)] + ([told.last_line] if told.name else [])


def as_value(address: int, places: list[Place]) -> dict[str, object]:
    return {
        "address": f"{address:#x}",
        "places": [
            {
                "program": place.program,
                "image": shown(place.image),
                "frames": place.told.as_json()["frames"],
                "changed": list(place.changed),
                "check": {"name": place.told.name, "message": place.told.message} if place.told.name else None,
            }
            for place in places
        ],
    }
