"""`nk check`: all that the compiler finds wrong, without building anything."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import Exit
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import analyse, find_program, from_here, print_diagnostics


@click.command()
@click.argument("programs", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def command(programs: tuple[Path, ...], as_json: bool) -> int:
    """Say what is wrong with PROGRAMS: folders with a main.py, or files of modules.

    Of one with nothing wrong, also what it is: a program above the kernel, one for the bare machine, or a module, which
    can't be run; and what its programs declare that they use, provide, and can be set.

    Exit status: 0 nothing, 4 something.
    """
    found = [find_program(path) for path in programs]
    diagnostics = {program: analyse(program) for program in found}
    status = Exit.COMPILE if any(diagnostics.values()) else Exit.SUCCESS
    if as_json:
        print_json(
            {
                "programs": [
                    {
                        "path": str(program.root),
                        "kind": program.kind,
                        "needs": {name: [need.as_json() for need in found] for name, found in program.needs.items()},
                        "diagnostics": [item.as_json() for item in from_here(items, program)],
                    }
                    for program, items in diagnostics.items()
                ],
                "exit": int(status),
            }
        )
        return status
    for program, items in diagnostics.items():
        if items:
            print_diagnostics(items, program)
        else:
            click.echo(f"{shown(program.root)}: nothing wrong; {program.kind}")
            for name, needs in program.needs.items():
                click.echo("".join(f"  {name}: {need}\n" for need in needs), nl=False)
    return status
