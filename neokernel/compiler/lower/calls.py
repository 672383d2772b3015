"""Calls: functions, methods, constructors, conversions, and the functions of the vocabulary."""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.declare import (
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
from neokernel.compiler.generics import Application, Bindings, Matcher, TypeParameter, close, is_open
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import construct, operators, text
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import NOTHING, Context, Untyped, Value
from neokernel.compiler.lower.functions import function_instance
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    INTS,
    NEVER,
    NONE,
    STR,
    U8,
    USIZE,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    Order,
    RefType,
    SpanType,
    StructType,
    Type,
    ValueType,
    WireType,
)
from neokernel.compiler.vocabulary import ARITHMETIC, CONTRACTS, UNARY, UNSAFE


def call(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    """Lower a call of any kind."""
    from neokernel.compiler.lower.expressions import find, inferred, is_global

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
                return _atomic(ctx, cell, name, node)
            receiver = inferred(ctx, value)
            return _method(ctx, receiver, name, node, hint)
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
    raise ctx.reject("NK0107", "this can't be called", node.func)


# --- functions and methods ----------------------------------------------------------------------------------------


def _method(ctx: Context, receiver: Operand, name: str, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import no_attribute

    method = method_of(ctx, receiver.type, name)
    if method is not None:
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
        _no_arguments(ctx, name, node)
        return ctx.op(ir.MakeSpan, node, BYTES, receiver)
    if sequence is None or (isinstance(sequence, SpanType) and sequence.text):
        return None
    if name == "view":
        _no_arguments(ctx, name, node)
        return ctx.op(ir.MakeSpan, node, SpanType(sequence.element, mutable=False, inline=sequence.inline), receiver)
    if name == "bytes":
        _no_arguments(ctx, name, node)
        if sequence.element != U8 or sequence.inline or sequence.atomic:
            raise ctx.reject("NK0319", f"`.bytes()` is for elements of `u8`, not `{sequence.element}`", node, "`.view()`")
        return ctx.op(ir.MakeSpan, node, BYTES, receiver)
    return None


def _no_arguments(ctx: Context, name: str, node: ast.Call) -> None:
    if node.args or node.keywords:
        raise ctx.reject("NK0326", f"`{name}` has no arguments", node)


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
    if len(arguments) != len(wanted) and decl.name != "__exit__":
        raise ctx.reject("NK0326", f"`{decl.title}` has {len(wanted)} parameters here", node)
    pairs: list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]] = list(zip(wanted, arguments, strict=False))
    return _call(ctx, decl, receiver, pairs, node, hint)


def invoke_with(
    ctx: Context, decl: FunctionDecl, receiver: Operand, arguments: list[tuple[Value, ast.AST]], node: ast.AST
) -> Operand:
    """The same with evaluated arguments."""
    wanted = decl.parameters[1:]
    if len(arguments) != len(wanted):
        raise ctx.reject("NK0326", f"`{decl.title}` has {len(wanted)} parameters here", node)
    return _call(ctx, decl, receiver, list(zip(wanted, arguments, strict=True)), node, None)


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


def _call(
    ctx: Context,
    decl: FunctionDecl,
    receiver: Operand | None,
    pairs: list[tuple[Parameter, ast.expr | tuple[Value, ast.AST]]],
    node: ast.AST,
    hint: Type | None,
) -> Operand:
    from neokernel.compiler.lower import constants
    from neokernel.compiler.lower.expressions import lower

    if "ghost" in decl.marks and not ctx.ghost:
        raise ctx.reject(
            "NK0903", f"`{decl.title}` is a ghost function: images don't have it", node, "only contracts and ghost code call it"
        )
    if decl.name == "__exit__" and receiver is not None:
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
            value = lower(ctx, argument, close(pattern, matcher.bindings))
        if not is_open(pattern):
            values[parameter.name] = coerce(ctx, value, pattern, place)
            continue
        if isinstance(value, Untyped) and isinstance(pattern, TypeParameter):
            raise ctx.reject(
                "NK0314",
                f"the constant {value.value} is passed for type variable `{pattern}`, and CPython can't know its width",
                place,
                f"write `u32({value.value})`",
            )
        operand = typed(ctx, value, place) if not isinstance(value, Untyped) else coerce(
            ctx, value, close(pattern, matcher.bindings), place
        )
        concrete = matcher.match(pattern, operand.type)
        if concrete is None:
            wanted = close(pattern, matcher.bindings)
            raise ctx.reject("NK0310", f"expected `{wanted}`, and this is `{operand.type}`", place)
        values[parameter.name] = coerce(ctx, operand, concrete, place)
    if hint is not None and decl.node.returns is not None and not is_open(hint):
        matcher.match(ctx.resolver.resolve(decl.node.returns, decl.scope, bindings), hint)
    for parameter in decl.parameters[1 if receiver is not None else 0 :]:
        if parameter.name not in values and parameter.default is not None:
            pattern = close(parameter_type(ctx, decl, parameter, bindings), matcher.bindings)
            values[parameter.name] = constants.default(ctx, decl.scope, parameter.default, pattern)
    arguments = [values[p.name] for p in decl.parameters if p.name in values]
    if receiver is not None:
        arguments.insert(0, receiver)
    function = function_instance(ctx.compilation, decl, matcher.bindings, [a.type for a in arguments], node, ctx)
    result = ctx.op(ir.Call, node, function.result, function, tuple(arguments))
    ctx.flow.forget_memory()
    if function.result == NEVER:
        ctx.flow.dead = True
    return result


