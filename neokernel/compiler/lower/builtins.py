"""Functions of the vocabulary and of Python that have a meaning of their own: `len`, `truncate`, `size_of`, …"""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir, layout, lives
from neokernel.compiler.generics import is_open
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import operators
from neokernel.compiler.lower.arguments import positional, single
from neokernel.compiler.lower.calls import invoke, special_method
from neokernel.compiler.lower.context import NOTHING, Context, Untyped, Value
from neokernel.compiler.lower.dispatch import VOCABULARY, expression, inferred, lower
from neokernel.compiler.lower.memory import element_of, length, sequence
from neokernel.compiler.types import (
    BYTES,
    NEVER,
    STR,
    U8,
    FrameType,
    IntType,
    RefType,
    SpanType,
    StructType,
    Type,
    WireType,
)


def _length(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    argument = single(ctx, "len", node)
    base = sequence(ctx, argument, "length")
    method = special_method(ctx, base, "__len__")
    if method is not None:
        return invoke(ctx, method, base, [], node, hint)
    return length(ctx, base, element_of(ctx, base.type, argument, "length"), node)


def _truncate(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    width, argument = positional(ctx, "truncate", node, 2)
    target = ctx.type_of(width)
    if not isinstance(target, IntType):
        raise ctx.reject("NK0325", f"`truncate` makes integers, not `{target}`", width, "write `truncate(u8, x)`")
    value = lower(ctx, argument)
    if isinstance(value, Untyped):
        if isinstance(value.value, float):
            raise ctx.reject("NK0313", f"{value.value} is no integer", argument)
        low = value.value & ((1 << target.bits) - 1)
        return ir.Const(target, low - (1 << target.bits) if low > target.highest else low)
    if not isinstance(value.type, IntType):
        raise ctx.reject("NK0325", f"`{value.type}` can't be truncated", argument)
    return ctx.op(ir.Convert, node, target, value, True)


def _unreachable(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    match node.args:
        case [ast.Constant(value=str() as why)] if not node.keywords:
            pass
        case _:
            raise ctx.reject("NK0326", "`unreachable` wants the reason, as a text", node, 'write `unreachable("why")`')
    ctx.block.append(ir.Fail(ctx.span(node), ctx.check(Kind.UNREACHABLE, why)))
    ctx.flow.dead = True
    return ir.Const(NEVER, None)


def _assert_never(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    argument = single(ctx, "assert_never", node)
    operand = inferred(ctx, argument)
    if operand.type == NEVER:
        ctx.block.append(ir.Fail(ctx.span(node), ctx.check(Kind.UNREACHABLE, "every case is handled", discharged=True)))
        ctx.flow.dead = True
        return operand
    raise ctx.reject("NK0406", f"this can be reached: it may be `{operand.type}` here", node, "handle that case before")


def _size(name: str) -> Callable[[Context, ast.Call, Type | None], Value]:
    def handler(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
        argument = single(ctx, name, node)
        type_ = ctx.type_of(argument)
        if is_open(type_):
            raise ctx.reject("NK0307", f"the size of `{type_}` isn't known here", argument)
        inner = type_.target if isinstance(type_, RefType) else type_
        _no_frames(ctx, inner, argument)
        known = layout.Layout()
        return Untyped(known.size(inner) if name == "size_of" else known.alignment(inner))

    return handler


def _no_frames(ctx: Context, type_: Type, node: ast.expr) -> None:
    """The size of a frame follows from code, and this is asked before all code is known."""
    if any(isinstance(inside, FrameType) for inside in lives.contents(type_)):
        help = "`nk size` shows the sizes of frames"
        raise ctx.reject("NK0307", f"the size of `{type_}` isn't known here: it holds frames of coroutines", node, help)


def _offset(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    class_node, name_node = positional(ctx, "offset_of", node, 2)
    type_ = ctx.type_of(class_node)
    inner = type_.target if isinstance(type_, RefType) else type_
    if not isinstance(inner, StructType | WireType):
        raise ctx.reject("NK0325", f"`offset_of` wants a struct or wire class, not `{type_}`", class_node)
    match name_node:
        case ast.Constant(value=str() as name) if name in inner.fields and (
            isinstance(inner, WireType) or not inner.fields[name].ghost
        ):
            _no_frames(ctx, inner, class_node)
            offset = inner.fields[name].offset if isinstance(inner, WireType) else layout.Layout().offset(inner, name)
            return Untyped(offset)
    raise ctx.reject("NK0315", f"`{inner}` has no such field", name_node, "write its name as a text")


def _wire_view(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    class_node, span_node = positional(ctx, "wire_view", node, 2)
    type_ = ctx.type_of(class_node)
    if not isinstance(type_, RefType) or not isinstance(type_.target, WireType):
        raise ctx.reject("NK0325", f"`wire_view` wants a `@wire` class, not `{type_}`", class_node)
    span = expression(ctx, span_node, SpanType(U8, mutable=True))
    return ctx.op(ir.WireView, node, type_, span, kinds=(Kind.INDEX,))


def _retire(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    argument = single(ctx, "retire", node)
    operand = inferred(ctx, argument)
    if not isinstance(operand.type, RefType) or not isinstance(operand.type.target, StructType):
        raise ctx.reject("NK0325", f"only objects of a `@struct` are retired, not `{operand.type}`", argument)
    ctx.do(ir.Retire, node, operand)
    ctx.forget_memory(node)
    return NOTHING


def _copy(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    target_node, source_node = positional(ctx, "copy", node, 2)
    target, source = _as_span(ctx, inferred(ctx, target_node), target_node), inferred(ctx, source_node)
    source = _as_span(ctx, source, source_node)
    assert isinstance(target.type, SpanType) and isinstance(source.type, SpanType)
    if not target.type.mutable:
        raise ctx.reject("NK0331", f"`{target.type}` is immutable", target_node, "copy into a `Span[T]`")
    for operand, place in ((target, target_node), (source, source_node)):
        assert isinstance(operand.type, SpanType)
        if operand.type.inline or operand.type.atomic:
            raise ctx.reject("NK0331", "the elements are objects: they aren't copied", place, "assign their fields")
    if target.type.element != source.type.element:
        message = f"elements of `{source.type.element}` copied to elements of `{target.type.element}`"
        raise ctx.reject("NK0310", message, source_node)
    ctx.do(ir.Copy, node, target, source, kinds=(Kind.INDEX,), message="the lengths differ")
    ctx.forget_memory(node)
    return NOTHING


def _as_span(ctx: Context, operand: Operand, node: ast.expr) -> Operand:
    """A sequence as a span or view."""
    sequence = element_of(ctx, operand.type, node)
    if isinstance(sequence, SpanType):
        return operand
    type_ = SpanType(sequence.element, mutable=True, inline=sequence.inline, atomic=sequence.atomic)
    return ctx.op(ir.MakeSpan, node, type_, operand)


def _text_of(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    return ctx.op(ir.MakeSpan, node, STR, expression(ctx, single(ctx, "text_of", node), BYTES))


def _extreme(name: str) -> Callable[[Context, ast.Call, Type | None], Value]:
    def handler(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
        if node.keywords:
            raise ctx.reject("NK0326", f"`{name}` has no keyword arguments", node)
        return operators.extreme(ctx, name, node.args, node, hint)

    return handler


VOCABULARY.update(
    {
        "len": _length,
        "truncate": _truncate,
        "unreachable": _unreachable,
        "assert_never": _assert_never,
        "size_of": _size("size_of"),
        "align_of": _size("align_of"),
        "offset_of": _offset,
        "wire_view": _wire_view,
        "retire": _retire,
        "text_of": _text_of,
        "copy": _copy,
        "min": _extreme("min"),
        "max": _extreme("max"),
    }
)
