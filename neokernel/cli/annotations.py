"""`nk prove --annotations`: how much is written for proofs, beside the kernel itself, in tokens by file.

An annotation is a contract, an invariant of a loop or struct, the bound of a loop, or a function that only those call.
Comments, docstrings, imports and ends of lines count on neither side.
"""

from __future__ import annotations

import ast
import io
import token
import tokenize
from dataclasses import dataclass
from pathlib import Path

import click

from neokernel.cli.output import print_json
from neokernel.compiler.source import PACKAGE_ROOT

CALLS = {"requires", "ensures", "loop_invariant", "loop_bound"}
KERNEL, SPEC = PACKAGE_ROOT / "neokernel" / "kernel", PACKAGE_ROOT / "neokernel" / "spec"
_LAYOUT = {token.NEWLINE, token.NL, token.INDENT, token.DEDENT, token.COMMENT, token.ENDMARKER, token.ENCODING}


@dataclass(frozen=True, slots=True)
class Count:
    file: str
    code: int
    annotations: int


def count(text: str, file: str) -> Count:
    """The tokens of a module."""
    tree = ast.parse(text)
    skipped, noted = list[ast.AST](), list[ast.AST]()
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                skipped.append(node)
            case ast.Expr(value=ast.Constant(value=str())):
                skipped.append(node)
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in CALLS:
                noted.append(node)
            case ast.FunctionDef(decorator_list=[ast.Name(id="invariant" | "ghost"), *_]):
                noted.append(node)
    unread, marked = _lines(skipped), _lines(noted)
    found = [
        each.start[0] in marked
        for each in tokenize.generate_tokens(io.StringIO(text).readline)
        if each.type not in _LAYOUT and each.start[0] not in unread
    ]
    return Count(file, found.count(False), found.count(True))


def _lines(nodes: list[ast.AST]) -> set[int]:
    """The lines of statements; a function's decorators are above it."""
    lines: set[int] = set()
    for node in nodes:
        assert isinstance(node, ast.stmt)
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        lines |= set(range(first, (node.end_lineno or node.lineno) + 1))
    return lines


def show_annotations(*, as_json: bool) -> int:
    counts = [_count(path) for path in sorted(KERNEL.glob("*.py"))]
    counts = [each for each in counts if each.code]
    spec = sum(each.code + each.annotations for each in map(_count, sorted(SPEC.glob("*.py"))))
    code, annotations = sum(each.code for each in counts), sum(each.annotations for each in counts) + spec
    if as_json:
        files = [{"file": each.file, "code": each.code, "annotations": each.annotations} for each in counts]
        print_json({"files": files, "spec": spec, "code": code, "annotations": annotations})
        return 0
    click.echo(f"{'code':>8}{'annotations':>13}{'per token':>11}")
    for each in counts:
        click.echo(f"{each.code:8,}{each.annotations:13,}{each.annotations / each.code:11.2f}  {each.file}")
    click.echo(f"{'':8}{spec:13,}{'':11}  neokernel/spec")
    click.echo(f"{code:8,}{annotations:13,}{annotations / code:11.2f}  all")
    return 0


def _count(path: Path) -> Count:
    return count(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE_ROOT)))
