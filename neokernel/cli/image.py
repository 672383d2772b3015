"""`nk image`: a program's boot image, to be signed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import build, find_program, is_image
from neokernel.cli.system import build_machine, find_system, image_path, is_system_file, machine_of
from neokernel.cli.trusted import MOST_ROLLBACK, complaints


@click.command()
@click.argument("path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The boot image; default: build/NAME.img.")
@click.option(
    "--rollback-index",
    type=click.IntRange(0, MOST_ROLLBACK),
    default=0,
    help="Boards that are enrolled with a higher one refuse this image; default: 0.",
)
@click.option("--checks/--no-checks", default=True, help="Check overflow, bounds and the like at run time (default).")
@json_option
def command(path: Path, output: Path | None, rollback_index: int, checks: bool, as_json: bool) -> None:
    """Make the boot image of PROGRAM, a program above the kernel: one file with kernel and programs, for `nk sign`.

    PROGRAM can also be a system file, or an image that `nk build` made. The same source gives the same boot image, bit
    for bit.
    """
    from neokernel.image.boot import IMAGE
    from neokernel.image.signed import boot_image

    if is_image(path):
        elf = path
    elif is_system_file(path):
        machine = machine_of(find_system(path), as_json=as_json)
        elf = build_machine(machine, image_path(machine), checks=checks, as_json=as_json)
    else:
        program = find_program(path)
        if not program.needs_kernel:
            help = "a program whose `main` takes a Process has one; `nk run` starts this one as it is"
            raise ToolError("NK1502", f"{path} runs without a kernel: boot images are of kernel and programs", help)
        elf = build(program, program.default_image, checks=checks, as_json=as_json)
    output = output or Path("build") / elf.with_suffix(IMAGE).name
    with complaints():
        data = boot_image(elf, rollback_index)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    if as_json:
        found = {"image": str(output), "bytes": len(data), "rollback_index": rollback_index, "sha256": digest}
        print_json(found | {"exit": 0})
    else:
        click.echo(f"{shown(output)}: {len(data):,} bytes, SHA-256 {digest}")
