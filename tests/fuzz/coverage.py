"""Which operations of the typed IR the programs executed, in which widths and modes, and how they ended.

Counted while the interpreter runs; what only a machine can do (wire classes, atomics) is counted as compiled, once a
program. `possible` lists everything that the language has, so that holes are seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neokernel.compiler import interpret, ir
from neokernel.compiler.types import (
    INTS,
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
from tests.support.meanings import Analysed, Answer

Entry = tuple[str, str, str]
"""Operation (with its mode), type, and outcome: `ok` or the kind of the check that failed."""

FLOATS = ("f32", "f64")
_CHECKED, _WRAPPING, _SATURATING = (mode.value for mode in ir.Mode)


def kind_of(of: Type) -> str:
    """The row of the table that a type belongs to."""
    match of:
        case IntType() | FloatType() | BoolType():
            return str(of)
        case EnumType():
            return "enum"
        case ValueType() | TupleType():
            return "record"
        case UnionType():
            return "reference or None" if of.is_optional_reference else "union"
        case RefType():
            return "reference"
        case SpanType():
            return "text" if of.text else "span" if of.mutable else "view"
        case NoneType():
            return "None"
    return "other"


def entry_of(node: ir.Statement) -> tuple[str, str]:
    """Operation and type of an instruction or statement."""
    match node:
        case ir.Binary(op=op, mode=mode, left=left):
            return f"{op}{_mode(op, mode, left.type)}", kind_of(left.type)
        case ir.Unary(op=op, mode=mode, operand=operand):
            return f"{op}{_mode(op, mode, operand.type)}", kind_of(operand.type)
        case ir.Compare(op=op, left=left):
            return f"compare {op}", kind_of(left.type)
        case ir.Convert(operand=operand, truncate=truncate, result=result):
            assert result is not None
            name = "truncate" if truncate else "convert"
            return f"{name} to {kind_of(result.type)}", kind_of(operand.type)
        case ir.Atomic(op=op, cell=cell):
            target = cell.type.target if isinstance(cell.type, RefType) else cell.type
            return f"atomic {op}", kind_of(target)
        case ir.LoadWire(wire=wire, field=field) | ir.StoreWire(wire=wire, field=field):
            of = wire.fields[field]
            shape = "bit field" if of.bits != of.unit_bits else kind_of(of.type)
            return type(node).__name__ + (" big" if of.big else ""), shape
        case ir.Switch(value=value):
            return "Switch", kind_of(value.type)
        case ir.LoadElement(base=base) | ir.StoreElement(base=base) | ir.ElementRef(base=base) | ir.Slice(base=base):
            return type(node).__name__, "array" if isinstance(base.type, RefType) else kind_of(base.type)
    return type(node).__name__, ""


def _mode(op: str, mode: ir.Mode, of: Type) -> str:
    modal = op in ("add", "sub", "mul", "neg", "shl") and isinstance(of, IntType)
    return f" {mode.value}" if modal else ""


@contextmanager
def counting(counter: Counter[Entry]) -> Iterator[None]:
    """Count what the interpreter executes."""
    frame: Any = interpret._Frame
    instruction, statement = frame.instruction, frame.statement

    def counted(self: Any, node: ir.Instruction) -> Any:
        try:
            result = instruction(self, node)
        except interpret.CheckFailed as failed:
            # What an inner call raises belongs to the inner call.
            if not isinstance(node, ir.Call):
                counter[(*entry_of(node), failed.kind.value)] += 1
            raise
        counter[(*entry_of(node), "ok")] += 1
        return result

    def stated(self: Any, node: ir.Statement) -> None:
        kind = node.check.kind.value if isinstance(node, ir.Fail) else "ok"
        counter[(*entry_of(node), kind)] += 1
        statement(self, node)

    frame.instruction, frame.statement = counted, stated
    try:
        yield
    finally:
        frame.instruction, frame.statement = instruction, statement


def count_machine(counter: Counter[Entry], analysed: Analysed, told: dict[str, Answer], unable: set[str]) -> None:
    """Count what the programs that the interpreter can't run were compiled to, and how they failed."""
    assert analysed.ir is not None
    for function in analysed.ir.functions:
        name = function.module
        if name not in unable:
            continue
        failure = told[name].failure
        for node in walk(function.body):
            if isinstance(node, MACHINE):
                counter[(*entry_of(node), "ok")] += 1
                if failure is not None and any(check.kind.value == failure.kind for check in node.checks):
                    span = node.span
                    if (span.line, span.column) == (failure.line, failure.column):
                        counter[(*entry_of(node), failure.kind)] += 1


MACHINE = (ir.Atomic, ir.LoadWire, ir.StoreWire, ir.WireRef, ir.WireView, ir.Fence)


def walk(block: ir.Block) -> Iterator[ir.Statement]:
    """All statements of a block."""
    for node in block:
        yield node
        match node:
            case ir.If(then=then, otherwise=otherwise):
                yield from walk(then)
                yield from walk(otherwise)
            case ir.Switch(cases=cases, default=default):
                for _, case in cases:
                    yield from walk(case)
                yield from walk(default)
            case ir.Loop(body=body, step=step):
                yield from walk(body)
                yield from walk(step)


