"""Is it UTF-8? For bytes that somebody else says are text. Specification: RFC 3629, section 4."""

from neokernel.lang import u8, usize

#: the first bytes with which characters of two, three and four bytes begin, and the first that begins none
TWO = 0xC2
THREE = 0xE0
FOUR = 0xF0
END = 0xF5


def is_utf8(data: bytes) -> bool:
    """Whole characters in their shortest form, none of them a surrogate or above U+10FFFF."""
    # Later bytes that are still to come, and the range of the next of them.
    wanted: usize = 0
    low: u8 = 0x80
    high: u8 = 0xBF
    for byte in data:
        if wanted != 0:
            if not low <= byte <= high:
                return False
            wanted -= 1
            low, high = 0x80, 0xBF
        elif byte >= 0x80:
            if not TWO <= byte < END:
                return False
            wanted = 1 if byte < THREE else 2 if byte < FOUR else 3
            low = 0xA0 if byte == THREE else 0x90 if byte == FOUR else 0x80
            high = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF
    return wanted == 0
