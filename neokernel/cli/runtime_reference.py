"""The runtime's reference, out of its sources: what each module of `neokernel/runtime` defines for programs.

Everything stands there but names that begin with an underscore: docstrings as they are, `#:` comments beside what they
comment, declarations as they are written. Nothing is imported, so a page can be made of sources that don't compile.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from neokernel.cli.reference import Function, Item, Outline, anchor, declaration, link, table
from neokernel.compiler.source import PACKAGE_ROOT

RUNTIME = PACKAGE_ROOT / "neokernel" / "runtime"
PAGE = PACKAGE_ROOT / "docs" / "reference" / "runtime.md"
PREFIX = "neokernel.runtime."

#: what is read first; all others follow
ORDER = ("process", "must", "space", "thread", "system", "capabilities", "mutex", "semaphore", "tracing", "format")

INTRODUCTION = """\
# The runtime

What programs above the kernel are written with, module by module. Written by `nk manual` from the sources in
`neokernel/runtime`; a test fails when it isn't what they say. [Processes](../guide/processes.md) teaches it,
[Containers](containers.md) shows the containers at work, and [the kernel's interface](kernel.md) says what each
operation does, needs, and fails with.
"""


def manual(folder: Path = RUNTIME) -> str:
    """The page."""
    paths = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    paths.sort(key=lambda path: ORDER.index(path.stem) if path.stem in ORDER else len(ORDER))
    rows, parts = [], []
    for path in paths:
        outline = Outline.of(path.read_text(encoding="utf-8"))
        title = PREFIX + path.stem
        rows.append([f"[`{path.stem}`](#{anchor(title)})", outline.title, ", ".join(classes(outline))])
        parts += [f"## {title}\n", f"{outline.text}\n", *module(path.stem, outline)]
    return "\n".join([INTRODUCTION, table(["module", "what it is", "classes"], rows), *parts])


def classes(outline: Outline) -> list[str]:
    return [link(item.name) for item in public(outline.items()) if isinstance(item.node, ast.ClassDef)]


def public(items: Iterator[Item]) -> list[Item]:
    return [item for item in items if not item.name.startswith("_") and not is_type_variable(item.node)]


def is_type_variable(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Assign) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "TypeVar"


def module(name: str, outline: Outline) -> Iterator[str]:
    """Constants, then classes, then functions, each in the order of the source."""
    items = public(outline.items())
    constants = [item for item in items if isinstance(item.node, ast.Assign | ast.AnnAssign)]
    if constants:
        yield table(
            ["constant", "value", "what"], [[f"`{i.name}`", value(outline, i.node), said(i)] for i in constants]
        )
    for item in items:
        if isinstance(item.node, ast.ClassDef):
            yield from class_of(outline, item, item.node)
    functions = [item.node for item in items if isinstance(item.node, Function)]
    if functions:
        yield f"### Functions of {name}\n"
        yield "".join(map(function, functions))


def class_of(outline: Outline, item: Item, node: ast.ClassDef) -> Iterator[str]:
    yield f"### {item.name}\n"
    decorators = "".join(f"@{ast.unparse(decorator)} " for decorator in node.decorator_list)
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    yield f"`{decorators}class {item.name}{bases}`\n"
    yield from (f"{text}\n" for text in (ast.get_docstring(node), item.comment) if text)
    inside = public(outline.items(node.body))
    fields = [i for i in inside if isinstance(i.node, ast.Assign | ast.AnnAssign)]
    if fields:
        rows = [[f"`{i.name}`", kind(i.node), value(outline, i.node), said(i)] for i in fields]
        yield table(["field", "type", "value at first", "what"], rows)
    methods = [i.node for i in inside if isinstance(i.node, Function)]
    if methods:
        yield "".join(map(function, methods))


def function(node: Function) -> str:
    """A bullet: the declaration without `self`, what it says of itself, and what it asks the kernel for."""
    text = (ast.get_docstring(node) or "").replace("\n", "\n  ")
    asked = ", ".join(dict.fromkeys(operations(node)))
    rest = " ".join(part for part in (text, f"({asked})" if asked else "") if part)
    awaited = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    lines = f"- `{awaited}{declaration(node)}`{':' if rest else ''} {rest}".rstrip()
    return re.sub(r"[ \t]+$", "", lines, flags=re.MULTILINE) + "\n"


def operations(node: Function) -> Iterator[str]:
    """Links to the calls and operations that a function's body names."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            if part.value.id == "Operation" and part.attr.isupper():
                yield f"[{part.attr}](kernel.md#{anchor(part.attr)})"
            elif part.value.id == "Call" and part.attr.isupper():
                yield f"[{part.attr}](kernel.md#call)"


def kind(node: ast.stmt) -> str:
    return f"`{ast.unparse(node.annotation)}`" if isinstance(node, ast.AnnAssign) else ""


def value(outline: Outline, node: ast.stmt) -> str:
    """As it is written, so that a number keeps its base."""
    given = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    written = ast.get_source_segment("\n".join(outline.lines), given) if given is not None else None
    return f"`{' '.join(written.split())}`" if written else ""


def said(item: Item) -> str:
    return item.comment if item.first else ""
