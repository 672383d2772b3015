"""What was proven is remembered, by content: a function is proven again only when something that its proof reads
changes.

The key of a proof is the hash of the typed IR of its function and of all that it calls or that is an invariant, of the
types these name, of the checks that were taken as proven, of the prover's own sources and of Z3's version. The folder
may be deleted at any time. A record appears whole, under its final name.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import z3

from neokernel.compiler import dump, ir
from neokernel.compiler.types import (
    ArrayType,
    EnumType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)
from neokernel.prover.writes import everything

FOLDER = Path("build") / "proofs"


@functools.cache
def _tools() -> str:
    """The prover's sources, and what it rests on."""
    found = hashlib.sha256(z3.get_version_string().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def cone(function: ir.Function, invariants: Iterable[ir.Function]) -> list[ir.Function]:
    """The functions that a proof of `function` may look at."""
    found: dict[ir.Function, None] = {}
    work = [*invariants, function]
    while work:
        one = work.pop()
        if one not in found:
            found[one] = None
            work += [node.function for node in _all(one) if isinstance(node, ir.Call)]
    return sorted(found, key=lambda one: one.symbol)


def _all(function: ir.Function) -> Iterable[ir.Statement]:
    yield from everything(function.body)
    for contract in (*function.requires, *function.ensures, *function.entry):
        yield from everything(contract.block)


def key(function: ir.Function, invariants: Iterable[ir.Function], proven: set[int], limits: object) -> str:
    """The name of the function's record."""
    found = hashlib.sha256(f"{_tools()} {function.symbol} {limits}\n".encode())
    types: dict[Type, None] = {}
    for one in cone(function, invariants):
        found.update(dump.dump_function(one).encode())
        nodes = list(_all(one))
        held = [c.index for node in nodes for c in getattr(node, "checks", ()) if id(c) in proven]
        found.update(f"\nproven {held} {one.invariant_of}\n".encode())
        for type_ in (one.result, *(var.type for var in one.variables), *_types(nodes)):
            _describe(type_, types)
    for text in sorted(_fields(type_) for type_ in types):
        found.update(text.encode())
    return found.hexdigest()


def _types(nodes: Iterable[ir.Statement]) -> Iterable[Type]:
    for node in nodes:
        result = getattr(node, "result", None)
        if result is not None:
            yield result.type
        for name in ("struct", "wire"):
            if hasattr(node, name):
                yield getattr(node, name)


def _describe(type_: Type, found: dict[Type, None]) -> None:
    """The type and all that it names."""
    if type_ in found:
        return
    found[type_] = None
    match type_:
        case StructType(fields=fields) | ValueType(fields=fields):
            for f in fields.values():
                _describe(f.type, found)
        case WireType(fields=parts):
            for part in parts.values():
                _describe(part.type, found)
        case RefType(target) | ArrayType(target) | SpanType(target):
            _describe(target, found)
        case UnionType(items) | TupleType(items):
            for item in items:
                _describe(item, found)


def _fields(type_: Type) -> str:
    match type_:
        case StructType(module=module, fields=fields) | ValueType(module=module, fields=fields):
            inside = [(f.name, str(f.type), f.inline, f.ghost, f.atomic) for f in fields.values()]
            return f"{module} {type_} {inside}"
        case WireType(module=module, fields=parts):
            return f"{module} {type_} {type_.size} {[(p.name, str(p.type), p.bits) for p in parts.values()]}"
        case EnumType(module=module, members=members, storage=storage):
            return f"{module} {type_} {members} {storage}"
    return str(type_)


def places(function: ir.Function, invariants: Iterable[ir.Function]) -> str:
    """Where in the sources all that lies: messages of another place aren't shown."""
    found = hashlib.sha256()
    for one in cone(function, invariants):
        found.update(repr([one.span, *(node.span for node in _all(one))]).encode())
    return found.hexdigest()


def load(name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def store(name: str, record: dict[str, Any]) -> None:
    """Keep a record, if there is a place for it."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        fresh = FOLDER / f"{name}.{os.getpid()}"
        fresh.write_text(json.dumps(record), encoding="utf-8")
        fresh.replace(FOLDER / f"{name}.json")
    except OSError:
        return
