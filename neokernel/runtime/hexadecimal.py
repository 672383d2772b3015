"""Bytes as hexadecimal digits, for who reads or writes bytes. Capitals are read, and never written."""

from __future__ import annotations

from neokernel.lang import Span, u8, usize

DIGITS = b"0123456789abcdef"


def digit_of(byte: u8) -> u8 | None:
    """A digit's value. None: it is none."""
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    small = byte | 0x20
    if 0x61 <= small <= 0x66:
        return small - 0x61 + 10
    return None


def read_hexadecimal(text: bytes, into: Span[u8]) -> bool:
    """All of `into`, by two digits each. False: the text is something else, or of another length."""
    if len(text) != 2 * len(into):
        return False
    for place in range(len(into)):
        high, low = digit_of(text[2 * place]), digit_of(text[2 * place + 1])
        if high is None or low is None:
            return False
        into[place] = high << 4 | low
    return True


def write_hexadecimal(data: Span[u8], into: Span[u8]) -> None:
    """Two digits of each byte. `into` is twice as long as `data`."""
    for place in range(len(data)):
        into[2 * place] = DIGITS[usize(data[place] >> 4)]
        into[2 * place + 1] = DIGITS[usize(data[place] & 15)]
