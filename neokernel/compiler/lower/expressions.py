"""Expressions: names, literals, attributes, subscripts, and the dispatch to all other kinds.

`lower` gives what the expression is (perhaps an untyped constant); `expression` gives it as the type its context expects.
`expected` is a hint in the first and a demand in the second.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from neokernel.compiler import ir
from neokernel.compiler.declare import (
    AliasDecl,
    ClassDecl,
    ConstDecl,
    Declaration,
    EnumDecl,
    FunctionDecl,
    LangName,
    ModuleRef,
    ProtocolDecl,
    TypeVarDecl,
)
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.ir import Const, Kind, Operand
from neokernel.compiler.lower import calls, conditions, constants, operators
from neokernel.compiler.lower.coerce import coerce, typed
from neokernel.compiler.lower.context import NOTHING, Context, Path, Untyped, Value, arms_of, union_of
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    NEVER,
    NONE,
    STR,
    USIZE,
    ArrayType,
    EnumType,
    Field,
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

if TYPE_CHECKING:
    from collections.abc import Callable


def expression(ctx: Context, node: ast.expr, expected: Type) -> Operand:
    """The value of `node` as an `expected`."""
    return coerce(ctx, lower(ctx, node, expected), expected, node)


def inferred(ctx: Context, node: ast.expr, hint: Type | None = None) -> Operand:
    """The value of `node` with the type that it has by itself."""
    return typed(ctx, lower(ctx, node, hint), node)


def lower(ctx: Context, node: ast.expr, hint: Type | None = None) -> Value:
    """The value of `node`; evaluation order is Python's."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        what, help = _REJECTED.get(type(node), ("this expression", ""))
        raise ctx.reject("NK0103", f"{what} is not in the language", node, help)
    return handler(ctx, node, hint)


# --- literals -----------------------------------------------------------------------------------------------------


def _constant(ctx: Context, node: ast.Constant, hint: Type | None) -> Value:
    match node.value:
        case bool() as flag:
            return Const(BOOL, flag)
        case int() | float() as number:
            return Untyped(number)
        case None:
            return NOTHING
        case str() as text:
            try:
                return Const(STR, text.encode())
            except UnicodeEncodeError:
                raise ctx.reject("NK0105", "this text holds a lone surrogate, which UTF-8 can't write", node) from None
        case bytes() as data:
            return Const(BYTES, data)
    raise ctx.reject("NK0103", f"`{node.value!r}` is not in the language", node)


def _tuple(ctx: Context, node: ast.Tuple, hint: Type | None) -> Value:
    if isinstance(hint, SpanType) and not hint.mutable:
        raise ctx.reject(
            "NK0501", "a table is a module constant", node, "move it to the top level: `TABLE: tuple[u32, ...] = (…)`"
        )
    wanted = hint.items if isinstance(hint, TupleType) and len(hint.items) == len(node.elts) else None
    items: list[Operand] = []
    for index, element in enumerate(node.elts):
        if isinstance(element, ast.Starred):
            raise ctx.reject("NK0103", "`*` is not in the language", element)
        items.append(expression(ctx, element, wanted[index]) if wanted else inferred(ctx, element))
    return ctx.op(ir.MakeRecord, node, TupleType(tuple(item.type for item in items)), tuple(items))


# --- names --------------------------------------------------------------------------------------------------------


