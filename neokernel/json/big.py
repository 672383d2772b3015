"""Large integers, as far as a number of many digits needs them that lies next to the middle between two floats.

Invariants: `limbs[:used]` are the integer, the lowest 64 bits first, and the last of them isn't 0. What is compared is
less than 2 to the power of 2,700: 768 digits, or 5 to the power of 1,091 times the middle, with the power of two that
makes it as large as the digits are. MOST_LIMBS have room for that.
"""

from __future__ import annotations

from neokernel.lang import Array, array, i64, multiply_high, struct, u64, usize, wrapping_add, wrapping_mul

MOST_LIMBS = 44
#: the highest power of five in 64 bits
FIVES = 27
FIVE_TO_27: u64 = 7_450_580_596_923_828_125


@struct
class Big:
    limbs: Array[u64] = array(MOST_LIMBS)
    used: usize = 0

    def multiply_add(self, factor: u64, more: u64) -> None:
        """Times `factor`, and `more` to it."""
        carry = more
        for place in range(self.used):
            limb = self.limbs[place]
            low = wrapping_add(wrapping_mul(limb, factor), carry)
            # The high half is 2**64 - 2 at most.
            carry = multiply_high(limb, factor) + (1 if low < carry else 0)
            self.limbs[place] = low
        if carry != 0:
            self.limbs[self.used] = carry
            self.used += 1

    def times_five(self, power: u64) -> None:
        """Times five to that power."""
        left = power
        while left >= FIVES:
            self.multiply_add(FIVE_TO_27, 0)
            left -= FIVES
        rest: u64 = 1
        for _ in range(left):
            rest *= 5
        self.multiply_add(rest, 0)

    def double(self, times: u64) -> None:
        """Times two to that power."""
        if self.used == 0:
            return
        whole, bits = usize(times // 64), times % 64
        if bits != 0:
            self.multiply_add(u64(1) << bits, 0)
        if whole != 0:
            for back in range(self.used):
                place = self.used - 1 - back
                self.limbs[place + whole] = self.limbs[place]
            for place in range(whole):
                self.limbs[place] = 0
            self.used += whole

    def compared(self, other: Big) -> i64:
        """1: it is more than the other one; 0: they are the same; -1."""
        if self.used != other.used:
            return 1 if self.used > other.used else -1
        for back in range(self.used):
            place = self.used - 1 - back
            one, two = self.limbs[place], other.limbs[place]
            if one != two:
                return 1 if one > two else -1
        return 0
