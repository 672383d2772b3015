"""The fenced blocks of a guide, and what they must give when they are executed.

The info string of a block says what it is:

- `python module`: begins a module; `python continue`: more of it. Functions called `example…` are run.
- `python error`: would continue the module, but the compiler rejects it; `text error`: what it prints. One that imports
  from `neokernel.lang` is a module of its own.
- `python fails=KIND`: continues the module with a function that fails so; `text traceback`: what that prints.
- `python program=NAME`: a file that the `console` blocks below find in their folder.
- `python file=PATH`: lines of the repository's file, as they stand there.
- `python made=PATH`: lines of a file that commands of the page have made, as it is there.
- `diff change=PATH`: a change of an example, for the next `console` block: lines begin with ` `, `-` or `+`; a line
  `@@` stands between its parts.
- `console`: commands after `$ `, each with its output; a line `…` stands for any lines, `…` at a line's end for any
  rest of it. They find `examples`, and `systems` with their `models`.
- `json trace`: lines that a trace has in this order, perhaps with others between; `…` stands for anything in a line.

Lines in messages are counted from the first line of the block they are about, and its file is called `guide.py`; what a
note of them is about may be "above"; of
a traceback, frames above the block aren't shown.
`python -m tests.docs.snippets PAGE` writes what is printed today into the page's `text` and `console` blocks.
"""

from __future__ import annotations

import dataclasses
import linecache
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neokernel import lang
from neokernel.cli.host import crash_of
from neokernel.compiler.diagnostics import render
from neokernel.compiler.ir import Span
from neokernel.compiler.pipeline import analyse_source
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.traceback import Frame
from tests.support import meanings
from tests.support.nursery import run_nk
from tests.support.ports import free_ports

SHOWN = "guide.py"
ROLES = {
    "module",
    "continue",
    "error",
    "fails",
    "program",
    "traceback",
    "plain",
    "console",
    "file",
    "change",
    "made",
    "trace",
}

_FENCE = re.compile(r"^```([^`\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^def (example\w*)\(\) -> None:", re.MULTILINE)
_FUNCTION = re.compile(r"^def (\w+)\(\) -> ", re.MULTILINE)


@dataclass
class Block:
    """One fenced block. `before`: its module's text above it; `start` and `end`: where its own text is in the page."""

    language: str
    role: str
    option: str
    text: str
    line: int
    start: int
    end: int
    module: str = ""
    before: str = ""
    #: the block of Python that a block of text is about
    about: Block | None = None
    #: what is changed before the commands of a console block run
    changes: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For the names of tests."""
        return f"line {self.line}"

    @property
    def offset(self) -> int:
        return self.before.count("\n")


@dataclass
class Page:
    """A guide: its blocks in order, its modules by name, the files that console blocks see."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)

    def having(self, role: str) -> list[Block]:
        return [block for block in self.blocks if block.role == role]


def read(path: Path) -> Page:
    page = Page(path)
    text = path.read_text(encoding="utf-8")
    name = ""
    latest: Block | None = None
    changes: list[Block] = []
    for match in _FENCE.finditer(text):
        language, _, info = match[1].partition(" ")
        role, _, option = info.partition("=")
        line = text.count("\n", 0, match.start()) + 1
        block = Block(language, role or _plain(language), option, match[2], line, match.start(2), match.end(2))
        page.blocks.append(block)
        if block.role == "module":
            name = f"guide_{len(page.modules) + 1}"
            page.modules[name] = ""
        if language == "python" and block.role in ("module", "continue", "error", "fails"):
            above = page.modules.get(name, "")
            block.module, block.before = name, above + ("\n\n" if above else "")
            if block.role == "error" and "from neokernel.lang " in block.text:
                block.module, block.before = "guide", ""
            if block.role != "error":
                page.modules[name] = block.before + block.text
            latest = block
        elif block.role == "program":
            page.programs[option] = block.text
        elif block.role == "change":
            changes.append(block)
        elif block.role == "console":
            block.changes, changes = changes, []
        elif language == "text":
            block.about = latest
    return page


