"""From files to a machine: the system file, its board's file, the services' manifests, the programs' declarations."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neokernel.abi.description import DESCRIPTION_NAME, MOST_TIME
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.needs import parsed
from neokernel.image.program import main_takes, takes_process
from neokernel.image.systemfile import sockets
from neokernel.image.systemfile.assumed import assume
from neokernel.image.systemfile.document import Document, Findings, did_you_mean, read
from neokernel.image.systemfile.machine import RESERVED, USUAL_PRIORITY, Machine, Placed, Program, Service
from neokernel.image.systemfile.matching import grant_all
from neokernel.image.systemfile.model import BoardFile, Escalation, Manifest, Policy, SystemFile
from neokernel.image.systemfile.model import Service as ServiceTable
from neokernel.image.systemfile.models import ONNX, BadModel, is_model, program_of
from neokernel.image.systemfile.needs import Need, needs_of, shown
from neokernel.image.systemfile.reading import validate
from neokernel.image.systemfile.settings import set_all
from neokernel.image.systemfile.slots import slots_of
from neokernel.image.systemfile.units import show_time

BOARDS = PACKAGE_ROOT / "boards"
MANIFEST = "service.toml"
#: the root program's name in the image
INIT = "init"

#: what a service has where neither the system file nor the manifest says it; times in nanoseconds
DEFAULTS: dict[tuple[str, ...], Any] = {
    ("memory",): 256 << 10,
    ("capabilities",): 256,
    ("cpu", "budget"): 0,
    ("cpu", "period"): 0,
    ("cpu", "hart"): 0,
    ("cpu", "passive"): False,
    ("restart", "policy"): Policy.ON_FAILURE,
    ("restart", "backoff"): 10_000_000,
    ("restart", "longest_backoff"): 1_000_000_000,
    ("restart", "limit"): 5,
    ("restart", "window"): 10_000_000_000,
    ("restart", "escalate"): Escalation.GIVE_UP,
    ("preserve",): 0,
    ("heartbeat",): 0,
}
RESERVE = 8 << 20
MICROSECOND = 1_000
LONGEST = int(MOST_TIME) * MICROSECOND


@dataclass(frozen=True)
class Source:
    """A table that says something about a service: the system file's, or its manifest."""

    document: Document
    table: Manifest
    path: tuple[str, ...]


def load(path: Path, findings: Findings, assumed: frozenset[str] = frozenset()) -> Machine | None:
    """The machine that the system file at `path` describes, as far as it can be understood; None if not at all.

    The programs of the services `assumed` aren't read.
    """
    document = read(path, shown(path), findings)
    model = None if document is None else validate(document, SystemFile, findings)
    if document is None or model is None:
        return None
    board = load_board(document, model, findings)
    services: dict[str, Service] = {}
    sources: dict[str, list[Source]] = {}
    programs: dict[Path, Program] = {}
    unread: dict[str, Diagnostic] = {}
    for name, table in model.service.items():
        if name in RESERVED:
            place = document.key("service", name)
            findings.error("NK2007", f'no service can be called "{name}"', place, "it means what every system has")
            continue
        if board is not None and name in board.device:
            # Who reaches whom is asked and told by names alone.
            place = document.key("service", name)
            help = "the board has a device of that name; choose another one"
            findings.error("NK2007", f'no service can be called "{name}" here', place, help)
            continue
        if name in assumed:
            main = find_program(document, table.program) or document.path.parent / table.program
            program = Program(main.parent.name if main.stem == "main" else main.stem, main, ())
        else:
            found = load_program(document, name, table, programs, findings)
            if isinstance(found, Diagnostic):
                unread[name] = found
                continue
            program = found
        sources[name] = [Source(document, table, ("service", name)), *manifest_of(program, findings)]
        services[name] = assemble(document, name, program, sources[name], findings)
    if board is None:
        return None
    assume(services, set(assumed), document, model)
    reserve = model.system.reserve
    machine = Machine(
        model.system.name,
        document.file,
        board,
        board.board.memory,
        Placed(RESERVE if reserve is None else reserve, document.value("system", "reserve"), reserve is not None),
        document.table("system"),
        services,
        slots_of(document, model, board, findings),
        document.path.parent,
        document,
        unread,
        assumed,
    )
    for name, service in services.items():
        grant_all(machine, service, document, model, findings)
        if name in assumed:
            continue
        configs = [(source.document, source.path, source.table.config) for source in sources[name]]
        set_all(service, configs, findings)
    sockets.grant_all(machine, document, model, findings)
    settle_priorities(machine)
    return machine


# --- the board --------------------------------------------------------------------------------------------------------


