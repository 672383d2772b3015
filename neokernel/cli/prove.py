"""`nk prove`: each function of a module, for all arguments."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from neokernel.cli.annotations import show_annotations
from neokernel.cli.demonstration import instead, no_end
from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import expect_place, json_option, print_json, progress, shown, write_text
from neokernel.cli.paths import ALL, show_paths
from neokernel.cli.program import Program, find_program, from_here, rendered
from neokernel.cli.proving import Outcome, Told, prove_programs
from neokernel.cli.whole import prove_kernel
from neokernel.prover.failures import MADE

#: runs without an end, after which `--test` tries no more
TRIES = 3
#: functions of others that are named in one line
NAMED = 4


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--test", "write_to", type=click.Path(path_type=Path), help="Write a test of the first message that a run shows."
)
@click.option("--table", is_flag=True, help="Print a line for each function instead of messages.")
@click.option("--cold", is_flag=True, help="Prove anew what build/proofs has.")
@click.option(
    "--record", is_flag=True, help="Of the kernel: write what is proven, for the compiler and for CAVEATS.md."
)
@click.option(
    "--paths",
    metavar="[OPERATION]",
    is_flag=False,
    flag_value=ALL,
    help="Instead: the kernel's longest paths, in instructions; or OPERATION's, by line.",
)
@click.option(
    "--checks/--no-checks", default=True, help="Of --paths: the kernel with its checks (default), or without."
)
@click.option("--write", "document_to", type=click.Path(path_type=Path), help="Write the table of --paths as a page.")
@click.option(
    "--annotations", is_flag=True, help="Instead: what is written for the kernel's proofs, in tokens by file."
)
@json_option
def command(
    files: tuple[Path, ...],
    write_to: Path | None,
    table: bool,
    cold: bool,
    record: bool,
    paths: str | None,
    checks: bool,
    document_to: Path | None,
    annotations: bool,
    as_json: bool,
) -> int:
    """Prove that no check in FILES ever fails, and that contracts and invariants hold; without FILES, of the kernel.

    What is proven is kept in build/proofs, function by function, also if the command is interrupted or killed: the next
    run goes on from there. The whole kernel takes a minute or two the first time.

    Each function is looked at with any arguments that its `requires` allows. A folder stands for its system's programs.
    What other modules' code that is called may do wrong, is named; a proof of those modules shows it.

    Exit status: 0 all of FILES' own is proven, 1 something isn't; of --paths, 0 all are bounded, and none is longer
    than the kernel promises.
    """
    if document_to is not None and paths is None:
        raise click.UsageError("--write is for the table of --paths: say `--paths --write FILE`.")
    if not checks and paths is None:
        raise click.UsageError("--no-checks is for --paths: say `--paths --no-checks`.")
    if table and (paths is not None or annotations or as_json):
        raise click.UsageError(f"--table is for {'people' if as_json else 'proofs'}: leave it out.")
    whole = {"--paths": paths is not None, "--annotations": annotations, "--record": record}
    wanted = [option for option, given in whole.items() if given]
    if len(wanted) > 1:
        raise click.UsageError(f"{' and '.join(wanted)}: one at a time.")
    if wanted and files:
        raise click.UsageError(f"{wanted[0]} is for the whole kernel: leave out FILES.")
    if write_to is not None and not files:
        raise click.UsageError("--test is for FILES: name the module that isn't proven.")
    expect_place(document_to)
    expect_place_of_test(write_to)
    if paths is not None:
        return show_paths(paths, checks=checks, write_to=document_to, as_json=as_json)
    if annotations:
        return show_annotations(as_json=as_json)
    if not files:
        return prove_kernel(cold=cold, record=record, as_json=as_json)
    programs = {one.root.resolve(): one for path in files for one in programs_at(path)}
    outcomes = prove_programs(
        [*programs.values()], cold=cold, explain=not table or write_to is not None, as_json=as_json
    )
    status = Exit.SUCCESS if all(one.proven for one in outcomes) else Exit.NEGATIVE
    if as_json:
        value = {"programs": [*map(as_value, outcomes)], "exit": int(status)}
        if write_to is not None:
            where, reasons = write_test(write_to, outcomes)
            value["test"] = {"written_for": where, "not_shown": reasons}
        print_json(value)
        return status
    for outcome in outcomes:
        show(outcome, table=table)
    if write_to is not None:
        say_test(write_to, outcomes)
    return status


def expect_place_of_test(path: Path | None) -> None:
    """Nothing is written over but a test that was made here."""
    expect_place(path)
    if path is None or not path.exists():
        return
    try:
        made_here = path.read_text(encoding="utf-8").startswith(MADE)
    except (OSError, UnicodeError):
        made_here = False
    if not made_here:
        message = f"{shown(path)} isn't a test that `nk prove --test` has written"
        raise ToolError("NK1005", message, "it stays as it is: name another file, or delete it")


def programs_at(path: Path) -> list[Program]:
    """The module's file, or all programs of the system in a folder."""
    from neokernel.image.program import programs_of

    program = find_program(path)
    return [program, *map(Program, programs_of(path)[1:])]


