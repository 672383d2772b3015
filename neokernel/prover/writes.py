"""What code may write, through all that it calls: what a loop or a summarised call makes unknown.

Invariant: too much is sound, too little isn't. An instruction that isn't listed in `_written` writes no memory that
`memory.py` keeps: wire memory, atomic cells and what assembly does are unknown at each read anyway. An object that is
made isn't listed: nobody knew it, so to its callers it is one of which nothing was known.
"""

from __future__ import annotations

from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.types import U8, ArrayType, RefType, SpanType, StructType, Type
from neokernel.prover.memory import Cells
from neokernel.prover.values import Layout


def container(operand: ir.Operand) -> ArrayType | SpanType:
    """The array or span type behind an operand that has elements."""
    of = operand.type.target if isinstance(operand.type, RefType) else operand.type
    assert isinstance(of, ArrayType | SpanType)
    return of


class Writes:
    """What functions may write; kept per function."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[ir.Function, frozenset[Cells]] = {}

    def field(self, node: ir.LoadField | ir.StoreField) -> Cells:
        return Cells(f"{self.layout.name(node.struct)}.{node.field}", node.struct.fields[node.field].type)

    def elements(self, operand: ir.Operand) -> Cells:
        element = container(operand).element
        return Cells(f"[{self.layout.name(element)}]", element)

    def bytes(self) -> Cells:
        return Cells(f"[{self.layout.name(U8)}]", U8)

    def of_function(self, function: ir.Function) -> frozenset[Cells]:
        found = self.known.get(function)
        if found is None:
            found = self.known[function] = self.of_block(function.body)
        return found

    def of_block(self, block: ir.Block) -> frozenset[Cells]:
        found: set[Cells] = set()
        for statement in everything(block):
            if isinstance(statement, ir.Call):
                found |= self.of_function(statement.function)
            else:
                found.update(self._written(statement))
        return frozenset(found)

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

    @staticmethod
    def variables(block: ir.Block) -> set[ir.Var]:
        return {statement.var for statement in everything(block) if isinstance(statement, ir.Set)}
