"""Verifying Ed25519 signatures (RFC 8032, section 5.1).

What is accepted, where implementations differ:
- the equation is the one without the cofactor: R is what `S B - k A` gives, byte for byte. So an R that isn't encoded
  as it should be, or isn't on the curve, is refused with all that don't match, and so is an R with a part of small
  order that isn't the signature's own;
- S must be below L (5.1.7): else each signature had others that are as good;
- a public key must be encoded as it should be: y below P, and no sign at x = 0 (5.1.3);
- a public key of small order is refused: some signature would hold for any message.
R may be of small order: whoever has the key can make such signatures, and nobody else.

No secret is here. How long verification takes depends on key, signature and message.
"""

from __future__ import annotations

from enum import Enum

from neokernel.crypto.field25519 import MASK, ONE, ROOT_OF_MINUS_1, ZERO, Number, decoded, word_at
from neokernel.crypto.sha512 import MOST, Sha512
from neokernel.crypto.sha512 import SIZE as HASH_SIZE
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    ensures,
    ghost,
    i8,
    inline,
    invariant,
    loop_bound,
    loop_invariant,
    requires,
    struct,
    u8,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_sub,
)

#: bytes
KEY_SIZE = 32
SIGNATURE_SIZE = 64
MOST_MESSAGE = MOST - 64

#: the order of the base point: 2**252 + 27742317777372353535851937790883648493, in words from the lowest on
L: tuple[u64, ...] = (0x5812631A5CF5D3ED, 0x14DEF9DEA2F79CD6, 0, 0x1000000000000000)

#: the curve is -x² + y² = 1 + D x² y²
D_EXACT = 37095705934669439343138083508754565189542113879843219016388785533085940283555
D = Number(D_EXACT & MASK, D_EXACT >> 51 & MASK, D_EXACT >> 102 & MASK, D_EXACT >> 153 & MASK, D_EXACT >> 204)
TWICE_D = D.plus(D)

#: coordinates of the base point
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960

#: signed digits of scalars are odd and below 2**(WINDOW - 1), and so need that many multiples
WINDOW = 5
MULTIPLES = 8
#: bits of a scalar, and a place for the last digit's carry
DIGITS = 256


class Verdict(Enum):
    """What is to be said of a signature."""

    VALID = 0
    KEY = 1  # the public key is no point, is encoded as none should be, or of small order
    SCALAR = 2  # S isn't below L
    WRONG = 3  # not made with this key for this message


@value
class Cached:
    """A point as an addend: y + x, y - x, 2 z, 2 d t of its extended coordinates."""

    sum: Number
    difference: Number
    twice_z: Number
    twice_dt: Number

    @ghost
    def is_fit(self) -> bool:
        """Can all be multiplied?"""
        sides = self.sum.is_below(54) and self.difference.is_below(54)
        return sides and self.twice_z.is_below(54) and self.twice_dt.is_below(54)


@value
class Completed:
    """What an addition gives before its last products: the point (x/z, y/t) (Hisil and others, 2008, section 3)."""

    x: Number
    y: Number
    z: Number
    t: Number

    @ghost
    def is_fit(self) -> bool:
        return self.x.is_below(54) and self.y.is_below(54) and self.z.is_below(54) and self.t.is_below(54)

    def extended(self) -> Extended:
        requires(self.is_fit())
        ensures(lambda result: result.is_tight())
        return Extended(self.x.times(self.t), self.y.times(self.z), self.z.times(self.t), self.x.times(self.y))

    def projective(self) -> Projective:
        requires(self.is_fit())
        ensures(lambda result: result.is_tight())
        return Projective(self.x.times(self.t), self.y.times(self.z), self.z.times(self.t))


@value
class Projective:
    """The point (x/z, y/z)."""

    x: Number
    y: Number
    z: Number

    @ghost
    def is_tight(self) -> bool:
        return self.x.is_tight() and self.y.is_tight() and self.z.is_tight()

    def doubled(self) -> Completed:
        """Twice the point (Hisil and others, 2008, section 3.3, with a = -1)."""
        requires(self.is_tight())
        ensures(lambda result: result.is_fit())
        xx, yy, zz = self.x.squared(), self.y.squared(), self.z.squared()
        sum = yy.plus(xx)
        cross = self.x.plus(self.y).squared().minus(sum)
        return Completed(cross, sum, yy.minus(xx), zz.plus(zz).plus(xx).minus(yy))


