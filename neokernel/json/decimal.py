"""A number in decimal digits, that can be doubled and halved: what is exact where 64 bits aren't enough.

Any number of a JSON text becomes float64 by it, and any float its decimal digits. The method is Nigel Tao's "simple
decimal conversion" (https://nigeltao.github.io/blog/2020/parse-number-f64-simple.html): multiply or divide by powers of
two until what is wanted stands before the point. It isn't fast, and needs no tables.

How many digits matter: a number halfway between two float64 has 767 significant digits at most. Of what comes behind
the digits that are kept, it only counts whether there is any (`more`).

Invariants: `digits[:used]` are 0 to 9, the first and the last of them not 0; the number is 0.DIGITS times ten to the
power of `point`, and a little more if `more`. Loops are bounded by MOST_DIGITS, and by the range of float64.
"""

from __future__ import annotations

from neokernel.lang import Array, Span, array, copy, i64, struct, u8, u64, usize, value

MOST_DIGITS = 800
#: bits that a number is shifted by at once: nine times that, and what is carried, fit into 64 bits
MOST_SHIFT = 60
#: float64: below ten to the power of 310 all is finite or not by its digits, below -330 all is zero
HIGHEST = 310
LOWEST = -330
#: by how many bits to shift so that the point moves over so many digits at most, and over one at least
STEPS: tuple[u8, ...] = (1, 3, 6, 9, 13, 16, 19, 23, 26)
FARTHEST = 27

INFINITY: u64 = 0x7FF << 52
BIAS = 1023
FRACTION_BITS = 52


@value
class Rounded:
    """How many digits there are, and where the point is, as in `Decimal`."""

    used: usize
    point: i64


