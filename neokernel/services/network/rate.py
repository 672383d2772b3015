"""So many in a second, and no more: a token bucket.

How many just now isn't to be foreseen: whoever could count the answers to others, by how many are left for him, would
learn what they were about (CVE-2016-5696 of TCP's challenges, CVE-2020-25705 of ICMP). So some tokens are lost.

Invariant: at most `MOST` tokens; they come at the rate of `per_second`.
"""

from __future__ import annotations

from neokernel.lang import invariant, struct, u64, wrapping_add, wrapping_mul
from neokernel.services.network.clock import SECOND

#: tokens that a quiet second leaves
MOST = 100


@struct
class Rate:
    per_second: u64 = 100
    tokens: u64 = MOST
    filled: u64 = 0
    #: secret
    noise: u64 = 0

    @invariant
    def is_bounded(self) -> bool:
        return self.tokens <= MOST

    def take(self, now: u64) -> bool:
        """May one more be sent?"""
        passed = min(now - self.filled, SECOND) if now > self.filled else 0
        fresh = passed * self.per_second // SECOND
        if fresh != 0:
            self.noise = wrapping_add(wrapping_mul(self.noise, 6364136223846793005), now | 1)
            lost = u64(self.noise >> 61 == 0)
            self.tokens = min(self.tokens + fresh, MOST) - lost
            self.filled = now
        if self.tokens == 0:
            return False
        self.tokens -= 1
        return True
