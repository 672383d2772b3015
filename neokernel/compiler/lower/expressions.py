"""Expressions: literals, variables, attributes, subscripts, conditionals."""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.declare import ClassDecl, EnumDecl, LangName, ModuleRef
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.generics import is_open
from neokernel.compiler.ir import Const, Kind, Operand
from neokernel.compiler.lower import assignment, calls, conditions
from neokernel.compiler.lower.context import NOTHING, Context, Path, Untyped, Value, arms_of, union_of
from neokernel.compiler.lower.dispatch import EXPRESSIONS, expression, inferred, lower, trial
from neokernel.compiler.lower.memory import element_of, index_operand, read_element, read_field
from neokernel.compiler.lower.names import declared, find, is_global, narrowed, path_of
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    NONE,
    STR,
    USIZE,
    ArrayType,
    EnumType,
    RefType,
    SpanType,
    TupleType,
    Type,
    ValueType,
)


def _constant(ctx: Context, node: ast.Constant, hint: Type | None) -> Value:
    match node.value:
        case bool() as flag:
            return Const(BOOL, flag)
        case int() | float() as number:
            return Untyped(number)
        case None:
            return NOTHING
        case str() as text:
            try:
                return Const(STR, text.encode())
            except UnicodeEncodeError:
                raise ctx.reject("NK0105", "this text holds a lone surrogate, which UTF-8 can't write", node) from None
        case bytes() as data:
            return Const(BYTES, data)
    raise ctx.reject("NK0103", f"`{ast.unparse(node)}` is not in the language", node)


def _tuple(ctx: Context, node: ast.Tuple, hint: Type | None) -> Value:
    if isinstance(hint, SpanType) and not hint.mutable:
        raise ctx.reject(
            "NK0501", "a table is a module constant", node, "move it to the top level: `TABLE: tuple[u32, ...] = (…)`"
        )
    wanted = hint.items if isinstance(hint, TupleType) and len(hint.items) == len(node.elts) else None
    items: list[Operand] = []
    for index, element in enumerate(node.elts):
        if isinstance(element, ast.Starred):
            raise ctx.reject("NK0103", "`*` is not in the language", element)
        items.append(expression(ctx, element, wanted[index]) if wanted else inferred(ctx, element))
    return ctx.op(ir.MakeRecord, node, TupleType(tuple(item.type for item in items)), tuple(items))


def _name(ctx: Context, node: ast.Name, hint: Type | None) -> Value:
    name = node.id
    var = ctx.variables.get(name)
    if name in ctx.locals or var is not None:
        if var is None or name not in ctx.flow.assigned:
            if name in ctx.flow.assigned:
                # Its assignment was rejected.
                raise Rejected.silent()
            raise ctx.reject(
                "NK0401",
                f"`{name}` isn't assigned on every way to here" if var else f"`{name}` is used before it is assigned",
                node,
                f"give it a value first, in each branch or before: `{name}: … = …`",
            )
        return narrowed(ctx, (name,), ctx.get(var, node), node)
    return declared(ctx, find(ctx, node), node, hint)


def _attribute(ctx: Context, node: ast.Attribute, hint: Type | None) -> Value:
    if is_global(ctx, node.value):
        outer = find(ctx, node.value)
        if isinstance(outer, ModuleRef):
            return declared(ctx, find(ctx, node), node, hint)
        if isinstance(outer, EnumDecl):
            number = outer.type.members.get(node.attr)
            if number is None:
                help = suggestion(node.attr, outer.type.members)
                raise ctx.reject("NK0315", f"`{outer.name}` has no member `{node.attr}`", node, help)
            return Const(outer.type, number)
        if outer == LangName("Order"):
            raise ctx.reject("NK0107", "an `Order` can only be an argument of an atomic operation", node)
        if isinstance(outer, ClassDecl):
            raise ctx.reject(
                "NK0107", f"a class has no attributes: `{outer.name}.{node.attr}`", node, "read it from an object"
            )
    base = inferred(ctx, node.value)
    return narrowed(ctx, path_of(node), read_field(ctx, base, node.attr, node), node)


