"""Numbers of JSON texts as float64, float32 and integers.

A number becomes the nearest float; at a tie the even one is taken: of float64 as by Python's `float`, of float32 as by
C's `strtof`, at once and not by way of float64. Texts are numbers as RFC 8259, section 6, has them: the reader has seen
to that.

19 digits fit into 64 bits. Times a power of ten of 128 bits, that is enough to round them rightly, whatever they are:
D. Lemire, "Number Parsing at a Gigabyte per Second", 2021; N. Mushtak, D. Lemire, "Fast Number Parsing Without
Fallback", 2022. If more digits follow, the number lies between these 19 and the next ones: mostly both are rounded to
the same float. If not, it is compared with the middle of the two floats, in integers (`big.py`): that takes at most 100
instructions for each byte of the text, and 4,000 more (`tests/json/test_cost.py`).

Floats are bits here: a program that only passes them on has no use for their registers.
"""

from __future__ import annotations

from neokernel.json import powers
from neokernel.json.big import Big
from neokernel.lang import count_leading_zeros, i64, multiply_high, u32, u64, value, wrapping_add, wrapping_mul

#: digits that fit into 64 bits, whatever they are
MOST_EXACT = 19
MOST_UNIT: u64 = 10_000_000_000_000_000_000
#: digits of an integer that every float has as it is
SMALL_DIGITS = 7
MOST_SMALL: u64 = 9_999_999
#: digits of a number that lies in the middle between two float64, at most: of others it only counts that there are some
MOST_DIGITS = 768
#: beyond this an exponent makes no difference, however many digits there are
LARGEST_EXPONENT = 1_000_000
#: ten to a higher power is infinite
HIGHEST = 308

MINUS = 0x2D
PLUS = 0x2B
DOT = 0x2E
ZERO = 0x30
NINE = 0x39


@value
class Format:
    """How floats are laid out (IEEE 754, 3.4), without their sign."""

    #: bits of the fraction, without the one that isn't written
    fraction: u64
    bias: i64
    #: the bits of infinity
    infinity: u64
    #: only times these powers of ten can 19 digits be a tie: others have too many factors of five
    first_tie: i64
    last_tie: i64


FLOAT64 = Format(52, 1023, 0x7FF << 52, -4, 23)
FLOAT32 = Format(23, 127, 0xFF << 23, -17, 10)
INFINITY: u64 = 0x7FF << 52
INFINITY32: u32 = 0xFF << 23


@value
class Number:
    """`digits` times ten to the power of `exponent`; and a little more, in size, if there are `more` digits."""

    negative: bool
    digits: u64
    exponent: i64
    more: bool


def scanned(text: bytes) -> Number:
    """The first digits of a number that matter, and how large it is."""
    negative, more, fraction = False, False, False
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
            fraction = True
        elif byte == MINUS:
            negative = True
        else:
            exponent += exponent_of(text[place + 1 :])
            break
    return Number(negative, digits, exponent, more)


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
    small = small_of(text)
    if small <= MOST_SMALL:
        return whole(small, FLOAT64)
    number = scanned(text)
    sign = u64(1) << 63 if number.negative else u64(0)
    return sign | float_of(text, number, FLOAT64)


def float32_of(text: bytes) -> u32:
    """The bits of the nearest float32; infinity, if it is too large."""
    small = small_of(text)
    if small <= MOST_SMALL:
        return u32(whole(small, FLOAT32))
    number = scanned(text)
    sign = u32(1) << 31 if number.negative else u32(0)
    return sign | u32(float_of(text, number, FLOAT32))


def small_of(text: bytes) -> u64:
    """Of a few digits and nothing else, the number, which is mostly what is meant; else more than MOST_SMALL."""
    if len(text) > SMALL_DIGITS:
        return MOST_SMALL + 1
    found: u64 = 0
    for byte in text:
        if not ZERO <= byte <= NINE:
            return MOST_SMALL + 1
        found = found * 10 + u64(byte - ZERO)
    return found


def whole(number: u64, format: Format) -> u64:
    """The bits of a number up to MOST_SMALL, which is a float as it is."""
    if number == 0:
        return 0
    zeroes = u64(count_leading_zeros(number))
    # The highest bit counts as one of the exponent.
    return (u64(format.bias + 62 - i64(zeroes)) << format.fraction) + (number << zeroes >> 63 - format.fraction)


def float_of(text: bytes, number: Number, format: Format) -> u64:
    """The bits of the nearest float, without its sign."""
    found = nearest(number.digits, number.exponent, format)
    if number.more and nearest(number.digits + 1, number.exponent, format) != found:
        return between(text, found, format)
    return found


