"""Arithmetic modulo P = 2**255 - 19, the field of Curve25519 and its relatives.

A number is five limbs of 51 bits, so that sums need no carries at once, and that products of limbs, of 128 bits, can be
added up: bits from 2**255 on come in again at the bottom, times 19. A number has many representations; `encoded` gives
the one below P.

No number here is secret: how long anything takes depends on them.

Invariants, of limbs: those of a product, of a `carried` number and of what is decoded are *tight*, less than a
thousandth above 2**51. The sum of three such numbers has them below 2**53, the difference of two sums below 2**54, and
these can be multiplied. Within that no sum wraps around, so none is checked; under CPython the contracts are.
"""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Span,
    array,
    ensures,
    ghost,
    inline,
    loop_invariant,
    multiply_high,
    requires,
    truncate,
    u8,
    u32,
    u64,
    value,
    wrapping_add,
    wrapping_mul,
    wrapping_shl,
    wrapping_sub,
)

BITS = 51
MASK = (1 << BITS) - 1
#: bytes of an encoded number
SIZE = 32
#: a word of ones, and the highest word of a number of 255 bits
ONES: u64 = (1 << 64) - 1
HALF: u64 = (1 << 63) - 1

#: 4 P in limbs as large as can be: what is added to a difference so that no limb is negative
FOUR_P_LOW: u64 = 4 * (2**51 - 19)
FOUR_P: u64 = 4 * (2**51 - 1)


@value
class Wide:
    """A sum of products of limbs, 128 bits."""

    low: u64
    high: u64

    @inline
    def plus(self, a: u64, b: u64) -> Wide:
        """The sum and `a * b`."""
        low = wrapping_add(self.low, wrapping_mul(a, b))
        carry = u64(low < self.low)
        return Wide(low, wrapping_add(wrapping_add(self.high, multiply_high(a, b)), carry))

    @inline
    def plus_carry(self, carry: u64) -> Wide:
        low = wrapping_add(self.low, carry)
        return Wide(low, wrapping_add(self.high, u64(low < carry)))

    @inline
    def carry(self) -> u64:
        """What is above a limb. It must fit."""
        return wrapping_shl(self.high, 64 - BITS) | self.low >> BITS


@inline
def product(a: u64, b: u64) -> Wide:
    return Wide(wrapping_mul(a, b), multiply_high(a, b))


