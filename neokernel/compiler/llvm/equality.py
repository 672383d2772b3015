"""Structural equality of values, tuples, unions, views and text: one internal helper function per type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neokernel.compiler.layout import record_fields
from neokernel.compiler.types import (
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NoneType,
    RefType,
    SpanType,
    Type,
    UnionType,
)

if TYPE_CHECKING:
    from neokernel.compiler.llvm.module import Module


class _Helper:
    """Lines of a helper `i1 (T %a, T %b)`."""

    def __init__(self, module: Module, of: Type, name: str) -> None:
        self.module = module
        llvm = module.layout.llvm(of)
        self.lines = [f"define internal fastcc i1 {name}({llvm} %a, {llvm} %b) #1 {{"]
        self._names = 0

    def value(self, text: str) -> str:
        self._names += 1
        self.lines.append(f"  %x{self._names} = {text}")
        return f"%x{self._names}"

    def emit(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def scalars_equal(self, of: Type, left: str, right: str) -> str:
        """Compare two values in memory form (bools as i8)."""
        llvm = self.module.layout.memory(of)
        if isinstance(of, FloatType):
            return self.value(f"fcmp oeq {llvm} {left}, {right}")
        if isinstance(of, (IntType, EnumType, BoolType, RefType)) or llvm == "ptr":
            return self.value(f"icmp eq {llvm} {left}, {right}")
        return self.value(f"call fastcc i1 {self.module.equality(of)}({llvm} {left}, {llvm} {right})")


def write_equality(module: Module, of: Type, name: str) -> str:
    helper = _Helper(module, of, name)
    if isinstance(of, SpanType):
        _views(helper, of)
    elif isinstance(of, UnionType):
        _unions(helper, of)
    else:
        _records(helper, of)
    return "\n".join([*helper.lines, "}"])


def _records(helper: _Helper, of: Type) -> None:
    layout = helper.module.layout
    equal = "true"
    for index, (_, item) in enumerate(record_fields(of)):
        slot = layout.slot(of, index)
        if slot is None:
            continue
        left = helper.value(f"extractvalue {layout.llvm(of)} %a, {slot}")
        right = helper.value(f"extractvalue {layout.llvm(of)} %b, {slot}")
        same = helper.scalars_equal(item, left, right)
        equal = same if equal == "true" else helper.value(f"select i1 {equal}, i1 {same}, i1 false")
    helper.emit(f"ret i1 {equal}")


def _unions(helper: _Helper, of: UnionType) -> None:
    layout = helper.module.layout
    llvm, union = layout.llvm(of), layout.union(of)
    left_tag = helper.value(f"extractvalue {llvm} %a, 0")
    right_tag = helper.value(f"extractvalue {llvm} %b, 0")
    same_tag = helper.value(f"icmp eq i64 {left_tag}, {right_tag}")
    helper.emit(f"br i1 {same_tag}, label %same, label %different")
    helper.lines.append("same:")
    cases = " ".join(f"i64 {placed.tag}, label %arm{placed.tag}" for placed in union.arms.values())
    helper.emit(f"switch i64 {left_tag}, label %different [{cases}]")
    for arm, placed in union.arms.items():
        helper.lines.append(f"arm{placed.tag}:")
        if isinstance(arm, NoneType) or not placed.leaves:
            helper.emit("ret i1 true")
            continue
        values = []
        for side in ("%a", "%b"):
            whole = "poison"
            for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
                part = helper.value(f"extractvalue {llvm} {side}, {slot}")
                if leaf.llvm in ("i8", "i16", "i32"):
                    part = helper.value(f"trunc i64 {part} to {leaf.llvm}")
                elif leaf.llvm == "double":
                    part = helper.value(f"bitcast i64 {part} to double")
                elif leaf.llvm == "float":
                    part = helper.value(f"trunc i64 {part} to i32")
                    part = helper.value(f"bitcast i32 {part} to float")
                if leaf.path:
                    indices = ", ".join(map(str, leaf.path))
                    whole = helper.value(f"insertvalue {layout.llvm(arm)} {whole}, {leaf.llvm} {part}, {indices}")
                else:
                    whole = part
            values.append(whole)
        helper.emit(f"ret i1 {helper.scalars_equal(arm, *values)}")
    helper.lines.append("different:")
    helper.emit("ret i1 false")


def _views(helper: _Helper, of: SpanType) -> None:
    """Equal lengths, then equal bytes where bytes decide, else element by element."""
    layout, element = helper.module.layout, of.element
    for side in "ab":
        helper.emit(f"%p{side} = extractvalue {{ ptr, i64 }} %{side}, 0")
        helper.emit(f"%n{side} = extractvalue {{ ptr, i64 }} %{side}, 1")
    helper.emit("%same = icmp eq i64 %na, %nb")
    helper.emit("br i1 %same, label %start, label %different")
    helper.lines.append("start:")
    size = layout.size(element)
    if isinstance(element, (IntType, EnumType, BoolType, RefType)):
        helper.module.declare("@memcmp", "declare i32 @memcmp(ptr, ptr, i64) nounwind memory(argmem: read)")
        total = helper.value(f"mul nuw i64 %na, {size}") if size > 1 else "%na"
        order = helper.value(f"call i32 @memcmp(ptr %pa, ptr %pb, i64 {total})")
        equal = helper.value(f"icmp eq i32 {order}, 0")
        helper.emit(f"ret i1 {equal}")
    else:
        llvm = layout.element(of)
        helper.emit("br label %loop")
        helper.lines.append("loop:")
        helper.emit("%i = phi i64 [ 0, %start ], [ %next, %body ]")
        helper.emit("%more = icmp ult i64 %i, %na")
        helper.emit("br i1 %more, label %compare, label %equal")
        helper.lines.append("compare:")
        values = []
        for side in "ab":
            place = helper.value(f"getelementptr inbounds {llvm}, ptr %p{side}, i64 %i")
            values.append(helper.value(f"load {llvm}, ptr {place}"))
        same = helper.scalars_equal(element, *values)
        helper.emit(f"br i1 {same}, label %body, label %different")
        helper.lines.append("body:")
        helper.emit("%next = add nuw i64 %i, 1")
        helper.emit("br label %loop")
        helper.lines.append("equal:")
        helper.emit("ret i1 true")
    helper.lines.append("different:")
    helper.emit("ret i1 false")
