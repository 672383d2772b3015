"""Hashes of keys under a secret seed, so that nobody who doesn't know it can make many keys collide.

SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; with one round a word and three at the
end, as language runtimes use it for tables). A key is a `@value` with `hash(seed)`; `Number` makes one of an integer:

    @value
    class Flow:
        address: u32
        port: u16

        def hash(self, seed: Seed) -> u64:
            return SipHash.start(seed).word(u64(self.address) << 16 | u64(self.port)).finish()

Invariant: `hash` depends on the seed and on what `==` compares, on nothing else.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import multiply_high, rotate_left, u64, usize, value, wrapping_add, wrapping_mul


@value
class Seed:
    """128 secret bits: random, made once for each process, never shown outside it."""

    first: u64
    second: u64


class Key(Protocol):
    """What a map needs of its keys, beside `==`."""

    def hash(self, seed: Seed) -> u64: ...


@value
class SipHash:
    """The state between two words of a message, `length` bytes in."""

    v0: u64
    v1: u64
    v2: u64
    v3: u64
    length: u64 = 0

    @staticmethod
    def start(seed: Seed) -> SipHash:
        """The state before the message."""
        return SipHash(
            seed.first ^ 0x736F6D6570736575,
            seed.second ^ 0x646F72616E646F6D,
            seed.first ^ 0x6C7967656E657261,
            seed.second ^ 0x7465646279746573,
        )

    def word(self, word: u64) -> SipHash:
        """Go on with eight bytes, little-endian."""
        mixed = SipHash(self.v0, self.v1, self.v2, self.v3 ^ word).mixed()
        return SipHash(mixed.v0 ^ word, mixed.v1, mixed.v2, mixed.v3, self.length + 8)

    def finish(self) -> u64:
        """The hash of the words so far."""
        return self.finish_with(0, 0)

    def finish_with(self, rest: u64, count: u64) -> u64:
        """The hash of the words so far and `count` more bytes, at most 7: the low ones of `rest`, others zero."""
        ended = self.word(((self.length + count) & 0xFF) << 56 | rest)
        last = SipHash(ended.v0, ended.v1, ended.v2 ^ 0xFF, ended.v3).mixed().mixed().mixed()
        return last.v0 ^ last.v1 ^ last.v2 ^ last.v3

    def mixed(self) -> SipHash:
        """One SipRound."""
        a0 = wrapping_add(self.v0, self.v1)
        a1 = rotate_left(self.v1, 13) ^ a0
        a2 = wrapping_add(self.v2, self.v3)
        a3 = rotate_left(self.v3, 16) ^ a2
        b0 = wrapping_add(rotate_left(a0, 32), a3)
        b2 = wrapping_add(a2, a1)
        return SipHash(b0, rotate_left(a1, 17) ^ b2, rotate_left(b2, 32), rotate_left(a3, 21) ^ b0)


def hash_bytes(seed: Seed, data: bytes) -> u64:
    """The hash of `data`. Steps: an eighth of its length."""
    state = SipHash.start(seed)
    whole = len(data) & ~usize(7)
    for place in range(0, whole, 8):
        state = state.word(little_endian(data[place : place + 8]))
    return state.finish_with(little_endian(data[whole:]), len(data) - whole)


def little_endian(data: bytes) -> u64:
    """At most eight bytes as a number."""
    number: u64 = 0
    for place in reversed(range(len(data))):
        number = number << 8 | u64(data[place])
    return number


@value
class Number:
    """An integer as key."""

    number: u64

    def hash(self, seed: Seed) -> u64:
        return SipHash.start(seed).word(self.number).finish()


@value
class TrustedNumber:
    """An integer as key that nobody hostile chooses: a fraction of the work, and no protection.

    Multiplicative hashing (Knuth, volume 3, section 6.4), the product's halves folded: all bits count everywhere.
    """

    number: u64

    def hash(self, seed: Seed) -> u64:
        mixed = self.number ^ seed.first
        return wrapping_mul(mixed, 0x9E3779B97F4A7C15) ^ multiply_high(mixed, 0x9E3779B97F4A7C15)
