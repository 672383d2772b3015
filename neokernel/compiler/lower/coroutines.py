"""The lowering of what coroutines are written with: `await`, and the functions of the vocabulary that run them.

A parameter `Coroutine[T]` belongs to the function that has it. Either the function only hands it to `start`; then it is
a value: the arguments of the call. Or the function runs it; then its frame is an object of the function's own, and what
runs in it is cancelled when the function ends, whichever way.
"""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.declare import ClassDecl, FunctionDecl, LangName, ModuleRef, Scope
from neokernel.compiler.ir import Const, Kind, Operand
from neokernel.compiler.lower.arguments import no_arguments, positional, single
from neokernel.compiler.lower.context import NOTHING, Compilation, Context, Value
from neokernel.compiler.lower.dispatch import EXPRESSIONS, VOCABULARY, inferred
from neokernel.compiler.lower.frames import ENDED, READY, RESULT, RUNNING, STATE, has_result
from neokernel.compiler.lower.functions import declared_instance
from neokernel.compiler.lower.names import find, is_global
from neokernel.compiler.resolve import reject
from neokernel.compiler.types import BOOL, NEVER, U16, ArrayType, CoroutineType, FrameType, RefType, Type
from neokernel.lang.trees import walk

# --- await ------------------------------------------------------------------------------------------------------------


def _await(ctx: Context, node: ast.Await, hint: Type | None) -> Value:
    if ctx.ghost:
        raise ctx.reject("NK0424", "ghost code can't wait", node, "images leave it out: read what you need before")
    called = node.value
    if isinstance(called, ast.Call) and is_global(ctx, called.func) and find(ctx, called.func) == LangName("pause"):
        no_arguments(ctx, "pause", called)
        _pause(ctx, node)
        return NOTHING
    if isinstance(called, ast.Call):
        ctx.expected_coroutines.add(called)
    value = inferred(ctx, called, hint)
    if isinstance(value.type, RefType) and isinstance(value.type.target, FrameType):
        return _run_parameter(ctx, value, node)
    if not isinstance(value.type, CoroutineType):
        help = "leave `await` out: it ends without waiting" if isinstance(called, ast.Call) else "await a call"
        raise ctx.reject("NK0422", f"`await` wants a call of an `async def`, and this is `{value.type}`", called, help)
    return run(ctx, value, node)


def run(ctx: Context, call: Operand, node: ast.AST) -> Operand:
    """Await a call of an `async def` that has just been evaluated."""
    function = ctx.compilation.coroutines[call.type]
    made = ctx.block.pop()
    assert isinstance(made, ir.MakeRecord) and made.result is call
    result = ctx.temp(function.result)
    ctx.block.append(ir.Await(ctx.span(node), result, (), function, made.items, _cleanup(ctx)))
    ctx.forget_memory(node)
    if function.result == NEVER:
        ctx.flow.dead = True
    return result


def _pause(ctx: Context, node: ast.AST) -> None:
    ctx.block.append(ir.Pause(ctx.span(node), None, (), _cleanup(ctx)))
    ctx.forget_memory(node)


def _cleanup(ctx: Context) -> ir.Block:
    """What is to be done if the coroutine is cancelled here."""
    cleanup: ir.Block = []
    flow = ctx.flow.copy()
    with ctx.into(cleanup):
        ctx.leave(0)
    ctx.flow = flow
    return cleanup


def _run_parameter(ctx: Context, frame: Operand, node: ast.AST) -> Operand:
    """`await work`: resume it until it has ended."""
    function, coroutine = _coroutine(ctx, frame)
    loop = ir.Loop(ctx.span(node), [], [], ctx.label())
    ctx.forget_memory(node)
    with ctx.into(loop.body):
        ended = ctx.op(ir.Call, node, BOOL, coroutine.resume, (frame,))
        ctx.block.append(ir.If(ctx.span(node), ended, [ir.Break(ctx.span(node), loop.label)], []))
        _pause(ctx, node)
    ctx.block.append(loop)
    return _result(ctx, function, coroutine, frame, node)


# --- what runs a coroutine --------------------------------------------------------------------------------------------


def _coroutine(ctx: Context, frame: Operand) -> tuple[ir.Function, ir.Coroutine]:
    assert isinstance(frame.type, RefType)
    function = ctx.compilation.coroutines[frame.type.target]
    assert function.coroutine is not None
    return function, function.coroutine


