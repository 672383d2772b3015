"""What instructions mean, but for variables and calls: results, conditions of checks, and effects on memory.

Memory that others can write (wire objects, atomic cells, bytes that may lie in a wire object) is another unknown at
each read. Assembly gives unknowns, and is assumed to leave alone all objects that the program has references to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neokernel.compiler import interpret, ir
from neokernel.compiler.layout import Layout, record_fields
from neokernel.compiler.types import (
    NONE,
    U8,
    ArrayType,
    BoolType,
    FloatType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)
from neokernel.prover import scalars
from neokernel.prover import terms as t
from neokernel.prover.memory import Cells
from neokernel.prover.paths import START, Path
from neokernel.prover.states import Frame, State
from neokernel.prover.terms import REF, Term
from neokernel.prover.values import SIZE, Value, float_bits, float_value
from neokernel.prover.writes import container, is_bytes

if TYPE_CHECKING:
    from neokernel.prover.execute import Executor

Outcome = tuple[Value, tuple[Term, ...]]

#: where fields lie in memory: it matters where an object is seen as a span
MEMORY = Layout()


@dataclass(frozen=True, slots=True)
class Seen:
    """An object of a struct is seen as a span of such elements."""

    struct: StructType
    cells: Cells


#: how what comes of them is called, of which nothing is known; of the latter at each read
FLOATS = "arithmetic with floats"
FOREIGN = "memory that others may write"
#: bytes of views that are compared one by one
COMPARED = 64


def run(x: Executor, frame: Frame, node: ir.Instruction, state: State) -> Outcome:
    """The result, and what must hold for each check; for `AsArm`, that the union has the arm."""
    match node:
        case ir.Unary() | ir.Binary() | ir.Compare() | ir.Convert():
            return _scalar(x, frame, node, state.path)
        case ir.Select(condition=condition, left=left, right=right):
            told = x.term(frame, condition)
            pairs = zip(x.value(frame, left), x.value(frame, right), strict=True)
            return tuple(t.choose(told, a, b) for a, b in pairs), ()
        case ir.MakeRecord(items=items):
            return tuple(part for item in items for part in x.value(frame, item)), ()
        case ir.Item(record=record, index=index):
            return x.layout.item(record.type, x.value(frame, record), index), ()
        case ir.MakeUnion(value=operand):
            target = _result(node)
            assert isinstance(target, UnionType)
            return x.layout.as_union(target, operand.type, x.value(frame, operand)), ()
        case ir.IsArm(union=union, arms=arms):
            assert isinstance(union.type, UnionType)
            return (x.layout.is_arm(union.type, x.value(frame, union), arms),), ()
        case ir.AsArm(union=union):
            return _as_arm(x, frame, node, union)
        case ir.Require(condition=condition):
            return (), (x.term(frame, condition),)
        case (
            ir.LoadField()
            | ir.FieldRef()
            | ir.LoadElement()
            | ir.ElementRef()
            | ir.MakeSpan()
            | ir.Slice()
            | ir.Length()
            | ir.New()
            | ir.ObjectAt(new=True)
        ):
            return _read(x, frame, node, state)
        case ir.StoreElement(base=base, index=index):
            return (), (_within(x, frame, base, index),)
        case ir.Copy(target=to, source=source):
            return (), (t.equal(x.value(frame, to)[2], x.value(frame, source)[2]),)
        case ir.LoadWire() | ir.StoreWire() | ir.WireRef() | ir.WireView() | ir.Atomic():
            return _foreign(x, frame, node)
        case ir.Renew(reference=reference):
            return x.value(frame, reference), ()
        case ir.ObjectAt(address=address, length=length):
            return _object_at(x, frame, node, address, length), ()
        case ir.AddressOf(reference=reference):
            value = x.value(frame, reference)
            if isinstance(reference.type, SpanType):
                return x.unknown(_result(node), "address"), ()
            found = t.apply("address", 64, value[0])
            if isinstance(reference.type, RefType) and isinstance(reference.type.target, StructType):
                x.addresses[found] = reference.type.target
            return (found,), ()
        case ir.Asm():
            return (() if node.result is None else x.unknown(node.result.type, "asm")), ()
    return (), ()


def effect(x: Executor, frame: Frame, node: ir.Instruction, state: State) -> None:
    """What the instruction does to memory, once its checks have held."""
    memory, path = x.memory, state.path
    match node:
        case ir.StoreField(base=base, struct=struct, field=name, value=operand):
            if not struct.fields[name].atomic:
                reference = x.term(frame, base)
                x.invariants.touch(x, struct, reference)
                memory.store(x.writes.field(node), (reference,), x.value(frame, operand), path)
                forget_views(x, reference, x.layout.name(struct), path, node)
        case ir.StoreElement(base=base, index=index, value=operand):
            place = _place(x, frame, base, index)
            if is_bytes(base) and _may_be_foreign(place[0]):
                x.forget(x.writes.bytes(), None, None, path)
            else:
                memory.store(x.writes.elements(base), place, x.value(frame, operand), path)
                forget_seen(x, place[0], path)
        case ir.FillArray(base=base, value=operand):
            if not container(base).atomic:
                memory.fill(x.writes.elements(base), x.term(frame, base), x.value(frame, operand), path)
                forget_seen(x, x.term(frame, base), path)
        case ir.Copy(target=to, source=source):
            _copy(x, frame, to, source, path)
        case ir.Renew(reference=reference):
            # Stores of its fields follow, but of ghost ones.
            for cells in x.writes.written_by(node):
                x.forget(cells, None, None, path)
        case ir.StoreWire(base=base):
            if _may_be_bytes(x.term(frame, base)):
                x.forget(x.writes.bytes(), None, None, path)
        case ir.New(result=result) | ir.ObjectAt(result=result, new=True) if result is not None:
            assert isinstance(result.type, RefType)
            (made,) = frame.temps[result]
            assert x.layout.only(result.type) is None, "another one is made of what there is one of"
            x.made.append((made, result.type.target, path))
            if isinstance(node, ir.New) and not node.zero:
                return
            for cells in sorted(set(x.writes.inside(result.type.target)), key=lambda cells: cells.name):
                memory.clear(cells, made, path)


def _result(node: ir.Instruction) -> Type:
    assert node.result is not None
    return node.result.type


# --- scalars ----------------------------------------------------------------------------------------------------------


def _scalar(x: Executor, frame: Frame, node: ir.Unary | ir.Binary | ir.Compare | ir.Convert, path: Path) -> Outcome:
    if isinstance(node, ir.Compare):
        left = node.left.type
        if not isinstance(left, FloatType):
            same = _compared(x, node.op, left, x.value(frame, node.left), x.value(frame, node.right), path)
            return (same,), ()
        operands: tuple[ir.Operand, ...] = (node.left, node.right)
    elif isinstance(node, ir.Binary):
        operands = (node.left, node.right)
    else:
        operands = (node.operand,)
    of, to = operands[0].type, _result(node)
    if isinstance(of, FloatType) or isinstance(to, FloatType):
        return _float(x, frame, node, operands)
    terms = [x.term(frame, operand) for operand in operands]
    if isinstance(node, ir.Unary):
        made, goals = scalars.unary(node, terms[0])
    elif isinstance(node, ir.Binary):
        made, goals = scalars.binary(node, terms[0], terms[1])
    else:
        assert isinstance(node, ir.Convert)
        made, goals = scalars.convert(node, terms[0])
    return (made,), goals


def _compared(x: Executor, op: str, type_: Type, a: Value, b: Value, path: Path) -> Term:
    """A comparison of anything but floats; references are compared by identity, records by their fields."""
    match type_:
        case RefType():
            same = x.memory.same(a[0], b[0])
        case UnionType():
            same = _same_arm(x, type_, a, b, path)
        case SpanType():
            same = _same_bytes(x, a, b, path)
        case ValueType() | TupleType():
            same = _same_record(x, type_, a, b, path)
        case _ if type_ == NONE:
            same = t.TRUE
        case _:
            return scalars.compare(op, type_, a[0], b[0])
    return same if op == "eq" else t.invert(same)


def _equal(x: Executor, type_: Type, a: Value, b: Value, path: Path) -> Term:
    return x.fresh(FLOATS, t.BOOL) if isinstance(type_, FloatType) else _compared(x, "eq", type_, a, b, path)


def _same_record(x: Executor, type_: ValueType | TupleType, a: Value, b: Value, path: Path) -> Term:
    item, fields = x.layout.item, record_fields(type_)
    parts = (_equal(x, of, item(type_, a, n), item(type_, b, n), path) for n, (_, of) in enumerate(fields))
    return t.conjunction(*parts)


def _same_arm(x: Executor, type_: UnionType, a: Value, b: Value, path: Path) -> Term:
    """Both have the same arm, and what is in it is equal."""
    if type_.is_optional_reference:
        return x.memory.same(a[0], b[0])
    parts = [t.equal(a[0], b[0])]
    for arm in type_.arms:
        same = _equal(x, arm, x.layout.arm(type_, a, arm), x.layout.arm(type_, b, arm), path)
        parts.append(t.implies(x.layout.is_arm(type_, a, (arm,)), same))
    return t.conjunction(*parts)


def _same_bytes(x: Executor, a: Value, b: Value, path: Path) -> Term:
    """Of two views: byte by byte, if the length of one is known and not large; else, that both have the same length."""
    lengths = t.equal(a[2], b[2])
    if lengths is t.FALSE:
        return t.FALSE
    known = a[2].known if a[2].known is not None else b[2].known
    if known is None or known > COMPARED:
        return t.conjunction(lengths, x.fresh("same", t.BOOL))

    def byte(view: Value, index: int) -> Term:
        if _may_be_foreign(view[0]):
            return x.unknown(U8, FOREIGN)[0]
        place = view[0], t.arithmetic("add", view[1], t.number(index, SIZE))
        return x.memory.load(x.writes.bytes(), place, path, x.before)[0]

    return t.conjunction(lengths, *(t.equal(byte(a, n), byte(b, n)) for n in range(known)))


def _float(x: Executor, frame: Frame, node: ir.Instruction, operands: tuple[ir.Operand, ...]) -> Outcome:
    """Of constants, what the interpreter makes of them; else anything. Which bits a NaN has, machines may choose."""
    terms = [x.term(frame, operand) for operand in operands]
    known = [_as_constant(operand.type, term) for operand, term in zip(operands, terms, strict=True)]
    compares = isinstance(node, ir.Compare)
    if all(k is not None and (compares or not _is_nan(k.value)) for k in known):
        constants = [k for k in known if k is not None]
        match node:
            case ir.Compare() | ir.Binary():
                node = replace(node, left=constants[0], right=constants[1])
            case ir.Unary() | ir.Convert():
                node = replace(node, operand=constants[0])
        body: ir.Block = [node, ir.Return(node.span, node.result)]
        try:
            found = interpret.run(ir.Function("", "", "", node.span, [], _result(node), body), [])
        except interpret.CheckFailed:
            return x.unknown(_result(node), FLOATS), tuple(t.FALSE for _ in node.checks)
        if _is_nan(found):
            return x.unknown(_result(node), FLOATS), tuple(t.TRUE for _ in node.checks)
        return (_as_term(_result(node), found),), tuple(t.TRUE for _ in node.checks)
    return x.unknown(_result(node), FLOATS), tuple(x.fresh(FLOATS, t.BOOL) for _ in node.checks)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _as_constant(type_: Type, term: Term) -> ir.Const | None:
    if term.known is None:
        return None
    match type_:
        case FloatType(bits=bits):
            return ir.Const(type_, float_value(term.known, bits))
        case BoolType():
            return ir.Const(type_, bool(term.known))
    return ir.Const(type_, t.signed(term) if scalars.scalar_type(type_).signed else term.known)


def _as_term(type_: Type, value: float | int | bool) -> Term:
    match type_:
        case FloatType(bits=bits):
            return t.number(float_bits(float(value), bits), bits)
        case BoolType():
            return t.boolean(bool(value))
    return t.number(int(value), scalars.scalar_type(type_).bits)


# --- unions -----------------------------------------------------------------------------------------------------------


def _as_arm(x: Executor, frame: Frame, node: ir.Instruction, union: ir.Operand) -> Outcome:
    of, wanted, value = union.type, _result(node), x.value(frame, union)
    assert isinstance(of, UnionType)
    if isinstance(wanted, UnionType):
        return x.layout.as_union(wanted, of, value), (x.layout.is_arm(of, value, wanted.arms),)
    return x.layout.arm(of, value, wanted), (x.layout.is_arm(of, value, (wanted,)),)


# --- objects ----------------------------------------------------------------------------------------------------------


def _read(x: Executor, frame: Frame, node: ir.Instruction, state: State) -> Outcome:
    match node:
        case ir.LoadField(base=base):
            reference = x.term(frame, base)
            x.invariants.touch(x, node.struct, reference)
            return x.memory.load(x.writes.field(node), (reference,), state.path, x.before), ()
        case ir.FieldRef(base=base, struct=struct, field=name):
            reference = x.term(frame, base)
            x.invariants.touch(x, struct, reference)
            return (t.inline_field(f"{x.layout.name(struct)}.{name}", reference),), ()
        case ir.LoadElement(base=base, index=index):
            place, within = _place(x, frame, base, index), _within(x, frame, base, index)
            if is_bytes(base) and _may_be_foreign(place[0]):
                return x.unknown(U8, FOREIGN), (within,)
            return x.memory.load(x.writes.elements(base), place, state.path, x.before), (within,)
        case ir.ElementRef(base=base, index=index):
            array, position = _place(x, frame, base, index)
            return (t.inline_element(array, position),), (_within(x, frame, base, index),)
        case ir.MakeSpan(base=base):
            return _span(x, frame, base), ()
        case ir.Slice(base=base, start=start, stop=stop):
            array, offset, length = _span(x, frame, base)
            first = t.resize(x.term(frame, start), SIZE, False)
            last = length if stop is None else t.resize(x.term(frame, stop), SIZE, False)
            inside = t.conjunction(t.at_most(first, last, False), t.at_most(last, length, False))
            return (array, t.arithmetic("add", offset, first), t.arithmetic("sub", last, first)), (inside,)
        case ir.Length(base=base):
            return (_length(x, frame, base),), ()
    return (x.memory.new(),), ()


def _span(x: Executor, frame: Frame, base: ir.Operand) -> Value:
    """An array or span as a span."""
    if isinstance(base.type, RefType):
        return (x.term(frame, base), t.number(0, SIZE), _length(x, frame, base))
    return x.value(frame, base)


def _length(x: Executor, frame: Frame, base: ir.Operand) -> Term:
    if isinstance(base.type, RefType):
        assert isinstance(base.type.target, ArrayType)
        return t.number(base.type.target.length, SIZE)
    return x.value(frame, base)[2]


def _place(x: Executor, frame: Frame, base: ir.Operand, index: ir.Operand) -> tuple[Term, Term]:
    """An element's array and its position there."""
    array, offset, _ = _span(x, frame, base)
    return array, t.arithmetic("add", offset, t.resize(x.term(frame, index), SIZE, False))


