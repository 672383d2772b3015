"""Records, spans and unions as SSA aggregates."""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.layout import Leaf, UnionLayout
from neokernel.compiler.llvm.builder import Builder
from neokernel.compiler.types import ArrayType, BoolType, NoneType, RefType, SpanType, Type, UnionType


def select(b: Builder, i: ir.Select) -> None:
    assert i.result is not None
    llvm = b.layout.llvm(i.result.type)
    if llvm != "void":
        b.result(i, f"select i1 {b.operand(i.condition)}, {llvm} {b.operand(i.left)}, {llvm} {b.operand(i.right)}")


def make_record(b: Builder, i: ir.MakeRecord) -> None:
    assert i.result is not None
    llvm = b.layout.llvm(i.result.type)
    stored = [item for item in i.items if not isinstance(item.type, NoneType)]
    whole = "poison" if stored else "zeroinitializer"
    for position, item in enumerate(stored):
        value = b.to_memory_form(item.type, b.operand(item))
        whole = b.value(f"insertvalue {llvm} {whole}, {b.layout.memory(item.type)} {value}, {position}")
    b.alias(i, whole)


def item(b: Builder, i: ir.Item) -> None:
    assert i.result is not None
    if isinstance(i.record.type, SpanType):
        b.result(i, f"extractvalue {b.typed(i.record)}, {i.index}")
        return
    slot = b.layout.slot(i.record.type, i.index)
    if slot is None:
        return
    if isinstance(i.result.type, BoolType):
        byte = b.value(f"extractvalue {b.typed(i.record)}, {slot}")
        b.result(i, f"trunc {b.exact}i8 {byte} to i1")
    else:
        b.result(i, f"extractvalue {b.typed(i.record)}, {slot}")


def length(b: Builder, i: ir.Length) -> None:
    b.result(i, f"extractvalue {b.typed(i.base)}, 1")


# --- unions -----------------------------------------------------------------------------------------------------------


def to_slot(b: Builder, leaf: Leaf, value: str) -> str:
    """An integer-like leaf as an i64, zero-extended."""
    if leaf.is_pointer or leaf.llvm == "i64":
        return value
    if leaf.llvm == "double":
        return b.value(f"bitcast double {value} to i64")
    if leaf.llvm == "float":
        value = b.value(f"bitcast float {value} to i32")
    return b.value(f"zext {'i32' if leaf.llvm == 'float' else leaf.llvm} {value} to i64")


def from_slot(b: Builder, leaf: Leaf, value: str) -> str:
    if leaf.llvm == "double":
        return b.value(f"bitcast i64 {value} to double")
    if leaf.llvm == "float":
        bits = b.value(f"trunc i64 {value} to i32")
        return b.value(f"bitcast i32 {bits} to float")
    if leaf.is_pointer or leaf.llvm == "i64":
        return value
    return b.value(f"trunc {b.exact}i64 {value} to {leaf.llvm}")


def make_union(b: Builder, i: ir.MakeUnion) -> None:
    assert i.result is not None
    source, wanted = i.value.type, i.result.type
    assert isinstance(wanted, UnionType)
    if source == wanted:
        b.alias(i, b.operand(i.value))
    elif isinstance(source, UnionType):
        b.alias(i, _change_union(b, i.value, source, wanted))
    elif wanted.is_optional_reference:
        b.alias(i, "null" if isinstance(source, NoneType) else b.operand(i.value))
    else:
        llvm = b.layout.llvm(wanted)
        placed = b.layout.union(wanted).arms[source]
        whole = b.value(f"insertvalue {llvm} poison, i64 {placed.tag}, 0")
        for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
            if leaf.path:
                part = b.value(f"extractvalue {b.typed(i.value)}, {', '.join(map(str, leaf.path))}")
            else:
                part = b.to_memory_form(source, b.operand(i.value))
            part = to_slot(b, leaf, part)
            whole = b.value(f"insertvalue {llvm} {whole}, {'ptr' if leaf.is_pointer else 'i64'} {part}, {slot}")
        b.alias(i, whole)


def is_arm(b: Builder, i: ir.IsArm) -> None:
    union = i.union.type
    assert isinstance(union, UnionType)
    wanted = [arm for arm in union.arms if arm in i.arms]
    if len(wanted) == len(union.arms):
        b.alias(i, "true")
    elif not wanted:
        b.alias(i, "false")
    elif union.is_optional_reference:
        b.result(i, f"icmp {'eq' if isinstance(wanted[0], NoneType) else 'ne'} ptr {b.operand(i.union)}, null")
    else:
        placed = b.layout.union(union).arms
        tag = b.value(f"extractvalue {b.typed(i.union)}, 0")
        found = b.value(f"icmp eq i64 {tag}, {placed[wanted[0]].tag}")
        for arm in wanted[1:]:
            other = b.value(f"icmp eq i64 {tag}, {placed[arm].tag}")
            found = b.value(f"or i1 {found}, {other}")
        b.alias(i, found)


def as_arm(b: Builder, i: ir.AsArm) -> None:
    assert i.result is not None
    source, wanted = i.union.type, i.result.type
    assert isinstance(source, UnionType)
    if source == wanted or (source.is_optional_reference and not isinstance(wanted, UnionType)):
        b.alias(i, b.operand(i.union))
    elif isinstance(wanted, UnionType):
        b.alias(i, _change_union(b, i.union, source, wanted))
    else:
        b.alias(i, take_arm(b, b.typed(i.union), source, wanted))


