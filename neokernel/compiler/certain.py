"""Pass 4, certain failures: checks that fail whenever they are reached, as the constants in the source show.

A mistake that the build can see is no matter for run time: an index beyond an array's length, an operation on
constants that doesn't fit, a division by a constant zero.

Invariants:
- Only functions with one instance are looked at: in a generic one, `if len(a) > 4: a[4]` is right for all lengths.
- What a condition on constants leaves out isn't looked at, nor is ghost code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from neokernel.compiler import interpret, ir
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.ir import Const, Operand
from neokernel.compiler.lives import blocks_of
from neokernel.compiler.types import ArrayType, IntType, RefType


def check(functions: Iterable[ir.Function], diagnostics: Diagnostics) -> None:
    """Report the checks of these functions that always fail."""
    for function in functions:
        _Constants(diagnostics).block(function.body)


class _Constants:
    """One function: the values of temps that are known."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.known: dict[ir.Temp, Const] = {}
        #: the results of `and` and `or`, which are set right before they are read
        self.results: dict[ir.Var, Const] = {}

    def block(self, block: ir.Block) -> bool:
        """Look at a block, until a statement ends the way; could its end be reached?"""
        for statement in block:
            match statement:
                case ir.Unary() | ir.Binary() | ir.Compare() | ir.Convert():
                    self._compute(statement)
                case ir.LoadElement(base=base, index=index) | ir.ElementRef(base=base, index=index):
                    self._index(statement, base, index)
                case ir.StoreElement(base=base, index=index):
                    self._index(statement, base, index)
                case ir.Slice(base=base, start=start, stop=stop):
                    self._slice(statement, base, self._number(start), stop)
                case ir.If(condition=condition) if isinstance(chosen := self._value(condition), Const):
                    if not self.block(statement.then if chosen.value else statement.otherwise):
                        return False
                    continue
                case ir.Return() | ir.Break() | ir.Continue() | ir.Fail():
                    return False
                case ir.Set(var=var) if var.name.startswith((".and", ".or")):
                    self._set(var, self._value(statement.value))
                case ir.Get(var=var, result=ir.Temp() as result) if var in self.results:
                    self.known[result] = self.results[var]
            self._inside(statement)
        return True

    def _inside(self, statement: ir.Statement) -> None:
        """The blocks of a statement: one of an `If`'s runs, of others' any or none."""
        before = self.results
        ends = [] if isinstance(statement, ir.If) else [before]
        for inner in blocks_of(statement):
            self.results = dict(before)
            if self.block(inner):
                ends.append(self.results)
        first = ends[0] if ends else {}
        self.results = {v: value for v, value in first.items() if all(end.get(v) == value for end in ends)}

    def _set(self, var: ir.Var, value: Operand) -> None:
        if isinstance(value, Const):
            self.results[var] = value
        else:
            self.results.pop(var, None)

    def _value(self, operand: Operand) -> Operand:
        """The operand, as a constant if it is known."""
        return self.known.get(operand, operand) if isinstance(operand, ir.Temp) else operand

    def _number(self, operand: Operand) -> int | None:
        value = self._value(operand)
        return value.value if isinstance(value, Const) and isinstance(value.value, int) else None

    def _compute(self, node: ir.Unary | ir.Binary | ir.Compare | ir.Convert) -> None:
        """Run an instruction whose operands are known."""
        known = {slot: self._value(getattr(node, slot)) for slot in _OPERANDS[type(node)]}
        if isinstance(node, ir.Binary) and node.op in ("floordiv", "mod") and isinstance(node.result, ir.Temp):
            if isinstance(node.result.type, IntType) and self._number(node.right) == 0:
                known["left"] = Const(node.result.type, 1)
        if node.result is None or not all(isinstance(value, Const) for value in known.values()):
            return
        alone = dataclasses.replace(node, **known)  # type: ignore[arg-type]
        body: ir.Block = [alone, ir.Return(node.span, node.result)]
        try:
            result = interpret.Machine().call(ir.Function("", "", "", node.span, [], node.result.type, body), [])
        except interpret.CheckFailed as failed:
            reason = str(failed).partition(": ")[2] or str(failed)
            self._report(node, f"this always fails: {reason}", "test first, or change a constant")
            return
        constant = interpret.to_constant(result, node.result.type)
        if isinstance(constant, Const):
            self.known[node.result] = constant

    def _index(self, node: ir.Instruction, base: Operand, index: Operand) -> None:
        length, value = _length(base), self._number(index)
        if length is not None and value is not None and value >= length:
            help = f"its elements are `[0]` … `[{length - 1}]`" if length else "it has none"
            self._report(node, f"an array of {length} has no element `[{value}]`", help)

    def _slice(self, node: ir.Instruction, base: Operand, start: int | None, bound: Operand | None) -> None:
        length = _length(base)
        stop = length if bound is None else self._number(bound)
        if length is not None and stop is not None and stop > length:
            self._report(node, f"this ends at {stop}, beyond an array of {length}", f"it can end at {length}")
        elif start is not None and stop is not None and start > stop:
            self._report(node, f"this starts at {start}, behind its end at {stop}", "the lower bound comes first")

    def _report(self, node: ir.Instruction, message: str, help: str) -> None:
        self.diagnostics.add(Diagnostic("NK0335", message, node.span, help))


_OPERANDS: dict[type[ir.Instruction], tuple[str, ...]] = {
    ir.Unary: ("operand",),
    ir.Binary: ("left", "right"),
    ir.Compare: ("left", "right"),
    ir.Convert: ("operand",),
}


def _length(base: Operand) -> int | None:
    """How many elements are in the array that `base` refers to; None for spans and views."""
    match base.type:
        case RefType(ArrayType(length=length)):
            return length
    return None
