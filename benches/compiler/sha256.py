"""SHA-256 (FIPS 180-4) of a message given whole.

Invariant: `compress` sees whole blocks only; `sha256` pads the last one or two in a buffer of its own.
"""

from neokernel.lang import (
    Array,
    Span,
    array,
    array_of,
    rotate_right,
    struct,
    truncate,
    u8,
    u32,
    usize,
    wrapping_add,
)

BLOCK = 64
ROUNDS = 64

#: FIPS 180-4, section 4.2.2: fractions of the cube roots of the first 64 primes.
# fmt: off
K: tuple[u32, ...] = (
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
)
# fmt: on


@struct
class Work:
    """One run: the first `length` bytes of `message` are hashed."""

    digest: Array[u8] = array(32)
    length: usize = 0
    message: Array[u8] = array(4096)


def load(data: bytes, offset: usize) -> u32:
    """The big-endian word at `offset`."""
    return u32(data[offset]) << 24 | u32(data[offset + 1]) << 16 | u32(data[offset + 2]) << 8 | u32(data[offset + 3])


def store(target: Span[u8], offset: usize, word: u32) -> None:
    """Write `word` at `offset`, big-endian."""
    for i in range(4):
        target[offset + i] = truncate(u8, word >> (24 - 8 * i))


def compress(chain: Array[u32], block: bytes) -> None:
    """Mix one block into the chaining value (section 6.2.2)."""
    assert len(block) == BLOCK
    schedule: Array[u32] = array(ROUNDS)
    for i in range(16):
        schedule[i] = load(block, 4 * i)
    for i in range(16, ROUNDS):
        before = schedule[i - 15]
        low = rotate_right(before, 7) ^ rotate_right(before, 18) ^ (before >> 3)
        before = schedule[i - 2]
        high = rotate_right(before, 17) ^ rotate_right(before, 19) ^ (before >> 10)
        schedule[i] = wrapping_add(wrapping_add(schedule[i - 16], low), wrapping_add(schedule[i - 7], high))

    a, b, c, d = chain[0], chain[1], chain[2], chain[3]
    e, f, g, h = chain[4], chain[5], chain[6], chain[7]
    for i in range(ROUNDS):
        mixed_e = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)
        choice = (e & f) ^ (~e & g)
        first = wrapping_add(wrapping_add(wrapping_add(h, mixed_e), choice), wrapping_add(K[i], schedule[i]))
        mixed_a = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)
        majority = (a & b) ^ (a & c) ^ (b & c)
        h, g, f, e = g, f, e, wrapping_add(d, first)
        d, c, b, a = c, b, a, wrapping_add(first, wrapping_add(mixed_a, majority))

    chain[0] = wrapping_add(chain[0], a)
    chain[1] = wrapping_add(chain[1], b)
    chain[2] = wrapping_add(chain[2], c)
    chain[3] = wrapping_add(chain[3], d)
    chain[4] = wrapping_add(chain[4], e)
    chain[5] = wrapping_add(chain[5], f)
    chain[6] = wrapping_add(chain[6], g)
    chain[7] = wrapping_add(chain[7], h)


def sha256(message: bytes, digest: Span[u8]) -> None:
    """Write the hash of `message` to `digest` (32 bytes)."""
    chain: Array[u32] = array_of(
        0x6A09E667,
        0xBB67AE85,
        0x3C6EF372,
        0xA54FF53A,
        0x510E527F,
        0x9B05688C,
        0x1F83D9AB,
        0x5BE0CD19,
    )
    whole = len(message) // BLOCK * BLOCK
    for offset in range(0, whole, BLOCK):
        compress(chain, message[offset : offset + BLOCK])

    rest = message[whole:]
    tail: Array[u8] = array(2 * BLOCK)
    for i, byte in enumerate(rest):
        tail[i] = byte
    tail[len(rest)] = 0x80
    end: usize = BLOCK if len(rest) < BLOCK - 8 else 2 * BLOCK
    store(tail[end - 8 : end - 4], 0, u32(len(message) >> 29))
    store(tail[end - 4 : end], 0, truncate(u32, len(message) << 3))
    for offset in range(0, end, BLOCK):
        compress(chain, tail.bytes()[offset : offset + BLOCK])

    for i in range(8):
        store(digest, 4 * i, chain[i])


def run(work: Work) -> None:
    """The measured entry."""
    sha256(work.message.bytes()[: work.length], work.digest)