def path_of(node: ast.expr) -> Path | None:
    """`a.b.c` as a path, if `node` is one."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            base = path_of(value)
            return (*base, name) if base else None
        case ast.NamedExpr(target=ast.Name(id=name)):
            return (name,)
    return None


def _name(ctx: Context, node: ast.Name, hint: Type | None) -> Value:
    name = node.id
    var = ctx.variables.get(name)
    if name in ctx.locals or var is not None:
        if var is None or name not in ctx.flow.assigned:
            if name in ctx.flow.assigned:
                # Its assignment was rejected.
                raise Rejected.silent()
            raise ctx.reject(
                "NK0401",
                f"`{name}` isn't assigned on every way to here" if var else f"`{name}` is used before it is assigned",
                node,
                f"give it a value first, in each branch or before: `{name}: … = …`",
            )
        return narrowed(ctx, (name,), ctx.get(var, node), node)
    return declared(ctx, find(ctx, node), node, hint)


def find(ctx: Context, node: ast.expr) -> Declaration:
    """The declaration that a global name or `module.name` stands for."""
    match node:
        case ast.Name(id=name):
            found = ctx.scope.lookup(name)
            if found is None:
                help = _MISSING.get(name, "") or suggestion(name, [*ctx.variables, *ctx.scope.names])
                raise ctx.reject("NK0208", f"`{name}` is not defined", node, help)
            if found == LangName("<unknown>"):
                raise Rejected.silent()
            return found
        case ast.Attribute(value=value, attr=name):
            outer = find(ctx, value)
            if isinstance(outer, ModuleRef):
                inner = outer.scope.names.get(name)
                if inner is None:
                    help = suggestion(name, outer.scope.names)
                    raise ctx.reject("NK0204", f"`{outer.scope.module.name}` has no `{name}`", node, help)
                return inner
    raise ctx.reject("NK0103", "this is not a name", node)


def is_global(ctx: Context, node: ast.expr) -> bool:
    """Is `node` a name (dotted, through modules) that isn't a local variable?"""
    match node:
        case ast.Name(id=name):
            return name not in ctx.locals and name not in ctx.variables
        case ast.Attribute(value=value):
            return is_global(ctx, value) and _is_module(ctx, value)
    return False


def _is_module(ctx: Context, node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name):
            return isinstance(ctx.scope.names.get(name), ModuleRef)
        case ast.Attribute(value=value, attr=name) if _is_module(ctx, value):
            return isinstance(find(ctx, node), ModuleRef)
    return False


def declared(ctx: Context, found: Declaration, node: ast.expr, hint: Type | None) -> Value:
    """The value of a global name."""
    match found:
        case ConstDecl():
            return constants.value_of(ctx.compilation, found)
        case FunctionDecl():
            raise ctx.reject(
                "NK0107", f"function `{found.name}` is not a value", node, f"call it: `{found.name}(…)`; choose with `match`"
            )
        case ClassDecl() | EnumDecl() | AliasDecl() | TypeVarDecl() | ProtocolDecl():
            raise ctx.reject("NK0107", f"class `{found.name}` is not a value", node, f"`{found.name}(…)` makes one")
        case LangName(name):
            raise ctx.reject("NK0107", f"`{name}` is not a value", node, "it can only be called or stand in a type")
        case ModuleRef():
            raise ctx.reject("NK0107", "a module is not a value", node, "name something in it")


def narrowed(ctx: Context, path: Path | None, value: Operand, node: ast.AST) -> Operand:
    """`value`, which was read from `path`, as the type that the flow knows it to have here."""
    known = ctx.flow.narrowed.get(path) if path else None
    if known is None or known == value.type:
        return value
    if known == NONE:
        return NOTHING
    if known == NEVER:
        return Const(NEVER, None)
    return ctx.op(ir.AsArm, node, known, value)


# --- attributes ---------------------------------------------------------------------------------------------------


def _attribute(ctx: Context, node: ast.Attribute, hint: Type | None) -> Value:
    if is_global(ctx, node.value):
        outer = find(ctx, node.value)
        if isinstance(outer, ModuleRef):
            return declared(ctx, find(ctx, node), node, hint)
        if isinstance(outer, EnumDecl):
            number = outer.type.members.get(node.attr)
            if number is None:
                help = suggestion(node.attr, outer.type.members)
                raise ctx.reject("NK0315", f"`{outer.name}` has no member `{node.attr}`", node, help)
            return Const(outer.type, number)
        if outer == LangName("Order"):
            raise ctx.reject("NK0107", "an `Order` can only be an argument of an atomic operation", node)
        if isinstance(outer, ClassDecl):
            raise ctx.reject("NK0107", f"a class has no attributes: `{outer.name}.{node.attr}`", node, "read it from an object")
    base = inferred(ctx, node.value)
    return narrowed(ctx, path_of(node), read_field(ctx, base, node.attr, node), node)


