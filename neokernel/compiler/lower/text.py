"""f-strings handed to writers: compiled to a sequence of writes.

The literal parts are written as they are; each replacement field becomes a call of `neokernel.runtime.format`, which is
written in the language and formats as Python does.
"""

from __future__ import annotations

import ast
import re

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.ir import Const, Operand
from neokernel.compiler.lower.context import Context
from neokernel.compiler.lower.dispatch import inferred
from neokernel.compiler.lower.functions import function_instance
from neokernel.compiler.lower.names import is_global
from neokernel.compiler.types import BOOL, I64, STR, U8, U32, U64, EnumType, FloatType, IntType, RefType, SpanType, Type

MODULE = "neokernel.runtime.format"


#: Python's format specification, without what only floats have
_SPECIFICATION = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>^=]))?(?P<sign>[+\- ])?(?P<alternate>#)?(?P<zero>0)?(?P<width>\d+)?"
    r"(?P<group>[_,])?(?P<type>[a-zA-Z%])?",
    re.DOTALL,
)


def is_formatted(node: ast.Call) -> bool:
    """Is an argument of the call an f-string?"""
    return any(isinstance(argument, ast.JoinedStr) for argument in node.args)


def write(ctx: Context, method: FunctionDecl, receiver: Operand, node: ast.Call) -> None:
    """`writer.write(f"…")`: as in Python, all fields are evaluated first; then the pieces are written in order."""
    if len(node.args) != 1 or node.keywords or len(method.parameters) != 2:
        raise ctx.reject("NK0322", "a writer takes one text", node)
    if method.parameters[1].annotation is None:
        raise Rejected.silent()
    if ctx.resolver.parameter(method.parameters[1], method.scope, {}) != STR:
        raise ctx.reject("NK0322", f"`{method.title}` doesn't take a `str`", node, "a `@writer` is `(self, text: str)`")
    joined = node.args[0]
    assert isinstance(joined, ast.JoinedStr)
    for field in joined.values:
        ast.copy_location(field, joined)  # where fields stand depends on the version of Python
    fields = {value: _operand(ctx, value) for value in joined.values if isinstance(value, ast.FormattedValue)}
    for value in joined.values:
        match value:
            case ast.Constant(value=str() as text):
                _piece(ctx, method, receiver, Const(STR, text.encode()), node)
            case ast.FormattedValue():
                _field(ctx, method, receiver, value, *fields[value])
    ctx.forget_memory(node)


def _piece(ctx: Context, method: FunctionDecl, receiver: Operand, text: Operand, node: ast.AST) -> None:
    bindings = ctx.resolver.bindings_of(_owner(receiver))
    function = function_instance(ctx.compilation, method, bindings, [receiver.type, STR], node, ctx)
    ctx.op(ir.Call, node, function.result, function, (receiver, text))


def _owner(receiver: Operand) -> Type:
    return receiver.type.target if isinstance(receiver.type, RefType) else receiver.type


def _operand(ctx: Context, node: ast.FormattedValue) -> tuple[Operand, bool]:
    """What a field writes, and whether of an enum the member's name alone is meant (`{e.name}`)."""
    value = node.value
    if isinstance(value, ast.Attribute) and value.attr == "name" and not is_global(ctx, value.value):
        base = inferred(ctx, value.value)
        if isinstance(base.type, EnumType):
            return base, True
    return inferred(ctx, value), False


def _field(
    ctx: Context, method: FunctionDecl, receiver: Operand, node: ast.FormattedValue, operand: Operand, name_only: bool
) -> None:
    if node.conversion != -1:
        name = ast.unparse(node.value)
        help = f"write `{{{name}}}`; in place of `{{{name}=}}` write `{name}={{{name}}}`"
        raise ctx.reject("NK0322", "`!r`, `!s`, `!a` and `=` are not in the language", node, help)
    specification = ""
    if node.format_spec is not None:
        match node.format_spec:
            case ast.JoinedStr(values=[ast.Constant(value=str() as specification)]):
                pass
            case ast.JoinedStr(values=[]):
                pass
            case _:
                raise ctx.reject("NK0322", "a format is a constant", node, "write the number itself: `{x:08x}`")
    if isinstance(operand.type, FloatType):
        help = "write integers: `i64(x)` is its whole part, `i64(x * 100.0)` its hundredths"
        raise ctx.reject("NK0322", f"a `{operand.type}` can't be written", node, help)
    matched = _SPECIFICATION.fullmatch(specification)
    if matched is None:
        raise ctx.reject("NK0322", f"`{specification}` is not a format", node)
    match operand.type:
        case IntType():
            _integer(ctx, receiver, operand, matched, node)
        case SpanType(text=True):
            _text(ctx, receiver, operand, matched, node)
        case EnumType():
            _text(ctx, receiver, _enum_name(ctx, operand, node, not name_only), matched, node)
        case type_ if type_ == BOOL:
            if matched["type"] or matched["sign"] or matched["zero"]:
                raise ctx.reject("NK0322", "a `bool` has no such format", node)
            chosen = ctx.op(ir.Select, node, STR, operand, Const(STR, b"True"), Const(STR, b"False"))
            if specification:
                raise ctx.reject("NK0322", "a `bool` is written without format", node, "write `{flag}`")
            _piece(ctx, method, receiver, chosen, node)
        case type_:
            raise ctx.reject(
                "NK0322", f"`{type_}` can't be written", node, "integers, `bool`, `str` and enums can; write its fields"
            )


