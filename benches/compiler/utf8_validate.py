"""UTF-8 validation by the table of well-formed sequences (The Unicode Standard, section 3.9, table 3-7)."""

from neokernel.lang import Array, array, struct, u8, usize


@struct
class Work:
    """One run: how many of the first `length` bytes of `text` are well-formed from the start."""

    valid: usize = 0
    length: usize = 0
    text: Array[u8] = array(4096)


def is_continuation(byte: u8) -> bool:
    """Is it a second or later byte of a sequence?"""
    return byte & 0xC0 == 0x80


def sequence_length(text: bytes) -> usize:
    """Bytes of the well-formed sequence at the start of `text`, which isn't empty; 0 if there is none."""
    lead = text[0]
    if lead < 0x80:
        return 1
    if lead < 0xC2 or len(text) < 2:
        return 0
    second = text[1]
    if lead < 0xE0:
        return 2 if is_continuation(second) else 0
    if lead < 0xF0:
        # E0 must not be overlong, ED must not be a surrogate.
        low: u8 = 0xA0 if lead == 0xE0 else 0x80
        high: u8 = 0x9F if lead == 0xED else 0xBF
        if second < low or second > high or len(text) < 3 or not is_continuation(text[2]):
            return 0
        return 3
    if lead > 0xF4:
        return 0
    # F0 must not be overlong, F4 must not be beyond U+10FFFF.
    lowest: u8 = 0x90 if lead == 0xF0 else 0x80
    highest: u8 = 0x8F if lead == 0xF4 else 0xBF
    if second < lowest or second > highest or len(text) < 4:
        return 0
    return 4 if is_continuation(text[2]) and is_continuation(text[3]) else 0


def valid_prefix(text: bytes) -> usize:
    """The length of the longest well-formed start of `text`."""
    position: usize = 0
    while position < len(text):
        length = sequence_length(text[position:])
        if length == 0:
            break
        position += length
    return position


def run(work: Work) -> None:
    """The measured entry."""
    work.valid = valid_prefix(work.text.bytes()[: work.length])
