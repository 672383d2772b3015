"""How long a round trip takes, and how long to wait for what should have come by then: RFC 6298."""

from __future__ import annotations

from neokernel.lang import struct, u32, u64
from neokernel.services.network.limits import FIRST_TIMEOUT, LEAST_TIMEOUT, MOST_TIMEOUT

#: doublings after which the timeout is at its most anyway
MOST_DOUBLINGS = 12


@struct
class RoundTrip:
    """In microseconds. `smoothed` is 0 until something is known."""

    smoothed: u64 = 0
    variation: u64 = 0
    doublings: u32 = 0

    def measured(self, took: u64) -> None:
        """Of something that was sent once only (Karn; section 3)."""
        sample = min(max(took, 1), MOST_TIMEOUT)
        self.doublings = 0
        if self.smoothed == 0:
            self.smoothed, self.variation = sample, sample // 2
            return
        difference = sample - self.smoothed if sample > self.smoothed else self.smoothed - sample
        self.variation = (3 * self.variation + difference) // 4
        self.smoothed = max((7 * self.smoothed + sample) // 8, 1)

    def timeout(self) -> u64:
        """RTO, backed off."""
        return min(self.first_timeout() << u64(self.doublings), MOST_TIMEOUT)

    def first_timeout(self) -> u64:
        """RTO, before it is backed off."""
        once = FIRST_TIMEOUT
        if self.smoothed != 0:
            once = self.smoothed + max(4 * self.variation, 1_000)
        return min(max(once, LEAST_TIMEOUT), MOST_TIMEOUT)

    def waited(self) -> u64:
        """How long it was in vain: the timeouts that have passed, each twice the one before, add up to that."""
        return self.timeout() - self.first_timeout()

    def back_off(self) -> None:
        """It wasn't long enough (5.5)."""
        self.doublings = min(self.doublings + 1, MOST_DOUBLINGS)
