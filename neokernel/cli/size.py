"""`nk size`: systems by service; programs, images and the kernel by source file, with all checks and with none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, progress
from neokernel.cli.program import Program, find_program, is_image, refuse, tool_complaints, warn_of_stale_proofs
from neokernel.cli.system import find_system, is_system_file, systems_here
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.elf import BadImage
from neokernel.image.sizes import Size, count_lines, measure

if TYPE_CHECKING:
    from neokernel.compiler.diagnostics import Diagnostic
    from neokernel.compiler.pipeline import State
    from neokernel.compiler.source import Module

COLUMNS = ("text", "text_checked", "text_unchecked", "boot", "rodata", "lines")

#: what counts as the kernel's source; of a program, all that isn't the package's
KERNEL_SOURCES = ("neokernel/kernel/", "neokernel/arch/")
#: and as the first stage's
STAGE_SOURCES = ("neokernel/stage/", "neokernel/crypto/", "neokernel/kernel/devicetree.py", "neokernel/arch/")

#: builds by the column that is their code's: has it checks, and if so, does it leave out the proven ones?
BUILDS = {"text": (True, True), "text_checked": (True, False), "text_unchecked": (False, True)}

#: bytes, or None when it isn't known
Row = dict[str, int | None]


@click.command()
@click.argument("path", metavar="[PROGRAM | SYSTEM]", type=click.Path(path_type=Path), required=False)
@click.option("--kernel", "of_kernel", is_flag=True, help="Of the kernel, wherever you are.")
@click.option("--stage", is_flag=True, help="Of the first stage, which checks signatures.")
@json_option
def command(path: Path | None, of_kernel: bool, stage: bool, as_json: bool) -> None:
    """Show the size of SYSTEM's services; or of PROGRAM's code, an image's, or the kernel's, by source file.

    Without a name: of the system file here; where there is none, of the kernel.

    Of SYSTEM, a system file: by service. text, rodata: what services that run the same program share; data: of its own,
    at first; memory: all that it is given for its objects, stack and data; tasks: frames of `tasks(f, n)`, which lie
    there, too, and are listed below; preserve, pools, lent: beside that.

    Of code, by source file. text: bytes of code after boot, as it ships: the kernel without the checks that are proven
    never to fail, a program with all; checked: with all checks; unchecked: with none; boot: code that only starts the
    kernel, and what lies in its section; rodata: constants; lines: source lines that are neither blank, comment nor
    docstring, of neokernel/kernel and neokernel/arch, and of a program's own modules. A dash: not counted, not known.

    Below, for a program with coroutines: the bytes that each keeps while it waits.

    Functions that the compiler inlined count in the file of the function that they were inlined into. The rows add up
    to the image's sections: (padding) is between functions. An image doesn't say what it would be with more checks or
    fewer, nor how many lines it was made of.
    """
    whole = of_kernel or stage
    if whole and (path is not None or (of_kernel and stage)):
        option, other = ("--kernel", "--stage") if of_kernel else ("--stage", "")
        message = f"{option} takes no program" if path is not None else f"{option} and {other} are two things"
        raise ToolError("NK1001", message, "leave one of them out")
    if path is None and not whole and len(systems_here()) == 1:
        path = find_system(None)
    if path is not None and is_system_file(path):
        from neokernel.cli.system_size import show_system

        show_system(path, as_json=as_json)
        return
    frames: dict[str, int] = {}
    if stage:
        tables = {"first stage": measure_sources(first_stage(), as_json=as_json)}
    elif path is None:
        tables = {"kernel": measure_sources(kernel(), as_json=as_json)}
        warn_of_stale_proofs()
    elif is_image(path):
        tables = {path.stem: measure_image(path)}
    else:
        programs = [program(each) for each in programs_in(find_program(path))]
        tables = {each.program.name: measure_sources(each, as_json=as_json) for each in programs}
        frames = {name: size for each in programs for name, size in frames_of(each).items()}
    files = together(tables.values())
    total = summed(files)
    if as_json:
        each_alone = {name: {"total": summed(table), "files": table} for name, table in tables.items()}
        several = {"programs": each_alone} if len(tables) > 1 else {}
        print_json({"total": total, "files": files, **several, **({"frames": frames} if frames else {}), "exit": 0})
        return
    show_titles()
    for name, table in tables.items():
        show(table, "total" if len(tables) == 1 else f"total of {name}", STAGE_SOURCES if stage else KERNEL_SOURCES)
    if len(tables) > 1:
        show_row(total, f"total of {len(tables)} programs")
    if frames:
        click.echo("\nbytes of the frame of each coroutine, those that it awaits included:")
        for name in sorted(frames, key=lambda name: (-frames[name], name)):
            click.echo(f"{frames[name]:>10,}  {name}")


@dataclass(frozen=True)
class Subject:
    """What is measured: how it is built, into which file, with checks, with proofs; and its modules."""

    program: Program
    build: Callable[[Path, bool, bool], list[Diagnostic]]
    modules: list[Module]
    #: where files lie whose lines are counted
    counted: tuple[str, ...] = KERNEL_SOURCES

    @property
    def sources(self) -> dict[str, str]:
        """Texts by file, of what was written by somebody."""
        return {module.file: module.text for module in self.modules if not module.file.startswith("<")}

    @property
    def files(self) -> dict[str, str]:
        """Files by module."""
        return {module.name: module.file for module in self.modules}


def programs_in(program: Program) -> list[Program]:
    """The programs of a system, or the one."""
    from neokernel.image.program import programs_of

    if not program.needs_kernel:
        return [program]
    return [Program(path) for path in programs_of(program.root)]


def kernel() -> Subject:
    """The kernel, without programs."""
    from neokernel.image import kernel

    def build(output: Path, checks: bool, proofs: bool) -> list[Diagnostic]:
        found = kernel.kernel_objects(checks=checks, proofs=proofs)
        if isinstance(found, list):
            return found
        kernel.link_image(found.files, b"", output)
        return []

    root = PACKAGE_ROOT.joinpath(*kernel.ROOTS[0].split(".")).with_suffix(".py")
    return Subject(Program(root), build, loaded(kernel.kernel_state()))


def first_stage() -> Subject:
    """The first stage. Of its checks none is proven as far as its build is concerned."""
    from neokernel.image import stage

    def build(output: Path, checks: bool, _: bool) -> list[Diagnostic]:
        return stage.build_stage(output, checks=checks).diagnostics

    root = PACKAGE_ROOT.joinpath(*stage.ROOT.split(".")).with_suffix(".py")
    return Subject(Program(root), build, loaded(stage.stage_state()), STAGE_SOURCES)


def program(subject: Program) -> Subject:
    """A program for the bare machine, or a user program without what runs below it."""
    from neokernel.compiler import pipeline
    from neokernel.image.build import build_image
    from neokernel.image.program import MEMORY, build_program

    builder = build_program if subject.needs_kernel else build_image
    root = subject.main if subject.needs_kernel else subject.root

    def build(output: Path, checks: bool, _: bool) -> list[Diagnostic]:
        return builder(root, output, checks=checks).diagnostics

    state = pipeline.state_of(root)
    state.roots.extend(MEMORY)
    return Subject(subject, build, loaded(state))


def frames_of(subject: Subject) -> dict[str, int]:
    """The sizes of the frames of a program's coroutines, by symbol."""
    from neokernel.compiler import pipeline
    from neokernel.compiler.coroutines.split import frame_sizes
    from neokernel.image.program import examine_program

    if not any("async def" in module.text for module in subject.modules):
        return {}
    if subject.program.needs_kernel:
        made = examine_program(subject.program.main)[0].program
    else:
        made = pipeline.analyse(subject.program.root).program
    return frame_sizes(made) if made is not None else {}


