"""What depends on a secret, so that nobody outside can foresee it: initial sequence numbers, and SYN cookies.

SipHash-2-4 (Aumasson and Bernstein, 2012) under a key that is random and made once for each life of the service.

A cookie is an initial sequence number that remembers a SYN (RFC 4987, 3.6; Bernstein, 1996): 5 bits of a counter of
minutes, 3 that say which of eight segment sizes, and 24 of a hash of both and the four-tuple.
"""

from __future__ import annotations

from neokernel.lang import struct, truncate, u16, u32, u64, value, wrapping_add, wrapping_sub
from neokernel.runtime.hashing import Seed, SipHash
from neokernel.services.network.address import Flow
from neokernel.services.network.clock import MINUTE

#: segment sizes that a cookie can say; a SYN's is rounded down
SIZES: tuple[u16, ...] = (216, 536, 1_024, 1_200, 1_300, 1_400, 1_440, 1_460)
#: minutes for which a cookie is good, beside the one in which it was made
MOST_AGE = 2

#: what is hashed for what
SEQUENCE: u64 = 1
TIME: u64 = 2
COOKIE: u64 = 3
PORT: u64 = 4
TABLES: u64 = 5
LEASE: u64 = 6


@value
class Cookie:
    """What a good cookie remembers."""

    mss: u16


def absorb(state: SipHash, word: u64) -> SipHash:
    """Eight bytes, with two rounds."""
    mixed = SipHash(state.v0, state.v1, state.v2, state.v3 ^ word).mixed().mixed()
    return SipHash(mixed.v0 ^ word, mixed.v1, mixed.v2, mixed.v3, state.length + 8)


def finish(state: SipHash) -> u64:
    """The hash of whole words: the last block has their length, and four rounds follow."""
    ended = absorb(state, (state.length & 0xFF) << 56)
    last = SipHash(ended.v0, ended.v1, ended.v2 ^ 0xFF, ended.v3).mixed().mixed().mixed().mixed()
    return last.v0 ^ last.v1 ^ last.v2 ^ last.v3


@struct
class Secret:
    key: Seed = Seed(0, 0)

    def hash(self, purpose: u64, flow: Flow, more: u64) -> u64:
        state = absorb(absorb(SipHash.start(self.key), purpose), flow.local.word())
        return finish(absorb(absorb(state, flow.remote.word()), more))

    def sequence(self, flow: Flow, now: u64) -> u32:
        """An initial sequence number (RFC 6528, 3): a clock of 4 microseconds, from a place of its own."""
        return wrapping_add(truncate(u32, now // 4), truncate(u32, self.hash(SEQUENCE, flow, 0)))

    def time_offset(self, flow: Flow) -> u32:
        """Where a connection's clock of timestamps begins (RFC 7323, 5.4). Its low 6 bits are 0: cookies use them."""
        return truncate(u32, self.hash(TIME, flow, 0)) & ~u32(63)

    def cookie(self, flow: Flow, peer: u32, mss: u16, now: u64) -> u32:
        """For a SYN with the sequence number `peer`."""
        size: u32 = 0
        for index, known in enumerate(SIZES):
            if known <= mss:
                size = u32(index)
        return self.cookie_of(flow, peer, size, now // MINUTE)

    def check(self, cookie: u32, flow: Flow, peer: u32, now: u64) -> Cookie | None:
        """Was this ours, and not long ago?"""
        minute, size = now // MINUTE, cookie >> 24 & 7
        age = wrapping_sub(minute, u64(cookie >> 27)) & 31
        if age > MOST_AGE or age > minute or self.cookie_of(flow, peer, size, minute - age) != cookie:
            return None
        return Cookie(SIZES[u64(size)])

    def cookie_of(self, flow: Flow, peer: u32, size: u32, minute: u64) -> u32:
        """The hash is of the whole minute, so that a cookie doesn't become good again."""
        kept = self.hash(COOKIE, flow, u64(peer) << 32 | (minute << 3 | u64(size)) & 0xFFFF_FFFF)
        return truncate(u32, minute & 31) << 27 | size << 24 | truncate(u32, kept) & 0xFF_FFFF
