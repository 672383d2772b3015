"""Conditions: comparisons, `and`, `or`, `not`, `isinstance`, and what they teach about the types of variables."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise

from neokernel.compiler import ir
from neokernel.compiler.declare import AliasDecl, ClassDecl, EnumDecl, LangName
from neokernel.compiler.ir import Const, Operand
from neokernel.compiler.lower import calls, operators
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import FALSE, TRUE, Context, Facts, Path, Untyped, Value, arms_of, join, union_of
from neokernel.compiler.lower.dispatch import EXPRESSIONS, VOCABULARY, inferred, lower
from neokernel.compiler.lower.names import find, is_global, path_of
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    NEVER,
    NONE,
    STR,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    NoneType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)

#: the operand, and what is known where it is true and where it is false
Condition = tuple[Operand, Facts, Facts]


_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "=="),
    ast.NotEq: ("ne", "!="),
    ast.Lt: ("lt", "<"),
    ast.LtE: ("le", "<="),
    ast.Gt: ("gt", ">"),
    ast.GtE: ("ge", ">="),
}


def value(ctx: Context, node: ast.expr, hint: Type | None) -> Value:
    """A condition as a plain `bool`."""
    return condition(ctx, node)[0]


def condition(ctx: Context, node: ast.expr) -> Condition:
    """Lower `node`, which must be a `bool`."""
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return _conjunction(ctx, node, values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return _disjunction(ctx, node, values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner, when_true, when_false = condition(ctx, operand)
            if isinstance(inner, Const):
                return (FALSE if inner.value else TRUE), when_false, when_true
            negated = ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, inner)
            return negated, when_false, when_true
        case ast.Compare():
            return _compare(ctx, node)
        case ast.Call(func=ast.Name() as function) if is_global(ctx, function):
            if find(ctx, function) == LangName("isinstance"):
                return _isinstance(ctx, node)
    result = lower(ctx, node, BOOL)
    if isinstance(result, Untyped) or result.type != BOOL:
        raise _not_bool(ctx, result, node)
    return result, {}, {}


def _not_bool(ctx: Context, result: Value, node: ast.AST) -> Exception:
    type_ = None if isinstance(result, Untyped) else result.type
    if type_ is None or isinstance(type_, IntType | FloatType):
        help = "there is no truthiness: write `x != 0`"
    elif NONE in arms_of(type_):
        help = "there is no truthiness: write `x is not None`"
    elif type_ == STR:
        help = 'there is no truthiness: write `x != ""`'
    elif isinstance(type_, SpanType) or (isinstance(type_, RefType) and isinstance(type_.target, ArrayType)):
        help = "there is no truthiness: write `len(x) != 0`"
    else:
        help = "it is never `None`: leave the test out" if isinstance(type_, RefType) else "write a comparison"
    shown = "a number" if type_ is None else f"`{type_}`"
    return ctx.reject("NK0327", f"a condition is a `bool`, and this is {shown}", node, help)


def _conjunction(ctx: Context, node: ast.BoolOp, values: list[ast.expr]) -> Condition:
    first, when_true, when_false = condition(ctx, values[0])
    for asked, part in pairwise(values):
        result = ctx.hidden("and", BOOL)
        learned: list[tuple[Facts, Facts, Facts]] = []

        def right(
            part: ast.expr = part,
            result: ir.Var = result,
            before: Facts = when_true,
            learned: list[tuple[Facts, Facts, Facts]] = learned,
        ) -> None:
            second, second_true, second_false = condition(ctx, part)
            learned.append((_left(ctx, before), second_true, second_false))
            ctx.set(result, second, part)

        def left(result: ir.Var = result) -> None:
            ctx.set(result, FALSE, node)

        ctx.branch(_up_to(ctx, node, asked), first, right, left, when_true, when_false)
        first = ctx.get(result, node)
        still, second_true, second_false = learned[0]
        when_true = {**still, **second_true}
        when_false = _either(when_false, second_false)
    return first, when_true, when_false


def _disjunction(ctx: Context, node: ast.BoolOp, values: list[ast.expr]) -> Condition:
    first, when_true, when_false = condition(ctx, values[0])
    for asked, part in pairwise(values):
        result = ctx.hidden("or", BOOL)
        learned: list[tuple[Facts, Facts, Facts]] = []

        def left(result: ir.Var = result) -> None:
            ctx.set(result, TRUE, node)

        def right(
            part: ast.expr = part,
            result: ir.Var = result,
            before: Facts = when_false,
            learned: list[tuple[Facts, Facts, Facts]] = learned,
        ) -> None:
            second, second_true, second_false = condition(ctx, part)
            learned.append((_left(ctx, before), second_true, second_false))
            ctx.set(result, second, part)

        ctx.branch(_up_to(ctx, node, asked), first, left, right, when_true, when_false)
        first = ctx.get(result, node)
        still, second_true, second_false = learned[0]
        when_true = _either(when_true, second_true)
        when_false = {**still, **second_false}
    return first, when_true, when_false


def _up_to(ctx: Context, node: ast.BoolOp, part: ast.expr) -> ir.Span:
    """Where the condition stands that is asked before the next part is looked at."""
    whole, last = ctx.span(node), ctx.span(part)
    return replace(whole, end_line=last.end_line, end_column=last.end_column)


def _left(ctx: Context, facts: Facts) -> Facts:
    """What is left of what an earlier part taught: a later part may have called, stored or assigned."""
    return {path: type_ for path, type_ in facts.items() if ctx.flow.narrowed.get(path) == type_}


def _either(a: Facts, b: Facts) -> Facts:
    """What is known when one of two sets of facts holds."""
    both: Facts = {}
    for path in a.keys() & b.keys():
        joined = join(a[path], b[path])
        if joined is not None:
            both[path] = joined
    return both


def _compare(ctx: Context, node: ast.Compare) -> Condition:
    match node.ops, node.comparators:
        case [ast.Is() | ast.IsNot() as operator], [right]:
            return _identity(ctx, node, isinstance(operator, ast.Is), right)
        case [ast.In() | ast.NotIn() as operator], [right]:
            return _membership(ctx, node, isinstance(operator, ast.In), right)
    left = lower(ctx, node.left)
    return _chain(ctx, node, left, node.left, 0), {}, {}


def _chain(ctx: Context, node: ast.Compare, left: Value, left_node: ast.expr, index: int) -> Operand:
    operator, right_node = node.ops[index], node.comparators[index]
    if type(operator) not in _COMPARISONS:
        raise ctx.reject("NK0103", "`is` and `in` stand alone, not in a chain", node, "join two tests with `and`")
    hint = None if isinstance(left, Untyped) else left.type
    right = lower(ctx, right_node, hint)
    if index + 1 == len(node.ops):
        return compare(ctx, operator, left, right, node, left_node, right_node)
    first = compare(ctx, operator, left, right, node, left_node, right_node)
    return ctx.both(node, first, lambda: _chain(ctx, node, right, right_node, index + 1))


def compare(
    ctx: Context,
    operator: ast.cmpop,
    left: Value,
    right: Value,
    node: ast.AST,
    left_node: ast.AST,
    right_node: ast.AST,
) -> Operand:
    """`left operator right` of evaluated sides."""
    name, symbol = _COMPARISONS[type(operator)]
    if isinstance(left, Untyped) and isinstance(right, Untyped):
        a, b = left.value, right.value
        results = {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}
        return Const(BOOL, results[name])
    # A constant takes the type of the other side, if that can be compared at all.
    known = right.type if isinstance(left, Untyped) and not isinstance(right, Untyped) else None
    known = left.type if not isinstance(left, Untyped) and isinstance(right, Untyped) else known
    if known is not None:
        _comparable(ctx, known, known, name, symbol, node)
        for side, place in ((left, left_node), (right, right_node)):
            if isinstance(side, Untyped) and side.value < 0 and isinstance(known, IntType) and not known.signed:
                message = f"{side.value} is compared with a `{known}`, which is never negative"
                help = "leave the test out; to count down write `for i in reversed(range(n))`"
                raise ctx.reject("NK0313", message, place, help)
        left, right = coerce(ctx, left, known, left_node), coerce(ctx, right, known, right_node)
    first, second = typed(ctx, left, left_node), typed(ctx, right, right_node)
    _comparable(ctx, first.type, second.type, name, symbol, node)
    return ctx.op(ir.Compare, node, BOOL, name, first, second)


def _comparable(ctx: Context, left: Type, right: Type, name: str, symbol: str, node: ast.AST) -> None:
    equality = name in ("eq", "ne")
    if NONE in (left, right):
        raise ctx.reject("NK0328", "`None` is tested with `is`", node, "write `x is None` or `x is not None`")
    if isinstance(left, UnionType) or isinstance(right, UnionType):
        union = left if isinstance(left, UnionType) else right
        raise ctx.reject(
            "NK0316",
            f"`{symbol}` on a union: this may be `{'` or `'.join(map(str, arms_of(union)))}`",
            node,
            "test it first with `isinstance`, `is None` or `match`",
        )
    if left != right:
        help = ""
        if isinstance(left, IntType | FloatType) and isinstance(right, IntType | FloatType):
            help = f"convert one side: `{operators.wider(left, right)}(…)`"
        elif STR in (left, right):
            other = right if left == STR else left
            help = "take the text's bytes: `.encode()`" if other == BYTES else "text is compared with text only"
        elif isinstance(left, SpanType) or isinstance(right, SpanType):
            help = "compare `bytes` with `bytes`: `x.bytes() == y.bytes()`"
        raise ctx.reject("NK0311", f"`{left} {symbol} {right}`: the sides have different types", node, help)
    match left:
        case IntType() | FloatType():
            return
        case RefType():
            raise ctx.reject(
                "NK0328", f"`{symbol}` on references to `{left}`", node, "objects are compared by identity: `a is b`"
            )
        case EnumType() | TupleType() | ValueType() if equality:
            if _has_equality(left):
                return
            raise ctx.reject("NK0328", f"`{left}` holds something that `{symbol}` can't compare", node)
        case SpanType(mutable=False) if equality and left.element == IntType(8, False):
            return
    if left == BOOL and equality:
        return
    help = "take their numbers: `u32(x.value)`" if isinstance(left, EnumType) else ""
    raise ctx.reject("NK0328", f"`{symbol}` is not for `{left}`", node, help)


def _has_equality(type_: Type, in_value: bool = False) -> bool:
    """Does `==` say of such things what it says under CPython?"""
    match type_:
        case ValueType(fields=fields):
            return all(_has_equality(f.type, True) for f in fields.values() if not f.ghost)
        case TupleType(items):
            return all(_has_equality(item, in_value) for item in items) and (in_value or not _holds_float(type_))
        case UnionType(arms):
            return all(_has_equality(arm, in_value) for arm in arms)
        case SpanType(mutable=mutable, element=element):
            return not mutable and element == IntType(8, False)
        case RefType():
            return False
    return True


def _holds_float(type_: Type) -> bool:
    """Python's tuples take an object for equal to itself before they compare, and NaN isn't equal to itself."""
    match type_:
        case ValueType(fields=fields):
            return any(_holds_float(f.type) for f in fields.values() if not f.ghost)
        case TupleType(items) | UnionType(items):
            return any(map(_holds_float, items))
    return isinstance(type_, FloatType)


def _identity(ctx: Context, node: ast.Compare, positive: bool, right_node: ast.expr) -> Condition:
    left = inferred(ctx, node.left)
    name = "eq" if positive else "ne"
    if isinstance(right_node, ast.Constant) and right_node.value is None:
        if not isinstance(left.type, UnionType) or NONE not in left.type.arms:
            if left.type == NONE:
                return (TRUE if positive else FALSE), {}, {}
            raise ctx.reject("NK0329", f"this is never `None`: it is `{left.type}`", node, "leave the test out")
        test: Operand = ctx.op(ir.IsArm, node, BOOL, left, (NONE,))
        if not positive:
            test = ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, test)
        path = path_of(node.left)
        none: Facts = {path: NONE} if path else {}
        rest: Facts = {path: union_of([a for a in left.type.arms if a != NONE])} if path else {}
        return (test, none, rest) if positive else (test, rest, none)
    right = inferred(ctx, right_node)
    if isinstance(left.type, EnumType) and left.type == right.type:
        # Each member is one object under CPython, so `is` says what `==` says.
        return ctx.op(ir.Compare, node, BOOL, name, left, right), {}, {}
    if isinstance(right.type, EnumType) and right.type in arms_of(left.type):
        return _is_member(ctx, node, positive, left, right)
    for side, part in ((left, node.left), (right, right_node)):
        if not all(isinstance(arm, RefType | NoneType) for arm in arms_of(side.type)):
            help = "write `==`" if not isinstance(side.type, UnionType) else "test it first"
            raise ctx.reject("NK0328", f"`is` compares objects, and this is `{side.type}`", part, help)
    wide = join(left.type, right.type)
    assert wide is not None
    shared = [arm for arm in arms_of(left.type) if arm in arms_of(right.type)]
    several = len([arm for arm in arms_of(wide) if arm != NONE]) > 1
    if several and not shared:
        raise ctx.reject("NK0328", f"`{left.type}` and `{right.type}` are never the same object", node)
    if several:
        test = _same_arm(ctx, node, coerce(ctx, left, wide, node.left), coerce(ctx, right, wide, right_node), shared)
        return (test if positive else ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, test)), {}, {}
    if NONE in arms_of(wide) and wide != NONE:
        left, right = coerce(ctx, left, wide, node.left), coerce(ctx, right, wide, right_node)
    return ctx.op(ir.Compare, node, BOOL, name, left, right), {}, {}


def _is_member(ctx: Context, node: ast.Compare, positive: bool, left: Operand, right: Operand) -> Condition:
    """Is a union's value that member of one of its arms, an enum?"""

    def same() -> Operand:
        return ctx.op(ir.Compare, node, BOOL, "eq", ctx.op(ir.AsArm, node, right.type, left), right)

    test = ctx.both(node, ctx.op(ir.IsArm, node, BOOL, left, (right.type,)), same)
    path = path_of(node.left)
    member: Facts = {path: right.type} if path else {}
    if positive:
        return test, member, {}
    return ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, test), {}, member


