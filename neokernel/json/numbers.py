"""Numbers of JSON texts as float64, float32 and integers.

A number becomes the nearest float64, as by Python's `float`, and that the nearest float32, as by `struct.pack`; at a
tie the even one is taken. Texts are numbers as RFC 8259, section 6, has them: the reader has seen to that.

Most numbers are short, and then 128 bits are exact: up to 19 digits, times or over ten to the power of 27 at most,
which is 5 to that power and a shift. All others go by `decimal.py`.

Floats are bits here: a program that only passes them on has no use for their registers.
"""

from __future__ import annotations

from neokernel.json.decimal import BIAS, FRACTION_BITS, INFINITY, Decimal
from neokernel.lang import (
    count_leading_zeros,
    i64,
    multiply_high,
    u8,
    u32,
    u64,
    usize,
    value,
    wrapping_mul,
    wrapping_shl,
    wrapping_sub,
)

#: 5 to these powers fit into 64 bits
POWERS: tuple[u64, ...] = (
    1, 5, 25, 125, 625, 3_125, 15_625, 78_125, 390_625, 1_953_125, 9_765_625, 48_828_125, 244_140_625, 1_220_703_125,
    6_103_515_625, 30_517_578_125, 152_587_890_625, 762_939_453_125, 3_814_697_265_625, 19_073_486_328_125,
    95_367_431_640_625, 476_837_158_203_125, 2_384_185_791_015_625, 11_920_928_955_078_125, 59_604_644_775_390_625,
    298_023_223_876_953_125, 1_490_116_119_384_765_625, 7_450_580_596_923_828_125,
)  # fmt: skip
MOST_POWER = 27
#: digits that fit into 64 bits, whatever they are
MOST_EXACT = 19
#: beyond this an exponent makes no difference, however many digits there are
LARGEST_EXPONENT = 1_000_000

MINUS = 0x2D
PLUS = 0x2B
DOT = 0x2E
ZERO = 0x30
NINE = 0x39
INFINITY32: u32 = 0xFF << 23


@value
class Number:
    """`digits` times ten to the power of `exponent`; and a little more, in size, if there are `more` digits.

    `whole`: no digit stands behind the point, and there is no exponent.
    """

    negative: bool
    digits: u64
    exponent: i64
    more: bool
    whole: bool


def scanned(text: bytes) -> Number:
    """The first digits of a number that matter, and how large it is."""
    negative, more, fraction, whole = False, False, False, True
    digits: u64 = 0
    count: i64 = 0
    exponent: i64 = 0
    for place in range(len(text)):
        byte = text[place]
        if ZERO <= byte <= NINE:
            if count < MOST_EXACT:
                digits = digits * 10 + u64(byte - ZERO)
                # Zeroes in front are no digits.
                count += 1 if digits != 0 else 0
                exponent -= 1 if fraction else 0
            else:
                more = more or byte != ZERO
                exponent += 0 if fraction else 1
        elif byte == DOT:
            fraction, whole = True, False
        elif byte == MINUS:
            negative = True
        else:
            return Number(negative, digits, exponent + exponent_of(text[place + 1 :]), more, False)
    return Number(negative, digits, exponent, more, whole)


def exponent_of(text: bytes) -> i64:
    """What stands behind the `e`."""
    negative = False
    found: i64 = 0
    for byte in text:
        if byte == MINUS:
            negative = True
        elif byte != PLUS:
            found = min(found * 10 + i64(byte - ZERO), LARGEST_EXPONENT)
    return -found if negative else found


# --- floats -----------------------------------------------------------------------------------------------------------


def float64_of(text: bytes) -> u64:
    """The bits of the nearest float64; infinity, if it is too large."""
    number = scanned(text)
    sign = u64(1) << 63 if number.negative else u64(0)
    if number.digits == 0:
        return sign
    if not number.more and -MOST_POWER <= number.exponent <= MOST_POWER:
        return sign | short(number.digits, number.exponent)
    return sign | long(text)


def short(digits: u64, exponent: i64) -> u64:
    """The bits of `digits` times ten to the power of `exponent`. Requires: not 0, and from -27 to 27."""
    zeroes = u64(count_leading_zeros(digits))
    top = digits << zeroes
    if exponent == 0:
        return packed(top, -i64(zeroes), False)
    if exponent > 0:
        power = POWERS[usize(exponent)]
        high, low = multiply_high(top, power), wrapping_mul(top, power)
        free = u64(count_leading_zeros(high))
        if free != 0:
            high, low = high << free | low >> 64 - free, wrapping_shl(low, free)
        return packed(high, 64 - i64(zeroes) - i64(free) + exponent, low != 0)
    power = POWERS[usize(-exponent)]
    moved = u64(count_leading_zeros(power))
    # Half of the number, so that it is less than what it is divided by, and the quotient fits into 64 bits.
    found = divided(top >> 1, (top & 1) << 63, power << moved)
    scale = 1 - 64 - i64(zeroes) + i64(moved) + exponent
    if found.number >> 63 == 0:
        return packed(found.number << 1, scale - 1, found.more)
    return packed(found.number, scale, found.more)