def parameter_type(ctx: Context, decl: FunctionDecl, parameter: Parameter, bindings: Bindings) -> Type:
    if parameter.annotation is None:
        raise Rejected.silent()
    return ctx.resolver.resolve(parameter.annotation, decl.scope, bindings)


# --- conversions --------------------------------------------------------------------------------------------------


def _to_enum(ctx: Context, enum: EnumType, node: ast.Call) -> Operand:
    from neokernel.compiler.lower.expressions import lower

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
    from neokernel.compiler.lower.expressions import inferred, lower

    argument = single(ctx, str(target), node)
    if isinstance(argument, ast.Attribute) and argument.attr == "value" and isinstance(target, IntType):
        from neokernel.compiler.lower.expressions import is_global

        if not is_global(ctx, argument.value):
            base = inferred(ctx, argument.value)
            if isinstance(base.type, EnumType):
                return operators.enum_number(ctx, base, target, node)
            from neokernel.compiler.lower.expressions import narrowed, path_of, read_field

            value: Value = narrowed(ctx, path_of(argument), read_field(ctx, base, "value", argument), argument)
            return operators.convert(ctx, value, target, node)
    return operators.convert(ctx, lower(ctx, argument, target), target, node)


def single(ctx: Context, name: str, node: ast.Call) -> ast.expr:
    """The only argument of a call."""
    if len(node.args) != 1 or node.keywords:
        raise ctx.reject("NK0326", f"`{name}` has one argument", node)
    return node.args[0]


def positional(ctx: Context, name: str, node: ast.Call, least: int, most: int | None = None) -> list[ast.expr]:
    """The arguments of a call that takes `least` … `most` of them, without names."""
    most = least if most is None else most
    if not least <= len(node.args) <= most or node.keywords:
        count = str(least) if least == most else f"{least} to {most}"
        raise ctx.reject("NK0326", f"`{name}` has {count} argument{'s' * (count != '1')}", node)
    return node.args


# --- the vocabulary -----------------------------------------------------------------------------------------------


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
    if name in UNSAFE:
        from neokernel.compiler.lower import unsafe

        return unsafe.call(ctx, name, node, hint)
    handler = _VOCABULARY.get(name)
    if handler is not None:
        return handler(ctx, node, hint)
    if name in CONTRACTS:
        raise ctx.reject(
            "NK0901", f"`{name}` stands at the start of a function or of a loop's body", node, "move it there"
        )
    raise ctx.reject("NK0107", f"`{name}` can't be called here", node, _NOT_CALLED.get(name, ""))