def load_board(document: Document, model: SystemFile, findings: Findings) -> BoardFile | None:
    name, span = model.system.board, document.value("system", "board")
    if "/" in name or name.endswith(".toml"):
        path = document.path.parent / name
        if not is_file(path):
            findings.error(
                "NK2009", f"there is no board's file {shown(path)}", span, "its path is relative to this file"
            )
            return None
    else:
        known = sorted(each.stem for each in BOARDS.glob("*.toml"))
        if name not in known:
            help = did_you_mean(name, known, "boards", "")
            findings.error("NK2009", f'there is no board "{name}"', span, help)
            return None
        path = BOARDS / f"{name}.toml"
    found = read(path, shown(path), findings)
    board = None if found is None else validate(found, BoardFile, findings)
    if found is None or board is None:
        return None
    for each, device in board.device.items():
        if device.interrupt is not None and device.interrupts:
            place = found.key("device", each, "interrupt")
            findings.error("NK2006", f"`{each}` has `interrupt` and `interrupts`", place, "keep one of them")
    return board


# --- programs ---------------------------------------------------------------------------------------------------------


def load_program(
    document: Document, name: str, table: ServiceTable, known: dict[Path, Program], findings: Findings
) -> Program | Diagnostic:
    """The program of a service, or what was found wrong with it."""
    span = document.value("service", name, "program")
    if table.dimensions and not table.program.endswith(ONNX):
        help = "take it out, or name a model: a file that ends in `.onnx`"
        findings.error(
            "NK2012", "`dimensions` are a model's in ONNX", document.key("service", name, "dimensions"), help
        )
        return findings.items[-1]
    main = find_program(document, table.program)
    if main is not None and is_model(main):
        try:
            main = program_of(main, table.dimensions)
        except BadModel as error:
            message = f"{shown(main)} can't become a program: {error}"
            findings.error("NK2012", message, span, error.help)
            return findings.items[-1]
    if main is None:
        help = near_programs(document, table.program)
        findings.error("NK2010", f'there is no program "{table.program}"', span, help)
        return findings.items[-1]
    main = main.resolve()
    if main in known:
        return known[main]
    takes = main_takes(main)
    if takes != "Process":
        why = "it has no `main`" if takes is None else "its `main` takes no `Process`"
        help = "a service's program has `def main(process: Process) -> None:`"
        if parsed(main) is None:
            why, help = f"it isn't Python{first_wrong(main)}", f"`nk check {shown(main)}` says what is wrong with it"
        findings.error("NK2011", f"{shown(main)} is no program of a service: {why}", span, help)
        return findings.items[-1]
    taken = {INIT, DESCRIPTION_NAME, *(program.name for program in known.values())}
    plain = re.sub(r"[^!-~]", "-", main.parent.name if main.stem == "main" else main.stem)
    called = plain[:40]
    number = 2
    while called in taken:
        called, number = f"{plain[:40]}-{number}", number + 1
    known[main] = Program(called, main, tuple(declared(main, findings)))
    return known[main]


def first_wrong(main: Path) -> str:
    """Where a file stops being Python, if that can be told."""
    try:
        ast.parse(main.read_bytes())
    except SyntaxError as error:
        return "" if error.lineno is None else f" (line {error.lineno})"
    except (OSError, ValueError, RecursionError, MemoryError):
        pass
    return ""


def declared(main: Path, findings: Findings) -> list[Need]:
    """What the program declares, each name once."""
    found: dict[str, Need] = {}
    for need in needs_of(main):
        first = found.setdefault(need.name, need)
        if first is not need:
            message = f"`{need.name}` is declared twice"
            findings.error("NK2115", message, need.span, "give one of them another name", (first.span, "the first"))
    return list(found.values())


def find_program(document: Document, written: str) -> Path | None:
    """The file with the program's `main`, or the model that it is made of."""
    if "/" in written or written.startswith(".") or is_model(written):
        place = document.path.parent / written
    else:
        place = PACKAGE_ROOT.joinpath(*written.split("."))
        if not place.is_dir():
            place = place.with_name(f"{place.name}.py")
    found = place / "main.py" if is_folder(place) else place
    return found if (found.suffix == ".py" or is_model(found)) and is_file(found) else None


def near_programs(document: Document, written: str) -> str:
    """What to say about a program that isn't there."""
    if "/" in written or written.startswith(".") or is_model(written):
        place = document.path.parent / written
        if is_folder(place):
            return f"{shown(place)} has no main.py"
        if is_file(place):
            return f"{shown(place)} is no Python source: name a file that ends in .py, or a folder with a main.py"
        # As they are written here: the folder in which they are stands before their names.
        before = written[: len(written) - len(place.name)] if written.endswith(place.name) else ""
        known = [f"{before}{each.name}" for each in neighbours(place.parent)]
        folder = f"`{shown(place.parent)}`"
        return did_you_mean(f"{before}{place.name}", known, f"programs in {folder}", f"there is no program in {folder}")
    beside = document.path.parent / written
    if is_folder(beside) or is_file(beside.with_name(f"{beside.name}.py")):
        return f'the path of a program of your own begins with `.`: "./{written}"'
    known = [
        f"neokernel.{folder}.{each.stem}"
        for folder in ("services", "drivers")
        for each in neighbours(PACKAGE_ROOT / "neokernel" / folder)
        if takes_process(each / "main.py" if each.is_dir() else each) and each.stem != "init"
    ]
    return did_you_mean(written, known, "programs that come with Neokernel", "your own begin with `.`, or have a `/`")