def write_test(path: Path, outcomes: list[Outcome]) -> tuple[str, list[str]]:
    """Write the test of the first message that a run shows: which that is, or "", and why those before have none."""
    found = ((one.program, *message) for one in outcomes for told in one.told for message in told.messages())
    reasons: dict[str, None] = {}
    endless = 0
    for program, item, attempt in found:
        (here,) = from_here([item], program)
        where = f"{here.span.file}:{here.span.line}: {item.message}"
        why, run = attempt.why, bool(attempt.source)
        if run:
            with progress(f"running into {where}"):
                why = instead(attempt.source, path, item.span if attempt.in_line else None)
            if not why:
                write_text(path, attempt.source)
                return where, list(reasons)
            endless += why == no_end()
        reasons[f"{where}: {why}{f' ({attempt.doubt})' if run and attempt.doubt else ''}"] = None
        if endless == TRIES:
            reasons["the messages after that weren't tried"] = None
            break
    return "", list(reasons)


def say_test(path: Path, outcomes: list[Outcome]) -> None:
    stood = path.exists()
    where, reasons = write_test(path, outcomes)
    for reason in reasons:
        click.echo(f"can't be shown as a run: {reason}", err=True)
    if where:
        click.echo(f"{shown(path)}: a test that runs into {where}")
        return
    proven = all(one.proven for one in outcomes)
    why = "no run shows a failure" if reasons else "all is proven" if proven else "nothing fails that was looked at"
    click.echo(f"no test was written: {why}", err=True)
    if stood:
        click.echo(f"{shown(path)} is older than that: delete it", err=True)


def show(outcome: Outcome, *, table: bool) -> None:
    program, found = outcome.program, outcome.told
    if table:
        for one in found:
            click.echo(f"{one.name:40} {one.proven:4} of {one.obligations:4} {one.seconds:7.2f} s")
    else:
        for item in from_here([item for one in found for item in one.diagnostics], program):
            click.echo(rendered(item) + "\n", err=True)
    for bound in dict.fromkeys(bound for one in found for bound in one.bounds):
        click.echo(f"assumed: the `loop_bound` of {bound}")
    for name in dict.fromkeys(name for one in found for name in one.relied_on):
        click.echo(f"assumed: what `{name}` ensures")
    keeping = list(dict.fromkeys(name for one in found for name in one.keeping))
    if keeping:
        named = [f"`{name}`" for name in keeping[:NAMED]]
        more = [f"{len(keeping) - NAMED} more"] if len(keeping) > NAMED else []
        *most, last = [*named, *more]
        who = f"{', '.join(most)} and {last}" if most else last
        click.echo(f"assumed: that invariants are kept by {who}")
    elsewhere = checks_elsewhere(found)
    if elsewhere:
        modules = ", ".join(f"{module} ({number})" for module, number in elsewhere.items())
        checks = _count(sum(elsewhere.values()), "check")
        click.echo(f"left to the proofs of other modules, whose code is called: {checks} of {modules}")
    proven, total = sum(one.proven for one in found), sum(one.obligations for one in found)
    whole = "all of its own proven" if elsewhere else "all proven"
    end = whole if proven == total else f"{total - proven} not proven"
    functions = sum(one.obligations != 0 for one in found)
    for name, line in outcome.unused:
        click.echo(f"not proven: `{name}`, line {line}, is generic, and nothing here uses it: call it", err=True)
    if outcome.unused:
        end = f"{_count(len(outcome.unused), 'generic function')} not looked at" if proven == total else end
    elif total == 0 and not elsewhere:
        click.echo(f"{shown(program.root)}: nothing to prove: no function in it comes to a check or a contract")
        return
    click.echo(f"{shown(program.root)}: {_count(functions, 'function')}, {_count(total, 'obligation')}, {end}")


def checks_elsewhere(found: list[Told]) -> dict[str, int]:
    """How many checks of which other modules aren't proven in what these functions call."""
    numbers = sum((Counter(one.elsewhere) for one in found), Counter[str]())
    return dict(sorted(numbers.items()))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def as_value(outcome: Outcome) -> dict[str, object]:
    program, found = outcome.program, outcome.told
    return {
        "path": str(program.root),
        "functions": [
            {"name": one.name, "proven": one.proven, "obligations": one.obligations, "seconds": round(one.seconds, 3)}
            for one in found
        ],
        "not_instantiated": [name for name, _ in outcome.unused],
        "diagnostics": [item.as_json() for one in found for item in from_here(one.diagnostics, program)],
        "assumed_bounds": [bound for one in found for bound in one.bounds],
        "assumed_contracts": sorted({name for one in found for name in one.relied_on}),
        "assumed_invariants": sorted({name for one in found for name in one.keeping}),
        "not_proven_elsewhere": checks_elsewhere(found),
    }
