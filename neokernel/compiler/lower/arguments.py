"""How many arguments the functions of the vocabulary take."""

from __future__ import annotations

import ast

from neokernel.compiler.lower.context import Context


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


def no_arguments(ctx: Context, name: str, node: ast.Call) -> None:
    if node.args or node.keywords:
        raise ctx.reject("NK0326", f"`{name}` has no arguments", node)
