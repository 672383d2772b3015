"""`nk run`: build, boot, show the console, and turn a panic into a traceback."""

from __future__ import annotations

import contextlib
import math
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from neokernel.arch.riscv64.panic import PANIC_STATUS
from neokernel.cli.distribution import qemu_advice
from neokernel.cli.errors import Exit, Terminated, ToolError
from neokernel.cli.findable import Findable, findable, leave_post_mortem
from neokernel.cli.keyboard import forget, unheard
from neokernel.cli.output import json_option, print_json, say_plainly, shown
from neokernel.cli.program import REPOSITORY, build, find_program, is_boot_image, is_image, open_image
from neokernel.cli.slots import Forward, plugged
from neokernel.cli.system import build_machine, find_system, image_path, is_system_file, machine_of, roots_of
from neokernel.image import qemu
from neokernel.image.checks import check_at, sources_of
from neokernel.image.crash import Crash, explain_crash, unexplained
from neokernel.image.elf import Image
from neokernel.image.panic import ROOT_SPACE, ConsoleFilter, PanicRecord
from neokernel.image.systemfile.left_out import lines_left_out

if TYPE_CHECKING:
    from neokernel.image.boot import SignedBoot

#: of a machine that init has switched off, as a service failed too often (`services/init/lifecycle.py`)
HALTED = 102
#: how to find out why a system stands still
STANDSTILL = (
    "`nk trace --timeout 5 PROGRAM` says what each thread waits for, or where it faulted; "
    "`nk autopsy` in another terminal says it while the machine runs"
)


#: where it stands how programs above the kernel are tested
TESTS = 'docs/guide/processes.md, "Tests"'


