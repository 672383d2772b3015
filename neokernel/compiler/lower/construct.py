"""Constructors: values, objects in the frame, objects inside objects, arrays.

An object is made in two steps, as Python does it: first all arguments are evaluated, in source order (`plan`), then
memory is filled in declared order (`build`). So nobody can see a half-made object.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.declare import ClassDecl, FieldDecl, LangName
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.generics import Application, Bindings, Matcher, OpenArray, TypeParameter, is_open
from neokernel.compiler.ir import Const, Kind, Operand
from neokernel.compiler.lower import constants
from neokernel.compiler.lower.arguments import single
from neokernel.compiler.lower.coerce import coerce, coerce_field, width_for
from neokernel.compiler.lower.context import NOTHING, Compilation, Context, Untyped, Value
from neokernel.compiler.lower.counting import counted
from neokernel.compiler.lower.dispatch import VOCABULARY, expression, inferred, lower, trial
from neokernel.compiler.lower.frames import CANCELLED, STATE
from neokernel.compiler.lower.names import find, is_global
from neokernel.compiler.types import (
    BOOL,
    NONE,
    U16,
    USIZE,
    ArrayType,
    BoolType,
    EnumType,
    Field,
    FloatType,
    FrameType,
    IntType,
    RefType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)


def of_class(ctx: Context, decl: ClassDecl, node: ast.Call, hint: Type | None) -> Operand:
    """`Class(…)`, type arguments found from the hint or the arguments."""
    return _make(ctx, decl, _arguments_of(ctx, decl, node, hint), node)


def of_type(ctx: Context, type_: Type, node: ast.Call, hint: Type | None) -> Operand:
    """`Class[u8](…)`, or through an alias."""
    base = type_.target if isinstance(type_, RefType) else type_
    if isinstance(base, Application):
        return _make(ctx, base.declaration, base.arguments, node)
    origin = ctx.resolver.origins.get(base)
    if origin is None:
        raise ctx.reject("NK0107", f"`{type_}` can't be called", node)
    return _make(ctx, origin.declaration, origin.arguments, node)


def _arguments_of(ctx: Context, decl: ClassDecl, node: ast.Call, hint: Type | None) -> tuple[Type, ...]:
    if not decl.parameters:
        return ()
    wanted = hint.target if isinstance(hint, RefType) else hint
    if isinstance(wanted, UnionType):
        bases = [arm.target if isinstance(arm, RefType) else arm for arm in wanted.arms]
        wanted = next((b for b in bases if _is_of(ctx, b, decl)), None)
    if isinstance(wanted, Application) and wanted.declaration is decl and not any(map(is_open, wanted.arguments)):
        return wanted.arguments
    if wanted is not None:
        origin = ctx.resolver.origins.get(wanted)
        if origin is not None and origin.declaration is decl:
            return origin.arguments
    return _infer(ctx, decl, node)


def _is_of(ctx: Context, base: Type, decl: ClassDecl) -> bool:
    if isinstance(base, Application):
        return base.declaration is decl
    origin = ctx.resolver.origins.get(base)
    return origin is not None and origin.declaration is decl


def _infer(ctx: Context, decl: ClassDecl, node: ast.Call) -> tuple[Type, ...]:
    """Type arguments from the types of the constructor's arguments."""
    bindings: Bindings = {}
    matcher = Matcher(ctx.resolver.origins, bindings)
    for item, argument in _pair(ctx, decl, node):
        pattern = _pattern(ctx, decl, item)
        if pattern is None or not is_open(pattern):
            continue
        value = trial(ctx, argument)
        if isinstance(value, Untyped):
            if isinstance(pattern, TypeParameter):
                raise ctx.reject(
                    "NK0314",
                    f"this constant is passed for type variable `{pattern}`",
                    argument,
                    f"`{width_for(value.value)}({value.value})`",
                )
        else:
            matcher.match(pattern, value.type)
    missing = [name for name in decl.parameters if name not in bindings]
    if missing:
        wanted = ", ".join(decl.parameters)
        raise ctx.reject(
            "NK0302",
            f"nothing here says what `{'`, `'.join(missing)}` of `{decl.name}` is",
            node,
            f"write `{decl.name}[{wanted}](…)`, or annotate what it is assigned to",
        )
    return tuple(bindings[name] for name in decl.parameters)