@struct
class Decimal:
    digits: Array[u8] = array(MOST_DIGITS)
    used: usize = 0
    point: i64 = 0
    more: bool = False

    # --- what it is ---------------------------------------------------------------------------------------------------

    def set(self, number: u64) -> None:
        """An integer."""
        self.used, self.point, self.more = 0, 0, False
        count: usize = 0
        rest = number
        while rest != 0:
            count += 1
            rest //= 10
        rest = number
        for place in range(count):
            self.digits[count - 1 - place] = u8(rest % 10)
            rest //= 10
        self.used, self.point = count, i64(count)
        self.trim()

    def set_float64(self, bits: u64) -> None:
        """A finite float64, exactly, without its sign."""
        exponent, fraction = i64(bits >> FRACTION_BITS & 0x7FF), bits & (u64(1) << FRACTION_BITS) - 1
        self.set(fraction if exponent == 0 else fraction | u64(1) << FRACTION_BITS)
        self.shift(max(exponent, 1) - BIAS - FRACTION_BITS)

    def append(self, digit: u8) -> None:
        """One more digit behind the others: for who reads a number from its first one that isn't 0 on."""
        if self.used < MOST_DIGITS:
            self.digits[self.used] = digit
            self.used += 1
        elif digit != 0:
            self.more = True

    def trim(self) -> None:
        """Take zeroes off the end."""
        while self.used != 0 and self.digits[self.used - 1] == 0:
            self.used -= 1
        if self.used == 0:
            self.point = 0

    # --- times powers of two ------------------------------------------------------------------------------------------

    def shift(self, bits: i64) -> None:
        """Times two to the power of `bits`."""
        left = bits
        while left > MOST_SHIFT:
            self.double(MOST_SHIFT)
            left -= MOST_SHIFT
        while left < -MOST_SHIFT:
            self.halve(MOST_SHIFT)
            left += MOST_SHIFT
        if left > 0:
            self.double(u64(left))
        elif left < 0:
            self.halve(u64(-left))

    def double(self, times: u64) -> None:
        """From the last digit to the first; what is carried out of that becomes new digits in front."""
        carry: u64 = 0
        for back in range(self.used):
            place = self.used - 1 - back
            carry += u64(self.digits[place]) << times
            self.digits[place] = u8(carry % 10)
            carry //= 10
        count: usize = 0
        rest = carry
        while rest != 0:
            count += 1
            rest //= 10
        for back in range(self.used):
            place = self.used - 1 - back
            if place + count < MOST_DIGITS:
                self.digits[place + count] = self.digits[place]
            elif self.digits[place] != 0:
                self.more = True
        for back in range(count):
            self.digits[count - 1 - back] = u8(carry % 10)
            carry //= 10
        self.used = min(self.used + count, MOST_DIGITS)
        self.point += i64(count)
        self.trim()

    def halve(self, times: u64) -> None:
        """As by hand: the next digit is put to what is left, and what that has of two to the power is written down."""
        read: usize = 0
        rest: u64 = 0
        if self.used == 0:
            return
        while rest >> times == 0:
            rest = rest * 10 + (u64(self.digits[read]) if read < self.used else 0)
            read += 1
        self.point -= i64(read) - 1
        mask = (u64(1) << times) - 1
        written: usize = 0
        while read < self.used or rest != 0:
            digit = u8(rest >> times)
            rest = (rest & mask) * 10
            if read < self.used:
                rest += u64(self.digits[read])
                read += 1
            if written < MOST_DIGITS:
                self.digits[written] = digit
                written += 1
            elif digit != 0:
                self.more = True
        self.used = written
        self.trim()

    # --- rounded ------------------------------------------------------------------------------------------------------

    def rounds_up(self, count: i64) -> bool:
        """Is the number nearer to the next one of `count` digits? Halfway, the even one is taken."""
        if count < 0 or count >= i64(self.used):
            return False
        place = usize(count)
        if self.digits[place] == 5 and place + 1 == self.used and not self.more:
            return place != 0 and self.digits[place - 1] % 2 != 0
        return self.digits[place] >= 5

    def integer(self) -> u64:
        """The nearest integer. Requires: the point is at 19 at most."""
        number: u64 = 0
        for place in range(max(self.point, 0)):
            number = number * 10 + (u64(self.digits[usize(place)]) if usize(place) < self.used else 0)
        return number + 1 if self.rounds_up(self.point) else number

    def rounded(self, count: usize, into: Span[u8]) -> Rounded:
        """The first `count` digits of the nearest number that has no more, in `into`, which has room for them."""
        used, point = min(count, self.used), self.point
        copy(into[:used], self.digits[:used].bytes())
        if self.rounds_up(i64(count)):
            while used != 0 and into[used - 1] == 9:
                used -= 1
            if used == 0:
                into[0] = 0
                used, point = 1, point + 1
            into[used - 1] += 1
        while used != 0 and into[used - 1] == 0:
            used -= 1
        return Rounded(used, point)

    def float64(self) -> u64:
        """The bits of the nearest float64, infinity if it is too large. The number isn't what it was, afterwards."""
        if self.used == 0 or self.point < LOWEST:
            return 0
        if self.point > HIGHEST:
            return INFINITY
        # Until it is at least a half and less than one.
        exponent: i64 = 0
        while self.point > 0:
            bits = i64(STEPS[usize(self.point)]) if self.point < i64(len(STEPS)) else FARTHEST
            self.shift(-bits)
            exponent += bits
        while self.point < 0 or self.digits[0] < 5:
            bits = i64(STEPS[usize(-self.point)]) if -self.point < i64(len(STEPS)) else FARTHEST
            self.shift(bits)
            exponent -= bits
        exponent -= 1
        # The smallest ones have no bit before the point.
        if exponent < 1 - BIAS:
            self.shift(exponent - (1 - BIAS))
            exponent = 1 - BIAS
        self.shift(1 + FRACTION_BITS)
        fraction = self.integer()
        if fraction >> 53 != 0:
            fraction >>= 1
            exponent += 1
        if exponent > BIAS:
            return INFINITY
        if fraction >> FRACTION_BITS == 0:
            return fraction
        return (u64(exponent + BIAS) << FRACTION_BITS) + (fraction - (u64(1) << FRACTION_BITS))
