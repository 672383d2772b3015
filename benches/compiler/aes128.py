"""AES-128 encryption (FIPS 197) by tables of 32-bit words, block by block (no chaining).

Invariant: `ENTRY_n[x]` is the column that byte `x` of row `n` contributes after SubBytes and MixColumns.
Tables make the time depend on the data: a measure for compilers, not a cipher to use where caches are shared.
"""

from neokernel.lang import Array, Span, array, rotate_left, rotate_right, struct, truncate, u8, u32, usize

BLOCK = 16
ROUNDS = 10
KEY_WORDS = 44


def double(x: u8) -> u8:
    """`x` times two in the field of AES (section 4.2.1)."""
    return truncate(u8, u32(x) << 1) ^ (0x1B if x >= 0x80 else 0)


def multiply(x: u8, y: u8) -> u8:
    """The product in the field of AES."""
    product: u8 = 0
    power = x
    for bit in range(8):
        if (y >> bit) & 1 != 0:
            product ^= power
        power = double(power)
    return product


def substitute(x: u8) -> u8:
    """The S-box (section 5.1.1): inverse (`x` to the 254th), then an affine map."""
    inverse: u8 = 1
    power = x
    for _ in range(7):
        power = multiply(power, power)
        inverse = multiply(inverse, power)
    return (
        inverse
        ^ rotate_left(inverse, 1)
        ^ rotate_left(inverse, 2)
        ^ rotate_left(inverse, 3)
        ^ rotate_left(inverse, 4)
        ^ 0x63
    )


SBOX: tuple[u8, ...] = tuple(substitute(u8(i)) for i in range(256))


def column(s: u8) -> u32:
    """What a byte of the first row, after the S-box, contributes to its column."""
    twice = double(s)
    return u32(twice) << 24 | u32(s) << 16 | u32(s) << 8 | u32(twice ^ s)


ENTRY_0: tuple[u32, ...] = tuple(column(SBOX[i]) for i in range(256))
ENTRY_1: tuple[u32, ...] = tuple(rotate_right(ENTRY_0[i], 8) for i in range(256))
ENTRY_2: tuple[u32, ...] = tuple(rotate_right(ENTRY_0[i], 16) for i in range(256))
ENTRY_3: tuple[u32, ...] = tuple(rotate_right(ENTRY_0[i], 24) for i in range(256))


@struct
class Key:
    """An expanded key."""

    words: Array[u32] = array(KEY_WORDS)


@struct
class Work:
    """One run: the key is expanded and `length` bytes (whole blocks) are encrypted."""

    ciphertext: Array[u8] = array(1024)
    key: Array[u8] = array(16)
    length: usize = 0
    plaintext: Array[u8] = array(1024)


def load(data: bytes, offset: usize) -> u32:
    """The big-endian word at `offset`."""
    return u32(data[offset]) << 24 | u32(data[offset + 1]) << 16 | u32(data[offset + 2]) << 8 | u32(data[offset + 3])


def store(target: Span[u8], offset: usize, word: u32) -> None:
    """Write `word` at `offset`, big-endian."""
    target[offset] = truncate(u8, word >> 24)
    target[offset + 1] = truncate(u8, word >> 16)
    target[offset + 2] = truncate(u8, word >> 8)
    target[offset + 3] = truncate(u8, word)


def byte_of(word: u32, shift: u32) -> usize:
    """One byte of a word, as an index."""
    return usize((word >> shift) & 0xFF)


def substitute_word(word: u32) -> u32:
    """The S-box on each byte."""
    return (
        u32(SBOX[byte_of(word, 24)]) << 24
        | u32(SBOX[byte_of(word, 16)]) << 16
        | u32(SBOX[byte_of(word, 8)]) << 8
        | u32(SBOX[byte_of(word, 0)])
    )


def expand(key: Key, secret: bytes) -> None:
    """Key expansion (section 5.2). Requires 16 bytes of `secret`."""
    assert len(secret) == 16
    words = key.words
    for i in range(4):
        words[i] = load(secret, 4 * i)
    constant: u8 = 1
    for i in range(4, KEY_WORDS):
        word = words[i - 1]
        if i % 4 == 0:
            word = substitute_word(rotate_left(word, 8)) ^ u32(constant) << 24
            constant = double(constant)
        words[i] = words[i - 4] ^ word


def mix(a: u32, b: u32, c: u32, d: u32, key_word: u32) -> u32:
    """One column of one round: rows 0 to 3 come from columns `a` to `d` (ShiftRows)."""
    return (
        ENTRY_0[byte_of(a, 24)] ^ ENTRY_1[byte_of(b, 16)] ^ ENTRY_2[byte_of(c, 8)] ^ ENTRY_3[byte_of(d, 0)] ^ key_word
    )


def finish(a: u32, b: u32, c: u32, d: u32, key_word: u32) -> u32:
    """One column of the last round, which has no MixColumns."""
    return (
        u32(SBOX[byte_of(a, 24)]) << 24
        | u32(SBOX[byte_of(b, 16)]) << 16
        | u32(SBOX[byte_of(c, 8)]) << 8
        | u32(SBOX[byte_of(d, 0)])
    ) ^ key_word


def encrypt_block(key: Key, source: bytes, target: Span[u8]) -> None:
    """Encrypt the 16 bytes of `source` into `target`."""
    assert len(source) == BLOCK
    assert len(target) == BLOCK
    words = key.words
    a = load(source, 0) ^ words[0]
    b = load(source, 4) ^ words[1]
    c = load(source, 8) ^ words[2]
    d = load(source, 12) ^ words[3]
    for at in range(4, 4 * ROUNDS, 4):
        a, b, c, d = (
            mix(a, b, c, d, words[at]),
            mix(b, c, d, a, words[at + 1]),
            mix(c, d, a, b, words[at + 2]),
            mix(d, a, b, c, words[at + 3]),
        )
    store(target, 0, finish(a, b, c, d, words[40]))
    store(target, 4, finish(b, c, d, a, words[41]))
    store(target, 8, finish(c, d, a, b, words[42]))
    store(target, 12, finish(d, a, b, c, words[43]))


def run(work: Work) -> None:
    """The measured entry."""
    key = Key()
    expand(key, work.key.bytes())
    source = work.plaintext.bytes()
    for offset in range(0, work.length, BLOCK):
        encrypt_block(key, source[offset : offset + BLOCK], work.ciphertext[offset : offset + BLOCK])