def _length(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import element_of, inferred

    argument = single(ctx, "len", node)
    base = inferred(ctx, argument)
    method = special_method(ctx, base, "__len__")
    if method is not None:
        return invoke(ctx, method, base, [], node, hint)
    return length(ctx, base, element_of(ctx, base.type, argument), node)


def length(ctx: Context, base: Operand, sequence: ArrayType | SpanType, node: ast.AST) -> Operand:
    if isinstance(sequence, ArrayType):
        return ir.Const(USIZE, sequence.length)
    return ctx.op(ir.Length, node, USIZE, base)


def _truncate(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import lower

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
    from neokernel.compiler.lower.expressions import inferred

    argument = single(ctx, "assert_never", node)
    operand = inferred(ctx, argument)
    if operand.type == NEVER:
        ctx.block.append(ir.Fail(ctx.span(node), ctx.check(Kind.UNREACHABLE, "every case is handled", discharged=True)))
        ctx.flow.dead = True
        return operand
    raise ctx.reject(
        "NK0406", f"this can be reached: it may be `{operand.type}` here", node, "handle that case before"
    )


def _size(name: str) -> Callable[[Context, ast.Call, Type | None], Value]:
    def handler(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
        from neokernel.compiler import layout

        argument = single(ctx, name, node)
        type_ = ctx.type_of(argument)
        if is_open(type_):
            raise ctx.reject("NK0307", f"the size of `{type_}` isn't known here", argument)
        inner = type_.target if isinstance(type_, RefType) else type_
        known = layout.Layout()
        return Untyped(known.size(inner) if name == "size_of" else known.alignment(inner))

    return handler


def _offset(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler import layout

    class_node, name_node = positional(ctx, "offset_of", node, 2)
    type_ = ctx.type_of(class_node)
    inner = type_.target if isinstance(type_, RefType) else type_
    if not isinstance(inner, StructType | WireType):
        raise ctx.reject("NK0325", f"`offset_of` wants a struct or wire class, not `{type_}`", class_node)
    match name_node:
        case ast.Constant(value=str() as name) if name in inner.fields and (
            isinstance(inner, WireType) or not inner.fields[name].ghost
        ):
            offset = inner.fields[name].offset if isinstance(inner, WireType) else layout.Layout().offset(inner, name)
            return Untyped(offset)
    raise ctx.reject("NK0315", f"`{inner}` has no such field", name_node, "write its name as a text")


def _wire_view(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import expression

    class_node, span_node = positional(ctx, "wire_view", node, 2)
    type_ = ctx.type_of(class_node)
    if not isinstance(type_, RefType) or not isinstance(type_.target, WireType):
        raise ctx.reject("NK0325", f"`wire_view` wants a `@wire` class, not `{type_}`", class_node)
    span = expression(ctx, span_node, SpanType(U8, mutable=True))
    return ctx.op(ir.WireView, node, type_, span, kinds=(Kind.INDEX,))


def order_of(ctx: Context, node: ast.expr | None) -> Order:
    """The memory order that an argument names."""
    from neokernel.compiler.lower.expressions import find

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
    ctx.flow.forget_memory()
    return NOTHING


def _device_fence(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    _no_arguments(ctx, "device_fence", node)
    ctx.do(ir.Fence, node, None)
    ctx.flow.forget_memory()
    return NOTHING


def _retire(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import inferred

    argument = single(ctx, "retire", node)
    operand = inferred(ctx, argument)
    if not isinstance(operand.type, RefType) or not isinstance(operand.type.target, StructType):
        raise ctx.reject("NK0325", f"only objects of a `@struct` are retired, not `{operand.type}`", argument)
    ctx.do(ir.Retire, node, operand)
    ctx.flow.forget_memory()
    return NOTHING


def _text_of(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower.expressions import expression

    return ctx.op(ir.MakeSpan, node, STR, expression(ctx, single(ctx, "text_of", node), BYTES))


def _extreme(name: str) -> Callable[[Context, ast.Call, Type | None], Value]:
    def handler(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
        if node.keywords:
            raise ctx.reject("NK0326", f"`{name}` has no keyword arguments", node)
        return operators.extreme(ctx, name, node.args, node, hint)

    return handler


def _isinstance(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    from neokernel.compiler.lower import conditions

    return conditions.value(ctx, node, hint)


_VOCABULARY: dict[str, Callable[[Context, ast.Call, Type | None], Value]] = {
    "len": _length,
    "truncate": _truncate,
    "unreachable": _unreachable,
    "assert_never": _assert_never,
    "size_of": _size("size_of"),
    "align_of": _size("align_of"),
    "offset_of": _offset,
    "wire_view": _wire_view,
    "fence": _fence,
    "device_fence": _device_fence,
    "retire": _retire,
    "text_of": _text_of,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "isinstance": _isinstance,
    "abs": lambda ctx, node, hint: operators.absolute(ctx, single(ctx, "abs", node), node),
    "array": lambda ctx, node, hint: construct.array(ctx, node, hint),
    "array_of": lambda ctx, node, hint: construct.array(ctx, node, hint),
    "renew": lambda ctx, node, hint: construct.renew(ctx, node),
    "replace": lambda ctx, node, hint: construct.replace(ctx, node),
    "Handle": lambda ctx, node, hint: construct.of_class(ctx, ctx.resolver.handle, node, hint),
}
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
    "at": "`at` places a field of a `@wire` class",
    "tuple": "only module constants have `tuple(… for …)`",
}


# --- atomics ------------------------------------------------------------------------------------------------------


def atomic_cell(ctx: Context, node: ast.expr) -> Operand | None:
    """A reference to the atomic cell that `node` names, or None if it names none."""
    from neokernel.compiler.lower.expressions import index_operand, inferred, is_global

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


def static_type(ctx: Context, node: ast.expr) -> Type | None:
    """The type of a variable, of a field of one, and so on; None for anything less plain."""
    from neokernel.compiler.lower.expressions import path_of

    path = path_of(node)
    if path is not None and path in ctx.flow.narrowed:
        return ctx.flow.narrowed[path]
    match node:
        case ast.Name(id=name):
            var = ctx.variables.get(name)
            return var.type if var else None
        case ast.Attribute(value=value, attr=name):
            base = static_type(ctx, value)
            owner = base.target if isinstance(base, RefType) else base
            if isinstance(owner, StructType | ValueType):
                found = owner.fields.get(name)
                if found is not None:
                    return RefType(found.type) if found.inline else found.type
        case ast.Subscript(value=value):
            base = static_type(ctx, value)
            sequence = base.target if isinstance(base, RefType) else base
            if isinstance(sequence, ArrayType | SpanType):
                return RefType(sequence.element) if sequence.inline else sequence.element
    return None


_FETCH = {f"fetch_{name}": name for name in ("add", "sub", "and", "or", "xor")}


def _atomic(ctx: Context, cell: Operand, name: str, node: ast.Call) -> Value:
    from neokernel.compiler.lower.expressions import expression

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
    ctx.flow.forget_memory()
    operation = _FETCH.get(name, name)
    if name == "store":
        ctx.do(ir.Atomic, node, operation, cell, operands, order)
        return NOTHING
    result: Type = BOOL if name == "compare_exchange" else type_
    return ctx.op(ir.Atomic, node, result, operation, cell, operands, order)


assert Application and NONE