@value
class Extended:
    """The point (x/z, y/z), with t = x y / z."""

    x: Number
    y: Number
    z: Number
    t: Number

    @ghost
    def is_tight(self) -> bool:
        return self.x.is_tight() and self.y.is_tight() and self.z.is_tight() and self.t.is_tight()

    def projective(self) -> Projective:
        return Projective(self.x, self.y, self.z)

    def negated(self) -> Extended:
        requires(self.is_tight())
        ensures(lambda result: result.is_tight())
        return Extended(self.x.negated(), self.y, self.z, self.t.negated())

    def cached(self) -> Cached:
        requires(self.is_tight())
        ensures(lambda result: result.is_fit())
        return Cached(self.y.plus(self.x), self.y.minus(self.x), self.z.plus(self.z), self.t.times(TWICE_D))

    def plus(self, other: Cached) -> Completed:
        """The sum (Hisil and others, 2008, section 3.1: complete, so for any two points of the curve)."""
        requires(self.is_tight() and other.is_fit())
        ensures(lambda result: result.is_fit())
        a = self.y.plus(self.x).times(other.sum)
        b = self.y.minus(self.x).times(other.difference)
        c = self.t.times(other.twice_dt)
        d = self.z.times(other.twice_z)
        return Completed(a.minus(b), a.plus(b), d.plus(c), d.minus(c))

    def minus(self, other: Cached) -> Completed:
        requires(self.is_tight() and other.is_fit())
        ensures(lambda result: result.is_fit())
        a = self.y.plus(self.x).times(other.difference)
        b = self.y.minus(self.x).times(other.sum)
        c = self.t.times(other.twice_dt)
        d = self.z.times(other.twice_z)
        return Completed(a.minus(b), a.plus(b), d.minus(c), d.plus(c))


NEUTRAL = Extended(ZERO, ONE, ONE, ZERO)


def base_point() -> Extended:
    ensures(lambda result: result.is_tight())
    x = Number(BASE_X & MASK, BASE_X >> 51 & MASK, BASE_X >> 102 & MASK, BASE_X >> 153 & MASK, BASE_X >> 204)
    y = Number(BASE_Y & MASK, BASE_Y >> 51 & MASK, BASE_Y >> 102 & MASK, BASE_Y >> 153 & MASK, BASE_Y >> 204)
    return Extended(x, y, ONE, x.times(y))


@struct
class Multiple:
    """A multiple of a point, to be added."""

    point: Cached = Cached(ZERO, ZERO, ZERO, ZERO)

    @invariant
    def is_fit(self) -> bool:
        return self.point.is_fit()


