"""What the grammar of the typed IR says about each instruction (see `verify.py`): operands, result, ways to fail.

A rule takes the scope and the instruction, checks the operands, and returns the type of the result (None: there is
none) and the kinds of checks that are possible, in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from neokernel.compiler import ir
from neokernel.compiler.dump import describe
from neokernel.compiler.layout import record_fields
from neokernel.compiler.types import (
    BOOL,
    U8,
    U32,
    U64,
    ArrayType,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NoneType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)

Kinds: TypeAlias = tuple[ir.Kind, ...]
#: Variables set on every path to a point; None where no path leads.
Assigned: TypeAlias = frozenset[ir.Var] | None


class MalformedIR(Exception):
    """A pass, or the front end, made IR that breaks the grammar: an error of the compiler."""

    def __init__(self, function: ir.Function, statement: ir.Statement | None, reason: str) -> None:
        where = "" if statement is None else f" at {_describe(statement)} (line {statement.span.line})"
        super().__init__(f"{function.symbol}{where}: {reason}")
        self.function = function
        self.statement = statement
        self.reason = reason


def _describe(statement: ir.Statement) -> str:
    return describe(statement) if isinstance(statement, ir.Instruction) else type(statement).__name__


def _kinds(kinds: Kinds) -> str:
    return "[" + ", ".join(kind.value for kind in kinds) + "]"


class Scope:
    """What is visible at a point of a function, and the questions that rules ask about operands."""

    def __init__(self, function: ir.Function) -> None:
        self.function = function
        self.variables = {*function.variables, *function.parameters}
        self.visible: set[ir.Temp] = set()
        self.indices: set[int] = set()
        self.assigned: Assigned = frozenset(function.parameters)
        self.statement: ir.Statement | None = None
        self.ghost = function.ghost

    def fail(self, reason: str) -> MalformedIR:
        return MalformedIR(self.function, self.statement, reason)

    def expect(self, condition: bool, reason: str) -> None:
        """For what is rarely asked: a reason that takes work is made by those who `fail`."""
        if not condition:
            raise self.fail(reason)

    def operand(self, operand: ir.Operand, of: Type | None = None) -> None:
        if isinstance(operand, ir.Temp):
            if operand not in self.visible:
                raise self.fail(f"%{operand.number} is not defined here")
        else:
            self.constant(operand)
        if of is not None and operand.type != of:
            raise self.fail(f"{operand.type} where {of} is due")

    def integer_operand(self, operand: ir.Operand, unsigned: bool = False) -> None:
        self.operand(operand)
        of = operand.type
        if not isinstance(of, IntType) or (unsigned and of.signed):
            raise self.fail(f"{of} where an integer is due")

    def constant(self, c: ir.ConstValue) -> None:
        of = c.type
        if isinstance(c, ir.ConstRecord):
            if isinstance(of, UnionType):
                self.expect(c.arm in of.arms, f"constant of {of} with the arm {c.arm}")
                self.expect(len(c.items) == 1 and c.items[0].type == c.arm, "a union's constant has its arm as item")
            else:
                self.expect(isinstance(of, (ValueType, TupleType)), f"a record constant of {of}")
                wanted = [item for _, item in record_fields(of)]
                self.expect([item.type for item in c.items] == wanted, f"the items don't fit {of}")
            for item in c.items:
                self.constant(item)
            return
        value = c.value
        if isinstance(of, IntType):
            good = type(value) is int and of.holds(value)
        elif isinstance(of, EnumType):
            good = type(value) is int and value in of.members.values()
        elif isinstance(of, BoolType):
            good = isinstance(value, bool)
        elif isinstance(of, FloatType):
            good = isinstance(value, float)
        elif isinstance(of, SpanType):
            if isinstance(value, tuple):
                for item in value:
                    self.constant(item)
            good = not of.mutable and (
                (isinstance(value, bytes) and of.element == U8)
                or (isinstance(value, tuple) and all(item.type == of.element for item in value))
            )
        else:
            nullable = isinstance(of, NoneType) or (isinstance(of, UnionType) and of.is_optional_reference)
            good = nullable and value is None
        if not good:
            raise self.fail(f"{value!r} is no constant of {of}")

    def checks(self, checks: Sequence[ir.Check], wanted: Kinds) -> None:
        """The kinds are those with which the instruction can fail, in their order; what can't happen is discharged."""
        found = tuple([check.kind for check in checks])
        if found != wanted:
            raise self.fail(f"checks {_kinds(found)}, and it can fail with {_kinds(wanted)}")
        for check in checks:
            self.expect(check.index not in self.indices, f"check {check.index} occurs twice")
            self.indices.add(check.index)
            if not self.ghost:
                within = 0 <= check.index < self.function.checks
                self.expect(within, f"check {check.index} is beyond the function's count")

    def field_of(self, base: ir.Operand, struct: StructType, name: str) -> Type:
        """The declared type of a struct's field, reached through `base`."""
        self.operand(base, RefType(struct))
        self.expect(name in struct.fields, f"{struct} has no field {name}")
        self.expect(self.ghost or not struct.fields[name].ghost, f"ghost field {name} in the program")
        return struct.fields[name].type

    def container(self, base: ir.Operand) -> ArrayType | SpanType:
        self.operand(base)
        of = base.type.target if isinstance(base.type, RefType) else base.type
        self.expect(isinstance(of, (ArrayType, SpanType)), f"{base.type} has no elements")
        assert isinstance(of, (ArrayType, SpanType))
        return of

    def wire_field(self, base: ir.Operand, wire: WireType, name: str) -> Type:
        self.operand(base, RefType(wire))
        self.expect(name in wire.fields, f"{wire} has no field {name}")
        return wire.fields[name].type


