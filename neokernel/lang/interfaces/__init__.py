"""Typed interfaces: from syntax to syntax, before anything else looks at a module.

`expand` turns `@interface` classes into proxies and dispatchers (`generate.py`), and the declarations of what a program
uses and provides into constants (`declare.py`). Compiler and import hook both call it, so both run the same source.

Invariant: a module that has none of the words is given back as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.lang.interfaces.declare import BROKEN, Declaration, Declarer, broken
from neokernel.lang.interfaces.generate import (
    IMPORTS,
    POST_IMPORTS,
    RING_IMPORTS,
    Generator,
    Types,
    poster_name,
    relocate,
    server_name,
    taker_name,
)
from neokernel.lang.interfaces.model import LANGUAGE, Contract, Find, Names, Problem, Reader

__all__ = [
    "BROKEN",
    "Contract",
    "Declaration",
    "Find",
    "Problem",
    "contracts_of",
    "declarations_of",
    "expand",
    "is_concerned",
]

#: what a module imports from the language if there is something to expand
WORDS = frozenset(
    {"interface", "uses", "provides", "setting", "slot_of", "Uses", "Provides", "Setting"}
    | {"posts", "takes", "outbox_of", "Posts", "Takes"}
)


def is_concerned(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == LANGUAGE and any(a.name in WORDS for a in node.names)
        for node in tree.body
    )


def contracts_of(tree: ast.Module, module: str, find: Find) -> list[Contract]:
    """The interfaces that a module defines. Raises Problem."""
    names = Names(module, tree, find)
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and names.decorated(node) == "interface"]
    return [Reader(names).contract(node) for node in found]


def declarations_of(tree: ast.Module, module: str, find: Find) -> list[Declaration]:
    """What a program declares, in order. What is wrong is left out."""
    names = Names(module, tree, find)
    declarer = Declarer(names, Types(module, {}), lambda problem: None)
    declarer.module([node for node in tree.body if isinstance(node, ast.AnnAssign)])
    return declarer.found


def expand(tree: ast.Module, module: str, find: Find, report: Callable[[Problem], None]) -> ast.Module:
    """The module without the words. `find` gives modules as they were written; the tree itself isn't changed.

    What is wrong is reported, and left out.
    """
    if not is_concerned(tree):
        return tree
    names = Names(module, tree, find)
    types = Types(module, {})
    declarer = Declarer(names, types, report)
    body: list[ast.stmt] = []
    first: int | None = None
    posted = False
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and names.decorated(node) == "interface":
            first = len(body) if first is None else first
            try:
                contract = Reader(names).contract(node)
                body += Generator(contract, types).classes()
                posted = posted or contract.is_posted
            except Problem as problem:
                report(problem)
                lost = (node.name, *(name(node.name) for name in (server_name, poster_name, taker_name)))
                body += [broken(name, node) for name in lost]
        else:
            made = declarer.module([node])
            if first is None and made and is_declaration(node, declarer):
                first = len(body)
            body += made
    if first is None and (declarer.rings or declarer.imports):
        first = next(place for place, node in enumerate(body) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    if first is not None:
        where = tree.body[min(first, len(tree.body) - 1)]
        more = [POST_IMPORTS] * posted + [RING_IMPORTS] * bool(declarer.rings)
        imports = ast.parse("\n".join([IMPORTS, *more, *types.imports, *declarer.imports])).body
        for item in imports:
            relocate(item, where)
        body[first:first] = [*imports, *declarer.classes(where)]
    return ast.Module(body, tree.type_ignores)


def is_declaration(node: ast.stmt, declarer: Declarer) -> bool:
    """Was this one understood as a declaration?"""
    return isinstance(node, ast.AnnAssign) and any(item.node.lineno == node.lineno for item in declarer.found)
