"""Atomic cells and fences."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.declare import LangName
from neokernel.compiler.diagnostics import suggestion
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower.arguments import no_arguments, single
from neokernel.compiler.lower.context import NOTHING, Context, Value
from neokernel.compiler.lower.dispatch import VOCABULARY, expression, inferred
from neokernel.compiler.lower.memory import index_operand
from neokernel.compiler.lower.names import find, is_global, static_type
from neokernel.compiler.types import BOOL, ArrayType, Order, RefType, SpanType, StructType, Type


def order_of(ctx: Context, node: ast.expr | None) -> Order:
    """The memory order that an argument names."""
    match node:
        case None:
            return Order.SEQUENTIAL
        case ast.Attribute(value=value, attr=name) if isinstance(value, ast.Name | ast.Attribute):
            if find(ctx, value) == LangName("Order") and name in Order.__members__:
                return Order[name]
    raise ctx.reject(
        "NK0318", "a memory order is a constant", node, "one of `Order." + "`, `Order.".join(Order.__members__) + "`"
    )


def _fence(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    order = order_of(ctx, single(ctx, "fence", node))
    if order is Order.RELAXED:
        raise ctx.reject("NK0318", "a relaxed fence does nothing", node)
    ctx.do(ir.Fence, node, order)
    ctx.forget_memory(node)
    return NOTHING


def _device_fence(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    no_arguments(ctx, "device_fence", node)
    ctx.do(ir.Fence, node, None)
    ctx.forget_memory(node)
    return NOTHING


def atomic_cell(ctx: Context, node: ast.expr) -> Operand | None:
    """A reference to the atomic cell that `node` names, or None if it names none."""
    match node:
        case ast.Attribute(value=value, attr=name) if not is_global(ctx, value):
            if not _may_be_atomic(ctx, node):
                return None
            base = inferred(ctx, value)
            assert isinstance(base.type, RefType) and isinstance(base.type.target, StructType)
            struct = base.type.target
            return ctx.op(ir.FieldRef, node, RefType(struct.fields[name].type), base, struct, name)
        case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice) and not is_global(ctx, value):
            if not _may_be_atomic(ctx, node):
                return None
            base = inferred(ctx, value)
            sequence = base.type.target if isinstance(base.type, RefType) else base.type
            assert isinstance(sequence, ArrayType | SpanType)
            return ctx.op(
                ir.ElementRef,
                node,
                RefType(sequence.element),
                base,
                index_operand(ctx, index),
                kinds=(Kind.INDEX,),
            )
    return None


def _may_be_atomic(ctx: Context, node: ast.Attribute | ast.Subscript) -> bool:
    """Does `node` name an atomic cell? Found from static types alone; emits nothing."""
    type_ = static_type(ctx, node.value)
    if isinstance(node, ast.Attribute):
        if isinstance(type_, RefType) and isinstance(type_.target, StructType):
            found = type_.target.fields.get(node.attr)
            return found is not None and found.atomic
        return False
    sequence = type_.target if isinstance(type_, RefType) else type_
    return isinstance(sequence, ArrayType | SpanType) and sequence.atomic


_FETCH = {f"fetch_{name}": name for name in ("add", "sub", "and", "or", "xor")}


def operation(ctx: Context, cell: Operand, name: str, node: ast.Call) -> Value:
    assert isinstance(cell.type, RefType)
    type_ = cell.type.target
    counts = {"load": 0, "store": 1, "exchange": 1, "compare_exchange": 2, **dict.fromkeys(_FETCH, 1)}
    if name not in counts:
        raise ctx.reject("NK0318", f"an atomic has no `{name}`", node.func, suggestion(name, counts))
    count = counts[name]
    arguments = list(node.args)
    order_node: ast.expr | None = arguments.pop() if len(arguments) == count + 1 else None
    for keyword in node.keywords:
        if keyword.arg != "order" or order_node is not None:
            raise ctx.reject("NK0326", f"`{name}` has no parameter `{keyword.arg}` here", keyword)
        order_node = keyword.value
    if len(arguments) != count:
        raise ctx.reject("NK0326", f"`{name}` has {count} argument{'s' * (count != 1)}, and a memory order", node)
    operands = tuple(expression(ctx, argument, type_) for argument in arguments)
    order = order_of(ctx, order_node)
    wrong = {"load": (Order.RELEASE, Order.ACQUIRE_RELEASE), "store": (Order.ACQUIRE, Order.ACQUIRE_RELEASE)}
    if order in wrong.get(name, ()):
        raise ctx.reject("NK0318", f"a {name} can't be `{order.name}`", node)
    ctx.forget_memory(node)
    operation = _FETCH.get(name, name)
    if name == "store":
        ctx.do(ir.Atomic, node, operation, cell, operands, order)
        return NOTHING
    result: Type = BOOL if name == "compare_exchange" else type_
    return ctx.op(ir.Atomic, node, result, operation, cell, operands, order)


VOCABULARY.update({"fence": _fence, "device_fence": _device_fence})
