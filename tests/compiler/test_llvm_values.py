"""Records, unions, containers, wire formats, atomics, control flow: each function runs on the host and on riscv64."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from neokernel.compiler import ir, jit
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    F64,
    I8,
    I32,
    NONE,
    STR,
    U8,
    U16,
    U32,
    U64,
    ArrayType,
    EnumType,
    Field,
    IntType,
    Order,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireField,
    WireType,
)
from neokernel.compiler.verify import verify
from tests.support import machine
from tests.support.irbuilder import FunctionBuilder, const, program

Expected = tuple[tuple[Any, ...], Any]  # arguments, and the result or the kind of the check that fails


def agree(builders: Sequence[FunctionBuilder], symbol: str, cases: Sequence[Expected]) -> None:
    """On the host and on the machine, at several levels, each call must give what is expected."""
    built = program(*builders)
    verify(built)
    for level in (0, 2):
        library = jit.Library(built, level=level)
        for arguments, expected in cases:
            try:
                actual = library.call(symbol, *arguments)
            except jit.CheckError as failure:
                actual = failure.kind
            assert actual == expected, (arguments, level)
        if machine.QEMU is None:
            continue
        results = machine.call_all(built, [(symbol, arguments) for arguments, _ in cases], level=level)
        for (arguments, expected), (value, outcome) in zip(cases, results, strict=True):
            assert outcome.trap is None, outcome
            actual = outcome.failed.kind if outcome.failed else value
            assert actual == expected, (arguments, level)


POINT = ValueType("Point", "sample", {"x": Field("x", I32), "ok": Field("ok", BOOL), "y": Field("y", I8)})
COLOR = EnumType("Color", "sample", {"RED": 0, "GREEN": 5, "BLUE": 9}, U8)
PAIR = TupleType((POINT, U64))
MIXED = UnionType((U32, POINT, NONE, COLOR, F64))


def test_records() -> None:
    f = FunctionBuilder("sample.f", [("p", POINT), ("n", U64)], PAIR)
    p = f.parameter(0)
    moved = f.record(
        POINT,
        f.binary("add", f.item(p, 0, I32), const(I32, 1)),
        f.unary("not", f.item(p, 1, BOOL)),
        f.item(p, 2, I8),
    )
    f.ret(f.record(PAIR, moved, f.parameter(1)))
    cases: list[Expected] = [(((3, True, -4), 9), ((4, False, -4), 9))]
    cases.append((((2**31 - 1, True, 0), 0), ir.Kind.OVERFLOW))
    agree([f], "sample.f", cases)


def test_constant_records_and_tables() -> None:
    table = SpanType(PAIR, mutable=False)

    def row(x: int, y: int, n: int) -> ir.ConstRecord:
        point = ir.ConstRecord(POINT, (const(I32, x), const(BOOL, x > y), const(I8, y)))
        return ir.ConstRecord(PAIR, (point, const(U64, n)))

    f = FunctionBuilder("sample.f", [("i", U64)], PAIR)
    f.ret(f.element(const(table, (row(1, 2, 3), row(4, -5, 2**64 - 1))), f.parameter(0)))
    agree([f], "sample.f", [((0,), ((1, False, 2), 3)), ((1,), ((4, True, -5), 2**64 - 1)), ((2,), ir.Kind.INDEX)])


def test_union_round_trip() -> None:
    """Every arm, made and taken apart again by a switch."""
    f = FunctionBuilder("sample.f", [("u", MIXED)], U64)
    u = f.parameter(0)
    cases: list[tuple[tuple[int, ...] | tuple[Type, ...], ir.Block]] = [((arm,), []) for arm in MIXED.arms[:4]]
    default: ir.Block = []
    f.add(ir.Switch(f.span(), u, cases, default))
    with f.within(cases[0][1]):
        f.ret(f.convert(f.as_arm(u, U32), U64))
    with f.within(cases[1][1]):
        point = f.as_arm(u, POINT)
        f.ret(f.convert(f.item(point, 2, I8), U64))
    with f.within(cases[2][1]):
        f.ret(const(U64, 1000))
    with f.within(cases[3][1]):
        f.ret(f.convert(f.as_arm(u, COLOR), U64))
    with f.within(default):
        f.ret(f.convert(f.as_arm(u, F64), U64))
    wanted: list[Expected] = [(((0, 77),), 77), (((1, (5, True, 6)),), 6), (((1, (5, True, -6)),), ir.Kind.CONVERSION)]
    wanted += [(((2, None),), 1000), (((3, 9),), 9), (((4, 3.99),), 3)]
    agree([f], "sample.f", wanted)


@pytest.mark.parametrize(
    ("arm", "value"), [(U32, 5), (POINT, (-1, True, -2)), (NONE, None), (COLOR, 9), (F64, -2.5)], ids=str
)
def test_make_union(arm: Type, value: Any) -> None:
    f = FunctionBuilder("sample.f", [("v", arm)], MIXED)
    f.ret(f.union(MIXED, f.parameter(0) if arm != NONE else const(NONE, None)))
    agree([f], "sample.f", [((value,), (MIXED.arms.index(arm), value))])


def test_constant_unions() -> None:
    values: list[tuple[Type, ir.ConstValue, Any]] = [
        (U32, const(U32, 7), 7),
        (POINT, ir.ConstRecord(POINT, (const(I32, -1), const(BOOL, True), const(I8, -3))), (-1, True, -3)),
        (NONE, const(NONE, None), None),
        (F64, const(F64, -0.5), -0.5),
    ]
    for arm, constant, value in values:
        f = FunctionBuilder("sample.f", [], MIXED)
        f.ret(ir.ConstRecord(MIXED, (constant,), arm))
        agree([f], "sample.f", [((), (MIXED.arms.index(arm), value))])


def test_unions_within_unions() -> None:
    small = UnionType((NONE, COLOR))
    f = FunctionBuilder("sample.larger", [("u", small)], MIXED)
    f.ret(f.union(MIXED, f.parameter(0)))
    agree([f], "sample.larger", [(((0, None),), (2, None)), (((1, 5),), (3, 5))])
    g = FunctionBuilder("sample.smaller", [("u", MIXED)], small)
    g.require(g.is_arm(g.parameter(0), NONE, COLOR))
    g.ret(g.as_arm(g.parameter(0), small))
    agree([g], "sample.smaller", [(((2, None),), (0, None)), (((3, 9),), (1, 9)), (((0, 9),), ir.Kind.ASSERT)])


@pytest.mark.parametrize("op", ["eq", "ne"])
def test_structural_equality(op: str) -> None:
    f = FunctionBuilder("sample.f", [("a", MIXED), ("b", MIXED)], BOOL)
    f.ret(f.compare(op, f.parameter(0), f.parameter(1)))
    values = [(0, 5), (0, 6), (1, (1, True, 2)), (1, (1, False, 2)), (2, None), (3, 5), (4, 5.0), (4, float("nan"))]
    cases: list[Expected] = [((a, b), (a == b) == (op == "eq")) for a in values for b in values if a == a]
    cases = [(args, (op == "ne") if args[0] is args[1] and args[0][1] != args[0][1] else r) for args, r in cases]
    agree([f], "sample.f", cases)


def test_text_and_bytes() -> None:
    f = FunctionBuilder("sample.f", [("i", U64)], U8)
    f.ret(f.element(const(BYTES, b'\x00\xff"\\%\n'), f.parameter(0)))
    agree([f], "sample.f", [((i,), b'\x00\xff"\\%\n'[i]) for i in range(6)] + [((6,), ir.Kind.INDEX)])
    g = FunctionBuilder("sample.g", [("which", BOOL)], BOOL)
    chosen = g.select(g.parameter(0), const(STR, "häuser".encode()), const(STR, b"h"))
    g.ret(g.compare("eq", chosen, const(STR, "häuser".encode())))
    agree([g], "sample.g", [((True,), True), ((False,), False)])


def _counter() -> StructType:
    inner = StructType("Inner", "sample", {"a": Field("a", U8), "b": Field("b", U32)})
    return StructType(
        "Counter",
        "sample",
        {
            "flag": Field("flag", BOOL),
            "inner": Field("inner", inner, inline=True),
            "list": Field("list", ArrayType(U16, 4), inline=True),
            "hits": Field("hits", U32, atomic=True),
            "proof": Field("proof", U64, ghost=True),
            "nothing": Field("nothing", NONE),
            "choice": Field("choice", MIXED),
            "point": Field("point", POINT),
        },
    )


def test_objects_embedded_and_arrays() -> None:
    counter = _counter()
    inner = counter.fields["inner"].type
    assert isinstance(inner, StructType)
    f = FunctionBuilder("sample.f", [("i", U64), ("v", U16)], U64)
    c = f.new(counter)
    embedded, values = f.field_ref(c, counter, "inner"), f.field_ref(c, counter, "list")
    f.store(embedded, inner, "b", const(U32, 100))
    f.store(c, counter, "flag", const(BOOL, True))
    f.fill(values, const(U16, 3))
    f.set_element(values, f.parameter(0), f.parameter(1))
    total = f.variable("total", U64)
    f.set(total, f.convert(f.load(embedded, inner, "b"), U64))
    with f.counted("k", const(U64, 4)) as k:
        f.set(total, f.binary("add", f.get(total), f.convert(f.element(values, k, checked=False), U64)))
    then, _ = f.branch(f.load(c, counter, "flag"))
    with f.within(then):
        f.ret(f.get(total))
    f.ret(const(U64, 0))
    agree([f], "sample.f", [((0, 7), 116), ((3, 65535), 65644), ((4, 7), ir.Kind.INDEX)])


def test_records_and_unions_in_memory() -> None:
    counter = _counter()
    f = FunctionBuilder("sample.f", [("u", MIXED), ("p", POINT)], TupleType((MIXED, POINT)))
    c = f.new(counter)
    f.store(c, counter, "choice", f.parameter(0))
    f.store(c, counter, "point", f.parameter(1))
    f.ret(f.record(TupleType((MIXED, POINT)), f.load(c, counter, "choice"), f.load(c, counter, "point")))
    values = [(0, 5), (1, (1, True, 2)), (2, None), (3, 5), (4, 5.0)]
    agree([f], "sample.f", [((u, (-1, True, -9)), (u, (-1, True, -9))) for u in values])


def test_inline_elements() -> None:
    item = StructType("Item", "sample", {"key": Field("key", U8), "weight": Field("weight", U64)})
    items = ArrayType(item, 5, inline=True)
    f = FunctionBuilder("sample.f", [("i", U64)], U64)
    a = f.new(items)
    span = SpanType(item, mutable=True, inline=True)
    s = f.slice(a, const(U64, 1), None, span)
    f.store(f.element_ref(s, f.parameter(0)), item, "weight", const(U64, 42))
    f.ret(f.load(f.element_ref(a, f.binary("add", f.parameter(0), const(U64, 1))), item, "weight"))
    agree([f], "sample.f", [((0,), 42), ((3,), 42), ((4,), ir.Kind.INDEX)])


def _wire(registers: bool) -> WireType:
    fields = [
        WireField("kind", U8, 0, 8, 8),
        WireField("length", U16, 2, 16, 16, big=True),
        WireField("low", U8, 4, 32, 5),
        WireField("middle", U16, 4, 32, 10, shift=5),
        WireField("signed", I32, 8, 32, 32),
        WireField("address", U64, 16, 64, 64, big=True),
    ]
    if not registers:
        fields.append(WireField("odd", U32, 25, 24, 24, big=True))
        fields.append(WireField("nibble", U8, 28, 8, 4, shift=4, big=True))
    return WireType("Header", "sample", 32, registers, {field.name: field for field in fields})


@pytest.mark.parametrize("registers", [False, True])
def test_wire_fields(registers: bool) -> None:
    """Write each field, see the bytes, read it back."""
    wire = _wire(registers)
    for name, field in wire.fields.items():
        of = field.type
        assert isinstance(of, IntType)
        f = FunctionBuilder("sample.f", [("v", of), ("i", U64)], TupleType((of, U8)))
        array = f.new(ArrayType(U64, 4))
        as_bytes = f.temp(SpanType(U8, mutable=True))
        address = f.temp(U64)
        f.add(ir.AddressOf(f.span(), address, (), array))
        f.add(ir.ObjectAt(f.span(), as_bytes, (), address, const(U64, 32)))
        header = f.temp(RefType(wire))
        f.add(ir.WireView(f.span(), header, f.checks([ir.Kind.INDEX]), as_bytes))
        kinds = [ir.Kind.CONVERSION] if field.bits < of.bits else []
        f.add(ir.StoreWire(f.span(), None, f.checks(kinds), header, wire, name, f.parameter(0)))
        back = f.temp(of)
        f.add(ir.LoadWire(f.span(), back, (), header, wire, name))
        f.ret(f.record(TupleType((of, U8)), back, f.element(as_bytes, f.parameter(1))))
        biggest = (1 << field.bits) - 1 if not of.signed else of.highest
        cases: list[Expected] = []
        for value in (0, 1, 0x15 & biggest, biggest):
            unit = (value << field.shift).to_bytes(field.unit_bits // 8, "big" if field.big else "little")
            whole = bytes(field.offset) + unit + bytes(32)
            cases += [((value, i), (value, whole[i])) for i in (field.offset, field.offset + len(unit) - 1)]
        if field.bits < of.bits:
            cases.append(((biggest + 1, 0), ir.Kind.CONVERSION))
        agree([f], "sample.f", cases)


def test_wire_view_needs_room() -> None:
    wire = _wire(False)
    f = FunctionBuilder("sample.f", [("n", U64)], U8)
    memory = f.new(ArrayType(U8, 64))
    part = f.slice(memory, const(U64, 0), f.parameter(0), SpanType(U8, mutable=True))
    header = f.temp(RefType(wire))
    f.add(ir.WireView(f.span(), header, f.checks([ir.Kind.INDEX]), part))
    value = f.temp(U8)
    f.add(ir.LoadWire(f.span(), value, (), header, wire, "kind"))
    f.ret(value)
    agree([f], "sample.f", [((32,), 0), ((64,), 0), ((31,), ir.Kind.INDEX)])


@pytest.mark.parametrize("of", [U8, U16, U32, U64], ids=str)
def test_atomics(of: IntType) -> None:
    cell_type = StructType("Cell", "sample", {"pad": Field("pad", of), "value": Field("value", of, atomic=True)})
    steps = [("store", 5), ("add", of.highest), ("or", 0x30), ("xor", 0x11), ("and", 0x7E), ("sub", 1), ("exchange", 9)]
    f = FunctionBuilder("sample.f", [("expected", of)], TupleType((U64, BOOL, of)))
    cell = f.field_ref(f.new(cell_type), cell_type, "value")
    total = f.variable("total", U64)
    f.set(total, const(U64, 0))
    for (op, operand), order in zip(steps, [*Order, *Order], strict=False):
        result = None if op == "store" else f.temp(of)
        f.add(ir.Atomic(f.span(), result, (), op, cell, (const(of, operand),), order))
        if result is not None:
            seven = f.binary("mul", f.get(total), const(U64, 7))
            f.set(total, f.binary("add", seven, f.convert(result, U64)))
    f.add(ir.Fence(f.span(), None, (), Order.SEQUENTIAL))
    f.add(ir.Fence(f.span(), None, (), None))
    done, now = f.temp(BOOL), f.temp(of)
    operands = (f.parameter(0), const(of, 200))
    f.add(ir.Atomic(f.span(), done, (), "compare_exchange", cell, operands, Order.ACQUIRE_RELEASE))
    f.add(ir.Atomic(f.span(), now, (), "load", cell, (), Order.ACQUIRE))
    f.ret(f.record(TupleType((U64, BOOL, of)), f.get(total), done, now))
    expected_total, value = 0, 5
    for op, operand in steps[1:]:
        expected_total = expected_total * 7 + value
        value = {
            "add": (value + operand) & of.highest,
            "sub": (value - operand) & of.highest,
            "and": value & operand,
            "or": value | operand,
            "xor": value ^ operand,
            "exchange": operand,
        }[op]
    agree([f], "sample.f", [((9,), (expected_total, True, 200)), ((8,), (expected_total, False, 9))])


def test_loops_break_and_continue() -> None:
    """The sum of the odd numbers below n, up to 50."""
    f = FunctionBuilder("sample.f", [("n", U64)], U64)
    total = f.variable("total", U64)
    f.set(total, const(U64, 0))
    with f.counted("i", f.parameter(0)) as i:
        label = f.function.body[-1].label if isinstance(f.function.body[-1], ir.Loop) else 0
        then, _ = f.branch(f.compare("eq", f.binary("mod", i, const(U64, 2)), const(U64, 0)))
        with f.within(then):
            f.add(ir.Continue(f.span(), label))
        then, _ = f.branch(f.compare("gt", i, const(U64, 50)))
        with f.within(then):
            f.add(ir.Break(f.span(), label))
        f.set(total, f.binary("add", f.get(total), i))
    f.ret(f.get(total))
    agree([f], "sample.f", [((n,), sum(range(1, min(n, 51), 2))) for n in (0, 1, 2, 10, 51, 100)])


def test_switch_on_numbers_and_unreachable() -> None:
    f = FunctionBuilder("sample.f", [("n", U32)], U32)
    cases: list[tuple[tuple[int, ...], ir.Block]] = [((1, 2), []), ((4_000_000_000,), [])]
    default: ir.Block = []
    f.add(ir.Switch(f.span(), f.parameter(0), list(cases), default))
    with f.within(cases[0][1]):
        f.ret(const(U32, 12))
    with f.within(cases[1][1]):
        f.ret(const(U32, 4))
    with f.within(default):
        f.fail("no such number")
    agree([f], "sample.f", [((1,), 12), ((2,), 12), ((4_000_000_000,), 4), ((3,), ir.Kind.UNREACHABLE)])


def test_calls_with_everything() -> None:
    callee = FunctionBuilder("sample.callee", [("a", U8), ("n", NONE), ("u", MIXED), ("p", POINT), ("b", BOOL)], MIXED)
    then, _ = callee.branch(callee.parameter(4))
    with callee.within(then):
        callee.ret(callee.parameter(2))
    callee.ret(callee.union(MIXED, callee.parameter(3)))
    callee.function.cold = True
    f = FunctionBuilder("sample.f", [("u", MIXED), ("p", POINT), ("b", BOOL)], MIXED)
    result = f.call(callee.function, const(U8, 1), const(NONE, None), f.parameter(0), f.parameter(1), f.parameter(2))
    assert result is not None
    f.ret(result)
    point = (7, False, -8)
    agree([callee, f], "sample.f", [(((3, 5), point, True), (3, 5)), (((3, 5), point, False), (1, point))])


def _short_circuit(f: FunctionBuilder, op: str, left: ir.Operand, right: Callable[[], ir.Operand]) -> ir.Temp:
    """`left and/or right()`, as the front end lowers it."""
    result = f.variable(f".{op}{len(f.function.variables)}", BOOL)
    then, otherwise = f.branch(left)
    with f.within(then if op == "and" else otherwise):
        f.set(result, right())
    with f.within(otherwise if op == "and" else then):
        f.set(result, const(BOOL, op == "or"))
    return f.get(result)


def test_nested_conditions() -> None:
    """`(a and (b or c)) or (a or d) and not c`, deciding an `if` and used again after it, within a loop."""
    f = FunctionBuilder("sample.f", [(name, BOOL) for name in "abcd"], U64)
    a, b, c, d = (f.parameter(index) for index in range(4))
    total = f.variable("total", U64)
    f.set(total, const(U64, 0))
    with f.counted("i", const(U64, 2)):
        first = _short_circuit(f, "and", a, lambda: _short_circuit(f, "or", b, lambda: c))
        second = _short_circuit(
            f,
            "or",
            first,
            lambda: _short_circuit(f, "and", _short_circuit(f, "or", a, lambda: d), lambda: f.unary("not", c)),
        )
        then, otherwise = f.branch(second)
        with f.within(then):
            again = f.select(second, const(U64, 1), const(U64, 100))
            f.set(total, f.binary("add", f.get(total), again))
        with f.within(otherwise):
            f.set(total, f.binary("add", f.get(total), const(U64, 10)))
        f.set(total, f.binary("add", f.get(total), f.select(second, const(U64, 1000), const(U64, 0))))
    f.ret(f.get(total))
    cases: list[Expected] = []
    for p, q, r, s in itertools.product((False, True), repeat=4):
        holds = (p and (q or r)) or ((p or s) and not r)
        cases.append(((p, q, r, s), 2 * (1001 if holds else 10)))
    agree([f], "sample.f", cases)


def test_conditions_that_return() -> None:
    """Arms that don't reach the decision."""
    f = FunctionBuilder("sample.f", [("a", BOOL), ("b", BOOL)], U8)
    a, b = f.parameter(0), f.parameter(1)

    def right() -> ir.Operand:
        then, _ = f.branch(b)
        with f.within(then):
            f.ret(const(U8, 7))
        return const(BOOL, True)

    then, _ = f.branch(_short_circuit(f, "and", a, right))
    with f.within(then):
        f.ret(const(U8, 1))
    f.ret(const(U8, 0))
    agree([f], "sample.f", [((False, True), 0), ((True, True), 7), ((True, False), 1)])
