"""Widths: `u8 … u64`, `i8 … i64` as subclasses of `int` whose operators are checked.

Invariants:
- A width object always lies in its width's range.
- An `int` that is exactly `int` is an untyped constant: it adapts to the width it meets and must fit.
- No operator joins two widths; that raises `StaticError` (the compiler rejects it).

Each width has its own methods, closures over its bounds: an addition costs about 200 ns, half of it two calls into
`int`. A generic method that looks bounds up on the class costs twice that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from neokernel.lang.failures import (
    ConstantError,
    ConversionFailed,
    DivisionByZero,
    IntegerOverflow,
    ShiftOutOfRange,
    StaticError,
)

Method = Callable[..., Any]


class Integer(int):
    """Base of the widths; never instantiated itself."""

    bits: ClassVar[int] = 0
    signed: ClassVar[bool] = False
    lowest: ClassVar[int] = 0
    highest: ClassVar[int] = 0
    #: an object of the width from a number that is known to fit
    known: ClassVar[Callable[[int], Any]]


def describe(value: object) -> str:
    """The type of `value` as the user would name it, for messages."""
    return "a constant" if type(value) is int else type(value).__name__


def make_width(name: str, bits: int, signed: bool) -> type[Integer]:
    """Make the class of one width."""
    lowest = -(1 << (bits - 1)) if signed else 0
    highest = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    new = int.__new__
    negate, shift_left, shift_right = int.__neg__, int.__lshift__, int.__rshift__

    def operand(other: Any, symbol: str) -> int:
        """`other`, which isn't of this width, as this width's operand: an untyped constant, or the program is wrong."""
        if other.__class__ is int:
            constant: int = other
            if lowest <= constant <= highest:
                return constant
            raise ConstantError(f"constant {constant} doesn't fit {name}")
        raise StaticError(f"{name} {symbol} {describe(other)}: operands must have one width")

    def overflow(left: int, symbol: str, right: int) -> IntegerOverflow:
        return IntegerOverflow(f"{int(left)} {symbol} {int(right)} doesn't fit {name}")

    def checked(symbol: str, compute: Callable[[int, int], int]) -> tuple[Method, Method]:
        """An operator whose exact result must fit, and its reflection (the constant stands left)."""

        def forward(self: int, other: int) -> int:
            if other.__class__ is not width:
                other = operand(other, symbol)
            result = compute(self, other)
            if lowest <= result <= highest:
                return new(width, result)
            raise overflow(self, symbol, other)

        def reflected(self: int, other: int) -> int:
            return forward(new(width, operand(other, symbol)), self)

        return forward, reflected

    def bitwise(symbol: str, compute: Callable[[int, int], int]) -> Method:
        """An operator that commutes and can't leave the width."""

        def method(self: int, other: int) -> int:
            if other.__class__ is not width:
                other = operand(other, symbol)
            return new(width, compute(self, other))

        return method

    def division(symbol: str, compute: Callable[[int, int], int]) -> tuple[Method, Method]:
        def forward(self: int, other: int) -> int:
            if other.__class__ is not width:
                other = operand(other, symbol)
            try:
                result = compute(self, other)
            except ZeroDivisionError:
                raise DivisionByZero(f"{int(self)} {symbol} 0") from None
            if result > highest:  # only MIN // -1
                raise overflow(self, symbol, other)
            return new(width, result)

        def reflected(self: int, other: int) -> int:
            return forward(new(width, operand(other, symbol)), self)

        return forward, reflected

    def amount(self: int, symbol: str, count: Any) -> int:
        """A shift's right operand: of any unsigned width, or a constant."""
        kind = count.__class__
        if kind is int or (issubclass(kind, Integer) and not kind.signed):
            number = int(count)
            if 0 <= number < bits:
                return number
            if number < 0:
                raise ConstantError(f"{name} {symbol} {number}: a shift's amount is unsigned")
            raise ShiftOutOfRange(f"{int(self)} {symbol} {number}: {name} has {bits} bits")
        raise StaticError(f"{name} {symbol} {describe(count)}: a shift's amount is unsigned")

    def lshift(self: int, count: Any) -> int:
        result = shift_left(self, amount(self, "<<", count))
        if lowest <= result <= highest:
            return new(width, result)
        raise overflow(self, "<<", int(count))

    def rshift(self: int, count: object) -> int:
        return new(width, shift_right(self, amount(self, ">>", count)))

    def constant_shift(symbol: str) -> Method:
        """`1 << n`: nothing says which width `1` has, so the compiler rejects it, and CPython couldn't check it."""

        def method(_: int, constant: object) -> int:
            raise StaticError(f"{constant} {symbol} …: nothing says which width {constant} has, write u32({constant})")

        return method

    def neg(self: int) -> int:
        if not signed:
            raise StaticError(f"-x on {name}: unsigned (wrapping_neg(x) wraps)")
        result = negate(self)
        if result > highest:
            raise IntegerOverflow(f"-({int(self)}) doesn't fit {name}")
        return new(width, result)

    def absolute(self: int) -> int:
        result = int.__abs__(self)
        if result > highest:
            raise IntegerOverflow(f"abs({int(self)}) doesn't fit {name}")
        return new(width, result)

    def invert(self: int) -> int:
        return new(width, ~int(self) if signed else highest - int(self))

    def comparison(symbol: str, compute: Callable[[int, int], bool]) -> Method:
        def method(self: int, other: int) -> bool:
            if other.__class__ is not width:
                other = operand(other, symbol)
            return compute(self, other)

        return method

    def equality(symbol: str, compute: Callable[[int, int], bool], different: bool) -> Method:
        """As `comparison`, but any constant and what is no number is just different: containers compare anything."""

        def method(self: int, other: Any) -> bool:
            if other.__class__ is not width:
                if not isinstance(other, int):
                    return different
                if other.__class__ is not int:
                    other = operand(other, symbol)
            return compute(self, other)

        return method

    def unsupported(symbol: str) -> Method:
        def method(*_: object) -> int:
            raise StaticError(f"{symbol} is not an operator of {name}")

        return method

    def convert(cls: type[Integer], value: object = 0) -> Any:
        """`u8(x)`: exact conversion of an integer, bool, or float (truncated toward zero)."""
        if isinstance(value, int):
            number = int(value)
        elif isinstance(value, float):
            try:
                number = int(value)
            except (OverflowError, ValueError):
                raise ConversionFailed(f"{float(value)} doesn't fit {name}") from None
        else:
            raise StaticError(f"{name}() takes an integer, bool or float, not {type(value).__name__}")
        if lowest <= number <= highest:
            return new(cls, number)
        raise ConversionFailed(f"{number} doesn't fit {name}")

    def represent(self: int) -> str:
        return f"{name}({int(self)})"

    namespace: dict[str, Any] = {
        "__doc__": f"{'Signed' if signed else 'Unsigned'} integer of {bits} bits, checked.",
        "__module__": "neokernel.lang",
        "__slots__": (),
        "__new__": convert,
        "__repr__": represent,
        "__str__": int.__repr__,
        "__hash__": int.__hash__,
        "__neg__": neg,
        "__pos__": lambda self: self,
        "__abs__": absolute,
        "__invert__": invert,
        "__lshift__": lshift,
        "__rshift__": rshift,
        "__rlshift__": constant_shift("<<"),
        "__rrshift__": constant_shift(">>"),
        "__eq__": equality("==", int.__eq__, False),
        "__ne__": equality("!=", int.__ne__, True),
        "bits": bits,
        "signed": signed,
        "lowest": lowest,
        "highest": highest,
    }
    for word, symbol, compute in (("add", "+", int.__add__), ("sub", "-", int.__sub__), ("mul", "*", int.__mul__)):
        namespace[f"__{word}__"], namespace[f"__r{word}__"] = checked(symbol, compute)
    for word, symbol, compute in (("floordiv", "//", int.__floordiv__), ("mod", "%", int.__mod__)):
        namespace[f"__{word}__"], namespace[f"__r{word}__"] = division(symbol, compute)
    for word, symbol, compute in (("and", "&", int.__and__), ("or", "|", int.__or__), ("xor", "^", int.__xor__)):
        namespace[f"__{word}__"] = namespace[f"__r{word}__"] = bitwise(symbol, compute)
    for word, symbol, compare in (
        ("lt", "<", int.__lt__), ("le", "<=", int.__le__), ("gt", ">", int.__gt__), ("ge", ">=", int.__ge__),
    ):  # fmt: skip
        namespace[f"__{word}__"] = comparison(symbol, compare)
    for word, symbol in (("truediv", "/"), ("pow", "**"), ("divmod", "divmod()")):
        namespace[f"__{word}__"] = namespace[f"__r{word}__"] = unsupported(symbol)

    width: type[Integer] = type(name, (Integer,), namespace)
    width.known = lambda number: new(width, number)
    return width