Outcome: TypeAlias = tuple[Type | None, Kinds]


# --- variables and scalars --------------------------------------------------------------------------------------------


def _get(s: Scope, i: ir.Get) -> Outcome:
    s.expect(i.var in s.variables, f"{i.var.name} is no variable of the function")
    s.expect(s.assigned is None or i.var in s.assigned, f"{i.var.name} is read before it is set")
    return i.var.type, ()


def _set(s: Scope, i: ir.Set) -> Outcome:
    s.expect(i.var in s.variables, f"{i.var.name} is no variable of the function")
    s.operand(i.value, i.var.type)
    if s.assigned is not None:
        s.assigned |= {i.var}
    return None, ()


def _unary(s: Scope, i: ir.Unary) -> Outcome:
    s.operand(i.operand)
    of = i.operand.type
    integer, real = isinstance(of, IntType), isinstance(of, FloatType)
    if i.op in ("neg", "abs"):
        s.expect(integer or real, f"{i.op} of {of}")
        overflows = integer and i.mode is ir.Mode.CHECKED
        return of, (ir.Kind.OVERFLOW,) if overflows else ()
    if i.op == "not":
        s.expect(of == BOOL, f"not of {of}")
        return BOOL, ()
    if i.op == "sqrt":
        s.expect(real, f"sqrt of {of}")
        return of, ()
    if i.op == "float_bits":
        s.expect(real, f"float_bits of {of}")
        assert isinstance(of, FloatType)
        return IntType(of.bits, False), ()
    if i.op == "float_from_bits":
        s.expect(of in (U32, U64), f"float_from_bits of {of}")
        assert isinstance(of, IntType)
        return FloatType(of.bits), ()
    s.expect(integer, f"{i.op} of {of}")
    if i.op in ("count_leading_zeros", "count_trailing_zeros", "count_ones"):
        return U32, ()
    s.expect(i.op in ("invert", "byte_swap"), f"unknown operation {i.op}")
    return of, ()


_SHIFTS = ("shl", "shr", "rotate_left", "rotate_right")
_PLAIN = ("and", "or", "xor", "min", "max", "multiply_high", "rotate_left", "rotate_right")


