"""Module constants, folded: lowered like any expression and run by the interpreter, at build time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from neokernel.compiler import interpret, ir
from neokernel.compiler.declare import ConstDecl, FunctionDecl, LangName, Scope
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.effects import calls_in
from neokernel.compiler.generics import Bindings, is_open
from neokernel.compiler.ir import Const, ConstRecord, ConstValue, Operand
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import Compilation, Context, Flow, Path, Pending, Untyped, Value
from neokernel.compiler.lower.dispatch import expression, lower
from neokernel.compiler.resolve import reject
from neokernel.compiler.types import BOOL, NEVER, NONE, U8, USIZE, IntType, RefType, SpanType, Type


def value_of(compilation: Compilation, decl: ConstDecl) -> Value:
    """The value of a module constant; its diagnostics are reported once, at the constant."""
    found = compilation.constants.get(decl)
    if found is None:
        compilation.constants[decl] = _COMPUTING
        try:
            expected = None
            if decl.annotation is not None:
                expected = compilation.resolver.resolve(decl.annotation, decl.scope, {})
            found = evaluate(compilation, decl.value, decl.scope, expected)
        except Rejected as rejected:
            compilation.report(rejected)
            found = _BROKEN
        compilation.constants[decl] = found
    if found is _BROKEN:
        raise Rejected.silent()
    if found is _COMPUTING:
        raise reject(decl.scope, "NK0502", f"`{decl.name}` is computed from itself", decl.node, "break the circle")
    assert isinstance(found, Untyped | Const | ConstRecord)
    return found


_MOST_ELEMENTS = 1 << 20


class _Broken:
    pass


_BROKEN = _Broken()
_COMPUTING = _Broken()


def evaluate(compilation: Compilation, node: ast.expr, scope: Scope, expected: Type | None) -> Untyped | ConstValue:
    """A constant expression's value, as `expected` if that is given."""
    if isinstance(expected, SpanType) and not expected.text and not expected.mutable:
        table = _table(compilation, node, scope, expected)
        if table is not None:
            return table
    if expected is None and isinstance(node, ast.Call) and _is_tuple(scope, node):
        raise reject(scope, "NK0501", "this table needs a type", node, "annotate it: `TABLE: tuple[u32, ...] = …`")
    ctx = scratch(compilation, scope)
    value = lower(ctx, node, expected)
    if isinstance(value, Untyped) and expected is None:
        return value
    operand = coerce(ctx, value, expected, node) if expected is not None else typed(ctx, value, node)
    if operand.type == NEVER or (operand.type == NONE and expected is None):
        raise reject(scope, "NK0501", "a constant has a value", node)
    if isinstance(operand, Const | ConstRecord) and not ctx.function.body:
        return operand
    ctx.function.result = operand.type
    ctx.block.append(ir.Return(ctx.span(node), operand))
    return _run(compilation, ctx.function, [], node, scope)


def _run(
    compilation: Compilation,
    function: ir.Function,
    arguments: list[object],
    node: ast.AST,
    scope: Scope,
    machine: interpret.Machine | None = None,
) -> ConstValue:
    """Run a function whose callees may not have been lowered yet; its result as a constant."""
    drain_callees(compilation, function)
    try:
        result = (machine or interpret.Machine(contracts=True)).call(function, arguments)
        return interpret.to_constant(result, function.result)
    except interpret.CheckFailed as failed:
        where = failed.span
        help = f"the check stands in {where.file}, line {where.line}"
        raise reject(scope, "NK0502", f"this constant can't be computed: {failed}", node, help) from None
    except interpret.NotConstant as reason:
        help = "make it in `main`, or a field of a struct that `main` makes" if "lives in memory" in str(reason) else ""
        raise reject(scope, "NK0503", f"this isn't known when the program is built: {reason}", node, help) from None


def drain(compilation: Compilation) -> None:
    """Lower the bodies that are waiting."""
    while compilation.pending:
        _lower_body(compilation, compilation.pending.pop())


