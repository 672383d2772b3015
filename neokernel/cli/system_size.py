"""`nk size` of a system file: what each service takes, of the image and of the machine's memory."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from neokernel.cli.output import print_json
from neokernel.cli.system import build_machine, find_system, machine_of
from neokernel.image.archive import Entry, pages
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of, programs_folder
from neokernel.image.needs import Tasks, tasks_in
from neokernel.image.resident import Resident, resident
from neokernel.image.signed import boot_image
from neokernel.image.system import INIT_NAME
from neokernel.image.systemfile.machine import Kind, Machine, Service
from neokernel.image.systemfile.resources import lent, total
from neokernel.image.systemfile.units import show_size

#: bits of a segment's flags
EXECUTABLE, WRITABLE = 1, 2
RESIDENT = ("text", "data", "stack", "tables", "objects", "all")
COLUMNS = ("text", "rodata", "data", "tasks", "memory", "preserve", "pools", "lent", "all")


@dataclass(frozen=True)
class Parts:
    """Of a program, in bytes: code and constants, which all services that run it share; data of its own, at first."""

    text: int = 0
    rodata: int = 0
    data: int = 0


@dataclass(frozen=True)
class Row:
    """Of a service, in bytes: its program's parts, what it is given, and all of that together."""

    program: str
    text: int
    rodata: int
    data: int
    #: frames of tasks, which lie in `memory`; and which they are
    tasks: int
    memory: int
    preserve: int
    pools: int
    lent: int
    all: int
    frames: list[Tasks]


def show_system(path: Path, *, as_json: bool) -> None:
    """Build the system, and show what it takes."""
    machine = machine_of(find_system(path), as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="nk-size-") as folder:
        elf = build_machine(machine, Path(folder) / "image.elf", as_json=as_json)
        entries = archive_of(Image(elf))
        whole = len(boot_image(elf))
        frames = {entry.name: tasks_in(programs_folder(elf) / f"{entry.name}.elf") for entry in entries if entry.parts}
    found = {entry.name: entry for entry in entries if entry.parts}
    programs = {name: parts_of(entry) for name, entry in found.items()}
    rows = {
        name: row_of(service, programs[service.program.name], frames[service.program.name])
        for name, service in machine.services.items()
    }
    resides = {
        name: resident(machine, service, found[service.program.name].parts, found[service.program.name].floats)
        for name, service in machine.services.items()
    }
    image = image_parts(entries, whole)
    if as_json:
        services = {
            name: asdict(row) | {"resident": asdict(resides[name]) | {"all": resides[name].all}}
            for name, row in rows.items()
        }
        given = sum(row.all for row in rows.values())
        board = {"memory": machine.memory, "given": given, "reserved": machine.reserve.value}
        print_json({"services": services, "image": image, "board": board, "exit": 0})
        return
    show(machine, rows, resides, image)


def parts_of(entry: Entry) -> Parts:
    """A program's segments by what they are."""
    text = sum(part.memory_size for part in entry.parts if part.flags & EXECUTABLE)
    data = sum(part.memory_size for part in entry.parts if part.flags & WRITABLE)
    return Parts(text, sum(part.memory_size for part in entry.parts) - text - data, data)


def row_of(service: Service, parts: Parts, frames: list[Tasks]) -> Row:
    pools = sum(grant.number for grant in service.grants if grant.kind is Kind.POOL)
    return Row(
        service.program.name,
        parts.text,
        parts.rodata,
        parts.data,
        sum(each.size for each in frames),
        service.memory.value,
        service.preserve.value,
        pools,
        lent(service),
        total(service),
        frames,
    )


def image_parts(entries: list[Entry], whole: int) -> dict[str, int]:
    """What the boot image is made of, in bytes that files take there: they begin on pages."""
    files = {entry.name: pages(len(entry.content)) for entry in entries}
    init = files.pop(INIT_NAME)
    described = sum(files.pop(entry.name) for entry in entries if not entry.parts)
    programs = sum(files.values())
    rest = whole - init - described - programs
    return {"kernel": rest, "init": init, "programs": programs, "description": described, "total": whole}


def show(machine: Machine, rows: dict[str, Row], resides: dict[str, Resident], image: dict[str, int]) -> None:
    click.echo("".join(f"{column:>10}" for column in COLUMNS) + "  service")
    for name, row in rows.items():
        cells = "".join(f"{getattr(row, column):>10,}" for column in COLUMNS)
        click.echo(f"{cells}  {name}" + (f" (runs {row.program})" if row.program != name else ""))
    given = sum(row.all for row in rows.values())
    click.echo(f"{' ' * 80}{given:>10,}  all services")
    tasks = {row.program: row.frames for row in rows.values() if row.frames}
    for program, frames in tasks.items():
        for each in frames:
            many = "" if each.count == 1 else "s"
            click.echo(f"{program}: room for {each.count:,} task{many} of {each.function}, {each.frame:,} bytes each")
    click.echo("\nResident, once started:\n" + "".join(f"{column:>10}" for column in RESIDENT) + "  service")
    for name, taken in resides.items():
        click.echo("".join(f"{getattr(taken, column):>10,}" for column in RESIDENT) + f"  {name}")
    rest = machine.memory - given - machine.reserve.value
    board = machine.board.board.name
    click.echo(
        f"\nOf {show_size(machine.memory)} of memory on {board}, {rest / (1 << 20):.1f} MiB are nobody's; "
        f"{show_size(machine.reserve.value)} are reserved for firmware, kernel, image and init."
    )
    parts = ", ".join(f"{name} {size:,}" for name, size in image.items() if name != "total")
    click.echo(f"The boot image has {image['total']:,} bytes: {parts}.")
