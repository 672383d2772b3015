"""Base64 (RFC 4648, section 4): encoding and strict decoding."""

from neokernel.lang import Array, Span, array, struct, truncate, u8, u32, usize

INVALID = 64


def digit(index: u8) -> u8:
    """The character for six bits."""
    if index < 26:
        return 65 + index
    if index < 52:
        return 71 + index
    if index < 62:
        return index - 4
    return 43 if index == 62 else 47


def digit_value(character: u8) -> u8:
    """The six bits of a character, or INVALID."""
    for index in range(64):
        if digit(u8(index)) == character:
            return u8(index)
    return INVALID


DIGITS: tuple[u8, ...] = tuple(digit(u8(i)) for i in range(64))
VALUES: tuple[u8, ...] = tuple(digit_value(u8(i)) for i in range(256))
PADDING = 61


@struct
class Work:
    """One run: the first `length` bytes of `data` are encoded, then decoded again."""

    encoded_length: usize = 0
    decoded_length: usize = 0
    encoded: Array[u8] = array(4096)
    decoded: Array[u8] = array(4096)
    length: usize = 0
    data: Array[u8] = array(3072)


def encode(source: bytes, target: Span[u8]) -> usize:
    """Encode `source` into `target`; the number of characters."""
    written: usize = 0
    whole = len(source) // 3 * 3
    for position in range(0, whole, 3):
        group = source[position : position + 3]
        quad = target[written : written + 4]
        bits = u32(group[0]) << 16 | u32(group[1]) << 8 | u32(group[2])
        quad[0] = DIGITS[usize(bits >> 18)]
        quad[1] = DIGITS[usize((bits >> 12) & 63)]
        quad[2] = DIGITS[usize((bits >> 6) & 63)]
        quad[3] = DIGITS[usize(bits & 63)]
        written += 4
    rest = source[whole:]
    if len(rest) != 0:
        quad = target[written : written + 4]
        bits = u32(rest[0]) << 16
        if len(rest) == 2:
            bits |= u32(rest[1]) << 8
        quad[0] = DIGITS[usize(bits >> 18)]
        quad[1] = DIGITS[usize((bits >> 12) & 63)]
        quad[2] = DIGITS[usize((bits >> 6) & 63)] if len(rest) == 2 else PADDING
        quad[3] = PADDING
        written += 4
    return written


def decode(source: bytes, target: Span[u8]) -> usize | None:
    """Decode `source` into `target`; the number of bytes, or None if `source` isn't canonical Base64."""
    if len(source) % 4 != 0:
        return None
    written: usize = 0
    for position in range(0, len(source), 4):
        quad = source[position : position + 4]
        count: usize = 3
        if quad[3] == PADDING and position + 4 == len(source):
            count = 1 if quad[2] == PADDING else 2
        first = VALUES[usize(quad[0])]
        second = VALUES[usize(quad[1])]
        third = VALUES[usize(quad[2])] if count > 1 else 0
        fourth = VALUES[usize(quad[3])] if count > 2 else 0
        if (first | second | third | fourth) & INVALID != 0:
            return None
        bits = u32(first) << 18 | u32(second) << 12 | u32(third) << 6 | u32(fourth)
        # The bits that padding leaves over must be zero.
        if count < 3 and bits & (0xFFFF if count == 1 else 0xFF) != 0:
            return None
        group = target[written : written + count]
        group[0] = truncate(u8, bits >> 16)
        if count > 1:
            group[1] = truncate(u8, bits >> 8)
        if count > 2:
            group[2] = truncate(u8, bits)
        written += count
    return written


def run(work: Work) -> None:
    """The measured entry."""
    work.encoded_length = encode(work.data.bytes()[: work.length], work.encoded)
    decoded = decode(work.encoded.bytes()[: work.encoded_length], work.decoded)
    if decoded is not None:
        work.decoded_length = decoded
