"""SHA-512 (FIPS 180-4), over a message that comes in pieces.

No secret is hashed here: nothing is cleared afterwards.

Invariant: between calls, the first `length % BLOCK` bytes of `block` are what no block has been made of yet.
"""

from neokernel.lang import (
    Array,
    Span,
    array,
    array_of,
    copy,
    ensures,
    inline,
    loop_bound,
    loop_invariant,
    old,
    requires,
    rotate_right,
    struct,
    truncate,
    u8,
    u64,
    usize,
    wrapping_add,
)

#: bytes of a block, and of the hash
BLOCK = 128
SIZE = 64
ROUNDS = 80
#: bytes of the longest message that we hash: the number of its bits fits a word
MOST = (1 << 61) - 1

#: FIPS 180-4, section 4.2.3: fractions of the cube roots of the first 80 primes.
# fmt: off
K: tuple[u64, ...] = (
    0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC,
    0x3956C25BF348B538, 0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118,
    0xD807AA98A3030242, 0x12835B0145706FBE, 0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2,
    0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235, 0xC19BF174CF692694,
    0xE49B69C19EF14AD2, 0xEFBE4786384F25E3, 0x0FC19DC68B8CD5B5, 0x240CA1CC77AC9C65,
    0x2DE92C6F592B0275, 0x4A7484AA6EA6E483, 0x5CB0A9DCBD41FBD4, 0x76F988DA831153B5,
    0x983E5152EE66DFAB, 0xA831C66D2DB43210, 0xB00327C898FB213F, 0xBF597FC7BEEF0EE4,
    0xC6E00BF33DA88FC2, 0xD5A79147930AA725, 0x06CA6351E003826F, 0x142929670A0E6E70,
    0x27B70A8546D22FFC, 0x2E1B21385C26C926, 0x4D2C6DFC5AC42AED, 0x53380D139D95B3DF,
    0x650A73548BAF63DE, 0x766A0ABB3C77B2A8, 0x81C2C92E47EDAEE6, 0x92722C851482353B,
    0xA2BFE8A14CF10364, 0xA81A664BBC423001, 0xC24B8B70D0F89791, 0xC76C51A30654BE30,
    0xD192E819D6EF5218, 0xD69906245565A910, 0xF40E35855771202A, 0x106AA07032BBD1B8,
    0x19A4C116B8D2D0C8, 0x1E376C085141AB53, 0x2748774CDF8EEB99, 0x34B0BCB5E19B48A8,
    0x391C0CB3C5C95A63, 0x4ED8AA4AE3418ACB, 0x5B9CCA4F7763E373, 0x682E6FF3D6B2B8A3,
    0x748F82EE5DEFB2FC, 0x78A5636F43172F60, 0x84C87814A1F0AB72, 0x8CC702081A6439EC,
    0x90BEFFFA23631E28, 0xA4506CEBDE82BDE9, 0xBEF9A3F7B2C67915, 0xC67178F2E372532B,
    0xCA273ECEEA26619C, 0xD186B8C721C0C207, 0xEADA7DD6CDE0EB1E, 0xF57D4F7FEE6ED178,
    0x06F067AA72176FBA, 0x0A637DC5A2C898A6, 0x113F9804BEF90DAE, 0x1B710B35131C471B,
    0x28DB77F523047D84, 0x32CAAB7B40C72493, 0x3C9EBE0A15C9BEBC, 0x431D67C49C100D4C,
    0x4CC5D4BECB3E42B6, 0x597F299CFC657E2A, 0x5FCB6FAB3AD6FAEC, 0x6C44198C4A475817,
)
# fmt: on