def nearest(digits: u64, exponent: i64, format: Format) -> u64:
    """The bits of the float nearest to `digits` times ten to the power of `exponent`."""
    if digits == 0 or exponent < powers.LEAST:
        return 0
    if exponent > HIGHEST:
        return format.infinity
    zeroes = u64(count_leading_zeros(digits))
    top = digits << zeroes
    # The product's highest 128 bits. What the power's lower half adds to them is rounded down.
    power = powers.high(exponent)
    high, low = multiply_high(top, power), wrapping_mul(top, power)
    added = multiply_high(top, powers.low(exponent))
    low = wrapping_add(low, added)
    high += 1 if low < added else 0
    # One bit more than the float has, and, if the highest one isn't 1, none before it.
    carried = high >> 63
    dropped = carried + 61 - format.fraction
    kept = high >> dropped
    scale = powers.scale(exponent) + 63 + i64(carried) - i64(zeroes) + format.bias
    if scale <= 0:
        # One of the smallest, which have fewer bits, and are no ties.
        if scale <= -62:
            return 0
        kept >>= u64(1 - scale)
        return (kept >> 1) + (kept & 1)
    rest = high & (u64(1) << dropped) - 1
    is_tie = kept & 1 != 0 and rest == 0 and low <= 1 and format.first_tie <= exponent <= format.last_tie
    rounded = (kept >> 1) + (kept & 1 if not is_tie else kept >> 1 & 1)
    # The highest bit counts as one of the exponent, and so does what it was rounded up to.
    return min((u64(scale - 1) << format.fraction) + rounded, format.infinity)


def between(text: bytes, lower: u64, format: Format) -> u64:
    """Which one is nearest to a number that lies between `lower` and the next float: the bits."""
    digits = Big()
    # Those that `digits` hasn't yet, and ten to the power of their number.
    part: u64 = 0
    unit: u64 = 1
    exponent: i64 = 0
    count: u64 = 0
    fraction, more = False, False
    for place in range(len(text)):
        byte = text[place]
        if ZERO <= byte <= NINE:
            if count == MOST_DIGITS:
                more = more or byte != ZERO
                exponent += 0 if fraction else 1
                continue
            count += 1 if count != 0 or byte != ZERO else 0
            exponent -= 1 if fraction else 0
            part, unit = part * 10 + u64(byte - ZERO), unit * 10
            if unit == MOST_UNIT:
                digits.multiply_add(unit, part)
                part, unit = 0, 1
        elif byte == DOT:
            fraction = True
        elif byte != MINUS:
            exponent += exponent_of(text[place + 1 :])
            break
    digits.multiply_add(unit, part)
    # The middle, an odd number times a power of two.
    biased = i64(lower >> format.fraction)
    whole = lower & (u64(1) << format.fraction) - 1 | (u64(1) << format.fraction if biased != 0 else 0)
    scale = max(biased, 1) - format.bias - i64(format.fraction) - 1
    middle = Big()
    middle.multiply_add(0, whole * 2 + 1)
    # Both times powers of five and two, so that they are integers.
    if exponent >= 0:
        digits.times_five(u64(exponent))
    else:
        middle.times_five(u64(-exponent))
    if scale >= exponent:
        middle.double(u64(scale - exponent))
    else:
        digits.double(u64(exponent - scale))
    order = digits.compared(middle)
    if order == 0 and more:
        order = 1
    return lower + 1 if order > 0 or (order == 0 and lower & 1 != 0) else lower


def narrowed(bits: u64) -> u32:
    """The bits of the float32 nearest to a float64; infinity, if it is too large."""
    sign = u32(bits >> 63) << 31
    exponent = i64(bits >> 52 & 0x7FF) - 1023
    if exponent > 1023:
        # A NaN stays one.
        return sign | INFINITY32 | (0x40_0000 if bits & ~INFINITY & ~(u64(1) << 63) != 0 else 0)
    if exponent > 127:
        return sign | INFINITY32
    if exponent < -150:
        return sign
    fraction = u64(1) << 52 | bits & (u64(1) << 52) - 1
    # The smallest ones have fewer bits.
    dropped = u64(29) if exponent >= -126 else u64(29 - 126 - exponent)
    kept, rest = fraction >> dropped, fraction & (u64(1) << dropped) - 1
    half = u64(1) << dropped - 1
    if rest > half or (rest == half and kept & 1 != 0):
        kept += 1
    # The highest bit counts as one of the exponent, and so does what it was rounded up to.
    found = (u32(exponent + 126) << 23) + u32(kept) if exponent >= -126 else u32(kept)
    return sign | min(found, INFINITY32)


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
