"""exp, tanh and the logistic function in float32, of single elements and of vectors: there is no libm on the target.

Each is straight-line code without a table, so that lanes stay together. The greatest errors, in units in the last
place against the exact values, as `tests/model/test_mathematics.py` finds them over the whole range, with a product
that is added unrounded: exp 1.0, tanh 2.0, logistic 2.5. Results below the least normal number are exact to that
number's last place.

Sources: argument reduction after Cody and Waite, Software Manual for the Elementary Functions, 6; polynomials of the
Cephes library's `expf` and `tanhf` (Moshier, netlib.org/cephes).
"""

from __future__ import annotations

from collections.abc import Sequence

from neokernel.model.code import F32, I32, Code, Value

#: adding and taking away 1.5 × 2²³ rounds a float below 2²² to the nearest integer, ties to even
SHIFT = float(3 << 22)
SHIFT_BITS = 0x4B40_0000
LOG2_E = 1.44269504088896341
#: ln 2 in two parts: the first has few bits, so that its multiples are exact
LN2_HIGH = 0.693359375
LN2_LOW = -2.12194440e-4
#: of exp: (e^r - 1 - r) / r² on |r| ≤ ln 2 / 2
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
#: below, e^x is 0; above, infinite
EXP_LEAST, EXP_GREATEST = -105.0, 89.0
#: of tanh: (tanh(x) - x) / x³ as a polynomial in x², on |x| < 0.625
TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
TANH_SMALL = 0.625
#: from here on, tanh is 1 to the last bit
TANH_GREATEST = 9.1


def nearest(code: Code, x: Value) -> Value:
    """The nearest integer (an I32), ties to even, for |x| < 2²²: two instructions, in any rounding library's stead."""
    shifted = code.add(x, code.number(F32, SHIFT))
    return code.subtract(code.bits(shifted, I32), code.number(I32, SHIFT_BITS, x.lanes))


def polynomial(code: Code, x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's scheme, the highest power's coefficient first."""
    result = code.number(F32, coefficients[0], x.lanes)
    for coefficient in coefficients[1:]:
        result = code.fma(result, x, code.number(F32, coefficient))
    return result


def exp(code: Code, x: Value) -> Value:
    """e^x. 0 and infinity where it is beyond the range of floats; NaN of a NaN."""
    bounded = code.maximum(code.minimum(x, code.number(F32, EXP_GREATEST)), code.number(F32, EXP_LEAST))
    shifted = code.fma(bounded, code.number(F32, LOG2_E), code.number(F32, SHIFT))
    whole = code.subtract(code.bits(shifted, I32), code.number(I32, SHIFT_BITS, x.lanes))
    rounded = code.subtract(shifted, code.number(F32, SHIFT))
    rest = code.fma(rounded, code.number(F32, -LN2_HIGH), bounded)
    rest = code.fma(rounded, code.number(F32, -LN2_LOW), rest)
    squared = code.multiply(rest, rest)
    result = code.fma(polynomial(code, rest, EXP), squared, rest)
    result = code.add(result, code.number(F32, 1.0))
    # 2^whole in two factors: neither is beyond the range, also if the result is, or has few bits left.
    half = code.binary("ashr", whole, code.number(I32, 1))
    result = code.multiply(result, power_of_two(code, half))
    result = code.multiply(result, power_of_two(code, code.subtract(whole, half)))
    return code.select(code.compare("ne", x, x), x, result)


def power_of_two(code: Code, exponent: Value) -> Value:
    """2^exponent for -126 ≤ exponent ≤ 127."""
    biased = code.add(exponent, code.number(I32, 127))
    return code.bits(code.binary("shl", biased, code.number(I32, 23)), F32)


def tanh(code: Code, x: Value) -> Value:
    size = code.absolute(x)
    squared = code.multiply(x, x)
    small = code.fma(code.multiply(polynomial(code, squared, TANH), squared), x, x)
    # 1 - 2 / (e^2|x| + 1), with the sign of x
    bounded = code.minimum(size, code.number(F32, TANH_GREATEST))
    power = exp(code, code.add(bounded, bounded))
    quotient = code.divide(code.number(F32, 2.0), code.add(power, code.number(F32, 1.0)))
    large = code.intrinsic("copysign", code.subtract(code.number(F32, 1.0), quotient), x)
    result = code.select(code.compare("lt", size, code.number(F32, TANH_SMALL)), small, large)
    return code.select(code.compare("ne", x, x), x, result)


def logistic(code: Code, x: Value) -> Value:
    """1 / (1 + e^-x), by e^-|x|, which never overflows and keeps its digits where the result is small."""
    power = exp(code, code.negate(code.absolute(x)))
    share = code.divide(code.number(F32, 1.0), code.add(power, code.number(F32, 1.0)))
    return code.select(code.compare("lt", x, code.number(F32, 0.0)), code.multiply(power, share), share)
