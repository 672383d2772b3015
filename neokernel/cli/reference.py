"""The kernel's reference manual, out of its sources: `neokernel/abi`, and which failures `neokernel/kernel` returns.

Everything that `neokernel/abi` defines is in it: docstrings as they stand, `#:` comments beside what they comment, and
numbers and layouts as Python computes them. What the comments of operations mean is said in `abi/operations.py`. What a
program writes is read out of `neokernel/runtime/system.py`.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from neokernel import lang
from neokernel.abi.call import REGISTER_WORDS
from neokernel.abi.status import FIRST, TRAVELLING
from neokernel.cli.failures import Failures, collect
from neokernel.compiler.source import PACKAGE_ROOT

#: definitions of functions
Function = ast.FunctionDef | ast.AsyncFunctionDef
ABI = PACKAGE_ROOT / "neokernel" / "abi"
RUNTIME = PACKAGE_ROOT / "neokernel" / "runtime" / "system.py"
PAGE = PACKAGE_ROOT / "docs" / "reference" / "kernel.md"

#: what is read first; all others follow
ORDER = (
    "call",
    "status",
    "rights",
    "kinds",
    "operations",
    "buffer",
    "fault",
    "boot",
    "archive",
    "description",
    "trace",
    "names",
)

INTRODUCTION = """\
# The kernel's interface

Everything that a program and the kernel must agree about. Written by `nk manual` from the sources in `neokernel/abi`
and `neokernel/kernel`; a test fails when it isn't what they say. [The kernel's design](../design/kernel.md) says why.

