"""Floats as decimal digits: the fewest that a reader makes the same float of, written as Python writes them.

Digits are tried: so many as are enough for most floats, then one more, until what they say is read as the float itself,
by the very reader of `numbers.py`, by way of float64, as JSON's readers have it. The last try is always enough.
"""

from __future__ import annotations

from neokernel.json.decimal import INFINITY, Decimal
from neokernel.json.numbers import DOT, INFINITY32, MINUS, PLUS, ZERO, float32_of, float64_from, float64_of
from neokernel.lang import Array, Span, array, i64, struct, u8, u32, u64, usize

#: bytes that a float takes at most: a sign, 17 digits, a point, `e-308`
LONGEST = 24
#: digits that are always exact, and that are always enough: IEEE 754, 5.12.2
FEWEST32 = 6
MOST32 = 9
FEWEST64 = 15
MOST64 = 17
#: as Python: numbers with so many digits before the point, or zeroes behind it, aren't written with an exponent
MOST_WHOLE = 16
MOST_ZEROES = 4
LETTER_E = 0x65


def write32(bits: u32, into: Span[u8]) -> usize:
    """A finite float32: how long it is. `into` has room for LONGEST bytes."""
    exact = Decimal()
    exact.set_float64(float64_from(bits))
    # The smallest ones have fewer bits, and may need fewer digits.
    count: usize = FEWEST32 if bits & INFINITY32 != 0 else 1
    while True:
        length = write(exact, bits >> 31 != 0, count, into)
        if count == MOST32 or float32_of(float64_of(into[:length].bytes())) == bits:
            return length
        count += 1


def write64(bits: u64, into: Span[u8]) -> usize:
    """The same of a float64."""
    exact = Decimal()
    exact.set_float64(bits)
    count: usize = FEWEST64 if bits & INFINITY != 0 else 1
    while True:
        length = write(exact, bits >> 63 != 0, count, into)
        if count == MOST64 or float64_of(into[:length].bytes()) == bits:
            return length
        count += 1


def write(exact: Decimal, negative: bool, count: usize, into: Span[u8]) -> usize:
    """A number with at most so many digits, 17 at most, that aren't zeroes at an end: how long it is."""
    digits: Array[u8] = array(MOST64)
    number = exact.rounded(count, digits[:])
    point = number.point if number.used != 0 else i64(1)
    line = Line(into=into)
    if negative:
        line.put(MINUS)
    if -MOST_ZEROES < point <= MOST_WHOLE:
        if point <= 0:
            line.put(ZERO)
        for place in range(max(point, 0)):
            line.put(ZERO + (digits[usize(place)] if usize(place) < number.used else 0))
        line.put(DOT)
        for _ in range(max(-point, 0)):
            line.put(ZERO)
        first = usize(max(point, 0))
        for digit in digits[min(first, number.used) : number.used]:
            line.put(ZERO + digit)
        if first >= number.used:
            line.put(ZERO)
        return line.used
    line.put(ZERO + digits[0])
    if number.used > 1:
        line.put(DOT)
    for digit in digits[1 : number.used]:
        line.put(ZERO + digit)
    line.put(LETTER_E)
    line.put(MINUS if point <= 0 else PLUS)
    size = u64(point - 1 if point > 0 else 1 - point)
    if size >= 100:
        line.put(ZERO + u8(size // 100))
    line.put(ZERO + u8(size // 10 % 10))
    line.put(ZERO + u8(size % 10))
    return line.used


@struct
class Line:
    into: Span[u8]
    used: usize = 0

    def put(self, byte: u8) -> None:
        self.into[self.used] = byte
        self.used += 1
