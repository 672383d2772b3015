"""Fields and elements: reading what an object, value or sequence holds."""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower.coerce import coerce
from neokernel.compiler.lower.context import Context, Untyped
from neokernel.compiler.lower.dispatch import lower
from neokernel.compiler.types import (
    NONE,
    STR,
    USIZE,
    ArrayType,
    EnumType,
    Field,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)


def field_of(ctx: Context, base: Operand, name: str, node: ast.AST) -> Field:
    """The field `name` of a struct or value."""
    owner = base.type.target if isinstance(base.type, RefType) else base.type
    if isinstance(owner, StructType | ValueType):
        found = owner.fields.get(name)
        if found is not None:
            if found.ghost and not ctx.ghost:
                raise ctx.reject(
                    "NK0903",
                    f"`{name}` is a ghost field: images don't have it",
                    node,
                    "only contracts and ghost code read it",
                )
            return found
        origin = ctx.resolver.origins.get(owner)
        methods = list(origin.declaration.methods) if origin else []
        if origin is not None and name in origin.declaration.fields:
            raise Rejected.silent()  # the field has been reported
        if name in methods:
            raise ctx.reject("NK0107", f"method `{name}` is not a value", node, f"call it: `.{name}(…)`")
        help = suggestion(name, [*owner.fields, *methods])
        raise ctx.reject("NK0315", f"`{owner}` has no field `{name}`", node, help)
    raise no_attribute(ctx, base.type, name, node)


def no_attribute(ctx: Context, type_: Type, name: str, node: ast.AST) -> Rejected:
    if isinstance(type_, UnionType):
        others = [arm for arm in type_.arms if not isinstance(arm, RefType | ValueType)]
        help = "test it first: " + (
            "`if x is None: …`, or `assert x is not None`" if NONE in others else "`isinstance(x, …)`, or `match`"
        )
        return ctx.reject("NK0316", f"this may be `{'` or `'.join(map(str, type_.arms))}`", node, help)
    if isinstance(type_, EnumType) and name in ("value", "name"):
        help = "write `u32(x.value)`" if name == "value" else 'use it in text: f"{x.name}"'
        return ctx.reject("NK0317", f"`.{name}` of an enum stands only where its type is clear", node, help)
    return ctx.reject("NK0315", f"`{type_}` has no `{name}`", node, _instead(type_, name))


def _instead(type_: Type, name: str) -> str:
    """What to write for a method that Python's text or lists have."""
    if type_ == STR:
        if name == "format":
            return 'hand an f-string to a writer: `console.write(f"{x}")`'
        return "text is passed, compared and written; work on its bytes: `.encode()`"
    if isinstance(type_, SpanType) or (isinstance(type_, RefType) and isinstance(type_.target, ArrayType)):
        if name in ("len", "length", "size", "count"):
            return "write `len(x)`"
        if name in ("append", "push", "pop", "insert", "extend", "remove", "clear"):
            return "its length doesn't change: for one that does take `Vec` of `neokernel.runtime.vec`"
        if name in ("sort", "reverse", "index", "copy", "fill"):
            return "write the loop" if name != "copy" else "write `copy(target, source)`"
    return ""


def read_field(ctx: Context, base: Operand, name: str, node: ast.AST) -> Operand:
    """`base.name`: its value, or a reference to what is inline."""
    if isinstance(base.type, RefType) and isinstance(base.type.target, WireType):
        return _read_wire(ctx, base, base.type.target, name, node)
    found = field_of(ctx, base, name, node)
    if isinstance(base.type, ValueType):
        if found.ghost:
            help = "what is copied has no ghost fields that could be looked up; a struct has"
            raise ctx.reject("NK0903", f"`{name}` is a ghost field of a value: nobody can read it", node, help)
        stored = [f.name for f in base.type.fields.values() if not f.ghost]
        return ctx.op(ir.Item, node, found.type, base, stored.index(name))
    assert isinstance(base.type, RefType) and isinstance(base.type.target, StructType)
    if found.inline:
        return ctx.op(ir.FieldRef, node, RefType(found.type), base, base.type.target, name)
    if found.atomic:
        raise ctx.reject("NK0318", f"`{name}` is atomic", node, f"read it with `.{name}.load()`")
    return ctx.op(ir.LoadField, node, found.type, base, base.type.target, name)


def no_wire_field(ctx: Context, wire: WireType, name: str, node: ast.AST) -> Rejected:
    if name in ctx.resolver.origins[wire].declaration.fields:
        return Rejected.silent()  # the field has been reported
    return ctx.reject("NK0315", f"`{wire}` has no field `{name}`", node, suggestion(name, wire.fields))