def field_of(ctx: Context, base: Operand, name: str, node: ast.AST) -> Field:
    """The field `name` of a struct or value."""
    owner = base.type.target if isinstance(base.type, RefType) else base.type
    if isinstance(owner, StructType | ValueType):
        found = owner.fields.get(name)
        if found is not None:
            if found.ghost and not ctx.ghost:
                raise ctx.reject(
                    "NK0903", f"`{name}` is a ghost field: images don't have it", node, "only contracts and ghost code read it"
                )
            return found
        origin = ctx.resolver.origins.get(owner)
        methods = list(origin.declaration.methods) if origin else []
        if origin is not None and name in origin.declaration.fields:
            raise Rejected.silent()  # the field has been reported
        if name in methods:
            raise ctx.reject("NK0107", f"method `{name}` is not a value", node, f"call it: `.{name}(…)`")
        help = suggestion(name, [*owner.fields, *methods])
        raise ctx.reject("NK0315", f"`{owner}` has no field `{name}`", node, help)
    raise no_attribute(ctx, base.type, name, node)


def no_attribute(ctx: Context, type_: Type, name: str, node: ast.AST) -> Rejected:
    if isinstance(type_, UnionType):
        others = [arm for arm in type_.arms if not isinstance(arm, RefType | ValueType)]
        help = "test it first: " + (
            "`if x is None: …`, or `assert x is not None`" if NONE in others else "`isinstance(x, …)`, or `match`"
        )
        return ctx.reject("NK0316", f"this may be `{'` or `'.join(map(str, type_.arms))}`", node, help)
    if isinstance(type_, EnumType) and name in ("value", "name"):
        help = "write `u32(x.value)`" if name == "value" else 'use it in text: f"{x.name}"'
        return ctx.reject("NK0317", f"`.{name}` of an enum stands only where its type is clear", node, help)
    return ctx.reject("NK0315", f"`{type_}` has no `{name}`", node)


def read_field(ctx: Context, base: Operand, name: str, node: ast.AST) -> Operand:
    """`base.name`: its value, or a reference to what is inline."""
    if isinstance(base.type, RefType) and isinstance(base.type.target, WireType):
        return _read_wire(ctx, base, base.type.target, name, node)
    found = field_of(ctx, base, name, node)
    if isinstance(base.type, ValueType):
        stored = [f.name for f in base.type.fields.values() if not f.ghost]
        return ctx.op(ir.Item, node, found.type, base, stored.index(name))
    assert isinstance(base.type, RefType) and isinstance(base.type.target, StructType)
    if found.inline:
        return ctx.op(ir.FieldRef, node, RefType(found.type), base, base.type.target, name)
    if found.atomic:
        raise ctx.reject("NK0318", f"`{name}` is atomic", node, f"read it with `.{name}.load()`")
    return ctx.op(ir.LoadField, node, found.type, base, base.type.target, name)


def no_wire_field(ctx: Context, wire: WireType, name: str, node: ast.AST) -> Rejected:
    if name in ctx.resolver.origins[wire].declaration.fields:
        return Rejected.silent()  # the field has been reported
    return ctx.reject("NK0315", f"`{wire}` has no field `{name}`", node, suggestion(name, wire.fields))


def _read_wire(ctx: Context, base: Operand, wire: WireType, name: str, node: ast.AST) -> Operand:
    found = wire.fields.get(name)
    if found is None:
        raise no_wire_field(ctx, wire, name, node)
    if isinstance(found.type, ArrayType):
        return ctx.op(ir.WireRef, node, SpanType(found.type.element, mutable=True), base, wire, name)
    if isinstance(found.type, WireType):
        return ctx.op(ir.WireRef, node, RefType(found.type), base, wire, name)
    return ctx.op(ir.LoadWire, node, found.type, base, wire, name)


# --- subscripts ---------------------------------------------------------------------------------------------------


def element_of(ctx: Context, base: Type, node: ast.AST) -> ArrayType | SpanType:
    """What kind of sequence `base` is, or a diagnostic."""
    if isinstance(base, RefType) and isinstance(base.target, ArrayType):
        return base.target
    if isinstance(base, SpanType) and not base.text:
        return base
    if base == STR:
        raise ctx.reject("NK0319", "text has no index: a character may be several bytes", node, "take its bytes: `.encode()`")
    if isinstance(base, UnionType):
        raise no_attribute(ctx, base, "[]", node)
    raise ctx.reject("NK0319", f"`{base}` has no elements", node)