u8, u16, u32, u64 = (make_width(f"u{bits}", bits, False) for bits in (8, 16, 32, 64))
i8, i16, i32, i64 = (make_width(f"i{bits}", bits, True) for bits in (8, 16, 32, 64))
usize = u64

WIDTHS: dict[str, type[Integer]] = {width.__name__: width for width in (u8, u16, u32, u64, i8, i16, i32, i64)}


def common_width(*values: object) -> type[Integer] | None:
    """The one width among `values`, None when all are untyped constants."""
    found: type[Integer] | None = None
    for value in values:
        kind = type(value)
        if issubclass(kind, Integer):
            if found is not None and kind is not found:
                raise StaticError(f"{found.__name__} and {kind.__name__}: operands must have one width")
            found = kind
        elif kind is not int:
            raise StaticError(f"an integer is needed here, not {kind.__name__}")
    return found


def fit(width: type[Integer], value: Any) -> Any:
    """`value` as `width` without conversion: it is of that width, or an untyped constant that fits."""
    kind = value.__class__
    if kind is width:
        return value
    if kind is int:
        constant: int = value
        if width.lowest <= constant <= width.highest:
            return int.__new__(width, constant)
        raise ConstantError(f"constant {constant} doesn't fit {width.__name__}")
    raise StaticError(f"{width.__name__} expected, not {describe(value)}")