def loaded(state: State) -> list[Module]:
    """The program's modules. What is wrong with them is told by whoever builds it."""
    from neokernel.compiler import pipeline

    pipeline.load(state)
    return state.modules


def measure_sources(subject: Subject, *, as_json: bool) -> dict[str, Row]:
    """Build it in each way, and measure all."""
    found: dict[str, dict[str, Size]] = {}
    for column, (checks, proofs) in BUILDS.items():
        with tempfile.TemporaryDirectory(prefix="nk-size-") as folder:
            image = Path(folder) / "image.elf"
            with progress(f"building {subject.program.name}: {column.replace('_', ', ')}"), tool_complaints():
                diagnostics = subject.build(image, checks, proofs)
            if diagnostics:
                refuse(diagnostics, subject.program, as_json=as_json)
            found[column] = measured(image, subject.sources, subject.files)
    counted = {file: count_lines(text) for file, text in subject.sources.items() if is_counted(file, subject.counted)}
    return {
        file: row({column: sizes.get(file, Size()) for column, sizes in found.items()}, counted.get(file, 0))
        for file in sorted(counted.keys() | {file for sizes in found.values() for file in sizes})
    }


def measure_image(image: Path) -> dict[str, Row]:
    """An image that somebody has built. Its assembly can be any of the package's."""
    from neokernel.image.kernel import SUBSTITUTES

    folder = PACKAGE_ROOT / "neokernel" / "arch"
    sources = {path.relative_to(PACKAGE_ROOT).as_posix(): path.read_text() for path in sorted(folder.rglob("*.py"))}
    files = {file.removesuffix(".py").replace("/", "."): file for file in sources}
    files |= {module: files[own] for module, own in SUBSTITUTES.items()}
    return {file: row({"text": size}, None) for file, size in sorted(measured(image, sources, files).items())}


