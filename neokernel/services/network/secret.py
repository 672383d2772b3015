"""What depends on a secret, so that nobody outside can foresee it: initial sequence numbers, and SYN cookies.

SipHash-2-4 (Aumasson and Bernstein, 2012) under a key that is random and made once for each life of the service.

A cookie is an initial sequence number that remembers a SYN (RFC 4987, 3.6; Bernstein, 1996): a hash of the four-tuple,
the peer's number and the minute, and 8 bits, which are added to its highest ones, that say what the SYN offers. The
other 24 show whether it is one.

Every SYN to a listener is answered with its cookie, whether it is remembered or not (as FreeBSD does): so it may be
forgotten.
"""

from __future__ import annotations

from neokernel.lang import struct, truncate, u8, u16, u32, u64, value, wrapping_add, wrapping_sub
from neokernel.runtime.hashing import Seed, SipHash
from neokernel.services.network.address import Flow
from neokernel.services.network.clock import MINUTE
from neokernel.services.network.segment import DEFAULT_MSS, NO_SCALE, Segment

#: segment sizes that a cookie can say; a SYN's is rounded down
SIZES: tuple[u16, ...] = (216, 536, 1_024, 1_200, 1_300, 1_400, 1_440, 1_460)
#: minutes for which a cookie is good, beside the one in which it was made
MOST_AGE = 2
#: bits that show whether a number is a cookie; above them: 4 bits of the window's scale, SACK, 3 of the segment size
PROOF: u32 = 0xFF_FFFF

#: what is hashed for what
SEQUENCE: u64 = 1
TIME: u64 = 2
COOKIE: u64 = 3
PORT: u64 = 4
TABLES: u64 = 5
LEASE: u64 = 6
OWED: u64 = 7
PAST: u64 = 8


@value
class Cookie:
    """What a good cookie remembers: what the SYN has offered. `scale`: NO_SCALE if none."""

    mss: u16
    scale: u8
    sack: bool


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
        """Where a connection's clock of timestamps begins (RFC 7323, 5.4)."""
        return truncate(u32, self.hash(TIME, flow, 0))

    def cookie(self, flow: Flow, syn: Segment, now: u64) -> u32:
        """The initial sequence number of an answer to that SYN."""
        mss = syn.mss if syn.mss != 0 else DEFAULT_MSS
        size: u32 = 0
        for index, known in enumerate(SIZES):
            if known <= mss:
                size = u32(index)
        scale: u32 = 15 if syn.scale == NO_SCALE else u32(syn.scale)
        offered = (size << 5 | u32(syn.sack_permitted) << 4 | scale) << 24
        return wrapping_add(self.cookie_hash(flow, syn.sequence, now // MINUTE), offered)

    def check(self, flow: Flow, ack: Segment, now: u64) -> Cookie | None:
        """Does it acknowledge a cookie that isn't old, for a SYN of the peer's just before it?"""
        minute, peer = now // MINUTE, wrapping_sub(ack.sequence, 1)
        for age in range(u64(MOST_AGE + 1)):
            if age > minute:
                break
            rest = wrapping_sub(wrapping_sub(ack.acknowledgment, 1), self.cookie_hash(flow, peer, minute - age))
            if rest & PROOF == 0:
                offered = rest >> 24
                scale: u8 = NO_SCALE if offered & 15 == 15 else truncate(u8, offered & 15)
                return Cookie(SIZES[u64(offered >> 5)], scale, offered & 16 != 0)
        return None

    def cookie_hash(self, flow: Flow, peer: u32, minute: u64) -> u32:
        return truncate(u32, self.hash(COOKIE, flow, u64(peer) << 32 | minute & 0xFFFF_FFFF))
