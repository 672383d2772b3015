"""What scalar operations mean, in Python's exact numbers: the model that compiled code is compared with."""

from __future__ import annotations

import itertools
import math
import random
import struct
from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.types import INTS, FloatType, IntType

CHECKED, WRAPPING, SATURATING = ir.Mode.CHECKED, ir.Mode.WRAPPING, ir.Mode.SATURATING


class Fails(Exception):
    """The operation fails with a check of this kind."""

    def __init__(self, kind: ir.Kind) -> None:
        super().__init__(kind.value)
        self.kind = kind


def wrapped(of: IntType, value: int) -> int:
    value &= (1 << of.bits) - 1
    return value - (1 << of.bits) if of.signed and value >> (of.bits - 1) else value


def unsigned(of: IntType, value: int) -> int:
    return value & ((1 << of.bits) - 1)


def fitted(of: IntType, mode: ir.Mode, exact: int) -> int:
    if mode is WRAPPING:
        return wrapped(of, exact)
    if mode is SATURATING:
        return max(of.lowest, min(of.highest, exact))
    if not of.holds(exact):
        raise Fails(ir.Kind.OVERFLOW)
    return exact


def binary(op: str, mode: ir.Mode, of: IntType, left: int, right: int) -> int:
    if op in ("add", "sub", "mul"):
        return fitted(of, mode, {"add": left + right, "sub": left - right, "mul": left * right}[op])
    if op in ("floordiv", "mod"):
        if right == 0:
            raise Fails(ir.Kind.DIVISION)
        return fitted(of, CHECKED, left // right) if op == "floordiv" else left % right
    if op in ("shl", "shr"):
        if right >= of.bits:
            raise Fails(ir.Kind.SHIFT)
        return fitted(of, mode, left << right) if op == "shl" else left >> right
    if op in ("rotate_left", "rotate_right"):
        distance = right % of.bits if op == "rotate_left" else -right % of.bits
        bits = unsigned(of, left)
        return wrapped(of, (bits << distance) | (bits >> (of.bits - distance)))
    if op == "multiply_high":
        return wrapped(of, (left * right) >> of.bits)
    results = {"and": left & right, "or": left | right, "xor": left ^ right}
    results |= {"min": min(left, right), "max": max(left, right)}
    return results[op]


def unary(op: str, mode: ir.Mode, of: IntType, value: int) -> int:
    bits = unsigned(of, value)
    if op == "neg":
        return fitted(of, mode, -value)
    if op == "abs":
        return fitted(of, mode, abs(value))
    if op == "byte_swap":
        return wrapped(of, int.from_bytes(bits.to_bytes(of.bits // 8, "little"), "big"))
    if op == "count_leading_zeros":
        return of.bits - bits.bit_length()
    if op == "count_trailing_zeros":
        return (bits & -bits).bit_length() - 1 if bits else of.bits
    if op == "count_ones":
        return bits.bit_count()
    assert op == "invert"
    return wrapped(of, ~value)


def convert(source: IntType | FloatType, wanted: IntType, truncate: bool, value: float) -> int:
    if truncate:
        return wrapped(wanted, int(value))
    if isinstance(source, FloatType) and not math.isfinite(value):
        raise Fails(ir.Kind.CONVERSION)
    if not wanted.holds(int(value)):
        raise Fails(ir.Kind.CONVERSION)
    return int(value)


def single(value: float) -> float:
    """The nearest f32."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def edges(of: IntType) -> list[int]:
    values = {of.lowest, of.lowest + 1, -2, -1, 0, 1, 2, 3, 7, of.highest // 2, of.highest - 1, of.highest}
    return sorted(value for value in values if of.holds(value))


def sample(of: IntType, source: random.Random) -> int:
    """Any value, small ones and those near the ends more often."""
    if source.random() < 0.4:
        return source.choice(edges(of))
    return wrapped(of, source.getrandbits(source.randrange(1, of.bits + 1)))


def pairs(left: IntType, right: IntType, source: random.Random, number: int) -> Iterator[tuple[int, int]]:
    yield from itertools.product(edges(left), edges(right))
    for _ in range(number):
        yield sample(left, source), sample(right, source)


_OTHERS = ("floordiv", "mod", "shr", "and", "or", "xor", "min", "max", "multiply_high", "rotate_left", "rotate_right")
_BIT_OPERATIONS = ("invert", "byte_swap", "count_leading_zeros", "count_trailing_zeros", "count_ones")

#: (operation, mode, type): every integer operation in every width.
BINARY = [
    (op, mode, of)
    for of in INTS.values()
    for op, modes in [
        *((op, (CHECKED, WRAPPING, SATURATING)) for op in ("add", "sub", "mul")),
        ("shl", (CHECKED, WRAPPING)),
        *((op, (CHECKED,)) for op in _OTHERS),
    ]
    for mode in modes
]
UNARY = [
    (op, mode, of)
    for of in INTS.values()
    for op, modes in [
        ("neg", (CHECKED, WRAPPING, SATURATING)),
        ("abs", (CHECKED, WRAPPING, SATURATING)),
        *((op, (CHECKED,)) for op in _BIT_OPERATIONS),
    ]
    for mode in modes
]
SHIFTS = ("shl", "shr", "rotate_left", "rotate_right")
