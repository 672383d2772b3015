"""Assignment in all its forms."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Rejected
from neokernel.compiler.generics import is_open
from neokernel.compiler.ir import Kind, Operand
from neokernel.compiler.lower import calls, names, operators
from neokernel.compiler.lower.coerce import coerce, coerce_field, type_within, typed
from neokernel.compiler.lower.context import Context, Untyped, Value
from neokernel.compiler.lower.dispatch import inferred, lower
from neokernel.compiler.lower.memory import element_of, field_of, index_operand, no_wire_field, read_field
from neokernel.compiler.lower.names import narrowed, path_of
from neokernel.compiler.types import (
    NEVER,
    NONE,
    ArrayType,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)


def target_type(ctx: Context, target: ast.expr) -> Type | None:
    """The type that an assignment to `target` expects, as far as it is known without evaluating anything."""
    if isinstance(target, ast.Name):
        var = ctx.variables.get(target.id)
        return var.type if var else None
    if isinstance(target, ast.Tuple):
        types = [target_type(ctx, t) for t in target.elts]
        return TupleType(tuple(t for t in types if t is not None)) if None not in types else None
    return names.static_type(ctx, target)


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
                count = len(elements)
                message = f"`{operand.type}` can't be unpacked into {count} name{'s' * (count != 1)}"
                raise ctx.reject("NK0330", message, target)
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
                "NK0332",
                f"`{name}` would only ever be `None`",
                target,
                f"say what else it may be: `{name}: T | None = None`",
            )
        if name == "_":
            return
        var = ctx.variable(name, type_, ctx.span(target))
        ctx.variables[name] = var
    elif name == "_":
        return
    before = value
    operand = _as_declared(ctx, value, var, target, place)
    ctx.set(var, operand, target)
    ctx.flow.forget(name)
    ctx.flow.assigned.add(name)
    # `x: T | None = make()` is known to be a `T` from here on.
    if isinstance(var.type, UnionType):
        known = type_within(before, var.type)
        if known != var.type:
            ctx.flow.narrowed[(name,)] = known


def _as_declared(ctx: Context, value: Value, var: ir.Var, target: ast.Name, place: ast.AST) -> Operand:
    """`value` as the variable's type; a diagnostic says where that was decided, if it was elsewhere."""
    try:
        return coerce(ctx, value, var.type, place)
    except Rejected as rejected:
        if var.span is None or var.span == ctx.span(target):
            raise
        text = f"a variable has one type: `{var.name}` is `{var.type}` from here on"
        raise rejected.with_note(var.span, text) from None


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
        operand = coerce_field(ctx, value, wire, name, found_wire.type, value_node)
        kinds = (Kind.CONVERSION,) if found_wire.bits < _bits(found_wire.type) else ()
        ctx.do(ir.StoreWire, target, base, wire, name, operand, kinds=kinds)
        ctx.forget_memory(target)
        return
    found = field_of(ctx, base, name, target)
    if isinstance(base.type, ValueType):
        raise ctx.reject(
            "NK0331",
            f"`{base.type}` is a `@value`: it doesn't change",
            target,
            f"make a changed copy: `replace(v, {name}=…)`",
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
    operand = coerce_field(ctx, value, base.type.target, name, found.type, value_node)
    ctx.do(ir.StoreField, target, base, base.type.target, name, operand)
    ctx.forget_memory(target)
    path = path_of(target)
    if path and isinstance(found.type, UnionType) and type_within(value, found.type) != found.type:
        ctx.flow.narrowed[path] = type_within(value, found.type)


def _bits(type_: Type) -> int:
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
    ctx.forget_memory(target)


def writable(ctx: Context, base: Operand, target: ast.Subscript) -> ArrayType | SpanType:
    """The kind of sequence whose elements can be assigned."""
    if isinstance(base.type, TupleType):
        raise ctx.reject("NK0331", "a tuple doesn't change", target, "make a new one")
    sequence = element_of(ctx, base.type, target)
    if isinstance(sequence, SpanType) and not sequence.mutable:
        raise ctx.reject(
            "NK0331", f"`{sequence}` is immutable", target, "take a `Span[T]` of memory that may be written"
        )
    if sequence.inline:
        raise ctx.reject("NK0331", "the elements are objects: they are changed in place", target, "assign their fields")
    if sequence.atomic:
        raise ctx.reject("NK0318", "the elements are atomic", target, "write one with `[i].store(…)`")
    return sequence


def plain(ctx: Context, node: ast.Assign) -> None:
    first = node.targets[0]
    if len(node.targets) == 1 and isinstance(first, ast.Tuple) and isinstance(node.value, ast.Tuple):
        _assign_parallel(ctx, first, node.value, node)
        return
    hint = target_type(ctx, first)
    value = lower(ctx, node.value, hint)
    for target in node.targets:
        assign(ctx, target, value, node.value)


def annotated(ctx: Context, node: ast.AnnAssign) -> None:
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


def augmented(ctx: Context, node: ast.AugAssign) -> None:
    """`target op= value`: the target is read, the value evaluated, the result stored."""
    match node.target:
        case ast.Name():
            load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            left: Value = lower(ctx, load)
            right = lower(ctx, node.value, _hint(left, node))
            result = operators.apply(ctx, node.op, left, right, node, node.target, node.value)
            assign_name(ctx, node.target, result, node)
        case ast.Attribute():
            _augmented_field(ctx, node, node.target)
        case ast.Subscript():
            _augmented_element(ctx, node, node.target)


def _hint(left: Value, node: ast.AugAssign) -> Type | None:
    """What the right side is expected to be: a distance has a width of its own."""
    shifts = isinstance(node.op, ast.LShift | ast.RShift)
    return None if shifts or isinstance(left, Untyped) else left.type


def _augmented_field(ctx: Context, node: ast.AugAssign, target: ast.Attribute) -> None:
    base = inferred(ctx, target.value)
    left = narrowed(ctx, path_of(target), read_field(ctx, base, target.attr, target), target)
    right = lower(ctx, node.value, _hint(left, node))
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
        right = lower(ctx, node.value, _hint(left, node))
        result = operators.apply(ctx, node.op, left, right, node, target, node.value)
        calls.invoke_with(ctx, setter, base, [place, (result, node)], target)
        return
    sequence = writable(ctx, base, target)
    if isinstance(target.slice, ast.Slice):
        raise ctx.reject("NK0103", "assigning to a slice is not in the language", target, "write the loop")
    index = index_operand(ctx, target.slice)
    left = ctx.op(ir.LoadElement, target, sequence.element, base, index, kinds=(Kind.INDEX,))
    right = lower(ctx, node.value, _hint(left, node))
    result = operators.apply(ctx, node.op, left, right, node, target, node.value)
    operand = coerce(ctx, result, sequence.element, node)
    ctx.do(ir.StoreElement, target, base, index, operand, kinds=(Kind.INDEX,), discharged=True)
    ctx.forget_memory(target)


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