*Fails with* lists what the kernel's source returns, in the order in which it looks: of two mistakes, the first in the
list is told. In brackets stands what the [status](#how-a-system-call-ended) is about: a register, a capability that
travels with the message, or the receive window (*window*). *In a program* shows the function of
`neokernel.runtime.system`.

Times are in ticks of the machine's timer, sizes in bytes, indices count from 0.
"""


@dataclass(frozen=True)
class Item:
    """Something that a module or class defines: its name, its syntax, and the `#:` comment that it stands under.

    `first`: of those that stand under one comment, is it the first?
    """

    name: str
    node: ast.stmt
    comment: str = ""
    first: bool = True


@dataclass(frozen=True)
class Outline:
    """What is written in a module: its docstring, and what it defines."""

    lines: list[str]
    tree: ast.Module

    @classmethod
    def of(cls, text: str) -> Outline:
        return cls(text.splitlines(), ast.parse(text))

    @property
    def text(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def title(self) -> str:
        return re.split(r"[:.](?:\s|$)", self.text, maxsplit=1)[0]

    @property
    def body(self) -> str:
        """What the docstring says beside the title."""
        text = self.text[len(self.title) + 1 :].strip()
        return text[:1].upper() + text[1:]

    def items(self, body: list[ast.stmt] | None = None) -> Iterator[Item]:
        """What is defined in the module, or in a class's body, in order."""
        comment, end = "", 0
        for node in self.tree.body if body is None else body:
            name = defined(node)
            if name is None:
                continue
            said = self.comment_above(first_line(node))
            together = not said and first_line(node) == end + 1 and isinstance(node, ast.Assign | ast.AnnAssign)
            comment = comment if together else said
            end = node.end_lineno or node.lineno
            yield Item(name, node, comment, first=not together)

    def comment_above(self, line: int) -> str:
        found: list[str] = []
        while line > 1 and self.lines[line - 2].strip().startswith("#:"):
            line -= 1
            found.insert(0, self.lines[line - 1].strip()[2:].strip())
        return " ".join(found)


@dataclass(frozen=True)
class Source(Outline):
    """A module of the ABI: what is written, and what Python makes of it."""

    name: str
    module: ModuleType


def defined(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def first_line(node: ast.stmt) -> int:
    """Of a class or function with its decorators."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(decorator.lineno for decorator in decorators), node.lineno)


def read(path: Path) -> Source:
    outline = Outline.of(path.read_text(encoding="utf-8"))
    module = importlib.import_module(f"neokernel.abi.{path.stem}")
    return Source(outline.lines, outline.tree, path.stem, module)


def sources() -> list[Source]:
    """The modules of the ABI that define something, in the page's order."""
    paths = [path for path in sorted(ABI.glob("*.py")) if path.stem != "__init__"]
    paths.sort(key=lambda path: ORDER.index(path.stem) if path.stem in ORDER else len(ORDER))
    return [read(path) for path in paths]


def manual() -> str:
    """The page."""
    failures = collect()
    found = sources()
    parts = [INTRODUCTION, "**Contents:**\n" + " ·\n".join(f"[{s.title}](#{anchor(s.title)})" for s in found) + "\n"]
    for source in found:
        parts.append(f"## {source.title}\n")
        parts.append(f"{source.body}\n")
        parts += Section(source, failures).parts()
        parts.append(f"Source: `neokernel/abi/{source.name}.py`\n")
    return "\n".join(parts)


def anchor(title: str) -> str:
    """What a link to a heading says, as forges make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@dataclass
class Section:
    """What a module defines."""

    source: Source
    failures: Failures
    made: list[str] = field(default_factory=list)
    #: constants in a row
    constants: list[Item] = field(default_factory=list)

    def parts(self) -> list[str]:
        for item in self.source.items():
            if isinstance(item.node, ast.Assign | ast.AnnAssign):
                self.constants.append(item)
                continue
            self.flush()
            value = getattr(self.source.module, item.name)
            if isinstance(item.node, ast.FunctionDef):
                self.function(item.node)
            elif isinstance(item.node, ast.ClassDef):
                self.heading(item.name, ast.get_docstring(item.node) or "", item.comment)
                if isinstance(value, type) and issubclass(value, Enum):
                    self.enum(item.node, value)
                else:
                    self.layout(item.node, value)
        self.flush()
        return self.made

    def heading(self, name: str, *texts: str) -> None:
        self.made.append(f"### {name}\n")
        self.made += [f"{text}\n" for text in texts if text]

    def flush(self) -> None:
        """Constants as one table."""
        rows = [
            [f"`{item.name}`", number(getattr(self.source.module, item.name)), item.comment if item.first else ""]
            for item in self.constants
        ]
        if rows:
            self.made.append(table(["constant", "value", "what"], rows))
        self.constants.clear()

    def function(self, node: ast.FunctionDef) -> None:
        text = ast.get_docstring(node) or ""
        self.made.append(f"`{declaration(node)}`" + (f": {text}" if text else "") + "\n")

    def enum(self, node: ast.ClassDef, kind: type[Enum]) -> None:
        members = [(item, kind[item.name].value) for item in self.source.items(node.body)]
        if kind.__name__ == "Operation":
            self.operations(members)
            return
        rows = [[str(value), f"`{item.name}`", item.comment if item.first else ""] for item, value in members]
        self.made.append(table(["number", "name", "what"], rows))
        if kind.__name__ == "Call":
            written = functions("Call")
            rows = [
                [f"`{item.name}`", written.get(item.name, ""), self.failures.text(self.failures.calls.get(item.name))]
                for item, _ in members
            ]
            self.made.append(table(["call", "in a program", "fails with"], rows))
            if self.failures.later:
                self.made.append(
                    "A call that waits, or an operation that takes several steps, can also end, by what others do "
                    f"meanwhile, with: {self.failures.text(self.failures.later)}.\n"
                )

    def operations(self, members: list[tuple[Item, int]]) -> None:
        names = [entry.name for entry in rights()]
        parsed = [(item, value, parse_operation(item.comment, names)) for item, value in members]
        rows = [
            [link(name), ", ".join(link(item.name) for item, _, each in parsed if each.object == name)]
            for name in dict.fromkeys(operation.object for _, _, operation in parsed)
        ]
        self.made.append(table(["object", "operations"], rows))
        if self.failures.invocation:
            self.made.append(f"Any operation can fail with: {self.failures.text(self.failures.invocation)}.\n")
        written = functions("Operation")
        before = ""
        for item, value, operation in parsed:
            if operation.object != before:
                self.made.append(f"#### {operation.object}\n")
                before = operation.object
            self.made.append(f"##### {item.name}\n")
            self.made.append(f"{operation.text[:1].upper()}{operation.text[1:]}.\n")
            bullets = [
                ["label", str(value)],
                ["arguments", operation.arguments],
                ["capability that travels", operation.travelling],
                ["result", operation.result],
                ["right", operation.right],
                ["in a program", written.get(item.name, "")],
                ["fails with", self.failures.text(self.failures.operations.get(item.name), operation.names)],
            ]
            self.made.append("".join(f"- {title}: {text}\n" for title, text in bullets if text))

    def layout(self, node: ast.ClassDef, kind: Any) -> None:
        """A struct's fields: where they are."""
        rows = []
        for item in self.source.items(node.body):
            if isinstance(item.node, ast.AnnAssign):
                offset = int(lang.offset_of(kind, item.name))
                count = length_of(item.node, self.source.module)
                what = f"`{ast.unparse(item.node.annotation)}`" + (f" × {count}" if count else "")
                rows.append([str(offset), f"`{item.name}`", what, item.comment if item.first else ""])
        self.made.append(table(["offset", "field", "type", "what"], rows))
        self.made.append(f"{int(lang.size_of(kind)):,} bytes.\n")


def link(title: str) -> str:
    return f"[{title}](#{anchor(title)})"


def functions(kind: str) -> dict[str, str]:
    """By the member of `Operation` or `Call`: the first function of the runtime that names it, as it is declared."""
    found: dict[str, str] = {}
    for node in ast.parse(RUNTIME.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == kind:
                    found.setdefault(part.attr, f"`{declaration(node)}`")
    return found


def declaration(node: Function) -> str:
    """A function as it is declared, a method without `self`."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    arguments = re.sub(r"^self(, |$)", "", ast.unparse(node.args))
    return f"{node.name}({arguments}){returns}"


def rights() -> list[Item]:
    return list(read(ABI / "rights.py").items())


def length_of(node: ast.AnnAssign, module: ModuleType) -> str:
    """The length of an array, as its default says it."""
    default = node.value
    if isinstance(default, ast.Call) and isinstance(default.func, ast.Name) and default.func.id == "array":
        known = {name: value for name, value in vars(module).items() if isinstance(value, int)}
        return str(int(eval(ast.unparse(default.args[0]), {"__builtins__": {}}, known)))  # noqa: S307 - our own source
    return ""


def number(value: object) -> str:
    """A constant, in the base in which it is read best."""
    if not isinstance(value, int):
        return f"`{value!r}`"
    return str(int(value)) if value < 1 << 13 else f"`{int(value):#x}`"


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A table, without columns that are empty."""
    used = [column for column in range(len(titles)) if any(row[column] for row in rows)]
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(line[column].replace("|", "\\|") for column in used) + " |\n" for line in lines)


# --- operations -------------------------------------------------------------------------------------------------------

SHAPE = re.compile(r"(?P<object>\w+) \((?P<arguments>[^)]*)\)(?P<rest>.*)$")
#: behind the arrow: what comes back, then what else is said
RESULT = re.compile(r" → (?P<result>.*?)(?:[:.] (?P<text>.*))?$")
RIGHT = re.compile(r"(?:^|\. |; )(?:(?P<any>Any right)|(?P<name>[A-Z]{2,}))$")


@dataclass(frozen=True)
class Operation:
    """What an operation's comment says. `right` is CONTROL unless it says something else."""

    object: str
    arguments: str
    travelling: str
    result: str
    right: str
    text: str

    @property
    def names(self) -> dict[int, str]:
        """What its arguments are called, by their numbers."""
        found = {int(number): name for number, name in re.findall(r"`a(\d)` ([^,]+)", self.arguments)}
        return found | ({int(TRAVELLING): self.travelling} if self.travelling else {})


def parse_operation(comment: str, rights: list[str]) -> Operation:
    """Take apart: `Object (words; capability) → result: text. RIGHT`."""
    shape = SHAPE.match(comment)
    if shape is None:
        raise ValueError(f"an operation's comment has another form: {comment!r}")
    words, _, travelling = shape["arguments"].partition(";")
    behind = RESULT.match(shape["rest"])
    result = behind["result"].strip() if behind is not None else ""
    text, right = (behind["text"] or "") if behind is not None else shape["rest"].lstrip(":,. "), "CONTROL"
    said = RIGHT.search(text)
    if said is not None and (said["any"] or said["name"] in rights):
        right, text = ("any", text[: said.start()]) if said["any"] else (f"{said['name']}", text[: said.start()])
    return Operation(
        shape["object"],
        registers(words),
        travelling.strip(),
        result if "window" in result else registers(result),
        right,
        text.strip(),
    )


def registers(words: str) -> str:
    """The words of payload, each with its register."""
    names = [word.strip() for word in words.split(",") if word.strip()]
    if len(names) > REGISTER_WORDS:
        raise ValueError(f"more words than registers: {words!r}")
    return ", ".join(f"`a{register}` {name}" for register, name in enumerate(names, int(FIRST)))
