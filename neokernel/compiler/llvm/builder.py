"""Writing the body of one function: lines, names, operands, loads and stores of whole values, failing checks.

Invariants:
- `live` says whether the current block is still open; nothing is written into a closed block.
- The temp `n` of the IR is `%tn`, or an alias; names that the back end makes up are `%xN`, labels `LN`.
- Allocations stand in the entry block.
- Blocks of failing checks stand at the end, each with its own trap: code for two checks is never merged.
"""

from __future__ import annotations

import struct

from neokernel.compiler import ir
from neokernel.compiler.layout import Leaf
from neokernel.compiler.llvm.metadata import Tags
from neokernel.compiler.llvm.module import Module
from neokernel.compiler.llvm.target import Failure
from neokernel.compiler.types import (
    BoolType,
    EnumType,
    FloatType,
    NoneType,
    RefType,
    SpanType,
    Type,
    UnionType,
)


class Builder:
    """State of one function's emission, and the vocabulary that the lowering of instructions is written in."""

    def __init__(self, module: Module, function: ir.Function) -> None:
        self.module = module
        self.layout = module.layout
        self.function = function
        self.lines: list[str] = []
        self.allocations: list[str] = []
        self.cold: list[str] = []
        self.live = True
        self.location = ""
        self.subprogram = ""
        # flag for narrowing what was widened before; without trust in memory, a byte of it may be anything
        self.exact = "nuw " if module.metadata.trust_memory else ""
        self._names = 0
        self._labels = 0
        self._locations: dict[tuple[int, int], str] = {}
        self._aliases: dict[int, str] = {}

    # --- lines and names ----------------------------------------------------------------------------------------------

    def at(self, span: ir.Span) -> None:
        """The instructions that follow come from `span`."""
        if self.subprogram and self.module.debug is not None:
            key = (span.line, span.column)
            known = self._locations.get(key)
            if known is None:
                known = self._locations[key] = ", !dbg " + self.module.debug.location(span, self.subprogram)
            self.location = known

    def fresh(self) -> str:
        self._names += 1
        return f"%x{self._names}"

    def label(self) -> str:
        self._labels += 1
        return f"L{self._labels}"

    def emit(self, text: str) -> None:
        self.lines.append(f"  {text}{self.location}")

    def value(self, text: str) -> str:
        """Write an instruction that gives a value; returns its name."""
        self._names += 1
        name = f"%x{self._names}"
        self.lines.append(f"  {name} = {text}{self.location}")
        return name

    def result(self, instruction: ir.Instruction, text: str) -> None:
        """Write the LLVM instruction that gives `instruction`'s result."""
        assert instruction.result is not None
        self.lines.append(f"  %t{instruction.result.number} = {text}{self.location}")

    def alias(self, instruction: ir.Instruction, value: str) -> None:
        """Make a value that exists already (or a constant) the result of `instruction`."""
        assert instruction.result is not None
        self._aliases[instruction.result.number] = value

    def start_block(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.live = True

    def branch(self, label: str, suffix: str = "") -> None:
        self.emit(f"br label %{label}{suffix}")
        self.live = False

    def allocate(self, text: str) -> str:
        name = self.fresh()
        self.allocations.append(f"  {name} = alloca {text}")
        return name

    # --- operands -----------------------------------------------------------------------------------------------------

    def operand(self, operand: ir.Operand) -> str:
        """The operand without its type."""
        if isinstance(operand, ir.Temp):
            return self._aliases.get(operand.number) or f"%t{operand.number}"
        return self.constant(operand)

    def typed(self, operand: ir.Operand) -> str:
        return f"{self.layout.llvm(operand.type)} {self.operand(operand)}"

    def constant(self, operand: ir.ConstValue, in_aggregate: bool = False) -> str:
        if isinstance(operand, ir.ConstRecord):
            return self._constant_record(operand)
        value, of = operand.value, operand.type
        if isinstance(of, BoolType):
            return str(int(bool(value))) if in_aggregate else ("true" if value else "false")
        if isinstance(of, FloatType):
            assert isinstance(value, (int, float))
            return float_text(float(value), of.bits)
        if isinstance(of, SpanType):
            return self._constant_view(of, value)
        if value is None:
            return "null"
        assert isinstance(value, int)
        return str(int(value))

    def _constant_view(self, of: SpanType, value: object) -> str:
        element = self.layout.element(of)
        alignment = self.layout.alignment(self.layout.element_type(of))
        if isinstance(value, bytes):
            if not value:
                return "{ ptr null, i64 0 }"
            text = "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}" for c in value)
            name = self.module.constant(f'[{len(value)} x i8] c"{text}"', 1)
            return f"{{ ptr {name}, i64 {len(value)} }}"
        assert isinstance(value, tuple)
        if not value:
            return "{ ptr null, i64 0 }"
        items = ", ".join(f"{element} {self.constant(item, in_aggregate=True)}" for item in value)
        return f"{{ ptr {self.module.constant(f'[{len(value)} x {element}] [{items}]', alignment)}, i64 {len(value)} }}"

    def _constant_record(self, record: ir.ConstRecord) -> str:
        of = record.type
        if isinstance(of, UnionType):
            assert record.arm is not None
            if of.is_optional_reference:
                return "null"
            union = self.layout.union(of)
            placed = union.arms[record.arm]
            slots = [f"{llvm} {'null' if llvm == 'ptr' else '0'}" for llvm in union.slot_types()]
            values = self._constant_leaves(record.items[0]) if record.items else []
            for (leaf, text), slot in zip(zip(placed.leaves, values, strict=True), placed.slots, strict=True):
                slots[slot - 1] = f"{'ptr' if leaf.is_pointer else 'i64'} {text}"
            return "{ " + ", ".join([f"i64 {placed.tag}", *slots]) + " }"
        items = [
            f"{self.layout.memory(item.type)} {self.constant(item, in_aggregate=True)}"
            for item in record.items
            if not isinstance(item.type, NoneType)
        ]
        return "{ " + ", ".join(items) + " }" if items else "zeroinitializer"

    def _constant_leaves(self, value: ir.ConstValue) -> list[str]:
        """The leaves of a constant as union slots hold them."""
        if isinstance(value, ir.ConstRecord):
            if isinstance(value.type, UnionType):
                text = self._constant_record(value)
                if text == "null":
                    return [text]
                return [part.split(" ", 1)[1] for part in _split_aggregate(text)]
            return [leaf for item in value.items for leaf in self._constant_leaves(item)]
        of = value.type
        if isinstance(of, NoneType):
            return []
        if isinstance(of, FloatType):
            assert isinstance(value.value, (int, float))
            return [str(float_bits(float(value.value), of.bits))]
        if isinstance(of, SpanType):
            return [part.split(" ", 1)[1] for part in _split_aggregate(self.constant(value))]
        text = self.constant(value, in_aggregate=True)
        if text.startswith("-"):
            storage = of.storage if isinstance(of, EnumType) else of
            text = str(int(text) & ((1 << self.layout.size(storage) * 8) - 1))  # slots hold zero-extended bits
        return [text]

    # --- checks -------------------------------------------------------------------------------------------------------

    def live_check(self, instruction: ir.Instruction, kind: ir.Kind) -> ir.Check | None:
        """The check of this kind that code must be written for."""
        if self.module.options.checks:
            for check in instruction.checks:
                if check.kind is kind and not check.discharged:
                    return check
        return None

    def guard(self, check: ir.Check, span: ir.Span, good: str) -> None:
        """Go on if `good` (an i1), else fail."""
        failure, label = self.label(), self.label()
        self.emit(f"br i1 {good}, label %{label}, label %{failure}{self.module.metadata.fails_if_false}")
        self._failing_block(failure, check, span)
        self.start_block(label)

    def guard_not(self, check: ir.Check, span: ir.Span, bad: str) -> None:
        """Fail if `bad` (an i1), else go on."""
        failure, label = self.label(), self.label()
        self.emit(f"br i1 {bad}, label %{failure}, label %{label}{self.module.metadata.fails_if_true}")
        self._failing_block(failure, check, span)
        self.start_block(label)

    def fail(self, check: ir.Check, span: ir.Span) -> None:
        self.lines += self._failure(check, span)
        self.live = False

    def _failing_block(self, label: str, check: ir.Check, span: ir.Span) -> None:
        self.cold.append(f"{label}:")
        self.cold += self._failure(check, span)

    def failing_label(self, check: ir.Check, span: ir.Span) -> str:
        """A block that fails, for instructions that branch there themselves."""
        label = self.label()
        self._failing_block(label, check, span)
        return label

    def _failure(self, check: ir.Check, span: ir.Span) -> list[str]:
        number = self.module.record_check(self.function.symbol, check, span)
        if self.module.options.failure is Failure.HOST:
            self.module.declare("@nk_fail", "declare void @nk_fail(i32) cold noreturn nounwind")
            call = f"call void @nk_fail(i32 {number}){self.location}"
        else:
            # The number makes each text unique, so that equal blocks are never merged; copies (by inlining, unrolling)
            # leave a record each.
            trap = "ebreak" if self.module.target.is_riscv else _HOST_TRAPS[self.module.target.architecture]
            section = "\\0A.pushsection .nk.checks,\\22\\22,@progbits"
            record = f"1: {trap}{section}\\0A.8byte 1b\\0A.4byte {number}\\0A.popsection"
            call = f'call void asm sideeffect "{record}", ""(){self.location}'
        return [f"  {call}", f"  unreachable{self.location}"]

    # --- whole values in memory ---------------------------------------------------------------------------------------

    def offset(self, pointer: str, offset: int) -> str:
        if not offset:
            return pointer
        return self.value(f"getelementptr inbounds nuw i8, ptr {pointer}, i64 {offset}")

    def load(self, of: Type, pointer: str, tags: Tags, extra: str = "") -> str:
        """Load a value of type `of`, leaf by leaf, each with its facts. `tags`: aliasing; `extra`: further metadata."""
        if isinstance(of, BoolType):
            byte = self._load_leaf(self.layout.leaves(of)[0], pointer, tags, extra)
            return self.value(f"trunc {self.exact}i8 {byte} to i1")
        llvm = self.layout.llvm(of)
        whole = "zeroinitializer" if llvm == "{}" else "poison"
        for leaf in self.layout.leaves(of):
            part = self._load_leaf(leaf, self.offset(pointer, leaf.offset), tags, extra)
            if not leaf.path:
                return part
            whole = self.value(f"insertvalue {llvm} {whole}, {leaf.llvm} {part}, {', '.join(map(str, leaf.path))}")
        return whole

    def _load_leaf(self, leaf: Leaf, pointer: str, tags: Tags, extra: str) -> str:
        facts = self.module.metadata.leaf_facts(leaf)
        return self.value(f"load {leaf.llvm}, ptr {pointer}, align {leaf.size}{tags[leaf.llvm]}{facts}{extra}")

    def store(self, of: Type, value: str, pointer: str, tags: Tags) -> None:
        leaves = self.layout.leaves(of)
        if isinstance(of, BoolType):
            byte = self.value(f"zext i1 {value} to i8")
            self.emit(f"store i8 {byte}, ptr {pointer}, align 1{tags['i8']}")
            return
        llvm = self.layout.llvm(of)
        for leaf in leaves:
            if not leaf.path:
                self.emit(f"store {leaf.llvm} {value}, ptr {pointer}, align {leaf.size}{tags[leaf.llvm]}")
                return
            part = self.value(f"extractvalue {llvm} {value}, {', '.join(map(str, leaf.path))}")
            place = self.offset(pointer, leaf.offset)
            self.emit(f"store {leaf.llvm} {part}, ptr {place}, align {leaf.size}{tags[leaf.llvm]}")

    def to_memory_form(self, of: Type, value: str) -> str:
        """A scalar as aggregates hold it."""
        return self.value(f"zext i1 {value} to i8") if isinstance(of, BoolType) else value

    # --- small conveniences -------------------------------------------------------------------------------------------

    def resize(self, value: str, width: int, wanted: int, signed: bool = False) -> str:
        """An integer of `width` bits as one of `wanted` bits."""
        if width == wanted:
            return value
        if width > wanted:
            return self.value(f"trunc i{width} {value} to i{wanted}")
        return self.value(f"{'sext' if signed else 'zext'} i{width} {value} to i{wanted}")

    def as_u64(self, operand: ir.Operand) -> str:
        """An index or length as an i64 without type."""
        bits = self.layout.size(operand.type) * 8
        return self.resize(self.operand(operand), bits, 64)


_HOST_TRAPS = {"x86_64": "int3", "aarch64": "brk #1", "riscv64": "ebreak"}


def is_reference(of: Type) -> bool:
    return isinstance(of, RefType) or (isinstance(of, UnionType) and of.is_optional_reference)


def float_bits(value: float, bits: int) -> int:
    """The IEEE bits of `value`; overflow in single precision gives infinity."""
    if bits == 64:
        return int(struct.unpack("<Q", struct.pack("<d", value))[0])
    return int(struct.unpack("<I", struct.pack("<f", _to_single(value)))[0])


def _to_single(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def float_text(value: float, bits: int) -> str:
    """LLVM writes both widths as the bits of a double."""
    if bits == 32:
        value = _to_single(value)
    return f"0x{float_bits(value, 64):016X}"


def _split_aggregate(text: str) -> list[str]:
    """The parts of `{ a, b }`; constants within unions are flat, so there is no nesting."""
    return text[1:-1].strip().split(", ")
