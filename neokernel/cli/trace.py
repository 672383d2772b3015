"""`nk trace`: what a system did, thread by thread, as a file for https://ui.perfetto.dev.

The machine's memory is a file of ours while it runs. So the kernel's ring can be read however the machine ends: when
it powers off, panics, or is stopped. Nothing has to be printed, and the program needn't take part.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, progress, shown
from neokernel.cli.program import find_program, is_image, open_image, refuse, tool_complaints
from neokernel.cli.run import Seconds, exit_status, explained, image_of, out_of_time, qemu_program
from neokernel.cli.slots import plugged
from neokernel.cli.system import build_machine, find_system, image_path, is_system_file, machine_of, roots_of
from neokernel.cli.target import chosen, machine_option, session
from neokernel.image import qemu
from neokernel.image.elf import Image
from neokernel.image.panic import ConsoleFilter
from neokernel.image.perfetto import chrome_trace
from neokernel.image.ring import BadDump, Ring, find_names, find_ring, pack_dump
from neokernel.image.standstill import activities

#: the end of the name of an image that is made to be traced
TRACED = ".traced"


class Commands(click.Group):
    """A group that runs a program, if the first word isn't one of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = args and (args[0] in self.commands and not Path(args[0]).exists())
        return super().parse_args(ctx, args if known else ["run", *args])

    def get_help(self, ctx: click.Context) -> str:
        return self.commands["run"].get_help(ctx)


@click.group(cls=Commands, add_help_option=False)
def command() -> None:
    """Run a system and write what its threads did, for Perfetto; or have a running one record."""


