"""Planted mistakes: what a wrong compiler would do, so that it can be seen whether the generated programs notice.

Three places: the typed IR, as if the front end had lowered wrongly (seen by the interpreter); the LLVM text, as if the
back end had written the wrong instruction (seen by the JIT); and functions of the back end itself.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from neokernel.compiler import ir, jit
from neokernel.compiler.layout import Layout
from neokernel.compiler.types import F64, U8, ArrayType, EnumType, IntType, RefType, StructType, UnionType, WireType
from tests.fuzz.coverage import walk

ChangeIR = Callable[[ir.Program], None]
ChangeText = Callable[[str], str]


@dataclass(frozen=True)
class Mutant:
    """A mistake. `reading` is the one that makes it; all others stay right."""

    name: str
    reading: Literal["interpreter", "jit"]
    planted: Callable[[ir.Program], Any]
    """A context manager within which the reading is wrong."""
    spoils: bool = False
    """Does it change the IR for good?"""


# --- in the typed IR --------------------------------------------------------------------------------------------------


def _statements(program: ir.Program) -> Iterator[ir.Statement]:
    for function in program.functions:
        if function.module.startswith("program_"):
            yield from walk(function.body)


def _blocks(program: ir.Program) -> Iterator[ir.Block]:
    for function in program.functions:
        if function.module.startswith("program_"):
            yield function.body
            for node in walk(function.body):
                match node:
                    case ir.If(then=then, otherwise=otherwise):
                        yield from (then, otherwise)
                    case ir.Switch(cases=cases, default=default):
                        yield from (*(block for _, block in cases), default)
                    case ir.Loop(body=body, step=step):
                        yield from (body, step)


def _swapped_subtraction(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Binary) and node.op == "sub" and node.mode is ir.Mode.WRAPPING:
            node.left, node.right = node.right, node.left


def _loop_once_more(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Loop):
            test = next((n for n in node.body if isinstance(n, ir.Compare) and n.op == "lt"), None)
            if test is not None and node.trip is not None:
                test.op = "le"


def _wrong_arm(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.IsArm) and isinstance(node.union.type, UnionType) and len(node.union.type.arms) > 2:
            node.arms = (node.union.type.arms[0],)


def _cases_exchanged(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Switch) and len(node.cases) > 1 and isinstance(node.value.type, EnumType):
            (first, one), (second, other) = node.cases[:2]
            node.cases[:2] = [(first, other), (second, one)]


def _wrong_field(program: ir.Program) -> None:
    """Fields of one type are taken for each other."""
    for node in _statements(program):
        if isinstance(node, ir.LoadField):
            of = node.struct.fields[node.field]
            same = [f.name for f in node.struct.fields.values() if f.type == of.type and not f.inline and not f.atomic]
            node.field = same[-1]


def _unchecked_conversion(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Convert) and node.result is not None and node.result.type == U8:
            if isinstance(node.operand.type, IntType):
                node.truncate = True


def _wraps_silently(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Binary) and node.op == "mul":
            node.mode = ir.Mode.WRAPPING


def _saturates(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Binary) and node.op == "add" and node.mode is ir.Mode.WRAPPING:
            node.mode = ir.Mode.SATURATING


def _wrong_kind(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Binary) and node.op == "shl" and len(node.checks) == 2:
            shift, overflow = node.checks
            shift.kind, overflow.kind = overflow.kind, shift.kind
            if node.mode is ir.Mode.CHECKED:
                node.mode = ir.Mode.WRAPPING


def _wrong_place(program: ir.Program) -> None:
    """A failing check points at the line, not at the expression."""
    for node in _statements(program):
        if isinstance(node, ir.Instruction) and any(check.kind is ir.Kind.INDEX for check in node.checks):
            node.span = dataclasses.replace(node.span, column=node.span.column + 1)


def _strict_comparison(program: ir.Program) -> None:
    for node in _statements(program):
        if isinstance(node, ir.Compare) and node.op == "le" and isinstance(node.left.type, IntType):
            node.op = "lt"


def _calls_exchanged(program: ir.Program) -> None:
    """What stands first is called second, where nothing else depends on it."""
    for block in _blocks(program):
        places = [place for place, node in enumerate(block) if isinstance(node, ir.Call)]
        for first, second in itertools.pairwise(places):
            call = block[first]
            assert isinstance(call, ir.Call)
            if call.result is None or _uses(block[first + 1 : second + 1], call.result):
                continue
            del block[first]
            block.insert(second, call)
            break


def _uses(nodes: ir.Block, temp: ir.Temp) -> bool:
    for node in walk(nodes):
        for name in type(node).__slots__ if hasattr(type(node), "__slots__") else ():
            found = getattr(node, name)
            if found is temp or (isinstance(found, tuple) and temp in found):
                return True
    return False


def _old_value_observed(program: ir.Program) -> None:
    """An assignment that stands last in its block is forgotten."""
    for block in _blocks(program):
        if block and isinstance(block[-1], ir.Set) and not block[-1].var.name.startswith("."):
            del block[-1]


def _bits_elsewhere(program: ir.Program) -> None:
    for wire in _wires(program):
        for name, of in wire.fields.items():
            if of.bits < of.unit_bits and of.shift:
                wire.fields[name] = dataclasses.replace(of, shift=of.shift - 1)


def _wrong_endianness(program: ir.Program) -> None:
    """Reads take the order that writes don't."""
    for node in _statements(program):
        if isinstance(node, ir.LoadWire):
            of = node.wire.fields[node.field]
            if of.unit_bits > 8:
                fields = {**node.wire.fields, node.field: dataclasses.replace(of, big=not of.big)}
                node.wire = WireType(node.wire.name, node.wire.module, node.wire.size, node.wire.registers, fields)


