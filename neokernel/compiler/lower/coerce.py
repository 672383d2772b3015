"""From the type that an expression has to the type that its context expects."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.generics import Matcher, OpenArray, is_open
from neokernel.compiler.ir import Const, Operand
from neokernel.compiler.lower.context import Context, Untyped, Value, arms_of
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    INTS,
    NEVER,
    NONE,
    STR,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    RefType,
    SpanType,
    TupleType,
    Type,
    UnionType,
)


def typed(ctx: Context, value: Value, node: ast.AST) -> Operand:
    """The value as an operand that has a type: an error for a constant without width."""
    if isinstance(value, Untyped):
        if isinstance(value.value, float):
            help = _DIVISION if _is_division(node) else f"write `f64({value.value})`, or annotate"
            raise ctx.reject("NK0312", f"this constant has no width: `{value.value}`", node, help)
        width = width_for(value.value)
        raise ctx.reject(
            "NK0312",
            f"nothing here says which width the constant {value.value} has",
            node,
            f"write `{width}({value.value})`, or annotate the variable: `name: {width} = {value.value}`",
        )
    return value


_DIVISION = "`/` gives a float, also of whole numbers: integers divide with `//`"


def _is_division(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def width_for(number: int | float) -> str:
    """The type to propose for a constant."""
    if isinstance(number, float):
        return "f64"
    return next((name for name in ("u32", "i32", "u64", "i64") if INTS[name].holds(number)), "u64")


def coerce_field(ctx: Context, value: Value, owner: Type, name: str, expected: Type, node: ast.AST) -> Operand:
    """`value` as what the field `name` of `owner` holds; a diagnostic says where that is declared."""
    try:
        return coerce(ctx, value, expected, node)
    except Rejected as rejected:
        raise about_field(ctx, rejected, owner, name) from None


def about_field(ctx: Context, rejected: Rejected, owner: Type, name: str) -> Rejected:
    """The same diagnostic, with where the field is declared, if a program's source does that."""
    origin = ctx.resolver.origins.get(owner)
    declared = None if origin is None else origin.declaration.fields.get(name)
    if origin is None or declared is None:
        return rejected
    module = origin.declaration.module
    text = f"`{owner}` declares `{name}: {ast.unparse(declared.annotation)}` here"
    return rejected.with_note(module.span(declared.node), text)


def coerce(ctx: Context, value: Value, expected: Type, node: ast.AST) -> Operand:
    """`value` as an `expected` (which may be open), or a diagnostic at `node`."""
    if isinstance(value, Untyped):
        return constant(ctx, value, expected, node)
    actual = value.type
    if actual in (expected, NEVER):
        return value
    if is_open(expected):
        matched = Matcher(ctx.resolver.origins, dict(ctx.bindings)).match(expected, actual)
        if matched is not None:
            return value if matched == actual else coerce(ctx, value, matched, node)
        raise mismatch(ctx, actual, expected, node)
    if isinstance(expected, UnionType):
        if all(arm in expected.arms for arm in arms_of(actual)):
            return ctx.op(ir.MakeUnion, node, expected, value)
        # An array can become a span that is an arm.
        for arm in expected.arms:
            if isinstance(arm, SpanType) and _array_to_span(actual, arm):
                return ctx.op(ir.MakeUnion, node, expected, ctx.op(ir.MakeSpan, node, arm, value))
    if isinstance(expected, SpanType) and _array_to_span(actual, expected):
        return ctx.op(ir.MakeSpan, node, expected, value)
    if isinstance(expected, TupleType) and isinstance(actual, TupleType) and len(expected.items) == len(actual.items):
        if all(_widens(a, e) for a, e in zip(actual.items, expected.items, strict=True)):
            items = []
            for index, (a, e) in enumerate(zip(actual.items, expected.items, strict=True)):
                items.append(coerce(ctx, ctx.op(ir.Item, node, a, value, index), e, node))
            return ctx.op(ir.MakeRecord, node, expected, tuple(items))
    raise mismatch(ctx, actual, expected, node)


def constant(ctx: Context, value: Untyped, expected: Type, node: ast.AST) -> Const | Operand:
    """An untyped constant as an `expected`."""
    number = value.value
    match expected:
        case IntType():
            if isinstance(number, float):
                help = _DIVISION if _is_division(node) else f"`{expected}({number})` converts"
                raise ctx.reject("NK0313", f"{number} is no integer", node, help)
            if not expected.holds(number):
                raise ctx.reject(
                    "NK0313",
                    f"{number} doesn't fit in `{expected}` ({expected.lowest} … {expected.highest})",
                    node,
                    _fitting(expected, number),
                )
            return Const(expected, number)
        case FloatType():
            if isinstance(number, int) and abs(number) > 1 << (53 if expected.bits == 64 else 24):
                raise ctx.reject("NK0313", f"{number} isn't exact in `{expected}`", node, f"write `{number}.0`")
            return Const(expected, float(number))
        case UnionType(arms):
            kind = FloatType if isinstance(number, float) else IntType
            for arm in arms:
                if isinstance(arm, kind):
                    return ctx.op(ir.MakeUnion, node, expected, constant(ctx, value, arm, node))
    if is_open(expected):
        raise ctx.reject(
            "NK0314",
            f"the constant {number} is passed for a type variable, and CPython can't know its width",
            node,
            f"write `{width_for(number)}({number})`",
        )
    raise ctx.reject(
        "NK0310", f"expected `{expected}`, and this is the number {number}", node, _hint_number(expected, number)
    )


