"""The Internet checksum (RFC 1071): the complement of the one's complement sum of 16-bit words."""

from neokernel.lang import Array, array, struct, u8, u16, u64, usize


@struct
class Work:
    """One run: the checksum of the first `length` bytes of `data`."""

    checksum: u16 = 0
    length: usize = 0
    data: Array[u8] = array(2048)


def word(data: bytes, offset: usize) -> u64:
    """The big-endian word at `offset`."""
    return u64(data[offset]) << 8 | u64(data[offset + 1])


def internet_checksum(data: bytes) -> u16:
    """The checksum of `data`; an odd last byte counts as the high half of a word."""
    total: u64 = 0
    groups = len(data) // 8 * 8
    for position in range(0, groups, 8):
        group = data[position : position + 8]
        total += word(group, 0) + word(group, 2) + word(group, 4) + word(group, 6)
    rest = data[groups:]
    for position in range(0, len(rest) // 2 * 2, 2):
        total += word(rest, position)
    if len(rest) % 2 == 1:
        total += u64(rest[len(rest) - 1]) << 8
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~u16(total)


def run(work: Work) -> None:
    """The measured entry."""
    work.checksum = internet_checksum(work.data.bytes()[: work.length])
