"""JSON tokens (RFC 8259, section 2): strict about strings and numbers, no recursion, nothing copied.

Invariant: a token is a range of the text. Scanning functions give the position behind a token's last character, or
None if the text doesn't hold a whole token there.
"""

from enum import Enum

from neokernel.lang import Array, array, struct, u8, u64, usize, value, wrapping_add, wrapping_mul

QUOTE = 0x22
BACKSLASH = 0x5C


class Kind(Enum):
    """What a token is."""

    PUNCTUATION = 1
    STRING = 2
    NUMBER = 3
    WORD = 4


@value
class Token:
    """The range of one token."""

    kind: Kind
    start: usize
    end: usize


@struct
class Work:
    """One run: tokens in the first `length` bytes of `text` up to the first place that is none."""

    tokens: u64 = 0
    consumed: usize = 0
    fingerprint: u64 = 0
    length: usize = 0
    text: Array[u8] = array(4096)


def is_digit(byte: u8) -> bool:
    return byte >= 0x30 and byte <= 0x39


def is_hex_digit(byte: u8) -> bool:
    letter = byte | 0x20
    return is_digit(byte) or (letter >= 0x61 and letter <= 0x66)


def is_space(byte: u8) -> bool:
    return byte == 0x20 or byte == 0x0A or byte == 0x0D or byte == 0x09


def is_punctuation(byte: u8) -> bool:
    match byte:
        case 0x2C | 0x3A | 0x5B | 0x5D | 0x7B | 0x7D:
            return True
        case _:
            return False


def scan_escape(text: bytes, start: usize) -> usize | None:
    """Behind an escape whose backslash is before `start`."""
    if start >= len(text):
        return None
    match text[start]:
        case 0x22 | 0x5C | 0x2F | 0x62 | 0x66 | 0x6E | 0x72 | 0x74:
            return start + 1
        case 0x75:
            if len(text) - start < 5:
                return None
            for digit in text[start + 1 : start + 5]:
                if not is_hex_digit(digit):
                    return None
            return start + 5
        case _:
            return None


def scan_string(text: bytes, start: usize) -> usize | None:
    """Behind a string whose opening quote is before `start`."""
    position = start
    while position < len(text):
        byte = text[position]
        position += 1
        if byte == QUOTE:
            return position
        if byte < 0x20:
            return None
        if byte == BACKSLASH:
            after = scan_escape(text, position)
            if after is None:
                return None
            position = after
    return None


def skip_digits(text: bytes, start: usize) -> usize:
    """Behind the digits from `start` on."""
    position = start
    while position < len(text) and is_digit(text[position]):
        position += 1
    return position


def scan_number(text: bytes, start: usize) -> usize | None:
    """Behind a number that begins at `start`: the longest that fits the grammar."""
    position = start
    if text[position] == 0x2D:
        position += 1
    if position >= len(text) or not is_digit(text[position]):
        return None
    end = position + 1 if text[position] == 0x30 else skip_digits(text, position)
    if end < len(text) and text[end] == 0x2E:
        fraction = skip_digits(text, end + 1)
        if fraction > end + 1:
            end = fraction
    if end < len(text) and text[end] | 0x20 == 0x65:
        digits = end + 1
        if digits < len(text) and (text[digits] == 0x2B or text[digits] == 0x2D):
            digits += 1
        exponent = skip_digits(text, digits)
        if exponent > digits:
            end = exponent
    return end


def scan_word(text: bytes, start: usize) -> usize | None:
    """Behind `true`, `false` or `null`, which begins at `start`."""
    rest = text[start:]
    if len(rest) >= 4 and (rest[:4] == b"true" or rest[:4] == b"null"):
        return start + 4
    if len(rest) >= 5 and rest[:5] == b"false":
        return start + 5
    return None


def next_token(text: bytes, start: usize) -> Token | None:
    """The first token from `start` on."""
    position = start
    while position < len(text) and is_space(text[position]):
        position += 1
    if position >= len(text):
        return None
    byte = text[position]
    if is_punctuation(byte):
        return Token(Kind.PUNCTUATION, position, position + 1)
    kind = Kind.WORD
    end: usize | None = None
    if byte == QUOTE:
        kind = Kind.STRING
        end = scan_string(text, position + 1)
    elif byte == 0x2D or is_digit(byte):
        kind = Kind.NUMBER
        end = scan_number(text, position)
    else:
        end = scan_word(text, position)
    return None if end is None else Token(kind, position, end)


def run(work: Work) -> None:
    """The measured entry."""
    text = work.text.bytes()[: work.length]
    while True:
        token = next_token(text, work.consumed)
        if token is None:
            break
        work.tokens += 1
        work.consumed = token.end
        summary = u64(token.kind.value) << 32 | token.start << 16 | token.end
        work.fingerprint = wrapping_add(wrapping_mul(work.fingerprint, 31), summary)
