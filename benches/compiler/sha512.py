"""SHA-512 (FIPS 180-4) of a message given whole.

Invariant: `compress` sees whole blocks only; `sha512` pads the last one or two in a buffer of its own.
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
    u64,
    usize,
    wrapping_add,
)

BLOCK = 128
ROUNDS = 80

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
