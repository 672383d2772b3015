"""`nk debug SERVICE`: gdb on one process of a running machine, through QEMU's stub.

The machine stands still from the moment in which its threads are looked up, so that what gdb is told is still so.

Invariant: however gdb ends, its breakpoints are gone afterwards, and the machine goes on.
"""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import print_json
from neokernel.cli.target import chosen
from neokernel.image.qmp import Monitor, NoMonitor
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.cli.outside import Seen
    from neokernel.control.machines import Running
    from neokernel.image.memory import ThreadState

#: what gdb reads in its own Python
SCRIPT = Path(__file__).parents[1] / "image" / "in_gdb.py"
#: the last words to QEMU's stub (gdb's remote protocol): detach, which also takes breakpoints away; after a gdb that
#: has spoken of several processes, and after one that hasn't
DETACH = (b"$D;1#b0", b"$D#44")
PATIENCE = 5.0


def debug_process(
    service: str, machine: str | None, key: Path | None, gdb: str, more: list[str], batch: bool, *, as_json: bool
) -> int:
    """Have `gdb` look at the service, with `more` options of its own; its exit status."""
    from neokernel.cli.outside import asked, copied, known_of, seen_in
    from neokernel.control.machines import taken

    running = chosen(machine)
    if running.monitor is None or running.memory is None:
        raise ToolError("NK1601", f"{running.name} can't be looked at from outside", "`nk run` starts such as can be")
    line = running.folder / "gdb"
    services = asked(running, key)
    try:
        with taken(line) as ours, Monitor(running.monitor) as monitor:
            if not ours:
                raise ToolError("NK1602", f"somebody else debugs {running.name}", "QEMU serves one gdb at a time")
            memory, _ = copied(monitor, running.memory)
            with monitor.stopped():
                memory, processor = running.memory.read_bytes(), monitor.registers()
                seen = seen_in(memory, running.image, known_of(running.system), services, processor)
                front = command_line(running, seen, service, gdb, more, line, batch=batch)
                if as_json:
                    print_json({"gdb": front, "exit": 0})
                    return 0
                with served(monitor, line):
                    return run(front)
    except NoMonitor as error:
        raise ToolError("NK1602", f"{running.name} can't be looked at: {error}", "has it ended?") from error


def patience_of_gdb() -> str:
    """Its command: how long it waits for an answer of QEMU's, in seconds; by itself, two."""
    return f"set remotetimeout {patient(10):.0f}"


def command_line(
    running: Running, seen: Seen, service: str, gdb: str, more: list[str], line: Path, *, batch: bool
) -> list[str]:
    """gdb's, for this process: where it will go on, and what tells its memory from others'."""
    from neokernel.cli.outside import no_process

    threads = seen.threads_of(service)
    if not threads:
        raise no_process(running, seen, service)
    # While the machine doesn't answer, two services of one program have one name.
    threads = [each for each in threads if each.space == threads[0].space]
    program = seen.program(threads[0])
    if program is None:
        help = "an image that was built anew doesn't fit what runs"
        raise ToolError("NK1602", f"the program of {service} isn't beside the image", help)
    table = seen.kernel.get("AddressSpace", "root.base", threads[0].space) >> 12
    places = " ".join(dict.fromkeys(f"{place:#x}" for each in threads for place in goes_on_at(seen, each)))
    commands = [
        *(f"directory {root}" for root in seen.known.roots),
        "set confirm off",
        "set pagination off",
        "set architecture riscv:rv64",
        f"source {SCRIPT}",
        patience_of_gdb(),
        f"target remote {line}",
        f"add-symbol-file {running.image}",
        f"nk-process {service} {table:#x} {places}",
        *more,
    ]
    first = [gdb, "-q", *(["-nx", "-batch"] if batch else [])]
    return [*first, *(option for text in commands for option in ("-ex", text)), str(program.path)]


def goes_on_at(seen: Seen, thread: ThreadState) -> list[int]:
    """The program counters with which the thread may next leave the kernel."""
    found = [thread.registers[0]]
    counter = seen.processor.get("sepc", 0)
    if thread.current and seen.kernel.read(thread.space, counter, 4) is not None:
        # It is in the kernel: it was interrupted there, or made a system call.
        found += [counter, counter + 4]
    return found


@contextlib.contextmanager
def served(monitor: Monitor, line: Path) -> Iterator[None]:
    """QEMU listens there for a gdb, for as long as the `with` lasts."""
    path = str(line).replace(",", ",,")
    said = monitor.words(f"gdbserver unix:{path},server=on,wait=off").strip()
    if "Waiting" not in said and said:
        raise ToolError("NK1103", f"QEMU doesn't serve gdb: {said.splitlines()[0]}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            detach(line)
        with contextlib.suppress(NoMonitor):
            monitor.words("gdbserver none")
        line.unlink(missing_ok=True)


def detach(line: Path) -> None:
    """As gdb does at its end; one that was killed has left its breakpoints."""
    with socket.socket(socket.AF_UNIX) as last:
        last.settimeout(patient(PATIENCE))
        last.connect(str(line))
        for word in DETACH:
            last.sendall(word)
            heard = b""
            while not re.search(rb"\$.*#..", heard):
                more = last.recv(256)
                if not more:
                    return
                heard += more
            last.sendall(b"+")
            if b"$OK#" in heard:
                return


def run(front: list[str]) -> int:
    """gdb, to which ctrl-C belongs."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.run(front, check=False).returncode
    except OSError as error:
        raise ToolError("NK1102", f"{front[0]} can't be run: {error.strerror or error}") from error
    finally:
        signal.signal(signal.SIGINT, before)
        click.echo("the machine goes on", err=True)
