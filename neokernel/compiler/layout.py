"""How types lie in memory: sizes, alignments, offsets, and the LLVM type of each.

Invariants:
- Memory layout is C's for the LLVM types given here: declared order, natural alignment, little-endian.
- An aggregate (value, tuple, span, union) is a tree of *leaves*: scalars with a path of LLVM indices and a byte offset.
- A `bool` is `i1` as a scalar in SSA form, and `i8` in memory and within aggregates.
- `None` and ghost fields have no storage and no place in LLVM types.

A union is `{i64 tag, i64 × n, ptr × m}` (a narrower tag would take the same room, and cost masks in registers). The
leaves of an arm fill the slots in order, integers (also floats, by their bits) the `i64` ones, zero-extended, and
pointers the `ptr` ones; arms share the slots. `S | None` is a plain pointer.
"""

from __future__ import annotations

from dataclasses import dataclass

from neokernel.compiler.types import (
    ArrayType,
    BoolType,
    EnumType,
    Field,
    FloatType,
    IntType,
    NeverType,
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

POINTER_SIZE = 8


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar within a value: `llvm` type in memory, `path` of LLVM indices, byte `offset`, readable `name`.

    `type` is the scalar's own type where it has one; a union's slots have none. `limit`: values are below it (tags).
    """

    llvm: str
    path: tuple[int, ...]
    offset: int
    size: int
    name: str
    type: Type | None = None
    limit: int | None = None

    @property
    def is_pointer(self) -> bool:
        return self.llvm == "ptr"


@dataclass(frozen=True, slots=True)
class ArmSlots:
    """Where an arm's leaves go: for each leaf its LLVM index within the union."""

    tag: int
    leaves: tuple[Leaf, ...]
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnionLayout:
    """A tagged union's slots: `integers` times i64, then `pointers` times ptr."""

    integers: int
    pointers: int
    arms: dict[Type, ArmSlots]

    def slot_types(self) -> list[str]:
        return ["i64"] * self.integers + ["ptr"] * self.pointers

    def slot_offset(self, index: int) -> int:
        """The byte offset of LLVM index `index` (0 is the tag)."""
        return 8 * index


@dataclass(frozen=True, slots=True)
class StructLayout:
    """A struct's size, alignment, and the byte offset of each stored field."""

    size: int
    alignment: int
    offsets: dict[str, int]


def round_up(value: int, alignment: int) -> int:
    return (value + alignment - 1) // alignment * alignment


def record_fields(record: Type) -> list[tuple[str, Type]]:
    """The fields of a value or tuple, as `MakeRecord` and `Item` count them (ghosts left out)."""
    if isinstance(record, ValueType):
        return [(field.name, field.type) for field in record.fields.values() if not field.ghost]
    if isinstance(record, TupleType):
        return [(str(index), item) for index, item in enumerate(record.items)]
    raise TypeError(f"{record} is not a value or tuple")


class Layout:
    """Answers about types, computed once per type. All targets we have share one layout (64-bit, little-endian)."""

    def __init__(self) -> None:
        self._structs: dict[StructType, StructLayout] = {}
        self._unions: dict[UnionType, UnionLayout] = {}
        self._llvm: dict[Type, str] = {}
        self._sizes: dict[Type, tuple[int, int]] = {}
        self._leaves: dict[Type, tuple[Leaf, ...]] = {}

    # --- sizes --------------------------------------------------------------------------------------------------------

    def size(self, of: Type) -> int:
        """Bytes that a value of this type, or an object if it is a struct, array or wire class, takes."""
        return self._measure(of)[0]

    def alignment(self, of: Type) -> int:
        return self._measure(of)[1]

    def _measure(self, of: Type) -> tuple[int, int]:
        known = self._sizes.get(of)
        if known is None:
            known = self._sizes[of] = self._compute(of)
        return known

    def _compute(self, of: Type) -> tuple[int, int]:
        if isinstance(of, (IntType, FloatType)):
            return of.bits // 8, of.bits // 8
        if isinstance(of, BoolType):
            return 1, 1
        if isinstance(of, EnumType):
            return of.storage.bits // 8, of.storage.bits // 8
        if isinstance(of, (NoneType, NeverType)):
            return 0, 1
        if isinstance(of, RefType):
            return POINTER_SIZE, POINTER_SIZE
        if isinstance(of, SpanType):
            return 2 * POINTER_SIZE, POINTER_SIZE
        if isinstance(of, StructType):
            struct = self.struct(of)
            return struct.size, struct.alignment
        if isinstance(of, ArrayType):
            size, alignment = self._measure(of.element)
            return size * of.length, alignment
        if isinstance(of, WireType):
            return of.size, self._wire_alignment(of)
        if isinstance(of, UnionType):
            if of.is_optional_reference:
                return POINTER_SIZE, POINTER_SIZE
            union = self.union(of)
            return 8 * (1 + union.integers + union.pointers), 8
        size, alignment = 0, 1
        for _, item in record_fields(of):
            item_size, item_alignment = self._measure(item)
            size = round_up(size, item_alignment) + item_size
            alignment = max(alignment, item_alignment)
        return round_up(size, alignment), alignment

    def _wire_alignment(self, of: WireType) -> int:
        """Registers are aligned by contract; packed formats may lie anywhere."""
        if not of.registers:
            return 1
        units = [field.unit_bits // 8 for field in of.fields.values() if field.unit_bits in (8, 16, 32, 64)]
        return max(units, default=1)

    def struct(self, of: StructType) -> StructLayout:
        known = self._structs.get(of)
        if known is None:
            offset, alignment = 0, 1
            offsets: dict[str, int] = {}
            for field in of.fields.values():
                if field.ghost:
                    continue
                stored = self.stored_type(field)
                field_size, field_alignment = self._measure(stored)
                offset = round_up(offset, field_alignment)
                offsets[field.name] = offset
                offset += field_size
                alignment = max(alignment, field_alignment)
            known = self._structs[of] = StructLayout(round_up(offset, alignment), alignment, offsets)
        return known

    def stored_type(self, field: Field) -> Type:
        """What stands in memory: the object itself for inline fields, whichever way the front end spells their type."""
        return field.type.target if field.inline and isinstance(field.type, RefType) else field.type

    def element_type(self, of: ArrayType | SpanType) -> Type:
        return of.element.target if of.inline and isinstance(of.element, RefType) else of.element

    def offset(self, struct: StructType, field: str) -> int:
        return self.struct(struct).offsets[field]

    # --- LLVM types ---------------------------------------------------------------------------------------------------

    def llvm(self, of: Type) -> str:
        """The LLVM type of a value in SSA form; `void` for None."""
        known = self._llvm.get(of)
        if known is None:
            known = self._llvm[of] = "i1" if isinstance(of, BoolType) else self._memory_type(of)
        return known

    def memory(self, of: Type) -> str:
        """The LLVM type in memory and within aggregates."""
        return "i8" if isinstance(of, BoolType) else self.llvm(of)

    def element(self, of: ArrayType | SpanType) -> str:
        """The LLVM type to step over one element with; objects are bytes."""
        element = self.element_type(of)
        if isinstance(element, (StructType, WireType, ArrayType)):
            return f"[{self.size(element)} x i8]"
        return self.memory(element) if self.size(element) else "{}"

    def _memory_type(self, of: Type) -> str:
        if isinstance(of, IntType):
            return f"i{of.bits}"
        if isinstance(of, EnumType):
            return f"i{of.storage.bits}"
        if isinstance(of, FloatType):
            return "float" if of.bits == 32 else "double"
        if isinstance(of, (NoneType, NeverType)):
            return "void"
        if isinstance(of, RefType):
            return "ptr"
        if isinstance(of, SpanType):
            return "{ ptr, i64 }"
        if isinstance(of, UnionType):
            if of.is_optional_reference:
                return "ptr"
            return "{ " + ", ".join(["i64", *self.union(of).slot_types()]) + " }"
        items = [self.memory(item) for _, item in record_fields(of) if not isinstance(item, NoneType)]
        return "{ " + ", ".join(items) + " }" if items else "{}"

    def slot(self, record: Type, index: int) -> int | None:
        """The LLVM index of a record's field; None when the field has no storage."""
        fields = record_fields(record)
        if isinstance(fields[index][1], NoneType):
            return None
        return sum(not isinstance(item, NoneType) for _, item in fields[:index])

    # --- leaves -------------------------------------------------------------------------------------------------------

    def leaves(self, of: Type) -> tuple[Leaf, ...]:
        """The scalars that a value consists of, in memory order."""
        known = self._leaves.get(of)
        if known is None:
            known = self._leaves[of] = tuple(self._compute_leaves(of))
        return known

    def _compute_leaves(self, of: Type) -> list[Leaf]:
        if isinstance(of, (NoneType, NeverType)):
            return []
        if isinstance(of, SpanType):
            return [Leaf("ptr", (0,), 0, 8, "pointer"), Leaf("i64", (1,), 8, 8, "length")]
        if isinstance(of, UnionType) and not of.is_optional_reference:
            union = self.union(of)
            leaves = [Leaf("i64", (0,), 0, 8, "tag", limit=len(of.arms))]
            for index, llvm in enumerate(union.slot_types(), 1):
                leaves.append(Leaf(llvm, (index,), union.slot_offset(index), 8, f"slot{index}"))
            return leaves
        if isinstance(of, (ValueType, TupleType)):
            leaves = []
            offset, position = 0, 0
            for name, item in record_fields(of):
                if isinstance(item, NoneType):
                    continue
                size, alignment = self._measure(item)
                offset = round_up(offset, alignment)
                for leaf in self.leaves(item):
                    path = (position, *leaf.path)
                    leaf_name = f"{name}.{leaf.name}" if leaf.name else name
                    leaves.append(
                        Leaf(leaf.llvm, path, offset + leaf.offset, leaf.size, leaf_name, leaf.type, leaf.limit)
                    )
                offset += size
                position += 1
            return leaves
        return [Leaf(self.memory(of), (), 0, self.size(of), "", of)]

    def union(self, of: UnionType) -> UnionLayout:
        known = self._unions.get(of)
        if known is None:
            # None is tag 0, so that zeroed memory holds it.
            ordered = sorted(of.arms, key=lambda arm: not isinstance(arm, NoneType))
            arms: dict[Type, tuple[Leaf, ...]] = {arm: self.leaves(arm) for arm in ordered}
            integers = max(sum(not leaf.is_pointer for leaf in leaves) for leaves in arms.values())
            pointers = max(sum(leaf.is_pointer for leaf in leaves) for leaves in arms.values())
            placed = {}
            for tag, (arm, leaves) in enumerate(arms.items()):
                next_integer, next_pointer = 1, 1 + integers
                slots = []
                for leaf in leaves:
                    if leaf.is_pointer:
                        slots.append(next_pointer)
                        next_pointer += 1
                    else:
                        slots.append(next_integer)
                        next_integer += 1
                placed[arm] = ArmSlots(tag, leaves, tuple(slots))
            known = self._unions[of] = UnionLayout(integers, pointers, placed)
        return known


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an entry stub finds its arguments and leaves its result: byte offsets, and the size of the whole."""

    arguments: tuple[int, ...]
    result: int
    size: int


def entry_frame(layout: Layout, parameters: list[Type], result: Type) -> Frame:
    """The memory through which the host calls a function: the arguments as in a C struct, then the result."""
    offset = 0
    offsets = []
    for parameter in [*parameters, result]:
        offset = round_up(offset, layout.alignment(parameter))
        offsets.append(offset)
        offset += layout.size(parameter)
    return Frame(tuple(offsets[:-1]), offsets[-1], round_up(offset, 8))