def neighbours(folder: Path) -> list[Path]:
    """What could be meant by a program's path in this folder."""
    try:
        entries = sorted(folder.iterdir())
    except (OSError, ValueError):
        return []
    return [
        each
        for each in entries
        if (each.suffix == ".py" and each.stem != "__init__") or is_model(each) or is_file(each / "main.py")
    ]


def manifest_of(program: Program, findings: Findings) -> list[Source]:
    """The program's manifest, if it has one: `service.toml` in its folder, or `NAME.service.toml` beside NAME.py."""
    main = program.main
    path = main.parent / MANIFEST if main.stem == "main" else main.with_suffix(".service.toml")
    if not is_there(path):
        return []
    document = read(path, shown(path), findings)
    table = None if document is None else validate(document, Manifest, findings)
    return [] if document is None or table is None else [Source(document, table, ())]


def is_file(path: Path) -> bool:
    return holds(Path.is_file, path)


def is_there(path: Path) -> bool:
    """Also one that can't be read: that is an error, not nothing."""
    return holds(Path.exists, path)


def is_folder(path: Path) -> bool:
    return holds(Path.is_dir, path)


def holds(question: Callable[[Path], bool], path: Path) -> bool:
    """Is that so of what is there? No, if the name is one that no file can have."""
    try:
        return question(path)
    except (OSError, ValueError):
        return False


# --- what a service has -----------------------------------------------------------------------------------------------


def assemble(document: Document, name: str, program: Program, sources: list[Source], findings: Findings) -> Service:
    """The service without its grants: what the system file says, else the manifest, else what is usual."""
    span = document.table("service", name)

    def pick(*key: str) -> Placed[Any]:
        for source in sources:
            found: Any = source.table
            for part in key:
                found = getattr(found, part, None)
            if found is not None:
                return Placed(found, source.document.value(*source.path, *key))
        return Placed(DEFAULTS.get(key), span, given=False)

    def time(*key: str) -> Placed[int]:
        found = pick(*key)
        if found.value % MICROSECOND:
            what = f"`{'.'.join(key)}` is no whole number of microseconds"
            findings.error("NK2005", what, found.span, "times are kept in microseconds")
        if found.value > LONGEST:
            what = f"`{'.'.join(key)}` is {show_time(found.value)}"
            findings.error("NK2006", what, found.span, "it is at most 2^40 us, some 12 days")
        return Placed(found.value // MICROSECOND, found.span, found.given)

    def longest(found: Placed[int]) -> tuple[bool, int]:
        """What somebody said counts, what is usual gives way."""
        return found is not backoff and found.given, found.value

    backoff = time("restart", "backoff")
    requires = {provided: name for source in reversed(sources) for provided, name in source.table.requires.items()}
    trusted = sources[0].table
    assert isinstance(trusted, ServiceTable)
    return Service(
        name=name,
        span=span,
        program=program,
        memory=pick("memory"),
        capabilities=pick("capabilities"),
        priority=pick("cpu", "priority"),
        budget=time("cpu", "budget"),
        period=time("cpu", "period"),
        hart=pick("cpu", "hart"),
        passive=pick("cpu", "passive"),
        policy=pick("restart", "policy"),
        backoff=backoff,
        longest_backoff=max(time("restart", "longest_backoff"), backoff, key=longest),
        limit=pick("restart", "limit"),
        window=time("restart", "window"),
        escalation=pick("restart", "escalate"),
        preserve=pick("preserve"),
        heartbeat=time("heartbeat"),
        trusted=Placed(trusted.trusted, document.value("service", name, "trusted"), trusted.trusted),
        requires=requires,
    )


def settle_priorities(machine: Machine) -> None:
    """Who says no priority is as urgent as its most urgent client: then nobody waits behind anything less."""
    settled: dict[str, int] = {}

    def priority(service: Service, above: tuple[str, ...]) -> int:
        if service.priority.given:
            return service.priority.value
        if service.name not in settled and service.name not in above:
            clients = {client.name: client for client, _ in machine.clients(service.name)}
            found = [priority(client, (*above, service.name)) for client in clients.values()]
            settled[service.name] = max(found, default=USUAL_PRIORITY)
        return settled.get(service.name, USUAL_PRIORITY)

    for service in machine.services.values():
        service.priority = Placed(priority(service, ()), service.priority.span, service.priority.given)