def _within(x: Executor, frame: Frame, base: ir.Operand, index: ir.Operand) -> Term:
    return t.below(t.resize(x.term(frame, index), SIZE, False), _length(x, frame, base), False)


def _copy(x: Executor, frame: Frame, to: ir.Operand, source: ir.Operand, path: Path) -> None:
    target, origin = x.value(frame, to), x.value(frame, source)
    if container(to).element == U8 and (_may_be_foreign(target[0]) or _may_be_foreign(origin[0])):
        x.forget(x.writes.bytes(), None, None, path)
    else:
        x.memory.move(x.writes.elements(to), target, origin, path)
        forget_seen(x, target[0], path)


def forget_seen(x: Executor, array: Term, path: Path) -> None:
    """An array's elements were written: if it is an object that is seen as a span, the object's fields were; and so
    was what else is seen as a span and lies where they do."""
    if array.op == "ite":
        forget_seen(x, array.terms[1], path)
        forget_seen(x, array.terms[2], path)
    elif array.op == "field" and (seen := x.seen.get(str(array.args[0]))) is not None:
        forget_fields(x, seen.struct, path)
        forget_views(x, array.terms[0], x.layout.name(seen.struct), path, but=array)
    else:
        _forget_around(x, array, path)


def forget_views(
    x: Executor, written: Term, struct: str, path: Path, field: ir.StoreField | None = None, but: Term | None = None
) -> None:
    """An object of a struct was written to, or this field of it: if it, or one that it is a part of, is seen as a span,
    so were the span's elements, or those that the field lies in."""
    for name, seen in x.seen.items():
        span = t.inline_field(name, written)
        if x.layout.name(seen.struct) != struct or span is but:
            continue
        if field is None:
            x.memory.forget_elements(seen.cells, span, path)
            continue
        for index in _covered(field.struct, field.field, seen.cells.type):
            value = x.unknown(seen.cells.type, seen.cells.name)
            x.memory.store(seen.cells, (span, t.number(index, SIZE)), value, path)
    _forget_around(x, written, path)


