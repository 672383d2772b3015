"""`nk prove` without files: the whole kernel, and the record of it that the compiler and CAVEATS.md read."""

from __future__ import annotations

import os
import textwrap
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import Exit
from neokernel.cli.output import print_json, progress_line, shows_progress
from neokernel.cli.program import Program, refuse
from neokernel.compiler.source import PACKAGE_ROOT

if TYPE_CHECKING:
    from neokernel.prover.whole import Failure, Whole

#: its first module
KERNEL = PACKAGE_ROOT / "neokernel" / "kernel" / "boot.py"
CAVEATS = PACKAGE_ROOT / "CAVEATS.md"
BEGIN, END = "<!-- proven: `nk prove --record` -->", "<!-- end of what is proven -->"

#: what duties are about, in the order of the table
PROPERTIES = {
    "no check fails (overflow, index, None, division, enum, shift, assertion, unreachable code)": ("check",),
    "invariants hold at the end of each function that isn't private, and wherever one of them is called": (
        "invariant",
    ),
    "errors change nothing: an operation that fails leaves all objects as they were (`neokernel/spec/outcomes.py`)": (
        "unchanged",
    ),
    "specifications: what the operations of the kernel do (`neokernel/spec`)": ("specified",),
    "contracts: what callers must see to, and what functions promise": ("requires", "ensures", "possible", "ends"),
    "loops: their invariants and bounds": ("loop_invariant", "loop_bound"),
    "unions have the arm that they are taken as; ghost code": ("arm", "ghost"),
}


def prove_kernel(*, cold: bool, record: bool, as_json: bool) -> int:
    from neokernel.compiler.pipeline import export, run_front_end  # late, because they are big
    from neokernel.image import proofs
    from neokernel.image.kernel import EXPORTS, kernel_state
    from neokernel.prover.single import SeveralError
    from neokernel.prover.whole import prove_all
    from neokernel.spec import MODULES
    from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING

    began = time.perf_counter()
    processes = len(os.sched_getaffinity(0))
    with progress_line() as say:
        say("compiling")
        state = run_front_end(kernel_state(*MODULES))
        if state.diagnostics.items or state.program is None:
            refuse(state.diagnostics.items, Program(KERNEL), as_json=as_json)
        export(state.program, EXPORTS)
        try:
            found = prove_all(
                state.program,
                proofs.entries(state.program),
                before=proofs.boot(state.program),
                processes=processes,
                cold=cold,
                rule=ERRORS_CHANGE_NOTHING,
                begin=lambda missing: announce(missing, processes),
                tell=lambda done, all_: say(f"proving: {done} of {all_} functions"),
            )
        except SeveralError as error:
            refuse(error.diagnostics, Program(KERNEL), as_json=as_json)
    seconds = time.perf_counter() - began
    if record:
        proofs.write(state.program, found.discharged(), found.kept())
        text = CAVEATS.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        CAVEATS.write_text(f"{head}{BEGIN}\n\n{as_markdown(found)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    failed = any(one.failures for one in found.outcomes)
    status = Exit.NEGATIVE if failed else Exit.SUCCESS
    if as_json:
        print_json({"functions": [asdict(one) for one in found.outcomes], "seconds": seconds, "exit": int(status)})
        return status
    for what, proven, all_, spent in properties(found):
        click.echo(f"{proven:6,} of {all_:6,}  {spent:6.1f} s  {what}")
    for one in left(found):
        click.echo(f"not proven: {one.kind or one.duty}, {one.file}:{one.line}, `{line_of(one)}`")
    if not found.sound:
        click.echo("No check is left out of images: contracts and invariants must be proven first.")
    checks = found.checks()
    click.echo(f"{functions(found)}, in {seconds:.0f} s: {sum(checks.values())} of {len(checks)} checks never fail")
    return status


def announce(missing: int, processes: int) -> None:
    """A sign of life where no line of progress is shown."""
    if missing and not shows_progress():
        click.echo(
            f"proving {missing} functions, {processes} at a time: a minute or two for the whole kernel; what is done "
            "stays if this is ended",
            err=True,
        )


def functions(found: Whole) -> str:
    """How many there are, and how they are proven."""
    from neokernel.prover.states import is_specification

    kernel = [one for one in found.scope.functions if not is_specification(one)]
    alone = len(set(kernel).intersection(found.scope.alone))
    assembly = sum(one.naked for one in kernel)
    parts = len(kernel) - alone - assembly
    return (
        f"{len(kernel)} functions ({alone} proven by themselves, {parts} as parts of their callers, {assembly} are "
        "assembly)"
    )


def properties(found: Whole) -> list[tuple[str, int, int, float]]:
    """What it is about, how many obligations are proven, of how many, and the solver's seconds."""
    rows = []
    for what, duties in PROPERTIES.items():
        entries = [one.duties[duty] for one in found.outcomes for duty in duties if duty in one.duties]
        proven, all_ = sum(entry[0] for entry in entries), sum(entry[1] for entry in entries)
        rows.append((what, proven, all_, sum(entry[2] for entry in entries)))
    return rows


def left(found: Whole) -> list[Failure]:
    """What isn't proven, each once."""
    failures = dict.fromkeys(failure for one in found.outcomes for failure in one.failures)
    return sorted(failures, key=lambda failure: (failure.file, failure.line, failure.kind))


def line_of(failure: Failure) -> str:
    return (PACKAGE_ROOT / failure.file).read_text(encoding="utf-8").splitlines()[failure.line - 1].strip()


def as_markdown(found: Whole) -> str:
    """The part of CAVEATS.md."""
    checks = found.checks()
    held = sum(checks.values())
    said = (
        f"Of what can run once the first thread does, {functions(found)}: {held} of their {len(checks)} checks never "
        "fail, and images don't have them. Each proof is for all arguments and all states, of any number of objects. "
        f"{len(found.scope.earlier)} more functions run before, once: boot. Their own checks stay in images; that they "
        "establish the invariants, and meet the contracts of what they call, is proven with the others."
    )
    lines = [
        *textwrap.wrap(said, 120),
        "",
        "| property | proven | of | solver's time |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {what} | {proven:,} | {all_:,} | {spent:.0f} s |" for what, proven, all_, spent in properties(found)]
    missing = left(found)
    if missing:
        lines += ["", "Not proven; the check stays in the image:", ""]
        lines += [f"- {one.kind or one.duty} in `{one.function}`: `{line_of(one)}`" for one in missing]
    return "\n".join(lines) + "\n"