def _subscript(ctx: Context, node: ast.Subscript, hint: Type | None) -> Value:
    base = inferred(ctx, node.value)
    method = calls.special_method(ctx, base, "__getitem__")
    if method is not None:
        return calls.invoke(ctx, method, base, [node.slice], node, hint)
    if isinstance(base.type, TupleType):
        return _tuple_item(ctx, base, base.type, node)
    sequence = element_of(ctx, base.type, node)
    if isinstance(node.slice, ast.Slice):
        return _slice(ctx, base, sequence, node, node.slice)
    index = index_operand(ctx, node.slice)
    return read_element(ctx, base, sequence, index, node)


def _tuple_item(ctx: Context, base: Operand, type_: TupleType, node: ast.Subscript) -> Operand:
    value = lower(ctx, node.slice, USIZE) if not isinstance(node.slice, ast.Slice) else None
    if not isinstance(value, Untyped) or not isinstance(value.value, int):
        raise ctx.reject("NK0321", "the index into a tuple is a constant", node.slice, "unpack it: `a, b = pair`")
    if not 0 <= value.value < len(type_.items):
        raise ctx.reject("NK0321", f"this tuple has {len(type_.items)} items", node.slice)
    return ctx.op(ir.Item, node, type_.items[value.value], base, value.value)


def _slice(
    ctx: Context, base: Operand, sequence: ArrayType | SpanType, node: ast.Subscript, bounds: ast.Slice
) -> Operand:
    if bounds.step is not None:
        raise ctx.reject("NK0320", "a slice has no step", bounds.step, "loop over `range(start, stop, step)`")
    start = index_operand(ctx, bounds.lower) if bounds.lower else Const(USIZE, 0)
    stop = index_operand(ctx, bounds.upper) if bounds.upper else None
    if isinstance(sequence, ArrayType):
        type_ = SpanType(sequence.element, mutable=True, inline=sequence.inline, atomic=sequence.atomic)
    else:
        type_ = sequence
    return ctx.op(ir.Slice, node, type_, base, start, stop, kinds=(Kind.INDEX,))


def _conditional(ctx: Context, node: ast.IfExp, hint: Type | None) -> Value:
    test, when_true, when_false = conditions.condition(ctx, node.test)
    # The type must be known before either side is stored; look at both sides without emitting.
    type_ = hint if hint is not None and not is_open(hint) else None
    if type_ is None:
        type_ = _joined(ctx, node, when_true, when_false)
    if ctx.on_trial:
        # Only the type is wanted: so conditionals in conditionals cost no more than their length, squared.
        return ctx.temp(type_)
    result = ctx.hidden("choice", type_)

    def side(part: ast.expr) -> Callable[[], None]:
        return lambda: ctx.set(result, expression(ctx, part, type_), part)

    ctx.branch(node.test, test, side(node.body), side(node.orelse), when_true, when_false)
    return ctx.get(result, node)


def _joined(ctx: Context, node: ast.IfExp, when_true: dict[Path, Type], when_false: dict[Path, Type]) -> Type:
    """The common type of both sides, found by lowering them on trial."""
    types: list[Type] = []
    for part, facts in ((node.body, when_true), (node.orelse, when_false)):
        value = trial(ctx, part, facts)
        if not isinstance(value, Untyped):
            types.append(value.type)
    if not types:
        raise ctx.reject("NK0312", "nothing here says which width this has", node, "write `u32(…)` around one side")
    if len(types) == 2 and types[0] != types[1]:
        if all(isinstance(arm, RefType | ValueType | EnumType) or arm == NONE for t in types for arm in arms_of(t)):
            return union_of([*arms_of(types[0]), *(a for a in arms_of(types[1]) if a not in arms_of(types[0]))])
        raise ctx.reject("NK0310", f"one side is `{types[0]}`, the other `{types[1]}`", node)
    return types[0]


def _walrus(ctx: Context, node: ast.NamedExpr, hint: Type | None) -> Value:
    value = inferred(ctx, node.value, hint)
    assignment.assign_name(ctx, node.target, value)
    return value


def _joined_string(ctx: Context, node: ast.JoinedStr, hint: Type | None) -> Value:
    raise ctx.reject(
        "NK0322",
        "an f-string is not a value: it would need memory from nowhere",
        node,
        'hand it to a writer: `console.write(f"…")`',
    )


EXPRESSIONS.update(
    {
        ast.Constant: _constant,
        ast.Tuple: _tuple,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.IfExp: _conditional,
        ast.NamedExpr: _walrus,
        ast.JoinedStr: _joined_string,
    }
)