@value
class Number:
    """A number modulo P; the first limb is the lowest."""

    l0: u64
    l1: u64
    l2: u64
    l3: u64
    l4: u64

    @ghost
    def is_below(self, bits: u64) -> bool:
        """Is every limb below 2**bits?"""
        return max(self.l0, self.l1, self.l2, self.l3, self.l4) < u64(1) << bits

    @ghost
    def is_at_most_four_p(self) -> bool:
        """Limb by limb."""
        return self.l0 <= FOUR_P_LOW and max(self.l1, self.l2, self.l3, self.l4) <= FOUR_P

    @ghost
    def is_tight(self) -> bool:
        return max(self.l0, self.l1, self.l2, self.l3, self.l4) <= (1 << 51) + (1 << 18)

    @inline
    def plus(self, other: Number) -> Number:
        """The sum, without carries."""
        requires(self.is_below(53) and other.is_below(53))
        return Number(
            wrapping_add(self.l0, other.l0),
            wrapping_add(self.l1, other.l1),
            wrapping_add(self.l2, other.l2),
            wrapping_add(self.l3, other.l3),
            wrapping_add(self.l4, other.l4),
        )

    @inline
    def minus(self, other: Number) -> Number:
        """The difference, without carries."""
        requires(self.is_below(53) and other.is_at_most_four_p())
        return Number(
            wrapping_sub(wrapping_add(self.l0, FOUR_P_LOW), other.l0),
            wrapping_sub(wrapping_add(self.l1, FOUR_P), other.l1),
            wrapping_sub(wrapping_add(self.l2, FOUR_P), other.l2),
            wrapping_sub(wrapping_add(self.l3, FOUR_P), other.l3),
            wrapping_sub(wrapping_add(self.l4, FOUR_P), other.l4),
        )

    def times(self, other: Number) -> Number:
        """The product."""
        requires(self.is_below(54) and other.is_below(54))
        ensures(lambda result: result.is_tight())
        a0, a1, a2, a3, a4 = self.l0, self.l1, self.l2, self.l3, self.l4
        b0, b1, b2, b3, b4 = other.l0, other.l1, other.l2, other.l3, other.l4
        c1, c2 = wrapping_mul(b1, 19), wrapping_mul(b2, 19)
        c3, c4 = wrapping_mul(b3, 19), wrapping_mul(b4, 19)
        return reduced(
            product(a0, b0).plus(a1, c4).plus(a2, c3).plus(a3, c2).plus(a4, c1),
            product(a0, b1).plus(a1, b0).plus(a2, c4).plus(a3, c3).plus(a4, c2),
            product(a0, b2).plus(a1, b1).plus(a2, b0).plus(a3, c4).plus(a4, c3),
            product(a0, b3).plus(a1, b2).plus(a2, b1).plus(a3, b0).plus(a4, c4),
            product(a0, b4).plus(a1, b3).plus(a2, b2).plus(a3, b1).plus(a4, b0),
        )

    def squared(self) -> Number:
        requires(self.is_below(54))
        ensures(lambda result: result.is_tight())
        a0, a1, a2, a3, a4 = self.l0, self.l1, self.l2, self.l3, self.l4
        d0, d1, d2 = wrapping_add(a0, a0), wrapping_add(a1, a1), wrapping_add(a2, a2)
        c3, c4 = wrapping_mul(a3, 19), wrapping_mul(a4, 19)
        return reduced(
            product(a0, a0).plus(d1, c4).plus(d2, c3),
            product(d0, a1).plus(d2, c4).plus(a3, c3),
            product(d0, a2).plus(a1, a1).plus(wrapping_add(a3, a3), c4),
            product(d0, a3).plus(d1, a2).plus(a4, c4),
            product(d0, a4).plus(d1, a3).plus(a2, a2),
        )

    def squared_often(self, times: u32) -> Number:
        """To the power 2**times."""
        requires(self.is_below(54))
        ensures(lambda result: result.is_below(54))
        result = self
        for _ in range(times):
            loop_invariant(result.is_below(54))
            result = result.squared()
        return result

    def carried(self) -> Number:
        """The same number with tight limbs."""
        requires(self.is_below(54))
        ensures(lambda result: result.is_tight())
        l1 = wrapping_add(self.l1, self.l0 >> BITS)
        l2 = wrapping_add(self.l2, l1 >> BITS)
        l3 = wrapping_add(self.l3, l2 >> BITS)
        l4 = wrapping_add(self.l4, l3 >> BITS)
        l0 = wrapping_add(self.l0 & MASK, wrapping_mul(l4 >> BITS, 19))
        return Number(l0, l1 & MASK, l2 & MASK, l3 & MASK, l4 & MASK)

    def negated(self) -> Number:
        requires(self.is_at_most_four_p())
        ensures(lambda result: result.is_tight())
        return ZERO.minus(self).carried()

    def to_the_power_of_2_250_minus_1(self) -> tuple[Number, Number]:
        """What inverses and square roots have in common: the powers 2**250 - 1 and 11."""
        requires(self.is_below(54))
        ensures(lambda result: result[0].is_tight() and result[1].is_tight())
        power_2 = self.squared()
        power_9 = power_2.squared_often(2).times(self)
        power_11 = power_9.times(power_2)
        ones_5 = power_11.squared().times(power_9)  # 2**5 - 1, and so on
        ones_10 = ones_5.squared_often(5).times(ones_5)
        ones_20 = ones_10.squared_often(10).times(ones_10)
        ones_40 = ones_20.squared_often(20).times(ones_20)
        ones_50 = ones_40.squared_often(10).times(ones_10)
        ones_100 = ones_50.squared_often(50).times(ones_50)
        ones_200 = ones_100.squared_often(100).times(ones_100)
        return ones_200.squared_often(50).times(ones_50), power_11

    def inverse(self) -> Number:
        """The number's inverse, which is its power P - 2; of 0, 0."""
        requires(self.is_below(54))
        ensures(lambda result: result.is_tight())
        ones, power_11 = self.to_the_power_of_2_250_minus_1()
        return ones.squared_often(5).times(power_11)

    def root_candidate(self) -> Number:
        """The power (P - 5) / 8, which is 2**252 - 3."""
        requires(self.is_below(54))
        ensures(lambda result: result.is_tight())
        ones, _ = self.to_the_power_of_2_250_minus_1()
        return ones.squared_often(2).times(self)

    def encode(self, target: Span[u8]) -> None:
        """Write the representation below P, 32 bytes, little-endian."""
        requires(self.is_below(54) and len(target) == SIZE)
        # Twice: after the first, the lowest limb may still be above 2**51.
        n = self.carried().carried()
        # Is it P or more? Then 19 more reach 2**255.
        carry = (n.l0 + 19) >> BITS
        carry = (n.l1 + carry) >> BITS
        carry = (n.l2 + carry) >> BITS
        carry = (n.l3 + carry) >> BITS
        carry = (n.l4 + carry) >> BITS
        n = Number(n.l0 + 19 * carry, n.l1, n.l2, n.l3, n.l4).carried_once()
        words: Array[u64] = array(4)
        words[0] = n.l0 | wrapping_shl(n.l1, 51)
        words[1] = n.l1 >> 13 | wrapping_shl(n.l2, 38)
        words[2] = n.l2 >> 26 | wrapping_shl(n.l3, 25)
        words[3] = n.l3 >> 39 | wrapping_shl(n.l4, 12)
        for index in range(SIZE):
            target[index] = truncate(u8, words[index // 8] >> (8 * (index % 8)))

    def carried_once(self) -> Number:
        """With limbs of 51 bits; what is above the last is dropped."""
        requires(self.is_below(54))
        l1 = self.l1 + (self.l0 >> BITS)
        l2 = self.l2 + (l1 >> BITS)
        l3 = self.l3 + (l2 >> BITS)
        l4 = self.l4 + (l3 >> BITS)
        return Number(self.l0 & MASK, l1 & MASK, l2 & MASK, l3 & MASK, l4 & MASK)

    def is_zero(self) -> bool:
        requires(self.is_below(54))
        encoded: Array[u8] = array(SIZE)
        self.encode(encoded)
        together: u8 = 0
        for byte in encoded:
            together |= byte
        return together == 0

    def equals(self, other: Number) -> bool:
        """Are they the same number? Their limbs may differ."""
        requires(self.is_below(53) and other.is_at_most_four_p())
        return self.minus(other).is_zero()

    def is_odd(self) -> bool:
        """Is the representation below P odd? So a root is told from its negative (RFC 8032, 5.1.2: its sign)."""
        requires(self.is_below(54))
        encoded: Array[u8] = array(SIZE)
        self.encode(encoded)
        return encoded[0] & 1 == 1


@inline
def reduced(r0: Wide, r1: Wide, r2: Wide, r3: Wide, r4: Wide) -> Number:
    """The sums, which belong to the powers of 2**51, as a number with tight limbs.

    Of limbs below 2**54, five products, four of them times 19, are below 2**115 together: so the carry fits 64 bits. In
    the last sum no product is times 19, it is below 2**111: so its carry fits even when that is times 19.
    """
    r1 = r1.plus_carry(r0.carry())
    r2 = r2.plus_carry(r1.carry())
    r3 = r3.plus_carry(r2.carry())
    r4 = r4.plus_carry(r3.carry())
    l0 = wrapping_add(r0.low & MASK, wrapping_mul(r4.carry(), 19))
    l1 = wrapping_add(r1.low & MASK, l0 >> BITS)
    return Number(l0 & MASK, l1, r2.low & MASK, r3.low & MASK, r4.low & MASK)


ZERO = Number(0, 0, 0, 0, 0)
ONE = Number(1, 0, 0, 0, 0)
#: a square root of -1: 2**((P - 1) / 4) (RFC 8032, 5.1.3)
I = 19681161376707505956807079304988542015446066515923890162744021073123829784752  # noqa: E741 - as everywhere
ROOT_OF_MINUS_1 = Number(I & MASK, I >> 51 & MASK, I >> 102 & MASK, I >> 153 & MASK, I >> 204)


def word_at(data: bytes, offset: u64) -> u64:
    """The little-endian word at `offset`."""
    requires(len(data) >= 8 and offset <= len(data) - 8)
    word: u64 = 0
    for index in reversed(range(8)):
        word = wrapping_shl(word, 8) | u64(data[offset + index])
    return word


def decoded(data: bytes) -> Number | None:
    """The number in the low 255 bits of 32 bytes, little-endian; None if it isn't below P."""
    requires(len(data) == SIZE)
    ensures(lambda result: result is None or result.is_tight())
    w0, w1, w2, w3 = word_at(data, 0), word_at(data, 8), word_at(data, 16), word_at(data, 24) & HALF
    if w0 >= ONES - 18 and w1 == ONES and w2 == ONES and w3 == HALF:
        return None
    return Number(
        w0 & MASK,
        (w0 >> 51 | wrapping_shl(w1, 13)) & MASK,
        (w1 >> 38 | wrapping_shl(w2, 26)) & MASK,
        (w2 >> 25 | wrapping_shl(w3, 39)) & MASK,
        w3 >> 12,
    )
