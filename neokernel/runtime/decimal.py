"""A number as decimal digits, for who writes bytes. (Text is written by f-strings: `format.py`.)"""

from neokernel.lang import Span, u8, u64, usize

#: of the largest number
MOST_DIGITS = 20


def write_decimal(number: u64, into: Span[u8]) -> usize:
    """Write the digits at the end of `into`, which has MOST_DIGITS bytes at least: where they begin."""
    place = len(into)
    rest = number
    while True:
        place -= 1
        into[place] = 0x30 + u8(rest % 10)
        rest //= 10
        if rest == 0:
            return place