def _binary(s: Scope, i: ir.Binary) -> Outcome:
    of = i.left.type
    s.operand(i.left)
    if i.op in _SHIFTS:
        s.integer_operand(i.right, unsigned=True)
    else:
        s.operand(i.right, of)
    if isinstance(of, BoolType):
        s.expect(i.op in ("and", "or", "xor"), f"{i.op} of bools")
        return of, ()
    if isinstance(of, FloatType):
        s.expect(i.op in ("add", "sub", "mul", "div", "min", "max"), f"{i.op} of floats")
        return of, ()
    s.expect(isinstance(of, IntType), f"{i.op} of {of}")
    assert isinstance(of, IntType)
    checked = i.mode is ir.Mode.CHECKED
    if i.op in ("add", "sub", "mul"):
        return of, (ir.Kind.OVERFLOW,) if checked else ()
    if i.op == "floordiv":
        return of, (ir.Kind.DIVISION, ir.Kind.OVERFLOW) if of.signed else (ir.Kind.DIVISION,)
    if i.op == "mod":
        return of, (ir.Kind.DIVISION,)
    if i.op == "shl":
        return of, (ir.Kind.SHIFT, ir.Kind.OVERFLOW) if checked else (ir.Kind.SHIFT,)
    if i.op == "shr":
        return of, (ir.Kind.SHIFT,)
    s.expect(i.op in _PLAIN, f"unknown operation {i.op}")
    return of, ()


def _compare(s: Scope, i: ir.Compare) -> Outcome:
    s.operand(i.left)
    s.operand(i.right)
    left, right = i.left.type, i.right.type
    if _is_reference(left) and _is_reference(right):
        s.expect(_target(left) == _target(right), f"{left} is compared with {right}")
    else:
        s.expect(left == right, f"{left} is compared with {right}")
    s.expect(i.op in ("eq", "ne", "lt", "le", "gt", "ge"), f"unknown comparison {i.op}")
    ordered = isinstance(left, (IntType, FloatType, BoolType, EnumType))
    s.expect(ordered or i.op in ("eq", "ne"), f"{left} has no order")
    return BOOL, ()


def _is_reference(of: Type) -> bool:
    return isinstance(of, RefType) or (isinstance(of, UnionType) and of.is_optional_reference)


def _target(of: Type) -> Type | None:
    if isinstance(of, UnionType):
        of = next(arm for arm in of.arms if isinstance(arm, RefType))
    return of.target if isinstance(of, RefType) else None


def _convert(s: Scope, i: ir.Convert) -> Outcome:
    s.operand(i.operand)
    s.expect(i.result is not None, "the result is missing")
    assert i.result is not None
    source, wanted = i.operand.type, i.result.type
    numbers = (IntType, FloatType, BoolType, EnumType)
    s.expect(isinstance(source, numbers), f"{source} can't be converted")
    s.expect(isinstance(wanted, (IntType, FloatType, EnumType)), f"nothing is converted to {wanted}")
    if i.truncate:
        s.expect(isinstance(source, IntType) and isinstance(wanted, IntType), "only integers are truncated")
        return wanted, ()
    if isinstance(wanted, EnumType):
        s.expect(isinstance(source, IntType), f"{wanted} from {source}")
        return wanted, (ir.Kind.ENUM,)
    if isinstance(wanted, FloatType):
        s.expect(not isinstance(source, EnumType), f"{wanted} from {source}")
        return wanted, ()
    if isinstance(source, BoolType):
        return wanted, ()
    assert isinstance(wanted, IntType)
    match source:
        case IntType():
            always = wanted.holds(source.lowest) and wanted.holds(source.highest)
        case EnumType(members=members):
            always = all(map(wanted.holds, members.values()))
        case _:
            always = False
    return wanted, () if always else (ir.Kind.CONVERSION,)


def _select(s: Scope, i: ir.Select) -> Outcome:
    s.operand(i.condition, BOOL)
    s.operand(i.left)
    s.operand(i.right, i.left.type)
    return i.left.type, ()


# --- aggregates -------------------------------------------------------------------------------------------------------


def _make_record(s: Scope, i: ir.MakeRecord) -> Outcome:
    of = _result_type(s, i)
    s.expect(isinstance(of, (ValueType, TupleType)), f"{of} is no record")
    fields = record_fields(of)
    s.expect(len(fields) == len(i.items), f"{of} has {len(fields)} fields, {len(i.items)} are given")
    for item, (_, wanted) in zip(i.items, fields, strict=True):
        s.operand(item, wanted)
    return of, ()


