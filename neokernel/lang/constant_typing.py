"""Widths for constants that stand away from what decides their width.

Under CPython a constant takes its width from the other operand, or from the annotation its expression meets. Two places
need help, and get it from syntax alone:

- `x = 0 if empty else queue.length`: a branch of a conditional expression.
- `x = a + 1 … x = 0`: a variable's type is fixed by its first assignment. Where syntax doesn't tell it, the value that
  the variable holds does; of a union that holds None, it doesn't.

Invariant: nothing is evaluated twice that could fail or be noticed, and nothing is evaluated out of order.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import TypeVar

from neokernel.lang.trees import walk

WIDTH_NAMES = frozenset(("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "usize", "f32", "f64"))
#: makes the expression that gives a constant its width
Model = Callable[[ast.expr], ast.expr]
Node = TypeVar("Node", bound=ast.AST)


def place(new: Node, where: ast.AST) -> Node:
    """Give every node of `new` the position of `where`."""
    for node in walk(new):
        ast.copy_location(node, where)
    return new


def name(identifier: str) -> ast.Name:
    return ast.Name(identifier, ast.Load())


def call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(name(function), list(arguments), [])


def outer_call(where: ast.expr, function: str, *before: ast.expr) -> ast.Call:
    """`function(*before, where)` at the place of `where`, whose own positions stay."""
    made = place(ast.Call(name(function), list(before), []), where)
    made.args.append(where)
    return made


def is_constant(node: ast.expr) -> bool:
    """Is the expression made of number literals, and names in capitals (constants, by convention), only?"""
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Name):
        return node.id.isupper()
    if isinstance(node, ast.UnaryOp):
        return is_constant(node.operand)
    return isinstance(node, ast.BinOp) and is_constant(node.left) and is_constant(node.right)


def may_be_untyped(node: ast.expr) -> bool:
    """Could the expression's value be an untyped constant?"""
    if isinstance(node, ast.IfExp):
        return may_be_untyped(node.body) or may_be_untyped(node.orelse)
    return is_constant(node)


def is_path(node: ast.expr) -> bool:
    """A local, or attributes of one: evaluating it again, or earlier, can't be noticed."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and is_path(node.value))


def model_of(node: ast.expr) -> Model | None:
    """A model that gives constants the type of `node` without reading a field or element; None if there is none."""
    if isinstance(node, ast.Name):
        identifier = node.id
        return lambda constant: outer_call(constant, "_nk_like", name(identifier))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        function = node.func.id
        return lambda constant: outer_call(constant, "_nk_result_like", name(function))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_path(node.func.value):
        instance, method = readable(node.func.value), node.func.attr
        return lambda constant: outer_call(constant, "_nk_method_like", copy.deepcopy(instance), ast.Constant(method))
    if isinstance(node, ast.UnaryOp):
        return model_of(node.operand)
    if isinstance(node, ast.BinOp):
        left = model_of(node.left)
        return left if left is not None or isinstance(node.op, (ast.LShift, ast.RShift)) else model_of(node.right)
    if isinstance(node, (ast.Attribute, ast.Subscript)) and is_path(node.value):
        owner = readable(node.value)
        if isinstance(node, ast.Attribute):
            field = node.attr
            return lambda constant: outer_call(constant, "_nk_field_like", copy.deepcopy(owner), ast.Constant(field))
        return lambda constant: outer_call(constant, "_nk_element_like", copy.deepcopy(owner))
    return None


def readable(node: ast.expr) -> ast.expr:
    """A copy of a path, to be loaded."""
    made = copy.deepcopy(node)
    for inner in walk(made):
        if isinstance(inner, (ast.Name, ast.Attribute)):
            inner.ctx = ast.Load()
    return made


def is_shallow(node: ast.expr) -> bool:
    """Does a model of the expression read nothing but locals? (Of two attributes, the first may be one of None.)"""
    if isinstance(node, ast.UnaryOp):
        return is_shallow(node.operand)
    if isinstance(node, ast.BinOp):
        return is_shallow(node.left) and is_shallow(node.right)
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, (ast.Name, ast.Constant))


def settle_branches(node: ast.IfExp) -> None:
    """In `0 if empty else queue.length`, tell the constant its width by the other branch."""
    for constant, other in ((node.body, node.orelse), (node.orelse, node.body)):
        model = model_of(other) if is_constant(constant) and not is_constant(other) and is_shallow(other) else None
        if model is not None and constant is node.body:
            node.body = model(constant)
        elif model is not None:
            node.orelse = model(constant)


def bound_elsewhere(function: ast.AST) -> set[str]:
    """The names that loops, patterns, `with` and `:=` bind in a function."""
    found: set[str] = set()
    for node in walk(function):
        if isinstance(node, (ast.For, ast.NamedExpr)):
            found.update(inner.id for inner in walk(node.target) if isinstance(inner, ast.Name))
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            found.add(node.optional_vars.id)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name is not None:
            found.add(node.name)
    return found


def like_local(constant: ast.expr, identifier: str) -> ast.expr:
    """The constant as the type of what the local holds now, if it holds anything."""
    held = call("_nk_held_by", call("_nk_locals"), ast.Constant(identifier))
    return outer_call(constant, "_nk_like", held)


def witness(node: ast.expr, types: dict[str, ast.expr]) -> ast.expr | None:
    """An annotation that says the type of `node`, if its syntax tells. `types`: of the locals."""
    if isinstance(node, ast.Name):
        return types.get(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in WIDTH_NAMES:
            return node.func
        return name("_nk_usize") if node.func.id == "len" else None
    if isinstance(node, ast.BinOp):
        found = witness(node.left, types)
        shift = isinstance(node.op, (ast.LShift, ast.RShift))
        return found if found is not None or shift else witness(node.right, types)
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return witness(node.operand, types)
    if isinstance(node, ast.IfExp):
        found = witness(node.body, types)
        return found if found is not None else witness(node.orelse, types)
    return None
