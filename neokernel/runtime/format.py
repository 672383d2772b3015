"""Numbers and text, formatted as Python's f-strings do, piece by piece to a writer.

The compiler calls these for the replacement fields of f-strings; nothing is allocated, and a number's digits are
made in a buffer in the frame. Specification: Python Language Reference, "Format Specification Mini-Language".
"""

from typing import Protocol

from neokernel.lang import Array, array, i64, text_of, truncate, u8, u32, u64, usize, wrapping_neg


class Writer(Protocol):
    def write(self, text: str) -> None: ...


#: digits of 2**64 - 1 in base 2, and a separator for every fourth
MOST_DIGITS = 64 + 16

DIGITS = b"0123456789abcdef"
NONE = 0
MINUS = 0x2D
PLUS = 0x2B
SPACE = 0x20
UNDERSCORE = 0x5F
LEFT = 0x3C
RIGHT = 0x3E
CENTRE = 0x5E
AFTER_SIGN = 0x3D


def write_signed(
    writer: Writer,
    value: i64,
    base: u64,
    upper: bool,
    sign: u8,
    alternate: bool,
    group: u8,
    fill: u8,
    align: u8,
    width: u32,
) -> None:
    """Write a signed number; see `write_number`."""
    bits = truncate(u64, value)
    if value < 0:
        write_number(writer, wrapping_neg(bits), True, base, upper, sign, alternate, group, fill, align, width)
    else:
        write_number(writer, bits, False, base, upper, sign, alternate, group, fill, align, width)


def write_unsigned(
    writer: Writer,
    value: u64,
    base: u64,
    upper: bool,
    sign: u8,
    alternate: bool,
    group: u8,
    fill: u8,
    align: u8,
    width: u32,
) -> None:
    """Write an unsigned number; see `write_number`."""
    write_number(writer, value, False, base, upper, sign, alternate, group, fill, align, width)


def write_number(
    writer: Writer,
    magnitude: u64,
    negative: bool,
    base: u64,
    upper: bool,
    sign: u8,
    alternate: bool,
    group: u8,
    fill: u8,
    align: u8,
    width: u32,
) -> None:
    """Write `magnitude` in `base` (2, 8, 10, 16), with the options of the format specification as characters.

    `group` is NONE, `_` or `,`; zero fill after the sign with grouping groups the zeroes too, as Python does.
    """
    buffer: Array[u8] = array(MOST_DIGITS)
    every: usize = 3 if base == 10 else 4
    start: usize = MOST_DIGITS
    rest = magnitude
    count: usize = 0
    while True:
        if group != NONE and count != 0 and count % every == 0:
            start -= 1
            buffer[start] = group
        digit = DIGITS[rest % base]
        start -= 1
        buffer[start] = digit - 32 if upper and digit >= 97 else digit
        rest = rest // base
        count += 1
        if rest == 0:
            break
    prefix: usize = 2 if alternate and base != 10 else 0
    leading: usize = 1 if negative or sign != MINUS else 0
    length = MOST_DIGITS - start + prefix + leading
    padding: usize = usize(width) - length if usize(width) > length else 0
    before: usize = 0
    if align == RIGHT:
        before = padding
    elif align == CENTRE:
        before = padding // 2
    write_fill(writer, fill, before)
    if negative:
        writer.write("-")
    elif sign == PLUS:
        writer.write("+")
    elif sign == SPACE:
        writer.write(" ")
    if prefix != 0:
        write_prefix(writer, base, upper)
    if align == AFTER_SIGN:
        write_zeroes(writer, fill, padding, group, count, every)
        padding = 0
    writer.write(text_of(buffer[start:].bytes()))
    write_fill(writer, fill, padding - before)


def write_prefix(writer: Writer, base: u64, upper: bool) -> None:
    """Write what `#` puts before the digits."""
    if base == 16:
        writer.write("0X" if upper else "0x")
    elif base == 8:
        writer.write("0o")
    else:
        writer.write("0b")


def write_zeroes(writer: Writer, fill: u8, padding: usize, group: u8, digits: usize, every: usize) -> None:
    """Write `padding` characters between the sign and `digits` digits.

    Zeroes are grouped as the digits are; where that would begin with a separator, one more zero is written.
    """
    if group == NONE or fill != 0x30:
        write_fill(writer, fill, padding)
        return
    # How many digits there will be in all: separators take their share of the width.
    shown = digits + (digits - 1) // every + padding
    total = shown - shown // (every + 1)
    for remaining in reversed(range(digits, total)):
        write_fill(writer, fill, 1)
        if remaining % every == 0:
            write_fill(writer, group, 1)


def write_text(writer: Writer, text: str, fill: u8, align: u8, width: u32) -> None:
    """Write text, padded to `width` characters."""
    length = count_characters(text.encode())
    padding: usize = usize(width) - length if usize(width) > length else 0
    before: usize = 0
    if align == RIGHT:
        before = padding
    elif align == CENTRE:
        before = padding // 2
    write_fill(writer, fill, before)
    writer.write(text)
    write_fill(writer, fill, padding - before)


def count_characters(data: bytes) -> usize:
    """Characters of UTF-8 text: bytes that don't continue one."""
    count: usize = 0
    for byte in data:
        if byte & 0xC0 != 0x80:
            count += 1
    return count


def write_fill(writer: Writer, character: u8, count: usize) -> None:
    """Write one ASCII character `count` times."""
    buffer: Array[u8] = array(16, character)
    remaining = count
    while remaining != 0:
        now = min(remaining, 16)
        writer.write(text_of(buffer[:now].bytes()))
        remaining -= now
