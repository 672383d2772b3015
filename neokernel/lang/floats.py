"""`f32` and `f64`: IEEE 754 binary32 and binary64, which never trap.

Invariants: an `f32` object's value is always a binary32 number; each operation rounds once (for `+ - * /` and the
square root, rounding the binary64 result to binary32 equals rounding the exact one, since 53 >= 2 * 24 + 2). A plain
`float` or `int` is an untyped constant and adapts.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from ctypes import c_float
from typing import Any, ClassVar

from neokernel.lang.failures import StaticError
from neokernel.lang.integers import Integer, u32, u64

Method = Callable[..., Any]


class Float(float):
    """Base of the two formats; never instantiated itself."""

    bits: ClassVar[int] = 0


def to_binary32(value: float) -> float:
    """The binary32 number nearest to `value` (infinite when too large), as a `float`."""
    return c_float(value).value


def exact(value: float) -> float:
    return value


def integer_to_float(number: int, bits: int) -> float:
    """`number` rounded once to the format. By way of binary64, an `f32` would be rounded twice: keep a sticky bit."""
    excess = abs(number).bit_length() - 53
    if bits == 64 or excess <= 0:
        return float(number)
    magnitude = abs(number)
    sticky = 1 if magnitude & ((1 << excess) - 1) else 0
    rounded_to_odd = ((magnitude >> excess) | sticky) << excess
    return float(rounded_to_odd if number >= 0 else -rounded_to_odd)


def divide(left: float, right: float) -> float:
    """IEEE division: by zero it is infinite or NaN."""
    try:
        return left / right
    except ZeroDivisionError:
        if left == 0 or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)


def make_float(name: str, bits: int, rounded: Callable[[float], float]) -> type[Float]:
    """Make the class of one format."""
    new = float.__new__
    number = float.__float__  # an exact `float`, so that arithmetic below is the builtin's

    def operand(other: Any, symbol: str) -> float:
        kind = other.__class__
        if kind is float:
            return rounded(other)
        if kind is int:
            return rounded(integer_to_float(other, bits))
        raise StaticError(f"{name} {symbol} {type(other).__name__}: operands must have one type")

    def arithmetic(symbol: str, compute: Callable[[float, float], float]) -> tuple[Method, Method]:
        def forward(self: float, other: float) -> float:
            right = number(other) if other.__class__ is format_class else operand(other, symbol)
            return new(format_class, rounded(compute(number(self), right)))

        def reflected(self: float, other: float) -> float:
            return new(format_class, rounded(compute(operand(other, symbol), number(self))))

        return forward, reflected

    def comparison(symbol: str, compute: Callable[[float, float], bool]) -> Method:
        def method(self: float, other: Any) -> bool:
            if other.__class__ is format_class:
                return compute(self, other)
            if not isinstance(other, (int, float)) and symbol in ("==", "!="):
                return symbol == "!="
            return compute(self, operand(other, symbol))

        return method

    def unsupported(symbol: str) -> Method:
        def method(*_: object) -> float:
            raise StaticError(f"{symbol} is not an operator of {name}")

        return method

    def convert(cls: type[Float], value: object = 0.0) -> Any:
        """`f32(x)`: the nearest number of the format to an integer or float."""
        if isinstance(value, float):
            return new(cls, rounded(number(value)))
        if isinstance(value, int):
            return new(cls, rounded(integer_to_float(int(value), bits)))
        raise StaticError(f"{name}() takes an integer or float, not {type(value).__name__}")

    namespace: dict[str, Any] = {
        "__doc__": f"IEEE 754 binary{bits}.",
        "__module__": "neokernel.lang",
        "__slots__": (),
        "__new__": convert,
        "__repr__": lambda self: f"{name}({float.__repr__(self)})",
        "__str__": float.__repr__,
        "__hash__": float.__hash__,
        "__neg__": lambda self: new(format_class, float.__neg__(self)),
        "__pos__": lambda self: self,
        "__abs__": lambda self: new(format_class, float.__abs__(self)),
        "bits": bits,
    }
    for word, symbol, compute in (
        ("add", "+", float.__add__), ("sub", "-", float.__sub__), ("mul", "*", float.__mul__), ("truediv", "/", divide),
    ):  # fmt: skip
        namespace[f"__{word}__"], namespace[f"__r{word}__"] = arithmetic(symbol, compute)
    for word, symbol, compare in (
        ("eq", "==", float.__eq__), ("ne", "!=", float.__ne__), ("lt", "<", float.__lt__),
        ("le", "<=", float.__le__), ("gt", ">", float.__gt__), ("ge", ">=", float.__ge__),
    ):  # fmt: skip
        namespace[f"__{word}__"] = comparison(symbol, compare)
    for word, symbol in (("floordiv", "//"), ("mod", "%"), ("pow", "**"), ("divmod", "divmod()")):
        namespace[f"__{word}__"] = namespace[f"__r{word}__"] = unsupported(symbol)
    format_class: type[Float] = type(name, (Float,), namespace)
    return format_class


f32 = make_float("f32", 32, to_binary32)
f64 = make_float("f64", 64, exact)


def fit_float(kind: type[Float], value: Any) -> Any:
    """`value` as `kind` without conversion: it is one already, or an untyped constant."""
    if value.__class__ is kind:
        return value
    if value.__class__ in (float, int):
        return kind(value)
    raise StaticError(f"{kind.__name__} expected, not {type(value).__name__}")


def own_format(value: object, function: str) -> type[Float]:
    kind = type(value)
    if not issubclass(kind, Float):
        raise StaticError(f"{function} takes an f32 or f64, not {kind.__name__}")
    return kind


def square_root(x: float) -> Any:
    """The square root, correctly rounded; NaN for negative numbers."""
    kind = own_format(x, "square_root")
    return kind(math.sqrt(x) if not float.__lt__(x, 0.0) else math.nan)


def float_bits(x: float) -> Any:
    """The bits of an `f32` as `u32`, of an `f64` as `u64`."""
    if own_format(x, "float_bits") is f32:
        return u32(int.from_bytes(struct.pack("<f", x), "little"))
    return u64(int.from_bytes(struct.pack("<d", x), "little"))


def float_from_bits(x: int) -> Any:
    """The `f32` whose bits are a `u32`, or the `f64` whose bits are a `u64`."""
    kind: type[Integer] = type(x)  # type: ignore[assignment]
    if kind is u32:
        return f32(struct.unpack("<f", int(x).to_bytes(4, "little"))[0])
    if kind is u64:
        return f64(struct.unpack("<d", int(x).to_bytes(8, "little"))[0])
    raise StaticError(f"float_from_bits takes a u32 or u64, not {type(x).__name__}")