def _same_arm(ctx: Context, node: ast.AST, left: Operand, right: Operand, arms: list[Type]) -> Operand:
    """Are two values of a union the same of these arms, and the same object?"""

    def is_arm(value: Operand, arm: Type) -> Operand:
        return ctx.op(ir.IsArm, node, BOOL, value, (arm,))

    def same(arm: Type) -> Operand:
        if arm == NONE:
            return TRUE
        parts = (ctx.op(ir.AsArm, node, arm, value) for value in (left, right))
        return ctx.op(ir.Compare, node, BOOL, "eq", *parts)

    def among(rest: list[Type]) -> Operand:
        if not rest:
            return FALSE
        arm = rest[0]
        there = ctx.both(node, is_arm(left, arm), lambda: is_arm(right, arm))
        return ctx.choose(node, there, lambda: same(arm), lambda: among(rest[1:]), BOOL)

    return among(arms)


def _membership(ctx: Context, node: ast.Compare, positive: bool, right: ast.expr) -> Condition:
    """`x in (a, b, c)`, or `x in container` through `__contains__`."""
    left = lower(ctx, node.left)
    if isinstance(right, ast.Tuple):
        if not right.elts:
            raise ctx.reject("NK0328", "nothing is in an empty tuple", node)
        # As in Python, the tuple is there before anything is compared.
        items = [(lower(ctx, element), element) for element in right.elts]
        for item, element in items:
            if isinstance(item, Untyped) or (isinstance(item, Const) and item.value == item.value):
                continue
            if _holds_float(item.type):
                help = "write `x == a or x == b`"
                raise ctx.reject("NK0328", "Python finds a NaN in a tuple that holds it, `==` doesn't", element, help)
        test: Operand = compare(ctx, ast.Eq(), left, items[0][0], node, node.left, items[0][1])
        for item, element in items[1:]:

            def other(item: Value = item, element: ast.expr = element) -> Operand:
                return compare(ctx, ast.Eq(), left, item, node, node.left, element)

            test = ctx.choose(node, test, lambda: TRUE, other, BOOL)
    else:
        container = inferred(ctx, right)
        method = calls.special_method(ctx, container, "__contains__")
        if method is None:
            raise ctx.reject(
                "NK0328", f"`in` is not for `{container.type}`", right, "write `x in (a, b)`, or loop over it"
            )
        test = calls.invoke_with(ctx, method, container, [(left, node.left)], node)
    if not positive:
        test = ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, test)
    return test, {}, {}


