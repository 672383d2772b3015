"""System files, as the commands take them on their command line, and what is found wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import print_json, progress, shown
from neokernel.cli.program import (
    REPOSITORY,
    Program,
    analyse,
    from_here,
    refuse,
    rendered,
    tool_complaints,
    unwritable,
)
from neokernel.compiler.diagnostics import Diagnostic, suggestion
from neokernel.image.archive import program_entry
from neokernel.image.elf import Image
from neokernel.image.needs import Habits, habits_in
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.describing import Denied, describe, programs
from neokernel.image.systemfile.document import Findings, did_you_mean
from neokernel.image.systemfile.left_out import write_left_out
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.readiness import check as check_readiness
from neokernel.image.systemfile.resources import enough_memory, tight, total
from neokernel.image.systemfile.state import check as check_state
from neokernel.image.systemfile.timing import percent, promised
from neokernel.image.systemfile.units import show_size

SUFFIX = ".toml"
#: what a command takes that is told no system file, and the folder in which there may be one
USUAL, FOLDER = Path("system.toml"), Path("systems")


def is_system_file(path: Path) -> bool:
    """Is it one, or a folder with `system.toml`?"""
    return (path / USUAL).is_file() if path.is_dir() else path.suffix == SUFFIX


def systems_here() -> list[Path]:
    """What may be meant where no system file is named: `system.toml` here, or else those in `systems`."""
    return [USUAL] if USUAL.is_file() else sorted(FOLDER.glob(f"*{SUFFIX}"))


def find_system(path: Path | None) -> Path:
    """The system file at `path`; if none is named, `system.toml` here, or the only one in `systems`."""
    if path is not None:
        help = f"name a file that ends in {SUFFIX}, or a folder with {USUAL}"
        if not is_system_file(path):
            raise ToolError("NK1010", f"{path} is no system file", help)
        path = path / USUAL if path.is_dir() else path
        if not path.exists():
            near = suggestion(path.name, [each.name for each in path.parent.glob(f"*{SUFFIX}")])
            raise ToolError("NK1010", f"{path} doesn't exist", near or help)
        return path
    if USUAL.is_dir():
        raise ToolError("NK1010", f"{USUAL} is a folder", "a system file is text; `nk new service NAME` makes one")
    found = systems_here()
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(map(str, found[:8]))
        raise ToolError("NK1010", f"there are {len(found)} system files in {FOLDER}", f"name one of them: {names}")
    raise ToolError("NK1010", "there is no system file here", f"name one; usual are {USUAL} and {FOLDER}/NAME{SUFFIX}")


#: what may keep a program's declarations from being understood: its syntax, its names, the declarations themselves
UNREAD = ("NK01", "NK02", "NK0704", "NK072")


def examined(path: Path) -> tuple[Machine | None, list[Diagnostic]]:
    """The machine that a system file describes, and what is wrong with it.

    Where grants and declarations don't fit each other, and a program's can't be understood, that is said instead.
    """
    machine, findings = examine(path)
    if machine is None or not any(is_of_declarations(item) for item in findings.errors):
        return machine, findings.items
    programs = dict.fromkeys(Program(service.program.main) for service in machine.services.values())
    found = [item for program in programs for item in from_here(analyse(program), program)]
    unread = [item for item in dict.fromkeys(found) if item.code.startswith(UNREAD)]
    if not unread:
        return machine, findings.items
    return machine, [*(item for item in findings.items if not is_of_declarations(item)), *unread]


def machine_in_part(path: Path, *, as_json: bool, warn: bool = True) -> tuple[Machine, dict[str, Diagnostic]]:
    """The machine that a system file describes; what keeps a program from being read is no reason to say nothing.

    Of such services, by their names, what is wrong: what they declare is assumed (`systemfile/assumed.py`). Anything
    else that is wrong ends the command.
    """
    machine, findings = examine(path)
    if machine is None or not findings.errors:
        return machine_of(path, as_json=as_json, warn=warn), {}
    wrong = dict(machine.unread)
    if any(is_of_declarations(item) for item in findings.errors):
        said: dict[Path, list[Diagnostic]] = {}
        for service in machine.services.values():
            program = Program(service.program.main)
            if program.main not in said:
                found = from_here(analyse(program), program)
                said[program.main] = [item for item in found if item.code.startswith(UNREAD)]
            if said[program.main]:
                wrong[service.name] = said[program.main][0]
    assumed, rest = examine(path, frozenset(wrong))
    if not wrong or assumed is None or rest.errors:
        return machine_of(path, as_json=as_json, warn=warn), {}
    if warn and not as_json:
        print_findings(rest.items)
    return assumed, wrong


def print_unread(wrong: Mapping[str, Diagnostic]) -> None:
    """Whose program couldn't be read, and what therefore isn't shown."""
    for name, item in wrong.items():
        place = f"{item.span.file}:{item.span.line}:{item.span.column + 1}"
        said = f"`{name}` is shown as the system file has it, as its program can't be read"
        rest = "what it provides that nobody uses isn't shown, nor an interface that only it names"
        click.echo(f"warning: {said}: {item.message} ({place}); {rest}", err=True)


def unread_as_json(wrong: Mapping[str, Diagnostic]) -> list[dict[str, object]]:
    return [{"service": name, **item.as_json()} for name, item in wrong.items()]


def is_of_declarations(item: Diagnostic) -> bool:
    """Does it hold the system file against what programs declare?"""
    return item.code.startswith("NK21")


def machine_of(path: Path, *, as_json: bool, warn: bool = True) -> Machine:
    """The machine that a system file describes, or the errors in it, and the command's end."""
    machine, found = examined(path)
    if machine is None or any(item.severity == "error" for item in found):
        refuse_system(path, found, as_json=as_json)
    if warn and not as_json:
        print_findings(found)
    return machine


