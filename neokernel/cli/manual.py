"""`nk manual`: write the kernel's reference manual anew, or say whether it is what the sources say."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.reference import PAGE, manual


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=PAGE, help="Default: docs/reference/kernel.md."
)
@click.option("--check", is_flag=True, help="Write nothing; the exit status says whether the page is up to date.")
@json_option
def command(output: Path, check: bool, as_json: bool) -> int:
    """Write the reference manual of the kernel's interface, from neokernel/abi and neokernel/kernel."""
    text = manual()
    try:
        current = output.is_file() and output.read_text(encoding="utf-8") == text
        if not check and not current:
            output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{output} can't be written: {error.strerror or error}") from error
    status = Exit.NEGATIVE if check and not current else Exit.SUCCESS
    if as_json:
        print_json({"page": str(output), "changed": not current, "exit": int(status)})
    elif check:
        click.echo(f"{shown(output)} is {'up to date' if current else 'not what the sources say: `nk manual`'}")
    else:
        click.echo(f"{shown(output)}: {'nothing new' if current else 'written'}")
    return int(status)
