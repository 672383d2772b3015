"""`nk prove`: each function of a module, for all arguments."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.annotations import show_annotations
from neokernel.cli.demonstration import instead, no_end
from neokernel.cli.errors import Exit
from neokernel.cli.output import expect_place, json_option, print_json, progress, shown, write_text
from neokernel.cli.paths import ALL, show_paths
from neokernel.cli.program import Program, find_program, from_here, refuse, rendered
from neokernel.cli.whole import prove_kernel
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.ir import Span

if TYPE_CHECKING:
    from neokernel.compiler import ir
    from neokernel.prover.prove import Session, Verdict

#: runs without an end, after which `--test` tries no more
TRIES = 3


@dataclass
class Way:
    """A message's way to fail, as a test; or `why` there is none. `doubt`: why its run may not fail."""

    test: str = ""
    why: str = "the solver gave up, so no way to fail is known"
    doubt: str = ""
    #: it fails in the message's lines; otherwise in the contract that is broken
    in_line: bool = False


@dataclass
class Told:
    """What came of one function: of so many obligations so many are proven; what to say of the others.

    `elsewhere`: how many checks of which other modules aren't proven here. `checks`: its own that are, by index, if
    what it took for granted is.
    """

    name: str
    proven: int
    obligations: int
    seconds: float
    elsewhere: dict[str, int] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    #: of each message
    ways: list[Way] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)
    relied_on: list[str] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)

    def messages(self) -> list[tuple[Diagnostic, Way]]:
        return list(zip(self.diagnostics, self.ways, strict=True))


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
    if table and (paths is not None or annotations):
        raise click.UsageError("--table is for proofs: leave it out.")
    for option, given in (("--paths", paths is not None), ("--annotations", annotations), ("--record", record)):
        if given and files:
            raise click.UsageError(f"{option} is for the whole kernel: leave out FILES.")
    if write_to is not None and not files:
        raise click.UsageError("--test is for FILES: name the module that isn't proven.")
    for path in (write_to, document_to):
        expect_place(path)
    if paths is not None:
        return show_paths(paths, checks=checks, write_to=document_to, as_json=as_json)
    if annotations:
        return show_annotations(as_json=as_json)
    if not files:
        return prove_kernel(cold=cold, record=record, as_json=as_json)
    programs = {one.root.resolve(): one for path in files for one in programs_at(path)}
    outcomes = prove_programs([*programs.values()], cold=cold, explain=not table, as_json=as_json)
    told = [one for _, found in outcomes for one in found]
    failed = any(one.diagnostics for one in told)
    status = Exit.NEGATIVE if failed else Exit.SUCCESS
    if as_json:
        value = {"programs": [as_value(program, found) for program, found in outcomes], "exit": int(status)}
        if write_to is not None:
            where, reasons = write_test(write_to, outcomes)
            value["test"] = {"written_for": where, "not_shown": reasons}
        print_json(value)
        return status
    for program, found in outcomes:
        show(program, found, table=table)
    if write_to is not None:
        say_test(write_to, outcomes)
    return status


def programs_at(path: Path) -> list[Program]:
    """The module's file, or all programs of the system in a folder."""
    from neokernel.image.program import programs_of

    program = find_program(path)
    return [program, *map(Program, programs_of(path)[1:])]


def write_test(path: Path, outcomes: list[tuple[Program, list[Told]]]) -> tuple[str, list[str]]:
    """Write the test of the first message that a run shows: which that is, or "", and why those before have none."""
    found = ((program, item, way) for program, told in outcomes for one in told for item, way in one.messages())
    reasons: dict[str, None] = {}
    endless = 0
    for program, item, way in found:
        (here,) = from_here([item], program)
        where = f"{here.span.file}:{here.span.line}: {item.message}"
        why, run = way.why, bool(way.test)
        if run:
            with progress(f"running into {where}"):
                why = instead(way.test, path, item.span if way.in_line else None)
            if not why:
                write_text(path, way.test)
                return where, list(reasons)
            endless += why == no_end()
        reasons[f"{where}: {why}{f' ({way.doubt})' if run and way.doubt else ''}"] = None
        if endless == TRIES:
            reasons["the messages after that weren't tried"] = None
            break
    return "", list(reasons)