def image_path(machine: Machine) -> Path:
    """Where the image of a system goes if nobody says otherwise."""
    return Path("build") / f"{machine.name}.elf"


def build_machine(
    machine: Machine,
    output: Path,
    *,
    denied: frozenset[Denied] = frozenset(),
    checks: bool = True,
    release: bool = True,
    traced: bool = False,
    as_json: bool = False,
) -> Path:
    """Build a system's image, or print what is wrong with a program of it and end the command.

    `traced`: init starts a trace.
    """
    from neokernel.image.kernel import archive_of, programs_folder  # late, because the compiler is big
    from neokernel.image.system import build_described

    found = programs(machine)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with progress(f"building {machine.name}", plain=not as_json), tool_complaints():
            described = describe(machine, denied)
            result = build_described(described, found, output, checks=checks, release=release, traced=traced)
    except OSError as error:
        raise unwritable(output, error) from error
    if result.diagnostics:
        # Of which program they are isn't said: the first that has some.
        wrong = ((Program(main), analyse(Program(main))) for main in found.values())
        program, diagnostics = next((each for each in wrong if each[1]), (Program(machine_root()), result.diagnostics))
        refuse(diagnostics, program, as_json=as_json)
    short = Findings()
    parts = {entry.name: entry.parts for entry in archive_of(Image(output))}
    for service in machine.services.values():
        enough_memory(machine, service, short, parts[service.program.name])
    if short.errors:
        output.unlink()  # it would boot, and init would give them up
        refuse_system(Path(machine.file), short.errors, as_json=as_json)
    if not as_json:
        folder = programs_folder(output)
        print_findings(about_habits(machine, {main: habits_in(folder / f"{name}.elf") for name, main in found.items()}))
    write_left_out(output, machine, denied)
    return output


def short_of_memory(machine: Machine) -> list[Diagnostic]:
    """Who has too little memory to begin with, which for some only the size of their programs tells: they are built."""
    from neokernel.image.program import THREAD_START, build_program  # late, because the compiler is big

    found = Findings()
    with tempfile.TemporaryDirectory(prefix="nk-check-") as folder, tool_complaints():
        for service in machine.services.values():
            output = Path(folder) / f"{service.program.name}.elf"
            if tight(machine, service) and not build_program(service.program.main, output).diagnostics:
                parts = program_entry(service.program.name, output, THREAD_START).parts
                enough_memory(machine, service, found, parts)
    return found.items


