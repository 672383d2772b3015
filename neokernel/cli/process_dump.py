"""`nk dump SERVICE`: one process of a running machine as a core file, for gdb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import print_json, shown
from neokernel.cli.target import chosen
from neokernel.image.core import Piece, Registers, core_file
from neokernel.image.memory import RAM, NoSystem, ThreadState

if TYPE_CHECKING:
    from neokernel.cli.outside import Seen

#: as Unix numbers a trap, of a thread that has faulted
TRAP = 5


def dump_process(service: str, machine: str | None, key: Path | None, output: Path | None, *, as_json: bool) -> None:
    """Write the service's memory and the registers of its threads as a core file, and say how to look at it."""
    from neokernel.cli.outside import look, no_process

    running = chosen(machine)
    seen = look(running, key)
    threads = seen.threads_of(service)
    if not threads:
        raise no_process(running, seen, service)
    data, program = core_of(seen, threads), seen.program(threads[0])
    place = output or Path("build") / f"{service}.core"
    try:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    except OSError as error:
        raise ToolError("NK1005", f"{place} can't be written: {error.strerror or error}") from error
    symbols = None if program is None else program.path
    if as_json:
        found = {"core": str(place), "program": None if symbols is None else str(symbols)}
        print_json(found | {"threads": [each.identifier for each in threads], "bytes": len(data), "exit": 0})
        return
    plural = "" if len(threads) == 1 else "s"
    click.echo(f"{shown(place)}: {len(data):,} bytes, {len(threads)} thread{plural}")
    if symbols is not None:
        click.echo(f"look at it: gdb-multiarch {shown(symbols)} {shown(place)}", err=True)


def core_of(seen: Seen, threads: list[ThreadState]) -> bytes:
    """The process's memory, pages that lie together as one piece; its threads, the first one first."""
    pieces: list[Piece] = []
    for page in seen.kernel.pages(threads[0].space):
        if page.physical < RAM:
            continue  # a device
        try:
            data = seen.kernel.at(page.physical, page.size)
        except NoSystem:
            continue
        last = pieces[-1] if pieces else None
        if last is not None and last.address + len(last.data) == page.address and last.rights == page.rights:
            pieces[-1] = Piece(last.address, last.data + data, last.rights)
        else:
            pieces.append(Piece(page.address, data, page.rights))
    registers = [Registers(each.identifier, seen.registers(each), TRAP if each.faulted else 0) for each in threads]
    return core_file(registers, pieces)