def _isinstance(ctx: Context, node: ast.Call) -> Condition:
    if len(node.args) != 2 or node.keywords:
        raise ctx.reject("NK0326", "`isinstance` has two arguments", node)
    operand = inferred(ctx, node.args[0])
    classes = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
    for part in classes:
        if isinstance(part, ast.Constant) and part.value is None:
            raise ctx.reject("NK0328", "`None` is tested with `is`", part, "write `x is None`")
    arms = class_arms(ctx, node.args[1], operand.type)
    path = path_of(node.args[0])
    rest = [arm for arm in arms_of(operand.type) if arm not in arms]
    if not rest and path is not None and path in ctx.flow.narrowed:
        # The last of a series of tests: nothing is left for its `else`.
        return TRUE, *_facts(path, operand.type, NEVER)
    if not isinstance(operand.type, UnionType) or not rest:
        raise ctx.reject("NK0329", f"this is always so: it is `{operand.type}`", node, "leave the test out")
    test = ctx.op(ir.IsArm, node, BOOL, operand, arms)
    return test, *_facts(path, union_of(list(arms)), union_of(rest))


def _facts(path: Path | None, when_true: Type, when_false: Type) -> tuple[Facts, Facts]:
    return ({path: when_true}, {path: when_false}) if path else ({}, {})