def about_habits(machine: Machine, habits: Mapping[Path, Habits]) -> list[Diagnostic]:
    """Whose state nobody keeps or uses, and who is never ready. `habits`: of programs, by the file of their `main`."""
    found = Findings()
    check_state(machine, {main: each.state for main, each in habits.items()}, found)
    check_readiness(machine, {main: each.ready for main, each in habits.items()}, found)
    return found.items


def machine_root() -> Path:
    """The root program of all systems."""
    from neokernel.image.system import INIT

    return INIT


def roots_of(machine: Machine) -> tuple[Path, ...]:
    """Where the files are that messages and debug information of a system name."""
    folders = dict.fromkeys(main.parent for main in programs(machine).values())
    return (*folders, REPOSITORY, Path.cwd())


def denials(machine: Machine, written: tuple[str, ...]) -> frozenset[Denied]:
    """What `--deny SERVICE.NAME` names."""
    found: set[Denied] = set()
    for each in written:
        name, dot, entry = each.partition(".")
        service = machine.services.get(name)
        if not dot:
            names = sorted(grant.name for grant in service.grants) if service else []
            granted = ", ".join(f"`{one}`" for one in names)
            help = "write `--deny SERVICE.NAME`" + (f"; {name} is granted: {granted}" if granted else "")
            raise ToolError("NK1012", f"--deny {each!r} doesn't say what to leave out", help)
        if service is None:
            help = did_you_mean(name, machine.services, "services", "")
            raise ToolError("NK1012", f"there is no service {name!r} in {machine.name}", help)
        known = [*(grant.name for grant in service.grants), *(line.name for line in service.network)]
        if entry not in known:
            help = did_you_mean(entry, known, "it is granted", "it is granted nothing")
            raise ToolError("NK1012", f"{name} isn't granted {entry!r}", help)
        found.add((name, entry))
    return frozenset(found)


def refuse_system(path: Path, found: list[Diagnostic], *, as_json: bool) -> NoReturn:
    """Print what is wrong with a system and end the command."""
    status = failure(found)
    if as_json:
        print_json({"diagnostics": [item.as_json() for item in found], "exit": int(status)})
    else:
        print_findings(found)
        print_count(path, found)
    raise click.exceptions.Exit(status)


def failure(found: list[Diagnostic]) -> Exit:
    """What the errors are about: the system file and its manifests, or else a program."""
    of_files = any(item.code.startswith("NK2") and item.severity == "error" for item in found)
    return Exit.MANIFEST if of_files else Exit.COMPILE


def print_findings(found: list[Diagnostic]) -> None:
    for item in found:
        click.echo(rendered(item), err=True)


#: files that are named together, where it is said how many errors there are
MOST_FILES = 3


def print_count(path: Path, found: list[Diagnostic]) -> None:
    """How many errors there are, and in which files: those of a system are its manifests and programs, too."""
    errors = [item for item in found if item.severity == "error"]
    if errors:
        plural = "s" if len(errors) > 1 else ""
        files = list(dict.fromkeys(item.span.file or shown(path) for item in errors))
        *others, last = files
        where = f"{', '.join(others)} and {last}" if others else last
        if len(files) > MOST_FILES:
            where = f"{len(files)} files of {shown(path)}"
        click.echo(f"{len(errors)} error{plural} in {where}; `nk explain {errors[0].code}` says more", err=True)


def described(machine: Machine) -> list[str]:
    """What the machine is, in a few lines."""
    count = len(machine.services)
    given = sum(total(service) for service in machine.services.values()) + machine.reserve.value
    lines = [f"a system of {count} service{'s' if count != 1 else ''} on {machine.board.board.name}"]
    lines.append(f"memory: {show_size(given)} of {show_size(machine.memory)} given away")
    shares = promised(machine)
    if any(shares):
        lines.append("processor: " + ", ".join(f"{percent(share)} promised" for share in shares))
    trusted = [service.name for service in machine.services.values() if machine.unprotected(service)]
    if trusted:
        lines.append(f"trusted, as DMA without an IOMMU reaches all memory: {', '.join(trusted)}")
    ruling = [service.name for service in machine.services.values() if machine.ruling(service)]
    if ruling:
        lines.append(f"trusted, as init.system lends what any service has: {', '.join(ruling)}")
    return lines
