"""`nk check`: all that is wrong with a program or a system. It builds only what has little memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from neokernel.cli.errors import Exit
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.program import Program, analyse, find_program, from_here
from neokernel.cli.system import (
    about_habits,
    described,
    examined,
    failure,
    find_system,
    is_system_file,
    print_count,
    print_findings,
    short_of_memory,
)
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.image.needs import Need


@click.command()
@click.argument("paths", metavar="[PROGRAM | SYSTEM]…", nargs=-1, type=click.Path(path_type=Path))
@json_option
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Say what is wrong with programs (folders with a main.py, or files of modules) and systems (files in TOML).

    Of one with nothing wrong, also what it is: a program above the kernel, one for the bare machine, or a module, which
    can't be run; and what its programs declare that they use, provide, and can be set. Of a system also what is wrong
    with its services' programs. Without a name: the system file here.

    Exit status: 0 nothing, 3 something in a system file, 4 something in a program.
    """
    found: list[Checked] = []
    for path in paths or (find_system(None),):
        found.append(check(path))
        if not as_json:
            found[-1].show()  # each as soon as it is known: of many, the last one takes its time
    statuses = {each.status for each in found}
    status = next((each for each in (Exit.MANIFEST, Exit.COMPILE) if each in statuses), Exit.SUCCESS)
    if as_json:
        print_json({"programs": [each.as_json() for each in found], "exit": int(status)})
    return status


@dataclass(frozen=True)
class Checked:
    """What is said of one argument."""

    path: Path
    kind: list[str]
    diagnostics: list[Diagnostic]
    #: if it has errors
    failure: Exit
    #: what its programs declare, by their names
    needs: dict[str, list[Need]]

    @property
    def status(self) -> Exit:
        return self.failure if any(item.severity == "error" for item in self.diagnostics) else Exit.SUCCESS

    def as_json(self) -> dict[str, object]:
        said = [item.as_json() for item in self.diagnostics]
        needs = {name: [need.as_json() for need in found] for name, found in self.needs.items()}
        return {"path": str(self.path), "kind": "; ".join(self.kind), "needs": needs, "diagnostics": said}

    def show(self) -> None:
        print_findings(self.diagnostics)
        print_count(self.path, self.diagnostics)
        if self.status == Exit.SUCCESS:
            first, *others = self.kind
            count = len(self.diagnostics)
            found = "nothing wrong" if not count else f"{count} warning{'s' if count > 1 else ''}"
            click.echo("\n".join([f"{shown(self.path)}: {found}; {first}", *(f"  {each}" for each in others)]))
            for name, needs in self.needs.items():
                click.echo("".join(f"  {name}: {need}\n" for need in needs), nl=False)


def check(path: Path) -> Checked:
    from neokernel.image.program import examine_program, habits_of  # late, because the compiler is big

    if is_system_file(path):
        machine, findings = examined(find_system(path))
        if machine is None or any(item.severity == "error" for item in findings):
            return Checked(path, ["a system"], findings, failure(findings), {})
        programs = dict.fromkeys(service.program.main for service in machine.services.values())
        examined_all = {main: examine_program(main) for main in programs}
        wrong = [item for main, (_, found) in examined_all.items() for item in from_here(found, Program(main))]
        if not wrong:
            short = short_of_memory(machine)
            if short:
                return Checked(path, ["a system"], [*findings, *short], failure(short), {})
            findings += about_habits(machine, {main: habits_of(state) for main, (state, _) in examined_all.items()})
        return Checked(path, described(machine), [*findings, *dict.fromkeys(wrong)], Exit.COMPILE, {})
    program = find_program(path)
    return Checked(program.root, [program.kind], checked_program(program), Exit.COMPILE, program.needs)


def checked_program(program: Program) -> list[Diagnostic]:
    return from_here(analyse(program), program)