class Seconds(click.FloatRange):
    """More than none, and no more than the system's timers take (some count milliseconds in 31 bits)."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0, max=1_000_000, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):  # which is in every range
            self.fail(f"{value} is no number of seconds", param, ctx)
        return number


@click.command()
@click.argument("path", metavar="[PROGRAM | SYSTEM]", type=click.Path(path_type=Path), required=False)
@click.option("--timeout", type=Seconds(), help="Stop the machine after so many seconds.")
@click.option("--host", is_flag=True, help="Run the source under CPython, on a simulated machine.")
@click.option("--signed", is_flag=True, help="Start through the first stage: sign PROGRAM with your development key.")
@click.option(
    "--enrolment",
    type=click.Path(path_type=Path),
    help="The keys that the first stage trusts, as `nk enrol` writes them; default: your development key.",
)
@click.option(
    "--counted",
    is_flag=True,
    help="Time is that of instructions, not the host's: for systems that wait for nobody outside.",
)
@click.option(
    "--forward",
    "forwards",
    type=Forward(),
    multiple=True,
    help="The host's port for one of the machine's, instead of the system file's: tcp/8001=8000.",
)
@click.option("--raw", is_flag=True, help="Show the console as it is: with the firmware's words and panic records.")
@json_option
def command(
    path: Path | None,
    timeout: float | None,
    host: bool,
    signed: bool,
    enrolment: Path | None,
    counted: bool,
    forwards: tuple[tuple[str, int], ...],
    raw: bool,
    as_json: bool,
) -> int:
    """Boot PROGRAM: a folder with a main.py, a module's file, or an image that `nk build` made.

    Or SYSTEM, a system file; without either, the system file here.

    A boot image, which `nk image` made, starts through the first stage, with the signature that lies beside it.

    A system that resets its machine starts again.

    With --counted an instruction takes a nanosecond of the machine's time, and while all wait, it goes by at once. So
    runs are alike, however busy the host is. A system that is called, or waits for a device's data, isn't for that: its
    time is over before the host has begun.

    The exit status is the guest's; 5 if the first stage refuses the image, 101 after a panic, 124 when the time is
    over, 130 after ctrl-C.
    """
    path = find_system(None) if path is None else path
    clock = qemu.COUNTED if counted else ()
    if host and counted:
        raise ToolError("NK1001", "--host runs the source under CPython, where time stands", "leave --counted out")
    if not host:
        click.get_current_context().with_resource(unheard())
    if is_boot_image(path) or signed or enrolment is not None:
        if host:
            raise ToolError("NK1001", "--host runs the source under CPython, where nothing is signed", "leave it out")
        with tempfile.TemporaryDirectory(prefix="nk-run-") as folder:
            image, roots, secured = signed_boot(path, enrolment, Path(folder), as_json=as_json)
            qemu_path = qemu_program()
            with (
                findable(path, image.path, enrolment=secured.enrolment, as_json=as_json) as place,
                plugged(path, as_json=as_json, sockets=place.folder, forwards=forwards) as devices,
            ):
                machine = [*qemu.signed_command(qemu_path, secured, reboots=True), *clock, *devices, *place.arguments]
                with post_mortem(place, image, as_json=as_json) as ended:
                    return ended(
                        boot(
                            machine,
                            image,
                            roots,
                            timeout=timeout,
                            raw=raw,
                            as_json=as_json,
                            secured=secured,
                            last=place.last_look,
                        )
                    )
    if host:
        from neokernel.cli.host import run_on_host

        if forwards:
            raise ToolError("NK1001", "--host has no machine whose ports could be reached", "leave --forward out")
        program = find_program(path)
        if program.needs_kernel:
            message = f"{path} takes a Process: it runs above the kernel, not under CPython"
            raise ToolError("NK1001", message, f"leave --host out; what can be tested under CPython: {TESTS}")
        return run_on_host(program, timeout, as_json=as_json)
    image, roots = image_of(path, as_json=as_json)  # a wrong program is one, with QEMU or without
    qemu_path = qemu_program()
    with (
        findable(path, image.path, enrolment=None, as_json=as_json) as place,
        plugged(path, as_json=as_json, sockets=place.folder, forwards=forwards) as devices,
    ):
        machine = [*qemu.command(qemu_path, image.path, reboots=True), *clock, *devices, *place.arguments]
        with post_mortem(place, image, as_json=as_json) as ended:
            return ended(boot(machine, image, roots, timeout=timeout, raw=raw, as_json=as_json, last=place.last_look))


@contextlib.contextmanager
def post_mortem(place: Findable, image: Image, *, as_json: bool) -> Iterator[Callable[[int], int]]:
    """Leave one if the machine ends badly, or is stopped; what is given is told its status.

    Also after ctrl-C and SIGTERM, by which scripts end what hangs: whether a machine that does nothing waits or stands
    still can't be told from outside. Another one of these, and there is none.
    """
    bad = False

    def ended(status: int) -> int:
        nonlocal bad
        bad = status in (PANIC_STATUS, HALTED, Exit.TIMEOUT, Exit.INTERRUPT)
        return status

    try:
        yield ended
    except ToolError as error:
        bad = error.code == "NK1104"
        raise
    except KeyboardInterrupt:
        bad = True
        raise
    finally:
        left = None
        with contextlib.suppress(KeyboardInterrupt):
            left = leave_post_mortem(place, image.path) if bad else None
        if left is not None and not as_json:
            click.echo(f"what every thread did is in {shown(left)}", err=True)


def image_of(path: Path, *, as_json: bool, release: bool = True) -> tuple[Image, tuple[Path, ...]]:
    """The image at `path`, or the one built from the program or system there; and where its sources are."""
    if is_image(path):
        return open_image(path), (Path.cwd(), REPOSITORY)
    if is_system_file(path):
        machine = machine_of(find_system(path), as_json=as_json)
        place = image_path(machine) if release else image_path(machine).with_suffix(".debug.elf")
        image = build_machine(machine, place, release=release, as_json=as_json)
        return open_image(image), roots_of(machine)
    program = find_program(path)
    output = program.default_image if release else program.default_image.with_suffix(".debug.elf")
    image = build(program, output, release=release, as_json=as_json)
    return open_image(image), (*program.source_roots, Path.cwd())


def signed_boot(
    path: Path, enrolment: Path | None, folder: Path, *, as_json: bool
) -> tuple[Image, tuple[Path, ...], SignedBoot]:
    """What a signed start of the boot image or the program at `path` needs, and the image that explains its panics.

    What is needed for this start alone goes to `folder`.
    """
    from neokernel.cli.output import progress
    from neokernel.cli.trusted import complaints
    from neokernel.image.boot import development_boot, elf_of, prepared

    if is_boot_image(path):
        with progress("building the first stage", plain=not as_json), complaints(path):
            secured = prepared(path, enrolment, folder)
        return open_image(elf_of(path) or secured.stage), (Path.cwd(), REPOSITORY), secured
    image, roots = image_of(path, as_json=as_json)
    if not is_system(image):
        help = "leave --signed out; a program whose `main` takes a Process has a kernel"
        raise ToolError("NK1502", f"{path} runs without a kernel: only kernel and programs can be signed", help)
    with progress("signing", plain=not as_json), complaints():
        return image, roots, development_boot(image.path, enrolment, folder)


def qemu_program() -> str:
    """QEMU, or the error that says how to get it. One that doesn't say its version may try."""
    program = qemu.find_qemu()
    if program is None:
        raise ToolError("NK1101", f"{qemu.PROGRAM} is missing", qemu_advice())
    version = qemu.qemu_version(program)
    if version is not None and version < qemu.OLDEST:
        found, oldest = (".".join(map(str, number)) for number in (version, qemu.OLDEST))
        message = f"{program} is version {found}; {oldest} or newer is needed"
        raise ToolError("NK1101", message, "a newer one, first on PATH; `nk explain NK1101` names the packages")
    return program


