"""Floats as decimal digits: the fewest that a reader makes the same float of, written as Python writes them.

The method is R. Giulietti's ("The Schubfach way to render doubles", 2020), as A. Bolz has it in Drachennest: the
float, and the two middles between it and its neighbours, times a power of ten that leaves 17 digits at most before the
point, each as an integer that also says whether something follows. Of numbers of that many digits, or one less, between
the middles, the nearest one is taken.

A float32 comes back by way of float64, too: that is how Python and JavaScript read it. Of very few
floats the fewest digits don't; then it is one digit more.
"""

from __future__ import annotations

from neokernel.json import powers
from neokernel.json.numbers import DOT, FLOAT32, FLOAT64, MINUS, PLUS, ZERO, Format, narrowed, nearest
from neokernel.lang import (
    Array,
    Span,
    array,
    i64,
    multiply_high,
    struct,
    u8,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime.decimal import MOST_DIGITS, write_decimal

#: bytes that a float takes at most: a sign, 17 digits, a point, `e-308`
LONGEST = 24
#: as Python: numbers with so many digits before the point, or zeroes behind it, aren't written with an exponent
MOST_WHOLE = 16
MOST_ZEROES = 4
LETTER_E = 0x65


@value
class Shortest:
    """`digits` times ten to the power of `exponent`. Zeroes may be at the end."""

    digits: u64
    exponent: i64


def write32(bits: u32, into: Span[u8]) -> usize:
    """A finite float32: how long it is. `into` has room for LONGEST bytes."""
    size = bits & ~(u32(1) << 31)
    found = shortest(u64(size), FLOAT32, False)
    if narrowed(nearest(found.digits, found.exponent, FLOAT64)) != size:
        found = shortest(u64(size), FLOAT32, True)
    return write(found, size != bits, into)


def write64(bits: u64, into: Span[u8]) -> usize:
    """The same of a float64."""
    size = bits & ~(u64(1) << 63)
    return write(shortest(size, FLOAT64, False), size != bits, into)


def shortest(bits: u64, format: Format, longer: bool) -> Shortest:
    """Of a finite float without its sign. `longer`: with one digit more than may be needed."""
    if bits == 0:
        return Shortest(0, 0)
    biased = i64(bits >> format.fraction)
    fraction = bits & (u64(1) << format.fraction) - 1
    whole = fraction | (u64(1) << format.fraction if biased != 0 else 0)
    # The float is `whole` times two to the power of `exponent`. Below a power of two floats are closer together.
    exponent = max(biased, 1) - format.bias - i64(format.fraction)
    closer = fraction == 0 and biased > 1
    # So many digits stay away: the power of ten that is next below the distance of the neighbours' middles.
    left = exponent * 1_262_611 - (524_031 if closer else 0) >> 22
    power = -left
    high, low = powers.high(power), powers.low(power)
    if power < -27 or power > powers.LAST_EXACT:
        # It is to be rounded up.
        low += 1
    moved = u64(exponent + powers.scale(power) + 1)
    # Four times each of them; bit 0 is 1 if something follows.
    odd = whole & 1
    below = scaled(4 * whole - (1 if closer else 2) << moved, high, low) + odd
    exact = scaled(4 * whole << moved, high, low)
    above = scaled(4 * whole + 2 << moved, high, low) - odd
    many = exact // 4
    if many >= 10 and not longer:
        few = many // 10
        fits, next_fits = below <= 40 * few, 40 * few + 40 <= above
        if fits != next_fits:
            return Shortest(few + (1 if next_fits else 0), left + 1)
    fits, next_fits = below <= 4 * many, 4 * many + 4 <= above
    if fits != next_fits:
        return Shortest(many + (1 if next_fits else 0), left)
    middle = 4 * many + 2
    up = exact > middle or (exact == middle and many & 1 != 0)
    return Shortest(many + (1 if up else 0), left)


def scaled(number: u64, high: u64, low: u64) -> u64:
    """The highest 64 bits of the product with 128 bits; the lowest of them is 1 also if more than a little follows."""
    added = multiply_high(number, low)
    middle = wrapping_add(wrapping_mul(number, high), added)
    top = multiply_high(number, high) + (1 if middle < added else 0)
    return top | (1 if middle > 1 else 0)


def write(number: Shortest, negative: bool, into: Span[u8]) -> usize:
    """A number of 17 digits at most: how long it is."""
    digits: Array[u8] = array(MOST_DIGITS)
    rest, zeroes = number.digits, i64(0)
    while rest != 0 and rest % 10 == 0:
        rest //= 10
        zeroes += 1
    first = write_decimal(rest, digits[:])
    point = i64(MOST_DIGITS - first) + zeroes + number.exponent
    line = Line(into=into)
    if negative:
        line.put(MINUS)
    if -MOST_ZEROES < point <= MOST_WHOLE:
        line.plain(digits[first:], point)
    else:
        line.with_exponent(digits[first:], point - 1)
    return line.used


@struct
class Line:
    into: Span[u8]
    used: usize = 0

    def put(self, byte: u8) -> None:
        self.into[self.used] = byte
        self.used += 1

    def plain(self, digits: Span[u8], point: i64) -> None:
        """The point stands behind so many digits; zeroes are put where there are none."""
        if point <= 0:
            self.put(ZERO)
        for place in range(usize(max(point, 0))):
            self.put(digits[place] if place < len(digits) else ZERO)
        self.put(DOT)
        for _ in range(max(-point, 0)):
            self.put(ZERO)
        first = usize(max(point, 0))
        for digit in digits[min(first, len(digits)) :]:
            self.put(digit)
        if first >= len(digits):
            self.put(ZERO)

    def with_exponent(self, digits: Span[u8], exponent: i64) -> None:
        """The point stands behind the first digit."""
        self.put(digits[0])
        if len(digits) > 1:
            self.put(DOT)
        for digit in digits[1:]:
            self.put(digit)
        self.put(LETTER_E)
        self.put(MINUS if exponent < 0 else PLUS)
        size = u64(exponent if exponent >= 0 else -exponent)
        if size >= 100:
            self.put(ZERO + u8(size // 100))
        self.put(ZERO + u8(size // 10 % 10))
        self.put(ZERO + u8(size % 10))
