"""Contracts and ghost code: kept in the IR for the prover, skipped by back ends."""

from __future__ import annotations

import ast
import copy

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl, LangName
from neokernel.compiler.lower import calls, conditions, names
from neokernel.compiler.lower.context import Context
from neokernel.compiler.lower.dispatch import expression, inferred, lower
from neokernel.compiler.lower.names import find, is_global
from neokernel.compiler.types import NONE, USIZE, RefType, StructType

_FUNCTION = frozenset({"requires", "ensures"})
_LOOP = frozenset({"loop_invariant", "loop_bound"})


def _contract(ctx: Context, node: ast.stmt, names: frozenset[str]) -> tuple[str, ast.Call] | None:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call):
            found = ctx.scope.names.get(name)
            if isinstance(found, LangName) and found.name in names:
                return found.name, call
    return None


def is_misplaced(ctx: Context, node: ast.expr) -> bool:
    return _contract(ctx, ast.Expr(node), _FUNCTION | _LOOP | {"old"}) is not None


def function(ctx: Context, body: list[ast.stmt]) -> list[ast.stmt]:
    """Take the contracts off the start of a function's body."""
    index = 0
    while index < len(body):
        found = _contract(ctx, body[index], _FUNCTION)
        if found is None:
            break
        name, call = found
        if len(call.args) != 1 or call.keywords:
            raise ctx.reject("NK0901", f"`{name}` has one argument", call)
        if name == "requires":
            ctx.function.requires.append(_ghost(ctx, call.args[0]))
        else:
            ctx.function.ensures.append(_ensures(ctx, call.args[0]))
        index += 1
    return body[index:]


def _ghost(ctx: Context, node: ast.expr) -> ir.Ghost:
    """A condition as ghost code."""
    block: ir.Block = []
    flow = ctx.flow.copy()
    with ctx.as_ghost(), ctx.into(block):
        value, _, _ = conditions.condition(ctx, node)
    ctx.flow = flow
    return ir.Ghost(ctx.span(node), block, value)


def _ensures(ctx: Context, node: ast.expr) -> ir.Ghost:
    """`lambda result: …`; each `old(…)` is computed at entry into a hidden variable."""
    if not isinstance(node, ast.Lambda):
        raise ctx.reject("NK0901", "`ensures` wants a `lambda`", node, "write `ensures(lambda result: …)`")
    names = [a.arg for a in node.args.args]
    wanted = 0 if ctx.function.result == NONE else 1
    plain = ast.dump(node.args) == ast.dump(ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, []))
    if len(names) != wanted or not plain:
        form = "lambda: …" if wanted == 0 else "lambda result: …"
        raise ctx.reject("NK0901", f"this function returns `{ctx.function.result}`", node, f"write `ensures({form})`")
    body = _Old(ctx).visit(copy.deepcopy(node.body))
    saved = dict(ctx.variables)
    var: ir.Var | None = None
    for name in names:
        var = ctx.variable(".result", ctx.function.result)
        ctx.variables[name] = var
        ctx.flow.assigned.add(name)
    ghost = _ghost(ctx, body)
    ghost.result = var
    ctx.variables = saved
    return ghost


class _Old(ast.NodeTransformer):
    """Replaces `old(e)` by a variable that is set at entry."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def visit_Call(self, node: ast.Call) -> ast.AST:
        ctx = self.ctx
        if not (isinstance(node.func, ast.Name) and ctx.scope.names.get(node.func.id) == LangName("old")):
            return self.generic_visit(node)
        if len(node.args) != 1 or node.keywords:
            raise ctx.reject("NK0901", "`old` has one argument", node)
        block: ir.Block = []
        with ctx.as_ghost(), ctx.into(block):
            value = inferred(ctx, node.args[0])
            var = ctx.hidden("old", value.type)
            ctx.set(var, value, node)
        ctx.function.entry.append(ir.Ghost(ctx.span(node), block, None))
        ctx.variables[var.name] = var
        ctx.flow.assigned.add(var.name)
        return ast.copy_location(ast.Name(var.name, ast.Load()), node)


def loop(ctx: Context, made: ir.Loop, body: list[ast.stmt]) -> list[ast.stmt]:
    """Take the contracts off the start of a loop's body."""
    index = 0
    while index < len(body):
        found = _contract(ctx, body[index], _LOOP)
        if found is None:
            break
        name, call = found
        if len(call.args) != 1 or call.keywords:
            raise ctx.reject("NK0901", f"`{name}` has one argument", call)
        if name == "loop_invariant":
            condition = _ghost(ctx, call.args[0])
            made.invariants = (*made.invariants, condition)
            ctx.block.append(condition)
        elif made.bound is not None:
            raise ctx.reject("NK0901", "this loop has two bounds", call)
        else:
            block: ir.Block = []
            flow = ctx.flow.copy()
            with ctx.as_ghost(), ctx.into(block):
                value = expression(ctx, call.args[0], USIZE)
            ctx.flow = flow
            made.bound = ir.Ghost(ctx.span(call), block, value)
            ctx.block.append(made.bound)
        index += 1
    return body[index:]


def ghost_call(ctx: Context, node: ast.Call) -> bool:
    """Lower a call of a `@ghost` function in ordinary code as ghost code. False if it isn't one."""
    if ctx.ghost:
        return False
    decl: object = None
    if is_global(ctx, node.func):
        decl = find(ctx, node.func)
    elif isinstance(node.func, ast.Attribute):
        type_ = names.static_type(ctx, node.func.value)
        decl = calls.method_of(ctx, type_, node.func.attr) if type_ is not None else None
    if not isinstance(decl, FunctionDecl) or not {"ghost", "invariant"} & decl.marks:
        return False
    with ctx.ghost_code(node):
        lower(ctx, node)
    return True


def is_ghost_store(ctx: Context, node: ast.stmt) -> bool:
    """Does ordinary code assign a ghost field here? Then the statement as a whole is ghost code."""
    match node:
        case ast.Assign(targets=[ast.Attribute() as target]) | ast.AugAssign(target=ast.Attribute() as target):
            if ctx.ghost or is_global(ctx, target.value):
                return False
            type_ = names.static_type(ctx, target.value)
            struct = type_.target if isinstance(type_, RefType) else None
            found = struct.fields.get(target.attr) if isinstance(struct, StructType) else None
            return found is not None and found.ghost
    return False