def _item(s: Scope, i: ir.Item) -> Outcome:
    s.operand(i.record)
    of = i.record.type
    if isinstance(of, SpanType):
        s.expect(i.index == 1, "of a span only the length is an item")
        return U64, ()
    s.expect(isinstance(of, (ValueType, TupleType)), f"{of} is no record")
    fields = record_fields(of)
    s.expect(0 <= i.index < len(fields), f"{of} has no field {i.index}")
    return fields[i.index][1], ()


def _arms(s: Scope, of: Type) -> tuple[Type, ...]:
    s.expect(isinstance(of, UnionType), f"{of} is no union")
    assert isinstance(of, UnionType)
    return of.arms


def _make_union(s: Scope, i: ir.MakeUnion) -> Outcome:
    s.operand(i.value)
    of, source = _result_type(s, i), i.value.type
    given = set(source.arms) if isinstance(source, UnionType) else {source}
    s.expect(given <= set(_arms(s, of)), f"{source} is no part of {of}")
    return of, ()


def _is_arm(s: Scope, i: ir.IsArm) -> Outcome:
    s.operand(i.union)
    s.expect(set(i.arms) <= set(_arms(s, i.union.type)), f"asks {i.union.type} for arms it hasn't")
    return BOOL, ()


def _as_arm(s: Scope, i: ir.AsArm) -> Outcome:
    s.operand(i.union)
    of = _result_type(s, i)
    wanted = set(of.arms) if isinstance(of, UnionType) else {of}
    s.expect(wanted <= set(_arms(s, i.union.type)), f"{of} is no part of {i.union.type}")
    return of, ()


def _result_type(s: Scope, i: ir.Instruction) -> Type:
    s.expect(i.result is not None, "the result is missing")
    assert i.result is not None
    return i.result.type


def _make_span(s: Scope, i: ir.MakeSpan) -> Outcome:
    source, of = s.container(i.base), _result_type(s, i)
    s.expect(isinstance(of, SpanType), f"{of} is no span")
    assert isinstance(of, SpanType)
    s.expect(source.element == of.element and source.inline == of.inline, f"a span {of} over {source}")
    s.expect(not (isinstance(source, SpanType) and of.mutable and not source.mutable), "a view becomes mutable")
    return of, ()


def _slice(s: Scope, i: ir.Slice) -> Outcome:
    source, of = s.container(i.base), _result_type(s, i)
    s.integer_operand(i.start, unsigned=True)
    if i.stop is not None:
        s.integer_operand(i.stop, unsigned=True)
    s.expect(isinstance(of, SpanType) and of.element == source.element, f"a slice {of} of {source}")
    return of, (ir.Kind.INDEX,)


def _length(s: Scope, i: ir.Length) -> Outcome:
    s.container(i.base)
    return U64, ()


# --- memory -----------------------------------------------------------------------------------------------------------


def _new(s: Scope, i: ir.New) -> Outcome:
    of = _result_type(s, i)
    s.expect(isinstance(of, RefType) and isinstance(of.target, (StructType, WireType, ArrayType)), f"a new {of}")
    return of, ()


def _load_field(s: Scope, i: ir.LoadField) -> Outcome:
    of = s.field_of(i.base, i.struct, i.field)
    field = i.struct.fields[i.field]
    s.expect(not field.inline and not field.atomic, f"{i.field} is inline or atomic")
    return of, ()


def _store_field(s: Scope, i: ir.StoreField) -> Outcome:
    of = s.field_of(i.base, i.struct, i.field)
    field = i.struct.fields[i.field]
    s.expect(not field.inline and not (field.atomic and not i.initial), f"{i.field} is inline or atomic")
    s.operand(i.value, of)
    return None, ()


def _field_ref(s: Scope, i: ir.FieldRef) -> Outcome:
    of = s.field_of(i.base, i.struct, i.field)
    field = i.struct.fields[i.field]
    s.expect(field.inline or field.atomic, f"{i.field} is neither inline nor atomic")
    return of if isinstance(of, RefType) else RefType(of), ()


def _indexed(s: Scope, base: ir.Operand, index: ir.Operand) -> ArrayType | SpanType:
    of = s.container(base)
    s.integer_operand(index, unsigned=True)
    return of