@struct
class Multiples:
    """The odd multiples of a point: once, three times, … 15 times."""

    odd: Array[Embedded[Multiple]] = array(MULTIPLES)

    def fill(self, point: Extended) -> None:
        requires(point.is_tight())
        twice = point.projective().doubled().extended().cached()
        multiple = point
        for index in range(MULTIPLES):
            loop_invariant(multiple.is_tight())
            self.odd[index].point = multiple.cached()
            multiple = multiple.plus(twice).extended()

    @inline
    def add(self, sum: Completed, digit: i8) -> Completed:
        """The sum, and `digit` times the point; the digit is 0, or odd and between -16 and 16."""
        requires(sum.is_fit())
        ensures(lambda result: result.is_fit())
        if digit > 0:
            return sum.extended().plus(self.odd[usize(digit) // 2].point)
        if digit < 0:
            return sum.extended().minus(self.odd[usize(-digit) // 2].point)
        return sum


def verify(key: bytes, message: bytes, signature: bytes) -> Verdict:
    """Is `signature` that of `message` by the holder of `key`? Anything of another length is none."""
    requires(len(message) <= MOST_MESSAGE)
    if len(key) != KEY_SIZE:
        return Verdict.KEY
    if len(signature) != SIGNATURE_SIZE:
        return Verdict.WRONG
    point = decoded_point(key)
    if point is None or is_small(point):
        return Verdict.KEY
    s: Array[u64] = array(4)
    for index in range(4):
        s[index] = word_at(signature, 32 + 8 * index)
    if not is_less(s, L):
        return Verdict.SCALAR
    k: Array[u64] = array(4)
    challenge(k, signature[:32], key, message)
    found = combination(s, k, point.negated())
    expected: Array[u8] = array(32)
    encode(found, expected)
    return Verdict.VALID if expected.bytes() == signature[:32] else Verdict.WRONG


# --- points -----------------------------------------------------------------------------------------------------------


def decoded_point(data: bytes) -> Extended | None:
    """The point that 32 bytes encode (5.1.3); None if there is none, or if it is to be encoded otherwise."""
    requires(len(data) == KEY_SIZE)
    ensures(lambda result: result is None or result.is_tight())
    y = decoded(data)
    if y is None:
        return None
    yy = y.squared()
    u = yy.minus(ONE)
    v = yy.times(D).plus(ONE)
    # The root of u/v, if there is one, is u v³ (u v⁷) ** ((P - 5) / 8), maybe times the root of -1.
    v3 = v.squared().times(v)
    x = u.times(v3).times(v3.squared().times(v).times(u).root_candidate())
    vxx = x.squared().times(v)
    if not vxx.equals(u.carried()):
        if not vxx.equals(u.carried().negated()):
            return None
        x = x.times(ROOT_OF_MINUS_1)
    negative = data[31] >> 7 == 1
    if negative and x.is_zero():
        return None
    if x.is_odd() != negative:
        x = x.negated()
    return Extended(x, y, ONE, x.times(y))


def is_small(point: Extended) -> bool:
    """Is the point's order 1, 2, 4 or 8?"""
    requires(point.is_tight())
    eightfold = point.projective().doubled().projective().doubled().projective().doubled().projective()
    return eightfold.x.is_zero()  # then it is the neutral point, or that of order 2, which no eightfold is


def encode(point: Projective, target: Span[u8]) -> None:
    """Write the 32 bytes that encode the point (5.1.2)."""
    requires(point.is_tight() and len(target) == KEY_SIZE)
    inverse = point.z.inverse()
    point.y.times(inverse).encode(target)
    if point.x.times(inverse).is_odd():
        target[31] |= 0x80


def combination(s: Array[u64], k: Array[u64], a: Extended) -> Projective:
    """`s B + k a`, by signed digits of both at once, from the highest on (Straus, 1964). Both scalars are below L."""
    requires(len(s) == 4 and len(k) == 4 and a.is_tight())
    ensures(lambda result: result.is_tight())
    of_base, of_a = Multiples(), Multiples()
    of_base.fill(base_point())
    of_a.fill(a)
    s_digits: Array[i8] = array(DIGITS)
    k_digits: Array[i8] = array(DIGITS)
    recode(s, s_digits)
    recode(k, k_digits)
    result = NEUTRAL.projective()
    started = False
    for place in reversed(range(DIGITS)):
        loop_invariant(result.is_tight())
        started = started or s_digits[place] != 0 or k_digits[place] != 0
        if started:
            sum = of_a.add(result.doubled(), k_digits[place])
            result = of_base.add(sum, s_digits[place]).projective()
    return result


# --- scalars ----------------------------------------------------------------------------------------------------------


def is_less(a: Array[u64], b: tuple[u64, ...]) -> bool:
    """Compare four words each, from the highest on."""
    requires(len(b) == 4)
    for index in reversed(range(4)):
        if a[index] != b[index]:
            return a[index] < b[index]
    return False


def recode(scalar: Array[u64], digits: Array[i8]) -> None:
    """Write `scalar` as a sum of `digits[i] * 2**i`, of which each that isn't 0 is odd, and four 0 follow it."""
    place: usize = 0
    carry: u64 = 0
    while place < DIGITS:
        loop_bound(DIGITS)
        loop_invariant(carry <= 1)
        bits = window(scalar, place) + carry
        if bits & 1 == 0:
            place += 1
            continue
        bits &= (1 << WINDOW) - 1
        if bits < 1 << (WINDOW - 1):
            digits[place] = i8(bits)
            carry = 0
        else:
            digits[place] = i8(bits) - (1 << WINDOW)
            carry = 1
        place += WINDOW


def window(scalar: Array[u64], place: usize) -> u64:
    """The bits from `place` on, WINDOW of them."""
    requires(place < DIGITS)
    ensures(lambda result: result < 1 << WINDOW)
    word, bit = place // 64, place % 64
    bits = scalar[word] >> bit
    if bit > 64 - WINDOW and word < 3:
        bits |= (scalar[word + 1] & ((1 << WINDOW) - 1)) << (64 - bit)
    return bits & ((1 << WINDOW) - 1)


def challenge(k: Array[u64], r: bytes, key: bytes, message: bytes) -> None:
    """Write the hash of the three, modulo L: bit by bit, which is little beside all else."""
    requires(len(r) == 32 and len(key) == KEY_SIZE and len(message) <= MOST_MESSAGE)
    digest: Array[u8] = array(HASH_SIZE)
    hash = Sha512()
    hash.update(r)
    hash.update(key)
    hash.update(message)
    hash.finish(digest)
    for word in reversed(range(8)):
        bits = word_at(digest.bytes(), 8 * word)
        for bit in reversed(range(u32(64))):
            double(k, bits >> bit & 1)
            if not is_less(k, L):
                subtract(k, L)


def double(a: Array[u64], bit: u64) -> None:
    """Twice four words, and a bit. It must fit."""
    for index in range(4):
        high = a[index] >> 63
        a[index] = wrapping_add(a[index], a[index]) | bit
        bit = high


def subtract(a: Array[u64], b: tuple[u64, ...]) -> None:
    """Take four words off four others. It must fit."""
    requires(len(b) == 4)
    borrow: u64 = 0
    for index in range(4):
        before = a[index]
        first = wrapping_sub(before, b[index])
        a[index] = wrapping_sub(first, borrow)
        borrow = u64(before < b[index]) | u64(first < borrow)
