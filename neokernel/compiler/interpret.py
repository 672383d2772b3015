"""The IR, run in Python: for constants at build time, and as a reading of its own for tests.

Values: ints, bools, floats, None; enums as ints; values and tuples as tuples; unions as `(arm, value)`; objects as
`Object`, arrays as `Cells`, spans as `View`. Every check is tried as the IR says; discharged ones too, as a
safeguard.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.interpret_memory import Cells, Lives, NotConstant, Object, View, fresh
from neokernel.compiler.ir import Const, ConstRecord, ConstValue, Kind, Mode, Operand
from neokernel.compiler.lives import accessed
from neokernel.compiler.types import (
    NONE,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NoneType,
    RefType,
    SpanType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)

__all__ = [
    "LIMIT",
    "Cells",
    "CheckFailed",
    "Machine",
    "NotConstant",
    "Object",
    "View",
    "from_constant",
    "run",
    "to_constant",
]

#: instructions, before a constant is given up
LIMIT = 10_000_000


class CheckFailed(Exception):
    """A check of the program failed."""

    def __init__(self, kind: Kind, span: ir.Span, message: str = "") -> None:
        super().__init__(f"{kind.value}{': ' + message if message else ''}")
        self.kind, self.span = kind, span


class _Leave(Exception):
    """Break, continue or return on its way out."""

    def __init__(self, what: str, label: int = 0, value: Any = None) -> None:
        super().__init__(what)
        self.what, self.label, self.value = what, label, value


def dead(node: ir.Instruction, type_: Type) -> CheckFailed:
    """`node` accesses an object that was retired."""
    return CheckFailed(Kind.DEAD, node.span, f"the {type_} has been retired")


def run(function: ir.Function, arguments: Iterable[Any]) -> Any:
    """The result of calling `function`."""
    return Machine().call(function, list(arguments))


def to_constant(value: Any, type_: Type) -> ConstValue:
    """An interpreted value as an IR constant."""
    match type_:
        case IntType() | FloatType() | BoolType() | EnumType() | NoneType():
            return Const(type_, value)
        case ValueType(fields=fields):
            types = [f.type for f in fields.values() if not f.ghost]
            return ConstRecord(type_, tuple(to_constant(v, t) for v, t in zip(value, types, strict=True)))
        case TupleType(items):
            return ConstRecord(type_, tuple(to_constant(v, t) for v, t in zip(value, items, strict=True)))
        case UnionType():
            arm, inner = value
            if type_.is_optional_reference and arm == NONE:
                return Const(type_, None)
            return ConstRecord(type_, (to_constant(inner, arm),), arm)
        case SpanType(mutable=False, element=element):
            content = value.content()
            if element == IntType(8, False):
                return Const(type_, bytes(content))
            return Const(type_, tuple(to_constant(item, element) for item in content))
    raise NotConstant(f"a `{type_}` lives in memory, and constants have none")


def from_constant(value: ConstValue) -> Any:
    """An IR constant as an interpreted value."""
    if isinstance(value, ConstRecord):
        if value.arm is not None:
            return (value.arm, from_constant(value.items[0]))
        return tuple(map(from_constant, value.items))
    if isinstance(value.type, UnionType):
        return (NONE, None)
    if isinstance(value.value, bytes):
        return View(value.value, 0, len(value.value))
    if isinstance(value.value, tuple):
        items = [from_constant(v) for v in value.value]
        return View(items, 0, len(items))
    if isinstance(value.type, FloatType) and isinstance(value.value, float):
        return round_float(value.value, value.type.bits)
    return value.value


class Machine:
    """Runs functions; `LIMIT` holds for all that one machine does. `contracts`: what functions require is checked when
    they are called, as CPython does; images don't."""

    def __init__(self, contracts: bool = False) -> None:
        self.contracts = contracts
        self.steps = 0
        self.depth = 0
        self.lives = Lives()

    def step(self) -> None:
        self.steps += 1
        if self.steps > LIMIT:
            raise NotConstant("it takes too long")

    def call(self, function: ir.Function, arguments: list[Any]) -> Any:
        self.depth += 1
        if self.depth > 200:
            raise NotConstant("calls nest too deeply")
        frame = _Frame(self)
        for var, value in zip(function.parameters, arguments, strict=True):
            frame.variables[var] = value
        for contract in function.requires if self.contracts else ():
            frame.block(contract.block)
            if contract.value is not None and not frame.value(contract.value):
                raise CheckFailed(Kind.ASSERT, contract.span, f"`{function.name}` requires something else")
        try:
            frame.block(function.body)
        except _Leave as leave:
            return leave.value
        finally:
            self.depth -= 1
        return None