def _read_wire(ctx: Context, base: Operand, wire: WireType, name: str, node: ast.AST) -> Operand:
    found = wire.fields.get(name)
    if found is None:
        raise no_wire_field(ctx, wire, name, node)
    if isinstance(found.type, ArrayType):
        return ctx.op(ir.WireRef, node, SpanType(found.type.element, mutable=True), base, wire, name)
    if isinstance(found.type, WireType):
        return ctx.op(ir.WireRef, node, RefType(found.type), base, wire, name)
    return ctx.op(ir.LoadWire, node, found.type, base, wire, name)


#: how a diagnostic names what is wanted of a sequence, and how it is had of text
_OF_TEXT = {
    "index": ("text has no index", "take its bytes: `.encode()`"),
    "length": ("text has no length", 'take that of its bytes: `len(x.encode())`; an empty one is `x == ""`'),
    "loop": ("text can't be looped over", "loop over its bytes: `.encode()`"),
}


def sequence(ctx: Context, node: ast.expr, use: str) -> Operand:
    """What is looped over or measured, evaluated; a number is neither."""
    if isinstance(node, ast.Tuple | ast.List) and use == "loop":
        raise no_loop_over_tuple(ctx, node)
    value = lower(ctx, node)
    if isinstance(value, Untyped):
        help = f"write `range({ast.unparse(node)})`" if use == "loop" else "`len` is for arrays, spans and views"
        raise ctx.reject("NK0319", "a number has no elements", node, help)
    return value


def no_loop_over_tuple(ctx: Context, node: ast.AST) -> Rejected:
    help = "make it a table at the top level of the module, `TABLE: tuple[u32, ...] = (1, 2, 3)`, and loop over that"
    message = "a loop doesn't run over the values of a tuple: each may be of another type"
    return ctx.reject("NK0319", message, node, help)


def element_of(ctx: Context, base: Type, node: ast.AST, use: str = "index") -> ArrayType | SpanType:
    """What kind of sequence `base` is, or a diagnostic. `use`: what it is wanted for."""
    if isinstance(base, RefType) and isinstance(base.target, ArrayType):
        return base.target
    if isinstance(base, SpanType) and not base.text:
        return base
    if base == STR:
        message, help = _OF_TEXT[use]
        raise ctx.reject("NK0319", f"{message}: a character may be several bytes", node, help)
    if isinstance(base, UnionType):
        raise no_attribute(ctx, base, "[]", node)
    help = "a loop runs over `range(…)`, arrays, spans and views" if use == "loop" else ""
    if isinstance(base, TupleType) and use == "loop":
        raise no_loop_over_tuple(ctx, node)
    if isinstance(base, IntType) and isinstance(node, ast.expr) and use == "loop":
        help = f"write `range({ast.unparse(node)})`"
    elif isinstance(base, RefType) and isinstance(base.target, StructType):
        arrays = [f.name for f in base.target.fields.values() if isinstance(f.type, ArrayType | SpanType)]
        help = f"take the array in it: `.{arrays[0]}`" if arrays else help
    raise ctx.reject("NK0319", f"`{base}` has no elements", node, help)


def read_element(
    ctx: Context,
    base: Operand,
    sequence: ArrayType | SpanType,
    index: Operand,
    node: ast.AST | ir.Span,
    discharged: bool = False,
) -> Operand:
    """`base[index]`: the element, or a reference to it when it is inline."""
    if sequence.inline:
        make: Callable[..., ir.Instruction] = ir.ElementRef
        type_: Type = RefType(sequence.element)
    elif sequence.atomic:
        raise ctx.reject("NK0318", "the elements are atomic", node, "read one with `[i].load()`")
    else:
        make, type_ = ir.LoadElement, sequence.element
    return ctx.op(make, node, type_, base, index, kinds=(Kind.INDEX,), discharged=discharged)


def index_operand(ctx: Context, node: ast.expr) -> Operand:
    """An index or slice bound: `usize`."""
    value = lower(ctx, node, USIZE)
    if isinstance(value, Untyped) and value.value < 0:
        raise ctx.reject("NK0320", "there are no negative indices", node, "count from the end with `len(x) - 1`")
    if not isinstance(value, Untyped) and isinstance(value.type, IntType) and value.type != USIZE:
        help = f"write `usize({ast.unparse(node)})`; or let it be a `usize` from the start"
        raise ctx.reject("NK0310", f"an index is a `usize`, and this is `{value.type}`", node, help)
    return coerce(ctx, value, USIZE, node)


def length(ctx: Context, base: Operand, sequence: ArrayType | SpanType, node: ast.AST) -> Operand:
    if isinstance(sequence, ArrayType):
        return ir.Const(USIZE, sequence.length)
    return ctx.op(ir.Length, node, USIZE, base)
