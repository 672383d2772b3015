"""`nk dump`: a program as it stands between two passes, and what is in an image."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json
from neokernel.cli.program import Program, build, find_program, is_image, open_image, refuse, tool_complaints
from neokernel.cli.target import complete_services, machine_option
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.lang.instrument import deep_recursion, instrument


def syntax(program: Program) -> str:
    return ast.dump(parsed(program), indent=2)


def instrumented(program: Program) -> str:
    """What CPython runs: the module with its checks."""
    return ast.unparse(instrument(parsed(program)))


def parsed(program: Program) -> ast.Module:
    try:
        return ast.parse(program.main.read_text(encoding="utf-8"), str(program.main))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise ToolError("NK1002", f"{program.main} isn't valid Python: {error}", "`nk check` says more") from error


def compiled(stage: str) -> Callable[[Program], str | list[Diagnostic]]:
    def show(program: Program) -> str | list[Diagnostic]:
        from neokernel.compiler import pipeline

        with tool_complaints():
            return pipeline.dump(program.root, stage)

    return show


#: in the order in which a program passes through them; a wrong one gives its diagnostics
STAGES: dict[str, Callable[[Program], str | list[Diagnostic]]] = {
    "syntax": syntax,
    "instrumented": instrumented,
    "ir": compiled("ir"),
    "llvm": compiled("llvm"),
    "assembly": compiled("assembly"),
}


#: a stage that isn't the compiler's
IMAGE = "image"


def complete_words(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    stages = [CompletionItem(name) for name in (*STAGES, IMAGE) if name.startswith(incomplete)]
    return stages + complete_services(ctx, parameter, incomplete)


@click.command()
@click.argument("stage", metavar="SERVICE | STAGE", shell_complete=complete_words)
@click.argument("path", metavar="[PROGRAM]", type=click.Path(path_type=Path), required=False)
@machine_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The core file; default: build/SERVICE.core.")
@json_option
def command(
    stage: str, path: Path | None, machine: str | None, key: Path | None, output: Path | None, as_json: bool
) -> None:
    """Write SERVICE of a running machine as a core file, or show PROGRAM at STAGE of its compilation.

    The core file (ELF) has the process's memory and the registers of its threads: gdb opens it, with Python lines. The
    machine's clock stands while they are copied, some thousandths of a second of the host's: no service notices, and
    this one goes on afterwards. Devices' registers aren't in the file. A machine that doesn't answer is looked at, too;
    then SERVICE is the name of its program.

    STAGE is syntax: Python's tree; instrumented: what CPython runs; ir: the typed IR; llvm: LLVM's text; assembly:
    riscv64; image: sections and sizes (PROGRAM may be an image).

    Exit status: 0; 2 there is no such service; 6 there is no machine, or it can't be looked at; of a PROGRAM as `nk
    build`.
    """
    if path is None:
        if stage in (*STAGES, IMAGE):
            raise ToolError(
                "NK1001", f"of which program is {stage} to be shown?", "`nk dump --help` shows what it takes"
            )
        from neokernel.cli.process_dump import dump_process

        dump_process(stage, machine, key, output, as_json=as_json)
        return
    if stage not in (*STAGES, IMAGE):
        raise ToolError("NK1001", f"{stage!r} is no stage", f"there are: {', '.join((*STAGES, IMAGE))}")
    if stage == IMAGE:
        image = path
        if not is_image(path):
            program = find_program(path)
            image = build(program, program.default_image, as_json=as_json)
        show_image(image, as_json=as_json)
        return
    program = find_program(path)
    with deep_recursion():
        text = STAGES[stage](program)
    if not isinstance(text, str):
        refuse(text, program, as_json=as_json)
    if as_json:
        print_json({"stage": stage, "text": text, "exit": 0})
    else:
        click.echo(text)


def show_image(path: Path, *, as_json: bool) -> None:
    """Sections that are loaded, and the functions by size."""
    image = open_image(path)
    if as_json:
        sections, functions = (
            [{"name": name, "address": address, "bytes": size} for address, size, name in rows]
            for rows in (image.sections, image.functions)
        )
        print_json({"sections": sections, "functions": functions, "exit": 0})
        return
    for address, size, name in (*image.sections, *sorted(image.functions, key=lambda row: -row[1])):
        click.echo(f"{address:#12x} {size:>10,}  {name}")
