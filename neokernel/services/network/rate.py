"""So many in a second, and no more: a token bucket.

Invariant: at most `MOST` tokens; they come at the rate of `per_second`.
"""

from __future__ import annotations

from neokernel.lang import invariant, struct, u64
from neokernel.services.network.clock import SECOND

#: tokens that a quiet second leaves
MOST = 100


@struct
class Rate:
    per_second: u64 = 100
    tokens: u64 = MOST
    filled: u64 = 0

    @invariant
    def is_bounded(self) -> bool:
        return self.tokens <= MOST

    def take(self, now: u64) -> bool:
        """May one more be sent?"""
        passed = min(now - self.filled, SECOND) if now > self.filled else 0
        fresh = passed * self.per_second // SECOND
        if fresh != 0:
            self.tokens = min(self.tokens + fresh, MOST)
            self.filled = now
        if self.tokens == 0:
            return False
        self.tokens -= 1
        return True
