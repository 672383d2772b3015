"""Functions on integers and floats, against exact models."""

import builtins
import math
import struct
from ctypes import c_float
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang import arithmetic
from neokernel.lang.floats import f32, f64
from neokernel.lang.integers import WIDTHS, Integer, i8, i32, u8, u16, u32, u64

SAMPLE = st.sampled_from(sorted(WIDTHS.values(), key=str)).flatmap(
    lambda width: st.tuples(
        st.just(width), st.integers(width.lowest, width.highest), st.integers(width.lowest, width.highest)
    )
)


def wrapped(width: type[Integer], number: int) -> int:
    return (number - width.lowest) % (1 << width.bits) + width.lowest


@given(SAMPLE)
def test_wrapping_and_saturating(sample: tuple[type[Integer], int, int]) -> None:
    width, a, b = sample
    for name, exact in (("add", a + b), ("sub", a - b), ("mul", a * b)):
        wrap = getattr(lang, f"wrapping_{name}")(width(a), width(b))
        clamp = getattr(lang, f"saturating_{name}")(width(a), width(b))
        assert type(wrap) is type(clamp) is width
        assert int(wrap) == wrapped(width, exact)
        assert int(clamp) == max(width.lowest, min(width.highest, exact))
    assert int(lang.wrapping_neg(width(a))) == wrapped(width, -a)
    assert int(lang.multiply_high(width(a), width(b))) == (a * b) >> width.bits


