"""Statements, and whole function bodies."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import (
    assignment,
    calls,
    conditions,
    contracts,
    coroutines,
    loops,
    patterns,
    serving,
    unsafe,
)
from neokernel.compiler.lower.assignment import assign
from neokernel.compiler.lower.coerce import coerce
from neokernel.compiler.lower.context import Compilation, Context, Pending, Untyped
from neokernel.compiler.lower.dispatch import expression, inferred, lower
from neokernel.compiler.lower.names import assigned_names
from neokernel.compiler.types import NEVER, NONE, EnumType, UnionType, ValueType


def lower_function(compilation: Compilation, work: Pending) -> None:
    """Fill in the body of a function instance."""
    before = len(compilation.diagnostics.items)
    _fill(compilation, work)
    serving.name_the_server(compilation, work.declaration, work.function, before)


def _fill(compilation: Compilation, work: Pending) -> None:
    decl, function, bindings = work.declaration, work.function, work.bindings
    ctx = Context(
        compilation,
        decl.scope,
        bindings,
        function,
        function.body,
        locals=assigned_names(decl.node.body) | {p.name for p in decl.parameters},
    )
    for var in function.parameters:
        ctx.variables[var.name] = var
        ctx.flow.assigned.add(var.name)
    body = _without_docstring(decl.node.body)
    if function.naked:
        unsafe.naked(ctx, decl, body)
        return
    if function.ghost:
        ctx.ghost = True
    body = contracts.function(ctx, body)
    coroutines.take_coroutines(ctx, decl)
    block(ctx, body)
    if ctx.flow.dead or ctx.may_end:
        return
    if function.result == NONE:
        ctx.leave(0)
        function.body.append(ir.Return(_last_span(ctx, decl.node), None))
    elif function.result == NEVER:
        ctx.report("NK0402", f"`{decl.title}` is `NoReturn`, and its end can be reached", decl.node, "end in a loop")
    else:
        ctx.report(
            "NK0402",
            f"`{decl.title}` can end without returning its `{function.result}`",
            decl.node.returns or decl.node,
            "return a value on every way, or end the way with `unreachable(…)`",
        )


def _last_span(ctx: Context, node: ast.FunctionDef) -> ir.Span:
    return ctx.span(node.body[-1])


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


def block(ctx: Context, body: list[ast.stmt]) -> None:
    """Lower statements in order; one that is rejected doesn't stop the others."""
    for node in body:
        if ctx.flow.dead and not isinstance(node, ast.Pass):
            ctx.report("NK0403", "this is never reached", node, "remove it, or what ends the way before it")
            return
        try:
            statement(ctx, node)
        except Rejected as rejected:
            ctx.compilation.report(rejected)
            _recover(ctx, node)


def _recover(ctx: Context, node: ast.stmt) -> None:
    """After a rejected statement: what it would have done counts as done, so that one mistake makes one message."""
    for name in assigned_names([node]):
        ctx.flow.assigned.add(name)
    match node:
        case ast.Return() | ast.Raise() | ast.Expr(value=ast.Call(func=ast.Name(id="assert_never" | "unreachable"))):
            ctx.flow.dead = True
        case ast.Expr():
            pass
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            ctx.flow.assigned.update(names)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            ctx.locals |= {name}
            ctx.flow.assigned.add(name)
        case _:
            if any(isinstance(inner, ast.Return | ast.Raise) for inner in ast.walk(node)):
                ctx.may_end = True
            if ctx.loops and _may_break(node):
                ctx.loops[-1].breaks.append(ctx.flow.copy())


def _may_break(node: ast.stmt) -> bool:
    """Is there a `break` in it that ends the loop around it?"""
    waiting: list[ast.AST] = [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Break):
            return True
        if not isinstance(inner, ast.While | ast.For):
            waiting.extend(ast.iter_child_nodes(inner))
    return False


def statement(ctx: Context, node: ast.stmt) -> None:
    handler = _HANDLERS.get(type(node))
    if handler is None:
        what, help = REJECTED.get(type(node), (type(node).__name__.lower(), ""))
        raise ctx.reject("NK0103", f"{what} is not in the language", node, help)
    if contracts.is_ghost_store(ctx, node):
        with ctx.ghost_code(node):
            handler(ctx, node)
    else:
        handler(ctx, node)


def _if(ctx: Context, node: ast.If) -> None:
    test, when_true, when_false = conditions.condition(ctx, node.test)
    ctx.branch(
        node.test,
        test,
        lambda: block(ctx, node.body),
        (lambda: block(ctx, node.orelse)) if node.orelse else None,
        when_true,
        when_false,
    )


def _return(ctx: Context, node: ast.Return) -> None:
    result = ctx.function.result
    if result == NEVER:
        raise ctx.reject("NK0404", "this function is `NoReturn`", node)
    operand: Operand | None = None
    if node.value is not None:
        if result == NONE and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            value = lower(ctx, node.value, NONE)
            if isinstance(value, Untyped) or value.type != NONE:
                raise ctx.reject("NK0404", "this function returns `None`", node.value, "change `-> None`")
        elif result != NONE:
            operand = expression(ctx, node.value, result)
            if operand.type == NEVER:
                ctx.flow.dead = True  # the call has ended the way
                return
    elif result != NONE:
        if not (isinstance(result, UnionType) and NONE in result.arms):
            raise ctx.reject("NK0404", f"this function returns `{result}`", node, "write `return value`")
        operand = coerce(ctx, ir.Const(NONE, None), result, node)
    ctx.leave(0)
    ctx.block.append(ir.Return(ctx.span(node), operand))
    ctx.flow.dead = True