def _frame(ctx: Context, node: ast.expr, name: str) -> Operand:
    """An argument that is a coroutine with a frame."""
    operand = inferred(ctx, node)
    if not isinstance(operand.type, RefType) or not isinstance(operand.type.target, FrameType):
        help = "it takes a parameter `Coroutine[…]`, or an element of `Tasks`"
        raise ctx.reject("NK0422", f"`{name}` is for coroutines, and this is `{operand.type}`", node, help)
    return operand


def _resume(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    frame = _frame(ctx, single(ctx, "resume", node), "resume")
    ended = ctx.op(ir.Call, node, BOOL, _coroutine(ctx, frame)[1].resume, (frame,))
    ctx.forget_memory(node)
    return ended


def _cancel(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    frame = _frame(ctx, single(ctx, "cancel", node), "cancel")
    state = ctx.op(ir.LoadField, node, U16, frame, _coroutine(ctx, frame)[1].frame, STATE)
    other = ctx.op(ir.Compare, node, BOOL, "ne", state, Const(U16, RUNNING))
    ctx.do(ir.Require, node, other, kinds=(Kind.ASSERT,), message="a coroutine can't cancel itself")
    _cancel_frame(ctx, frame, node)
    return NOTHING


def _cancel_frame(ctx: Context, frame: Operand, node: ast.AST) -> None:
    function = _coroutine(ctx, frame)[1].cancel
    ctx.op(ir.Call, node, function.result, function, (frame,))
    ctx.forget_memory(node)


def _result_of(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    frame = _frame(ctx, single(ctx, "result_of", node), "result_of")
    function, coroutine = _coroutine(ctx, frame)
    return _result(ctx, function, coroutine, frame, node)


def _result(ctx: Context, function: ir.Function, coroutine: ir.Coroutine, frame: Operand, node: ast.AST) -> Operand:
    """What a coroutine that has ended has given; one that was cancelled gives nothing."""
    state = ctx.op(ir.LoadField, node, U16, frame, coroutine.frame, STATE)
    ended = ctx.op(ir.Compare, node, BOOL, "eq", state, Const(U16, ENDED))
    ctx.do(ir.Require, node, ended, kinds=(Kind.ASSERT,), message="the coroutine hasn't ended")
    if function.result == NEVER:
        ctx.block.append(ir.Fail(ctx.span(node), ctx.check(Kind.UNREACHABLE, "it doesn't end", discharged=True)))
        ctx.flow.dead = True
        return Const(NEVER, None)
    if not has_result(function.result):
        return NOTHING
    return ctx.op(ir.LoadField, node, function.result, frame, coroutine.frame, RESULT)


def _start(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    place_node, call_node = positional(ctx, "start", node, 2)
    place = _frame(ctx, place_node, "start")
    if isinstance(place_node, ast.Name) and any(var.name == place_node.id for var in ctx.function.parameters):
        help = "start it in an element of `Tasks`"
        raise ctx.reject("NK0423", f"`{place_node.id}` is a coroutine already, not a place for one", place_node, help)
    function, coroutine = _coroutine(ctx, place)
    if isinstance(call_node, ast.Call):
        ctx.expected_coroutines.add(call_node)
    call = inferred(ctx, call_node)
    if call.type is not coroutine.value:
        found = ctx.compilation.coroutines.get(call.type)
        what = f"a call of `{found.name}`" if found is not None else f"`{call.type}`"
        help = "each coroutine has `Tasks` of its own"
        raise ctx.reject("NK0423", f"these frames are of `{function.name}`, and this is {what}", call_node, help)
    state = ctx.op(ir.LoadField, node, U16, place, coroutine.frame, STATE)
    free = ctx.op(ir.Compare, node, BOOL, "le", state, Const(U16, ENDED))
    ctx.do(ir.Require, node, free, kinds=(Kind.ASSERT,), message="the frame's coroutine hasn't ended")
    _begin(ctx, place, call, node)
    return NOTHING


def _begin(ctx: Context, frame: Operand, call: Operand, node: ast.AST, initial: bool = False) -> None:
    """Put a call's arguments into a frame: it will begin when it is resumed."""
    function, coroutine = _coroutine(ctx, frame)
    for index, var in enumerate(function.parameters):
        argument = ctx.op(ir.Item, node, var.type, call, index)
        ctx.do(ir.StoreField, node, frame, coroutine.frame, var.name, argument, initial)
    ctx.do(ir.StoreField, node, frame, coroutine.frame, STATE, Const(U16, READY), initial)
    ctx.forget_memory(node)


def _misplaced(name: str, help: str) -> None:
    def handler(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
        raise ctx.reject("NK0422", f"`{name}` can't stand here", node, help)

    VOCABULARY[name] = handler


# --- parameters and frames --------------------------------------------------------------------------------------------


def take_coroutines(ctx: Context, decl: FunctionDecl) -> None:
    """At the begin of a function: frames for its parameters `Coroutine[…]`, which it cancels when it ends."""
    for parameter, var in zip(decl.parameters, ctx.function.parameters, strict=True):
        if not isinstance(var.type, CoroutineType) or _only_started(ctx, decl, var.name):
            continue
        coroutine = ctx.compilation.coroutines[var.type].coroutine
        assert coroutine is not None
        made = ctx.op(ir.New, parameter.node, RefType(coroutine.frame), False)
        _begin(ctx, made, ctx.get(var, parameter.node), parameter.node, initial=True)
        held = ctx.variable(var.name, made.type, ctx.span(parameter.node))
        ctx.set(held, made, parameter.node)
        ctx.variables[var.name] = held

        def leave(held: ir.Var = held, node: ast.AST = parameter.node) -> None:
            _cancel_frame(ctx, ctx.get(held, node), node)

        ctx.exits.append(leave)


def _only_started(ctx: Context, decl: FunctionDecl, name: str) -> bool:
    """Does the function do nothing with its parameter but hand it to `start`?"""
    started = set[ast.expr]()
    used = set[ast.expr]()
    for node in (each for statement in decl.node.body for each in walk(statement)):
        match node:
            case ast.Call(func=ast.Name(id=called), args=[_, ast.Name(id=given) as argument]) if given == name:
                if ctx.scope.lookup(called) == LangName("start"):
                    started.add(argument)
            case ast.Name(id=found, ctx=ast.Load()) if found == name:
                used.add(node)
    return bool(started) and used == started


def frames_of(compilation: Compilation, node: ast.Call, scope: Scope) -> ArrayType:
    """The type of `tasks(f, n)`."""
    if len(node.args) != 2 or node.keywords:
        raise reject(scope, "NK0326", "`tasks` has 2 arguments", node, "write `tasks(function, number)`")
    decl = _function_of(node.args[0], scope)
    length = compilation.resolver.length_of(node.args[1], scope)
    help = "name an `async def`, or a method of one: `tasks(serve, 64)`, `tasks(Server.serve, 64)`"
    if decl is None or "async" not in decl.marks:
        raise reject(scope, "NK0423", "`tasks` makes frames of an `async def`", node.args[0], help)
    function = declared_instance(compilation, decl)
    if function is None or function.coroutine is None:
        help = "await it in an `async def` that says all types and lengths, and make frames of that"
        raise reject(scope, "NK0423", f"`{decl.title}` is generic: its frame isn't known here", node.args[0], help)
    if has_result(function.result):
        help = "let it hand on what it has found: by a struct that it is given, or an answer"
        raise reject(scope, "NK0423", f"nobody takes the result of `{decl.title}`", node.args[0], help)
    function.coroutine.detached = True
    place = scope.module.name, node.lineno, node.col_offset
    compilation.tasks[place] = decl.title, length, function.coroutine.frame
    return ArrayType(function.coroutine.frame, length, inline=True)


def _function_of(node: ast.expr, scope: Scope) -> FunctionDecl | None:
    match node:
        case ast.Name(id=name):
            found = scope.lookup(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            outer = scope.lookup(name)
            if isinstance(outer, ModuleRef):
                found = outer.scope.names.get(attribute)
            else:
                found = outer.methods.get(attribute) if isinstance(outer, ClassDecl) else None
        case _:
            found = None
    return found if isinstance(found, FunctionDecl) else None


EXPRESSIONS[ast.Await] = _await
VOCABULARY.update({"resume": _resume, "cancel": _cancel, "result_of": _result_of, "start": _start})
_misplaced("pause", "write `await pause()`")
_misplaced("tasks", "a field of a struct holds frames: `clients: Tasks = tasks(serve, 64)`")
