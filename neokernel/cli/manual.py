"""`nk manual`: write the reference manuals anew, or say whether they are what the sources say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from neokernel.cli import interface_reference, reference, runtime_reference, system_reference
from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, shown

#: name → its file, and what makes it
MANUALS: dict[str, tuple[Path, Callable[[], str]]] = {
    "kernel": (reference.PAGE, reference.manual),
    "runtime": (runtime_reference.PAGE, runtime_reference.manual),
    "interfaces": (interface_reference.PAGE, interface_reference.manual),
    "picture": (system_reference.PICTURE, system_reference.picture),
    "system-file": (system_reference.PAGE, system_reference.manual),
}


@click.command()
@click.argument("name", type=click.Choice(sorted(MANUALS)), required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Another file, for one manual (default: the kernel's)."
)
@click.option("--check", is_flag=True, help="Write nothing; the exit status says whether the pages are up to date.")
@json_option
def command(name: str | None, output: Path | None, check: bool, as_json: bool) -> int:
    """Write the reference manuals in docs/reference, or the one that is named.

    That of the kernel's interface is made from neokernel/abi and neokernel/kernel, that of the runtime from
    neokernel/runtime, that of services' interfaces from neokernel/interfaces, that of system files from
    neokernel/image/systemfile; the picture in the guide to systems is that of systems/minimal.toml.
    """
    if output is not None:
        pages = {output: MANUALS[name or "kernel"][1]}
    else:
        pages = {path: make for each, (path, make) in MANUALS.items() if name in (None, each)}
    current = {page: is_current(page, make(), check=check) for page, make in pages.items()}
    status = Exit.NEGATIVE if check and not all(current.values()) else Exit.SUCCESS
    if as_json:
        told = [{"page": str(page), "changed": not same} for page, same in current.items()]
        print_json({"pages": told, "exit": int(status)})
        return int(status)
    for page, same in current.items():
        if check:
            click.echo(f"{shown(page)} is {'up to date' if same else 'not what the sources say: `nk manual`'}")
        else:
            click.echo(f"{shown(page)}: {'nothing new' if same else 'written'}")
    return int(status)


def is_current(page: Path, text: str, *, check: bool) -> bool:
    """Was `text` there already? If it wasn't, it is written, unless `check` forbids it."""
    try:
        current = page.is_file() and page.read_text(encoding="utf-8") == text
        if not check and not current:
            page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{page} can't be written: {error.strerror or error}") from error
    return current