@command.command(name="run", context_settings={"help_option_names": ["-h", "--help"]}, hidden=True)
@click.argument("path", metavar="[PROGRAM | SYSTEM]", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The trace; default: build/NAME.trace.json.")
@click.option("--from", "source", metavar="DUMP", type=click.Path(path_type=Path), help="Read a dump; run nothing.")
@click.option("--dump", type=click.Path(path_type=Path), help="Also write the ring as it is, for --from.")
@click.option("--timeout", type=Seconds(), help="Stop the machine after so many seconds.")
@json_option
def run_(
    path: Path | None, output: Path | None, source: Path | None, dump: Path | None, timeout: float | None, as_json: bool
) -> int:
    """Run PROGRAM, or an image, and write a trace of it: open it in https://ui.perfetto.dev, or chrome://tracing.

    A PROGRAM is built so that it starts a trace before its main, a SYSTEM so that init does; an image must do so itself
    (see `neokernel/runtime/tracing.py`, also for names of threads). The ring holds the latest records; how many came
    before is said. A DUMP is a ring's frames one after the other, or a machine's memory.

    `nk trace record` has a machine record that runs already: `nk trace record --help`.

    The exit status is the guest's; 101 after a panic, 124 when the time is over, 130 after ctrl-C, as with `nk run`.
    The trace is written in any case. After ctrl-C or when the time is over, it also says what each thread was doing.
    """
    if (path is None) == (source is None):
        raise ToolError("NK1001", "name a program or an image, or a dump with --from", "`nk trace --help`")
    if source is not None:
        return report(write_trace(source, output or default_output(source), dump, {}), Run(), as_json=as_json)
    assert path is not None
    image, roots = traced_image(path, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="nk-trace-") as folder:
        memory = Path(folder) / "memory"
        with plugged(path, as_json=as_json) as devices:
            machine = [*qemu.command(qemu_program(), image.path), *devices]
            run = boot(machine, image, roots, memory, timeout, as_json=as_json)
        made = write_trace(memory, output or default_output(image.path), dump, methods_at(path))
    status = report(made, run, as_json=as_json)
    if run.timed_out and not as_json:
        assert timeout is not None
        raise out_of_time(timeout, where(image))
    if run.interrupted and not as_json:
        click.echo(where(image), err=True)
    return status


def where(image: Image) -> str:
    return f"`nk where {shown(image.path)} PC` says which line a pc is"


def traced_image(path: Path, *, as_json: bool) -> tuple[Image, tuple[Path, ...]]:
    """The image at `path`, or the one built from the program there, which begins with a trace; and its sources."""
    if is_image(path):
        return image_of(path, as_json=as_json)
    if is_system_file(path):
        machine = machine_of(find_system(path), as_json=as_json)
        place = image_path(machine).with_suffix(f"{TRACED}.elf")
        return open_image(build_machine(machine, place, traced=True, as_json=as_json)), roots_of(machine)
    program = find_program(path)
    if not program.needs_kernel:
        message = f"{shown(program.main)} has no `main(process: Process)`: there is no kernel to be traced"
        raise ToolError("NK1001", message, "`nk run` runs programs of the bare machine")
    from neokernel.image.kernel import build_system

    output = program.default_image.with_suffix(f"{TRACED}.elf")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with progress(f"building {program.name}"), tool_complaints():
            result = build_system(program.root, output, traced=True)
    except OSError as error:
        raise ToolError("NK1005", f"{output} can't be written: {error.strerror or error}") from error
    if result.diagnostics:
        refuse(result.diagnostics, program, as_json=as_json)
    return open_image(output), (*program.source_roots, Path.cwd())


def default_output(path: Path) -> Path:
    """Where the trace of what is at `path` goes, in a folder that is there."""
    folder = Path("build")
    with contextlib.suppress(OSError):  # the file can't be written then, and that is said
        folder.mkdir(exist_ok=True)
    return folder / f"{path.stem.removesuffix(TRACED)}.trace.json"


@dataclass(frozen=True)
class Made:
    """A trace that was written, and what is in it."""

    path: Path
    records: int
    lost: int
    seconds: float
    #: what each thread was doing at the end, by its name
    threads: dict[str, str]


@dataclass(frozen=True)
class Run:
    """How the machine's run ended."""

    console: str = ""
    panics: tuple[dict[str, Any], ...] = ()
    exit: int = Exit.SUCCESS
    timed_out: bool = False
    interrupted: bool = False


@contextlib.contextmanager
def opened(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A dump's bytes, without reading all of them."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
                yield memory
    except OSError as error:
        raise ToolError("NK1008", f"{path} can't be read: {error.strerror or error}") from error


def write_to(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ToolError("NK1005", f"{path} can't be written: {error.strerror or error}") from error


def methods_at(path: Path) -> dict[int, str]:
    """Of a system file, what its programs' methods are called, by the labels of messages."""
    from neokernel.image.needs import methods_of
    from neokernel.image.systemfile.describing import programs

    if not is_system_file(path):
        return {}
    machine = machine_of(find_system(path), as_json=True, warn=False)
    return {label: name for main in programs(machine).values() for label, name in methods_of(main).items()}


def write_trace(source: Path, output: Path, dump: Path | None, methods: dict[int, str]) -> Made:
    """Write the trace of a dump, and its ring itself if that is wanted."""
    with opened(source) as memory:
        try:
            ring, _, _ = find_ring(memory)
            names = find_names(memory)
            trace = chrome_trace(ring, names, methods)
            raw = pack_dump(memory) if dump is not None else b""
        except BadDump as error:
            raise ToolError("NK1008", str(error), "`nk explain NK1008` says how a program is traced") from error
    write_to(output, lines(trace).encode())
    if dump is not None:
        write_to(dump, raw)
    duration = (ring.entries[-1].time - ring.entries[0].time) / ring.frequency
    threads = {names.get(number, f"thread {number}"): doing for number, doing in activities(ring).items()}
    return Made(output, len(ring.entries), ring.lost, duration, threads)


def lines(trace: dict[str, Any]) -> str:
    """JSON with an event a line, so that traces can be searched and compared."""
    rest = "".join(f"{json.dumps(key)}: {json.dumps(trace[key])},\n" for key in trace if key != "traceEvents")
    return "{\n" + rest + '"traceEvents": [\n' + ",\n".join(map(json.dumps, trace["traceEvents"])) + "\n]}\n"


def boot(
    machine: list[str], image: Image, roots: tuple[Path, ...], ram: Path, timeout: float | None, *, as_json: bool
) -> Run:
    """Run the image with its memory in the file `ram`, showing its console, until it ends, or ctrl-C, or in time."""
    console = ConsoleFilter(
        "nk_start_text" in image.symbols, lambda record: explained(image, record, roots).text, resets=False
    )
    said = bytearray()

    def show(data: bytes) -> None:
        said.extend(data)
        if not as_json:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    arguments = [*machine, *qemu.shared_memory(ram)]
    try:
        outcome = qemu.run(arguments, console, show, timeout=timeout)
    except KeyboardInterrupt:  # what was recorded so far is what the user waits for
        return Run(said.decode(errors="replace"), exit=Exit.INTERRUPT, interrupted=True)
    if outcome.status == 1 and not outcome.timed_out and not console.started:
        raise ToolError("NK1103", f"the machine didn't start: {outcome.complaint or 'QEMU says nothing'}", "nk doctor")
    crashes = [explained(image, panic, roots) for panic in outcome.panics]
    if crashes and said and not as_json and not said.endswith(b"\n"):
        click.echo()
    for crash in crashes if not as_json else ():
        click.echo(crash.text, err=True, nl=False)
    panics = tuple(crash.as_json() for crash in crashes)
    return Run(said.decode(errors="replace"), panics, int(exit_status(outcome)), outcome.timed_out)


def report(made: Made, run: Run, *, as_json: bool) -> int:
    if as_json:
        print_json(
            {
                "trace": str(made.path),
                "records": made.records,
                "lost": made.lost,
                "seconds": made.seconds,
                "threads": made.threads,
                "console": run.console,
                "panics": run.panics,
                "timed_out": run.timed_out,
                "exit": run.exit,
            }
        )
        return run.exit
    lost = f", {made.lost:,} earlier ones were overwritten" if made.lost else ""
    click.echo(f"{shown(made.path)}: {made.records:,} records of {made.seconds:.6f} s{lost}", err=True)
    click.echo("open it in https://ui.perfetto.dev", err=True)
    if run.timed_out or run.interrupted:
        click.echo("when it was stopped:", err=True)
        for name, doing in made.threads.items():
            click.echo(f"  {name}: {doing}", err=True)
    return run.exit


# --- a machine that runs ----------------------------------------------------------------------------------------------


@command.command()
@machine_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The trace; default: build/MACHINE.trace.json.")
@click.option("-t", "--time", "duration", type=Seconds(), default=1.0, help="Record for so many seconds; default: 1.")
@json_option
def record(machine: str | None, key: Path | None, output: Path | None, duration: float, as_json: bool) -> int:
    """Have a running machine record what its threads do, and write that as a trace: open it in Perfetto.

    Threads are called like their services, messages like the methods that they call; arrows lead from who sends to
    where the receiver goes on. The machine's control service needs `kernel.trace`; its ring keeps the latest records,
    and how many were overwritten is said. What reads the ring is recorded, too, at the end.

    Exit status: 0; 1 the control service isn't granted that; 5, 6 as `nk ps`.
    """
    import time

    from neokernel.control.recorded import ALL_EVENTS, entries_of

    running = chosen(machine)
    with session(running.name, key) as view:
        before = int(view.ring(ALL_EVENTS).written)
        time.sleep(duration)
        ring = view.ring(0)
        entries = entries_of(view, before, int(ring.written), int(ring.capacity))
        names = {each.thread: each.name for each in view.services() if each.thread}
    if not entries:
        raise ToolError("NK1008", "nothing was recorded", "something else records, too: `trace` of the shell?")
    found = Ring(int(ring.frequency), entries[0].number - before, entries)
    place = output or default_output(Path(running.name))
    methods = {} if running.system is None or not running.system.exists() else methods_at(running.system)
    write_to(place, lines(chrome_trace(found, names, methods)).encode())
    seconds = (entries[-1].time - entries[0].time) / found.frequency
    threads = {names.get(number, f"thread {number}"): doing for number, doing in activities(found).items()}
    return report(Made(place, len(entries), found.lost, seconds, threads), Run(), as_json=as_json)