class _Frame:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.variables: dict[ir.Var, Any] = {}
        self.temps: dict[ir.Temp, Any] = {}

    def value(self, operand: Operand) -> Any:
        if isinstance(operand, ir.Temp):
            return self.temps[operand]
        return from_constant(operand)

    def block(self, block: ir.Block) -> None:
        machine = self.machine
        for statement in block:
            machine.step()
            if isinstance(statement, ir.Instruction):
                result = self.instruction(statement)
                if statement.result is not None:
                    self.temps[statement.result] = result
            else:
                self.statement(statement)

    def statement(self, node: ir.Statement) -> None:
        match node:
            case ir.If():
                self.block(node.then if self.value(node.condition) else node.otherwise)
            case ir.Switch():
                self.switch(node)
            case ir.Loop():
                self.loop(node)
            case ir.Break(_, label):
                raise _Leave("break", label)
            case ir.Continue(_, label):
                raise _Leave("continue", label)
            case ir.Return(_, value):
                raise _Leave("return", value=None if value is None else self.value(value))
            case ir.Fail(span, check):
                raise CheckFailed(check.kind, span, check.message)
            case ir.Ghost():
                pass

    def switch(self, node: ir.Switch) -> None:
        value = self.value(node.value)
        key = value[0] if isinstance(node.value.type, UnionType) else value
        for keys, block in node.cases:
            if key in keys:
                self.block(block)
                return
        self.block(node.default)

    def loop(self, node: ir.Loop) -> None:
        while True:
            self.machine.step()
            try:
                self.block(node.body)
            except _Leave as leave:
                if leave.label != node.label:
                    raise
                if leave.what == "break":
                    return
            self.block(node.step)

    def fail(self, node: ir.Instruction, kind: Kind) -> CheckFailed:
        check = next((c for c in node.checks if c.kind is kind), None)
        assert check is not None, f"{type(node).__name__} failed with {kind}, which it doesn't declare"
        return CheckFailed(kind, node.span, check.message)

    def check_alive(self, node: ir.Instruction) -> None:
        """Slices and copies compare lengths first."""
        for operand in accessed(node):
            if self.machine.lives.is_dead(self.value(operand)):
                raise dead(node, operand.type)

    def instruction(self, node: ir.Instruction) -> Any:
        handler = _INSTRUCTIONS.get(type(node))
        if handler is None:
            raise NotConstant(f"`{type(node).__name__}` needs a machine")
        if self.machine.lives.dead and not isinstance(node, ir.Slice | ir.Copy):
            self.check_alive(node)
        return handler(self, node)


# --- arithmetic ---------------------------------------------------------------------------------------------------


def _wrap(value: int, type_: IntType) -> int:
    value &= (1 << type_.bits) - 1
    return value - (1 << type_.bits) if value > type_.highest else value


def _fit(frame: _Frame, node: ir.Unary | ir.Binary, value: int, type_: IntType) -> int:
    if node.mode is Mode.WRAPPING:
        return _wrap(value, type_)
    if node.mode is Mode.SATURATING:
        return min(max(value, type_.lowest), type_.highest)
    if not type_.holds(value):
        raise frame.fail(node, Kind.OVERFLOW)
    return value


