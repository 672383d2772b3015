"""What code may write, through all that it calls: what a loop or a summarised call makes unknown.

Where it writes is known of objects that it is given and doesn't choose: others keep what these cells were.

Invariant: too much is sound, too little isn't. An instruction that isn't listed in `written_by` writes no memory that
`memory.py` keeps: wire memory, atomic cells and what assembly does are unknown at each read anyway. The cells of an
object that is made aren't listed: nobody knew it, so to its callers it is one of which nothing was known. That it was
made, they must know (`made_by`): it is younger than what they know, and its invariants are due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

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


def is_bytes(operand: ir.Operand) -> bool:
    """Is it a span of bytes? They may lie below or in a wire object, and so below or in others."""
    return isinstance(operand.type, SpanType) and operand.type.element == U8


def _leads_to_one(type_: Type) -> bool:
    """Is a value of this type a reference, or None, or a span, so that its first part is the object?"""
    return isinstance(type_, RefType | SpanType) or (isinstance(type_, UnionType) and type_.is_optional_reference)


#: the constants that are written to cells, if nothing else is and they are few; -0.0 is another than 0.0
Constants = frozenset[ir.Const] | None
FEW = 2


@dataclass(frozen=True, slots=True)
class Part:
    """What lies in an object, as this field."""

    field: str
    whole: Place


@dataclass(frozen=True, slots=True)
class Held:
    """The object that a field of another refers to."""

    cells: Cells
    by: Place


#: an object, as code finds it that doesn't change where: by a variable, or by what was computed before
Place = ir.Var | ir.Temp | Part | Held


class Writes:
    """What functions may write; kept per function."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[ir.Function, dict[Cells, Constants]] = {}
        self._made: dict[ir.Function, frozenset[Type]] = {}
        self._places: dict[ir.Function, dict[Cells, tuple[Place, ...]]] = {}

    def field(self, node: ir.LoadField | ir.StoreField) -> Cells:
        return Cells(f"{self.layout.name(node.struct)}.{node.field}", node.struct.fields[node.field].type)

    def elements(self, operand: ir.Operand) -> Cells:
        return self.elements_of(container(operand))

    def elements_of(self, type_: ArrayType | SpanType) -> Cells:
        return Cells(f"[{self.layout.name(type_.element)}]", type_.element)

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
                    more = dict.fromkeys(self.written_by(statement))
            for cells, values in more.items():
                others = found.get(cells, frozenset())
                both = None if values is None or others is None else values | others
                found[cells] = both if both is not None and len(both) <= FEW else None
        return found

    def written_by(self, node: ir.Statement) -> Iterator[Cells]:
        """What a statement writes by itself."""
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
            case ir.Renew(reference=reference) if isinstance(reference.type, RefType):
                yield from self.ghosts(reference.type.target)

    def places_of(self, function: ir.Function) -> dict[Cells, tuple[Place, ...]]:
        found = self._places.get(function)
        if found is None:
            found = self._places[function] = self.places(function.body, function.parameters)
        return found

    def places(self, block: ir.Block, before: Collection[ir.Var]) -> dict[Cells, tuple[Place, ...]]:
        """Of cells that code writes in no other objects than a few that it has not chosen itself: in which. `before`:
        the variables that are set when it begins."""
        finder = _Finder(self, block, before)
        found: dict[Cells, dict[Place | None, None]] = {}
        for statement in everything(block):
            for cells, place in finder.written(statement):
                found.setdefault(cells, {})[place] = None
        known = {cells: tuple(place for place in places if place is not None) for cells, places in found.items()}
        return {cells: places for cells, places in known.items() if len(places) == len(found[cells]) <= FEW}

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

    def ghosts(self, type_: Type) -> Iterator[Cells]:
        """The cells of the ghost fields of an object and of all that lies in it."""
        match type_:
            case StructType(fields=fields):
                for f in fields.values():
                    if f.ghost:
                        yield from self.inside(f.type.target if f.inline and isinstance(f.type, RefType) else f.type)
                        yield Cells(f"{self.layout.name(type_)}.{f.name}", f.type)
                    elif f.inline:
                        yield from self.ghosts(f.type.target if isinstance(f.type, RefType) else f.type)
            case ArrayType(element=element, inline=True):
                yield from self.ghosts(element.target if isinstance(element, RefType) else element)

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


class _Finder:
    """Tells where a block's statements write."""

    def __init__(self, writes: Writes, block: ir.Block, before: Collection[ir.Var]) -> None:
        self.writes = writes
        self.before = before
        self.changed = writes.of_block(block)
        self.sets: dict[ir.Var, list[ir.Operand]] = {}
        for node in everything(block):
            if isinstance(node, ir.Set):
                self.sets.setdefault(node.var, []).append(node.value)
        self.made = {
            node.result: node
            for node in everything(block)
            if isinstance(node, ir.Instruction) and isinstance(node.result, ir.Temp)
        }

    def written(self, node: ir.Statement) -> Iterator[tuple[Cells, Place | None]]:
        match node:
            case ir.Call(function=function, arguments=arguments):
                given = dict(zip(function.parameters, map(self.place, arguments), strict=True))
                places = self.writes.places_of(function)
                for cells in self.writes.of_function(function):
                    for place in places.get(cells, (None,)):
                        yield cells, self.by_caller(place, given)
            case ir.StoreField(base=base):
                yield self.writes.field(node), self.place(base)
            case ir.StoreElement(base=base) | ir.FillArray(base=base) | ir.Copy(target=base):
                yield self.writes.elements(base), None if is_bytes(base) else self.place(base)
            case _:
                for cells in self.writes.written_by(node):
                    yield cells, None

    def place(self, operand: ir.Operand) -> Place | None:
        """The object behind an operand, if it is the same whenever the block comes there."""
        if not isinstance(operand, ir.Temp):
            return None
        node = self.made.get(operand)
        match node:
            case None:
                return operand
            case ir.Get(var=var) if var not in self.sets:
                return var
            case ir.Get(var=var) if var not in self.before and len(self.sets[var]) == 1:
                # It is set before it is read: so it is what it is set to.
                return self.place(self.sets[var][0])
            case ir.FieldRef(base=base, struct=struct, field=name):
                whole = self.place(base)
                return whole and Part(f"{self.writes.layout.name(struct)}.{name}", whole)
            case ir.LoadField(base=base, result=ir.Temp(type=of)) if _leads_to_one(of):
                cells, by = self.writes.field(node), self.place(base)
                return None if by is None or cells in self.changed else Held(cells, by)
            case ir.AsArm(union=same) if _leads_to_one(same.type):
                return self.place(same)
            case ir.MakeUnion(value=same, result=ir.Temp(type=of)) if _leads_to_one(of):
                return self.place(same)
            case ir.MakeSpan(base=same) | ir.Slice(base=same):
                return self.place(same)
        return None

    def by_caller(self, place: Place | None, given: Mapping[ir.Var, Place | None]) -> Place | None:
        """A place that a callee writes to, in this block's terms."""
        match place:
            case ir.Var():
                return given.get(place)
            case Part(field=field, whole=outer):
                whole = self.by_caller(outer, given)
                return whole and Part(field, whole)
            case Held(cells=cells, by=holder):
                by = self.by_caller(holder, given)
                return None if by is None or cells in self.changed else Held(cells, by)
        return None