def _break(ctx: Context, node: ast.Break) -> None:
    frame = ctx.loops[-1]
    ctx.leave(frame.exits)
    frame.breaks.append(ctx.flow.copy())
    ctx.block.append(ir.Break(ctx.span(node), frame.label))
    ctx.flow.dead = True


def _continue(ctx: Context, node: ast.Continue) -> None:
    frame = ctx.loops[-1]
    ctx.leave(frame.exits)
    ctx.block.append(ir.Continue(ctx.span(node), frame.label))
    ctx.flow.dead = True


def _with(ctx: Context, node: ast.With | ast.AsyncWith) -> None:
    depth = len(ctx.exits)
    waits = "a" if isinstance(node, ast.AsyncWith) else ""
    for item in node.items:
        manager = inferred(ctx, item.context_expr)
        enter = calls.special_method(ctx, manager, f"__{waits}enter__")
        leave_method = calls.special_method(ctx, manager, f"__{waits}exit__")
        if enter is None or leave_method is None:
            statement, define = ("async with", "async def ") if waits else ("with", "")
            raise ctx.reject(
                "NK0325",
                f"`{manager.type}` can't stand in `{statement}`",
                item.context_expr,
                f"that takes a struct with `{define}__{waits}enter__(self)` and"
                f" `{define}__{waits}exit__(self, *_: object) -> None`",
            )
        ctx.expected_coroutines.add(item.context_expr)
        entered = calls.invoke(ctx, enter, manager, [], item.context_expr, None)
        if "async" in enter.marks:
            entered = coroutines.run(ctx, entered, item.context_expr)
        if item.optional_vars is not None:
            assign(ctx, item.optional_vars, entered, item.context_expr)

        def run(
            manager: Operand = manager, method: FunctionDecl = leave_method, place: ast.expr = item.context_expr
        ) -> None:
            calls.invoke(ctx, method, manager, [], place, None)

        ctx.exits.append(run)
    block(ctx, node.body)
    if not ctx.flow.dead:
        ctx.leave(depth)
    del ctx.exits[depth:]


def _assert(ctx: Context, node: ast.Assert) -> None:
    message = ""
    match node.msg:
        case None:
            pass
        case ast.Constant(value=str() as message):
            pass
        case _:
            raise ctx.reject("NK0106", "the message of an `assert` is a text constant", node.msg)
    test, when_true, _ = conditions.condition(ctx, node.test)
    ctx.do(ir.Require, node, test, kinds=(Kind.ASSERT,), message=message)
    ctx.flow.narrowed.update(when_true)
    if isinstance(test, ir.Const) and test.value is False:
        ctx.flow.dead = True
        ctx.block.append(ir.Fail(ctx.span(node), ctx.check(Kind.UNREACHABLE, "after a failed assertion", True)))


def _expression_statement(ctx: Context, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return
    if isinstance(node.value, ast.Constant) and node.value.value is ...:
        raise ctx.reject("NK0103", "`...` is not in the language", node, "write `pass`, or `unreachable(…)`")
    if contracts.is_misplaced(ctx, node.value):
        raise ctx.reject(
            "NK0901", "contracts stand at the start of a function or of a loop's body", node, "move it there"
        )
    if isinstance(node.value, ast.Yield | ast.YieldFrom):
        lower(ctx, node.value)
    if not isinstance(node.value, ast.Call | ast.Await):
        raise ctx.reject("NK0108", "this computes something and throws it away", node, "assign it, or remove it")
    if isinstance(node.value, ast.Call) and contracts.ghost_call(ctx, node.value):
        return
    value = lower(ctx, node.value)
    if not isinstance(value, Untyped) and isinstance(value.type, UnionType):
        if any(isinstance(arm, EnumType | ValueType) for arm in value.type.arms):
            raise ctx.reject(
                "NK0109",
                f"this result may be an error, and is thrown away: `{value.type}`",
                node,
                "test it, or write `_ = …` when it doesn't matter",
            )


def _pass(ctx: Context, node: ast.Pass) -> None:
    pass


def _match(ctx: Context, node: ast.Match) -> None:
    patterns.match(ctx, node, block)


REJECTED: dict[type[ast.stmt], tuple[str, str]] = {
    ast.Try: ("`try`", "failures are values: return `T | Error` and test it with `isinstance`"),
    ast.Raise: ("`raise`", "failures are values: return an error; a broken promise is `unreachable(…)` or `assert`"),
    ast.Delete: ("`del`", "leave it out"),
    ast.Global: ("`global`", "there is no mutable global: pass the struct that holds the state"),
    ast.Nonlocal: ("`nonlocal`", "pass the struct that holds the state"),
    ast.FunctionDef: ("a function in a function", "move it to the top level"),
    ast.AsyncFunctionDef: ("a function in a function", "move it to the top level"),
    ast.ClassDef: ("a class in a function", "move it to the top level"),
    ast.Import: ("an import in a function", "move it to the top of the module"),
    ast.ImportFrom: ("an import in a function", "move it to the top of the module"),
    ast.AsyncFor: ("`async for`", "await the next item in a loop: `while (item := await source.next()) is not None:`"),
}


_HANDLERS: dict[type[ast.stmt], Callable[[Context, Any], None]] = {
    ast.Assign: assignment.plain,
    ast.AnnAssign: assignment.annotated,
    ast.AugAssign: assignment.augmented,
    ast.If: _if,
    ast.While: lambda ctx, node: loops.while_loop(ctx, node, block),
    ast.For: lambda ctx, node: loops.for_loop(ctx, node, block),
    ast.Return: _return,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Assert: _assert,
    ast.Expr: _expression_statement,
    ast.Pass: _pass,
    ast.Match: _match,
}