def _subscript(ctx: Context, node: ast.Subscript, hint: Type | None) -> Value:
    base = inferred(ctx, node.value)
    method = calls.special_method(ctx, base, "__getitem__")
    if method is not None:
        return calls.invoke(ctx, method, base, [node.slice], node, hint)
    if isinstance(base.type, TupleType):
        return _tuple_item(ctx, base, base.type, node)
    sequence = element_of(ctx, base.type, node)
    if isinstance(node.slice, ast.Slice):
        return _slice(ctx, base, sequence, node, node.slice)
    index = index_operand(ctx, node.slice)
    return read_element(ctx, base, sequence, index, node)


def read_element(
    ctx: Context,
    base: Operand,
    sequence: ArrayType | SpanType,
    index: Operand,
    node: ast.AST | ir.Span,
    discharged: bool = False,
) -> Operand:
    """`base[index]`: the element, or a reference to it when it is inline."""
    if sequence.inline:
        make: Callable[..., ir.Instruction] = ir.ElementRef
        type_: Type = RefType(sequence.element)
    elif sequence.atomic:
        assert not isinstance(node, ir.Span)
        raise ctx.reject("NK0318", "the elements are atomic", node, "read one with `[i].load()`")
    else:
        make, type_ = ir.LoadElement, sequence.element
    return ctx.op(make, node, type_, base, index, kinds=(Kind.INDEX,), discharged=discharged)


def index_operand(ctx: Context, node: ast.expr) -> Operand:
    """An index or slice bound: `usize`."""
    value = lower(ctx, node, USIZE)
    if isinstance(value, Untyped) and value.value < 0:
        raise ctx.reject("NK0320", "there are no negative indices", node, "count from the end with `len(x) - 1`")
    return coerce(ctx, value, USIZE, node)


def _tuple_item(ctx: Context, base: Operand, type_: TupleType, node: ast.Subscript) -> Operand:
    value = lower(ctx, node.slice, USIZE) if not isinstance(node.slice, ast.Slice) else None
    if not isinstance(value, Untyped) or not isinstance(value.value, int):
        raise ctx.reject("NK0321", "the index into a tuple is a constant", node.slice, "unpack it: `a, b = pair`")
    if not 0 <= value.value < len(type_.items):
        raise ctx.reject("NK0321", f"this tuple has {len(type_.items)} items", node.slice)
    return ctx.op(ir.Item, node, type_.items[value.value], base, value.value)


def _slice(
    ctx: Context, base: Operand, sequence: ArrayType | SpanType, node: ast.Subscript, bounds: ast.Slice
) -> Operand:
    if bounds.step is not None:
        raise ctx.reject("NK0320", "a slice has no step", bounds.step, "loop over `range(start, stop, step)`")
    start = index_operand(ctx, bounds.lower) if bounds.lower else Const(USIZE, 0)
    stop = index_operand(ctx, bounds.upper) if bounds.upper else None
    if isinstance(sequence, ArrayType):
        type_ = SpanType(sequence.element, mutable=True, inline=sequence.inline, atomic=sequence.atomic)
    else:
        type_ = sequence
    return ctx.op(ir.Slice, node, type_, base, start, stop, kinds=(Kind.INDEX,))


# --- the rest -----------------------------------------------------------------------------------------------------


def _conditional(ctx: Context, node: ast.IfExp, hint: Type | None) -> Value:
    test, when_true, when_false = conditions.condition(ctx, node.test)
    # The type must be known before either side is stored; look at both sides without emitting.
    type_ = hint if hint is not None and not _is_hint_only(hint) else None
    if type_ is None:
        type_ = _joined(ctx, node, when_true, when_false)
    result = ctx.hidden("choice", type_)

    def side(part: ast.expr) -> Callable[[], None]:
        return lambda: ctx.set(result, expression(ctx, part, type_), part)

    ctx.branch(node, test, side(node.body), side(node.orelse), when_true, when_false)
    return ctx.get(result, node)


def _is_hint_only(hint: Type) -> bool:
    from neokernel.compiler.generics import is_open

    return is_open(hint)


