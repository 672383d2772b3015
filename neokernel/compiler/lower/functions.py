"""Function instances: a declaration, with type arguments, as an IR function whose body is lowered later."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.declare import LEAVING, FunctionDecl, Parameter
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.generics import (
    Application,
    Bindings,
    OpenArray,
    OpenCoroutine,
    TypeParameter,
    close,
    is_open,
)
from neokernel.compiler.lower import frames
from neokernel.compiler.lower.context import Compilation, Context, Pending
from neokernel.compiler.resolve import reject
from neokernel.compiler.types import NONE, ArrayType, RefType, SpanType, StructType, TupleType, Type, UnionType


def function_instance(
    compilation: Compilation,
    decl: FunctionDecl,
    bindings: Bindings,
    parameter_types: list[Type],
    node: ast.AST,
    caller: Context | None = None,
) -> ir.Function:
    """The instance of `decl` for these types; its body is queued the first time."""
    key = (decl, tuple((name, bindings[name]) for name in sorted(bindings)), tuple(parameter_types))
    found = compilation.functions.get(key)
    if found is not None:
        return found
    result = result_type(compilation, decl, bindings)
    if is_open(result):
        scope = caller.scope if caller else decl.scope
        missing = sorted(_open_names(result))
        help = "annotate what the result is assigned to" if missing else "return a `Span[T]`"
        diagnostic = (
            f"nothing here says what `{'`, `'.join(missing)}` is" if missing else f"`{result}` has no known length"
        )
        raise reject(scope, "NK0302", diagnostic, node, help)
    name = decl.title
    open_types = [
        str(t) for p, t in zip(decl.parameters, parameter_types, strict=True) if _is_generic(compilation, decl, p)
    ]
    arguments = [str(bindings[n]) for n in sorted(bindings)] + open_types
    instance = f"[{', '.join(arguments)}]" if arguments else ""
    symbol = f"{decl.module.name}.{name}{instance}"
    if symbol in compilation.symbols:
        # Two types of one name, from different modules: tell the instances apart by order of making.
        number = sum(1 for other in compilation.symbols if other.startswith(symbol))
        symbol = f"{symbol}#{number}"
    function = ir.Function(name, symbol, decl.module.name, decl.module.span(decl.node), [], result)
    function.ghost = bool({"ghost", "invariant"} & decl.marks)
    function.naked = "naked" in decl.marks
    function.cold = "cold" in decl.marks
    function.inline = "inline" in decl.marks
    if "invariant" in decl.marks and parameter_types:
        owner = parameter_types[0]
        if isinstance(owner, RefType) and isinstance(owner.target, StructType):
            function.invariant_of = owner.target
    compilation.functions[key] = function
    compilation.symbols[symbol] = function
    for parameter, type_ in zip(decl.parameters, parameter_types, strict=True):
        var = ir.Var(parameter.name, type_, len(function.variables), decl.module.span(parameter.node))
        function.variables.append(var)
        function.parameters.append(var)

    if "async" in decl.marks:
        frames.make(compilation, function)
    compilation.pending.append(Pending(decl, function, bindings))
    return function


def result_type(compilation: Compilation, decl: FunctionDecl, bindings: Bindings) -> Type:
    if decl.node.returns is None:
        raise Rejected.silent()
    if decl.name in LEAVING:
        return NONE
    type_ = compilation.resolver.resolve(decl.node.returns, decl.scope, bindings)
    return finish(compilation, close(type_, bindings))


def finish(compilation: Compilation, type_: Type) -> Type:
    """An `Application` whose arguments have become closed, as the instance."""
    inner = type_.target if isinstance(type_, RefType) else type_
    if isinstance(inner, Application) and not any(map(is_open, inner.arguments)):
        return compilation.resolver.applied(inner.declaration, inner.arguments)
    return type_


def declared_instance(compilation: Compilation, decl: FunctionDecl) -> ir.Function | None:
    """The only instance of a function that isn't generic, or None if it is."""
    types: list[Type] = []
    for parameter in decl.parameters:
        if decl.is_method and parameter is decl.parameters[0]:
            assert decl.owner is not None
            type_ = compilation.resolver.applied(decl.owner, ()) if not decl.owner.parameters else None
        elif parameter.annotation is None:
            raise Rejected.silent()
        else:
            type_ = compilation.resolver.parameter(parameter, decl.scope, {})
        if type_ is None or is_open(type_):
            return None
        types.append(type_)
    if decl.owner is not None and decl.owner.parameters:
        return None
    if decl.node.returns is not None and is_open(result_type(compilation, decl, {})):
        return None
    return function_instance(compilation, decl, {}, types, decl.node)


def _open_names(type_: Type) -> set[str]:
    match type_:
        case TypeParameter(name):
            return {name}
        case RefType(target):
            return _open_names(target)
        case OpenArray(element) | ArrayType(element) | SpanType(element):
            return _open_names(element)
        case TupleType(items) | UnionType(items):
            return set().union(*map(_open_names, items))
        case Application(_, arguments):
            return set().union(*map(_open_names, arguments)) if arguments else set()
        case OpenCoroutine(result):
            return _open_names(result)
    return set()


def _is_generic(compilation: Compilation, decl: FunctionDecl, parameter: Parameter) -> bool:
    """Does a parameter's type hold an array length that the bindings don't tell?"""
    if parameter.annotation is None:
        owner = decl.owner
        return owner is not None and (bool(owner.parameters) or bool(compilation.resolver.open_fields(owner)))
    type_ = compilation.resolver.parameter(parameter, decl.scope, {})
    return _has_open_length(compilation, type_)


def _has_open_length(compilation: Compilation, type_: Type) -> bool:
    match type_:
        case OpenArray() | OpenCoroutine():
            return True
        case Application(declaration, _):
            return bool(compilation.resolver.open_fields(declaration))
        case RefType(target):
            return _has_open_length(compilation, target)
        case ArrayType(element) | SpanType(element):
            return _has_open_length(compilation, element)
        case TupleType(items) | UnionType(items):
            return any(_has_open_length(compilation, item) for item in items)
    return False
