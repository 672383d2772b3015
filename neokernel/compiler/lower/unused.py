"""Functions that nobody calls, and that have no instance of their own: what can be checked of them all the same.

One that is open in array lengths alone is lowered with lengths of 1. Of others, which need a type, only the names,
and forms that are in no function, are looked at. Nothing that is made here is part of the program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.declare import LEAVING, FunctionDecl
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.generics import Application, OpenArray, is_open
from neokernel.compiler.lower import dispatch, statements
from neokernel.compiler.lower.context import Compilation, Context
from neokernel.compiler.lower.functions import function_instance, result_type
from neokernel.compiler.lower.names import assigned_names, find
from neokernel.compiler.types import NONE, ArrayType, RefType, Type, UnionType
from neokernel.lang.trees import walk

#: forms that stand in functions, but not as expressions of their own
_PARTS = (ast.Lambda, ast.Slice, ast.Starred)


def check(compilation: Compilation, decl: FunctionDecl) -> None:
    """Queue an instance of an unused function if one can be made, else look at its names and forms."""
    if stand_in_instance(compilation, decl) is None:
        _look(compilation, decl)


def stand_in_instance(compilation: Compilation, decl: FunctionDecl) -> ir.Function | None:
    """An instance with lengths of 1, if lengths are all that is open. No length is special, so it stands for others."""
    types: list[Type] = []
    for parameter in decl.parameters:
        if decl.is_method and parameter is decl.parameters[0]:
            assert decl.owner is not None
            if decl.owner.parameters:
                return None
            type_ = compilation.resolver.applied(decl.owner, ())
        elif parameter.annotation is None:
            return None
        else:
            type_ = compilation.resolver.parameter(parameter, decl.scope, {})
        known = _with_lengths(compilation, type_)
        if known is None:
            return None
        types.append(known)
    if decl.node.returns is not None and is_open(result_type(compilation, decl, {})):
        return None
    return function_instance(compilation, decl, {}, types, decl.node)


def _with_lengths(compilation: Compilation, type_: Type) -> Type | None:
    """`type_` with lengths of 1 for those that are open, or None if something else is."""
    if not is_open(type_):
        return type_
    match type_:
        case RefType(OpenArray(element, inline, atomic)) if not is_open(element):
            return RefType(ArrayType(element, 1, inline, atomic))
        case RefType(Application(declaration, arguments)) if not any(map(is_open, arguments)):
            fields = compilation.resolver.open_fields(declaration)
            if any(compilation.resolver.is_tasks(field, declaration) for field in fields):
                return None
            lengths = tuple(1 for _ in fields)
            return RefType(compilation.resolver.instance(declaration, arguments, lengths))
        case UnionType(arms):
            known = [_with_lengths(compilation, arm) for arm in arms]
            closed = tuple(arm for arm in known if arm is not None)
            return UnionType(closed) if len(closed) == len(arms) else None
    return None


def _look(compilation: Compilation, decl: FunctionDecl) -> None:
    for parameter in decl.parameters:
        if parameter.annotation is not None:
            compilation.resolver.parameter(parameter, decl.scope, {})
    if decl.node.returns is not None and decl.name not in LEAVING:
        compilation.resolver.resolve(decl.node.returns, decl.scope, {})
    function = ir.Function(decl.name, decl.name, decl.module.name, decl.module.span(decl.node), [], NONE)
    ctx = Context(compilation, decl.scope, {}, function, [])
    lambdas = [node for node in walk(decl.node) if isinstance(node, ast.Lambda)]
    arguments = {argument.arg for node in lambdas for argument in node.args.args}
    known = assigned_names(decl.node.body) | arguments | {p.name for p in decl.parameters}
    for statement in decl.node.body:
        for node in _within(statement):
            try:
                if isinstance(node, ast.stmt) and type(node) in statements.REJECTED:
                    statements.statement(ctx, node)
                elif isinstance(node, ast.expr) and type(node) in dispatch.REJECTED and not isinstance(node, _PARTS):
                    dispatch.lower(ctx, node)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
                    find(ctx, node)
            except Rejected as rejected:
                compilation.report(rejected)


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """A statement with all its parts; nothing inside a form that is rejected as a whole."""
    yield node
    if type(node) in statements.REJECTED or (type(node) in dispatch.REJECTED and not isinstance(node, _PARTS)):
        return
    for child in ast.iter_child_nodes(node):
        yield from _within(child)