def packed(top: u64, exponent: i64, more: bool) -> u64:
    """The float64 nearest to `top` times two to the power of `exponent`, and a little more if there is `more`.

    Requires: the highest bit of `top` is 1, and the number is neither too large for float64 nor too small.
    """
    fraction, rest = top >> 11, top & 0x7FF
    if rest > 0x400 or (rest == 0x400 and (more or fraction & 1 != 0)):
        fraction += 1
    # A fraction that was rounded up to 2 carries into the exponent.
    return (u64(exponent + 63 + BIAS) << FRACTION_BITS) + (fraction - (u64(1) << FRACTION_BITS))


@value
class Quotient:
    number: u64
    more: bool


def divided(high: u64, low: u64, by: u64) -> Quotient:
    """128 bits over 64, in two digits of 32 bits (Knuth, volume 2, 4.3.1, algorithm D).

    Requires: the highest bit of `by` is 1, and `high` is less than it.
    """
    first = digit_of(high, low >> 32, by)
    rest = rest_of(high, low >> 32, first, by)
    second = digit_of(rest, low & 0xFFFF_FFFF, by)
    return Quotient(first << 32 | second, rest_of(rest, low & 0xFFFF_FFFF, second, by) != 0)


def digit_of(high: u64, following: u64, by: u64) -> u64:
    """The next 32 bits of a quotient: a guess by the upper half of `by`, which is at most two too large."""
    upper, lower = by >> 32, by & 0xFFFF_FFFF
    guess, rest = high // upper, high % upper
    while guess >> 32 != 0 or guess * lower > rest << 32 | following:
        guess -= 1
        rest += upper
        if rest >> 32 != 0:
            break
    return guess


def rest_of(high: u64, following: u64, digit: u64, by: u64) -> u64:
    """What is left when that digit times `by` is taken away: less than `by`, so what overflows cancels out."""
    return wrapping_sub(wrapping_shl(high, 32) | following, wrapping_mul(digit, by))


def long(text: bytes) -> u64:
    """The bits of any number, without its sign."""
    decimal = Decimal()
    fraction = False
    for place in range(len(text)):
        byte = text[place]
        if ZERO <= byte <= NINE:
            if decimal.used != 0 or byte != ZERO:
                decimal.append(u8(byte - ZERO))
                decimal.point += 0 if fraction else 1
            elif fraction:
                decimal.point -= 1
        elif byte == DOT:
            fraction = True
        elif byte != MINUS:
            decimal.point += exponent_of(text[place + 1 :])
            break
    decimal.trim()
    return decimal.float64()


def float32_of(bits: u64) -> u32:
    """The bits of the float32 nearest to a float64; infinity, if it is too large."""
    sign = u32(bits >> 63) << 31
    exponent = i64(bits >> FRACTION_BITS & 0x7FF) - BIAS
    if exponent > BIAS:
        # A NaN stays one.
        return sign | INFINITY32 | (0x40_0000 if bits & ~INFINITY & ~(u64(1) << 63) != 0 else 0)
    if exponent > 127:
        return sign | INFINITY32
    if exponent < -150:
        return sign
    fraction = u64(1) << FRACTION_BITS | bits & (u64(1) << FRACTION_BITS) - 1
    # The smallest ones have fewer bits.
    dropped = u64(29) if exponent >= -126 else u64(29 - 126 - exponent)
    kept, rest = fraction >> dropped, fraction & (u64(1) << dropped) - 1
    half = u64(1) << dropped - 1
    if rest > half or (rest == half and kept & 1 != 0):
        kept += 1
    # The highest bit counts as one of the exponent, and so does what it was rounded up to.
    found = (u32(exponent + 126) << 23) + u32(kept) if exponent >= -126 else u32(kept)
    return sign | min(found, INFINITY32)


def float64_from(bits: u32) -> u64:
    """A float32 as float64: exact."""
    sign, exponent, fraction = u64(bits >> 31) << 63, i64(bits >> 23 & 0xFF), u64(bits & 0x7F_FFFF)
    if exponent == 0xFF:
        return sign | INFINITY | fraction << 29
    if exponent == 0:
        if fraction == 0:
            return sign
        # One of the smallest: its highest bit is no longer told by the exponent.
        moved = u64(count_leading_zeros(fraction)) - 40
        fraction = fraction << moved & 0x7F_FFFF
        exponent = 1 - i64(moved)
    return sign | u64(exponent - 127 + BIAS) << FRACTION_BITS | fraction << 29


def is_finite64(bits: u64) -> bool:
    return bits & INFINITY != INFINITY


def is_finite32(bits: u32) -> bool:
    return bits & INFINITY32 != INFINITY32


# --- integers ---------------------------------------------------------------------------------------------------------


@value
class Integer:
    """A sign, and a size: all of i64 and u64."""

    negative: bool
    size: u64


def integer_of(text: bytes) -> Integer | None:
    """A number without point and exponent. None: it is none, or doesn't fit into 64 bits."""
    found: u64 = 0
    negative = False
    for byte in text:
        if byte == MINUS:
            negative = True
        elif ZERO <= byte <= NINE:
            digit = u64(byte - ZERO)
            if multiply_high(found, u64(10)) != 0 or ~wrapping_mul(found, u64(10)) < digit:
                return None
            found = found * 10 + digit
        else:
            return None
    if negative and found > u64(1) << 63:
        return None
    return Integer(negative and found != 0, found)