def _joined(ctx: Context, node: ast.IfExp, when_true: dict[Path, Type], when_false: dict[Path, Type]) -> Type:
    """The common type of both sides, found by lowering them on trial."""
    types: list[Type] = []
    for part, facts in ((node.body, when_true), (node.orelse, when_false)):
        value = trial(ctx, part, facts)
        if not isinstance(value, Untyped):
            types.append(value.type)
    if not types:
        raise ctx.reject("NK0312", "nothing here says which width this has", node, "write `u32(…)` around one side")
    if len(types) == 2 and types[0] != types[1]:
        if all(isinstance(arm, RefType | ValueType | EnumType) or arm == NONE for t in types for arm in arms_of(t)):
            return union_of([*arms_of(types[0]), *(a for a in arms_of(types[1]) if a not in arms_of(types[0]))])
        raise ctx.reject("NK0310", f"one side is `{types[0]}`, the other `{types[1]}`", node)
    return types[0]


def trial(ctx: Context, node: ast.expr, facts: dict[Path, Type] | None = None) -> Value:
    """What lowering `node` would give, without keeping what it emits."""
    flow, checks, temps, variables = ctx.flow, ctx.function.checks, ctx.function.temps, len(ctx.function.variables)
    known = dict(ctx.variables)
    ctx.flow = flow.copy()
    ctx.flow.narrowed.update(facts or {})
    try:
        with ctx.into([]):
            return lower(ctx, node)
    finally:
        ctx.flow, ctx.variables = flow, known
        ctx.function.checks, ctx.function.temps = checks, temps
        del ctx.function.variables[variables:]


def _walrus(ctx: Context, node: ast.NamedExpr, hint: Type | None) -> Value:
    from neokernel.compiler.lower import statements

    value = inferred(ctx, node.value, hint)
    statements.assign_name(ctx, node.target, value)
    return value


def _joined_string(ctx: Context, node: ast.JoinedStr, hint: Type | None) -> Value:
    raise ctx.reject(
        "NK0322",
        "an f-string is not a value: it would need memory from nowhere",
        node,
        'hand it to a writer: `console.write(f"…")`',
    )


_HANDLERS: dict[type[ast.expr], Callable[[Context, ast.expr, Type | None], Value]] = {}


def _register() -> None:
    table: dict[type[ast.expr], object] = {
        ast.Constant: _constant,
        ast.Tuple: _tuple,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.IfExp: _conditional,
        ast.NamedExpr: _walrus,
        ast.JoinedStr: _joined_string,
        ast.Call: calls.call,
        ast.BinOp: operators.binary,
        ast.UnaryOp: operators.unary,
        ast.Compare: conditions.value,
        ast.BoolOp: conditions.value,
    }
    _HANDLERS.update(table)  # type: ignore[arg-type]


_REJECTED: dict[type[ast.expr], tuple[str, str]] = {
    ast.Lambda: ("`lambda`", "write a function; contracts are the only place for `lambda`"),
    ast.List: ("a list", "use `Array[T]`: `items: Array[u32] = array(10)`, or a container of the runtime"),
    ast.ListComp: ("a comprehension", "write the loop; only module constants have `tuple(… for …)`"),
    ast.GeneratorExp: ("a generator", "write the loop; only module constants have `tuple(… for …)`"),
    ast.SetComp: ("a comprehension", "write the loop"),
    ast.DictComp: ("a comprehension", "write the loop"),
    ast.Dict: ("a dict", "use `match`, a table, or a container of the runtime"),
    ast.Set: ("a set", "use `x in (a, b)`, bits of an integer, or a container of the runtime"),
    ast.Await: ("`await`", "it comes with the system layer"),
    ast.Yield: ("`yield`", "write a struct with a method `next`"),
    ast.YieldFrom: ("`yield from`", "write a struct with a method `next`"),
    ast.Starred: ("`*`", "name the arguments"),
    ast.Slice: ("a slice", ""),
}
_MISSING = {
    "print": "hand text to a writer: `console.write(…)`",
    "int": "integers have a width: `u32(…)`",
    "float": "floats have a width: `f64(…)`",
    "list": "use `Array[T]`, or a container of the runtime",
    "dict": "use a container of the runtime",
    "sum": "write the loop",
    "any": "write the loop",
    "all": "write the loop",
    "sorted": "write the loop, or use the runtime",
    "divmod": "write `a // b` and `a % b`",
    "pow": "multiply",
    "round": "convert: `u32(x + 0.5)`",
    "super": "there is no inheritance",
    "self": "only methods have `self`",
}

_register()
assert IntType
