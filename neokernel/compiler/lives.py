"""Which objects a program may retire, and what ends with them.

Builds that watch lives (the JIT's with `poison`) test accesses to these objects only. A test asks for an address and a
*kind*: the kind tells an object from its first field, which has the same address.

Invariant: kinds are numbered by first occurrence in the program, so equal programs have equal numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neokernel.compiler import ir
from neokernel.compiler.types import U8, ArrayType, RefType, SpanType, StructType, Type, WireType


def contents(type_: Type) -> Iterator[Type]:
    """An object's type, and the types of all that lies inside it."""
    yield type_
    match type_:
        case StructType(fields=fields):
            for found in fields.values():
                if found.inline:
                    yield from contents(found.type)
        case ArrayType(element=element, inline=True):
            yield from contents(element)
        case WireType(fields=parts):
            for part in parts.values():
                if isinstance(part.type, WireType | ArrayType):
                    yield from contents(part.type)


def statements(block: ir.Block) -> Iterator[ir.Statement]:
    """Every statement in a block and in the blocks inside it; ghost code is left out."""
    for statement in block:
        yield statement
        if type(statement) in _HOLDERS:
            for inner in blocks_of(statement):
                yield from statements(inner)


#: statements with blocks inside: most have none, and are passed by
_HOLDERS = frozenset({ir.If, ir.Switch, ir.Loop, ir.Await, ir.Pause})


def blocks_of(statement: ir.Statement) -> Sequence[ir.Block]:
    """The blocks inside a statement, ghost code left out."""
    if type(statement) not in _HOLDERS:
        return ()
    match statement:
        case ir.If():
            return statement.then, statement.otherwise
        case ir.Switch():
            return [*(block for _, block in statement.cases), statement.default]
        case ir.Loop():
            return statement.body, statement.step
        case ir.Await() | ir.Pause():
            return (statement.cleanup,)
    return ()


def accessed(i: ir.Statement) -> tuple[ir.Operand, ...]:
    """The references and spans whose objects must be alive for this instruction, in the order of the tests."""
    match i:
        case ir.StoreField(initial=True):
            return ()
        case ir.LoadField(base=base) | ir.StoreField(base=base) | ir.FieldRef(base=base):
            return (base,)
        case ir.LoadElement(base=base) | ir.StoreElement(base=base) | ir.ElementRef(base=base) | ir.Slice(base=base):
            return (base,)
        case ir.LoadWire(base=base) | ir.StoreWire(base=base) | ir.WireRef(base=base):
            return (base,)
        case ir.Retire(reference=reference) | ir.Alive(reference=reference):
            return (reference,)
        case ir.Copy(target=target, source=source):
            return target, source
        case ir.Compare(left=left, right=right) if isinstance(left.type, SpanType):
            return left, right
        case ir.Call(function=function, arguments=arguments) if arguments and function.parameters[0].name == "self":
            return (arguments[0],) if isinstance(arguments[0].type, RefType) else ()  # by syntax: `x[i]`, `len(x)`
    return ()


class Mortals:
    """The kinds of objects that a program may retire; `ends[kind]` are the kinds that end with an object of it."""

    def __init__(self, program: ir.Program) -> None:
        self._kinds: dict[object, int] = {}
        self.ends: dict[int, frozenset[int]] = {}
        for function in program.functions:
            for statement in statements(function.body):
                if isinstance(statement, ir.Retire) and isinstance(statement.reference.type, RefType):
                    self._add(statement.reference.type.target)

    def _add(self, retired: Type) -> None:
        if retired in self._kinds and self._kinds[retired] in self.ends:
            return
        keys: list[object] = []
        for inside in contents(retired):
            keys.append(inside)
            if isinstance(inside, ArrayType):
                keys.append(("span", inside.element))
            elif isinstance(inside, WireType):
                keys.append(("span", U8))
        numbers = [self._kinds.setdefault(key, len(self._kinds)) for key in keys]
        self.ends[numbers[0]] = frozenset(numbers)

    def kind(self, type_: Type) -> int | None:
        """The kind of what a reference or span of this type leads to; None when that is never retired."""
        if isinstance(type_, RefType):
            return self._kinds.get(type_.target)
        if isinstance(type_, SpanType):
            return self._kinds.get(("span", type_.element))
        return None

    def inside(self, type_: Type) -> bool:
        """May something in an object of this type be retired?"""
        return bool(self._kinds) and any(found in self._kinds for found in contents(type_))