def boot(
    machine: list[str],
    image: Image,
    roots: tuple[Path, ...],
    *,
    timeout: float | None,
    raw: bool,
    as_json: bool,
    secured: SignedBoot | None = None,
    last: Callable[[], object] | None = None,
) -> int:
    """Run the image by QEMU's command `machine` and report how it ended. `secured`: through the first stage.

    `last` is called before a machine is stopped that hasn't ended.
    """
    denied = [str(line) for line in lines_left_out(image.path)]
    if not as_json:
        say_plainly(f"booting {shown(image.path if secured is None else secured.image)}")
        for line in denied:
            click.echo(f"note: {line}", err=True)
    console = ConsoleFilter("nk_start_text" in image.symbols, lambda record: explained(image, record, roots).text)
    output = bytearray()

    def show(data: bytes) -> None:
        output.extend(data)
        if not as_json:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    log = (image.path if secured is None else secured.image).with_suffix(".console")
    with kept(log) as file:

        def keep(data: bytes) -> None:
            if file is not None:
                file.write(data)
            if raw:
                show(data)

        if not as_json and input_is_lost():
            click.echo("note: the machine doesn't get this input: only a terminal is passed on", err=True)
        forget()
        try:
            outcome = qemu.run(
                machine, console, (lambda _: None) if raw else show, timeout=timeout, keep=keep, last=last
            )
        except KeyboardInterrupt as stop:
            if as_json or isinstance(stop, Terminated):
                raise
            # For a system that runs on and on, that is how it ends.
            click.echo("\nstopped by ctrl-C", err=True)
            return Exit.INTERRUPT
    if outcome.status == 1 and not outcome.timed_out and not console.started:
        raise ToolError("NK1103", f"the machine didn't start: {outcome.complaint or 'QEMU says nothing'}", "nk doctor")
    images = [image] if secured is None else [open_image(secured.stage), image]
    crashes = [explained(one_with(images, panic), panic, roots) for panic in outcome.panics]
    status = exit_status(outcome)
    if as_json:
        print_json(
            {
                "console": bytes(output).decode(errors="replace"),
                "panics": [crash.as_json() for crash in crashes],
                "crashes": [told_of(image, record, roots) for record in console.crashes],
                "denied": denied,
                "timed_out": outcome.timed_out,
                "raw_console": str(log) if file is not None else None,
                "exit": status,
            }
        )
        return status
    if crashes and output and not output.endswith(b"\n"):
        click.echo()
    for crash in crashes:
        click.echo(crash.text, err=True, nl=False)
    if outcome.timed_out:
        assert timeout is not None
        raise out_of_time(timeout, STANDSTILL if is_system(image) else "`nk debug` stops it where you want to look")
    if outcome.complaint:
        click.echo(outcome.complaint, err=True)
    return status


def input_is_lost() -> bool:
    """Does a file or a pipe wait to be read? QEMU gets the terminal, or nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def is_system(image: Image) -> bool:
    """Is there a kernel in the image, with programs above it?"""
    return "nk_archive_start" in image.symbols


def out_of_time(timeout: float, help: str) -> ToolError:
    return ToolError("NK1104", f"still running after {timeout:g} s; stopped", f"{help}; `nk explain NK1104`")


def told_of(image: Image, record: PanicRecord, roots: tuple[Path, ...]) -> dict[str, object]:
    """A process that init has told of, as a value."""
    return {"program": record.program, **explained(image, record, roots).as_json()}


def one_with(images: list[Image], panic: PanicRecord) -> Image:
    """Of the first stage and the kernel, the one that panicked: their addresses differ."""
    return next((image for image in images if image.function_at(panic.pc) is not None), images[-1])


def explained(image: Image, panic: PanicRecord, roots: tuple[Path, ...]) -> Crash:
    """What happened: to the image's own code, or to a thread above the kernel."""
    if not panic.space and not panic.program:
        return explain_crash(image, panic, check_at(image, panic), sources(image, roots))
    from neokernel.image.kernel import named_program, root_program  # late, because the compiler is big

    if panic.program:
        program = named_program(image, panic.program)
    else:
        program = root_program(image) if panic.space == ROOT_SPACE else None
    if program is None:
        return unexplained(panic)
    crash = explain_crash(program, panic, check_at(program, panic), sources(program, roots))
    if not panic.program:
        return crash
    from neokernel.image.systemfile.denied import note_of

    return replace(crash, note=note_of(image, program, panic.program, crash.frames))


def sources(image: Image, roots: tuple[Path, ...]) -> tuple[Path, ...]:
    """Where the image's files may be: also where they lay when it was built, if that is known."""
    found = sources_of(image)
    return roots if found is None else (*roots, found.folder)


def exit_status(outcome: qemu.Outcome) -> int:
    """The guest's status; never 0 when it panicked."""
    if outcome.timed_out:
        return Exit.TIMEOUT
    if outcome.status < 0:
        return 128 - outcome.status
    if outcome.panics and outcome.status == 0:
        return Exit.NEGATIVE
    return outcome.status


@contextlib.contextmanager
def kept(path: Path) -> Iterator[IO[bytes] | None]:
    """A file beside the image for the console as it came; None where nothing can be written."""
    try:
        file = path.open("wb")
    except OSError:
        yield None
        return
    with file:
        yield file
