"""Functions on integers: arithmetic that wraps or saturates, bits, and the builtins whose results are widths.

Every function takes operands of one width (constants adapt) and gives that width, except the counts, which give `u32`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any

from neokernel.lang.failures import ShiftOutOfRange, StaticError
from neokernel.lang.floats import Float, fit_float
from neokernel.lang.integers import Integer, common_width, fit, u32, usize


def wrap(width: type[Integer], number: int) -> Any:
    """The low bits of `number`, read as `width`."""
    low = number & ((1 << width.bits) - 1)
    if low > width.highest:
        low -= 1 << width.bits
    return width(low)


def operands(function: str, *values: object) -> tuple[type[Integer], list[int]]:
    """The width of `values` and their numbers, constants checked."""
    width = common_width(*values)
    if width is None:
        raise StaticError(f"{function} of constants: write a width, as in {function}(u32(...), ...)")
    return width, [int(fit(width, value)) for value in values]


def shift_amount(function: str, n: Any) -> int:
    kind = type(n)
    if kind is int or (issubclass(kind, Integer) and not kind.signed):
        number = int(n)
        if number >= 0:
            return number
    raise StaticError(f"{function}: the amount is unsigned, not {kind.__name__}")


def wrapping_add(a: int, b: int) -> Any:
    """`a + b` modulo the width."""
    width, (left, right) = operands("wrapping_add", a, b)
    return wrap(width, left + right)


def wrapping_sub(a: int, b: int) -> Any:
    """`a - b` modulo the width."""
    width, (left, right) = operands("wrapping_sub", a, b)
    return wrap(width, left - right)


def wrapping_mul(a: int, b: int) -> Any:
    """`a * b` modulo the width."""
    width, (left, right) = operands("wrapping_mul", a, b)
    return wrap(width, left * right)


def wrapping_neg(a: int) -> Any:
    """`-a` modulo the width."""
    width, (number,) = operands("wrapping_neg", a)
    return wrap(width, -number)


def wrapping_shl(a: int, n: int) -> Any:
    """`a << n` with high bits lost. Fails (shift) when `n` isn't less than the width."""
    width, (number,) = operands("wrapping_shl", a)
    amount = shift_amount("wrapping_shl", n)
    if amount >= width.bits:
        raise ShiftOutOfRange(f"wrapping_shl by {amount}: {width.__name__} has {width.bits} bits")
    return wrap(width, number << amount)


def saturate(width: type[Integer], number: int) -> Any:
    return width(builtins.max(width.lowest, builtins.min(width.highest, number)))


def saturating_add(a: int, b: int) -> Any:
    """`a + b`, or the nearest number of the width."""
    width, (left, right) = operands("saturating_add", a, b)
    return saturate(width, left + right)


def saturating_sub(a: int, b: int) -> Any:
    """`a - b`, or the nearest number of the width."""
    width, (left, right) = operands("saturating_sub", a, b)
    return saturate(width, left - right)


def saturating_mul(a: int, b: int) -> Any:
    """`a * b`, or the nearest number of the width."""
    width, (left, right) = operands("saturating_mul", a, b)
    return saturate(width, left * right)


def truncate(width: type[Integer], x: Any) -> Any:
    """The low bits of an integer, reinterpreted as `width`."""
    if not isinstance(x, int) or isinstance(x, bool):
        raise StaticError(f"truncate takes an integer, not {type(x).__name__}")
    return wrap(width, int(x))


def multiply_high(a: int, b: int) -> Any:
    """The high half of the double-width product."""
    width, (left, right) = operands("multiply_high", a, b)
    return width((left * right) >> width.bits)


def rotate_left(a: int, n: int) -> Any:
    """The bits of `a` rotated toward the most significant, by `n` modulo the width."""
    width, (number,) = operands("rotate_left", a)
    amount = shift_amount("rotate_left", n) % width.bits
    pattern = number & ((1 << width.bits) - 1)
    return wrap(width, (pattern << amount) | (pattern >> (width.bits - amount)))


