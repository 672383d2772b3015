"""The types that generated programs use, as the generator sees them.

Invariant: kinds are compared by value; the classes among them by name, which is unique in a program.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class Kind:
    """Base. `str(kind)` is how the program spells it."""

    __slots__ = ()


@dataclass(frozen=True)
class Int(Kind):
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


@dataclass(frozen=True)
class Float(Kind):
    bits: int

    def __str__(self) -> str:
        return f"f{self.bits}"


@dataclass(frozen=True)
class Bool(Kind):
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class Nothing(Kind):
    def __str__(self) -> str:
        return "None"


@dataclass(frozen=True)
class Enumeration(Kind):
    name: str
    members: tuple[tuple[str, int], ...] = field(compare=False)

    def __str__(self) -> str:
        return self.name

    def number(self, value: str) -> str:
        """Any member's number as a `u64`, from the text of its `.value`."""
        negative = any(number < 0 for _, number in self.members)
        return f"truncate(u64, i64({value}))" if negative else f"u64({value})"


@dataclass(frozen=True)
class Tuple(Kind):
    items: tuple[Kind, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True)
class Union(Kind):
    arms: tuple[Kind, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.arms))


@dataclass(frozen=True)
class Value(Kind):
    """A `@value` class. `methods`: name and result of methods without parameters."""

    name: str
    fields: tuple[tuple[str, Kind], ...] = field(compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Struct(Kind):
    """A `@struct` class. `embedded` fields hold the object itself; `defaults` are the fields that have a default."""

    name: str
    fields: tuple[tuple[str, Kind], ...] = field(compare=False)
    embedded: frozenset[str] = field(compare=False, default=frozenset())
    defaults: frozenset[str] = field(compare=False, default=frozenset())

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Array(Kind):
    """`inline`: the elements are objects."""

    element: Kind
    length: int
    inline: bool = False

    def __str__(self) -> str:
        return f"Array[Embedded[{self.element}]]" if self.inline else f"Array[{self.element}]"


@dataclass(frozen=True)
class Span(Kind):
    """A `Span[T]`, or, when not `mutable`, a view."""

    element: Kind
    mutable: bool

    def __str__(self) -> str:
        if self.mutable:
            return f"Span[{self.element}]"
        return "bytes" if self.element == U8 else f"tuple[{self.element}, ...]"


INTS = tuple(Int(bits, signed) for bits in (8, 16, 32, 64) for signed in (False, True))
U8, U32, U64 = Int(8, False), Int(32, False), Int(64, False)
F32, F64 = Float(32), Float(64)
BOOL, NONE = Bool(), Nothing()


@dataclass(frozen=True)
class Wire(Kind):
    """A `@wire` class; fields with the bits that they hold and the type that they read as."""

    name: str
    fields: tuple[tuple[str, int, Int], ...] = field(compare=False)
    size: int = field(compare=False, default=0)

    def __str__(self) -> str:
        return self.name


def is_scalar(kind: Kind) -> bool:
    return isinstance(kind, Int | Float | Bool | Enumeration)


def has_zero(kind: Kind) -> bool:
    """May `array(n)` make elements of it?"""
    if isinstance(kind, Enumeration):
        return kind.members[0][1] == 0
    return isinstance(kind, Int | Float | Bool)


def has_equality(kind: Kind) -> bool:
    """Is `==` for it?"""
    if isinstance(kind, Value):
        return all(map(_comparable_part, (of for _, of in kind.fields)))
    if isinstance(
        kind, Tuple
    ):  # Python finds a NaN that a tuple holds equal to itself, so the language has no such `==`
        return not _holds_float(kind) and all(map(_comparable_part, kind.items))
    return is_scalar(kind)


def _holds_float(kind: Kind) -> bool:
    match kind:
        case Tuple(items) | Union(items):
            return any(map(_holds_float, items))
        case Value(fields=fields):
            return any(_holds_float(of) for _, of in fields)
    return isinstance(kind, Float)


def _comparable_part(kind: Kind) -> bool:
    if isinstance(kind, Union):
        return all(of == NONE or has_equality(of) for of in kind.arms)
    return has_equality(kind)
