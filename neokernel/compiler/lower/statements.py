"""Statements, and whole function bodies."""

from __future__ import annotations

import ast
from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.generics import Bindings, is_open
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import calls, conditions, construct, contracts, loops, operators, patterns, unsafe
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import Compilation, Context, Flow, Untyped, Value, arms_of
from neokernel.compiler.lower.expressions import (
    element_of,
    expression,
    field_of,
    index_operand,
    inferred,
    lower,
    no_wire_field,
    path_of,
)
from neokernel.compiler.types import (
    NEVER,
    NONE,
    ArrayType,
    EnumType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)


def lower_function(compilation: Compilation, decl: FunctionDecl, function: ir.Function, bindings: Bindings) -> None:
    """Fill in the body of a function instance."""
    ctx = Context(
        compilation,
        decl.scope,
        bindings,
        function,
        function.body,
        declaration=decl,
        owner=decl.owner,
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
    block(ctx, body)
    if ctx.flow.dead or ctx.may_end:
        return
    if function.result == NONE:
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


def assigned_names(body: list[ast.stmt]) -> frozenset[str]:
    """Every name that the statements bind: as in Python, they are local to the whole function."""
    names: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                    names.add(name)
    return frozenset(names)


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
        case ast.Return() | ast.Raise():
            ctx.flow.dead = True
        case ast.Expr():
            pass
        case _ if any(isinstance(inner, ast.Return | ast.Raise) for inner in ast.walk(node)):
            ctx.may_end = True


def statement(ctx: Context, node: ast.stmt) -> None:
    handler = _HANDLERS.get(type(node))
    if handler is None:
        what, help = _REJECTED.get(type(node), (type(node).__name__.lower(), ""))
        raise ctx.reject("NK0103", f"{what} is not in the language", node, help)
    handler(ctx, node)


# --- assignment ---------------------------------------------------------------------------------------------------


def _assign(ctx: Context, node: ast.Assign) -> None:
    first = node.targets[0]
    if len(node.targets) == 1 and isinstance(first, ast.Tuple) and isinstance(node.value, ast.Tuple):
        _assign_parallel(ctx, first, node.value, node)
        return
    hint = target_type(ctx, first)
    value = lower(ctx, node.value, hint)
    for target in node.targets:
        assign(ctx, target, value, node.value)


def target_type(ctx: Context, target: ast.expr) -> Type | None:
    """The type that an assignment to `target` expects, as far as it is known without evaluating anything."""
    if isinstance(target, ast.Name):
        var = ctx.variables.get(target.id)
        return var.type if var else None
    if isinstance(target, ast.Tuple):
        types = [target_type(ctx, t) for t in target.elts]
        return TupleType(tuple(t for t in types if t is not None)) if None not in types else None
    return calls.static_type(ctx, target)


def _assign_parallel(ctx: Context, target: ast.Tuple, value: ast.Tuple, node: ast.Assign) -> None:
    """`a, b = b, a`."""
    if len(target.elts) != len(value.elts):
        raise ctx.reject("NK0330", f"{len(value.elts)} values for {len(target.elts)} names", node)
    values = []
    for part, item in zip(target.elts, value.elts, strict=True):
        values.append(lower(ctx, item, target_type(ctx, part)))
    for part, operand, item in zip(target.elts, values, value.elts, strict=True):
        assign(ctx, part, operand, item)


def assign(ctx: Context, target: ast.expr, value: Value, value_node: ast.AST) -> None:
    """Store an evaluated value."""
    match target:
        case ast.Name():
            assign_name(ctx, target, value, value_node)
        case ast.Attribute():
            _assign_field(ctx, target, value, value_node)
        case ast.Subscript():
            _assign_element(ctx, target, value, value_node)
        case ast.Tuple(elts=elements):
            operand = typed(ctx, value, value_node)
            if not isinstance(operand.type, TupleType) or len(operand.type.items) != len(elements):
                raise ctx.reject(
                    "NK0330", f"`{operand.type}` can't be unpacked into {len(elements)} names", target
                )
            parts = [ctx.op(ir.Item, value_node, t, operand, i) for i, t in enumerate(operand.type.items)]
            for element, part in zip(elements, parts, strict=True):
                assign(ctx, element, part, value_node)
        case _:
            raise ctx.reject("NK0103", "this can't be assigned to", target)


def assign_name(ctx: Context, target: ast.Name, value: Value, value_node: ast.AST | None = None) -> None:
    """Assign to a local variable; the first assignment fixes its type."""
    name, place = target.id, value_node or target
    var = ctx.variables.get(name)
    if var is None:
        operand = typed(ctx, value, place)
        if operand.type == NEVER:
            raise ctx.reject("NK0310", "this call doesn't return", place)
        type_ = operand.type
        if type_ == NONE and name != "_":
            raise ctx.reject(
                "NK0332", f"`{name}` would only ever be `None`", target, f"say what else it may be: `{name}: T | None = None`"
            )
        if name == "_":
            return
        var = ctx.variable(name, type_, ctx.span(target))
        ctx.variables[name] = var
    elif name == "_":
        return
    before = value
    operand = coerce(ctx, value, var.type, place)
    ctx.set(var, operand, target)
    ctx.flow.forget(name)
    ctx.flow.assigned.add(name)
    # `x: T | None = make()` is known to be a `T` from here on.
    if isinstance(var.type, UnionType):
        known = None if isinstance(before, Untyped) else before.type
        if known is not None and known != var.type and all(arm in var.type.arms for arm in arms_of(known)):
            ctx.flow.narrowed[(name,)] = known


def _assign_field(ctx: Context, target: ast.Attribute, value: Value, value_node: ast.AST) -> None:
    base = inferred(ctx, target.value)
    name = target.attr
    if isinstance(base.type, RefType) and isinstance(base.type.target, WireType):
        wire = base.type.target
        found_wire = wire.fields.get(name)
        if found_wire is None:
            raise no_wire_field(ctx, wire, name, target)
        if isinstance(found_wire.type, WireType | ArrayType):
            raise ctx.reject("NK0331", f"`{name}` is part of the object: it is changed in place", target)
        operand = coerce(ctx, value, found_wire.type, value_node)
        kinds = (Kind.CONVERSION,) if found_wire.bits < _bits(found_wire.type) else ()
        ctx.do(ir.StoreWire, target, base, wire, name, operand, kinds=kinds)
        ctx.flow.forget_memory()
        return
    found = field_of(ctx, base, name, target)
    if isinstance(base.type, ValueType):
        raise ctx.reject(
            "NK0331", f"`{base.type}` is a `@value`: it doesn't change", target, f"make a changed copy: `replace(v, {name}=…)`"
        )
    assert isinstance(base.type, RefType) and isinstance(base.type.target, StructType)
    if found.inline:
        raise ctx.reject(
            "NK0331",
            f"`{name}` is part of `{base.type}`: it is changed in place, never replaced",
            target,
            "assign its fields or elements",
        )
    if found.atomic:
        raise ctx.reject("NK0318", f"`{name}` is atomic", target, f"write it with `.{name}.store(…)`")
    operand = coerce(ctx, value, found.type, value_node)
    ctx.do(ir.StoreField, target, base, base.type.target, name, operand)
    ctx.flow.forget_memory()
    path = path_of(target)
    if path and isinstance(found.type, UnionType) and not isinstance(value, Untyped) and value.type != found.type:
        ctx.flow.narrowed[path] = value.type


def _bits(type_: Type) -> int:
    from neokernel.compiler.types import IntType

    return type_.bits if isinstance(type_, IntType) else 0


def _assign_element(ctx: Context, target: ast.Subscript, value: Value, value_node: ast.AST) -> None:
    base = inferred(ctx, target.value)
    method = calls.special_method(ctx, base, "__setitem__")
    if method is not None:
        index = lower(ctx, target.slice)
        calls.invoke_with(ctx, method, base, [(index, target.slice), (value, value_node)], target)
        return
    sequence = writable(ctx, base, target)
    if isinstance(target.slice, ast.Slice):
        raise ctx.reject("NK0103", "assigning to a slice is not in the language", target, "write the loop")
    index = index_operand(ctx, target.slice)
    operand = coerce(ctx, value, sequence.element, value_node)
    ctx.do(ir.StoreElement, target, base, index, operand, kinds=(Kind.INDEX,))
    ctx.flow.forget_memory()


def writable(ctx: Context, base: Operand, target: ast.Subscript) -> ArrayType | SpanType:
    """The kind of sequence whose elements can be assigned."""
    if isinstance(base.type, TupleType):
        raise ctx.reject("NK0331", "a tuple doesn't change", target, "make a new one")
    sequence = element_of(ctx, base.type, target)
    if isinstance(sequence, SpanType) and not sequence.mutable:
        raise ctx.reject("NK0331", f"`{sequence}` is immutable", target, "take a `Span[T]` of memory that may be written")
    if sequence.inline:
        raise ctx.reject("NK0331", "the elements are objects: they are changed in place", target, "assign their fields")
    if sequence.atomic:
        raise ctx.reject("NK0318", "the elements are atomic", target, "write one with `[i].store(…)`")
    return sequence


def _annotated(ctx: Context, node: ast.AnnAssign) -> None:
    if not isinstance(node.target, ast.Name):
        raise ctx.reject("NK0103", "only a variable is annotated", node.target, "fields get their types in their class")
    name = node.target.id
    type_ = ctx.type_of(node.annotation)
    if type_ == NEVER:
        raise ctx.reject("NK0301", "`NoReturn` is the result of a function only", node.annotation)
    existing = ctx.variables.get(name)
    if existing is not None and existing.type != type_ and not is_open(type_):
        raise ctx.reject("NK0333", f"`{name}` is `{existing.type}` already", node, "use another name")
    if node.value is None:
        if is_open(type_):
            raise ctx.reject("NK0309", f"the length of `{name}` isn't known", node, "write `= array(n)`")
        if existing is None:
            ctx.variables[name] = ctx.variable(name, type_, ctx.span(node.target))
        return
    value: Value = lower(ctx, node.value, type_)
    if is_open(type_):
        operand = coerce(ctx, value, type_, node.value)
        type_, value = operand.type, operand
    if existing is None:
        ctx.variables[name] = ctx.variable(name, type_, ctx.span(node.target))
    assign_name(ctx, node.target, value, node.value)


def _augmented(ctx: Context, node: ast.AugAssign) -> None:
    """`target op= value`: the target is read, the value evaluated, the result stored."""
    match node.target:
        case ast.Name():
            load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            left: Value = lower(ctx, load)
            right = lower(ctx, node.value, _hint(left))
            result = operators.apply(ctx, node.op, left, right, node, node.target, node.value)
            assign_name(ctx, node.target, result, node)
        case ast.Attribute():
            _augmented_field(ctx, node, node.target)
        case ast.Subscript():
            _augmented_element(ctx, node, node.target)
        case _:
            raise ctx.reject("NK0103", "this can't be assigned to", node.target)


def _hint(value: Value) -> Type | None:
    return None if isinstance(value, Untyped) else value.type


def _augmented_field(ctx: Context, node: ast.AugAssign, target: ast.Attribute) -> None:
    from neokernel.compiler.lower.expressions import narrowed, read_field

    base = inferred(ctx, target.value)
    left = narrowed(ctx, path_of(target), read_field(ctx, base, target.attr, target), target)
    right = lower(ctx, node.value, left.type)
    result = operators.apply(ctx, node.op, left, right, node, target, node.value)
    again = _Evaluated(base, target)
    _assign_field(ctx, again.attribute(ctx), result, node)


def _augmented_element(ctx: Context, node: ast.AugAssign, target: ast.Subscript) -> None:
    base = inferred(ctx, target.value)
    getter = calls.special_method(ctx, base, "__getitem__")
    setter = calls.special_method(ctx, base, "__setitem__")
    if getter is not None and setter is not None:
        place = (lower(ctx, target.slice), target.slice)
        left: Operand = calls.invoke_with(ctx, getter, base, [place], target)
        right = lower(ctx, node.value, left.type)
        result = operators.apply(ctx, node.op, left, right, node, target, node.value)
        calls.invoke_with(ctx, setter, base, [place, (result, node)], target)
        return
    sequence = writable(ctx, base, target)
    if isinstance(target.slice, ast.Slice):
        raise ctx.reject("NK0103", "assigning to a slice is not in the language", target, "write the loop")
    index = index_operand(ctx, target.slice)
    left = ctx.op(ir.LoadElement, target, sequence.element, base, index, kinds=(Kind.INDEX,))
    right = lower(ctx, node.value, left.type)
    result = operators.apply(ctx, node.op, left, right, node, target, node.value)
    operand = coerce(ctx, result, sequence.element, node)
    ctx.do(ir.StoreElement, target, base, index, operand, kinds=(Kind.INDEX,), discharged=True)
    ctx.flow.forget_memory()


class _Evaluated:
    """An attribute target whose object has been evaluated: a hidden variable stands in for it."""

    def __init__(self, base: Operand, target: ast.Attribute) -> None:
        self.base, self.target = base, target

    def attribute(self, ctx: Context) -> ast.Attribute:
        var = ctx.hidden("object", self.base.type)
        ctx.set(var, self.base, self.target.value)
        ctx.variables[var.name] = var
        ctx.flow.assigned.add(var.name)
        name = ast.copy_location(ast.Name(var.name, ast.Load()), self.target.value)
        return ast.copy_location(ast.Attribute(name, self.target.attr, ast.Store()), self.target)


# --- control flow -------------------------------------------------------------------------------------------------


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
    elif result != NONE:
        if not (isinstance(result, UnionType) and NONE in result.arms):
            raise ctx.reject("NK0404", f"this function returns `{result}`", node, "write `return value`")
        operand = coerce(ctx, ir.Const(NONE, None), result, node)
    contracts.at_return(ctx, operand, node)
    leave(ctx, 0)
    ctx.block.append(ir.Return(ctx.span(node), operand))
    ctx.flow.dead = True


def leave(ctx: Context, down_to: int) -> None:
    """Run the `__exit__` of the `with` blocks that are left, innermost first."""
    saved = ctx.exits
    for index in range(len(saved) - 1, down_to - 1, -1):
        ctx.exits = saved[:index]
        saved[index]()
    ctx.exits = saved


def _break(ctx: Context, node: ast.Break) -> None:
    frame = ctx.loops[-1]
    leave(ctx, frame.exits)
    frame.breaks.append(ctx.flow.copy())
    ctx.block.append(ir.Break(ctx.span(node), frame.label))
    ctx.flow.dead = True


def _continue(ctx: Context, node: ast.Continue) -> None:
    frame = ctx.loops[-1]
    leave(ctx, frame.exits)
    ctx.block.append(ir.Continue(ctx.span(node), frame.label))
    ctx.flow.dead = True


def _with(ctx: Context, node: ast.With) -> None:
    depth = len(ctx.exits)
    for item in node.items:
        manager = inferred(ctx, item.context_expr)
        enter = calls.special_method(ctx, manager, "__enter__")
        leave_method = calls.special_method(ctx, manager, "__exit__")
        if enter is None or leave_method is None:
            raise ctx.reject(
                "NK0325",
                f"`{manager.type}` can't stand in `with`",
                item.context_expr,
                "that takes a struct with `__enter__(self)` and `__exit__(self, *_: object) -> None`",
            )
        entered = calls.invoke(ctx, enter, manager, [], item.context_expr, None)
        if item.optional_vars is not None:
            assign(ctx, item.optional_vars, entered, item.context_expr)

        def run(manager: Operand = manager, method: FunctionDecl = leave_method, place: ast.expr = item.context_expr) -> None:
            calls.invoke(ctx, method, manager, [], place, None)

        ctx.exits.append(run)
    block(ctx, node.body)
    if not ctx.flow.dead:
        leave(ctx, depth)
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
    if not isinstance(node.value, ast.Call):
        raise ctx.reject("NK0108", "this computes something and throws it away", node, "assign it, or remove it")
    if contracts.ghost_call(ctx, node.value):
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


_HANDLERS: dict[type[ast.stmt], Callable[[Context, ast.stmt], None]] = {}
_TABLE: dict[type[ast.stmt], object] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.While: lambda ctx, node: loops.while_loop(ctx, node, block),
    ast.For: lambda ctx, node: loops.for_loop(ctx, node, block),
    ast.Return: _return,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.With: _with,
    ast.Assert: _assert,
    ast.Expr: _expression_statement,
    ast.Pass: _pass,
    ast.Match: _match,
}
_HANDLERS.update(_TABLE)  # type: ignore[arg-type]

_REJECTED: dict[type[ast.stmt], tuple[str, str]] = {
    ast.Try: ("`try`", "failures are values: return `T | Error` and test it with `isinstance`"),
    ast.Raise: ("`raise`", "failures are values: return an error; a broken promise is `unreachable(…)` or `assert`"),
    ast.Delete: ("`del`", "leave it out"),
    ast.Global: ("`global`", "there is no mutable global: pass the struct that holds the state"),
    ast.Nonlocal: ("`nonlocal`", "pass the struct that holds the state"),
    ast.FunctionDef: ("a function in a function", "move it to the top level"),
    ast.AsyncFunctionDef: ("`async def`", "it comes with the system layer"),
    ast.ClassDef: ("a class in a function", "move it to the top level"),
    ast.Import: ("an import in a function", "move it to the top of the module"),
    ast.ImportFrom: ("an import in a function", "move it to the top of the module"),
    ast.AsyncFor: ("`async for`", "it comes with the system layer"),
    ast.AsyncWith: ("`async with`", "it comes with the system layer"),
}

assert Flow and construct
