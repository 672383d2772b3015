"""`nk ps`: the services of a running machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.output import json_option, print_json, styled
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
    from neokernel.control.view import Service, View

#: how phases are coloured that aren't as they should be
COLORS = {"down": "yellow", "waits": "yellow", "ending": "yellow", "given up": "red"}


@click.command()
@machine_option
@json_option
def command(machine: str | None, key: Path | None, as_json: bool) -> None:
    """Show what the services of a running machine do.

    In the order in which they start. CPU is processor time since a service was started the last time, FREE what it has
    left of its memory.

    Exit status: 0; 5 the machine doesn't know your key; 6 there is no machine, or it doesn't answer.
    """
    with session(machine, key) as view:
        services, left, time = view.services(), view.resources(), uptime(view)
    if as_json:
        found = {"uptime": time, "services": [each.as_json() for each in services]}
        print_json(found | {"free_memory": int(left.memory), "free_slots": int(left.slots), "exit": 0})
        return
    wide = width(services)
    click.echo(styled(f"{'SERVICE':<{wide}}  PHASE     STARTS         CPU        FREE", bold=True))
    for each in services:
        click.echo(row(each, wide))
    running = sum(each.phase == "runs" for each in services)
    said = f"{running} of {len(services)} services run; up for {duration(time)}; {amount(int(left.memory))} are free"
    click.echo(styled(said, dim=True))


def uptime(view: View) -> float:
    """Seconds since the machine started."""
    return view.seconds(view.counters().time)


def width(services: list[Service]) -> int:
    """Of the column of names: as wide as the longest, as far as a line of 80 allows."""
    return min(max([12, *(len(each.name) for each in services)]), 34)


def row(service: Service, wide: int) -> str:
    phase = f"{service.phase:<8}"
    if service.phase in COLORS:
        phase = styled(phase, fg=COLORS[service.phase])
    alive = service.phase == "runs"
    cpu = f"{service.cpu:>9.3f} s" if alive else f"{'-':>11}"
    free = f"{amount(service.free):>11}" if alive else f"{'-':>11}"
    return f"{shortened(service.name, wide):<{wide}}  {phase}  {service.starts:>6} {cpu} {free}"


def shortened(name: str, wide: int) -> str:
    return name if len(name) <= wide else name[: wide - 1] + "…"


def amount(size: int) -> str:
    """Of memory, in nine characters at most, up to 9,999 GiB."""
    for unit, shift in (("KiB", 10), ("MiB", 20)):
        if size >> shift < 10_000:
            return f"{size >> shift:,} {unit}"
    return f"{size >> 30:,} GiB"


def duration(seconds: float) -> str:
    """In two units at most."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
