"""Text of others, before a terminal shows it: without what a terminal obeys, or what disguises the rest.

A service writes to the log whatever it likes. Escape sequences move the cursor, change colours, rename windows, or have
some terminals type something; a line feed begins a line that looks like another service's; marks of direction turn a
line's order around (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574).

Invariant: what was made harmless is UTF-8, as long as it was, and each character of it is shown where it stands.
"""

from neokernel.lang import Span, u8, u32, usize
from neokernel.runtime.utf8 import FOUR, THREE, is_utf8

#: what stands for a byte that isn't shown
HIDDEN = 0x3F
#: first and last of those characters beyond ASCII that do something, or aren't seen: controls; marks of direction, ends
#: of lines and paragraphs, what is invisible; tags
FIRSTS: tuple[u32, ...] = (0x80, 0xAD, 0x61C, 0x180E, 0x200B, 0x2028, 0x2060, 0xFEFF, 0xFFF9, 0xE0000)
LASTS: tuple[u32, ...] = (0x9F, 0xAD, 0x61C, 0x180E, 0x200F, 0x202E, 0x206F, 0xFEFF, 0xFFFB, 0xE007F)


def make_harmless(text: Span[u8]) -> None:
    """Put a question mark in the place of each byte of what isn't shown, and of what isn't UTF-8."""
    place: usize = 0
    while place < len(text):
        length = harmless_at(text, place)
        if length == 0:
            text[place] = HIDDEN
        place += max(length, 1)


def harmless_at(text: Span[u8], place: usize) -> usize:
    """Bytes of the character that begins there; 0 if none does that can be shown."""
    first = text[place]
    if first < 0x80:
        return 1 if 0x20 <= first < 0x7F else 0
    length: usize = 2 if first < THREE else 3 if first < FOUR else 4
    if length > len(text) - place or not is_utf8(text[place : place + length].bytes()):
        return 0
    code = u32(first) & (u32(0x7F) >> u32(length))
    for byte in text[place + 1 : place + length].bytes():
        code = code << 6 | u32(byte & 0x3F)
    for index, lowest in enumerate(FIRSTS):
        if lowest <= code <= LASTS[index]:
            return 0
    return length
