"""Swapped statements that mean the same in either order, proven by what they read and write.

Two statements commute if neither writes what the other reads or writes. Places are variables, fields by struct, and
elements by type, through all that is called, as the typed IR has them: so two objects of a type are never told apart.
Statements with any other effect (assembly, devices, atomic cells, bytes, which may lie in any object, the making and
ending of objects) don't commute with anything. A failing check ends in a panic in either order.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.lives import blocks_of
from neokernel.compiler.types import U8, RefType, StructType
from neokernel.prover.writes import container
from tests.mutate.operators import ORDER
from tests.mutate.sites import Mutant, Text

#: instructions that only compute, or make references
PURE = (
    ir.Unary,
    ir.Binary,
    ir.Compare,
    ir.Convert,
    ir.Select,
    ir.MakeRecord,
    ir.Item,
    ir.MakeUnion,
    ir.IsArm,
    ir.AsArm,
    ir.FieldRef,
    ir.ElementRef,
    ir.MakeSpan,
    ir.Slice,
    ir.Length,
    ir.Require,
    ir.If,
    ir.Switch,
    ir.Loop,
    ir.Break,
    ir.Continue,
    ir.Return,
    ir.Fail,
    ir.Ghost,
)


@dataclass
class Effects:
    """`opaque`: others than these."""

    reads: set[object] = field(default_factory=set)
    writes: set[object] = field(default_factory=set)
    opaque: bool = False

    def add(self, other: Effects) -> None:
        self.reads |= other.reads
        self.writes |= other.writes
        self.opaque |= other.opaque

    def commute(self, other: Effects) -> bool:
        if self.opaque or other.opaque:
            return False
        return not (self.writes & (other.reads | other.writes) or other.writes & self.reads)


class Analysis:
    """Of a program; what functions do is kept."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self._known: dict[ir.Function, Effects] = {}

    def of_function(self, function: ir.Function) -> Effects:
        if function not in self._known:
            found = self.of_block(function.body)
            own = set(function.variables) | set(function.parameters)
            self._known[function] = Effects(found.reads - own, found.writes - own, found.opaque or function.naked)
        return self._known[function]

    def of_block(self, block: ir.Block) -> Effects:
        found = Effects()
        for node in block:
            found.add(self._of(node))
            for inner in blocks_of(node):
                found.add(self.of_block(inner))
        return found

    def _of(self, node: ir.Statement) -> Effects:
        match node:
            case ir.Get(var=var):
                return Effects(reads={var})
            case ir.Set(var=var):
                return Effects(writes={var})
            case ir.LoadField(struct=struct, field=name):
                return Effects(reads={(struct, name)})
            case ir.StoreField(struct=struct, field=name):
                return Effects(writes={(struct, name)})
            case ir.LoadElement(base=base):
                return self._elements(base, reads=True)
            case ir.StoreElement(base=base) | ir.FillArray(base=base):
                return self._elements(base, reads=False)
            case ir.Call(function=function):
                return self.of_function(function)
        return Effects(opaque=not isinstance(node, PURE))

    @staticmethod
    def _elements(base: ir.Operand, *, reads: bool) -> Effects:
        element = container(base).element
        of = element.target if isinstance(element, RefType) else element
        place: set[object] = {f"[{element}]"}
        # Bytes may lie in any object; an element that is a struct is written with its fields.
        if of == U8 or (isinstance(of, StructType) and not isinstance(element, RefType)):
            return Effects(opaque=True)
        return Effects(reads=place) if reads else Effects(writes=place)

    def commutes(self, mutant: Mutant, source: str) -> bool:
        """Does the mutant swap statements that commute?"""
        pair = swapped(mutant, source) if mutant.operator == ORDER else None
        if pair is None:
            return False
        for function in self.program.functions:
            if function.module == mutant.module and not function.ghost:
                found = slices(function.body, *pair)
                if found is not None:
                    first, second = found
                    return self.of_block(first).commute(self.of_block(second))
        return False


#: where a statement stands: line and column of its begin and its end
Place = tuple[tuple[int, int], tuple[int, int]]


def swapped(mutant: Mutant, source: str) -> tuple[Place, Place] | None:
    """The two statements, in their right order."""
    text = Text(mutant.file, source)
    for node in ast.walk(text.tree):
        for _, body in ast.iter_fields(node):
            statements = [each for each in body if isinstance(each, ast.stmt)] if isinstance(body, list) else []
            for first, second in itertools.pairwise(statements):
                if text.start(first) == mutant.start and text.end(second) == mutant.end:
                    return place(first), place(second)
    return None


def place(node: ast.stmt) -> Place:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def slices(block: ir.Block, first: Place, second: Place) -> tuple[ir.Block, ir.Block] | None:
    """What the two statements have become: next to each other in a block, with nothing between."""
    here = [number for number, node in enumerate(block) if within(node.span, first)]
    there = [number for number, node in enumerate(block) if within(node.span, second)]
    if here and there:
        begin, middle, end = here[0], there[0], there[-1] + 1
        whole = here == list(range(begin, middle)) and there == list(range(middle, end))
        return (block[begin:middle], block[middle:end]) if whole else None
    for node in block:
        for inner in blocks_of(node):
            found = slices(inner, first, second)
            if found is not None:
                return found
    return None


def within(span: ir.Span, place: Place) -> bool:
    begin, end = (span.line, span.column), (span.end_line, span.end_column)
    return place[0] <= begin and end <= place[1]
