"""`nk build`: from source, or a system file, to a bootable ELF."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import build, find_program, warn_of_stale_proofs
from neokernel.cli.system import build_machine, denials, find_system, image_path, is_system_file, machine_of


@click.command()
@click.argument("path", metavar="[PROGRAM | SYSTEM]", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The image, in a folder that is there; default: build/NAME.elf.",
)
@click.option("--checks/--no-checks", default=True, help="Check overflow, bounds and the like at run time (default).")
@click.option("--release/--development", default=True, help="Optimise (default), or build quickly.")
@click.option("--deny", multiple=True, metavar="SERVICE.NAME", help="Of a system: leave out what NAME is granted.")
@json_option
def command(
    path: Path | None, output: Path | None, checks: bool, release: bool, deny: tuple[str, ...], as_json: bool
) -> None:
    """Compile PROGRAM, a folder with a main.py or a module's file, into a bootable image.

    Or SYSTEM, a system file, with all its services' programs; without either, the system file here. The same source
    gives the same image, bit for bit.
    """
    if output is not None and not output.parent.exists():
        help = "make it first; without -o the image goes to build/ in the current folder"
        raise ToolError("NK1005", f"{output} can't be written: there is no folder {output.parent}", help)
    if output is not None and output.is_dir():
        raise ToolError("NK1005", f"{output} can't be written: it is a folder", f"name a file in it: `{output}/x.elf`")
    if path is None or is_system_file(path):
        machine = machine_of(find_system(path), as_json=as_json)
        denied = denials(machine, deny)
        place = output or image_path(machine)
        image = build_machine(machine, place, denied=denied, checks=checks, release=release, as_json=as_json)
        above = True
    else:
        if deny:
            raise ToolError("NK1001", f"{path} is no system file: there is nothing to deny", "leave --deny out")
        program = find_program(path)
        image = build(program, output or program.default_image, checks=checks, release=release, as_json=as_json)
        above = program.needs_kernel
    if checks and above:
        warn_of_stale_proofs()
    size = image.stat().st_size
    if as_json:
        print_json({"image": str(image), "bytes": size, "exit": 0})
    else:
        click.echo(f"{shown(image)}: {size:,} bytes with debug information")
