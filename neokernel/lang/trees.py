"""Syntax trees, gone through and copied: what `ast.walk` and `copy.deepcopy` do, for less than half of their time.

Compiler, import hook and expansion of interfaces do little else with some modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeVar

N = TypeVar("N", bound=ast.AST)

#: fields with operators and contexts, of which there are as many as of all else, and which hold nothing
_BARE = frozenset({"ctx", "op", "ops"})


def walk(root: ast.AST) -> Iterator[ast.AST]:
    """The node and all nodes in it but operators and contexts; outer ones before inner ones, in no other order."""
    work = [root]
    while work:
        node = work.pop()
        yield node
        for name in node._fields:
            if name in _BARE:
                continue
            found = getattr(node, name, None)
            if isinstance(found, list):
                work += [each for each in found if isinstance(each, ast.AST)]
            elif isinstance(found, ast.AST):
                work.append(found)


def copied(node: N) -> N:
    """A copy of the tree, of which no node is the original's."""
    made = type(node).__new__(type(node))
    for name, value in vars(node).items():
        if isinstance(value, ast.AST):
            value = copied(value)
        elif isinstance(value, list):
            value = [copied(each) if isinstance(each, ast.AST) else each for each in value]
        setattr(made, name, value)
    return made
