"""What instrumented modules call: `install` puts it into their globals, under names that start with `_nk_`.

Invariant: an instrumented module reaches this machinery by globals only, so a call costs one dictionary look-up; the
module's own definitions come later and win (a module may define its own `min`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import ModuleType
from typing import Any

from neokernel.lang.arithmetic import Range, enumerated, length, maximum, minimum
from neokernel.lang.contracts import Guarded, Rounds, Text, assert_never, ensured, enter, held, joined, leave
from neokernel.lang.coroutines import Owned, defined
from neokernel.lang.failures import AssertionFailed, NotAMember, StaticError
from neokernel.lang.floats import Float
from neokernel.lang.integers import Integer, usize
from neokernel.lang.records import Default, evaluate
from neokernel.lang.sequences import byte_view
from neokernel.lang.shapes import shape_of

#: in the globals of instrumented modules, and of no others
TARGET_MARK = "_nk_target"


def enumeration(kind: type[Enum]) -> type[Enum]:
    """Class decorator of enums: a number that is no member's fails with kind *enum*."""

    def missing(cls: type[Enum], value: object) -> Any:
        if not isinstance(value, int):
            raise StaticError(f"{cls.__name__}() takes a number, not {type(value).__name__}")
        raise NotAMember(f"{int(value)} is no {cls.__name__}")

    kind._missing_ = classmethod(missing)  # type: ignore[assignment, method-assign]
    return kind


def encode(text: Any, *arguments: Any, **named: Any) -> Any:
    """`x.encode(…)`: of a `str`, its UTF-8 as `bytes` of the language."""
    if isinstance(text, str):
        return byte_view(text.encode())
    return text.encode(*arguments, **named)


def like(model: Any, constant: Any) -> Any:
    """`constant` as the type of `model`, when that is a number and `constant` untyped."""
    kind = type(model)
    if constant.__class__ in (int, float) and issubclass(kind, (Integer, Float)):
        return shape_of(kind).coerce(constant)
    return constant


def result_like(function: Any, constant: Any) -> Any:
    """`constant` as the type of what a function returns, when that is a number."""
    if isinstance(function, type):
        return like(function(), constant) if issubclass(function, (Integer, Float)) else constant
    annotation = getattr(function, "__annotations__", {}).get("return")
    kind = evaluate(annotation, function.__globals__) if annotation is not None else None
    known = isinstance(kind, type) and issubclass(kind, (Integer, Float)) and constant.__class__ in (int, float)
    return shape_of(kind).coerce(constant) if known else constant


def method_like(owner: Any, name: str, constant: Any) -> Any:
    """The same for a method, or a function of a class or module."""
    place = owner if isinstance(owner, (type, ModuleType)) else type(owner)
    return result_like(getattr(place, name, None), constant)


def field_like(owner: Any, name: str, constant: Any) -> Any:
    """`constant` as the type of a field, which isn't read."""
    record = getattr(type(owner), "_record", None)
    if record is None or name not in record.fields or constant.__class__ not in (int, float):
        return constant
    return record.coerce(name, constant, owner)


def element_like(container: Any, constant: Any) -> Any:
    """`constant` as the type of an array's or span's elements."""
    element = getattr(container, "_element", None)
    if element is None or constant.__class__ not in (int, float):
        return constant
    return element.coerce(constant)


def lazy_coercion(namespace: dict[str, Any], number: int, annotation: str) -> Callable[[Any], Any]:
    """The first use resolves the annotation, and leaves the real coercion (and the class that needs none) behind."""

    def coerce(value: Any) -> Any:
        shape = shape_of(evaluate(annotation, namespace))
        namespace[f"_nk_type_{number}"] = shape.expected
        namespace[f"_nk_coerce_{number}"] = shape.coerce
        return shape.coerce(value)

    return coerce


HELPERS: dict[str, Any] = {
    TARGET_MARK: True,
    "_nk_AssertionFailed": AssertionFailed,
    "_nk_Default": Default,
    "_nk_assert_never": assert_never,
    "_nk_async": defined,
    "_nk_element_like": element_like,
    "_nk_encode": encode,
    "_nk_ensured": ensured,
    "_nk_enter": enter,
    "_nk_enumeration": enumeration,
    "_nk_field_like": field_like,
    "_nk_getattr": getattr,
    "_nk_guarded": Guarded,
    "_nk_held": held,
    "_nk_held_by": dict.get,
    "_nk_leave": leave,
    "_nk_like": like,
    "_nk_locals": locals,
    "_nk_method_like": method_like,
    "_nk_owned": Owned,
    "_nk_result_like": result_like,
    "_nk_rounds": Rounds,
    "_nk_Text": Text,
    "_nk_text": joined,
    "_nk_usize": usize,
    "enumerate": enumerated,
    "len": length,
    "max": maximum,
    "min": minimum,
    "range": Range,
}


def install(namespace: dict[str, Any], annotations: tuple[str, ...], constants: tuple[bytes, ...]) -> None:
    """The first statement of an instrumented module. `namespace` is its globals."""
    namespace.update(HELPERS)
    for number, annotation in enumerate(annotations):
        namespace[f"_nk_type_{number}"] = None
        namespace[f"_nk_coerce_{number}"] = lazy_coercion(namespace, number, annotation)
    for number, constant in enumerate(constants):
        namespace[f"_nk_bytes_{number}"] = byte_view(constant)