def round_float(value: float, bits: int) -> float:
    """`value`, a float or an int of any size, rounded once to binary32 or binary64."""
    if isinstance(value, int) and bits == 32:
        # By way of binary64 it would be rounded twice: keep what is cut off as a sticky bit.
        excess = max(abs(value).bit_length() - 53, 0)
        cut = abs(value) >> excess
        odd = (cut | (cut << excess != abs(value))) << excess
        value = odd if value >= 0 else -odd
    try:
        return float(value) if bits == 64 else float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _unary(frame: _Frame, node: ir.Unary) -> Any:
    value, type_ = frame.value(node.operand), node.operand.type
    if isinstance(type_, FloatType):
        match node.op:
            case "neg":
                return -value
            case "abs":
                return abs(value)
            case "sqrt":
                return round_float(math.sqrt(value), type_.bits) if value >= 0 else math.nan if value != 0 else value
            case "float_bits":
                form = ("<f", "<I") if type_.bits == 32 else ("<d", "<Q")
                return struct.unpack(form[1], struct.pack(form[0], value))[0]
    if node.op == "not":
        return not value
    assert isinstance(type_, IntType)
    bits = type_.bits
    raw = value & ((1 << bits) - 1)
    match node.op:
        case "neg":
            return _fit(frame, node, -value, type_)
        case "abs":
            return _fit(frame, node, abs(value), type_)
        case "invert":
            return _wrap(~value, type_)
        case "count_leading_zeros":
            return bits - raw.bit_length()
        case "count_trailing_zeros":
            return (raw & -raw).bit_length() - 1 if raw else bits
        case "count_ones":
            return raw.bit_count()
        case "byte_swap":
            return _wrap(int.from_bytes(raw.to_bytes(bits // 8, "little"), "big"), type_)
        case "float_from_bits":
            form = ("<I", "<f") if bits == 32 else ("<Q", "<d")
            return struct.unpack(form[1], struct.pack(form[0], raw))[0]
    raise AssertionError(node.op)


def _float_binary(op: str, a: float, b: float) -> float:
    match op:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "mul":
            return a * b
        case "min":
            return b if b < a else a
        case "max":
            return b if b > a else a
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _binary(frame: _Frame, node: ir.Binary) -> Any:
    a, b, type_ = frame.value(node.left), frame.value(node.right), node.left.type
    if isinstance(type_, FloatType):
        return round_float(_float_binary(node.op, a, b), type_.bits)
    if isinstance(type_, BoolType):
        return {"and": a and b, "or": a or b, "xor": a != b}[node.op]
    assert isinstance(type_, IntType)
    bits, mask = type_.bits, (1 << type_.bits) - 1
    match node.op:
        case "add":
            return _fit(frame, node, a + b, type_)
        case "sub":
            return _fit(frame, node, a - b, type_)
        case "mul":
            return _fit(frame, node, a * b, type_)
        case "floordiv":
            if b == 0:
                raise frame.fail(node, Kind.DIVISION)
            return _fit(frame, node, a // b, type_)
        case "mod":
            if b == 0:
                raise frame.fail(node, Kind.DIVISION)
            return a % b
        case "shl":
            if b >= bits:
                raise frame.fail(node, Kind.SHIFT)
            return _fit(frame, node, a << b, type_)
        case "shr":
            if b >= bits:
                raise frame.fail(node, Kind.SHIFT)
            return a >> b
        case "and":
            return a & b
        case "or":
            return a | b
        case "xor":
            return a ^ b
        case "min":
            return min(a, b)
        case "max":
            return max(a, b)
        case "multiply_high":
            return _wrap((a * b) >> bits, type_)
        case "rotate_left" | "rotate_right":
            amount = b % bits if node.op == "rotate_left" else -b % bits
            raw = a & mask
            return _wrap((raw << amount) | (raw >> (bits - amount)), type_)
    raise AssertionError(node.op)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, View):
        assert isinstance(b, View)
        return a.content() == b.content()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Object | Cells) or isinstance(b, Object | Cells):
        return a is b
    same: bool = a == b
    return same


def _compare(frame: _Frame, node: ir.Compare) -> bool:
    a, b = frame.value(node.left), frame.value(node.right)
    match node.op:
        case "eq":
            return _equal(a, b)
        case "ne":
            return not _equal(a, b)
        case "lt":
            return bool(a < b)
        case "le":
            return bool(a <= b)
        case "gt":
            return bool(a > b)
    return bool(a >= b)


def _convert(frame: _Frame, node: ir.Convert) -> Any:
    assert node.result is not None
    value, source, target = frame.value(node.operand), node.operand.type, node.result.type
    match target:
        case FloatType(bits):
            return round_float(value, bits)
        case EnumType(members=members):
            if value not in members.values():
                raise frame.fail(node, Kind.ENUM)
            return value
        case IntType():
            if isinstance(source, FloatType):
                if not math.isfinite(value) or not target.holds(math.trunc(value)):
                    raise frame.fail(node, Kind.CONVERSION)
                return math.trunc(value)
            if node.truncate:
                return _wrap(int(value), target)
            if not target.holds(int(value)):
                raise frame.fail(node, Kind.CONVERSION)
            return int(value)
    raise AssertionError(target)


# --- values -------------------------------------------------------------------------------------------------------


def _make_union(frame: _Frame, node: ir.MakeUnion) -> Any:
    value = frame.value(node.value)
    return value if isinstance(node.value.type, UnionType) else (node.value.type, value)


def _as_arm(frame: _Frame, node: ir.AsArm) -> Any:
    assert node.result is not None
    value = frame.value(node.union)
    return value if isinstance(node.result.type, UnionType) else value[1]


def _item(frame: _Frame, node: ir.Item) -> Any:
    record = frame.value(node.record)
    return record.length if isinstance(record, View) else record[node.index]


# --- memory -------------------------------------------------------------------------------------------------------


def _pause(frame: _Frame, node: ir.Pause) -> None:
    raise NotConstant("a coroutine waits")


def _new(frame: _Frame, node: ir.New) -> Any:
    assert node.result is not None and isinstance(node.result.type, RefType)
    return fresh(node.result.type.target)


def _store_field(frame: _Frame, node: ir.StoreField) -> None:
    frame.value(node.base).fields[node.field] = frame.value(node.value)


def _place(frame: _Frame, node: Any) -> tuple[Any, int]:
    base, index = frame.value(node.base), frame.value(node.index)
    if isinstance(base, Cells):
        if index >= len(base.items):
            raise frame.fail(node, Kind.INDEX)
        return base.items, index
    if index >= base.length:
        raise frame.fail(node, Kind.INDEX)
    return base.items, base.start + index


def _load_element(frame: _Frame, node: ir.LoadElement | ir.ElementRef) -> Any:
    items, index = _place(frame, node)
    return items[index]


def _store_element(frame: _Frame, node: ir.StoreElement) -> None:
    items, index = _place(frame, node)
    items[index] = frame.value(node.value)


def _fill(frame: _Frame, node: ir.FillArray) -> None:
    cells, value = frame.value(node.base), frame.value(node.value)
    cells.items[:] = [value] * len(cells.items)


def _copy(frame: _Frame, node: ir.Copy) -> None:
    target, source = frame.value(node.target), frame.value(node.source)
    if target.length != source.length:
        raise frame.fail(node, Kind.INDEX)
    frame.check_alive(node)
    target.items[target.start : target.start + target.length] = source.content()


def _make_span(frame: _Frame, node: ir.MakeSpan) -> View:
    base = frame.value(node.base)
    return View(base.items, 0, len(base.items)) if isinstance(base, Cells) else base


def _slice(frame: _Frame, node: ir.Slice) -> View:
    base = _whole(frame.value(node.base))
    start = frame.value(node.start)
    stop = base.length if node.stop is None else frame.value(node.stop)
    if start > stop or stop > base.length:
        raise frame.fail(node, Kind.INDEX)
    frame.check_alive(node)
    return View(base.items, base.start + start, stop - start)


def _whole(base: Any) -> View:
    return View(base.items, 0, len(base.items)) if isinstance(base, Cells) else base


def _require(frame: _Frame, node: ir.Require) -> None:
    if not frame.value(node.condition):
        raise frame.fail(node, Kind.ASSERT)


def _retire(frame: _Frame, node: ir.Retire) -> None:
    assert isinstance(node.reference.type, RefType)
    frame.machine.lives.end(node.reference.type.target, frame.value(node.reference))


def _renew(frame: _Frame, node: ir.Renew) -> Object:
    assert isinstance(node.reference.type, RefType)
    made = frame.machine.lives.renew(node.reference.type.target, frame.value(node.reference))
    if made is None:
        raise dead(node, node.reference.type)
    return made


def _set(frame: _Frame, node: ir.Set) -> None:
    frame.variables[node.var] = frame.value(node.value)


_INSTRUCTIONS: dict[type[ir.Instruction], Any] = {
    ir.Get: lambda frame, node: frame.variables[node.var],
    ir.Set: _set,
    ir.Unary: _unary,
    ir.Binary: _binary,
    ir.Compare: _compare,
    ir.Convert: _convert,
    ir.Select: lambda frame, node: frame.value(node.left if frame.value(node.condition) else node.right),
    ir.MakeRecord: lambda frame, node: tuple(map(frame.value, node.items)),
    ir.Item: _item,
    ir.MakeUnion: _make_union,
    ir.IsArm: lambda frame, node: frame.value(node.union)[0] in node.arms,
    ir.AsArm: _as_arm,
    ir.New: _new,
    ir.LoadField: lambda frame, node: frame.value(node.base).fields[node.field],
    ir.StoreField: _store_field,
    ir.FieldRef: lambda frame, node: frame.value(node.base).fields[node.field],
    ir.LoadElement: _load_element,
    ir.StoreElement: _store_element,
    ir.ElementRef: _load_element,
    ir.FillArray: _fill,
    ir.Copy: _copy,
    ir.MakeSpan: _make_span,
    ir.Slice: _slice,
    ir.Length: lambda frame, node: _whole(frame.value(node.base)).length,
    ir.Call: lambda frame, node: frame.machine.call(node.function, list(map(frame.value, node.arguments))),
    ir.Await: lambda frame, node: frame.machine.call(node.function, list(map(frame.value, node.arguments))),
    ir.Pause: _pause,
    ir.Require: _require,
    ir.Retire: _retire,
    ir.Renew: _renew,
    ir.Alive: lambda frame, node: None,
}