def _pattern(ctx: Context, decl: ClassDecl, item: FieldDecl) -> Type | None:
    """The open type of a field, or None where its wrapper (`Array`, `Embedded`) is handled elsewhere."""
    match item.annotation:
        case ast.Subscript(value=ast.Name(id=name)) if decl.scope.lookup(name) in (
            LangName("Array"),
            LangName("Embedded"),
            LangName("Ghost"),
            LangName("Atomic"),
        ):
            return None
    return ctx.resolver.resolve(item.annotation, decl.scope, {})


def _pair(ctx: Context, decl: ClassDecl, node: ast.Call) -> list[tuple[FieldDecl, ast.expr]]:
    """Fields with the arguments given for them, in source order."""
    fields = list(decl.fields.values())
    if node.args and decl.form != "value":
        raise ctx.reject(
            "NK0712",
            f"the fields of `{decl.name}` are given by name",
            node.args[0],
            f"write `{fields[0].name}=…`" if fields else "",
        )
    if len(node.args) > len(fields):
        count = len(fields)
        raise ctx.reject("NK0712", f"`{decl.name}` has {count} field{'s' * (count != 1)}", node.args[count])
    pairs = list(zip(fields, node.args, strict=False))
    given = {item.name for item, _ in pairs}
    for keyword in node.keywords:
        item = decl.fields.get(keyword.arg or "")
        if item is None:
            help = suggestion(keyword.arg or "", decl.fields) or _fields(decl.fields)
            raise ctx.reject("NK0712", f"`{decl.name}` has no field `{keyword.arg}`", keyword, help)
        if item.name in given:
            raise ctx.reject("NK0712", f"`{item.name}` is given twice", keyword)
        given.add(item.name)
        pairs.append((item, keyword.value))
    if decl.form != "wire":
        missing = [f.name for f in fields if f.name not in given and decl.must_be_given(f)]
        if missing:
            help = f"write `{decl.name}({'=…, '.join(missing)}=…)`, or give the field a default"
            raise ctx.reject("NK0710", f"`{decl.name}` lacks a value for `{'`, `'.join(missing)}`", node, help)
    return pairs


def _fields(names: Iterable[str]) -> str:
    shown = "`, `".join(names)
    return f"its fields are `{shown}`" if shown else "it has no fields"


def _make(ctx: Context, decl: ClassDecl, arguments: tuple[Type, ...], node: ast.Call) -> Operand:
    pairs = _pair(ctx, decl, node)
    lengths = ctx.resolver.lengths_in_call(decl, node, ctx.scope) if ctx.resolver.open_fields(decl) else ()
    type_ = ctx.resolver.instance(decl, arguments, lengths)
    _whole(ctx, type_)
    if isinstance(type_, ValueType):
        return _record(ctx, decl, type_, pairs, node)
    if isinstance(type_, WireType):
        _zeroes(ctx, decl, pairs, node)
        return ctx.op(ir.New, node, RefType(type_), True)
    planned = _plan_struct(ctx, type_, node)
    made = ctx.op(ir.New, node, RefType(type_), False)
    build(ctx, planned, made, node)
    return made


def _whole(ctx: Context, type_: StructType | ValueType | WireType) -> None:
    """Objects of a class that has been rejected can't be made; that needs no second message."""
    if not ctx.resolver.is_whole(type_):
        raise Rejected.silent()


