"""`size_of`, `align_of`, `offset_of`: the layout of types in memory (language page, section 2).

Declared order, little-endian, C alignment; the compiler's back end follows the same rules, and a test compares them:

- a reference, and `S | None`, are 8 bytes; a view or span is 16 (pointer, length); an enum is the smallest integer that
  holds its members; a `Ghost` field is nothing;
- any other union is a `u8` tag, then from byte 8 slots of 8 bytes that the arms share: first as many as the arm with
  the most integer-like leaves has, then as many as the one with the most pointers (a view is a pointer and an integer).
"""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

from neokernel.lang.atomics import Atomic, Handle
from neokernel.lang.failures import FieldError, StaticError
from neokernel.lang.floats import Float
from neokernel.lang.integers import Integer, i8, i16, i32, i64, u8, u16, u32, u64, usize
from neokernel.lang.records import Field, substitute
from neokernel.lang.sequences import Array, Span
from neokernel.lang.shapes import Embedded, Ghost, type_name
from neokernel.lang.wire import WireRecord

Measure = tuple[int, int]  # size and alignment, in bytes


def round_up(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def enum_storage(kind: type[Enum]) -> type[Integer]:
    """The smallest integer that holds all members; unsigned when none is negative."""
    numbers = [int(member.value) for member in kind]
    widths = (u8, u16, u32, u64) if min(numbers, default=0) >= 0 else (i8, i16, i32, i64)
    for width in widths:
        if width.lowest <= min(numbers, default=0) and max(numbers, default=0) <= width.highest:
            return width
    raise StaticError(f"{kind.__name__}: no integer holds all members")


def is_reference(kind: Any) -> bool:
    """Is a variable of this type a pointer to an object?"""
    origin = typing.get_origin(kind) or kind
    return origin is Array or (hasattr(origin, "_record") and origin._record.role != "value")


def record_of(kind: Any) -> tuple[Any, dict[Any, Any]] | None:
    """The record behind a class or an instance of a generic one, and its type arguments."""
    origin = typing.get_origin(kind) or kind
    record: Any = getattr(origin, "_record", None)
    if record is None:
        return None
    record.evaluate()
    return record, dict(zip(record.parameters, typing.get_args(kind), strict=False))


def lay_out(items: list[Measure]) -> tuple[list[int], Measure]:
    """Offsets of consecutive members, and the whole's measure."""
    offset, widest, offsets = 0, 1, []
    for size, alignment in items:
        offset = round_up(offset, alignment)
        offsets.append(offset)
        offset += size
        widest = max(widest, alignment)
    return offsets, (round_up(offset, widest), widest)


def measure(kind: Any) -> Measure:
    """Size and alignment of a value of the type: for an object, of the reference to it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is None or kind is type(None):
        return 0, 1
    if origin is Ghost:
        return 0, 1
    if origin in (Embedded, Atomic, typing.Final):
        return measure_object(arguments[0])
    if origin is Span or kind in (bytes, str) or (origin is tuple and arguments[1:] == (Ellipsis,)):
        return 16, 8
    if is_reference(kind):
        return 8, 8
    if origin is tuple:
        return lay_out([measure(item) for item in arguments])[1]
    if origin in (typing.Union, types.UnionType):
        return measure_union(arguments)
    if kind is Handle or origin is Handle:
        return 8, 4
    found = record_of(kind)
    if found is not None:
        return lay_out([measure_field(field, found[1]) for field in found[0].fields.values()])[1]
    if isinstance(kind, type):
        if kind is bool:
            return 1, 1
        if issubclass(kind, (Integer, Float)):
            return kind.bits // 8, kind.bits // 8
        if issubclass(kind, Enum):
            return measure(enum_storage(kind))
    raise StaticError(f"{type_name(kind)} has no layout")


def measure_object(kind: Any, example: Any = None) -> Measure:
    """Size and alignment of the object itself. `example` has the lengths of arrays that the class leaves open."""
    found = record_of(kind)
    if found is None or found[0].role == "value":
        return measure(kind)
    record, bindings = found
    if record.role == "wire":
        return record.layout.size, wire_alignment(record)
    return lay_out([measure_field(field, bindings, example) for field in record.fields.values()])[1]


def wire_alignment(record: WireRecord) -> int:
    """Registers are aligned by contract; packed formats may lie anywhere."""
    if not record.registers:
        return 1
    return max((part.size for part in record.layout.parts.values() if part.bits), default=1)


def measure_field(field: Field, bindings: dict[Any, Any], owner: Any = None) -> Measure:
    """A field's place in a struct; `owner` as `example` above."""
    kind = substitute(field.type, bindings)
    origin = typing.get_origin(kind)
    if origin is not Array and origin is not Embedded:
        return measure(kind)
    if owner is not None:
        example = owner.__dict__[field.name]
    else:
        example = None if field.default is None else field.default.make()
    (inside,) = typing.get_args(kind)
    if origin is Embedded:
        return measure_object(inside, example)
    if example is None:
        raise StaticError(f"{field.name}: an array's length belongs to the object, and this field has no default")
    if typing.get_origin(inside) is Embedded and len(example) and example._element is not None:
        size, alignment = measure_object(typing.get_args(inside)[0], example[0])
    else:
        size, alignment = measure(inside)
    return size * len(example), alignment


def measure_union(arms: tuple[Any, ...]) -> Measure:
    others = [arm for arm in arms if arm is not type(None)]
    if len(others) == 1 and len(arms) == 2 and is_reference(others[0]):
        return 8, 8
    slots = [count_leaves(arm) for arm in arms]
    count = max(integers for integers, _ in slots) + max(pointers for _, pointers in slots)
    return (8 + 8 * count, 8) if count else (1, 1)


def count_leaves(kind: Any) -> tuple[int, int]:
    """How many integer-like and how many pointer leaves a value of the type has."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is type(None) or kind is None or origin is Ghost:
        return 0, 0
    if is_reference(kind):
        return 0, 1
    if origin is Span or kind in (bytes, str) or (origin is tuple and arguments[1:] == (Ellipsis,)):
        return 1, 1
    if kind is Handle or origin is Handle:
        return 2, 0
    if origin in (typing.Union, types.UnionType):
        others = [arm for arm in arguments if arm is not type(None)]
        if len(others) == 1 and len(arguments) == 2 and is_reference(others[0]):
            return 0, 1
        inner = [count_leaves(arm) for arm in arguments]
        return 1 + max(integers for integers, _ in inner), max(pointers for _, pointers in inner)
    items = list(arguments) if origin is tuple else None
    found = record_of(kind) if items is None else None
    if found is not None:
        items = [substitute(field.type, found[1]) for field in found[0].fields.values()]
    if items is None:
        return 1, 0
    leaves = [count_leaves(item) for item in items]
    return sum(integers for integers, _ in leaves), sum(pointers for _, pointers in leaves)


def size_of(kind: Any) -> Any:
    """Bytes that an object of the class, or a value of the type, takes."""
    return usize(measure_object(kind)[0])


def align_of(kind: Any) -> Any:
    """Its alignment in bytes."""
    return usize(measure_object(kind)[1])


def offset_of(kind: Any, field: str) -> Any:
    """The offset of a field in bytes; of a bit field, its unit's."""
    found = record_of(kind)
    if found is None:
        raise StaticError(f"offset_of takes a struct, value or wire class, not {type_name(kind)}")
    record, bindings = found
    if field not in record.fields:
        raise FieldError(f"{record.kind.__name__} has no field {field}")
    if record.role == "wire":
        return usize(record.layout.parts[field].offset)
    offsets, _ = lay_out([measure_field(item, bindings) for item in record.fields.values()])
    return usize(offsets[list(record.fields).index(field)])
