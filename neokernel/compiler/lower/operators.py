"""Arithmetic: unary and binary operators, conversions, and the arithmetic functions of the vocabulary."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.interpret import round_float
from neokernel.compiler.ir import Const, Kind, Mode, Operand
from neokernel.compiler.lower.arguments import single
from neokernel.compiler.lower.coerce import coerce, constant, typed
from neokernel.compiler.lower.context import Context, Untyped, Value
from neokernel.compiler.lower.dispatch import EXPRESSIONS, VOCABULARY, inferred, lower
from neokernel.compiler.types import BOOL, BYTES, STR, U32, EnumType, FloatType, IntType, Type, UnionType

_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.FloorDiv: ("floordiv", "//"),
    ast.Mod: ("mod", "%"),
    ast.LShift: ("shl", "<<"),
    ast.RShift: ("shr", ">>"),
    ast.BitAnd: ("and", "&"),
    ast.BitOr: ("or", "|"),
    ast.BitXor: ("xor", "^"),
    ast.Div: ("div", "/"),
    ast.Pow: ("pow", "**"),
}


_FLOAT_OPERATORS = frozenset({"add", "sub", "mul", "div"})


#: what to write in place of an operation on text
_TEXT = dict.fromkeys((name for name, _ in _OPERATORS.values()), "text is passed, compared and written, no more") | {
    "add": 'write the pieces one after the other, or `f"{a}{b}"`, to a writer: `console.write(…)`',
    "mul": "write it in a loop",
    "mod": 'hand an f-string to a writer: `console.write(f"{x}")`',
}

#: no literal arithmetic may make the compiler compute numbers larger than this
_MOST_BITS = 4096


def binary(ctx: Context, node: ast.BinOp, hint: Type | None) -> Value:
    if type(node.op) not in _OPERATORS:
        raise ctx.reject("NK0103", "`@` is not in the language", node)
    hint = _number(hint)
    left = lower(ctx, node.left, hint)
    wanted = hint if isinstance(left, Untyped) else left.type
    if isinstance(node.op, ast.LShift | ast.RShift):
        wanted = None  # a distance has a width of its own
    right = lower(ctx, node.right, wanted)
    return apply(ctx, node.op, left, right, node, node.left, node.right)


def _number(hint: Type | None) -> Type | None:
    """Where a union is expected, an operation gives its arm that is a number."""
    if not isinstance(hint, UnionType):
        return hint
    numbers = [arm for arm in hint.arms if isinstance(arm, IntType | FloatType)]
    return numbers[0] if len(numbers) == 1 else None


def apply(
    ctx: Context,
    operator: ast.operator,
    left: Value,
    right: Value,
    node: ast.AST,
    left_node: ast.AST,
    right_node: ast.AST,
) -> Value:
    """`left operator right`, both evaluated already. `node` is what a failing check points at."""
    name, symbol = _OPERATORS[type(operator)]
    if any(not isinstance(side, Untyped) and side.type in (STR, BYTES) for side in (left, right)):
        raise ctx.reject("NK0323", f"`{symbol}` is not for text: the result would need memory", node, _TEXT[name])
    if isinstance(left, Untyped) and isinstance(right, Untyped):
        return fold(ctx, name, left.value, right.value, node)
    for side, place in ((left, left_node), (right, right_node)):
        if not isinstance(side, Untyped) and isinstance(side.type, UnionType):
            arms = "` or `".join(map(str, side.type.arms))
            help = "test it first with `isinstance`, `is None` or `match`"
            raise ctx.reject("NK0316", f"`{symbol}` on a union: this may be `{arms}`", place, help)
    if name in ("shl", "shr"):
        return _shift(ctx, name, symbol, left, right, node, left_node, right_node)
    if isinstance(left, Untyped):
        assert not isinstance(right, Untyped)
        left = _adapt(ctx, left, right.type, left_node, symbol)
    right_operand = _adapt(ctx, right, left.type, right_node, symbol)
    type_ = left.type
    if type_ != right_operand.type:
        raise _unequal(ctx, symbol, type_, right_operand.type, node)
    match type_:
        case IntType():
            if name == "div":
                raise ctx.reject("NK0323", "`/` is for floats", node, "integers divide with `//`")
            if name == "pow":
                raise ctx.reject("NK0323", "`**` is for constants", node, "multiply, or shift: `u32(1) << n`")
            return ctx.op(ir.Binary, node, type_, name, Mode.CHECKED, left, right_operand, kinds=_kinds(name, type_))
        case FloatType():
            if name not in _FLOAT_OPERATORS:
                raise ctx.reject("NK0323", f"`{symbol}` is not for floats", node)
            return ctx.op(ir.Binary, node, type_, name, Mode.WRAPPING, left, right_operand)
    help = ""
    if type_ == BOOL:
        help = "use `and`, `or`, `!=`"
    elif isinstance(type_, EnumType):
        help = "take its number: `u32(x.value)`"
    raise ctx.reject("NK0323", f"`{symbol}` is not for `{type_}`", node, help)


def _kinds(name: str, type_: IntType) -> tuple[Kind, ...]:
    match name:
        case "add" | "sub" | "mul":
            return (Kind.OVERFLOW,)
        case "floordiv":
            return (Kind.DIVISION, Kind.OVERFLOW) if type_.signed else (Kind.DIVISION,)
        case "mod":
            return (Kind.DIVISION,)
        case "shl":
            return (Kind.SHIFT, Kind.OVERFLOW)
        case "shr":
            return (Kind.SHIFT,)
    return ()


def _adapt(ctx: Context, value: Value, type_: Type, node: ast.AST, symbol: str) -> Operand:
    if not isinstance(value, Untyped):
        return value
    if not isinstance(type_, IntType | FloatType):
        raise ctx.reject("NK0323", f"`{symbol}` between `{type_}` and a number", node)
    return constant(ctx, value, type_, node)


def _unequal(ctx: Context, symbol: str, left: Type, right: Type, node: ast.AST) -> Exception:
    help = ""
    if isinstance(left, IntType | FloatType) and isinstance(right, IntType | FloatType):
        other = "right" if wider(left, right) is left else "left"
        help = f"convert one side: `{wider(left, right)}(…)` around the {other} one"
    elif isinstance(left, UnionType) or isinstance(right, UnionType):
        help = "test it first with `isinstance`, `is None` or `match`"
    return ctx.reject("NK0311", f"`{left} {symbol} {right}`: the sides have different types", node, help)


def wider(left: IntType | FloatType, right: IntType | FloatType) -> IntType | FloatType:
    """The type to propose where two meet."""
    return left if _rank(left) >= _rank(right) else right


def _rank(type_: IntType | FloatType) -> tuple[int, int, int]:
    if isinstance(type_, FloatType):
        return (1, type_.bits, 0)
    return (0, type_.bits, int(type_.signed))


def _shift(
    ctx: Context,
    name: str,
    symbol: str,
    left: Value,
    right: Value,
    node: ast.AST,
    left_node: ast.AST,
    right_node: ast.AST,
) -> Operand:
    if isinstance(left, Untyped):
        number = left.value
        raise ctx.reject(
            "NK0312",
            f"nothing says which width `{number} {symbol} …` has",
            left_node,
            f"write `{'u64' if number >= 0 else 'i64'}({number}) {symbol} …`",
        )
    if not isinstance(left.type, IntType):
        raise ctx.reject("NK0323", f"`{symbol}` is not for `{left.type}`", node)
    amount = shift_amount(ctx, left.type, right, right_node)
    return ctx.op(ir.Binary, node, left.type, name, Mode.CHECKED, left, amount, kinds=_kinds(name, left.type))


def shift_amount(ctx: Context, type_: IntType, right: Value, node: ast.AST, rotate: bool = False) -> Operand:
    if isinstance(right, Untyped):
        if isinstance(right.value, float) or right.value < 0 or (right.value >= type_.bits and not rotate):
            raise ctx.reject("NK0324", f"a `{type_}` is shifted by 0 … {type_.bits - 1}", node)
        return constant(ctx, right, U32, node)
    if not isinstance(right.type, IntType) or right.type.signed:
        raise ctx.reject(
            "NK0324", f"the amount of a shift is unsigned, and this is `{right.type}`", node, "write `u32(…)`"
        )
    return right


def fold(ctx: Context, name: str, left: int | float, right: int | float, node: ast.AST) -> Untyped:
    """An operation between untyped constants: exact."""
    if isinstance(left, float) or isinstance(right, float):
        a, b = float(left), float(right)
        match name:
            case "add":
                return Untyped(a + b)
            case "sub":
                return Untyped(a - b)
            case "mul":
                return Untyped(a * b)
            case "div" if b:
                return Untyped(a / b)
        raise ctx.reject("NK0502", "this can't be computed", node)
    if name in ("floordiv", "mod", "div") and right == 0:
        raise ctx.reject("NK0502", "division by zero", node)
    if name in ("shl", "shr", "pow") and not 0 <= right <= _MOST_BITS:
        raise ctx.reject("NK0502", f"{right} is out of range here", node)
    if name == "pow" and left.bit_length() * right > _MOST_BITS:
        raise ctx.reject("NK0502", "this constant is too large", node)
    match name:
        case "add":
            result = left + right
        case "sub":
            result = left - right
        case "mul":
            result = left * right
        case "floordiv":
            result = left // right
        case "mod":
            result = left % right
        case "shl":
            result = left << right
        case "shr":
            result = left >> right
        case "and":
            result = left & right
        case "or":
            result = left | right
        case "xor":
            result = left ^ right
        case "pow":
            result = left**right
        case _:
            return Untyped(left / right)
    if result.bit_length() > _MOST_BITS:
        raise ctx.reject("NK0502", "this constant is too large", node)
    return Untyped(result)


def unary(ctx: Context, node: ast.UnaryOp, hint: Type | None) -> Value:
    value = lower(ctx, node.operand, _number(hint))
    if isinstance(value, Untyped):
        match node.op:
            case ast.USub():
                return Untyped(-value.value)
            case ast.Invert():
                if isinstance(value.value, float):
                    raise ctx.reject("NK0323", "`~` is not for floats", node)
                return Untyped(~value.value)
            case ast.UAdd():
                return value
    operand = typed(ctx, value, node.operand)
    match node.op, operand.type:
        case ast.USub(), IntType(signed=True):
            return ctx.op(ir.Unary, node, operand.type, "neg", Mode.CHECKED, operand, kinds=(Kind.OVERFLOW,))
        case ast.USub(), IntType():
            raise ctx.reject(
                "NK0323", f"`-` of a `{operand.type}`, which has no sign", node, "convert first, or `wrapping_neg(x)`"
            )
        case ast.USub(), FloatType():
            return ctx.op(ir.Unary, node, operand.type, "neg", Mode.WRAPPING, operand)
        case ast.Invert(), IntType():
            return ctx.op(ir.Unary, node, operand.type, "invert", Mode.WRAPPING, operand)
        case ast.UAdd(), IntType() | FloatType():
            return operand
    symbol = {"USub": "-", "Invert": "~", "UAdd": "+"}[type(node.op).__name__]
    raise ctx.reject("NK0323", f"`{symbol}` is not for `{operand.type}`", node)


def convert(ctx: Context, value: Value, target: IntType | FloatType, node: ast.AST) -> Operand:
    """`target(value)`: exact, or it fails."""
    if isinstance(value, Untyped):
        if isinstance(value.value, float) and isinstance(target, IntType):
            if value.value != value.value or abs(value.value) == float("inf"):
                raise ctx.reject("NK0313", f"{value.value} is no integer", node)
            value = Untyped(int(value.value))
        elif isinstance(value.value, int) and isinstance(target, FloatType):
            return Const(target, round_float(value.value, target.bits))
        return constant(ctx, value, target, node)
    source = value.type
    if source == target:
        return value
    kinds: tuple[Kind, ...] = ()
    match source, target:
        case IntType(), IntType():
            if not (target.holds(source.lowest) and target.holds(source.highest)):
                kinds = (Kind.CONVERSION,)
        case (BoolType_(), IntType()) | (IntType(), FloatType()) | (FloatType(), FloatType()):
            pass
        case FloatType(), IntType():
            kinds = (Kind.CONVERSION,)
        case EnumType(), _:
            raise ctx.reject("NK0317", f"`{source}` is an enum", node, f"take its number: `{target}(x.value)`")
        case _:
            help = "test it first with `isinstance`, `is None` or `match`" if isinstance(source, UnionType) else ""
            raise ctx.reject("NK0325", f"`{source}` can't be converted to `{target}`", node, help)
    return ctx.op(ir.Convert, node, target, value, kinds=kinds)


def enum_number(ctx: Context, value: Operand, target: IntType, node: ast.AST) -> Operand:
    """`target(e.value)`."""
    assert isinstance(value.type, EnumType)
    fits = all(target.holds(number) for number in value.type.members.values())
    return ctx.op(ir.Convert, node, target, value, kinds=() if fits else (Kind.CONVERSION,))


def arithmetic_function(
    ctx: Context, name: str, arguments: list[ast.expr], node: ast.Call, hint: Type | None
) -> Operand:
    """`wrapping_add(a, b)` and its like."""
    hint = _number(hint)
    operation = name.removeprefix("wrapping_").removeprefix("saturating_")
    distance = operation in ("shl", "rotate_left", "rotate_right")
    left = lower(ctx, arguments[0], hint)
    right = lower(ctx, arguments[1], None if distance else hint)
    mode = Mode.WRAPPING if name.startswith("wrapping") else Mode.SATURATING if name.startswith("sat") else Mode.CHECKED
    if distance:
        operand = (
            coerce(ctx, left, hint, arguments[0]) if isinstance(left, Untyped) and hint else typed(ctx, left, node)
        )
        if not isinstance(operand.type, IntType):
            raise ctx.reject("NK0323", f"`{name}` is not for `{operand.type}`", node)
        amount = shift_amount(ctx, operand.type, right, arguments[1], rotate=operation != "shl")
        kinds = (Kind.SHIFT,) if operation == "shl" else ()
        return ctx.op(ir.Binary, node, operand.type, operation, Mode.WRAPPING, operand, amount, kinds=kinds)
    if isinstance(left, Untyped) and isinstance(right, Untyped):
        if hint is None:
            raise ctx.reject("NK0312", "nothing here says which width these constants have", node, "write `u32(…)`")
        left = coerce(ctx, left, hint, arguments[0])
    if isinstance(left, Untyped):
        assert not isinstance(right, Untyped)
        left = _adapt(ctx, left, right.type, arguments[0], name)
    operand = _adapt(ctx, right, left.type, arguments[1], name)
    if left.type != operand.type:
        raise _unequal(ctx, name, left.type, operand.type, node)
    if not isinstance(left.type, IntType):
        raise ctx.reject("NK0323", f"`{name}` is not for `{left.type}`", node)
    return ctx.op(ir.Binary, node, left.type, operation, mode, left, operand)


def unary_function(ctx: Context, name: str, argument: ast.expr, node: ast.Call, hint: Type | None) -> Operand:
    """`count_ones(x)` and its like."""
    operand = inferred(ctx, argument)
    source = operand.type
    result: Type | None = None
    operation, mode = name, Mode.WRAPPING
    match name, source:
        case "wrapping_neg", IntType():
            operation, result = "neg", source
        case "count_leading_zeros" | "count_trailing_zeros" | "count_ones", IntType():
            result = U32
        case "byte_swap", IntType():
            result = source
        case "square_root", FloatType():
            operation, result = "sqrt", source
        case "float_bits", FloatType(bits):
            result = IntType(bits, False)
        case "float_from_bits", IntType(32 | 64 as bits, False):
            result = FloatType(bits)
    if result is None:
        raise ctx.reject("NK0323", f"`{name}` is not for `{source}`", node)
    return ctx.op(ir.Unary, node, result, operation, mode, operand)


def absolute(ctx: Context, argument: ast.expr, node: ast.Call) -> Value:
    value = lower(ctx, argument)
    if isinstance(value, Untyped):
        return Untyped(abs(value.value))
    match value.type:
        case IntType(signed=True):
            return ctx.op(ir.Unary, node, value.type, "abs", Mode.CHECKED, value, kinds=(Kind.OVERFLOW,))
        case IntType():
            return value
        case FloatType():
            return ctx.op(ir.Unary, node, value.type, "abs", Mode.WRAPPING, value)
    raise ctx.reject("NK0323", f"`abs` is not for `{value.type}`", node)


def extreme(ctx: Context, name: str, arguments: list[ast.expr], node: ast.Call, hint: Type | None) -> Value:
    """`min(a, b, …)`, `max(a, b, …)`."""
    if len(arguments) < 2:
        raise ctx.reject("NK0326", f"`{name}` wants two or more arguments", node, "write the loop")
    values = [lower(ctx, argument, _number(hint)) for argument in arguments]
    known = next((v.type for v in values if not isinstance(v, Untyped)), None)
    if known is None:
        numbers = [v.value for v in values if isinstance(v, Untyped)]
        return Untyped(min(numbers) if name == "min" else max(numbers))
    if not isinstance(known, IntType | FloatType):
        raise ctx.reject("NK0323", f"`{name}` is not for `{known}`", node)
    operands = [coerce(ctx, v, known, a) for v, a in zip(values, arguments, strict=True)]
    result = operands[0]
    for operand in operands[1:]:
        result = ctx.op(ir.Binary, node, known, name, Mode.WRAPPING, result, operand)
    return result


BoolType_ = type(BOOL)


def _absolute(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    return absolute(ctx, single(ctx, "abs", node), node)


VOCABULARY["abs"] = _absolute


EXPRESSIONS[ast.BinOp] = binary
