"""The Internet checksum (RFC 1071): the complement of the one's complement sum of 16-bit words."""

from neokernel.lang import Array, array, struct, u8, u16, u64, usize


@struct
class Work:
    """One run: the checksum of the first `length` bytes of `data`."""

    checksum: u16 = 0
    length: usize = 0
    data: Array[u8] = array(2048)


def internet_checksum(data: bytes) -> u16:
    """The checksum of `data`; an odd last byte counts as the high half of a word."""
    total: u64 = 0
    whole = len(data) // 2 * 2
    for position in range(0, whole, 2):
        total += u64(data[position]) << 8 | u64(data[position + 1])
    if whole < len(data):
        total += u64(data[whole]) << 8
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~u16(total)


def run(work: Work) -> None:
    """The measured entry."""
    work.checksum = internet_checksum(work.data.bytes()[: work.length])
