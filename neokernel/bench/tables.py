"""The lookup tables of the C kernels, as a header.

Our language computes its tables at build time from their definitions; C can't, so the driver writes them out. They are
computed here from other definitions than the kernels' own where there are any (the S-box by search for inverses).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache

CRC32C_POLYNOMIAL = 0x82F63B78


@cache
def crc32c_remainder(byte: int, zeros: int) -> int:
    """The CRC register (reflected) after `byte` and `zeros` zero bytes."""
    register = byte
    for _ in range(8 * (zeros + 1)):
        register = register >> 1 ^ (CRC32C_POLYNOMIAL if register & 1 else 0)
    return register


def _aes_multiply(x: int, y: int) -> int:
    product = 0
    while y:
        if y & 1:
            product ^= x
        x = x << 1 ^ (0x11B if x & 0x80 else 0)
        y >>= 1
    return product


@cache
def aes_sbox() -> tuple[int, ...]:
    """FIPS 197, section 5.1.1."""
    inverses = {0: 0}
    for x in range(1, 256):
        inverses[x] = next(y for y in range(1, 256) if _aes_multiply(x, y) == 1)

    def affine(x: int) -> int:
        spread = x | x << 8
        return (spread ^ spread >> 7 ^ spread >> 6 ^ spread >> 5 ^ spread >> 4) & 0xFF ^ 0x63

    return tuple(affine(inverses[x]) for x in range(256))


def aes_entries() -> list[list[int]]:
    """Columns of SubBytes and MixColumns together, for a byte in row 0 to 3, big-endian."""
    first = [_aes_multiply(s, 2) << 24 | s << 16 | s << 8 | _aes_multiply(s, 3) for s in aes_sbox()]
    return [[(word >> 8 * row | word << 32 - 8 * row) & 0xFFFFFFFF for word in first] for row in range(4)]


def base64_values() -> list[int]:
    """Six bits of each character; 64 if it isn't one of the alphabet (RFC 4648, section 4)."""
    digits = base64.b64encode(b"".join((i << 18).to_bytes(3, "big") for i in range(64)))[::4]
    return [digits.index(character) if character in digits else 64 for character in range(256)]


def _rows(values: Sequence[int]) -> str:
    return "".join("    " + " ".join(f"{v:#x}," for v in values[at : at + 8]) + "\n" for at in range(0, len(values), 8))


def header() -> str:
    """`tables.h`: constants, unused ones without cost."""
    crc = "".join(f"{{\n{_rows([crc32c_remainder(b, n) for b in range(256)])}}},\n" for n in range(8))
    aes = "".join(f"{{\n{_rows(row)}}},\n" for row in aes_entries())
    return (
        "#include <stdint.h>\n\n"
        f"static const uint32_t crc32c_table[8][256] __attribute__((unused)) = {{\n{crc}}};\n\n"
        f"static const uint8_t aes_sbox[256] __attribute__((unused)) = {{\n{_rows(aes_sbox())}}};\n\n"
        f"static const uint32_t aes_entry[4][256] __attribute__((unused)) = {{\n{aes}}};\n\n"
        f"static const uint8_t base64_values[256] __attribute__((unused)) = {{\n{_rows(base64_values())}}};\n"
    )
