"""What belongs to an instance of an `async def`: its frame, the type of its calls, `resume` and `cancel`.

Until `split` has run, the bodies of `resume` and `cancel` are sketches, which call the coroutine as one piece: they do
to references what the real ones will do, and that is what the analyses of the whole program ask. Constants that are
computed run them; so they are right for a coroutine that doesn't pause.

Invariant: the fields `.state`, `.result` (if there is one) and the parameters' are there from the beginning.
"""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.lower.context import Compilation, Context
from neokernel.compiler.types import BOOL, NEVER, NONE, U16, CoroutineType, Field, FrameType, RefType, Type

#: what a frame's `.state` is: it was cancelled, or never started (so memory of zeroes is a frame); it has ended; it
#: hasn't begun; it is running. Numbers from READY + 1 on are those of the places where it waits
CANCELLED, ENDED, READY, RUNNING = 0, 1, 2, 0xFFFF

STATE, RESULT = ".state", ".result"


def has_result(type_: Type) -> bool:
    return type_ not in (NONE, NEVER)


def make(compilation: Compilation, function: ir.Function) -> None:
    """Give the instance of an `async def`, whose parameters are known, what belongs to it."""
    frame = FrameType(f"{function.name}.frame", function.module)
    value = CoroutineType(function.name, function.module, result=function.result)
    frame.fields[STATE] = Field(STATE, U16)
    if has_result(function.result):
        frame.fields[RESULT] = Field(RESULT, function.result)
    for var in function.parameters:
        frame.fields[var.name] = value.fields[var.name] = Field(var.name, var.type)
    resume, cancel = (_sketch(function, frame, name) for name in ("resume", "cancel"))
    function.coroutine = ir.Coroutine(frame, value, resume, cancel)
    for type_ in (frame, value):
        compilation.coroutines[type_] = function
    for made in (resume, cancel):
        compilation.symbols[made.symbol] = made


def _sketch(of: ir.Function, frame: FrameType, name: str) -> ir.Function:
    """`resume` or `cancel` of a coroutine, as one that runs all of it."""
    parameter = ir.Var("frame", RefType(frame), 0)
    result = BOOL if name == "resume" else NONE
    made = ir.Function(of.name, f"{of.symbol}.{name}", of.module, of.span, [parameter], result, variables=[parameter])

    def temp(type_: Type) -> ir.Temp:
        made.temps += 1
        return ir.Temp(made.temps - 1, type_)

    place, state, ready = temp(RefType(frame)), temp(U16), temp(BOOL)
    run: ir.Block = []
    arguments = []
    for var in of.parameters:
        argument = temp(var.type)
        run.append(ir.LoadField(of.span, argument, (), place, frame, var.name))
        arguments.append(argument)
    given = temp(of.result)
    run.append(ir.Call(of.span, given, (), of, tuple(arguments)))
    if has_result(of.result):
        run.append(ir.StoreField(of.span, None, (), place, frame, RESULT, given))
    run.append(ir.StoreField(of.span, None, (), place, frame, STATE, ir.Const(U16, ENDED)))
    # One that doesn't pause has not begun or has ended: there is nothing to clean up.
    condition = ready if name == "resume" else ir.Const(BOOL, False)
    made.body = [
        ir.Get(of.span, place, (), parameter),
        ir.LoadField(of.span, state, (), place, frame, STATE),
        ir.Compare(of.span, ready, (), "eq", state, ir.Const(U16, READY)),
        ir.If(of.span, condition, run, []),
        ir.Return(of.span, ir.Const(BOOL, True) if result == BOOL else None),
    ]
    return made


def unstarted(ctx: Context, function: ir.Function, arguments: list[ir.Operand], node: ast.AST) -> ir.Operand:
    """A call of an `async def` as a value: somebody must be going to run it."""
    assert function.coroutine is not None
    if node not in ctx.expected_coroutines:
        raise ctx.reject(
            "NK0420",
            f"`{function.name}` is an `async def`: a call of it runs nothing, and can't be kept",
            node,
            "write `await` before the call, or hand it to a function that takes a `Coroutine[…]`",
        )
    return ctx.op(ir.MakeRecord, node, function.coroutine.value, tuple(arguments))


def hand_over(ctx: Context, type_: Type) -> None:
    """A call is handed to a function: that runs it now, or later."""
    coroutine = ctx.compilation.coroutines[type_].coroutine
    assert coroutine is not None
    coroutine.detached = True