@given(SAMPLE, st.integers(0, 200))
def test_bits(sample: tuple[type[Integer], int, int], amount: int) -> None:
    width, a, _ = sample
    pattern = f"{a % (1 << width.bits):0{width.bits}b}"
    turn = amount % width.bits
    assert lang.rotate_left(width(a), u8(amount)) == wrapped(width, int(pattern[turn:] + pattern[:turn], 2))
    assert lang.rotate_right(lang.rotate_left(width(a), u8(amount)), u8(amount)) == width(a)
    assert lang.count_ones(width(a)) == u32(pattern.count("1"))
    assert lang.count_leading_zeros(width(a)) == u32(len(pattern) - len(pattern.lstrip("0")))
    assert lang.count_trailing_zeros(width(a)) == u32(len(pattern) - len(pattern.rstrip("0")))
    octets = (a % (1 << width.bits)).to_bytes(width.bits // 8, "little")
    assert lang.byte_swap(width(a)) == wrapped(width, int.from_bytes(octets, "big"))
    if amount < width.bits:
        assert lang.wrapping_shl(width(a), u8(amount)) == wrapped(width, a << amount)
    else:
        with pytest.raises(lang.ShiftOutOfRange):
            lang.wrapping_shl(width(a), u8(amount))
    for target in WIDTHS.values():
        assert int(lang.truncate(target, width(a))) == wrapped(target, a)


def test_operands_have_one_width() -> None:
    with pytest.raises(lang.StaticError):
        lang.wrapping_add(u8(1), u16(1))
    with pytest.raises(lang.ConstantError):
        lang.wrapping_add(u8(1), 256)
    with pytest.raises(lang.StaticError):
        lang.wrapping_add(1, 2)
    assert lang.wrapping_add(255, u8(1)) == u8(0)


def test_builtins_of_target_modules() -> None:
    assert [type(number) for number in arithmetic.Range(2)] == [u64, u64]
    assert [type(number) for number in arithmetic.Range(u8(2))] == [u8, u8]
    assert [int(number) for number in arithmetic.Range(5, 0, -2)] == [5, 3, 1]
    assert [int(number) for number in reversed(arithmetic.Range(u16(1), 4))] == [3, 2, 1]
    assert type(arithmetic.minimum(5, u8(7))) is u8
    assert arithmetic.maximum(u8(5), 7) == u8(7)
    assert type(arithmetic.length(b"abc")) is u64
    assert [(type(index), item) for index, item in arithmetic.enumerated("ab")] == [(u64, "a"), (u64, "b")]
    with pytest.raises(lang.StaticError):
        arithmetic.minimum(u8(1), u16(1))
    with pytest.raises(lang.StaticError):
        arithmetic.Range(u8(1), u16(2))
    with pytest.raises(lang.StaticError):
        arithmetic.Range(3, -1, -1)
    assert builtins.len(arithmetic.Range(3)) == 3


# --- floats -------------------------------------------------------------------------------------------------------

ANY32 = st.floats(width=32)


def nearest32(exact: Fraction) -> float:
    """The binary32 number nearest to `exact`, ties to even, by search among neighbours."""
    if exact == 0:
        return 0.0
    guess = c_float(float(exact)).value
    if math.isinf(guess):
        guess = math.copysign(3.4028234663852886e38, guess)
    bits = struct.unpack("<I", struct.pack("<f", guess))[0]
    neighbours = [
        struct.unpack("<f", struct.pack("<I", bits + step))[0] for step in (-1, 0, 1) if 0 <= bits + step < 2**32
    ]
    finite = [number for number in neighbours if math.isfinite(number)]
    best = min(
        finite,
        key=lambda number: (abs(Fraction(number) - exact), struct.unpack("<I", struct.pack("<f", number))[0] & 1),
    )
    limit = Fraction(2) ** 128 - Fraction(2) ** 103
    return math.copysign(math.inf, exact) if abs(exact) >= limit else best


def same(left: float, right: float) -> bool:
    return struct.pack("<d", left) == struct.pack("<d", right) or (math.isnan(left) and math.isnan(right))


@given(ANY32.filter(math.isfinite), ANY32.filter(math.isfinite))
def test_f32_rounds_after_every_operation(a: float, b: float) -> None:
    for name, exact in (("+", Fraction(a) + Fraction(b)), ("*", Fraction(a) * Fraction(b))):
        result = f32(a) + f32(b) if name == "+" else f32(a) * f32(b)
        assert type(result) is f32
        assert float(result) == nearest32(exact)
    if b:
        assert float(f32(a) / f32(b)) == nearest32(Fraction(a) / Fraction(b))


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_to_floats_round_once(number: int) -> None:
    width: Any = u64 if number >= 0 else WIDTHS["i64"]
    assert float(f32(width(number))) == nearest32(Fraction(number))
    assert float(f64(width(number))) == float(number)


def test_no_double_rounding() -> None:
    number = (1 << 60) + (1 << 36) + 1  # by way of binary64 the last bit would be lost, and the tie go to even
    assert float(f32(u64(number))) == nearest32(Fraction(number)) != c_float(float(number)).value


@pytest.mark.parametrize("kind", [f32, f64])
def test_division_by_zero_is_ieee(kind: Any) -> None:
    assert float(kind(1.0) / kind(0.0)) == math.inf
    assert float(kind(1.0) / kind(-0.0)) == -math.inf
    assert float(kind(-1.0) / 0.0) == -math.inf
    assert math.isnan(kind(0.0) / kind(0.0))
    assert math.isnan(kind(math.nan) / 0.0)
    assert same(float(-kind(0.0)), -0.0)


@given(ANY32, ANY32)
def test_comparisons_are_ieee(a: float, b: float) -> None:
    assert (f32(a) < f32(b)) == (a < b)
    assert (f32(a) == f32(b)) == (a == b)
    assert (f64(a) != b) == (a != b)
    assert (a >= f64(b)) == (a >= b)


@given(ANY32)
def test_bits_of_floats(number: float) -> None:
    bits = lang.float_bits(f32(number))
    assert type(bits) is u32
    assert same(lang.float_from_bits(bits), number)
    wide = lang.float_bits(f64(number))
    assert type(wide) is u64
    assert same(lang.float_from_bits(wide), number)


def test_floats_do_not_mix() -> None:
    for attempt in (
        lambda: f32(1.0) + f64(1.0),
        lambda: f32(1.0) < f64(1.0),
        lambda: f64(1.0) * u8(1),
        lambda: f64(1.0) // f64(1.0),
        lambda: f64(1.0) ** 2,
        lambda: lang.square_root(1.0),
        lambda: lang.float_bits(1.0),
        lambda: lang.float_from_bits(i32(1)),
    ):
        with pytest.raises(lang.StaticError):
            attempt()
    assert type(f32(1.0) + 1) is f32
    assert type(2.0 * f64(1.5)) is f64
    assert float(lang.square_root(f32(2.0))) == c_float(math.sqrt(2.0)).value
    assert math.isnan(lang.square_root(f64(-1.0)))
    assert repr(f32(0.5)) == "f32(0.5)"
    assert i8(f32(-3.9)) == -3