def _load_element(s: Scope, i: ir.LoadElement) -> Outcome:
    of = _indexed(s, i.base, i.index)
    s.expect(not of.inline and not of.atomic, "the elements are inline or atomic")
    return of.element, (ir.Kind.INDEX,)


def _store_element(s: Scope, i: ir.StoreElement) -> Outcome:
    of = _indexed(s, i.base, i.index)
    s.expect(not of.inline and not of.atomic, "the elements are inline or atomic")
    s.expect(isinstance(of, ArrayType) or of.mutable, "a store through an immutable view")
    s.operand(i.value, of.element)
    return None, (ir.Kind.INDEX,)


def _element_ref(s: Scope, i: ir.ElementRef) -> Outcome:
    of = _indexed(s, i.base, i.index)
    s.expect(of.inline or of.atomic, "the elements are neither inline nor atomic")
    return of.element if isinstance(of.element, RefType) else RefType(of.element), (ir.Kind.INDEX,)


def _fill_array(s: Scope, i: ir.FillArray) -> Outcome:
    of = s.container(i.base)
    s.expect(not of.inline, "the elements are inline")
    s.operand(i.value, of.element)
    return None, ()


def _copy(s: Scope, i: ir.Copy) -> Outcome:
    target, source = s.container(i.target), s.container(i.source)
    s.expect(isinstance(target, SpanType) and target.mutable, "the target is no mutable span")
    s.expect(isinstance(source, SpanType), "the source is no span")
    s.expect(target.element == source.element, f"{source.element} copied to {target.element}")
    s.expect(not target.inline and not target.atomic and not source.inline, "the elements have identity")
    return None, (ir.Kind.INDEX,)


def _load_wire(s: Scope, i: ir.LoadWire) -> Outcome:
    return s.wire_field(i.base, i.wire, i.field), ()


def _store_wire(s: Scope, i: ir.StoreWire) -> Outcome:
    of = s.wire_field(i.base, i.wire, i.field)
    s.operand(i.value, of)
    narrow = isinstance(of, IntType) and i.wire.fields[i.field].bits < of.bits
    return None, (ir.Kind.CONVERSION,) if narrow else ()


def _wire_ref(s: Scope, i: ir.WireRef) -> Outcome:
    s.wire_field(i.base, i.wire, i.field)
    of = _result_type(s, i)
    s.expect(isinstance(of, (RefType, SpanType)), f"a wire field as {of}")
    return of, ()


def _wire_view(s: Scope, i: ir.WireView) -> Outcome:
    source, of = s.container(i.span_operand), _result_type(s, i)
    s.expect(source.element == U8, "a wire view of something else than bytes")
    s.expect(isinstance(of, RefType) and isinstance(of.target, WireType), f"{of} is no wire class")
    return of, (ir.Kind.INDEX,)


_ATOMIC_OPERANDS = {"load": 0, "compare_exchange": 2}
_ATOMICS = ("load", "store", "exchange", "compare_exchange", "add", "sub", "and", "or", "xor")


def _atomic(s: Scope, i: ir.Atomic) -> Outcome:
    s.operand(i.cell)
    s.expect(isinstance(i.cell.type, RefType) and isinstance(i.cell.type.target, IntType), f"{i.cell.type} is no cell")
    s.expect(i.op in _ATOMICS, f"unknown atomic operation {i.op}")
    assert isinstance(i.cell.type, RefType)
    of = i.cell.type.target
    s.expect(len(i.operands) == _ATOMIC_OPERANDS.get(i.op, 1), f"{len(i.operands)} operands")
    for operand in i.operands:
        s.operand(operand, of)
    if i.op == "store":
        return None, ()
    return BOOL if i.op == "compare_exchange" else of, ()


# --- the rest ---------------------------------------------------------------------------------------------------------


def _fence(_: Scope, __: ir.Fence) -> Outcome:
    return None, ()


def _call(s: Scope, i: ir.Call) -> Outcome:
    parameters = i.function.parameters
    s.expect(len(parameters) == len(i.arguments), f"{len(parameters)} arguments are due, {len(i.arguments)} given")
    s.expect(s.ghost or not i.function.ghost, f"the program calls the ghost function {i.function.symbol}")
    for parameter, argument in zip(parameters, i.arguments, strict=True):
        s.operand(argument, parameter.type)
    return i.function.result, ()