def _zeroes(ctx: Context, decl: ClassDecl, pairs: list[tuple[FieldDecl, ast.expr]], node: ast.Call) -> None:
    """A wire object is made without values."""
    if pairs:
        raise ctx.reject("NK0712", f"`{decl.name}()` is made of zeroes", node, "then assign its fields")


def _record(
    ctx: Context, decl: ClassDecl, type_: ValueType, pairs: list[tuple[FieldDecl, ast.expr]], node: ast.Call
) -> Operand:
    values: dict[str, Operand] = {}
    for item, argument in pairs:
        found = type_.fields[item.name]
        if found.ghost:
            _ghost_argument(ctx, found, argument)
        else:
            values[item.name] = _given(ctx, type_, found, argument)
    items = []
    for name, found in type_.fields.items():
        if found.ghost:
            continue
        default = decl.fields[name].default
        if name not in values:
            assert default is not None
            values[name] = constants.default(ctx, decl.scope, default, found.type, ctx.resolver.bindings_of(type_))
        items.append(values[name])
    return ctx.op(ir.MakeRecord, node, type_, tuple(items))


def replace(ctx: Context, node: ast.Call) -> Operand:
    """`replace(value, field=…)`."""
    if len(node.args) != 1:
        raise ctx.reject("NK0326", "`replace` has one argument without name: the value", node)
    base = inferred(ctx, node.args[0])
    if not isinstance(base.type, ValueType):
        help = "the fields of a `@struct` are assigned: `x.field = …`"
        raise ctx.reject("NK0325", f"`replace` copies a `@value`, not `{base.type}`", node.args[0], help)
    changed: dict[str, Operand] = {}
    for keyword in node.keywords:
        found = base.type.fields.get(keyword.arg or "")
        if found is None:
            help = suggestion(keyword.arg or "", base.type.fields) or _fields(base.type.fields)
            raise ctx.reject("NK0712", f"`{base.type}` has no field `{keyword.arg}`", keyword, help)
        if found.ghost:
            _ghost_argument(ctx, found, keyword.value)
        else:
            changed[found.name] = _given(ctx, base.type, found, keyword.value)
    items = []
    stored = [f for f in base.type.fields.values() if not f.ghost]
    for index, found in enumerate(stored):
        items.append(changed.get(found.name) or ctx.op(ir.Item, node, found.type, base, index))
    return ctx.op(ir.MakeRecord, node, base.type, tuple(items))


@dataclass(slots=True)
class StructPlan:
    """What each field of a struct gets, in declared order; None: the default, made when its turn comes."""

    type: StructType
    items: list[tuple[Field, Operand | StructPlan | ArrayPlan | None]]


@dataclass(slots=True)
class ArrayPlan:
    """`fill` for all elements, or `elements`; both None: each element is an object made by its defaults."""

    type: ArrayType
    fill: Operand | None
    elements: list[Operand] | None


Plan = StructPlan | ArrayPlan


def _plan_struct(ctx: Context, type_: StructType, node: ast.Call) -> StructPlan:
    """Evaluate the constructor's arguments."""
    _whole(ctx, type_)
    decl = ctx.resolver.origins[type_].declaration
    given: dict[str, Operand | Plan] = {}
    for item, argument in _pair(ctx, decl, node):
        found = type_.fields[item.name]
        if found.ghost:
            _ghost_argument(ctx, found, argument)
            continue
        given[item.name] = plan_inline(ctx, found, argument) if found.inline else _initial(ctx, type_, found, argument)
    return StructPlan(type_, [(f, given.get(f.name)) for f in type_.fields.values() if not f.ghost])


def _ghost_argument(ctx: Context, found: Field, node: ast.expr) -> None:
    """What a ghost field is given: images don't compute it, so it must not be missed there."""
    with ctx.ghost_code(node):
        expression(ctx, node, found.type)


