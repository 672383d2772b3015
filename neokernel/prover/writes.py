"""What code may write, through all that it calls: what a loop or a summarised call makes unknown.

Invariant: too much is sound, too little isn't. An instruction that isn't listed in `_written` writes no memory that
`memory.py` keeps: wire memory, atomic cells and what assembly does are unknown at each read anyway. The cells of an
object that is made aren't listed: nobody knew it, so to its callers it is one of which nothing was known. That it was
made, they must know (`made_by`): it is younger than what they know, and its invariants are due.
"""

from __future__ import annotations

from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.types import U8, ArrayType, RefType, SpanType, StructType, Type, UnionType
from neokernel.prover.memory import Cells
from neokernel.prover.values import Layout


def container(operand: ir.Operand) -> ArrayType | SpanType:
    """The array or span type behind an operand that has elements."""
    of = operand.type.target if isinstance(operand.type, RefType) else operand.type
    assert isinstance(of, ArrayType | SpanType)
    return of


#: the constants that are written to cells, if nothing else is and they are few; -0.0 is another than 0.0
Constants = frozenset[ir.Const] | None
FEW = 2


class Writes:
    """What functions may write; kept per function."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[ir.Function, dict[Cells, Constants]] = {}
        self._made: dict[ir.Function, frozenset[Type]] = {}

    def field(self, node: ir.LoadField | ir.StoreField) -> Cells:
        return Cells(f"{self.layout.name(node.struct)}.{node.field}", node.struct.fields[node.field].type)

    def elements(self, operand: ir.Operand) -> Cells:
        element = container(operand).element
        return Cells(f"[{self.layout.name(element)}]", element)

    def bytes(self) -> Cells:
        return Cells(f"[{self.layout.name(U8)}]", U8)

    def of_function(self, function: ir.Function) -> dict[Cells, Constants]:
        found = self.known.get(function)
        if found is None:
            found = self.known[function] = self.of_block(function.body)
        return found

    def of_block(self, block: ir.Block) -> dict[Cells, Constants]:
        found: dict[Cells, Constants] = {}
        nulls: dict[ir.Operand, ir.Const] = {}
        for statement in everything(block):
            more: dict[Cells, Constants] = {}
            match statement:
                case ir.Call(function=function):
                    more = self.of_function(function)
                case ir.MakeUnion(value=ir.Const(value=None), result=ir.Temp(type=UnionType() as union) as result):
                    if union.is_optional_reference:
                        nulls[result] = ir.Const(union, None)
                case ir.StoreField(value=operand):
                    value = nulls.get(operand, operand)
                    more = {self.field(statement): frozenset({value}) if isinstance(value, ir.Const) else None}
                case _:
                    more = dict.fromkeys(self._written(statement))
            for cells, values in more.items():
                others = found.get(cells, frozenset())
                both = None if values is None or others is None else values | others
                found[cells] = both if both is not None and len(both) <= FEW else None
        return found

    def _written(self, node: ir.Statement) -> Iterator[Cells]:
        match node:
            case ir.StoreField():
                yield self.field(node)
            case ir.StoreElement(base=base) | ir.FillArray(base=base) | ir.Copy(target=base):
                yield self.elements(base)
            case ir.AddressOf(reference=reference) if isinstance(reference.type, RefType):
                # A struct may be seen as a span, and written so.
                if isinstance(reference.type.target, StructType):
                    yield from self.inside(reference.type.target)
            case ir.StoreWire():
                yield self.bytes()

    def inside(self, type_: Type) -> Iterator[Cells]:
        """The cells of an object and of all that lies in it."""
        match type_:
            case StructType(fields=fields):
                for f in fields.values():
                    if f.inline:
                        yield from self.inside(f.type.target if isinstance(f.type, RefType) else f.type)
                    elif not f.atomic:
                        yield Cells(f"{self.layout.name(type_)}.{f.name}", f.type)
            case ArrayType(element=element, inline=True):
                yield from self.inside(element.target if isinstance(element, RefType) else element)
            case ArrayType(element=element, atomic=False):
                yield Cells(f"[{self.layout.name(element)}]", element)

    def made_by(self, function: ir.Function) -> frozenset[Type]:
        """What a function makes, through all that it calls, but for objects in frames: nobody has those afterwards."""
        found = self._made.get(function)
        if found is None:
            found = self._made[function] = self.made_in(function.body)
        return found

    def made_in(self, block: ir.Block) -> frozenset[Type]:
        found: set[Type] = set()
        for statement in everything(block):
            match statement:
                case ir.Call(function=function):
                    found |= self.made_by(function)
                case ir.ObjectAt(new=True, result=ir.Temp(type=RefType(target=target))):
                    found.add(target)
        return frozenset(found)

    @staticmethod
    def variables(block: ir.Block) -> set[ir.Var]:
        return {statement.var for statement in everything(block) if isinstance(statement, ir.Set)}