def _require(s: Scope, i: ir.Require) -> Outcome:
    s.operand(i.condition, BOOL)
    s.expect(len(i.checks) == 1, "a requirement has exactly one check")
    return None, (i.checks[0].kind,)


def _retire(s: Scope, i: ir.Retire) -> Outcome:
    s.operand(i.reference)
    s.expect(isinstance(i.reference.type, RefType), f"{i.reference.type} is retired")
    return None, ()


def _renew(s: Scope, i: ir.Renew) -> Outcome:
    s.operand(i.reference)
    of = i.reference.type
    s.expect(isinstance(of, RefType) and isinstance(of.target, StructType), f"{of} is made anew")
    return of, ()


def _alive(s: Scope, i: ir.Alive) -> Outcome:
    s.operand(i.reference)
    s.expect(isinstance(i.reference.type, RefType), f"a method of {i.reference.type}")
    return None, ()


_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _asm(s: Scope, i: ir.Asm) -> Outcome:
    for operand in i.inputs:
        s.operand(operand)
        scalar = isinstance(operand.type, (IntType, BoolType, EnumType)) or _is_reference(operand.type)
        s.expect(scalar, f"{operand.type} as an operand of asm")
    for name in _PLACEHOLDER.findall(i.template):
        known = (name == "result" and i.result is not None) or (name.isdigit() and int(name) < len(i.inputs))
        s.expect(known, f"{{{name}}} stands for nothing")
    pinned = len(i.registers)
    s.expect(pinned in (0, len(i.inputs)), f"{pinned} registers for {len(i.inputs)} operands of asm")
    if i.result is None:
        s.expect(not i.results, "registers for results, and no result")
        return None, ()
    of = i.result.type
    if i.results:
        s.expect(of == TupleType((U64,) * len(i.results)), f"asm gives {of} in {len(i.results)} registers")
        return of, ()
    s.expect(isinstance(of, (IntType, BoolType, RefType)), f"asm gives {of}")
    return of, ()


def _address_of(s: Scope, i: ir.AddressOf) -> Outcome:
    s.operand(i.reference)
    s.expect(isinstance(i.reference.type, (RefType, SpanType)), f"the address of {i.reference.type}")
    return U64, ()


def _object_at(s: Scope, i: ir.ObjectAt) -> Outcome:
    s.operand(i.address, U64)
    of = _result_type(s, i)
    if i.length is None:
        s.expect(isinstance(of, RefType), f"{of} at an address")
        struct = isinstance(of, RefType) and isinstance(of.target, StructType)
        s.expect(struct or not i.new, f"a new {of} at an address")
    else:
        s.operand(i.length, U64)
        s.expect(isinstance(of, SpanType), f"{of} at an address, with a length")
    return of, ()


RULES: dict[type, Callable[[Scope, Any], Outcome]] = {
    ir.Get: _get,
    ir.Set: _set,
    ir.Unary: _unary,
    ir.Binary: _binary,
    ir.Compare: _compare,
    ir.Convert: _convert,
    ir.Select: _select,
    ir.MakeRecord: _make_record,
    ir.Item: _item,
    ir.MakeUnion: _make_union,
    ir.IsArm: _is_arm,
    ir.AsArm: _as_arm,
    ir.New: _new,
    ir.LoadField: _load_field,
    ir.StoreField: _store_field,
    ir.FieldRef: _field_ref,
    ir.LoadElement: _load_element,
    ir.StoreElement: _store_element,
    ir.ElementRef: _element_ref,
    ir.FillArray: _fill_array,
    ir.Copy: _copy,
    ir.MakeSpan: _make_span,
    ir.Slice: _slice,
    ir.Length: _length,
    ir.LoadWire: _load_wire,
    ir.StoreWire: _store_wire,
    ir.WireRef: _wire_ref,
    ir.WireView: _wire_view,
    ir.Atomic: _atomic,
    ir.Fence: _fence,
    ir.Call: _call,
    ir.Require: _require,
    ir.Retire: _retire,
    ir.Renew: _renew,
    ir.Alive: _alive,
    ir.Asm: _asm,
    ir.AddressOf: _address_of,
    ir.ObjectAt: _object_at,
}
