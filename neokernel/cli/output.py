"""What commands print: text for people, JSON for programs, progress for terminals."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from neokernel.compiler.columns import wrapped

if TYPE_CHECKING:
    from rich.console import Console

    from neokernel.cli.errors import ToolError

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """`--json`, as every command has it: the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")(function)


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def colored(stream: IO[str]) -> bool:
    """May we colour what goes to `stream`? (https://no-color.org)"""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def rewritable(stream: IO[str]) -> bool:
    """May we write over what `stream` has shown? Also where no colours are wanted."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream: IO[str]) -> int:
    """How wide the terminal is that `stream` goes to; 0: it goes to none, and lines are of any length."""
    return shutil.get_terminal_size().columns if stream.isatty() else 0


def console(*, error: bool = False) -> Console:
    """A rich console on standard output or error, plain unless that is a terminal."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, no_color=not colored(stream), highlight=False, soft_wrap=True)


def styled(text: str, **style: Any) -> str:
    """Text for standard output in colours, where they are wanted."""
    return click.style(text, **style) if colored(sys.stdout) else text


def paragraphs(text: str, indent: int = 0) -> list[str]:
    """The lines of `text`, those that are too long for the terminal wrapped between words; none ends in spaces."""
    width = max(shutil.get_terminal_size().columns, indent + 20)
    margin = " " * indent
    return [
        each
        for line in text.split("\n")
        for each in textwrap.wrap(
            line,
            width,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    ]


def hanging(head: str, text: str) -> str:
    """`text` behind `head`. What is too long for a terminal goes on below its beginning; elsewhere it is one line."""
    return head + wrapped(text, len(head), columns(sys.stdout))


def print_error(error: ToolError) -> None:
    red, bold, plain = ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") if colored(sys.stderr) else ("", "", "")
    click.echo(f"{red}error[{error.code}]{plain}{bold}: {error.message}{plain}", err=True)
    if error.help:
        head = "  help: "
        click.echo(head + wrapped(error.help, len(head), columns(sys.stderr)), err=True)


def shows_progress() -> bool:
    """Is standard error a terminal where a line may change?"""
    return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """A function that says on a terminal what is being done now; silent elsewhere, and in CI."""
    if not shows_progress():
        yield lambda _: None
        return
    with console(error=True).status("") as status:
        yield status.update


@contextlib.contextmanager
def progress(what: str, *, plain: bool = False) -> Iterator[None]:
    """Say on a terminal that something is being done. `plain`: and elsewhere, in a line of its own that stays."""
    if plain:
        say_plainly(what)
    with progress_line() as say:
        say(what)
        yield


def say_plainly(what: str) -> None:
    """A line on standard error that says what is being done, where no line of progress does."""
    if not shows_progress():
        click.echo(what, err=True)


def write_text(path: Path, text: str) -> None:
    """Write the file that the user has named."""
    from neokernel.cli.errors import ToolError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{shown(path)} can't be written: {error.strerror or error}") from error


def expect_place(path: Path | None) -> None:
    """Before what takes long: is there a place for the file that the user wants to have written?"""
    from neokernel.cli.errors import ToolError

    if path is not None and path.is_dir():
        raise ToolError("NK1005", f"{shown(path)} can't be written: it is a folder", "name a file")
    if path is not None and not path.parent.is_dir():
        raise ToolError("NK1005", f"{shown(path)} can't be written: there is no folder {path.parent}")


def shown(path: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