def possible() -> list[Entry]:
    """Everything that programs can do to scalars, and the other instructions with their ways to fail."""
    found: list[Entry] = []
    for name, of in INTS.items():
        found += [(f"{op} {mode}", name, "ok") for op in ("add", "sub", "mul") for mode in _MODES]
        found += [(f"{op} {_CHECKED}", name, "overflow") for op in ("add", "sub", "mul")]
        found += [
            ("floordiv", name, "ok"),
            ("floordiv", name, "division"),
            ("mod", name, "ok"),
            ("mod", name, "division"),
        ]
        found += [(f"shl {_CHECKED}", name, end) for end in ("ok", "shift", "overflow")]
        found += [(f"shl {_WRAPPING}", name, end) for end in ("ok", "shift")]
        found += [("shr", name, "ok"), ("shr", name, "shift")]
        plain = [
            "and",
            "or",
            "xor",
            "min",
            "max",
            "multiply_high",
            "rotate_left",
            "rotate_right",
            "invert",
            "byte_swap",
        ]
        counts = ["count_leading_zeros", "count_trailing_zeros", "count_ones"]
        found += [(op, name, "ok") for op in (*plain, *counts, f"neg {_WRAPPING}")]
        if of.signed:
            found += [("floordiv", name, "overflow")]
            found += [(op, name, end) for op in (f"neg {_CHECKED}", "abs") for end in ("ok", "overflow")]
        found += [(f"compare {op}", name, "ok") for op in ("eq", "ne", "lt", "le", "gt", "ge")]
        found += [("Switch", name, "ok")]
        found += [(f"convert to {name}", of2, end) for of2 in FLOATS for end in ("ok", "conversion")]
        found += [(f"convert to {name}", "bool", "ok"), (f"convert to {name}", "enum", "ok")]
        found += [(f"convert to {name}", "enum", "conversion"), ("convert to enum", name, "ok")]
        found += [("convert to enum", name, "enum")]
        found += [(f"convert to {of2}", name, "ok") for of2 in FLOATS]
        for other, target in INTS.items():
            if other != name:
                found += [(f"truncate to {other}", name, "ok"), (f"convert to {other}", name, "ok")]
                if not (target.holds(of.lowest) and target.holds(of.highest)):
                    found.append((f"convert to {other}", name, "conversion"))
        found += [(f"LoadWire{big}", name, "ok") for big in ("", " big")]
        found += [(f"StoreWire{big}", name, "ok") for big in ("", " big")]
        if not of.signed:
            operations = ["load", "store", "exchange", "compare_exchange", "add", "sub", "and", "or", "xor"]
            found += [(f"atomic {op}", name, "ok") for op in operations]
    for name in FLOATS:
        found += [(op, name, "ok") for op in ["add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt"]]
        found += [(f"compare {op}", name, "ok") for op in ("eq", "ne", "lt", "le", "gt", "ge")]
    found += [("convert to f32", "f64", "ok"), ("convert to f64", "f32", "ok"), ("not", "bool", "ok")]
    found += [("float_bits", name, "ok") for name in FLOATS]
    found += [("float_from_bits", name, "ok") for name in ("u32", "u64")]
    found += [(f"compare {op}", of2, "ok") for op in ("eq", "ne") for of2 in ("bool", "enum", "record", "reference")]
    found += [("Switch", "enum", "ok"), ("Switch", "union", "ok")]
    records = "MakeRecord Item MakeUnion IsArm AsArm New LoadField StoreField FieldRef FillArray MakeSpan Length Select"
    found += [(name, "", "ok") for name in (*records.split(), "Call", "Require", "Get", "Set")]
    found += [(name, "", "ok") for name in ("If", "Loop", "Break", "Continue", "Return")]
    found += [("Require", "", "assert"), ("Fail", "", "unreachable"), ("WireView", "", "ok"), ("WireView", "", "index")]
    for base in ("array", "span", "view"):
        found += [("LoadElement", base, end) for end in ("ok", "index")]
        found += [("Slice", base, end) for end in ("ok", "index")]
    found += [("StoreElement", "array", end) for end in ("ok", "index")]
    found += [("StoreElement", "span", end) for end in ("ok", "index")]
    found += [("ElementRef", "array", end) for end in ("ok", "index")]
    found += [(f"{what}{big}", "bit field", "ok") for what in ("LoadWire", "StoreWire") for big in ("", " big")]
    found += [(f"StoreWire{big}", "bit field", "conversion") for big in ("", " big")]
    return found


_MODES = (_CHECKED, _WRAPPING, _SATURATING)


def holes(counter: Counter[Entry]) -> list[Entry]:
    return [entry for entry in possible() if not counter[entry]]


COLUMNS = (*INTS, *FLOATS, "bool", "enum")


def table(counter: Counter[Entry]) -> str:
    """Markdown: how often each operation ended how, by type; then the other instructions, and what was never seen."""
    wanted = set(possible())
    entries = sorted(wanted | set(counter))
    scalar = {(operation, end) for operation, of, end in entries if of in COLUMNS}
    lines = [f"| operation | end | {' | '.join(COLUMNS)} |", f"|---|---|{'--:|' * len(COLUMNS)}"]
    for operation, end in sorted(scalar):
        cells = [_cell(counter, (operation, of, end), wanted) for of in COLUMNS]
        lines.append(f"| {operation} | {end} | {' | '.join(cells)} |")
    lines += ["", "| instruction | on | end | times |", "|---|---|---|--:|"]
    for entry in entries:
        if entry[1] not in COLUMNS:
            lines.append(f"| {' | '.join(entry)} | {_cell(counter, entry, wanted)} |")
    missing = holes(counter)
    lines += ["", f"{len(wanted) - len(missing)} of {len(wanted)} combinations were executed."]
    if missing:
        lines += ["", "Never executed: " + "; ".join(" ".join(filter(None, entry)) for entry in missing) + "."]
    return "\n".join(lines)


def _cell(counter: Counter[Entry], entry: Entry, wanted: set[Entry]) -> str:
    return str(counter[entry]) if counter[entry] else "**none**" if entry in wanted else ""
