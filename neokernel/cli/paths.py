"""`nk prove --paths`: how many instructions each operation of the kernel runs at most before interrupts are served."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import print_json, progress, write_text
from neokernel.cli.program import Program, refuse, tool_complaints
from neokernel.compiler.source import PACKAGE_ROOT

if TYPE_CHECKING:
    from neokernel.bounds.code import Code
    from neokernel.bounds.report import Bounds, Row, Share

#: what `--paths` without a value means
ALL = "all"
#: loops that are named in a row of the table
NAMED = 3

DOCUMENT = """# The longest path of each operation: `nk prove --paths`

How many instructions each way into the kernel takes at most, whatever its arguments and whatever the state, until
interrupts are served; the promise is {limit:,}. [How it is computed, and what that relies on](../design/paths.md). A
bound is no measurement: if nobody can take the path, it could be lower. *Stretch*: the most between two points where
interrupts are looked at. *Loops*: those that most of the bound comes from, with their rounds: *constant*, a count that
the source fixes; *stated*, a `loop_bound`; *assembly*.

Taken at commit {commit}, from the kernel {checks} its checks, by `nk prove --paths --write docs/reference/paths.md`.
{over}
| operation | bound | stretch | loops |
|---|---:|---:|---|
{rows}
"""


def show_paths(wanted: str, *, checks: bool, write_to: Path | None, as_json: bool) -> int:
    """The table, or the longest path of the operation that is `wanted`. 1 if a bound is missing or above the limit."""
    from neokernel.bounds.report import LIMIT

    name = ALL if wanted == ALL else known_name(wanted)
    with tempfile.TemporaryDirectory(prefix="nk-paths-") as folder:
        code, found = kernel_bounds(Path(folder) / "kernel.elf", checks=checks, as_json=as_json)
    over = [row for row in found.rows if row.bound > LIMIT]
    status = Exit.NEGATIVE if over or found.unbounded else Exit.SUCCESS
    rows = sorted(found.rows, key=lambda row: (-row.bound, row.name))
    if name != ALL:
        rows = [row for row in rows if row.name == name]
    if as_json:
        values = [as_value(code, row, path=name != ALL) for row in rows]
        print_json(
            {"limit": LIMIT, "checks": checks, "operations": values, "unbounded": found.unbounded, "exit": int(status)}
        )
    elif name != ALL:
        show_row(code, rows[0])
    else:
        show_table(rows)
        click.echo(f"{len(rows)} ways into the kernel, {len(over)} above {LIMIT:,}")
        if any(fitted(row, room(rows)) != loops(row) for row in rows):
            click.echo("all loops, and what bounds each: in a wider terminal, or with --json")
    for place in found.unbounded:
        click.echo(f"{place}: nothing says how often this loop is gone through: state it by `loop_bound`", err=True)
    if write_to is not None:
        write_text(write_to, document(found, checks=checks))
    return status


def kernel_bounds(image: Path, *, checks: bool, as_json: bool) -> tuple[Code, Bounds]:
    """Of the kernel that is built from the sources, at `image`."""
    from neokernel.bounds.code import Code
    from neokernel.bounds.flow import Unclear
    from neokernel.bounds.report import bounds_of
    from neokernel.compiler import pipeline
    from neokernel.image import kernel

    root = PACKAGE_ROOT.joinpath(*kernel.ROOTS[0].split(".")).with_suffix(".py")
    with progress("building the kernel"), tool_complaints():
        objects = kernel.kernel_objects(checks=checks)
        if isinstance(objects, list):
            refuse(objects, Program(root), as_json=as_json)
        kernel.link_image(objects.files, b"", image)
        state = pipeline.run_front_end(kernel.kernel_state())
    assert state.program is not None, "it has just been compiled"
    code = Code(image)
    try:
        with progress("looking for the longest paths"):
            return code, bounds_of(code, state.program)
    except Unclear as error:
        raise ToolError("NK1004", f"the kernel's code isn't understood: {error}") from error


def known_name(wanted: str) -> str:
    """The name of the row that is meant."""
    from neokernel.bounds.operations import names

    known = {name.lower(): name for name in names()}
    if wanted.lower() not in known:
        near = difflib.get_close_matches(wanted.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]!r}?" if near else "`nk prove --paths` lists what there is"
        raise click.BadParameter(f"no operation {wanted!r}: {hint}", param_hint="--paths")
    return known[wanted.lower()]


def show_table(rows: list[Row]) -> None:
    width, rest = max(len(row.name) for row in rows), room(rows)
    click.echo(f"{'operation':{width}}  {'bound':>7}  {'stretch':>7}  loops")
    for row in rows:
        click.echo(f"{row.name:{width}}  {row.bound:>7,}  {row.stretch:>7,}  {fitted(row, rest)}".rstrip())


def room(rows: list[Row]) -> int:
    """The columns of the terminal that are left for loops."""
    return shutil.get_terminal_size().columns - max(len(row.name) for row in rows) - len("    bound  stretch  ")


def fitted(row: Row, width: int) -> str:
    """The loops, all that is said of them or as many as there is room for: those first that take most."""
    full = loops(row)
    if len(full) <= width:
        return full
    short = [f"{share.instructions:,} in {share.loop.rounds} × {place(share)}" for share in row.shares[:NAMED]]
    for count in range(len(short), 0, -1):
        text = ", ".join([*short[:count], *(["…"] if count < len(short) else [])])
        if len(text) <= width:
            return text
    return short[0] if len(short[0]) <= width else f"{short[0][: max(width - 1, 0)]}…"


def place(share: Share) -> str:
    return share.loop.place.removeprefix("neokernel/kernel/").removeprefix("neokernel.arch.")


def show_row(code: Code, row: Row) -> None:
    from neokernel.bounds.report import lines_of

    click.echo(f"{row.name}: {row.bound:,} instructions until an interrupt is served, at most")
    for number, way in enumerate(row.ways):
        click.echo(
            f"\n{way.length:,} {'from a look that finds one, to the way out' if number else 'to a look or the way out'}"
        )
        for line in lines_of(code, way):
            click.echo(line)


def loops(row: Row) -> str:
    return ", ".join(
        f"{share.instructions:,} in {share.loop.rounds} × {share.loop.place.removeprefix('neokernel/kernel/')}"
        f" ({share.loop.why})"
        for share in row.shares[:NAMED]
    )


def as_value(code: Code, row: Row, *, path: bool) -> dict[str, object]:
    from neokernel.bounds.report import lines_of

    value: dict[str, object] = {
        "name": row.name,
        "bound": row.bound,
        "stretch": row.stretch,
        "loops": [
            {
                "place": share.loop.place,
                "rounds": share.loop.rounds,
                "why": share.loop.why,
                "instructions": share.instructions,
            }
            for share in row.shares
        ],
    }
    if path:
        value["path"] = [line for way in row.ways for line in lines_of(code, way)]
    return value


def document(found: Bounds, *, checks: bool) -> str:
    from neokernel.bounds.report import LIMIT

    rows = sorted(found.rows, key=lambda row: (-row.bound, row.name))
    over = sum(row.bound > LIMIT for row in rows)
    said = f"\n{over} of {len(rows)} bounds are above the promise.\n" if over else ""
    lines = [f"| {row.name} | {row.bound:,} | {row.stretch:,} | {loops(row)} |" for row in rows]
    return DOCUMENT.format(
        limit=LIMIT, checks="with" if checks else "without", commit=commit(), over=said, rows="\n".join(lines)
    )


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PACKAGE_ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
