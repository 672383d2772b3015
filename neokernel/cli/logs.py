"""`nk logs`: what services have written into the log of a running machine."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

import click

from neokernel.cli.output import columns, json_option, print_json, styled
from neokernel.cli.target import complete_services, index_of, machine_option, session
from neokernel.compiler.columns import wrapped

LEVELS = ["debug", "info", "warning", "error"]
COLORS = {"debug": "bright_black", "warning": "yellow", "error": "red"}
#: seconds between two looks for more
PAUSE = 0.25


@click.command()
@machine_option
@click.argument("service", required=False, shell_complete=complete_services)
@click.option("-f", "--follow", is_flag=True, help="Go on as more is written; ctrl-C ends it.")
@click.option("-n", "--lines", type=click.IntRange(0, 1_000_000), help="Of what is there, only the last so many.")
@click.option("--level", type=click.Choice(LEVELS), default="debug", help="Only what is as bad as that, or worse.")
@json_option
def command(
    machine: str | None,
    key: Path | None,
    service: str | None,
    follow: bool,
    lines: int | None,
    level: str,
    as_json: bool,
) -> None:
    """Show the log of a running machine, of all services or of SERVICE.

    Times are seconds since the machine started. With --json and --follow, each record is a JSON value on a line.

    Exit status: as `nk ps`; 2 there is no such service; 130 after ctrl-C.
    """
    from neokernel.control.view import Record

    def wanted(record: Record) -> bool:
        return (service is None or record.source == service) and LEVELS.index(record.level) >= LEVELS.index(level)

    def show(record: Record) -> None:
        if as_json:
            import json

            click.echo(json.dumps(record.as_json()))
        else:
            click.echo(line_of(record))

    with session(machine, key) as view:
        if service is not None:
            index_of(view, service)
        place = 0
        last: deque[Record] = deque(maxlen=lines)
        for record in view.records():
            place = record.next
            if wanted(record):
                last.append(record)
        if as_json and not follow:
            print_json({"records": [record.as_json() for record in last], "exit": 0})
            return
        for record in last:
            show(record)
        while follow:
            time.sleep(PAUSE)
            for record in view.records(place):
                place = record.next
                if wanted(record):
                    show(record)


def line_of(record: object) -> str:
    """A record as it is shown; on a terminal, what is too long goes on below its own beginning."""
    from neokernel.control.view import Record

    assert isinstance(record, Record)
    level, source = f"{record.level.upper():<7}", record.source or "somebody"
    # Where there is no terminal, a record stays one line.
    text = wrapped(record.text, len(f"{record.time:>11.3f}  {level}  {source}: "), columns(sys.stdout))
    if record.level in COLORS:
        level = styled(level, fg=COLORS[record.level])
    return f"{record.time:>11.3f}  {level}  {styled(source, bold=True)}: {text}"