def _wires(program: ir.Program) -> set[WireType]:
    found = (node.wire for node in _statements(program) if isinstance(node, ir.LoadWire | ir.StoreWire))
    return set(found)


def in_ir(name: str, change: ChangeIR, reading: Literal["interpreter", "jit"] = "interpreter") -> Mutant:
    @contextmanager
    def planted(program: ir.Program) -> Iterator[None]:
        change(program)
        yield

    return Mutant(name, reading, planted, spoils=True)


# --- in the LLVM text -------------------------------------------------------------------------------------------------


def in_text(name: str, pattern: str, replacement: str) -> Mutant:
    """`pattern` in each line of the compiled program becomes `replacement`."""
    found = re.compile(pattern, re.MULTILINE)

    @contextmanager
    def planted(_: ir.Program) -> Iterator[None]:
        module: Any = jit
        emit = module.emit

        def wrong(*arguments: Any, **options: Any) -> Any:
            emitted = emit(*arguments, **options)
            return dataclasses.replace(emitted, text=found.sub(replacement, emitted.text))

        module.emit = wrong
        try:
            yield
        finally:
            module.emit = emit

    return Mutant(name, "jit", planted)


def in_function(name: str, owner: Any, attribute: str, wrong: Callable[[Any], Any]) -> Mutant:
    """A function of the compiler is replaced by `wrong(function)`."""

    @contextmanager
    def planted(_: ir.Program) -> Iterator[None]:
        right = getattr(owner, attribute)
        setattr(owner, attribute, wrong(right))
        try:
            yield
        finally:
            setattr(owner, attribute, right)

    return Mutant(name, "jit", planted)


def _second_field_on_first(offset: Any) -> Any:
    def wrong(layout: Layout, struct: StructType, field: str) -> int:
        names = list(struct.fields)
        if len(names) > 2 and field == names[2] and struct.module.startswith("program_"):
            field = names[1]
        result: int = offset(layout, struct, field)
        return result

    return wrong


def _rounded_constants(program: ir.Program) -> None:
    """Constants lose what stands behind the point."""
    for node in _statements(program):
        if isinstance(node, ir.Binary) and isinstance(node.right, ir.Const) and isinstance(node.right.value, float):
            if node.right.type == F64:
                node.right = dataclasses.replace(node.right, value=round(node.right.value))


def _one_too_far(program: ir.Program) -> None:
    """Reads from arrays take the neighbour."""
    for node in _statements(program):
        if (
            isinstance(node, ir.LoadElement)
            and isinstance(node.index, ir.Const)
            and isinstance(node.base.type, RefType)
        ):
            target = node.base.type.target
            if isinstance(target, ArrayType) and isinstance(node.index.value, int):
                node.index = dataclasses.replace(node.index, value=(node.index.value + 1) % target.length)


MUTANTS = [
    in_ir("swapped operands of wrapping_sub", _swapped_subtraction),
    in_ir("loops run once more", _loop_once_more),
    in_ir("isinstance tests the union's first arm", _wrong_arm),
    in_ir("the first two cases of a match are exchanged", _cases_exchanged),
    in_ir("a field is taken for another of its type", _wrong_field),
    in_ir("conversions to u8 are not checked", _unchecked_conversion),
    in_ir("multiplications wrap silently", _wraps_silently),
    in_ir("wrapping addition saturates", _saturates),
    in_ir("a lost bit is no overflow, and a distance too large is one", _wrong_kind),
    in_ir("index checks point one column to the right", _wrong_place),
    in_ir("<= compares as <", _strict_comparison),
    in_ir("calls are made in the wrong order", _calls_exchanged),
    in_ir("the last assignment of a block is forgotten", _old_value_observed),
    in_ir("float constants are integers", _rounded_constants),
    in_ir("constant indices are off by one", _one_too_far),
    in_ir("bit fields are one bit too low when read and written", _bits_elsewhere, "jit"),
    in_ir("wire fields are read in the other byte order", _wrong_endianness, "jit"),
    in_text("signed comparison of i32 as unsigned", r"icmp slt i32", "icmp ult i32"),
    in_text("i16 shifted right without its sign", r"= ashr i16", "= lshr i16"),
    in_text("i8 widened without its sign", r"= sext i8", "= zext i8"),
    in_text("operands of unsigned division exchanged", r"= udiv (i\d+) ([^,\n]+), ([^,\n]+)$", r"= udiv \1 \3, \2"),
    in_text("a distance of 32 is allowed", r"= icmp ult (i\d+) (%\S+), 32$", r"= icmp ule \1 \2, 32"),
    in_text("all unions hold their first arm", r"(insertvalue [^\n]* poison, i64) \d+, 0$", r"\1 0, 0"),
    in_text("NaN equals NaN", r"fcmp une", "fcmp one"),
    in_text("saturating i8 addition as unsigned", r"llvm\.sadd\.sat\.i8", "llvm.uadd.sat.i8"),
    in_text("overflow of u8 is found beyond 511", r"= icmp ule i64 (%\S+), 255$", r"= icmp ule i64 \1, 511"),
    in_text("floor division rounds to zero", r"= sext i1 (%\S+) to (i\d+)", r"= sext i1 false to \2"),
    in_text("fetch_sub adds", r"atomicrmw sub", "atomicrmw add"),
    in_text("overflow of i64 addition is not seen", r"llvm\.sadd\.with\.overflow\.i64", "llvm.uadd.with.overflow.i64"),
    in_function("the third field lies on the second", Layout, "offset", _second_field_on_first),
]
