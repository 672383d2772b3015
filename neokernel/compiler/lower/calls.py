"""Calls: functions, methods, constructors, conversions, and the functions of the vocabulary."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.declare import (
    LEAVING,
    AliasDecl,
    ClassDecl,
    Declaration,
    EnumDecl,
    FunctionDecl,
    LangName,
    ModuleRef,
    Parameter,
)
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.generics import Bindings, Matcher, OpenCoroutine, TypeParameter, close, is_open
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import constants, construct, operators, text
from neokernel.compiler.lower.arguments import no_arguments, positional, single
from neokernel.compiler.lower.atomics import atomic_cell, operation
from neokernel.compiler.lower.coerce import coerce, mismatch, typed, width_for
from neokernel.compiler.lower.context import NOTHING, Context, Untyped, Value
from neokernel.compiler.lower.dispatch import EXPRESSIONS, VOCABULARY, inferred, lower
from neokernel.compiler.lower.frames import hand_over, unstarted
from neokernel.compiler.lower.functions import function_instance
from neokernel.compiler.lower.memory import no_attribute, read_field
from neokernel.compiler.lower.names import find, is_global, narrowed, path_of
from neokernel.compiler.types import (
    BYTES,
    INTS,
    NEVER,
    STR,
    U8,
    USIZE,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    RefType,
    SpanType,
    StructType,
    Type,
    ValueType,
    WireType,
)
from neokernel.compiler.vocabulary import ARITHMETIC, CONTRACTS, UNARY
from neokernel.lang.interfaces.generate import PREFIX


def call(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    """Lower a call of any kind."""
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            raise ctx.reject("NK0103", "`*` is not in the language", argument, "name the arguments")
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ctx.reject("NK0103", "`**` is not in the language", keyword, "name the arguments")
    function = node.func
    if is_global(ctx, function):
        return _global(ctx, find(ctx, function), node, hint)
    match function:
        case ast.Subscript(value=value) if is_global(ctx, value):
            return construct.of_type(ctx, ctx.type_of(function), node, hint)
        case ast.Attribute(value=value, attr=name):
            if is_global(ctx, value) and isinstance(value, ast.Name | ast.Attribute):
                outer = find(ctx, value)
                if isinstance(outer, ModuleRef):
                    return _global(ctx, find(ctx, function), node, hint)
                if isinstance(outer, ClassDecl):
                    return _static(ctx, outer, name, node, hint)
            cell = atomic_cell(ctx, value)
            if cell is not None:
                return operation(ctx, cell, name, node)
            receiver = inferred(ctx, value)
            return _method(ctx, receiver, name, node, hint)
        case ast.Name(id=name) if name in ctx.flow.assigned and name not in ctx.variables:
            # What it names was rejected.
            raise Rejected.silent()
    raise ctx.reject("NK0107", "functions are not values: only a name can be called", node, "choose with `match`")


def _global(ctx: Context, found: Declaration, node: ast.Call, hint: Type | None) -> Value:
    match found:
        case FunctionDecl():
            return call_function(ctx, found, None, node, hint)
        case ClassDecl():
            return construct.of_class(ctx, found, node, hint)
        case EnumDecl():
            return _to_enum(ctx, found.type, node)
        case AliasDecl():
            return construct.of_type(ctx, ctx.resolver.resolve(found.value, found.scope, {}), node, hint)
        case LangName(name):
            return vocabulary(ctx, name, node, hint)
    raise ctx.reject("NK0107", f"`{ast.unparse(node.func)}` can't be called", node.func)


def _method(ctx: Context, receiver: Operand, name: str, node: ast.Call, hint: Type | None) -> Value:
    method = method_of(ctx, receiver.type, name)
    if method is not None:
        if isinstance(receiver.type, RefType) and isinstance(receiver.type.target, StructType):
            ctx.do(ir.Alive, node.func, receiver)
        if "writer" in method.marks and text.is_formatted(node):
            text.write(ctx, method, receiver, node)
            return NOTHING
        return call_function(ctx, method, receiver, node, hint)
    built_in = _built_in_method(ctx, receiver, name, node)
    if built_in is not None:
        return built_in
    owner = receiver.type.target if isinstance(receiver.type, RefType) else receiver.type
    if isinstance(owner, StructType | ValueType | WireType):
        origin = ctx.resolver.origins.get(owner)
        known = list(origin.declaration.methods) if origin else []
        if name in owner.fields:
            raise ctx.reject("NK0107", f"`{name}` is a field, not a method", node.func, "read it without `(…)`")
        raise ctx.reject("NK0315", f"`{owner}` has no method `{name}`", node.func, suggestion(name, known))
    raise no_attribute(ctx, receiver.type, name, node.func)


def method_of(ctx: Context, type_: Type, name: str) -> FunctionDecl | None:
    owner = type_.target if isinstance(type_, RefType) else type_
    origin = ctx.resolver.origins.get(owner)
    return origin.declaration.methods.get(name) if origin else None


def special_method(ctx: Context, receiver: Operand, name: str) -> FunctionDecl | None:
    return method_of(ctx, receiver.type, name)


def _built_in_method(ctx: Context, receiver: Operand, name: str, node: ast.Call) -> Operand | None:
    type_ = receiver.type
    sequence: ArrayType | SpanType | None = None
    if isinstance(type_, SpanType):
        sequence = type_
    elif isinstance(type_, RefType) and isinstance(type_.target, ArrayType):
        sequence = type_.target
    if type_ == STR and name == "encode":
        no_arguments(ctx, name, node)
        return ctx.op(ir.MakeSpan, node, BYTES, receiver)
    if sequence is None or (isinstance(sequence, SpanType) and sequence.text):
        return None
    if name == "view":
        no_arguments(ctx, name, node)
        return ctx.op(ir.MakeSpan, node, SpanType(sequence.element, mutable=False, inline=sequence.inline), receiver)
    if name == "bytes":
        no_arguments(ctx, name, node)
        if sequence.element != U8 or sequence.inline or sequence.atomic:
            raise ctx.reject(
                "NK0319", f"`.bytes()` is for elements of `u8`, not `{sequence.element}`", node, "`.view()`"
            )
        return ctx.op(ir.MakeSpan, node, BYTES, receiver)
    return None


def _static(ctx: Context, owner: ClassDecl, name: str, node: ast.Call, hint: Type | None) -> Value:
    method = owner.methods.get(name)
    if method is None:
        raise ctx.reject("NK0315", f"`{owner.name}` has no method `{name}`", node.func, suggestion(name, owner.methods))
    if method.is_method:
        raise ctx.reject("NK0107", f"`{name}` is called on an object", node.func, f"write `x.{name}(…)`")
    return call_function(ctx, method, None, node, hint)


def call_function(
    ctx: Context, decl: FunctionDecl, receiver: Operand | None, node: ast.Call, hint: Type | None
) -> Operand:
    """Call of a function or method written in the language."""
    pairs = arrange(ctx, decl, node, receiver is not None)
    return _call(ctx, decl, receiver, pairs, node, hint)


def invoke(
    ctx: Context, decl: FunctionDecl, receiver: Operand, arguments: list[ast.expr], node: ast.AST, hint: Type | None
) -> Operand:
    """A method called by syntax: `x[i]`, `len(x)`, `with x`."""
    wanted = decl.parameters[1:]
    if len(arguments) != len(wanted) and decl.name not in LEAVING:
        raise ctx.reject("NK0326", _takes(decl, len(wanted)), node)
    pairs: list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]] = list(zip(wanted, arguments, strict=False))
    return _call(ctx, decl, receiver, pairs, node, hint)


def invoke_with(
    ctx: Context, decl: FunctionDecl, receiver: Operand, arguments: list[tuple[Value, ast.AST]], node: ast.AST
) -> Operand:
    """The same with evaluated arguments."""
    wanted = decl.parameters[1:]
    if len(arguments) != len(wanted):
        raise ctx.reject("NK0326", _takes(decl, len(wanted)), node)
    return _call(ctx, decl, receiver, list(zip(wanted, arguments, strict=True)), node, None)


def _takes(decl: FunctionDecl, count: int) -> str:
    return f"`{decl.title}` takes {count} argument{'s' * (count != 1)} here"


def arrange(
    ctx: Context, decl: FunctionDecl, node: ast.Call, bound: bool
) -> list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]]:
    """Parameters with their arguments, in the order in which the arguments are evaluated (defaults last)."""
    parameters = decl.parameters[1:] if bound else decl.parameters
    positional = parameters[: len(parameters) - decl.keyword_only]
    if len(node.args) > len(positional):
        count = len(positional)
        raise ctx.reject(
            "NK0326", f"`{decl.title}` has {count} positional parameter{'s' * (count != 1)}", node.args[count]
        )
    pairs: list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]] = list(zip(positional, node.args, strict=False))
    given = {parameter.name for parameter, _ in pairs}
    by_name = {parameter.name: parameter for parameter in parameters}
    for keyword in node.keywords:
        assert keyword.arg is not None
        parameter = by_name.get(keyword.arg)
        if parameter is None:
            help = suggestion(keyword.arg, by_name)
            raise ctx.reject("NK0326", f"`{decl.title}` has no parameter `{keyword.arg}`", keyword, help)
        if keyword.arg in given:
            raise ctx.reject("NK0326", f"`{keyword.arg}` is given twice", keyword)
        given.add(keyword.arg)
        pairs.append((parameter, keyword.value))
    missing = [p.name for p in parameters if p.name not in given and p.default is None]
    if missing:
        raise ctx.reject("NK0326", f"`{decl.title}` lacks an argument for `{'`, `'.join(missing)}`", node)
    return pairs


def _as_parameter(ctx: Context, value: Value, pattern: Type, matcher: Matcher, place: ast.AST) -> Operand:
    """`value` as what a parameter takes; what that leaves open is decided by it."""
    if not is_open(pattern):
        return coerce(ctx, value, pattern, place)
    operand = (
        typed(ctx, value, place)
        if not isinstance(value, Untyped)
        else coerce(ctx, value, close(pattern, matcher.bindings), place)
    )
    concrete = matcher.match(pattern, operand.type)
    if concrete is None:
        raise mismatch(ctx, operand.type, close(pattern, matcher.bindings), place)
    return coerce(ctx, operand, concrete, place)


def _call(
    ctx: Context,
    decl: FunctionDecl,
    receiver: Operand | None,
    pairs: list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]],
    node: ast.AST,
    hint: Type | None,
) -> Operand:
    if "ghost" in decl.marks and not ctx.ghost:
        raise ctx.reject(
            "NK0903",
            f"`{decl.title}` is a ghost function: images don't have it",
            node,
            "only contracts and ghost code call it",
        )
    if decl.name in LEAVING and receiver is not None:
        pairs = []
    bindings: Bindings = {}
    if receiver is not None:
        owner = receiver.type.target if isinstance(receiver.type, RefType) else receiver.type
        bindings = dict(ctx.resolver.bindings_of(owner))
    matcher = Matcher(ctx.resolver.origins, bindings)
    values: dict[str, Operand] = {}
    for parameter, argument in pairs:
        pattern = parameter_type(ctx, decl, parameter, bindings)
        if isinstance(argument, tuple):
            value, place = argument
        else:
            place = argument
            if isinstance(pattern, OpenCoroutine):
                ctx.expected_coroutines.add(argument)
            value = lower(ctx, argument, close(pattern, matcher.bindings))
        wanted = ctx.resolver.protocol(parameter, decl.scope)
        if wanted is not None and not has_methods(value):
            shown = f"the constant {value.value}" if isinstance(value, Untyped) else f"`{value.type}`"
            message = f"expected an object with the methods of `{wanted}`, and this is {shown}"
            raise ctx.reject("NK0310", message, place, "pass an object of a class that has them")
        if isinstance(value, Untyped) and isinstance(parameter_type(ctx, decl, parameter, {}), TypeParameter):
            width = pattern if isinstance(pattern, IntType | FloatType) else width_for(value.value)
            message = f"the constant {value.value} is passed for a type variable, and CPython can't know its width"
            raise ctx.reject("NK0314", message, place, f"write `{width}({value.value})`")
        try:
            values[parameter.name] = _as_parameter(ctx, value, pattern, matcher, place)
        except Rejected as rejected:
            if decl.owner is not None and decl.owner.name.startswith(PREFIX):  # nobody wrote that
                raise
            text = f"`{decl.title}` declares `{ast.unparse(parameter.node)}` here"
            raise rejected.with_note(decl.module.span(parameter.node), text) from None
        if isinstance(pattern, OpenCoroutine):
            hand_over(ctx, values[parameter.name].type)
    if hint is not None and decl.node.returns is not None and not is_open(hint):
        matcher.match(ctx.resolver.resolve(decl.node.returns, decl.scope, bindings), hint)
    for parameter in decl.parameters[1 if receiver is not None else 0 :]:
        if parameter.name not in values and parameter.default is not None:
            pattern = close(parameter_type(ctx, decl, parameter, bindings), matcher.bindings)
            values[parameter.name] = constants.parameter_default(
                ctx.compilation, parameter.default, decl.scope, pattern
            )
    arguments = [values[p.name] for p in decl.parameters if p.name in values]
    if receiver is not None:
        arguments.insert(0, receiver)
    function = function_instance(ctx.compilation, decl, matcher.bindings, [a.type for a in arguments], node, ctx)
    if function.coroutine is not None:
        return unstarted(ctx, function, arguments, node)
    result = ctx.op(ir.Call, node, function.result, function, tuple(arguments))
    ctx.forget_memory(node)
    if function.result == NEVER:
        ctx.flow.dead = True
    return result


def has_methods(value: Value) -> bool:
    """Is it of a class, so that it may have the methods of a protocol?"""
    return not isinstance(value, Untyped) and isinstance(value.type, RefType | ValueType | WireType | TypeParameter)


def parameter_type(ctx: Context, decl: FunctionDecl, parameter: Parameter, bindings: Bindings) -> Type:
    if parameter.annotation is None:
        raise Rejected.silent()
    return ctx.resolver.parameter(parameter, decl.scope, bindings)


def _to_enum(ctx: Context, enum: EnumType, node: ast.Call) -> Operand:
    argument = single(ctx, enum.name, node)
    value = lower(ctx, argument)
    if isinstance(value, Untyped):
        for name, number in enum.members.items():
            if number == value.value:
                return ir.Const(enum, enum.members[name])
        raise ctx.reject("NK0315", f"`{enum}` has no member with the value {value.value}", argument)
    if not isinstance(value.type, IntType):
        raise ctx.reject("NK0325", f"`{value.type}` can't be converted to `{enum}`", node)
    return ctx.op(ir.Convert, node, enum, value, kinds=(Kind.ENUM,))


def _convert(ctx: Context, target: IntType | FloatType, node: ast.Call) -> Operand:
    argument = single(ctx, str(target), node)
    if isinstance(argument, ast.Attribute) and argument.attr == "value" and isinstance(target, IntType):
        if not is_global(ctx, argument.value):
            base = inferred(ctx, argument.value)
            if isinstance(base.type, EnumType):
                return operators.enum_number(ctx, base, target, node)
            value: Value = narrowed(ctx, path_of(argument), read_field(ctx, base, "value", argument), argument)
            return operators.convert(ctx, value, target, node)
    # The operand has its own width; only a choice among literals takes the wanted one.
    hint = target if isinstance(argument, ast.IfExp) and _are_literals(argument) else None
    return operators.convert(ctx, lower(ctx, argument, hint), target, node)


def _are_literals(node: ast.expr) -> bool:
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            return _are_literals(body) and _are_literals(orelse)
        case ast.UnaryOp(operand=operand):
            return _are_literals(operand)
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
    return False


def vocabulary(ctx: Context, name: str, node: ast.Call, hint: Type | None) -> Value:
    """A call of a builtin or of something from `neokernel.lang`."""
    if name in INTS:
        return _convert(ctx, INTS[name], node)
    if name == "usize":
        return _convert(ctx, USIZE, node)
    if name in ("f32", "f64"):
        return _convert(ctx, FloatType(int(name[1:])), node)
    if name in ARITHMETIC:
        return operators.arithmetic_function(ctx, name, positional(ctx, name, node, 2), node, hint)
    if name in UNARY:
        return operators.unary_function(ctx, name, single(ctx, name, node), node, hint)
    handler = VOCABULARY.get(name)
    if handler is not None:
        return handler(ctx, node, hint)
    if name in CONTRACTS:
        raise ctx.reject(
            "NK0901", f"`{name}` stands at the start of a function or of a loop's body", node, "move it there"
        )
    raise ctx.reject("NK0107", f"`{name}` can't be called here", node, _NOT_CALLED.get(name, ""))


_NOT_CALLED = {
    "bool": "write a comparison: `x != 0`",
    "int": "integers have a width: `u32(…)`",
    "float": "floats have a width: `f64(…)`",
    "str": "text comes from constants, and from `text_of(bytes)`",
    "bytes": "write `.bytes()`",
    "range": "`range` stands in a `for` loop",
    "enumerate": "`enumerate` stands in a `for` loop",
    "zip": "`zip` stands in a `for` loop",
    "reversed": "`reversed` stands in a `for` loop",
    "Array": "arrays are made by `array(n)`, where their type is said: `name: Array[u32] = array(4)`",
    "Span": "a span is a part of an array: `items[start:stop]`",
    "at": "`at` places a field of a `@wire` class",
    "tuple": "only module constants have `tuple(… for …)`",
}


EXPRESSIONS[ast.Call] = call