def _plain(language: str) -> str:
    return "console" if language == "console" else "plain"


# --- what blocks give -------------------------------------------------------------------------------------------------


def messages(block: Block) -> str:
    """What the compiler prints about a rejected block; empty when it accepts it."""
    found = analyse_source(block.before + block.text, block.module).diagnostics
    texts = []
    for diagnostic in found:
        moved = dataclasses.replace(
            diagnostic,
            span=_moved(diagnostic.span, block),
            notes=tuple(_noted(where, note, block) for where, note in diagnostic.notes),
        )
        texts.append(render(moved, block.text) + "\n")
    return "\n".join(texts)


def _noted(where: Span | None, note: str, block: Block) -> tuple[Span | None, str]:
    """What a note is about may stand above the block, where the page's lines have no numbers."""
    if where is not None and where.line <= block.offset:
        return None, f"{note.removesuffix('here')}above"
    return where and _moved(where, block), note


def _moved(span: Span, block: Block) -> Span:
    line, end_line = span.line - block.offset, span.end_line - block.offset
    assert line > 0, f"{block.name}: the message is about line {span.line} of the module, above the block"
    return Span(SHOWN, line, span.column, end_line, span.end_column)


def failing_function(block: Block) -> str:
    """The function that a `fails` block shows."""
    found = _FUNCTION.findall(block.text)
    assert found, f"{block.name}: no function without parameters"
    last: str = found[-1]
    return last


def traceback(block: Block) -> str:
    """What a failing block prints under CPython."""
    module = lang.load_module(block.before + block.text, block.module)
    try:
        getattr(module, failing_function(block))()
        raise AssertionError(f"{block.name}: it doesn't fail")
    except lang.CheckFailed as failure:
        crash = crash_of(failure)
    finally:
        sys.modules.pop(block.module, None)
    linecache.cache[SHOWN] = (len(block.text), None, block.text.splitlines(keepends=True), SHOWN)
    frames = (_moved_frame(frame, block) for frame in crash.frames if frame.line > block.offset)
    return dataclasses.replace(crash, frames=tuple(frames)).text


def _moved_frame(frame: Frame, block: Block) -> Frame:
    end_line = None if frame.end_line is None else frame.end_line - block.offset
    return dataclasses.replace(frame, file=SHOWN, line=frame.line - block.offset, end_line=end_line)


def cases(page: Page) -> list[meanings.Case]:
    """Every example of the page as a program: one for the examples of a module, one for each that fails."""
    made = []
    for name, source in page.modules.items():
        examples = _EXAMPLE.findall(source)
        if examples:
            made.append(meanings.Case(name, _program(source, examples)))
    for number, block in enumerate(page.having("fails")):
        if block.option == "contract":
            continue  # contracts are checked under CPython alone
        source = block.before + block.text
        name = f"{block.module}_fails_{number}"
        made.append(meanings.Case(name, _program(source, [failing_function(block)]), block.option))
    return made


def _program(source: str, functions: list[str]) -> meanings.Program:
    calls = "".join(f"    {name}()\n" for name in functions)
    header = "from tests.fuzz.observations import Output"
    return meanings.Program(f"{source}\n\n{header}\n\n\ndef main(out: Output) -> None:\n{calls}")


