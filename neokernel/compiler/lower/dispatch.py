"""The way from an expression to the module that lowers it.

`lower` gives what the expression is (perhaps an untyped constant); `expression` gives it as the type that its context
expects. The hint is a wish in the first and a demand in the second. Modules register what they lower, so that they
can call one another through here without importing one another.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from neokernel.compiler.ir import Operand
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import Context, Path, Value
from neokernel.compiler.types import Type

#: lowers one kind of expression; the last argument is the type that the context would like
Handler = Callable[[Context, Any, Type | None], Value]

#: by kind of expression: filled in by the modules that lower them
EXPRESSIONS: dict[type[ast.expr], Handler] = {}

#: by name: calls of functions of the vocabulary
VOCABULARY: dict[str, Callable[[Context, ast.Call, Type | None], Value]] = {}


def expression(ctx: Context, node: ast.expr, expected: Type) -> Operand:
    """The value of `node` as an `expected`."""
    return coerce(ctx, lower(ctx, node, expected), expected, node)


def inferred(ctx: Context, node: ast.expr, hint: Type | None = None) -> Operand:
    """The value of `node` with the type that it has by itself."""
    return typed(ctx, lower(ctx, node, hint), node)


def lower(ctx: Context, node: ast.expr, hint: Type | None = None) -> Value:
    """The value of `node`; evaluation order is Python's."""
    handler = EXPRESSIONS.get(type(node))
    if handler is None:
        what, help = REJECTED.get(type(node), ("this expression", ""))
        raise ctx.reject("NK0103", f"{what} is not in the language", node, help)
    return handler(ctx, node, hint)


def trial(ctx: Context, node: ast.expr, facts: dict[Path, Type] | None = None) -> Value:
    """What lowering `node` would give, without keeping what it emits."""
    flow, checks, temps, variables = ctx.flow, ctx.function.checks, ctx.function.temps, len(ctx.function.variables)
    known, nested = dict(ctx.variables), ctx.on_trial
    ctx.flow, ctx.on_trial = flow.copy(), True
    ctx.flow.narrowed.update(facts or {})
    try:
        with ctx.into([]):
            return lower(ctx, node)
    finally:
        ctx.flow, ctx.variables, ctx.on_trial = flow, known, nested
        ctx.function.checks, ctx.function.temps = checks, temps
        del ctx.function.variables[variables:]


REJECTED: dict[type[ast.expr], tuple[str, str]] = {
    ast.Lambda: ("`lambda`", "write a function; contracts are the only place for `lambda`"),
    ast.List: ("a list", "use `Array[T]`: `items: Array[u32] = array(10)`, or a container of the runtime"),
    ast.ListComp: ("a comprehension", "write the loop; only module constants have `tuple(… for …)`"),
    ast.GeneratorExp: ("a generator", "write the loop; only module constants have `tuple(… for …)`"),
    ast.SetComp: ("a comprehension", "write the loop"),
    ast.DictComp: ("a comprehension", "write the loop"),
    ast.Dict: ("a dict", "use `match`, a table, or a container of the runtime"),
    ast.Set: ("a set", "use `x in (a, b)`, bits of an integer, or a container of the runtime"),
    ast.Yield: ("`yield`", "write a struct with a method `next`"),
    ast.YieldFrom: ("`yield from`", "write a struct with a method `next`"),
    ast.Starred: ("`*`", "name the arguments"),
    ast.Slice: ("a slice", ""),
}
