"""Characters of HTTP: which may stand where, and the search for the next one that ends something.

Tables are of RFC 9110, section 5.6.2 (tokens), RFC 3986, sections 2 and 3.2.2 (targets and hosts).

Invariant: `next_control` gives the place of the first control character, whatever the words are that it is found in.
"""

from __future__ import annotations

from neokernel.lang import Span, count_trailing_zeros, u8, u64, usize, wire, wire_view, wrapping_sub

TAB = 0x09
LF = 0x0A
CR = 0x0D
SPACE = 0x20
DELETE = 0x7F
QUOTE = 0x22
PERCENT = 0x25
COMMA = 0x2C
DOT = 0x2E
SLASH = 0x2F
COLON = 0x3A
SEMICOLON = 0x3B
QUESTION = 0x3F

#: bits of CLASSES
TOKEN = 1
TARGET = 2
#: of a target, and looked at more closely: `%`, `.`, `?`
SPECIAL = 4
HOST = 8
DIGIT = 16
UPPER = 32


def is_within(byte: u8, text: bytes) -> bool:
    found = False
    for each in text:
        found = found or each == byte
    return found


def class_of(byte: u8) -> u8:
    """What a byte may be part of, in bits."""
    digit = 0x30 <= byte <= 0x39
    upper = 0x41 <= byte <= 0x5A
    plain = digit or upper or 0x61 <= byte <= 0x7A
    found: u8 = 0
    if plain or is_within(byte, b"!#$%&'*+-.^_`|~"):
        found |= TOKEN
    # More than RFC 3986 has: browsers send `|`, `[` and their like as they are. A fragment is never sent.
    if 0x21 <= byte <= 0x7E and byte != 0x23:
        found |= TARGET
    if is_within(byte, b"%.?"):
        found |= SPECIAL
    if plain or is_within(byte, b"-._~!$&'()*+,;=%:[]"):
        found |= HOST
    if digit:
        found |= DIGIT
    if upper:
        found |= UPPER
    return found


CLASSES: tuple[u8, ...] = tuple(class_of(u8(n)) for n in range(256))

#: a byte in each byte of a word
ONES: u64 = 0x0101_0101_0101_0101
HIGHS: u64 = 0x8080_8080_8080_8080
SPACES: u64 = 0x2020_2020_2020_2020
DELETES: u64 = 0x7F7F_7F7F_7F7F_7F7F
LETTERS: u64 = 0x6161_6161_6161_6161


@wire(registers=True)
class Word:
    word: u64


def is_control(byte: u8) -> bool:
    return byte < SPACE or byte == DELETE


def next_control(data: Span[u8], first: usize) -> usize:
    """Where the first control character from `first` on is; the length of `data` if there is none.

    `data` begins at a multiple of eight in memory. Steps: an eighth of what is searched.
    """
    place = first & ~usize(7)
    words = len(data) & ~usize(7)
    # What stands before `first` in its word is taken for letters.
    before = ~u64(0) >> (63 - 8 * (first & 7)) >> 1
    while place < words:
        word = wire_view(Word, data[place:]).word & ~before | LETTERS & before
        # "Has a byte less than n", and "has a zero byte" (Hacker's Delight, 6-1): the lowest one found is right.
        deletes = word ^ DELETES
        low = wrapping_sub(word, SPACES) & ~word
        found = (low | wrapping_sub(deletes, ONES) & ~deletes) & HIGHS
        if found != 0:
            return place + usize(count_trailing_zeros(found) >> 3)
        place += 8
        before = 0
    place = max(place, first)
    while place < len(data) and not is_control(data[place]):
        place += 1
    return place


def lowered(byte: u8) -> u8:
    return byte | 0x20 if CLASSES[usize(byte)] & UPPER != 0 else byte


def is_alike(data: bytes, lower: bytes) -> bool:
    """Are they the same but for the case of letters? `lower` has small ones."""
    if len(data) != len(lower):
        return False
    for ours, theirs in zip(data, lower, strict=False):
        if lowered(ours) != theirs:
            return False
    return True


def trimmed(data: bytes) -> bytes:
    """Without spaces and tabs at its ends (OWS)."""
    first: usize = 0
    end = len(data)
    while first < end and (data[first] == SPACE or data[first] == TAB):
        first += 1
    while end > first and (data[end - 1] == SPACE or data[end - 1] == TAB):
        end -= 1
    return data[first:end]


def find(data: bytes, byte: u8, first: usize = 0) -> usize:
    """Where the byte is, from `first` on; the length if nowhere."""
    for place in range(first, len(data)):
        if data[place] == byte:
            return place
    return len(data)


#: what a number is taken for that is larger
LARGEST = 1 << 59


def number_of(data: bytes) -> u64 | None:
    """Decimal digits, at least one, and nothing else: a number, LARGEST at most."""
    if len(data) == 0:
        return None
    number: u64 = 0
    for byte in data:
        if CLASSES[usize(byte)] & DIGIT == 0:
            return None
        number = min(number * 10 + u64(byte - 0x30), LARGEST)
    return number
