"""`nk prove`: each function of a module, for all arguments."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from neokernel.cli.errors import Exit
from neokernel.cli.output import colored, json_option, print_json, progress, shown
from neokernel.cli.program import Program, find_program, from_here, refuse, source_text
from neokernel.compiler.diagnostics import Diagnostic, render


@dataclass(frozen=True)
class Outcome:
    """What came of one module. `lines` tell of each function that had something to prove."""

    lines: list[tuple[str, int, int, float]]
    diagnostics: list[Diagnostic]
    tests: list[str]
    bounds: list[str]
    #: checks of other modules that aren't proven here
    elsewhere: int
    #: functions elsewhere whose contracts were taken as they stand
    relied_on: list[str]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--test", "write_to", type=click.Path(path_type=Path), help="Write a test that shows the first failure.")
@json_option
def command(files: tuple[Path, ...], write_to: Path | None, as_json: bool) -> int:
    """Prove that no check in FILES ever fails, and that contracts and invariants hold.

    Each function is looked at with any arguments that its `requires` allows. Exit status: 0 all is proven, 1 something
    isn't.
    """
    outcomes = [(program, prove_program(program, as_json=as_json)) for program in map(find_program, files)]
    failed = any(outcome.diagnostics for _, outcome in outcomes)
    status = Exit.NEGATIVE if failed else Exit.SUCCESS
    tests = [test for _, outcome in outcomes for test in outcome.tests]
    if write_to is not None and tests:
        write_to.write_text(tests[0], encoding="utf-8")
    if as_json:
        print_json({"programs": [as_value(program, outcome) for program, outcome in outcomes], "exit": int(status)})
        return status
    for program, outcome in outcomes:
        show(program, outcome)
    if write_to is not None and tests:
        click.echo(f"a test that fails so: {shown(write_to)}")
    elif write_to is not None and failed:
        click.echo("no test was written: the arguments can't be built by one, or no way to fail is known", err=True)
    return status


def prove_program(program: Program, *, as_json: bool) -> Outcome:
    """All functions of the program's main module, callees first."""
    from neokernel.compiler import pipeline  # late, because they are big
    from neokernel.image.kernel import kernel_state
    from neokernel.prover import counterexample, invariants, prove, report
    from neokernel.prover.solve import Answer

    state = pipeline.state_of(program.root)
    module = state.roots[0]
    if module.startswith("neokernel.kernel."):
        state = kernel_state()
    pipeline.run_front_end(state)
    if state.diagnostics.items:
        refuse(state.diagnostics.sorted(), program, as_json=as_json)
    assert state.program is not None
    of = invariants.of_program(state.program)
    session = prove.Session(of)
    lines: list[tuple[str, int, int, float]] = []
    found: list[Diagnostic] = []
    tests: list[str] = []
    bounds: list[str] = []
    elsewhere = 0
    relied_on: dict[str, None] = {}
    functions = prove.callees_first(prove.roots(state.program, [module]))
    with progress(f"proving {program.name}"):
        for function in functions:
            proof = session.prove(function)
            # What fails in another module, that module's own proof shows; but what was taken for granted counts.
            mine = [v for v in proof.verdicts if v.obligation.check is None or v.obligation.function.module == module]
            failed = [v for v in mine if v.answer is not Answer.PROVEN]
            total, elsewhere = len(mine), elsewhere + len(proof.failed) - len(failed)
            if total:
                lines.append((function.name, total - len(failed), total, proof.seconds))
            bounds += [f"{f.name}, line {span.line}" for f, span in proof.findings.assumed_bounds]
            for callee in proof.findings.summarised:
                if callee.ensures and callee not in functions:
                    relied_on[callee.symbol] = None
            for verdict in failed:
                shown_as = session.counterexample(function, verdict)
                found.append(report.diagnostic(verdict.obligation, verdict.answer, shown_as and shown_as[1]))
                if shown_as is not None:
                    try:
                        tests.append(counterexample.pytest_source(shown_as[0], verdict.obligation, shown_as[1]))
                    except counterexample.CannotBuild:
                        continue
    return Outcome(lines, found, tests, bounds, elsewhere, list(relied_on))


def show(program: Program, outcome: Outcome) -> None:
    for item in from_here(outcome.diagnostics, program):
        click.echo(render(item, source_text(item.span.file), color=colored(sys.stderr)) + "\n", err=True)
    for bound in outcome.bounds:
        click.echo(f"assumed: the `loop_bound` of {bound}")
    for name in outcome.relied_on:
        click.echo(f"assumed: what `{name}` ensures")
    if outcome.elsewhere:
        click.echo(f"of other modules' code that is called: {outcome.elsewhere} checks not proven")
    proven, total = sum(line[1] for line in outcome.lines), sum(line[2] for line in outcome.lines)
    end = "all proven" if proven == total else f"{total - proven} not proven"
    click.echo(f"{shown(program.root)}: {_count(len(outcome.lines), 'function')}, {_count(total, 'obligation')}, {end}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def as_value(program: Program, outcome: Outcome) -> dict[str, object]:
    return {
        "path": str(program.root),
        "functions": [
            {"name": name, "proven": proven, "obligations": total, "seconds": round(seconds, 3)}
            for name, proven, total, seconds in outcome.lines
        ],
        "diagnostics": [item.as_json() for item in from_here(outcome.diagnostics, program)],
        "assumed_bounds": outcome.bounds,
        "assumed_contracts": outcome.relied_on,
    }