def say_test(path: Path, outcomes: list[tuple[Program, list[Told]]]) -> None:
    stood = path.exists()
    where, reasons = write_test(path, outcomes)
    for reason in reasons:
        click.echo(f"can't be shown as a run: {reason}", err=True)
    if where:
        click.echo(f"{shown(path)}: a test that runs into {where}")
        return
    why = "no run shows a failure" if reasons else "all is proven"
    click.echo(f"no test was written: {why}", err=True)
    if stood:
        click.echo(f"{shown(path)} is older than that: if `nk prove --test` wrote it, delete it", err=True)


def prove_programs(
    programs: list[Program], *, cold: bool, explain: bool, as_json: bool
) -> list[tuple[Program, list[Told]]]:
    """The functions of each program's module, callees first; the kernel's modules together."""
    from neokernel.compiler import pipeline  # late, because they are big
    from neokernel.image import proofs
    from neokernel.image.kernel import EXPORTS, kernel_state
    from neokernel.prover import invariants, prove, single
    from neokernel.prover.states import SPECIFICATIONS
    from neokernel.prover.unchanged import NO_RULE
    from neokernel.spec import MODULES
    from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING

    sessions: dict[str, tuple[Session, ir.Program]] = {}
    outcomes: list[tuple[Program, list[Told]]] = []
    work: list[tuple[str, Session, ir.Function, list[Told]]] = []
    for program in programs:
        state = pipeline.state_of(program.root)
        module = state.roots[0]
        kernel = module.startswith(("neokernel.kernel.", SPECIFICATIONS))
        name = "kernel" if kernel else str(program.root)
        if name not in sessions:
            state = kernel_state(*MODULES) if kernel else state
            pipeline.run_front_end(state)
            if state.diagnostics.items:
                refuse(state.diagnostics.sorted(), program, as_json=as_json)
            assert state.program is not None
            rule = ERRORS_CHANGE_NOTHING if kernel else NO_RULE
            if kernel:
                pipeline.export(state.program, EXPORTS)
                try:
                    single.check(state.program, rule.single, proofs.entries(state.program))
                except single.SeveralError as error:
                    refuse(error.diagnostics, program, as_json=as_json)
            of_program = invariants.of_program(state.program)
            sessions[name] = prove.Session(of_program, rule=rule, sources=state.program.sources), state.program
        session, of = sessions[name]
        found: list[Told] = []
        outcomes.append((program, found))
        work += [(name, session, function, found) for function in prove.roots(of, [module])]
    with progress("proving"):
        for name, (session, _) in sessions.items():
            mine = {function: found for other, _, function, found in work if other == name}
            for function in prove.callees_first(mine):
                mine[function].append(prove_function(session, function, frozenset(mine), cold=cold, explain=explain))
    return outcomes


def prove_function(
    session: Session, function: ir.Function, roots: frozenset[ir.Function], *, cold: bool, explain: bool
) -> Told:
    """What came of a function, now or earlier."""
    from neokernel.prover import cache

    invariants = [one for found in session.of.values() for one in found]
    key = cache.key(function, invariants, session.proven, f"{session.limits} {session.rule}")
    # What is said of a function that fails quotes the sources, as they were.
    places = cache.quoted(function, invariants, session.sources) if explain else ""
    record = None if cold else cache.load(key)
    if record is not None and (not explain or not record["told"]["diagnostics"] or record["places"] == places):
        told = from_record(record["told"])
        session.take(function, told.checks)
        return told
    told = prove_now(session, function, roots, explain=explain)
    cache.store(key, {"places": places, "told": asdict(told)})
    return told


def from_record(record: dict[str, Any]) -> Told:
    """The inverse of `asdict`."""

    def span(of: dict[str, Any] | None) -> Span | None:
        return None if of is None else Span(**of)

    def diagnostic(of: dict[str, Any]) -> Diagnostic:
        notes = tuple((span(where), text) for where, text in of["notes"])
        return Diagnostic(of["code"], of["message"], Span(**of["span"]), of["help"], notes)

    diagnostics = [diagnostic(item) for item in record["diagnostics"]]
    return Told(**{**record, "diagnostics": diagnostics, "ways": [Way(**way) for way in record["ways"]]})


