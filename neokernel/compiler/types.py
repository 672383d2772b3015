"""Types of the typed IR.

A type is an immutable object compared by value, except `StructType`, `WireType`, `ValueType` and `EnumType`, which are
nominal: the compiler makes one object per declaration and instance, and compares by identity.

Invariant: every type that reaches the IR is monomorphic; array lengths are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Type:
    """Base of all types. `str(type)` is the spelling the user would write."""

    __slots__ = ()


@dataclass(frozen=True)
class IntType(Type):
    """A two's complement integer of `bits` (8, 16, 32 or 64)."""

    bits: int
    signed: bool

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def holds(self, value: int) -> bool:
        return self.lowest <= value <= self.highest


@dataclass(frozen=True)
class FloatType(Type):
    """IEEE 754 binary32 or binary64."""

    bits: int

    def __str__(self) -> str:
        return f"f{self.bits}"


@dataclass(frozen=True)
class BoolType(Type):
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class NoneType(Type):
    """The type of `None`: no information, no storage."""

    def __str__(self) -> str:
        return "None"


@dataclass(frozen=True)
class NeverType(Type):
    """The result of a call that doesn't return."""

    def __str__(self) -> str:
        return "NoReturn"


@dataclass(eq=False)
class EnumType(Type):
    """An `Enum` class. `members` in declared order; stored in `storage`, the smallest integer that holds all values."""

    name: str
    module: str
    members: dict[str, int] = field(default_factory=dict)
    storage: IntType = field(default_factory=lambda: IntType(8, False))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Field:
    """A field of a struct, value, tuple or wire class.

    `inline`: the object itself stands here (`Embedded[S]`, `Array`), so the field's value is a reference into it.
    `ghost`: no storage. `atomic`: accessed only by the atomic operations. `required`: constructors must be given it.
    """

    name: str
    type: Type
    inline: bool = False
    ghost: bool = False
    atomic: bool = False
    required: bool = False


@dataclass(eq=False)
class StructType(Type):
    """A `@struct` instance. `fields` is filled after creation (structs may refer to each other).

    `name` includes type arguments: `Ring[u8]`; with open array lengths: `Ring[u8, 64]`.
    """

    name: str
    module: str
    fields: dict[str, Field] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False)
class ValueType(Type):
    """A `@value` instance: a record passed by value."""

    name: str
    module: str
    fields: dict[str, Field] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False)
class FrameType(StructType):
    """What a coroutine keeps while it waits: its state, its parameters, what lives across an `await`, callees' frames.

    The fields that follow from the body come last of all (`coroutines/split.py`): no layout is asked for before.
    """


@dataclass(eq=False)
class CoroutineType(ValueType):
    """A call of an `async def` that nobody has begun to run: its arguments. `result`: what it will give."""

    result: Type = field(default_factory=NoneType)

    def __str__(self) -> str:
        return f"Coroutine[{self.result}]"


@dataclass(frozen=True)
class TupleType(Type):
    """`tuple[A, B]`: a record without name."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True)
class WireField:
    """A field of a wire class: `bits` wide, at `bit_offset` from the class's start, seen as `type`.

    For whole fields, `unit_bits == bits` and `shift == 0`. For a bit field, the containing unit is `unit_bits` wide at
    byte `offset`, and the field is `(unit >> shift) & ((1 << bits) - 1)` after the unit was read in `big` or little
    order.
    """

    name: str
    type: Type
    offset: int
    unit_bits: int
    bits: int
    shift: int = 0
    big: bool = False


@dataclass(eq=False)
class WireType(Type):
    """A `@wire` class: `size` bytes. `registers`: accesses are aligned, each one volatile access of the unit."""

    name: str
    module: str
    size: int = 0
    registers: bool = False
    fields: dict[str, WireField] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class RefType(Type):
    """A reference, never null, to a `StructType`, `WireType` or `ArrayType` (never to a scalar)."""

    target: Type

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True)
class ArrayType(Type):
    """`length` consecutive elements. `inline`: elements are objects (`Array[Embedded[S]]`), else values of `element`.

    A variable of array type is a `RefType(ArrayType)`.
    """

    element: Type
    length: int
    inline: bool = False
    atomic: bool = False

    def __str__(self) -> str:
        element = f"Embedded[{self.element}]" if self.inline else str(self.element)
        return f"Array[{element}]({self.length})"


@dataclass(frozen=True)
class SpanType(Type):
    """Pointer and length. `mutable`: `Span[T]`; else `tuple[T, ...]`, `bytes` (u8) or, with `text`, `str`."""

    element: Type
    mutable: bool
    text: bool = False
    inline: bool = False
    atomic: bool = False

    def __str__(self) -> str:
        if self.text:
            return "str"
        if self.mutable:
            return f"Span[Embedded[{self.element}]]" if self.inline else f"Span[{self.element}]"
        return "bytes" if self.element == U8 else f"tuple[{self.element}, ...]"


@dataclass(frozen=True)
class UnionType(Type):
    """`A | B`: exactly one of `arms` (at least two, distinct, in declared order).

    `Ref | None` is the only union that is stored without a tag: as a pointer that may be null.
    """

    arms: tuple[Type, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.arms))

    @property
    def is_optional_reference(self) -> bool:
        kinds = sorted(type(arm).__name__ for arm in self.arms)
        return kinds == ["NoneType", "RefType"]


class Order(Enum):
    """Memory orders of atomic operations and fences, with LLVM's spelling."""

    RELAXED = "monotonic"
    ACQUIRE = "acquire"
    RELEASE = "release"
    ACQUIRE_RELEASE = "acq_rel"
    SEQUENTIAL = "seq_cst"


U8, U16, U32, U64 = (IntType(bits, False) for bits in (8, 16, 32, 64))
I8, I16, I32, I64 = (IntType(bits, True) for bits in (8, 16, 32, 64))
USIZE = U64
F32, F64 = FloatType(32), FloatType(64)
BOOL, NONE, NEVER = BoolType(), NoneType(), NeverType()
BYTES = SpanType(U8, mutable=False)
STR = SpanType(U8, mutable=False, text=True)

INTS = {str(t): t for t in (U8, U16, U32, U64, I8, I16, I32, I64)}
