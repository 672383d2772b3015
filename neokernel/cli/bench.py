"""`nk bench`: measurements beside their peers'. Rows go to standard output, what is being done to a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.bench import registry
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.cli.errors import ToolError
from neokernel.cli.output import console, json_option, progress_line
from neokernel.cli.program import warn_of_stale_proofs
from neokernel.cli.run import qemu_program


@click.command()
@click.argument("name", type=click.Choice(sorted(registry.BENCHES)), default="compiler")
@click.option("--only", multiple=True, metavar="ITEM", help="Measure only this item (repeatable).")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="A folder for what is built.")
@click.option(
    "--linux-kernel",
    metavar="PATH",
    help="network, gateway: run Linux beside it, by a Debian package of a riscv64 kernel; `debian` fetches Debian's.",
)
@json_option
def command(name: str, only: tuple[str, ...], keep: Path | None, linux_kernel: str | None, as_json: bool) -> None:
    """Run benchmark NAME (default: compiler).

    With --json: a list of objects {item, unit, ours, peer, theirs, ratio, budget, builds}; a ratio below 1 is better
    than the peer, a budget is what it may be at most, builds are the same of other builds than what ships. In the table
    of the kernel, a row that is over its budget says so.
    """
    if name in registry.BOOTS:
        qemu_program()
    with progress_line() as say:
        rows = measure(name, only, say, keep, linux_kernel)
    if name == "kernel":
        warn_of_stale_proofs()
    if as_json:
        click.echo(registry.as_json(rows))
    else:
        terminal = console()
        shown = registry.table(f"{name}: {registry.BENCHES[name]}", rows, terminal.width)
        terminal.print(shown, soft_wrap=False)


def measure(
    name: str, only: tuple[str, ...], say: Progress, keep: Path | None, linux_kernel: str | None = None
) -> list[Row]:
    try:
        return registry.run(name, list(only) or None, say, keep, linux_kernel)
    except BenchError as error:
        raise ToolError("NK1301", str(error)) from error
