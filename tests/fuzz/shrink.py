"""Makes a program smaller as long as it keeps its mistake.

Works on the source's syntax tree, whoever wrote it: it takes away statements, unwraps blocks, and puts parts of
expressions, or constants, in their place. What isn't a valid program any more simply doesn't have the mistake.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

Differs = Callable[[str], bool]


def shrink(source: str, differs: Differs, seconds: float = 60) -> str:
    """The smallest program found in the time that still `differs`; comments and layout are lost."""
    deadline = time.monotonic() + seconds
    best = ast.parse(source)
    text = ast.unparse(best)
    if not differs(text):
        return source
    progress = True
    while progress:
        progress = False
        for change in (_remove_statements, _unwrap, _simplify):
            position = 0
            while time.monotonic() < deadline:
                candidate = copy.deepcopy(best)
                if not change(candidate, position):
                    break
                smaller = _text(candidate)
                if smaller is not None and smaller != text and len(smaller) <= len(text) and differs(smaller):
                    best, text, progress = ast.parse(smaller), smaller, True
                else:
                    position += 1
    return text


def _text(tree: ast.Module) -> str | None:
    try:
        text = ast.unparse(ast.fix_missing_locations(tree))
        ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    return text


def _blocks(tree: ast.AST) -> Iterator[list[Any]]:
    """All lists of statements, outermost first."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "cases"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block:
                yield block


def _remove_statements(tree: ast.Module, position: int) -> bool:
    """Take away a run of statements: whole halves first, single ones last."""
    runs = []
    for block in _blocks(tree):
        size = len(block)
        while size:
            runs += [(size, block, start) for start in range(0, len(block) - size + 1, size)]
            size //= 2
    runs.sort(key=lambda run: -run[0])
    if position >= len(runs):
        return False
    size, block, start = runs[position]
    del block[start : start + size]
    if not block:
        block.append(ast.Pass())
    return True


def _unwrap(tree: ast.Module, position: int) -> bool:
    """Put a compound statement's body in its place."""
    seen = 0
    for block in _blocks(tree):
        for place, node in enumerate(block):
            if isinstance(node, ast.If | ast.For | ast.While | ast.With):
                if seen == position:
                    block[place : place + 1] = node.body
                    return True
                seen += 1
    return False


def _simplify(tree: ast.Module, position: int) -> bool:
    """Put a part of an expression in its place."""
    seen = 0
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
            for place, part in enumerate(values):
                if not isinstance(part, ast.expr) or isinstance(part, ast.Name | ast.Constant):
                    continue
                for smaller in _parts(part):
                    if seen == position:
                        if isinstance(value, list):
                            value[place] = smaller
                        else:
                            setattr(node, name, smaller)
                        return True
                    seen += 1
    return False


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not isinstance(child, ast.Slice | ast.Starred):
            yield child
        elif isinstance(child, ast.keyword):
            yield child.value
    if isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield ast.Constant(True)
        yield ast.Constant(False)
