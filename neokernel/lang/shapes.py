"""What annotations mean at run time: `shape_of` turns a type into a `Shape` (coercion, zero value).

Coercing never converts: it lets an untyped constant take the expected width, tells an array its element type, and
rejects what the compiler rejects.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, TypeVar

from neokernel.lang.atomics import Atomic, Handle
from neokernel.lang.failures import DeadObject, StaticError
from neokernel.lang.floats import Float, fit_float
from neokernel.lang.integers import Integer, describe, fit, u8
from neokernel.lang.sequences import BYTE, Array, Shape, Span, View, byte_span, byte_view, window


class Embedded:
    """`Embedded[S]`: the object itself stands in the field or array, inline."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Ghost:
    """`Ghost[T]`: a field that exists under CPython and the prover only."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Retired:
    """The class of objects whose life has ended: every access fails. `retire` moves objects here."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return Retired
        raise dead(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise dead(self)

    def __len__(self) -> int:
        raise dead(self)

    def __getitem__(self, index: object) -> Any:
        raise dead(self)

    def __setitem__(self, index: object, value: object) -> None:
        raise dead(self)

    def __contains__(self, item: object) -> bool:
        raise dead(self)

    def __repr__(self) -> str:
        return f"<dead {was(self)}>"


AnyType = TypeVar("AnyType")


class RetiredGeneric(Generic[AnyType]):
    """The same for objects of generic classes: CPython moves objects only between classes over one base.

    Its objects, too, say that their class is `Retired`.
    """

    __getattribute__: Any = Retired.__getattribute__
    __setattr__: Any = Retired.__setattr__
    __len__: Any = Retired.__len__
    __getitem__: Any = Retired.__getitem__
    __setitem__: Any = Retired.__setitem__
    __contains__: Any = Retired.__contains__
    __repr__: Any = Retired.__repr__


def dead(retired: Retired) -> Exception:
    return DeadObject(f"access to a {was(retired)} that was retired")


def was(retired: Retired) -> str:
    """The name of the class that the object had."""
    kind: type = object.__getattribute__(retired, "__dict__")[".was"]
    return kind.__name__


def mismatch(name: str, value: object) -> StaticError:
    return StaticError(f"{name} expected, not {describe(value)}")


def same(value: Any) -> Any:
    return value


def type_name(annotation: Any) -> str:
    """The type as the user would spell it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("neokernel.lang.", "").replace("typing.", "")


def plain(name: str, kind: type, zero: Callable[[], Any] | None = None) -> Shape:
    """A type whose values are exactly the instances of one class."""

    def coerce(value: Any) -> Any:
        if isinstance(value, kind) or value.__class__ is Retired:
            return value
        raise mismatch(name, value)

    return Shape(name, kind, coerce, zero)


def enum_shape(kind: type[Enum]) -> Shape:
    first = next((member for member in kind if member.value == 0), None)
    return plain(kind.__name__, kind, None if first is None else lambda: first)


def constant_free(parameter: TypeVar) -> Shape:
    """A bare type variable: CPython doesn't know it, so an untyped constant can't take its type."""

    def coerce(value: Any) -> Any:
        if value.__class__ is int or value.__class__ is float:
            raise StaticError(f"a constant for the type parameter {parameter.__name__}: write its width, as in u8(5)")
        return value

    return Shape(parameter.__name__, None, coerce)


def span_shape(name: str, origin: type, element_type: Any) -> Shape:
    element = element_shape(element_type)

    def coerce(value: Any) -> Any:
        if isinstance(value, Array):
            if element is not None:
                value._bind(element)
            return value
        if value.__class__ is Span and origin is Span:
            known = value._element
            if element is not None and known is not None and known.expected is not None:
                if element.expected is not None and element.expected is not known.expected:
                    raise mismatch(name, value)
            return value
        if value.__class__ is bytearray and element is not None and element.expected is u8 and origin is Span:
            return byte_span(value)
        raise mismatch(name, value)

    return Shape(name, None, coerce)


def is_open(annotation: Any) -> bool:
    """Does the type depend on type variables?"""
    if isinstance(annotation, TypeVar):
        return True
    return typing.get_origin(annotation) is not None and bool(getattr(annotation, "__parameters__", ()))


def element_shape(element_type: Any) -> Shape | None:
    """The shape of an array's elements; None when it depends on type variables, which another context may know."""
    if is_open(element_type):
        return None
    if typing.get_origin(element_type) is Embedded:
        (inner,) = typing.get_args(element_type)
        shape = shape_of(inner)
        kind = typing.get_origin(inner) or inner
        return Shape(shape.name, shape.expected, shape.coerce, lambda: shape.coerce(kind()), inline=True)
    return shape_of(element_type)


def atomic_shape(name: str, width: type[Integer]) -> Shape:
    def coerce(value: Any) -> Any:
        if value.__class__ is not Atomic:
            raise mismatch(name, value)
        value._bind(width)
        return value

    return Shape(name, None, coerce, lambda: coerce(Atomic()), inline=True)


def view_shape(name: str, element_type: Any) -> Shape:
    element = element_shape(element_type)

    def coerce(value: Any) -> Any:
        if isinstance(value, View):
            return value
        if isinstance(value, tuple):
            items = value if element is None else tuple([element.coerce(item) for item in value])
            return window(View, items, 0, len(items), element)
        raise mismatch(name, value)

    return Shape(name, None, coerce, lambda: window(View, (), 0, 0, element))


def bytes_shape() -> Shape:
    def coerce(value: Any) -> Any:
        if value.__class__ is View and value._table is not None:
            return value
        if isinstance(value, (bytes, bytearray)):
            return byte_view(value)
        raise mismatch("bytes", value)

    return Shape("bytes", None, coerce, lambda: byte_view(b""))


def tuple_shape(name: str, item_types: tuple[Any, ...]) -> Shape:
    items = [shape_of(item) for item in item_types]

    def coerce(value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise mismatch(name, value)
        return tuple([shape.coerce(item) for shape, item in zip(items, value, strict=True)])

    return Shape(name, None, coerce, lambda: tuple([shape.make_zero() for shape in items]))


def union_shape(name: str, arm_types: tuple[Any, ...]) -> Shape:
    arms = [shape_of(arm) for arm in arm_types]
    exact = frozenset(arm.expected for arm in arms if arm.expected is not None)
    constants: dict[type, Shape] = {}
    for arm in arms:
        if arm.expected is not None and issubclass(arm.expected, Integer):
            constants[int] = arm
        if arm.expected is not None and issubclass(arm.expected, Float):
            constants[float] = arm

    def coerce(value: Any) -> Any:
        if value.__class__ in exact:
            return value
        if value.__class__ in constants:
            return constants[value.__class__].coerce(value)
        for arm in arms:
            try:
                return arm.coerce(value)
            except StaticError:
                continue
        raise mismatch(name, value)

    return Shape(name, None, coerce, same_none if type(None) in exact else None, exact=exact)


def same_none() -> None:
    return None


def record_shape(annotation: Any, kind: type) -> Shape:
    """A struct, value or wire class; arguments of a generic one are told to the object."""
    name = type_name(annotation)
    arguments = typing.get_args(annotation)
    record = kind._record  # type: ignore[attr-defined]
    if not arguments or any(map(is_open, arguments)):
        return plain(name, kind, record.zero)
    bindings = dict(zip(record.parameters, arguments, strict=True))
    if record.role == "value":
        return plain(name, kind, lambda: record.make_zero(bindings))

    def coerce(value: Any) -> Any:
        if value.__class__ is kind:
            record.bind(value, bindings)
        elif value.__class__ is not Retired:
            raise mismatch(name, value)
        return value

    return Shape(name, None, coerce)


def shape_of(annotation: Any) -> Shape:
    """The shape of a type. Types that the language doesn't know (the host's, in ghosts) let everything pass."""
    try:
        return cached_shape(annotation)
    except TypeError as error:
        if isinstance(error, StaticError):
            raise
        return make_shape(annotation)  # not hashable


@lru_cache(maxsize=2048)
def cached_shape(annotation: Any) -> Shape:
    return make_shape(annotation)


def make_shape(annotation: Any) -> Shape:
    origin, arguments, name = typing.get_origin(annotation), typing.get_args(annotation), type_name(annotation)
    if annotation is None or annotation is type(None):
        return plain("None", type(None), same_none)
    if isinstance(annotation, TypeVar):
        return constant_free(annotation)
    if origin in (Embedded, Ghost, typing.Final):
        return shape_of(arguments[0])
    if origin in (Span, Array):
        return span_shape(name, origin, arguments[0])
    if origin is Atomic:
        return atomic_shape(name, arguments[0])
    if origin is Handle:
        return plain(name, Handle, lambda: Handle(0, 0))
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return view_shape(name, arguments[0])
        return tuple_shape(name, arguments)
    if origin in (typing.Union, types.UnionType):
        return union_shape(name, arguments)
    kind = origin or annotation
    if not isinstance(kind, type):
        return Shape(name, None, same)
    if "_record" in kind.__dict__:
        return record_shape(annotation, kind)
    if annotation is u8:
        return BYTE
    if issubclass(kind, Integer):
        return Shape(name, kind, lambda value: fit(kind, value), lambda: kind(0))
    if issubclass(kind, Float):
        return Shape(name, kind, lambda value: fit_float(kind, value), lambda: kind(0.0))
    if issubclass(kind, Enum):
        return enum_shape(kind)
    if kind is bytes:
        return bytes_shape()
    if kind is bool:
        return plain("bool", bool, lambda: False)
    if kind is str:
        return plain("str", str, lambda: "")
    return Shape(name, None, same)
