"""Clients' memory, cut into pairs of buffers: what a connection sends, and what it has received.

A client's connections, those that others open to it among them, have one pair each. So how many it can have is for the
client to say, and nobody else's memory is used for them.

Invariant: bit `n` of `used` is set exactly when pair `n` belongs to a connection.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, Span, array, count_trailing_zeros, struct, u8, u32, u64, usize
from neokernel.services.network.limits import CLIENTS, PAIRS

WORDS = PAIRS // 64

assert WORDS * 64 == PAIRS


@struct
class Region:
    """`pairs` pairs of `each` bytes a buffer. `owner`: the client's number in badges, 0 if nobody has this place.

    `look_at`: not before is it looked for a connection that gives way to one of this client's.
    """

    memory: Span[u8] | None = None
    each: usize = 0
    pairs: usize = 0
    taken: usize = 0
    used: Array[u64] = array(WORDS)
    owner: u64 = 0
    look_at: u64 = 0

    def attach(self, memory: Span[u8], each: usize) -> None:
        """Begin anew with this memory; there must be no connection. What remains of it isn't used."""
        assert self.taken == 0, "nobody uses the memory before"
        assert each != 0
        self.memory, self.each = memory, each
        self.pairs = min(len(memory) // (2 * each), PAIRS)

    def take(self) -> u32 | None:
        """A pair that nobody has."""
        if self.taken == self.pairs:
            return None
        for word in range(WORDS):
            bits = self.used[word]
            if bits != 0xFFFF_FFFF_FFFF_FFFF:
                bit = count_trailing_zeros(~bits)
                pair = word * 64 + usize(bit)
                if pair >= self.pairs:
                    return None
                self.used[word] = bits | u64(1) << bit
                self.taken += 1
                return u32(pair)
        return None

    def give_back(self, pair: u32) -> None:
        word, bit = usize(pair // 64), u64(1) << (pair % 64)
        assert self.used[word] & bit != 0, "it was taken"
        self.used[word] &= ~bit
        self.taken -= 1

    def part(self, pair: u32, second: bool) -> Span[u8]:
        """The first or second buffer of a pair."""
        memory = self.memory
        assert memory is not None
        begin = (2 * usize(pair) + usize(second)) * self.each
        return memory[begin : begin + self.each]


@struct
class Buffers:
    regions: Array[Embedded[Region]] = array(CLIENTS)