def rotate_right(a: int, n: int) -> Any:
    """The bits of `a` rotated toward the least significant, by `n` modulo the width."""
    width, (number,) = operands("rotate_right", a)
    amount = shift_amount("rotate_right", n) % width.bits
    pattern = number & ((1 << width.bits) - 1)
    return wrap(width, (pattern >> amount) | (pattern << (width.bits - amount)))


def pattern_of(function: str, a: int) -> tuple[int, int]:
    """The bits of `a` as an unsigned number, and how many there are."""
    width, (number,) = operands(function, a)
    return number & ((1 << width.bits) - 1), width.bits


def count_leading_zeros(a: int) -> Any:
    """Zeros above the highest one; the width, for 0."""
    pattern, bits = pattern_of("count_leading_zeros", a)
    return u32(bits - pattern.bit_length())


def count_trailing_zeros(a: int) -> Any:
    """Zeros below the lowest one; the width, for 0."""
    pattern, bits = pattern_of("count_trailing_zeros", a)
    return u32((pattern & -pattern).bit_length() - 1 if pattern else bits)


def count_ones(a: int) -> Any:
    """How many bits are one."""
    pattern, _ = pattern_of("count_ones", a)
    return u32(pattern.bit_count())


def byte_swap(a: int) -> Any:
    """The bytes of `a` in reverse order."""
    width, _ = operands("byte_swap", a)
    pattern, bits = pattern_of("byte_swap", a)
    return wrap(width, int.from_bytes(pattern.to_bytes(bits // 8, "little"), "big"))


# --- builtins of target modules -----------------------------------------------------------------------------------


def length(container: Any) -> Any:
    """`len` of a target module: a `usize`."""
    return usize(builtins.len(container))


class Range:
    """`range` of a target module: its numbers are of the width of its bounds, `usize` when these are constants."""

    __slots__ = ("numbers", "width")

    def __init__(self, *bounds: int) -> None:
        start, stop = (0, bounds[0]) if builtins.len(bounds) == 1 else bounds[:2]
        self.width: type[Integer] = common_width(start, stop) or usize
        first, last = int(fit(self.width, start)), int(fit(self.width, stop))
        step = int(bounds[2]) if builtins.len(bounds) == 3 else 1
        if step == 0:
            raise StaticError("range() with step 0")
        self.numbers = builtins.range(first, last, step)

    def __iter__(self) -> Iterator[Any]:
        return map(partial(int.__new__, self.width), self.numbers)

    def __reversed__(self) -> Iterator[Any]:
        return map(partial(int.__new__, self.width), builtins.reversed(self.numbers))

    def __len__(self) -> int:
        return builtins.len(self.numbers)

    def __repr__(self) -> str:
        return f"{self.numbers} of {self.width.__name__}"


def enumerated(container: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """`enumerate` of a target module: indices are `usize`."""
    return zip(map(partial(int.__new__, usize), count()), container, strict=False)


def choose(function: str, better: Callable[[Any, Any], bool], values: tuple[Any, ...]) -> Any:
    kinds = {type(value) for value in values} - {int, float}
    if builtins.len(kinds) > 1:
        raise StaticError(f"{function} of {' and '.join(sorted(kind.__name__ for kind in kinds))}")
    for kind in kinds:
        if issubclass(kind, Integer):
            values = tuple([fit(kind, value) for value in values])
        elif issubclass(kind, Float):
            values = tuple([fit_float(kind, value) for value in values])
    chosen = values[0]
    for value in values[1:]:
        if better(value, chosen):
            chosen = value
    return chosen


def minimum(*values: Any) -> Any:
    """`min` of a target module: constants adapt to the width of the others. The first of equals; as Python for NaN."""
    return choose("min", lambda new, old: bool(new < old), values)


def maximum(*values: Any) -> Any:
    """`max` of a target module."""
    return choose("max", lambda new, old: bool(new > old), values)
