"""`nk top`: what services use, as it changes."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.output import json_option, print_json, rewritable, styled
from neokernel.cli.ps import COLORS, amount, duration, shortened, width
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
    from neokernel.control.view import Look, Service

#: characters of a bar, and of a name
BAR, MOST_NAME = 20, 23


@click.command()
@machine_option
@click.option("-i", "--interval", type=click.FloatRange(0.1, 3600), default=1.0, help="Seconds between two looks.")
@click.option("-n", "--count", type=click.IntRange(1, 1_000_000), help="Look so often, then end.")
@json_option
def command(machine: str | None, key: Path | None, interval: float, count: int | None, as_json: bool) -> None:
    """Show what share of the processor each service uses, again and again; ctrl-C ends it.

    CPU is the share of the time between two looks. With --json, or without a terminal: one look, or as many as --count.

    Exit status: as `nk ps`; 130 after ctrl-C.
    """
    live = sys.stdout.isatty() and not as_json
    looks = count if count is not None else None if live else 1
    with session(machine, key) as view:
        name = machine or "machine"
        before = view.look()
        found: list[dict[str, Any]] = []
        shown = height = 0
        while looks is None or shown < looks:
            time.sleep(interval)
            after = view.look()
            if as_json:
                found.append(as_data(before, after))
            else:
                lines = screen(before, after)
                if live:
                    lines = fitting(lines, shutil.get_terminal_size().lines)
                if live and rewritable(sys.stdout) and shown:
                    # Over the last picture: its lines, and what is longer than ours of each.
                    click.echo(f"\x1b[{height}F" + "\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J")
                else:
                    # Pictures below each other have a line between them.
                    click.echo("\n".join(["", *lines] if shown else lines))
                height = len(lines)
            before = after
            shown += 1
    if as_json:
        print_json({"machine": name, "looks": found, "exit": 0})


def shares(before: Look, after: Look) -> list[tuple[Service, float]]:
    """Of each service what it used of the time between; of one that was started meanwhile, since then."""
    known = {(each.index, each.starts): each.cpu for each in before.services}
    span = max(after.time - before.time, 1e-9)
    return [(each, max(0.0, each.cpu - known.get((each.index, each.starts), 0.0)) / span) for each in after.services]


def as_data(before: Look, after: Look) -> dict[str, Any]:
    services = [each.as_json() | {"share": round(share, 6)} for each, share in shares(before, after)]
    return {"uptime": after.time, "interval": after.time - before.time, "services": services}


def screen(before: Look, after: Look) -> list[str]:
    """The picture: at most 80 characters a line."""
    found = shares(before, after)
    used = sum(share for _, share in found)
    head = f"up for {duration(after.time)}; services use {used:.1%}; {amount(after.memory)} are free"
    wide = min(width(after.services), MOST_NAME)
    lines = [
        styled(head, dim=True),
        styled(f"{'SERVICE':<{wide}}  PHASE     STARTS     CPU  {'':<{BAR}}     FREE", bold=True),
    ]
    # Who has ended comes last.
    for service, share in sorted(found, key=lambda each: (each[0].phase != "runs", -each[1])):
        phase = f"{service.phase:<8}"
        if service.phase in COLORS:
            phase = styled(phase, fg=COLORS[service.phase])
        free = f"{amount(service.free):>9}" if service.phase == "runs" else f"{'-':>9}"
        name = f"{shortened(service.name, wide):<{wide}}"
        shown = f"{share:>6.1%}  {bar(share)}" if service.phase == "runs" else f"{'-':>6}  {'':<{BAR}}"
        lines.append(f"{name}  {phase}  {service.starts:>6}  {shown}{free}")
    return lines


def fitting(lines: list[str], most: int) -> list[str]:
    """As many as the terminal has, but for the one below: what has left it can't be written over."""
    if len(lines) < most:
        return lines
    kept = max(most - 2, 3)
    return [*lines[:kept], styled(f"{len(lines) - kept} more; `nk ps` shows all", dim=True)]


def bar(share: float) -> str:
    """A share as a length."""
    eighths = round(min(max(share, 0.0), 1.0) * BAR * 8)
    full, rest = divmod(eighths, 8)
    text = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return styled(f"{text:<{BAR}}", fg="red" if share > 0.9 else "green")