def plan_inline(ctx: Context, found: Field, node: ast.expr) -> Plan:
    """The constructor call that initialises an inline field."""
    if isinstance(found.type, ArrayType) and isinstance(found.type.element, FrameType):
        ctx.resolver.tasks_of(node, ctx.scope)
        return ArrayPlan(found.type, None, None)
    if isinstance(found.type, ArrayType):
        return plan_array(ctx, found.type, node)
    assert isinstance(found.type, StructType | WireType)
    if isinstance(node, ast.Call):
        made = _constructed(ctx, node)
        if made is not None and ctx.resolver.origins[found.type].declaration is made:
            if isinstance(found.type, WireType):
                _zeroes(ctx, made, _pair(ctx, made, node), node)
                return StructPlan(StructType("", ""), [])
            return _plan_struct(ctx, found.type, node)
    raise ctx.reject(
        "NK0308",
        f"field `{found.name}` is made in place",
        node,
        f"write a constructor call here: `{found.type}(…)`; an object that exists can't be moved",
    )


def _constructed(ctx: Context, node: ast.Call) -> ClassDecl | None:
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    if not is_global(ctx, function):
        return None
    found = find(ctx, function)
    return found if isinstance(found, ClassDecl) else None


def build(ctx: Context, plan: Plan, target: Operand, node: ast.AST) -> None:
    """Fill the memory of the new object `target`."""
    if isinstance(plan, ArrayPlan):
        _build_array(ctx, plan, target, node)
        return
    for found, value in plan.items:
        owner = plan.type
        if found.inline:
            place = ctx.op(ir.FieldRef, node, RefType(found.type), target, owner, found.name)
            has_default = ctx.resolver.origins[owner].declaration.fields[found.name].default is not None
            inner = value if isinstance(value, StructPlan | ArrayPlan) else None
            if inner is None and (has_default or not isinstance(found.type, WireType)):
                inner = _default_plan(ctx, owner, found, node)
            if inner is None or isinstance(found.type, WireType):
                _zero_wire(ctx, place, node)
            else:
                build(ctx, inner, place, node)
            continue
        assert not isinstance(value, StructPlan | ArrayPlan)
        operand = value if value is not None else _default(ctx, owner, found)
        ctx.do(ir.StoreField, node, target, owner, found.name, operand, True)


def _default(ctx: Context, owner: StructType, found: Field) -> Operand:
    origin = ctx.resolver.origins[owner]
    default = origin.declaration.fields[found.name].default
    assert default is not None
    with constants.in_scope(ctx, origin.declaration.scope, ctx.resolver.bindings_of(owner)):
        return _initial(ctx, owner, found, default)


def _given(ctx: Context, owner: Type, found: Field, node: ast.expr) -> Operand:
    """What a field of `owner` is given."""
    return coerce_field(ctx, lower(ctx, node, found.type), owner, found.name, found.type, node)


def _initial(ctx: Context, owner: Type, found: Field, node: ast.expr) -> Operand:
    """What a field holds at first; an atomic one is given as `Atomic(number)`, or `Atomic()` for 0."""
    if not found.atomic:
        return _given(ctx, owner, found, node)
    match node:
        case ast.Call(func=function, args=[] | [_], keywords=[]) if is_global(ctx, function):
            if find(ctx, function) == LangName("Atomic"):
                return expression(ctx, node.args[0], found.type) if node.args else Const(found.type, 0)
    raise ctx.reject("NK0308", f"field `{found.name}` is an atomic cell", node, "write `Atomic(number)`")


def check_defaults(compilation: Compilation, type_: StructType | ValueType) -> None:
    """The defaults of a class's fields, whether or not anybody makes one."""
    decl = compilation.resolver.origins[type_].declaration
    for name, found in type_.fields.items():
        default = decl.fields[name].default
        if default is None or found.ghost:
            continue
        ctx = constants.scratch(compilation, decl.scope)
        try:
            if found.inline:
                plan_inline(ctx, found, default)
            else:
                _initial(ctx, type_, found, default)
        except Rejected as rejected:
            compilation.report(rejected)


