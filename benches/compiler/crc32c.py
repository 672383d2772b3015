"""CRC-32C (Castagnoli, RFC 3720) by eight tables, eight bytes at a time.

Invariant: `TABLE[n][b]` is the remainder of byte `b` followed by `n` zero bytes.
"""

from neokernel.lang import Array, array, struct, u8, u32, usize

#: The polynomial 0x1EDC6F41 with its bits reversed: the lowest bit is the highest power.
POLYNOMIAL = 0x82F63B78


def remainder(byte: u32, zeros: u32) -> u32:
    """The register after `byte` and `zeros` zero bytes went in."""
    register = byte
    for _ in range(8 * (zeros + 1)):
        register = (register >> 1) ^ (POLYNOMIAL if register & 1 != 0 else 0)
    return register


TABLE_0: tuple[u32, ...] = tuple(remainder(u32(i), 0) for i in range(256))
TABLE_1: tuple[u32, ...] = tuple(remainder(u32(i), 1) for i in range(256))
TABLE_2: tuple[u32, ...] = tuple(remainder(u32(i), 2) for i in range(256))
TABLE_3: tuple[u32, ...] = tuple(remainder(u32(i), 3) for i in range(256))
TABLE_4: tuple[u32, ...] = tuple(remainder(u32(i), 4) for i in range(256))
TABLE_5: tuple[u32, ...] = tuple(remainder(u32(i), 5) for i in range(256))
TABLE_6: tuple[u32, ...] = tuple(remainder(u32(i), 6) for i in range(256))
TABLE_7: tuple[u32, ...] = tuple(remainder(u32(i), 7) for i in range(256))


@struct
class Work:
    """One run: the CRC of `length` bytes of `data` from `start` on (so that no alignment is known)."""

    crc: u32 = 0
    start: usize = 0
    length: usize = 0
    data: Array[u8] = array(4104)


def crc32c(data: bytes) -> u32:
    """The CRC of `data`."""
    register: u32 = 0xFFFFFFFF
    whole = len(data) // 8 * 8
    for position in range(0, whole, 8):
        chunk = data[position : position + 8]
        low = u32(chunk[0]) | u32(chunk[1]) << 8 | u32(chunk[2]) << 16 | u32(chunk[3]) << 24
        low ^= register
        register = (
            TABLE_7[usize(low & 0xFF)]
            ^ TABLE_6[usize((low >> 8) & 0xFF)]
            ^ TABLE_5[usize((low >> 16) & 0xFF)]
            ^ TABLE_4[usize(low >> 24)]
            ^ TABLE_3[usize(chunk[4])]
            ^ TABLE_2[usize(chunk[5])]
            ^ TABLE_1[usize(chunk[6])]
            ^ TABLE_0[usize(chunk[7])]
        )
    for byte in data[whole:]:
        register = TABLE_0[usize((register & 0xFF) ^ u32(byte))] ^ (register >> 8)
    return ~register


def run(work: Work) -> None:
    """The measured entry."""
    work.crc = crc32c(work.data.bytes()[work.start : work.start + work.length])
