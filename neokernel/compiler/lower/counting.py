"""Loops that count, below the level of the source."""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.ir import Const, Kind, Mode, Operand, Var
from neokernel.compiler.lower.context import Context
from neokernel.compiler.types import BOOL, USIZE, IntType


def counted(ctx: Context, node: ast.AST, count: Operand, body: Callable[[Operand], None]) -> None:
    """`body(i)` for i in 0 … count-1, without source-level flow (for constructors)."""
    next_ = ctx.hidden("index", USIZE)
    ctx.set(next_, Const(USIZE, 0), node)
    loop = ir.Loop(ctx.span(node), [], [], ctx.label(), trip=count)
    with ctx.into(loop.body):
        index = head(ctx, loop, next_, count, node)
        body(index)
    step(ctx, loop, next_, node)
    ctx.block.append(loop)


def head(ctx: Context, loop: ir.Loop, next_: Var, stop: Operand, node: ast.AST) -> Operand:
    """Leave the loop when the counter has reached `stop`; else the counter."""
    index = ctx.get(next_, node)
    test = ctx.op(ir.Compare, node, BOOL, "lt", index, stop)
    ctx.block.append(ir.If(ctx.span(node), test, [], [ir.Break(ctx.span(node), loop.label)]))
    return index


def step(ctx: Context, loop: ir.Loop, next_: Var, node: ast.AST) -> None:
    """Count on; that can't overflow, since the counter is below a number of its type."""
    assert isinstance(next_.type, IntType)
    with ctx.into(loop.step):
        index = ctx.get(next_, node)
        one = Const(next_.type, 1)
        total = ctx.op(
            ir.Binary, node, next_.type, "add", Mode.CHECKED, index, one, kinds=(Kind.OVERFLOW,), discharged=True
        )
        ctx.set(next_, total, node)