def prove_now(session: Session, function: ir.Function, roots: frozenset[ir.Function], *, explain: bool) -> Told:
    from neokernel.lang.interfaces.generate import as_written
    from neokernel.prover.failures import as_test, counterexample, report, search
    from neokernel.prover.obligations import Duty, what
    from neokernel.prover.solve import Answer

    proof = session.prove(function)
    # What fails in another module, that module's own proof shows; but what was taken for granted counts.
    mine = [v for v in proof.verdicts if v.obligation.check is None or v.obligation.function.module == function.module]
    failed = [verdict for verdict in mine if verdict.answer is not Answer.PROVEN]
    told = Told(as_written(function.name), len(mine) - len(failed), len(mine), proof.seconds)
    told.elsewhere = dict(Counter(one.obligation.function.module for one in proof.failed if one not in failed))
    told.bounds = [f"{as_written(f.name)}, line {span.line}" for f, span in proof.findings.assumed_bounds]
    told.relied_on = [as_written(f.symbol) for f in proof.findings.summarised if f.ensures and f not in roots]
    told.checks = session.own_checks(proof)
    shown_as: dict[int, counterexample.Counterexample] = {}
    ways: dict[int, Way] = {}
    if explain:
        for one in search.ways(session, function, failed):
            verdict, found = one.verdict, one.found
            shown_as[id(verdict)] = found
            way = ways[id(verdict)] = Way(doubt=counterexample.why_it_may_not_happen(found))
            try:
                way.test = as_test.source(function, verdict.obligation, found)
            except as_test.CannotBuild as error:
                way.why = str(error)
            # What a call requires fails in the callee, by the call's line.
            way.in_line = verdict.obligation.check is not None or verdict.obligation.duty is Duty.REQUIRES
    said: dict[tuple[object, ...], Verdict] = {}
    for verdict in failed:
        # What fails in several ways is said once, with one of which more is known if there is any.
        key = (what(verdict.obligation), verdict.obligation.span, verdict.obligation.calls)
        if key not in said or (id(said[key]) not in shown_as and id(verdict) in shown_as):
            said[key] = verdict
    for verdict in said.values():
        told.ways.append(ways.get(id(verdict), Way()))
        way_to_fail = shown_as.get(id(verdict))
        told.diagnostics.append(report.diagnostic(verdict.obligation, verdict.answer, way_to_fail, session.sources))
    return told


def show(program: Program, found: list[Told], *, table: bool) -> None:
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
    elsewhere = checks_elsewhere(found)
    if elsewhere:
        modules = ", ".join(f"{module} ({number})" for module, number in elsewhere.items())
        checks = _count(sum(elsewhere.values()), "check")
        click.echo(f"left to the proofs of other modules, whose code is called: {checks} of {modules}")
    proven, total = sum(one.proven for one in found), sum(one.obligations for one in found)
    whole = "all of its own proven" if elsewhere else "all proven"
    end = whole if proven == total else f"{total - proven} not proven"
    functions = sum(one.obligations != 0 for one in found)
    if total == 0 and not elsewhere:
        click.echo(f"{shown(program.root)}: nothing to prove: no function in it has a check or a contract")
        return
    click.echo(f"{shown(program.root)}: {_count(functions, 'function')}, {_count(total, 'obligation')}, {end}")


def checks_elsewhere(found: list[Told]) -> dict[str, int]:
    """How many checks of which other modules aren't proven in what these functions call."""
    numbers = sum((Counter(one.elsewhere) for one in found), Counter[str]())
    return dict(sorted(numbers.items()))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def as_value(program: Program, found: list[Told]) -> dict[str, object]:
    return {
        "path": str(program.root),
        "functions": [
            {"name": one.name, "proven": one.proven, "obligations": one.obligations, "seconds": round(one.seconds, 3)}
            for one in found
        ],
        "diagnostics": [item.as_json() for one in found for item in from_here(one.diagnostics, program)],
        "assumed_bounds": [bound for one in found for bound in one.bounds],
        "assumed_contracts": sorted({name for one in found for name in one.relied_on}),
        "not_proven_elsewhere": checks_elsewhere(found),
    }
