"""`nk debug`: gdb with the Python sources, on a machine stopped where its program begins, or on a service that runs."""

from __future__ import annotations

import ast
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json
from neokernel.cli.process_debug import SCRIPT, patience_of_gdb
from neokernel.cli.program import Program, find_program, is_image
from neokernel.cli.run import image_of, kept, qemu_program
from neokernel.cli.slots import plugged
from neokernel.cli.system import is_system_file, machine_root
from neokernel.cli.target import complete_services, machine_option
from neokernel.image import qemu
from neokernel.patience import patient

CANDIDATES = ("gdb-multiarch", "riscv64-unknown-elf-gdb", "riscv64-elf-gdb", "riscv64-linux-gnu-gdb", "gdb")


class Programs(click.Path):
    """A path, or a service that the shell completes."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return super().shell_complete(ctx, param, incomplete) + complete_services(ctx, param, incomplete)


@click.command()
@click.argument("path", metavar="PROGRAM | SERVICE", type=Programs())
@machine_option
@click.option("--gdb", "wanted", metavar="PROGRAM", help="The gdb to use; default: the first that knows riscv64.")
@click.option("--execute", "-ex", multiple=True, metavar="COMMAND", help="A gdb command to begin with (repeatable).")
@click.option("--batch", is_flag=True, help="End after those commands.")
@json_option
def command(
    path: Path,
    machine: str | None,
    key: Path | None,
    wanted: str | None,
    execute: tuple[str, ...],
    batch: bool,
    as_json: bool,
) -> int:
    """Boot PROGRAM under gdb, stopped where its main begins: a folder with a main.py, a module's file, or an image.

    Of a system file, init is stopped. An image stops where the boot code calls the program. Source is built as `nk
    build --development` does, so that more variables and lines are left to look at.

    Or SERVICE of a running machine: it is stopped where it next goes on, and breakpoints stop it alone, though other
    processes have the same addresses; those in the kernel stop everybody. The whole machine stands still meanwhile, its
    clock too. When gdb ends, it goes on. What is called like a file here is a PROGRAM.

    With --json nothing is started: the command lines are printed.

    Exit status: gdb's; of a SERVICE, 2 there is none, 6 there is no machine, or it can't be looked at.
    """
    if is_service(path):
        from neokernel.cli.process_debug import debug_process
        from neokernel.cli.target import found_machines

        if machine is None and not found_machines()[0]:
            message = f"there is no program {path} here, and no machine runs that could have such a service"
            raise ToolError("NK1601", message, "`nk run SYSTEM` in another terminal starts one")
        commands = list(execute)
        return debug_process(str(path), machine, key, find_gdb(wanted), commands, batch, as_json=as_json)
    from neokernel.image.kernel import root_program  # late, because the compiler is big

    opened, roots = image_of(path, as_json=as_json, release=False)
    emulator = qemu_program()
    image = opened.path
    user = root_program(opened)  # above the kernel, a program has symbols of its own
    begin = ("nk_boot" if user else "nk_start") if is_image(path) else first_line(started(path))
    debugger = find_gdb(wanted)
    # A socket in a folder of our own: no port to guess, and nobody else can connect.
    with plugged(path, as_json=as_json) as devices, tempfile.TemporaryDirectory(prefix="nk-debug-") as folder:
        socket = Path(folder) / "gdb"
        log = image.with_suffix(".console")
        emulated = [
            *qemu.command(emulator, image),
            *devices,
            *("-S", "-chardev", f"socket,path={socket},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"),
        ]
        front = [
            *(debugger, "-q", *(["-nx", "-batch"] if batch else [])),
            *(option for root in roots for option in ("-ex", f"directory {root}")),
            *("-ex", f"source {SCRIPT}"),
            *("-ex", "set confirm off", "-ex", "set architecture riscv:rv64", "-ex", patience_of_gdb()),
            *("-ex", f"target remote {socket}"),
            *(("-ex", f"add-symbol-file {user.path}") if user else ()),
            *("-ex", f"tbreak {begin}", "-ex", "continue"),
            *(option for text in execute for option in ("-ex", text)),
            str(image),
        ]
        if as_json:
            print_json({"qemu": emulated, "gdb": front, "exit": 0})
            return 0
        with kept(log) as file:
            click.echo(f"the machine's console goes to {log if file is not None else 'nowhere'}", err=True)
            console = subprocess.DEVNULL if file is None else file
            # A session of its own: ctrl-C is gdb's, not the machine's.
            child = subprocess.Popen(
                emulated,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=qemu.end_with_parent(),  # noqa: PLW1509 - one system call, and no lock
            )
            # Ours to ignore, while gdb, a new program, has the default again.
            before = signal.signal(signal.SIGINT, lambda number, frame: None)
            try:
                wait_for(socket, child)
                return subprocess.run(front, check=False).returncode
            finally:
                signal.signal(signal.SIGINT, before)
                qemu.reap(child)


def is_service(path: Path) -> bool:
    """Is it a name, and no file?"""
    return not path.exists() and len(path.parts) == 1 and not path.suffix


def started(path: Path) -> Program:
    """The program whose `main` is run first: of a system, init."""
    return Program(machine_root()) if is_system_file(path) else find_program(path)


def first_line(program: Program) -> str:
    """Where `main` begins, for gdb: the functions' names have dots, which it takes for fields."""
    tree = ast.parse(program.main.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            return f"{program.main.name}:{node.lineno}"
    return "nk_start"


def find_gdb(wanted: str | None) -> str:
    """A gdb that knows riscv64."""
    if wanted is not None:
        found = shutil.which(wanted)
        if found is None:
            raise ToolError("NK1102", f"{wanted} can't be run")
        return found
    for candidate in CANDIDATES:
        found = shutil.which(candidate)
        if found is not None and knows_riscv(found):
            return found
    raise ToolError("NK1102", "no gdb that knows riscv64", "Debian, Ubuntu: apt-get install gdb-multiarch")


def knows_riscv(gdb: str) -> bool:
    try:
        run = subprocess.run(
            [gdb, "-nx", "-batch", "-ex", "set architecture riscv:rv64"],
            capture_output=True,
            text=True,
            timeout=patient(30),
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return run.returncode == 0 and "Undefined" not in run.stderr


def wait_for(socket: Path, child: subprocess.Popen[bytes]) -> None:
    """Until QEMU listens."""
    import time

    deadline = time.monotonic() + patient(10)
    while not socket.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise ToolError("NK1103", "QEMU didn't start", "its console file has what it said")
        time.sleep(0.01)
