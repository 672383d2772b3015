"""`while` and `for`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neokernel.compiler import ir
from neokernel.compiler.declare import LangName
from neokernel.compiler.ir import Const, Kind, Mode, Operand, Var
from neokernel.compiler.lower import calls, conditions, contracts, memory
from neokernel.compiler.lower.assignment import assign
from neokernel.compiler.lower.coerce import coerce
from neokernel.compiler.lower.context import Context, LoopFrame, Untyped, Value
from neokernel.compiler.lower.counting import head, step
from neokernel.compiler.lower.dispatch import lower
from neokernel.compiler.lower.memory import element_of, read_element
from neokernel.compiler.lower.names import assigned_names, is_global
from neokernel.compiler.types import BOOL, USIZE, ArrayType, IntType, SpanType, TupleType

Body = Callable[[Context, list[ast.stmt]], None]


@contextmanager
def _frame(ctx: Context, node: ast.stmt, body: list[ast.stmt]) -> Iterator[LoopFrame]:
    """A loop: what its body may change is forgotten at its begin."""
    frame = LoopFrame(ctx.label(), len(ctx.exits))
    for name in assigned_names(body):
        ctx.flow.forget(name)
    ctx.forget_memory(node)
    ctx.loops.append(frame)
    try:
        yield frame
    finally:
        ctx.loops.pop()


def while_loop(ctx: Context, node: ast.While, lower_block: Body) -> None:
    if node.orelse:
        raise ctx.reject("NK0103", "`else` on a loop is not in the language", node.orelse[0], "use a `bool`")
    extra = [ast.Expr(node.test)]
    with _frame(ctx, node, [*node.body, *extra]) as frame:
        loop = ir.Loop(ctx.span(node.test), [], [], frame.label)
        exit_flow = ctx.flow.copy()
        forever = isinstance(node.test, ast.Constant) and node.test.value is True
        with ctx.into(loop.body):
            if forever:
                body = contracts.loop(ctx, loop, node.body)
                lower_block(ctx, body)
                exit_flow.dead = True
            else:
                test, when_true, when_false = conditions.condition(ctx, node.test)
                exit_flow = ctx.flow.copy()
                exit_flow.narrowed.update(when_false)
                ctx.flow.narrowed.update(when_true)
                inside: ir.Block = []
                loop.body.append(ir.If(ctx.span(node.test), test, inside, [ir.Break(ctx.span(node.test), frame.label)]))
                with ctx.into(inside):
                    body = contracts.loop(ctx, loop, node.body)
                    lower_block(ctx, body)
    ctx.block.append(loop)
    for flow in frame.breaks:
        exit_flow = exit_flow.merge(flow)
    ctx.flow = exit_flow


def for_loop(ctx: Context, node: ast.For, lower_block: Body) -> None:
    if node.orelse:
        raise ctx.reject("NK0103", "`else` on a loop is not in the language", node.orelse[0], "use a `bool`")
    match _iterable(ctx, node.iter):
        case "range", ast.Call() as call:
            _range(ctx, node, call, lower_block)
        case "reversed", ast.Call() as call:
            _reversed(ctx, node, call, lower_block)
        case "enumerate", ast.Call() as call:
            _sequences(ctx, node, _plain(ctx, call, 1, 1), lower_block, numbered=True)
        case "zip", ast.Call() as call:
            _sequences(ctx, node, _zipped(ctx, call), lower_block, numbered=False, tuples=True)
        case _:
            _sequences(ctx, node, [node.iter], lower_block, numbered=False)


def _iterable(ctx: Context, node: ast.expr) -> tuple[str, ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id=name) as function) if is_global(ctx, function):
            found = ctx.scope.lookup(name)
            if isinstance(found, LangName) and found.name in ("range", "reversed", "enumerate", "zip"):
                return found.name, node
    return "", node


def _plain(ctx: Context, call: ast.Call, least: int, most: int) -> list[ast.expr]:
    if call.keywords or not least <= len(call.args) <= most:
        raise ctx.reject("NK0326", f"this takes {least} argument{'s' * (least != 1)} or more, without names", call)
    return call.args


def _zipped(ctx: Context, call: ast.Call) -> list[ast.expr]:
    """The arguments of `zip(a, b)`; `strict=False` may say what it does anyway."""
    match call.keywords:
        case [ast.keyword(arg="strict", value=ast.Constant(value=False))]:
            call = ast.copy_location(ast.Call(call.func, call.args, []), call)
        case [ast.keyword(arg="strict") as keyword]:
            help = "write `assert len(a) == len(b)` before the loop, and `strict=False` here"
            raise ctx.reject("NK0326", "`zip` ends with the shortest", keyword, help)
    return _plain(ctx, call, 2, 8)


def _bounds(ctx: Context, call: ast.Call) -> tuple[Operand, Operand, int, IntType]:
    """(start, stop, step, type) of `range(…)`."""
    arguments = _plain(ctx, call, 1, 3)
    values: list[Value] = [lower(ctx, a) for a in arguments]
    step = 1
    if len(values) == 3:
        last = values[2]
        if not isinstance(last, Untyped) or not isinstance(last.value, int) or last.value == 0:
            raise ctx.reject("NK0334", "the step of a `range` is a constant, and not 0", arguments[2])
        step = last.value
    ends = values[:2]
    types = [v.type for v in ends if not isinstance(v, Untyped)]
    type_ = types[0] if types else USIZE
    for value, argument in zip(ends, arguments, strict=False):
        if not isinstance(value, Untyped) and value.type != type_:
            raise ctx.reject(
                "NK0311",
                f"`range` of `{type_}` and `{value.type}`: the ends have different types",
                argument,
                "convert one",
            )
    if not isinstance(type_, IntType):
        raise ctx.reject("NK0334", f"`range` counts integers, not `{type_}`", call)
    operands = [coerce(ctx, v, type_, a) for v, a in zip(ends, arguments, strict=False)]
    if len(operands) == 1:
        operands.insert(0, Const(type_, 0))
    return operands[0], operands[1], step, type_


def _range(ctx: Context, node: ast.For, call: ast.Call, lower_block: Body) -> None:
    start, stop, step, type_ = _bounds(ctx, call)
    if step == 1:
        next_ = ctx.hidden("next", type_)
        ctx.set(next_, start, node.iter)
        _run(ctx, node, lower_block, lambda loop: head(ctx, loop, next_, stop, node.iter), next_, stop)
        return
    # Any other step counts rounds, so that the variable never passes the end of its type.
    rounds = _rounds(ctx, start, stop, step, type_, node.iter)
    current = ctx.hidden("current", type_)
    ctx.set(current, start, node.iter)
    next_ = ctx.hidden("round", rounds.type)
    assert isinstance(rounds.type, IntType)
    ctx.set(next_, Const(rounds.type, 0), node.iter)

    def begin(loop: ir.Loop) -> Operand:
        head(ctx, loop, next_, rounds, node.iter)
        value = ctx.get(current, node.iter)
        with ctx.into(loop.step):
            operation = "add" if step > 0 else "sub"
            amount = Const(type_, _wrapped(abs(step), type_))
            moved = ctx.op(ir.Binary, node.iter, type_, operation, Mode.WRAPPING, ctx.get(current, node.iter), amount)
            ctx.set(current, moved, node.iter)
        return value

    _run(ctx, node, lower_block, begin, next_, rounds)


def _wrapped(number: int, type_: IntType) -> int:
    number &= (1 << type_.bits) - 1
    return number - (1 << type_.bits) if number > type_.highest else number


def _rounds(ctx: Context, start: Operand, stop: Operand, step: int, type_: IntType, node: ast.AST) -> Operand:
    """How many numbers `range(start, stop, step)` has, as an unsigned integer of the same width."""
    unsigned = IntType(type_.bits, False)
    low, high = (start, stop) if step > 0 else (stop, start)
    if abs(step) > unsigned.highest:
        raise ctx.reject("NK0334", f"a step of {step} is more than `{type_}` has numbers", node)

    def count() -> Operand:
        distance: Operand = ctx.op(ir.Binary, node, type_, "sub", Mode.WRAPPING, high, low)
        if type_.signed:
            distance = ctx.op(ir.Convert, node, unsigned, distance, True)
        last = ctx.op(ir.Binary, node, unsigned, "sub", Mode.WRAPPING, distance, Const(unsigned, 1))
        full = ctx.op(
            ir.Binary,
            node,
            unsigned,
            "floordiv",
            Mode.CHECKED,
            last,
            Const(unsigned, abs(step)),
            kinds=(Kind.DIVISION,),
            discharged=True,
        )
        return ctx.op(ir.Binary, node, unsigned, "add", Mode.WRAPPING, full, Const(unsigned, 1))

    any_ = ctx.op(ir.Compare, node, BOOL, "lt", low, high)
    return ctx.choose(node, any_, count, lambda: Const(unsigned, 0), unsigned)


def _reversed(ctx: Context, node: ast.For, call: ast.Call, lower_block: Body) -> None:
    arguments = _plain(ctx, call, 1, 1)
    name, inner = _iterable(ctx, arguments[0])
    if name != "range" or not isinstance(inner, ast.Call):
        raise ctx.reject(
            "NK0334", "`reversed` takes a `range`", arguments[0], "loop over `reversed(range(len(x)))` and index"
        )
    start, stop, step, type_ = _bounds(ctx, inner)
    if step != 1:
        raise ctx.reject("NK0334", "`reversed` of a `range` with a step", inner, "give the range a negative step")
    next_ = ctx.hidden("next", type_)
    ctx.set(next_, stop, node.iter)

    def begin(loop: ir.Loop) -> Operand:
        index = ctx.get(next_, node.iter)
        test = ctx.op(ir.Compare, node.iter, BOOL, "gt", index, start)
        ctx.block.append(ir.If(ctx.span(node.iter), test, [], [ir.Break(ctx.span(node.iter), loop.label)]))
        below = ctx.op(
            ir.Binary,
            node.iter,
            type_,
            "sub",
            Mode.CHECKED,
            index,
            Const(type_, 1),
            kinds=(Kind.OVERFLOW,),
            discharged=True,
        )
        ctx.set(next_, below, node.iter)
        return below

    _run(ctx, node, lower_block, begin, None, stop)


def _sequences(
    ctx: Context, node: ast.For, iterables: list[ast.expr], lower_block: Body, numbered: bool, tuples: bool = False
) -> None:
    """Over one sequence, perhaps numbered, or over several in step."""
    bases = [memory.sequence(ctx, part, "loop") for part in iterables]
    sequences: list[ArrayType | SpanType] = []
    for base, part in zip(bases, iterables, strict=True):
        if calls.special_method(ctx, base, "__getitem__") is not None:
            raise ctx.reject(
                "NK0334", f"`{base.type}` can't be looped over by itself", part, "loop over `range(len(x))` and index"
            )
        sequences.append(element_of(ctx, base.type, part, "loop"))
    lengths = [memory.length(ctx, b, s, p) for b, s, p in zip(bases, sequences, iterables, strict=True)]
    count = lengths[0]
    for other in lengths[1:]:
        count = ctx.op(ir.Binary, node.iter, USIZE, "min", Mode.WRAPPING, count, other)
    next_ = ctx.hidden("index", USIZE)
    ctx.set(next_, Const(USIZE, 0), node.iter)

    def begin(loop: ir.Loop) -> Operand:
        index = head(ctx, loop, next_, count, node.iter)
        items: list[Operand] = [index] if numbered else []
        for base, sequence in zip(bases, sequences, strict=True):
            items.append(read_element(ctx, base, sequence, index, ctx.span(node.iter), discharged=True))
        if not numbered and not tuples:
            return items[0]
        return ctx.op(ir.MakeRecord, node.iter, TupleType(tuple(i.type for i in items)), tuple(items))

    _run(ctx, node, lower_block, begin, next_, count)


def _run(
    ctx: Context,
    node: ast.For,
    lower_block: Body,
    begin: Callable[[ir.Loop], Operand],
    counter: Var | None,
    trip: Operand,
) -> None:
    """The loop itself: `begin` tests and gives the value for the target."""
    extra = ast.copy_location(ast.Assign([node.target], ast.copy_location(ast.Constant(0), node)), node)
    with _frame(ctx, node, [*node.body, extra]) as frame:
        loop = ir.Loop(ctx.span(node.iter), [], [], frame.label, trip=trip)
        exit_flow = ctx.flow.copy()
        with ctx.into(loop.body):
            value = begin(loop)
            assign(ctx, node.target, value, node.target)
            body = contracts.loop(ctx, loop, node.body)
            lower_block(ctx, body)
        if counter is not None:
            step(ctx, loop, counter, node.iter)
    ctx.block.append(loop)
    for flow in frame.breaks:
        exit_flow = exit_flow.merge(flow)
    ctx.flow = exit_flow
