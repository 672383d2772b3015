"""`nk build`: from source to a bootable ELF."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import build, find_program, warn_of_stale_proofs


@click.command()
@click.argument("path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The image, in a folder that is there; default: build/NAME.elf.",
)
@click.option("--checks/--no-checks", default=True, help="Check overflow, bounds and the like at run time (default).")
@click.option("--release/--development", default=True, help="Optimise (default), or build quickly.")
@json_option
def command(path: Path, output: Path | None, checks: bool, release: bool, as_json: bool) -> None:
    """Compile PROGRAM, a folder with a main.py or a module's file, into a bootable image."""
    program = find_program(path)
    if output is not None and not output.parent.exists():
        help = "make it first; without -o the image goes to build/ in the current folder"
        raise ToolError("NK1005", f"{output} can't be written: there is no folder {output.parent}", help)
    image = build(program, output or program.default_image, checks=checks, release=release, as_json=as_json)
    if checks and program.needs_kernel:
        warn_of_stale_proofs()
    size = image.stat().st_size
    if as_json:
        print_json({"image": str(image), "bytes": size, "exit": 0})
    else:
        click.echo(f"{shown(image)}: {size:,} bytes with debug information")