def _default_plan(ctx: Context, owner: StructType, found: Field, node: ast.AST) -> Plan:
    """The plan of an inline field that the constructor doesn't mention."""
    origin = ctx.resolver.origins[owner]
    item = origin.declaration.fields[found.name]
    if item.default is None:
        assert isinstance(found.type, StructType)
        return by_defaults(ctx, found.type, node)
    with constants.in_scope(ctx, origin.declaration.scope, ctx.resolver.bindings_of(owner)):
        return plan_inline(ctx, found, item.default)


def by_defaults(ctx: Context, type_: StructType, node: ast.AST) -> StructPlan:
    """`S()`: every field by its default. A frame is one that nobody has started."""
    if isinstance(type_, FrameType):
        return StructPlan(type_, [(type_.fields[STATE], Const(U16, CANCELLED))])
    decl = ctx.resolver.origins[type_].declaration
    missing = [name for name, item in decl.fields.items() if decl.must_be_given(item)]
    if missing:
        names = "`, `".join(missing)
        raise ctx.reject(
            "NK0710",
            f"a `{type_}` is made here by its defaults, and `{names}` has none",
            node,
            "give the field a default",
        )
    return StructPlan(type_, [(f, None) for f in type_.fields.values() if not f.ghost])


def renew(ctx: Context, node: ast.Call) -> Operand:
    """`renew(x)`: the memory of `x` as a new object, by its defaults."""
    argument = single(ctx, "renew", node)
    target = inferred(ctx, argument)
    if not isinstance(target.type, RefType) or not isinstance(target.type.target, StructType):
        raise ctx.reject("NK0325", f"only objects of a `@struct` are made anew, not `{target.type}`", argument)
    made = ctx.op(ir.Renew, node, target.type, target)
    build(ctx, by_defaults(ctx, target.type.target, node), made, node)
    ctx.forget_memory(node)
    return NOTHING


def _zero_wire(ctx: Context, place: Operand, node: ast.AST) -> None:
    assert isinstance(place.type, RefType) and isinstance(place.type.target, WireType)
    wire = place.type.target
    for name, found in wire.fields.items():
        if isinstance(found.type, IntType):
            kinds = (Kind.CONVERSION,) if found.bits < found.type.bits else ()
            ctx.do(ir.StoreWire, node, place, wire, name, Const(found.type, 0), kinds=kinds, discharged=True)
        elif isinstance(found.type, WireType):
            _zero_wire(ctx, ctx.op(ir.WireRef, node, RefType(found.type), place, wire, name), node)


def _array_length(ctx: Context, node: ast.expr) -> int:
    """How many elements `array(n)`, `array(n, fill)` or `array_of(…)` makes."""
    match node:
        case ast.Call(func=function, args=[ast.Name() as given, *_]) if (
            is_global(ctx, function) and find(ctx, function) == LangName("array") and not is_global(ctx, given)
        ):
            message = f"`{given.id}` is a variable, and an array's length is known when the program is built"
            raise ctx.reject("NK0503", message, given, "make it as long as it may have to be, or take a `Span[T]`")
    return ctx.resolver.array_length(node, ctx.scope)


def array(ctx: Context, node: ast.Call, hint: Type | None) -> Operand:
    """`array(n)`, `array(n, fill)`, `array_of(…)` as a local object."""
    arms = hint.arms if isinstance(hint, UnionType) else (hint,)
    wanted = next((a for a in arms if isinstance(a, RefType) and isinstance(a.target, ArrayType | OpenArray)), None)
    if wanted is None or is_open(wanted.target.element if isinstance(wanted.target, OpenArray | ArrayType) else NONE):
        raise ctx.reject(
            "NK0309", "nothing here says what the elements are", node, "annotate it: `items: Array[u32] = array(10)`"
        )
    length = _array_length(ctx, node)
    assert isinstance(wanted.target, ArrayType | OpenArray)
    target = wanted.target
    type_ = ArrayType(target.element, length, target.inline, target.atomic)
    plan = plan_array(ctx, type_, node)
    made = ctx.op(ir.New, node, RefType(type_), False)
    build(ctx, plan, made, node)
    return made