def measured(image: Path, sources: dict[str, str], files: dict[str, str]) -> dict[str, Size]:
    try:
        return measure(image, sources, files)
    except BadImage as error:
        raise ToolError("NK1004", str(error)) from error


def is_counted(file: str, counted: tuple[str, ...] = KERNEL_SOURCES) -> bool:
    """Are the lines of the row's source counted?"""
    return not file.startswith(("(", "<")) and (file.startswith(counted) or not file.startswith("neokernel/"))


def row(sizes: dict[str, Size], lines: int | None) -> Row:
    """Out of what was built; boot and constants are those of what ships."""
    texts = {column: sizes[column].text if column in sizes else None for column in BUILDS}
    return texts | {"boot": sizes["text"].boot, "rodata": sizes["text"].rodata, "lines": lines}


def together(tables: Collection[dict[str, Row]]) -> dict[str, Row]:
    """One table: each program has code of its own of a module that several use, but the lines are the same."""
    found: dict[str, Row] = {}
    for file in sorted({file for table in tables for file in table}):
        rows = [table[file] for table in tables if file in table]
        found[file] = {column: add(row[column] for row in rows) for column in COLUMNS} | {"lines": rows[0]["lines"]}
    return found


def summed(files: dict[str, Row]) -> Row:
    return {column: add(row[column] for row in files.values()) for column in COLUMNS}


def add(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def show_titles() -> None:
    click.echo("".join(f"{column.replace('text_', ''):>10}" for column in COLUMNS))


def show(files: dict[str, Row], total: str, counted: tuple[str, ...]) -> None:
    """A table, the largest first, and what it sums up to, which is called `total`."""
    for name in sorted(files, key=lambda name: (-(files[name]["text"] or 0), -(files[name]["boot"] or 0), name)):
        show_row(files[name] if is_counted(name, counted) else {**files[name], "lines": None}, name)
    show_row(summed(files), total)


def show_row(row: Row, name: str) -> None:
    cells = ("-" if row[column] is None else f"{row[column]:,}" for column in COLUMNS)
    click.echo("".join(f"{cell:>10}" for cell in cells) + f"  {name}")
