"""SHA-512 (FIPS 180-4) of a message given whole.

Invariant: `compress` sees whole blocks only; `sha512` pads the last one or two in a buffer of its own.
"""

from neokernel.crypto.sha512 import BLOCK, ROUNDS, K
from neokernel.lang import Array, Span, array, array_of, rotate_right, struct, truncate, u8, u64, usize, wrapping_add


@struct
class Work:
    """One run: the first `length` bytes of `message` are hashed."""

    digest: Array[u8] = array(64)
    length: usize = 0
    message: Array[u8] = array(4096)


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


def store(target: Span[u8], offset: usize, word: u64) -> None:
    """Write `word` at `offset`, big-endian."""
    for i in range(8):
        target[offset + i] = truncate(u8, word >> (56 - 8 * i))


def compress(chain: Array[u64], block: bytes) -> None:
    """Mix one block into the chaining value (section 6.4.2)."""
    assert len(block) == BLOCK
    schedule: Array[u64] = array(ROUNDS)
    for i in range(16):
        schedule[i] = load(block, 8 * i)
    for i in range(16, ROUNDS):
        before = schedule[i - 15]
        low = rotate_right(before, 1) ^ rotate_right(before, 8) ^ (before >> 7)
        before = schedule[i - 2]
        high = rotate_right(before, 19) ^ rotate_right(before, 61) ^ (before >> 6)
        schedule[i] = wrapping_add(wrapping_add(schedule[i - 16], low), wrapping_add(schedule[i - 7], high))

    a, b, c, d = chain[0], chain[1], chain[2], chain[3]
    e, f, g, h = chain[4], chain[5], chain[6], chain[7]
    for i in range(ROUNDS):
        mixed_e = rotate_right(e, 14) ^ rotate_right(e, 18) ^ rotate_right(e, 41)
        choice = (e & f) ^ (~e & g)
        first = wrapping_add(wrapping_add(wrapping_add(h, mixed_e), choice), wrapping_add(K[i], schedule[i]))
        mixed_a = rotate_right(a, 28) ^ rotate_right(a, 34) ^ rotate_right(a, 39)
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


def sha512(message: bytes, digest: Span[u8]) -> None:
    """Write the hash of `message` to `digest` (64 bytes)."""
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
    whole = len(message) // BLOCK * BLOCK
    for offset in range(0, whole, BLOCK):
        compress(chain, message[offset : offset + BLOCK])

    rest = message[whole:]
    tail: Array[u8] = array(2 * BLOCK)
    for i, byte in enumerate(rest):
        tail[i] = byte
    tail[len(rest)] = 0x80
    end: usize = BLOCK if len(rest) < BLOCK - 16 else 2 * BLOCK
    store(tail, end - 8, len(message) * 8)
    for offset in range(0, end, BLOCK):
        compress(chain, tail.bytes()[offset : offset + BLOCK])

    for i in range(8):
        store(digest, 8 * i, chain[i])


def run(work: Work) -> None:
    """The measured entry."""
    sha512(work.message.bytes()[: work.length], work.digest)