@struct
class Sha512:
    """A hash in the making: `update` it with each piece, then `finish` it, once."""

    #: section 5.3.5: fractions of the square roots of the first eight primes
    chain: Array[u64] = array_of(
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    )
    block: Array[u8] = array(BLOCK)
    length: usize = 0

    def update(self, data: bytes) -> None:
        """Go on with `data`. A message has at most MOST bytes."""
        requires(self.length <= MOST and len(data) <= MOST - self.length)
        ensures(lambda: self.length == old(self.length) + len(data))
        used = self.length % BLOCK
        self.length += len(data)
        start: usize = 0
        if used != 0:
            start = min(BLOCK - used, len(data))
            copy(self.block[used : used + start], data[:start])
            if used + start < BLOCK:
                return
            compress(self.chain, self.block.bytes())
        while len(data) - start >= BLOCK:
            loop_bound(len(data) // BLOCK)
            loop_invariant(start <= len(data))
            compress(self.chain, data[start : start + BLOCK])
            start += BLOCK
        copy(self.block[: len(data) - start], data[start:])

    def finish(self, digest: Span[u8]) -> None:
        """Write the hash of all pieces, SIZE bytes."""
        requires(self.length <= MOST and len(digest) == SIZE)
        used = self.length % BLOCK
        self.block[used] = 0x80
        used += 1
        if used > BLOCK - 16:
            fill(self.block[used:])
            compress(self.chain, self.block.bytes())
            used = 0
        fill(self.block[used : BLOCK - 8])
        store(self.block[BLOCK - 8 :], self.length * 8)
        compress(self.chain, self.block.bytes())
        for index in range(8):
            store(digest[8 * index : 8 * index + 8], self.chain[index])


def sha512(digest: Span[u8], message: bytes) -> None:
    """Write the hash of a message given whole, SIZE bytes."""
    requires(len(message) <= MOST and len(digest) == SIZE)
    hash = Sha512()
    hash.update(message)
    hash.finish(digest)


def fill(target: Span[u8]) -> None:
    for index in range(len(target)):
        target[index] = 0


@inline
def load(data: bytes, offset: usize) -> u64:
    """The big-endian word at `offset`."""
    return (
        u64(data[offset]) << 56
        | u64(data[offset + 1]) << 48
        | u64(data[offset + 2]) << 40
        | u64(data[offset + 3]) << 32
        | u64(data[offset + 4]) << 24
        | u64(data[offset + 5]) << 16
        | u64(data[offset + 6]) << 8
        | u64(data[offset + 7])
    )


def store(target: Span[u8], word: u64) -> None:
    """Write `word` to eight bytes, big-endian."""
    requires(len(target) == 8)
    for index in range(8):
        target[index] = truncate(u8, word >> (56 - 8 * index))


@inline
def expanded(before16: u64, before15: u64, before7: u64, before2: u64) -> u64:
    """A word of the message schedule, of the words so many places before it (section 6.4.2, step 1)."""
    low = rotate_right(before15, 1) ^ rotate_right(before15, 8) ^ (before15 >> 7)
    high = rotate_right(before2, 19) ^ rotate_right(before2, 61) ^ (before2 >> 6)
    return wrapping_add(wrapping_add(before16, low), wrapping_add(before7, high))


@inline
def step(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, constant: u64, word: u64) -> tuple[u64, u64]:
    """A round (section 6.4.2, step 3): what becomes of `d` and `h`. All others only change their names."""
    mixed_e = rotate_right(e, 14) ^ rotate_right(e, 18) ^ rotate_right(e, 41)
    choice = g ^ (e & (f ^ g))
    first = wrapping_add(wrapping_add(wrapping_add(h, wrapping_add(constant, word)), mixed_e), choice)
    mixed_a = rotate_right(a, 28) ^ rotate_right(a, 34) ^ rotate_right(a, 39)
    majority = b ^ ((a ^ b) & (b ^ c))
    return wrapping_add(d, first), wrapping_add(wrapping_add(first, mixed_a), majority)


def compress(chain: Array[u64], block: bytes) -> None:
    """Mix one block into the chaining value (section 6.4.2).

    Sixteen rounds at a time, then the next sixteen words of the schedule in the place of the last: none of it is in
    memory but what registers have no room for, and no value moves from one register to another.
    """
    requires(len(block) == BLOCK)
    assert len(block) == BLOCK  # for the compiler, which then has no other check here
    words: Array[u64] = array(16)
    for index in range(16):
        words[index] = load(block, 8 * index)
    a, b, c, d = chain[0], chain[1], chain[2], chain[3]
    e, f, g, h = chain[4], chain[5], chain[6], chain[7]
    for group in range(ROUNDS // 16):
        if group != 0:
            words[0] = expanded(words[0], words[1], words[9], words[14])
            words[1] = expanded(words[1], words[2], words[10], words[15])
            words[2] = expanded(words[2], words[3], words[11], words[0])
            words[3] = expanded(words[3], words[4], words[12], words[1])
            words[4] = expanded(words[4], words[5], words[13], words[2])
            words[5] = expanded(words[5], words[6], words[14], words[3])
            words[6] = expanded(words[6], words[7], words[15], words[4])
            words[7] = expanded(words[7], words[8], words[0], words[5])
            words[8] = expanded(words[8], words[9], words[1], words[6])
            words[9] = expanded(words[9], words[10], words[2], words[7])
            words[10] = expanded(words[10], words[11], words[3], words[8])
            words[11] = expanded(words[11], words[12], words[4], words[9])
            words[12] = expanded(words[12], words[13], words[5], words[10])
            words[13] = expanded(words[13], words[14], words[6], words[11])
            words[14] = expanded(words[14], words[15], words[7], words[12])
            words[15] = expanded(words[15], words[0], words[8], words[13])
        constants = K[16 * group : 16 * group + 16]
        d, h = step(a, b, c, d, e, f, g, h, constants[0], words[0])
        c, g = step(h, a, b, c, d, e, f, g, constants[1], words[1])
        b, f = step(g, h, a, b, c, d, e, f, constants[2], words[2])
        a, e = step(f, g, h, a, b, c, d, e, constants[3], words[3])
        h, d = step(e, f, g, h, a, b, c, d, constants[4], words[4])
        g, c = step(d, e, f, g, h, a, b, c, constants[5], words[5])
        f, b = step(c, d, e, f, g, h, a, b, constants[6], words[6])
        e, a = step(b, c, d, e, f, g, h, a, constants[7], words[7])
        d, h = step(a, b, c, d, e, f, g, h, constants[8], words[8])
        c, g = step(h, a, b, c, d, e, f, g, constants[9], words[9])
        b, f = step(g, h, a, b, c, d, e, f, constants[10], words[10])
        a, e = step(f, g, h, a, b, c, d, e, constants[11], words[11])
        h, d = step(e, f, g, h, a, b, c, d, constants[12], words[12])
        g, c = step(d, e, f, g, h, a, b, c, constants[13], words[13])
        f, b = step(c, d, e, f, g, h, a, b, constants[14], words[14])
        e, a = step(b, c, d, e, f, g, h, a, constants[15], words[15])
    chain[0] = wrapping_add(chain[0], a)
    chain[1] = wrapping_add(chain[1], b)
    chain[2] = wrapping_add(chain[2], c)
    chain[3] = wrapping_add(chain[3], d)
    chain[4] = wrapping_add(chain[4], e)
    chain[5] = wrapping_add(chain[5], f)
    chain[6] = wrapping_add(chain[6], g)
    chain[7] = wrapping_add(chain[7], h)