def plan_array(ctx: Context, type_: ArrayType, node: ast.expr) -> ArrayPlan:
    """Evaluate the arguments of `array(…)` or `array_of(…)`."""
    length = _array_length(ctx, node)
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if length != type_.length:
        raise ctx.reject("NK0308", f"this array has {length} elements, and {type_.length} belong here", node)
    if node.keywords:
        raise ctx.reject("NK0326", "array constructors have no keyword arguments", node)
    if ctx.scope.names.get(node.func.id) == LangName("array_of"):
        if type_.inline:
            raise ctx.reject("NK0308", "embedded elements are made in place", node, "write `array(n)`, then set them")
        return ArrayPlan(type_, None, [expression(ctx, a, type_.element) for a in node.args])
    if len(node.args) > 2:
        raise ctx.reject("NK0326", "`array` has one or two arguments", node, "or `array_of(a, b, c)`")
    if type_.inline:
        if len(node.args) == 2:
            raise ctx.reject("NK0308", "embedded elements are made in place", node.args[1], "write `array(n)`")
        return ArrayPlan(type_, None, None)
    if len(node.args) == 2:
        return ArrayPlan(type_, expression(ctx, node.args[1], type_.element), None)
    return ArrayPlan(type_, zero(ctx, type_.element, node), None)


def zero(ctx: Context, type_: Type, node: ast.AST) -> Operand:
    """The zero of an element type."""
    match type_:
        case IntType():
            return Const(type_, 0)
        case FloatType():
            return Const(type_, 0.0)
        case BoolType():
            return Const(BOOL, False)
        case EnumType(members=members) if 0 in members.values():
            return Const(type_, 0)
        case UnionType(arms) if NONE in arms:
            return coerce(ctx, NOTHING, type_, node)
        case ValueType(fields=fields):
            _whole(ctx, type_)
            items = tuple(zero(ctx, field.type, node) for field in fields.values() if not field.ghost)
            return ctx.op(ir.MakeRecord, node, type_, items)
        case TupleType(items=item_types):
            return ctx.op(ir.MakeRecord, node, type_, tuple(zero(ctx, item, node) for item in item_types))
    raise ctx.reject(
        "NK0309",
        f"`{type_}` has no zero",
        node,
        "give the value to fill with: `array(n, fill)`, or let it be `… | None`",
    )


def _build_array(ctx: Context, plan: ArrayPlan, target: Operand, node: ast.AST) -> None:
    if plan.elements is not None:
        for index, value in enumerate(plan.elements):
            ctx.do(
                ir.StoreElement,
                node,
                target,
                Const(USIZE, index),
                value,
                kinds=(Kind.INDEX,),
                discharged=True,
            )
        return
    if plan.fill is not None:
        ctx.do(ir.FillArray, node, target, plan.fill)
        return
    element = plan.type.element

    def make(index: Operand) -> None:
        place = ctx.op(ir.ElementRef, node, RefType(element), target, index, kinds=(Kind.INDEX,), discharged=True)
        if isinstance(element, WireType):
            _zero_wire(ctx, place, node)
            return
        assert isinstance(element, StructType)
        _whole(ctx, element)
        build(ctx, by_defaults(ctx, element, node), place, node)

    counted(ctx, node, Const(USIZE, plan.type.length), make)


Builder = Callable[[Operand], None]


def _replace(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    return replace(ctx, node)


def _renew(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    return renew(ctx, node)


def _handle(ctx: Context, node: ast.Call, hint: Type | None) -> Value:
    return of_class(ctx, ctx.resolver.handle, node, hint)


VOCABULARY.update({"array": array, "array_of": array, "replace": _replace, "renew": _renew, "Handle": _handle})