def _enum_name(ctx: Context, operand: Operand, node: ast.AST, qualified: bool) -> Operand:
    """The member's name: `RED`, or `Color.RED`."""
    assert isinstance(operand.type, EnumType)
    enum = operand.type
    result = ctx.hidden("name", STR)
    cases: list[tuple[tuple[int, ...], ir.Block]] = []
    for name, number in enum.members.items():
        text = f"{enum.name}.{name}" if qualified else name
        case: ir.Block = []
        with ctx.into(case):
            ctx.set(result, Const(STR, text.encode()), node)
        cases.append(((number,), case))
    ctx.block.append(ir.Switch(ctx.span(node), operand, cases, [], True))  # type: ignore[arg-type]
    return ctx.get(result, node)


def _integer(
    ctx: Context, receiver: Operand, operand: Operand, matched: re.Match[str], node: ast.FormattedValue
) -> None:
    kind = matched["type"] or "d"
    bases = {"d": 10, "x": 16, "X": 16, "o": 8, "b": 2, "c": 0}
    if kind not in bases or kind == "c":
        raise ctx.reject("NK0322", f"integers have no format `{kind}`", node, "there are d, x, X, o, b")
    assert isinstance(operand.type, IntType)
    wide = I64 if operand.type.signed else U64
    if operand.type != wide:
        operand = ctx.op(ir.Convert, node, wide, operand)
    align = matched["align"] or ("=" if matched["zero"] else ">")
    fill = matched["fill"] or ("0" if matched["zero"] else " ")
    arguments = [
        operand,
        Const(U64, bases[kind]),
        Const(BOOL, kind == "X"),
        _character(ctx, matched["sign"] or "-", node),
        Const(BOOL, bool(matched["alternate"])),
        _character(ctx, matched["group"] or "\0", node),
        Const(U8, _code(ctx, fill, node)),
        _character(ctx, align, node),
        Const(U32, _width(ctx, matched, node)),
    ]
    _runtime(ctx, "write_signed" if operand.type == I64 else "write_unsigned", receiver, arguments, node)


def _text(ctx: Context, receiver: Operand, text: Operand, matched: re.Match[str], node: ast.FormattedValue) -> None:
    if matched["type"] not in (None, "s") or matched["sign"] or matched["alternate"] or matched["group"]:
        raise ctx.reject("NK0322", "text has no such format", node, "fill, alignment and width can be given")
    if matched["align"] == "=":
        raise ctx.reject("NK0322", "text has no alignment `=`", node)
    fill = matched["fill"] or ("0" if matched["zero"] else " ")
    arguments = [
        text,
        Const(U8, _code(ctx, fill, node)),
        _character(ctx, matched["align"] or "<", node),
        Const(U32, _width(ctx, matched, node)),
    ]
    _runtime(ctx, "write_text", receiver, arguments, node)


def _code(ctx: Context, fill: str, node: ast.AST) -> int:
    if not fill.isascii():
        raise ctx.reject("NK0322", f"the fill `{fill}` is not ASCII", node)
    return ord(fill)


def _character(ctx: Context, text: str, node: ast.AST) -> Const:
    return Const(U8, _code(ctx, text, node))


def _width(ctx: Context, matched: re.Match[str], node: ast.AST) -> int:
    width = int(matched["width"] or 0)
    if width > 1000:
        raise ctx.reject("NK0322", f"a width of {width} is too much", node, "at most 1000")
    return width


def _runtime(ctx: Context, name: str, receiver: Operand, arguments: list[Operand], node: ast.AST) -> None:
    """Call a function of the formatting module, generic over the writer."""
    decl = ctx.compilation.scopes[MODULE].names[name]
    assert isinstance(decl, FunctionDecl)
    bindings = {"writer: Writer": receiver.type}
    types = [receiver.type, *(a.type for a in arguments)]
    function = function_instance(ctx.compilation, decl, bindings, types, node, ctx)
    ctx.op(ir.Call, node, function.result, function, (receiver, *arguments))
