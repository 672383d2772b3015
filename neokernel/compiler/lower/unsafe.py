"""What only unsafe modules may do: assembly, and addresses as objects."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl, Scope
from neokernel.compiler.generics import is_open
from neokernel.compiler.ir import Operand
from neokernel.compiler.lower import constants
from neokernel.compiler.lower.arguments import positional
from neokernel.compiler.lower.context import NOTHING, Compilation, Context, Value
from neokernel.compiler.lower.dispatch import VOCABULARY, expression, inferred
from neokernel.compiler.resolve import reject
from neokernel.compiler.types import (
    BOOL,
    U64,
    EnumType,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    WireType,
)
from neokernel.compiler.vocabulary import UNSAFE


def call(ctx: Context, name: str, node: ast.Call, hint: Type | None) -> Value:
    """`object_at`, `new_at`, `span_at`, `address_of`, `asm`."""
    if ctx.scope.unsafe is None:
        raise ctx.reject(
            "NK0802",
            f"`{name}` is unsafe, and this module isn't marked so",
            node,
            'put `unsafe("why it must be")` at the top of the module, or ask a module that has it',
        )
    match name:
        case "object_at" | "new_at":
            class_node, address_node = positional(ctx, name, node, 2)
            type_ = ctx.type_of(class_node)
            new = name == "new_at"
            allowed = StructType if new else StructType | WireType
            if not isinstance(type_, RefType) or not isinstance(type_.target, allowed) or is_open(type_):
                raise ctx.reject("NK0325", f"`{name}` makes objects of a struct, not `{type_}`", class_node)
            address = expression(ctx, address_node, U64)
            return ctx.op(ir.ObjectAt, node, type_, address, None, new)
        case "span_at":
            class_node, address_node, length_node = positional(ctx, name, node, 3)
            element, inline, atomic = ctx.resolver.element(class_node, ctx.scope, ctx.bindings)
            address = expression(ctx, address_node, U64)
            length = expression(ctx, length_node, U64)
            span = SpanType(element, mutable=True, inline=inline, atomic=atomic)
            return ctx.op(ir.ObjectAt, node, span, address, length)
        case "address_of":
            (argument,) = positional(ctx, name, node, 1)
            operand = inferred(ctx, argument)
            if not isinstance(operand.type, RefType | SpanType):
                raise ctx.reject("NK0325", f"`{operand.type}` has no address", argument)
            return ctx.op(ir.AddressOf, node, U64, operand)
        case "asm":
            return _asm(ctx, node)
    raise ctx.reject("NK0803", "`assembly` stands at the top level of a module", node)


#: what can be pinned. `s0` isn't there: it may be the frame pointer; nor are `sp`, `gp`, `tp`, which are never free
_PINNABLE = frozenset(
    ["ra", *(f"a{n}" for n in range(8)), *(f"t{n}" for n in range(7)), *(f"s{n}" for n in range(1, 12))]
)
_FLOATS = frozenset(
    [*(f"fa{n}" for n in range(8)), *(f"ft{n}" for n in range(12)), *(f"fs{n}" for n in range(12))],
)
_CLOBBERED = _PINNABLE | _FLOATS | {"memory"}


def _registers(ctx: Context, option: str, text: str, node: ast.expr) -> tuple[str, ...]:
    """The names in `text`, between spaces or commas, each once."""
    names = tuple(text.replace(",", " ").split())
    for place, name in enumerate(names):
        if name not in (_CLOBBERED if option == "clobbers" else _PINNABLE):
            words = (
                "`memory`, or a register that code may change" if option == "clobbers" else "a register for operands"
            )
            help_ = "write `ra`, `a0` to `a7`, `t0` to `t6`, `s1` to `s11`"
            raise ctx.reject("NK0803", f"`{name}` in `{option}` is not {words}", node, help_)
        if name in names[:place]:
            raise ctx.reject("NK0803", f"`{option}` names `{name}` twice", node)
    return names


_HOLE = re.compile(r"\{([^{}]*)\}")


def _asm(ctx: Context, node: ast.Call) -> Value:
    if not node.args:
        raise ctx.reject("NK0803", "`asm` wants a template", node)
    template = constant_text(ctx.compilation, ctx.scope, node.args[0], ctx)
    inputs: list[Operand] = []
    for argument in node.args[1:]:
        operand = inferred(ctx, argument)
        if not isinstance(operand.type, IntType | EnumType) and operand.type != BOOL:
            raise ctx.reject("NK0803", f"an operand of `asm` is an integer, not `{operand.type}`", argument)
        inputs.append(operand)
    result: Type | None = None
    lists: dict[str, tuple[str, ...]] = {"inputs": (), "results": (), "clobbers": ()}
    for keyword in node.keywords:
        match keyword.arg, keyword.value:
            case "result", value:
                type_ = ctx.type_of(value)
                if not isinstance(type_, IntType):
                    raise ctx.reject("NK0803", f"the result of `asm` is an integer, not `{type_}`", value)
                result = type_
            case ("inputs" | "results" | "clobbers") as option, ast.Constant(value=str() as text):
                lists[option] = _registers(ctx, option, text, keyword.value)
            case _:
                message = "`asm` has the options `result=u64`, and texts: `inputs`, `results`, `clobbers`"
                raise ctx.reject("NK0803", message, keyword)
    registers, results, clobbers = lists["inputs"], lists["results"], lists["clobbers"]
    if registers and len(registers) != len(inputs):
        message = f"`asm` has {len(inputs)} operands, and `inputs` names {len(registers)} registers"
        raise ctx.reject("NK0803", message, node, "name one register for each operand, in their order")
    if results and result is not None:
        message = "`asm` has either a `result` or `results`"
        raise ctx.reject("NK0803", message, node, "`results` gives a tuple of u64, one for each register")
    both = sorted(set(results) & set(clobbers))
    if both:
        message = f"`{both[0]}` holds a result: it isn't clobbered too"
        raise ctx.reject("NK0803", message, node, "take it out of `clobbers`")
    used = set(_HOLE.findall(template))
    known = {str(i) for i in range(len(inputs))} | ({"result"} if result else set())
    if results:
        result = TupleType((U64,) * len(results))
    if used - known:
        hole = sorted(used - known)[0]
        raise ctx.reject("NK0803", f"the template uses `{{{hole}}}`, which isn't given", node.args[0])
    if result is None:
        ctx.do(ir.Asm, node, template, tuple(inputs), clobbers, registers)
        ctx.forget_memory(node)
        return NOTHING
    made = ctx.op(ir.Asm, node, result, template, tuple(inputs), clobbers, registers, results)
    ctx.forget_memory(node)
    return made


def constant_text(compilation: Compilation, scope: Scope, node: ast.expr, ctx: Context | None = None) -> str:
    """A text constant, or an f-string whose fields are integer constants."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            parts: list[str] = []
            for value in values:
                match value:
                    case ast.Constant(value=str() as text):
                        parts.append(text)
                    case ast.FormattedValue(value=ast.Constant(value=str() as text), format_spec=None):
                        parts.append(text)
                    case ast.FormattedValue(value=ast.Name(id=name) as inner) if ctx and name in ctx.variables:
                        message = f"`{name}` is a variable, and the text of assembly is known when the program is built"
                        raise reject(scope, "NK0803", message, inner, 'hand it over: `asm("… {0}", x)`')
                    case ast.FormattedValue(value=inner, format_spec=None):
                        parts.append(str(constants.integer(compilation, inner, scope)))
                    case _:
                        raise reject(scope, "NK0803", "only plain `{constant}` stands in assembly", value)
            return "".join(parts)
    raise reject(scope, "NK0803", "assembly is a text constant", node, "an f-string may hold integer constants")


def naked(ctx: Context, decl: FunctionDecl, body: list[ast.stmt]) -> None:
    """The body of a `@naked` function: one `asm`, nothing before or after it."""
    if ctx.scope.unsafe is None:
        raise ctx.reject("NK0802", "`@naked` is unsafe, and this module isn't marked so", decl.node)
    match body:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="asm"), args=[template], keywords=[]) as made)]:
            text = constant_text(ctx.compilation, ctx.scope, template, ctx)
            ctx.block.append(ir.Asm(ctx.span(made), None, (), text, (), ()))
        case _:
            raise ctx.reject("NK0803", "a `@naked` function is one `asm(…)` without operands", decl.node)


def _handler(name: str) -> Callable[[Context, ast.Call, Type | None], Value]:
    return lambda ctx, node, hint: call(ctx, name, node, hint)


VOCABULARY.update({name: _handler(name) for name in UNSAFE})