def forget_what_is_seen(x: Executor, cells: Cells, path: Path) -> None:
    """Anything may have been written to these cells: of spans that may be objects, so it was to the objects' fields;
    and of fields, to all that these are seen as."""
    written = {cells}
    for seen in x.seen.values():
        if seen.cells == cells:
            written |= {*x.writes.inside(seen.struct)}
    for each in sorted(written - {cells}, key=lambda cells: cells.name):
        x.memory.forget(each, path)
    for seen in x.seen.values():
        if not written.isdisjoint(x.writes.inside(seen.struct)):
            x.memory.forget(seen.cells, path)


def _forget_around(x: Executor, part: Term, path: Path) -> None:
    """A part was written to: and so was what the objects around it are seen as."""
    if not x.seen:
        return
    match part.op:
        case "ite":
            _forget_around(x, part.terms[1], path)
            _forget_around(x, part.terms[2], path)
        case "element":
            _forget_around(x, part.terms[0], path)
        case "field":
            forget_views(x, part.terms[0], owner(str(part.args[0])), path)


def owner(field: str) -> str:
    """The name of the struct that a field's cells or terms are called by."""
    return field.rpartition(".")[0]


def _covered(struct: StructType, name: str, element: Type) -> range:
    """Which elements of a span from a struct's begin a field lies in; none, if it has no storage."""
    field, size = struct.fields[name], MEMORY.size(element)
    if field.ghost or size == 0:
        return range(0)
    first = MEMORY.offset(struct, name)
    return range(first // size, -(-(first + MEMORY.size(MEMORY.stored_type(field))) // size))


def forget_fields(x: Executor, struct: StructType, path: Path) -> None:
    for cells in sorted(set(x.writes.inside(struct)), key=lambda cells: cells.name):
        x.memory.forget(cells, path)


# --- what others can write --------------------------------------------------------------------------------------------

#: names of fields within wire objects begin so
_WIRE = "wire "


def _wire_root(reference: Term) -> Term:
    while reference.op == "field" and str(reference.args[0]).startswith(_WIRE):
        reference = reference.terms[0]
    return reference


def _may_be_bytes(wire: Term) -> bool:
    """May a wire object lie in an array of bytes? Not if it is a field, an element, or made as what it is."""
    return _wire_root(wire).op not in ("field", "element", "new")


def _may_be_foreign(array: Term) -> bool:
    """May bytes lie in a wire object? Not if their array is a struct's field, or was made as an array."""
    return array.op not in ("field", "element", "new", "table") or _wire_root(array) is not array


def _foreign(x: Executor, frame: Frame, node: ir.Instruction) -> Outcome:
    match node:
        case ir.LoadWire(wire=wire, field=name):
            of = wire.fields[name]
            (read,) = x.unknown(of.type, FOREIGN)
            if of.bits < read.sort:
                x.assume(START, t.below(read, t.number(1 << of.bits, read.sort), False))
            return (read,), ()
        case ir.StoreWire(wire=wire, field=name, value=operand):
            of, written = wire.fields[name], x.term(frame, operand)
            return (), tuple(t.below(written, t.number(1 << of.bits, written.sort), False) for _ in node.checks)
        case ir.WireRef(base=base, wire=wire, field=name):
            inner = t.inline_field(f"{_WIRE}{x.layout.name(wire)}.{name}", x.term(frame, base))
            if isinstance(_result(node), RefType):
                return (inner,), ()
            array = wire.fields[name].type
            assert isinstance(array, ArrayType)
            return (inner, t.number(0, SIZE), t.number(array.length, SIZE)), ()
        case ir.WireView(span_operand=span):
            of_type = _result(node)
            assert isinstance(of_type, RefType) and isinstance(of_type.target, WireType)
            enough = t.at_most(t.number(of_type.target.size, SIZE), _length(x, frame, span), False)
            return x.unknown(of_type, "view"), (enough,)
        case ir.Atomic(result=result):
            return (() if result is None else x.unknown(result.type, FOREIGN)), ()
    raise AssertionError(node)


def _object_at(
    x: Executor, frame: Frame, node: ir.Instruction, address: ir.Operand, length: ir.Operand | None
) -> Value:
    """The object at an address: any that there is, always the same at the same address; or an object as a span."""
    of, where = _result(node), x.term(frame, address)
    if length is not None and where in x.addresses:
        struct = x.addresses[where]
        name = f"{x.layout.name(struct)} as {of}"
        assert isinstance(of, SpanType)
        x.seen[name] = Seen(struct, Cells(f"[{x.layout.name(of.element)}]", of.element))
        return (t.inline_field(name, where.terms[0]), t.number(0, SIZE), x.term(frame, length))
    found = t.apply(f"{x.layout.name(of)} at", REF, where)
    x.assume(START, t.invert(t.equal(found, t.NULL)))
    if length is None:
        return (found,)
    return (found, t.number(0, SIZE), x.term(frame, length))