def take_arm(b: Builder, union: str, source: UnionType, wanted: Type) -> str:
    """The content of the arm `wanted` of `union` (with its type), known to be in force."""
    placed = b.layout.union(source).arms[wanted]
    llvm = b.layout.llvm(wanted)
    whole = "poison" if placed.leaves else "zeroinitializer"
    for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
        part = b.value(f"extractvalue {union}, {slot}")
        if isinstance(wanted, BoolType):
            return b.value(f"trunc {b.exact}i64 {part} to i1")
        part = from_slot(b, leaf, part)
        if not leaf.path:
            return part
        whole = b.value(f"insertvalue {llvm} {whole}, {leaf.llvm} {part}, {', '.join(map(str, leaf.path))}")
    return whole


def _change_union(b: Builder, operand: ir.Operand, source: UnionType, wanted: UnionType) -> str:
    """A union as a larger or smaller one: the slots keep their contents, tags are renumbered."""
    llvm, value = b.layout.llvm(wanted), b.operand(operand)
    if source.is_optional_reference and wanted.is_optional_reference:
        return value
    if source.is_optional_reference:
        larger = b.layout.union(wanted)
        reference, none = _reference_and_none(source)
        absent = b.value(f"icmp eq ptr {value}, null")
        tag = b.value(f"select i1 {absent}, i64 {larger.arms[none].tag}, i64 {larger.arms[reference].tag}")
        whole = b.value(f"insertvalue {llvm} poison, i64 {tag}, 0")
        return b.value(f"insertvalue {llvm} {whole}, ptr {value}, {larger.arms[reference].slots[0]}")
    old = b.layout.union(source)
    tag = b.value(f"extractvalue {b.typed(operand)}, 0")
    if wanted.is_optional_reference:
        reference, _ = _reference_and_none(wanted)
        pointer = b.value(f"extractvalue {b.typed(operand)}, {old.arms[reference].slots[0]}")
        present = b.value(f"icmp eq i64 {tag}, {old.arms[reference].tag}")
        return b.value(f"select i1 {present}, ptr {pointer}, ptr null")
    new = b.layout.union(wanted)
    tag = _renumber(b, tag, old, new)
    whole = b.value(f"insertvalue {llvm} poison, i64 {tag}, 0")
    moves = [(1 + k, 1 + k, "i64") for k in range(min(old.integers, new.integers))]
    moves += [(1 + old.integers + k, 1 + new.integers + k, "ptr") for k in range(min(old.pointers, new.pointers))]
    for origin, target, slot_type in moves:
        part = b.value(f"extractvalue {b.typed(operand)}, {origin}")
        whole = b.value(f"insertvalue {llvm} {whole}, {slot_type} {part}, {target}")
    return whole


def _reference_and_none(union: UnionType) -> tuple[Type, Type]:
    first, second = union.arms
    return (first, second) if isinstance(first, RefType) else (second, first)


def _renumber(b: Builder, tag: str, old: UnionLayout, new: UnionLayout) -> str:
    pairs = [(old.arms[arm].tag, new.arms[arm].tag) for arm in old.arms if arm in new.arms]
    if all(before - after == pairs[0][0] - pairs[0][1] for before, after in pairs):
        distance = pairs[0][1] - pairs[0][0]
        return b.value(f"add i64 {tag}, {distance}") if distance else tag
    result = str(pairs[0][1])
    for before, after in pairs[1:]:
        same = b.value(f"icmp eq i64 {tag}, {before}")
        result = b.value(f"select i1 {same}, i64 {after}, i64 {result}")
    return result


# --- spans ------------------------------------------------------------------------------------------------------------


def pointer_and_length(b: Builder, base: ir.Operand) -> tuple[str, str]:
    """First element and number of elements of an array reference, span or view."""
    of = base.type
    if isinstance(of, RefType):
        assert isinstance(of.target, ArrayType)
        return b.operand(base), str(of.target.length)
    typed = b.typed(base)
    return b.value(f"extractvalue {typed}, 0"), b.value(f"extractvalue {typed}, 1")


def container(base: ir.Operand) -> ArrayType | SpanType:
    of = base.type.target if isinstance(base.type, RefType) else base.type
    assert isinstance(of, (ArrayType, SpanType))
    return of


def make_span(b: Builder, i: ir.MakeSpan) -> None:
    assert i.result is not None
    if isinstance(i.base.type, SpanType):
        b.alias(i, b.operand(i.base))
        return
    pointer, count = pointer_and_length(b, i.base)
    whole = b.value(f"insertvalue {{ ptr, i64 }} poison, ptr {pointer}, 0")
    b.result(i, f"insertvalue {{ ptr, i64 }} {whole}, i64 {count}, 1")


def slice_(b: Builder, i: ir.Slice) -> None:
    pointer, count = pointer_and_length(b, i.base)
    start = b.as_u64(i.start)
    stop = count if i.stop is None else b.as_u64(i.stop)
    check = b.live_check(i, ir.Kind.INDEX)
    if check is not None:
        good = b.value(f"icmp ule i64 {start}, {stop}")
        if i.stop is not None:
            within = b.value(f"icmp ule i64 {stop}, {count}")
            good = b.value(f"and i1 {good}, {within}")
        b.guard(check, i.span, good)
    first = b.value(f"getelementptr inbounds nuw {b.layout.element(container(i.base))}, ptr {pointer}, i64 {start}")
    number = b.value(f"sub nuw i64 {stop}, {start}")
    whole = b.value(f"insertvalue {{ ptr, i64 }} poison, ptr {first}, 0")
    b.result(i, f"insertvalue {{ ptr, i64 }} {whole}, i64 {number}, 1")
