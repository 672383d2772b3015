"""What a function is, as a hash: of the typed IR of it and of all that it calls, and of the types that these name.

Equal hashes mean equal programs, wherever they stand in the sources; so what was found out about a function holds as
long as its hash does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from neokernel.compiler import dump, ir
from neokernel.compiler.lives import statements
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


def everything(block: ir.Block) -> Iterable[ir.Statement]:
    """Every statement in a block, ghost code included."""
    for statement in statements(block):
        yield statement
        if isinstance(statement, ir.Ghost):
            yield from everything(statement.block)


def nodes_of(function: ir.Function) -> Iterable[ir.Statement]:
    """The same of a function, contracts included."""
    yield from everything(function.body)
    for contract in (*function.requires, *function.ensures, *function.entry):
        yield from everything(contract.block)


def checks_of(function: ir.Function) -> Iterable[ir.Check]:
    """All checks of a function, contracts included."""
    for node in nodes_of(function):
        match node:
            case ir.Instruction(checks=checks):
                yield from checks
            case ir.Fail(check=check):
                yield check


def reachable(functions: Iterable[ir.Function]) -> list[ir.Function]:
    """These functions and all that they call; contracts and other ghost code aren't followed."""
    found: dict[ir.Function, None] = {}
    work = list(functions)
    while work:
        one = work.pop()
        if one not in found:
            found[one] = None
            work += [node.function for node in everything(one.body) if isinstance(node, ir.Call)]
    return sorted((one for one in found if not one.ghost), key=lambda one: one.symbol)


class Parts:
    """What goes into digests of each function by itself, found once for many digests: while they're made, the program
    stays as it is."""

    def __init__(self) -> None:
        self._texts: dict[ir.Function, bytes] = {}
        self._callees: dict[ir.Function, list[ir.Function]] = {}
        self._named: dict[ir.Function, frozenset[int]] = {}
        #: each type has a number, and its text
        self._numbers: dict[Type, int] = {}
        self._fields: list[str] = []
        self._names: dict[Type, str] = {}

    def text(self, function: ir.Function) -> bytes:
        found = self._texts.get(function)
        if found is None:
            of = function.invariant_of
            text = f"{dump.dump_function(function, self.name)}\n{self.name(of) if of is not None else ''}\n"
            found = self._texts[function] = text.encode()
        return found

    def name(self, type_: Type) -> str:
        """What the type is called, with its module; of an instance of a generic type, also what its fields are."""
        found = self._names.get(type_)
        if found is None:
            self._names[type_] = str(type_)  # where it names itself
            found = self._names[type_] = self._name(type_)
        return found

    def _name(self, type_: Type) -> str:
        match type_:
            case StructType(module=module, fields=fields) | ValueType(module=module, fields=fields):
                inside = ", ".join(self.name(f.type) for f in fields.values()) if "[" in str(type_) else ""
                return f"{module}.{type_}({inside})"
            case WireType(module=module) | EnumType(module=module):
                return f"{module}.{type_}"
            case RefType(target) | ArrayType(target) | SpanType(target):
                return f"{type_} of {self.name(target)}"
            case UnionType(items) | TupleType(items):
                return f"{type_} of {', '.join(map(self.name, items))}"
        return str(type_)

    def callees(self, function: ir.Function) -> list[ir.Function]:
        """What it calls, in contracts too."""
        found = self._callees.get(function)
        if found is None:
            found = [node.function for node in nodes_of(function) if isinstance(node, ir.Call)]
            self._callees[function] = found
        return found

    def named(self, function: ir.Function) -> frozenset[int]:
        """The types that it names, and all that those name, by their numbers."""
        found = self._named.get(function)
        if found is None:
            types: dict[Type, None] = {}
            for type_ in (function.result, *(var.type for var in function.variables), *_types(nodes_of(function))):
                _describe(type_, types)
            found = self._named[function] = frozenset(map(self._number, types))
        return found

    def fields(self, number: int) -> str:
        """A type's text."""
        return self._fields[number]

    def _number(self, type_: Type) -> int:
        found = self._numbers.get(type_)
        if found is None:
            found = self._numbers[type_] = len(self._fields)
            self._fields.append(self._describe(type_))
        return found

    def _describe(self, type_: Type) -> str:
        match type_:
            case StructType(fields=fields) | ValueType(fields=fields):
                inside = [(f.name, self.name(f.type), f.inline, f.ghost, f.atomic) for f in fields.values()]
                return f"{self.name(type_)} {inside}"
            case WireType(fields=parts):
                return (
                    f"{self.name(type_)} {type_.size} {[(p.name, self.name(p.type), p.bits) for p in parts.values()]}"
                )
            case EnumType(members=members, storage=storage):
                return f"{self.name(type_)} {members} {storage}"
        return self.name(type_)


def cone(functions: Iterable[ir.Function], parts: Parts | None = None) -> list[ir.Function]:
    """These functions and all that they call, in contracts too."""
    parts = parts or Parts()
    found: dict[ir.Function, None] = {}
    work = list(functions)
    while work:
        one = work.pop()
        if one not in found:
            found[one] = None
            work += parts.callees(one)
    return sorted(found, key=lambda one: one.symbol)


def in_ghost_code(functions: Iterable[ir.Function]) -> set[ir.Function]:
    """What contracts and other ghost code call, and all that this calls: of these functions and of those in their
    cone."""
    called: dict[ir.Function, None] = {}
    for one in cone(functions):
        ghosts = [node for node in statements(one.body) if isinstance(node, ir.Ghost)]
        blocks = [ghost.block for ghost in (*one.requires, *one.ensures, *one.entry, *ghosts)]
        blocks += [one.body] if one.ghost else []
        called |= {node.function: None for block in blocks for node in everything(block) if isinstance(node, ir.Call)}
    return set(cone(called))


def digest(functions: Iterable[ir.Function], also: str = "", parts: Parts | None = None) -> str:
    """Of functions with all that they call; `also` goes in. `parts`: what other digests of the program have found."""
    parts = parts or Parts()
    found = hashlib.sha256(also.encode())
    types = set[int]()
    for one in cone(functions, parts):
        found.update(parts.text(one))
        types |= parts.named(one)
    for text in sorted(map(parts.fields, types)):
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