def _fitting(expected: IntType, number: int) -> str:
    """What to do about a number that an `expected` doesn't hold."""
    if number >= 0:
        return "use a wider type" if number <= INTS["u64"].highest else "no type is wider than 64 bits"
    if expected.signed:
        return "use a wider type" if number >= INTS["i64"].lowest else "no type is wider than 64 bits"
    return f"`{expected}` has no sign: where a number is missing, say `{expected} | None`; else use `i32` or `i64`"


def type_within(value: Value, union: UnionType) -> Type:
    """What is known of `value` once it is a `union`: its own type, or the arm that takes a constant or an array."""
    if not isinstance(value, Untyped):
        if all(arm in union.arms for arm in arms_of(value.type)):
            return value.type
        spans = (arm for arm in union.arms if isinstance(arm, SpanType))
        return next((arm for arm in spans if _array_to_span(value.type, arm)), union)
    kind = FloatType if isinstance(value.value, float) else IntType
    return next((arm for arm in union.arms if isinstance(arm, kind)), union)


def _hint_number(expected: Type, number: int | float) -> str:
    if expected == BOOL:
        return "there is no truthiness: write a comparison, or `True` or `False`"
    if isinstance(expected, EnumType):
        name = next((n for n, v in expected.members.items() if v == number), next(iter(expected.members), "MEMBER"))
        return f"write `{expected}.{name}`"
    return ""


def mismatch(ctx: Context, actual: Type, expected: Type, node: ast.AST) -> Exception:
    """The diagnostic for an `actual` where an `expected` is wanted, with the best help we know."""
    message = f"expected `{expected}`, and this is `{actual}`"
    help = ""
    if actual == NONE and NONE in arms_of(expected):
        spans = [str(arm).replace("Array", "Span") for arm in arms_of(expected) if _is_open_array(arm)]
        message = f"`{expected}` has a length that the build knows, and `None` doesn't tell it"
        help = f"let the function take `{spans[0]} | None`" if spans else ""
    elif isinstance(actual, IntType) and isinstance(expected, IntType):
        help = f"convert it: `{expected}(...)` fails if it doesn't fit, `truncate({expected}, ...)` keeps the low bits"
    elif isinstance(actual, UnionType) and all(arm in actual.arms for arm in arms_of(expected)):
        if NONE in actual.arms and len(actual.arms) == 2:
            help = "it may be `None`: test it first (`if x is None: return`, or `assert x is not None`)"
        else:
            help = "it may be something else: test it first with `isinstance` or `match`"
    elif isinstance(actual, IntType) and expected == BOOL:
        help = "there is no truthiness: write `x != 0`"
    elif isinstance(actual, IntType | FloatType) and isinstance(expected, IntType | FloatType):
        help = f"convert it: `{expected}(...)`"
    elif actual in (STR, BYTES) and _has_number(expected):
        help = _hint_text(expected, node)
    elif expected == STR:
        help = "write `text_of(…)`" if actual == BYTES else ""
    elif isinstance(actual, EnumType) and isinstance(expected, IntType):
        help = f"take its number: `{expected}(x.value)`"
    elif isinstance(expected, SpanType) and not expected.mutable and isinstance(actual, SpanType | RefType):
        help = "write `.encode()`" if actual == STR else "write `.bytes()`" if expected == BYTES else "write `.view()`"
    elif isinstance(expected, SpanType) and expected.mutable and isinstance(actual, SpanType) and not actual.mutable:
        help = "this view is immutable: take a `Span` of memory that may be written"
    elif actual == NONE:
        help = f"if it may be `None`, say so: `{expected} | None`"
    return ctx.reject("NK0310", message, node, help)


def _has_number(expected: Type) -> bool:
    return any(isinstance(arm, IntType | FloatType | EnumType) for arm in arms_of(expected))


def _hint_text(expected: Type, node: ast.AST) -> str:
    """What to write where a text stands for a number or an enum's member."""
    text = node.value if isinstance(node, ast.Constant) else None
    for arm in arms_of(expected):
        if isinstance(arm, EnumType):
            wanted = text.upper() if isinstance(text, str) else ""
            member = wanted if wanted in arm.members else next(iter(arm.members), "MEMBER")
            return f"write `{arm}.{member}`"
    if isinstance(text, str) and text.isascii() and text.isdigit():
        return f"write `{int(text)}`, without quotes"
    return "a text isn't read as a number: write one, or let the place have a type for text"


def _is_open_array(type_: Type) -> bool:
    return isinstance(type_, RefType) and isinstance(type_.target, OpenArray)


def _array_to_span(actual: Type, expected: SpanType) -> bool:
    if not (isinstance(actual, RefType) and isinstance(actual.target, ArrayType) and expected.mutable):
        return False
    array = actual.target
    return (array.element, array.inline, array.atomic) == (expected.element, expected.inline, expected.atomic)


def _widens(actual: Type, expected: Type) -> bool:
    return actual == expected or all(arm in arms_of(expected) for arm in arms_of(actual))