def run(page: Page, block: Block, folder: Path, *, counted: bool = False) -> str:
    """Run a console block's commands in `folder`; the block as it should read.

    `counted`: in the time of instructions. So what the page says of milliseconds is so on any host.
    """
    for name, source in page.programs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(with_free_ports(source), encoding="utf-8")
    # A system names its models by where they lie beside it.
    for name, where in (("examples", "examples/"), ("systems", "systems/"), ("models", "systems/")):
        if where in block.text:
            shutil.copytree(PACKAGE_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for change in block.changes:
        path = folder / change.option
        path.write_text(changed(path.read_text(encoding="utf-8"), change.text), encoding="utf-8")
    out = ""
    for command, _ in _commands(block):
        program, *arguments = command.split()
        assert program == "nk", f"{block.name}: only nk is run, not {program}"
        if counted and arguments[0] == "run" and "--host" not in arguments:
            arguments.insert(1, "--counted")
        environment = {
            # As a reader's: pytest says more where it is told of continuous integration.
            **{name: value for name, value in os.environ.items() if name != "CI"},
            "NO_COLOR": "1",
            "COLUMNS": "120",
            # Tests of programs start `nk` themselves.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PACKAGE_ROOT),
            "PYTHONSAFEPATH": "1",
        }
        done = run_nk(arguments, folder=folder, environment=environment, together=True)
        out += f"$ {command}\n{done.stdout}"
    # On a terminal, as the pages show it, these lines are gone when what they tell of is done.
    out = re.sub(r"^(building|signing|booting) .*\n|^signing\n", "", out, flags=re.MULTILINE)
    out = re.sub(r"in \d+\.\d+s(?: \(\d+:\d\d:\d\d\))?$", "in 0.01s", out, flags=re.MULTILINE)
    return re.sub(r"\d+ records of \d+\.\d+ s$", "170 records of 0.01 s", out, flags=re.MULTILINE)


def with_free_ports(source: str) -> str:
    """A system file whose `forward` has ports that nobody else has on this host: other tests run at the same time."""

    def free(found: re.Match[str]) -> str:
        return re.sub(r'"(tcp|udp)/\d+"', lambda port: f'"{port[1]}/{free_ports(1)[0]}"', found[0])

    return re.sub(r"^forward = .*$", free, source, flags=re.MULTILINE)


def changed(text: str, change: str) -> str:
    """A file's text after a change; each part of it says in one place what it replaces."""
    for part in re.split(r"^@@.*\n", change, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        assert {line[0] for line in lines} <= set(" -+"), f"lines of a change begin with ' ', '-' or '+':\n{part}"
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert before, f"nothing says where this goes:\n{part}"
        assert f"\n{text}".count(f"\n{before}") == 1, f"the file has this not once:\n{before}"
        text = f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]
    return text


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^\$ (.+)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"{block.name}: the first line is a command"
    yield from zip(parts[1::2], parts[2::2], strict=True)


def fits(expected: str, printed: str) -> bool:
    """Is `printed` what the page says? A line `…` stands for any lines, `…` in a line for any part of it."""
    pattern = "".join(map(_pattern, expected.splitlines(keepends=True)))
    return re.fullmatch(pattern, printed) is not None


def _pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return re.escape(line).replace("…", ".*")


def in_order(expected: str, lines: list[str]) -> str | None:
    """Are the expected lines among `lines`, in this order? The first that isn't; None if they are."""
    rest = iter(lines)
    for line in expected.splitlines():
        pattern = re.compile(re.escape(line).replace("…", ".*"))
        if not any(pattern.fullmatch(found) for found in rest):
            return line
    return None


def printed(page: Page, block: Block, folder: Path) -> str | None:
    """What is printed today where the page has `block`; None for a block that shows no output."""
    if block.role == "console":
        return run(page, block, folder)
    if block.about is None:
        return None
    if block.role == "error":
        return messages(block.about)
    return traceback(block.about) if block.role == "traceback" else None


def update(path: Path) -> None:
    """Write what is printed today into the page, where it differs from what is there."""
    page = read(path)
    text = path.read_text(encoding="utf-8")
    for block in reversed(page.blocks):
        with tempfile.TemporaryDirectory() as folder:
            now = printed(page, block, Path(folder))
        if now is not None and not fits(block.text, now):
            text = text[: block.start] + now + text[block.end :]
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        update(Path(argument))
