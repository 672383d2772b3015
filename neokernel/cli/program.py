"""Programs and images, as the commands take them on their command line, and the compiler's answers to them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import colored, columns, print_json, progress, shown
from neokernel.compiler.diagnostics import Diagnostic, render
from neokernel.compiler.ir import Span
from neokernel.image.elf import BadImage, Image
from neokernel.image.traceback import openable
from neokernel.lang.hook import is_host_name

if TYPE_CHECKING:
    from neokernel.image.needs import Need

#: the first bytes of a boot image (stage/format.py)
BOOT_IMAGE = b"nkimage\0"

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Program:
    """A program's source. `root` is what the compiler takes: a folder with `main.py`, or a module's file."""

    root: Path

    @property
    def main(self) -> Path:
        return self.root / "main.py" if self.root.is_dir() else self.root

    @property
    def name(self) -> str:
        return self.root.resolve().name if self.root.is_dir() else self.root.stem

    @property
    def needs_kernel(self) -> bool:
        """Does its `main` take a `Process`?"""
        from neokernel.image.program import takes_process

        return takes_process(self.main)

    @property
    def kind(self) -> str:
        """What it is, for people: what runs it, or why nothing does."""
        from neokernel.image.program import main_takes, programs_of

        takes = main_takes(self.main)
        if takes == "Process":
            others = [path.stem for path in programs_of(self.root)[1:]]
            return f"a program above the kernel{', with ' if others else ''}{', '.join(others)}"
        if takes == "Machine":
            return "a program for the bare machine"
        why = "it has no main" if takes is None else "its main takes neither a Process nor a Machine"
        return f"a module: {why}, so it can't be run"

    @property
    def needs(self) -> dict[str, list[Need]]:
        """What each program of it declares, by the program's name; those that declare nothing are left out."""
        from neokernel.image.needs import needs_of
        from neokernel.image.program import programs_of

        found = {path.stem: needs_of(path) for path in programs_of(self.root)} if self.needs_kernel else {}
        return {name: needs for name, needs in found.items() if needs}

    @property
    def default_image(self) -> Path:
        return Path("build") / f"{self.name}.elf"

    @property
    def source_roots(self) -> tuple[Path, ...]:
        """Where the files are that messages and debug information name."""
        return (self.main.parent.resolve(), REPOSITORY)


def find_program(path: Path) -> Program:
    """The program at `path`, or an error that says what a program is."""
    if path.is_dir():
        if not (path / "main.py").is_file():
            raise ToolError("NK1002", f"{path} has no main.py", "name a folder with a main.py, or a module's file")
    elif not path.exists():
        raise ToolError("NK1002", f"{path} doesn't exist", what_to_name(path))
    elif path.suffix != ".py":
        raise ToolError("NK1002", f"{path} is no Python source", "name a folder with a main.py, or a module's file")
    elif is_host_name(path.stem):
        message = f"{path} is a host module by its name, as tests are: CPython runs it, nothing compiles or proves it"
        raise ToolError("NK1002", message, "`nk test` runs tests; give a module another name if images shall have it")
    return Program(path)


def what_to_name(path: Path) -> str:
    """A help for who has named what isn't there."""
    if path.suffix == ".elf":
        return f"`nk build -o {path}` makes an image of that name"
    return "name a folder with a main.py, a module's file, or a system file"


def is_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def is_boot_image(path: Path) -> bool:
    """Does it begin like what `nk image` makes, or is it called like that?"""
    try:
        with path.open("rb") as file:
            return file.read(len(BOOT_IMAGE)) == BOOT_IMAGE or path.suffix == ".img"
    except OSError:
        return False


def open_image(path: Path) -> Image:
    try:
        return Image(path)
    except BadImage as error:
        raise ToolError("NK1004", str(error)) from error