def drain_callees(compilation: Compilation, function: ir.Function) -> None:
    """Lower the waiting bodies of what the function calls, directly or not, and of what this requires calls.

    Others wait on: one may use the very constant that is computed by this function.
    """
    reached, waiting = {function}, [function]
    while waiting:
        one = waiting.pop()
        for call in (call for block in (one.body, *(each.block for each in one.requires)) for call in calls_in(block)):
            if call.function not in reached:
                reached.add(call.function)
                waiting.append(call.function)
                work = next((each for each in compilation.pending if each.function is call.function), None)
                if work is not None:
                    compilation.pending.remove(work)
                    _lower_body(compilation, work)


def _lower_body(compilation: Compilation, work: Pending) -> None:
    try:
        compilation.lower_body(compilation, work)
    except RecursionError:
        decl = work.declaration
        help = "split it into smaller functions"
        compilation.report(reject(decl.scope, "NK0110", f"`{decl.title}` nests too deeply", decl.node, help))
    except Rejected as rejected:
        compilation.report(rejected)


def scratch(compilation: Compilation, scope: Scope) -> Context:
    """The context of an expression that stands in no function."""
    span = ir.Span(scope.module.file, 1, 0, 1, 0)
    function = ir.Function("constant", f"{scope.module.name}.constant", scope.module.name, span, [], NONE)
    return Context(compilation, scope, {}, function, function.body)


def _is_tuple(scope: Scope, node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and scope.lookup(node.func.id) == LangName("tuple")


def _table(compilation: Compilation, node: ast.expr, scope: Scope, expected: SpanType) -> Const | None:
    """`(a, b, …)` or `tuple(e for x in range(n))` as an immutable view of elements."""
    if is_open(expected):
        return None
    match node:
        case ast.Tuple(elts=elements):
            items = []
            for element in elements:
                item = evaluate(compilation, element, scope, expected.element)
                assert not isinstance(item, Untyped)
                items.append(item)
        case ast.Call(args=[ast.GeneratorExp(elt=element, generators=[generator])], keywords=[]) if _is_tuple(
            scope, node
        ):
            items = _comprehension(compilation, element, generator, scope, expected.element)
        case _:
            return None
    if expected.element == U8:
        return Const(expected, bytes(item.value for item in items if isinstance(item, Const)))  # type: ignore[misc]
    return Const(expected, tuple(items))


def _comprehension(
    compilation: Compilation, element: ast.expr, generator: ast.comprehension, scope: Scope, expected: Type
) -> list[ConstValue]:
    match generator:
        case ast.comprehension(
            target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id=called), args=arguments, keywords=[]), ifs=[]
        ) if scope.lookup(called) == LangName("range") and 1 <= len(arguments) <= 3:
            bounds = [integer(compilation, a, scope) for a in arguments]
        case _:
            raise reject(
                scope,
                "NK0501",
                "a table is made by `tuple(… for x in range(…))`",
                generator.iter,
                "in place of an `if` write `a if condition else b` for the element",
            )
    if len(bounds) == 3 and bounds[2] == 0:
        raise reject(scope, "NK0501", "the step of a `range` is not 0", generator.iter)
    numbers = range(*bounds)
    if numbers[_MOST_ELEMENTS:]:
        raise reject(scope, "NK0501", f"a table has at most {_MOST_ELEMENTS} elements", generator.iter)
    if numbers and not (USIZE.holds(numbers[0]) and USIZE.holds(numbers[-1])):
        raise reject(scope, "NK0501", f"`{name}` counts from 0 up, as a `usize`", generator.iter)
    ctx = scratch(compilation, scope)
    ctx.locals = frozenset({name})
    var = ctx.variable(name, USIZE)
    ctx.variables[name] = var
    ctx.flow.assigned.add(name)
    ctx.function.parameters.append(var)
    ctx.function.result = expected
    operand: Operand = expression(ctx, element, expected)
    ctx.block.append(ir.Return(ctx.span(element), operand))
    machine = interpret.Machine(contracts=True)
    return [_run(compilation, ctx.function, [number], element, scope, machine) for number in numbers]


