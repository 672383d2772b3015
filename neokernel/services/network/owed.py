"""Whom a handshake is owed that nobody remembers: flows that were sent a cookie lately, or gave way half open.

A Bloom filter (1970) in two generations: each flow is two bits, and is known for one to two times LIFETIME. Few flows
are as good as exact; a flood of many thousands fills it, and then everybody is taken to be owed one.

Only these may bring a cookie back: a late segment from the beginning of any other connection that has ended opens
nothing. And to these alone nothing is answered that they may have sent behind their cookie, if that was lost.
"""

from __future__ import annotations

from neokernel.lang import Array, array, struct, u64, usize
from neokernel.services.network.clock import SECOND

BITS = 1 << 16
WORDS = BITS // 64
#: as long as a peer may take to answer, at least
LIFETIME: u64 = 30 * SECOND


@struct
class Owed:
    """`fresh` is which half of `words` has the flows since `since`; the other one those of the time before."""

    words: Array[u64] = array(2 * WORDS)
    fresh: usize = 0
    since: u64 = 0

    def note(self, hash: u64, now: u64) -> None:
        """A flow with that hash is owed one."""
        self.age(now)
        first, second = bits_of(hash)
        self.words[self.fresh + first // 64] |= u64(1) << u64(first % 64)
        self.words[self.fresh + second // 64] |= u64(1) << u64(second % 64)

    def has(self, hash: u64, now: u64) -> bool:
        """Is such a flow? True: it may be. False: it isn't."""
        self.age(now)
        return self.is_in(0, hash) or self.is_in(WORDS, hash)

    # --- inside -------------------------------------------------------------------------------------------------------

    def is_in(self, half: usize, hash: u64) -> bool:
        first, second = bits_of(hash)
        one = self.words[half + first // 64] >> u64(first % 64)
        other = self.words[half + second // 64] >> u64(second % 64)
        return one & other & 1 != 0

    def age(self, now: u64) -> None:
        """The fresh ones become old, and the old ones nothing, when it is time. Steps: WORDS."""
        if now - self.since < LIFETIME:
            return
        times: usize = 2 if now - self.since >= 2 * LIFETIME else 1
        for _ in range(times):
            self.fresh = WORDS - self.fresh
            for place in range(usize(WORDS)):
                self.words[self.fresh + place] = 0
        self.since = now


def bits_of(hash: u64) -> tuple[usize, usize]:
    """Its two bits in a half."""
    return usize(hash % BITS), usize((hash >> 32) % BITS)