def analyse(program: Program) -> list[Diagnostic]:
    """What the compiler has to say about the program, in source order; of a system, about each of its programs."""
    from neokernel.compiler import pipeline  # late, because it is big
    from neokernel.image.program import examine_program, programs_of

    if not program.needs_kernel:
        return pipeline.analyse(program.root).diagnostics
    found: list[Diagnostic] = []
    for path in programs_of(program.root):
        found += [item for item in examine_program(path)[1] if item not in found]  # programs share modules
    return found


def unwritable(output: Path, error: OSError) -> ToolError:
    """What stood in the way of writing `output`, which may be another file or folder beside it."""
    from neokernel.compiler.toolchain import ASIDE  # late, because the compiler is big

    place = str(output)
    if isinstance(error.filename, str) and not Path(error.filename).name.startswith(ASIDE):
        place = shown(Path(error.filename))
    if isinstance(error, FileExistsError):
        return ToolError("NK1005", f"{place} can't be written: it is a file, and was to be a folder", "move it away")
    return ToolError("NK1005", f"{place} can't be written: {error.strerror or error}")


def build(program: Program, output: Path, *, checks: bool = True, release: bool = True, as_json: bool = False) -> Path:
    """Build the program's image, or print its diagnostics and end the command."""
    from neokernel.image.build import build_image

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with progress(f"building {program.name}", plain=not as_json), tool_complaints():
            result = build_image(program.root, output, checks=checks, release=release)
    except OSError as error:
        raise unwritable(output, error) from error
    if result.diagnostics:
        refuse(result.diagnostics, program, as_json=as_json)
    return output


def warn_of_stale_proofs() -> None:
    """Of who is shown the kernel as it ships: if it isn't that, say so."""
    from neokernel.image.kernel import stale_proofs

    warning = stale_proofs()
    if warning:
        click.echo(warning, err=True)


@contextlib.contextmanager
def tool_complaints() -> Iterator[None]:
    """The assembler's and the linker's complaints, as an error that says whose fault they may be."""
    from neokernel.compiler import toolchain

    try:
        yield
    except toolchain.ToolError as error:
        if error.tool == "zig":
            raise ToolError("NK1201", str(error), "`make setup`") from error
        help = "without `asm` or `assembly` of your own, it is a fault of the compiler: `nk explain NK1006`"
        raise ToolError("NK1006", f"the program can't be assembled or linked: {error}", help) from error


def refuse(diagnostics: list[Diagnostic], program: Program, *, as_json: bool) -> NoReturn:
    """Print what is wrong with the program and end the command."""
    if as_json:
        print_json(
            {"diagnostics": [item.as_json() for item in from_here(diagnostics, program)], "exit": int(Exit.COMPILE)}
        )
    else:
        print_diagnostics(diagnostics, program)
    raise click.exceptions.Exit(Exit.COMPILE)


def print_diagnostics(diagnostics: list[Diagnostic], program: Program) -> None:
    """All of them with their source lines, on standard error, and how many there were."""
    for item in from_here(diagnostics, program):
        click.echo(rendered(item), err=True)
    count = len(diagnostics)
    plural = "s" if count > 1 else ""
    click.echo(
        f"{count} error{plural} in {shown(program.root)}; `nk explain {diagnostics[0].code}` says more", err=True
    )


def from_here(diagnostics: list[Diagnostic], program: Program) -> list[Diagnostic]:
    """The diagnostics with their files named as they can be opened from the current folder.

    The compiler names them by the program's folder, so that images don't depend on where that lies.
    """

    def moved(span: Span) -> Span:
        return replace(span, file=openable(span.file, program.source_roots))

    return [
        replace(item, span=moved(item.span), notes=tuple((where and moved(where), text) for where, text in item.notes))
        for item in diagnostics
    ]


def rendered(item: Diagnostic) -> str:
    """A diagnostic as it goes to standard error; its file is named as it can be opened."""
    return render(item, source_text(item.span.file), color=colored(sys.stderr), columns=columns(sys.stderr))


def source_text(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