def integer(compilation: Compilation, node: ast.expr, scope: Scope) -> int:
    """A constant integer, such as an array's length."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    value = evaluate(compilation, node, scope, None)
    if isinstance(value, Untyped) and isinstance(value.value, int):
        return value.value
    if isinstance(value, Const) and isinstance(value.type, IntType) and isinstance(value.value, int):
        return value.value
    raise reject(scope, "NK0503", "this must be an integer that is known when the program is built", node)


def length(compilation: Compilation, node: ast.expr, scope: Scope) -> int:
    """A constant that counts elements."""
    count = integer(compilation, node, scope)
    if count < 0 or count > 1 << 40:
        raise reject(scope, "NK0503", f"{count} is no possible length", node)
    return count


def assertion(compilation: Compilation, node: ast.Assert, scope: Scope) -> None:
    """A top-level `assert`: the build fails if it doesn't hold."""
    ctx = scratch(compilation, scope)
    operand = expression(ctx, node.test, BOOL)
    ctx.function.result = operand.type
    ctx.block.append(ir.Return(ctx.span(node), operand))
    result = _run(compilation, ctx.function, [], node, scope)
    if isinstance(result, Const) and result.value is False:
        given = node.msg.value if isinstance(node.msg, ast.Constant) else None
        text = given if isinstance(given, str) else "it doesn't hold"
        raise reject(scope, "NK0504", f"build-time assertion: {text}", node)


#: stands for all that is known of fields
_ANY_FIELD: Path = ("", "")


@contextmanager
def in_scope(ctx: Context, scope: Scope, bindings: Bindings) -> Iterator[None]:
    """Lower an expression that stands in another module, where none of the function's variables are known."""
    saved, flow = (ctx.scope, ctx.bindings, ctx.variables, ctx.locals), ctx.flow
    ctx.scope, ctx.bindings, ctx.variables, ctx.locals = scope, bindings, {}, frozenset()
    ctx.flow = Flow(narrowed={_ANY_FIELD: NONE})
    try:
        yield
    finally:
        if _ANY_FIELD not in ctx.flow.narrowed:
            flow.forget_memory(ctx.flow.ends.get(_ANY_FIELD))  # the expression has called something
        ctx.scope, ctx.bindings, ctx.variables, ctx.locals = saved
        ctx.flow = flow


def parameter_default(compilation: Compilation, node: ast.expr, scope: Scope, expected: Type) -> ConstValue:
    """A parameter's default: a constant, for Python evaluates it once, and all calls share what it gives."""
    key = (node, expected)
    found = compilation.constants.get(key)
    if found is None:
        found = compilation.constants[key] = evaluate(compilation, node, scope, expected)
    assert isinstance(found, Const | ConstRecord)
    return found


def check_defaults(compilation: Compilation, decl: FunctionDecl) -> None:
    """Parameters' defaults, whether or not a call uses them."""
    for parameter in decl.parameters:
        if parameter.default is None or parameter.annotation is None:
            continue
        expected = compilation.resolver.parameter(parameter, decl.scope, {})
        if isinstance(expected, RefType):
            inner = expected.target
            message = f"a default `{inner}` would be one object, which all calls share"
            optional = f"take `{parameter.name}: {inner} | None = None`, or let the caller make it"
            help = "let the caller make it" if is_open(inner) else optional
            raise reject(decl.scope, "NK0505", message, parameter.default, help)
        if not is_open(expected):
            parameter_default(compilation, parameter.default, decl.scope, expected)


def default(ctx: Context, scope: Scope, node: ast.expr, expected: Type, bindings: Bindings) -> Operand:
    """A field's default, evaluated here and now in the scope that declares it."""
    with in_scope(ctx, scope, bindings):
        return expression(ctx, node, expected)