def class_arms(ctx: Context, node: ast.expr, type_: Type) -> tuple[Type, ...]:
    """The arms of `type_` that are instances of the class or classes `node`."""
    parts: list[ast.expr] = list(node.elts) if isinstance(node, ast.Tuple) else [node]
    if isinstance(node, ast.BinOp):
        parts = _alternatives(node)
    found: list[Type] = []
    for part in parts:
        matching = [arm for arm in arms_of(type_) if is_instance(ctx, arm, part)]
        if not matching:
            raise ctx.reject("NK0329", f"this is never so: `{type_}` has no such arm", part)
        found += matching
    return tuple(found)


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    return [node]


def is_instance(ctx: Context, arm: Type, node: ast.expr) -> bool:
    """Is `arm` what a class pattern names? Generic classes are named without arguments."""
    if isinstance(node, ast.Constant) and node.value is None:
        return arm == NONE
    if not isinstance(node, ast.Name | ast.Attribute):
        raise ctx.reject("NK0301", f"`{ast.unparse(node)}` is not a class", node)
    found = find(ctx, node)
    match found:
        case ClassDecl():
            inner = arm.target if isinstance(arm, RefType) else arm
            if isinstance(inner, StructType | ValueType | WireType):
                return ctx.resolver.origins[inner].declaration is found
            return False
        case EnumDecl():
            return arm is found.type
        case AliasDecl():
            wanted = ctx.resolver.resolve(found.value, found.scope, {})
            return arm in arms_of(wanted)
        case LangName("Span" | "Array"):
            return isinstance(arm, SpanType) and arm.mutable
        case LangName("Handle"):
            origin = ctx.resolver.origins.get(arm)
            return origin is not None and origin.declaration is ctx.resolver.handle
        case LangName():
            return arm == ctx.resolver.resolve(node, ctx.scope, ctx.bindings)
    raise ctx.reject("NK0301", f"`{ast.unparse(node)}` is not a class", node)


def _unary(ctx: Context, node: ast.UnaryOp, hint: Type | None) -> Value:
    return value(ctx, node, hint) if isinstance(node.op, ast.Not) else operators.unary(ctx, node, hint)


EXPRESSIONS.update({ast.Compare: value, ast.BoolOp: value, ast.UnaryOp: _unary})
VOCABULARY["isinstance"] = value
