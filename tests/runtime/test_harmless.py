"""What others wrote, before a terminal shows it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.control.text import text_of
from neokernel.runtime.harmless import make_harmless


def harmless(data: bytes) -> bytes:
    shown = bytearray(data)
    make_harmless(lang.byte_span(shown))
    return bytes(shown)


#: marks of direction (Unicode Standard Annex 9), and what is like a space and isn't seen
MARKS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
UNSEEN = {*"\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad"}


def is_mark(character: str) -> bool:
    """A control, a mark of direction, an end of a line or of a paragraph, or what isn't seen."""
    control = unicodedata.category(character) in ("Cc", "Zl", "Zp")
    return control or unicodedata.bidirectional(character) in MARKS or character in UNSEEN


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", b""),
        (b"plain ~", b"plain ~"),
        (b"\x1b[2J\r\n\t\x7f\0", b"?[2J?????"),
        ("größer 大 \U0001f40d".encode(), "größer 大 \U0001f40d".encode()),
        ("\x80\x9b\x9f\xa0".encode(), "??????\xa0".encode()),
        ("a\u202eb\u2066c\u200bd".encode(), b"a???b???c???d"),
        (b"\xff\xc3", b"??"),
        # Cut off, in a form that is too long, a surrogate, beyond what there is.
        (b"\xe5\xa4", b"??"),
        (b"\xc0\x9b\xe0\x82\x9b", b"?????"),
        (b"\xed\xa0\x80\xf4\x90\x80\x80", b"???????"),
        (b"\xe5\x1b[2J", b"??[2J"),
    ],
)
def test_what_is_shown(written: bytes, shown: bytes) -> None:
    assert harmless(written) == shown


def test_each_character_that_does_something_is_hidden_and_no_letter_is() -> None:
    for code in (*range(0x3000), *range(0x3000, 0xD800, 7), *range(0xE000, sys.maxunicode + 1, 61), 0xFEFF):
        character = chr(code)
        data = character.encode()
        if is_mark(character):
            assert harmless(data) == b"?" * len(data), hex(code)
        elif character.isprintable():
            assert harmless(data) == data, hex(code)


@given(st.binary(max_size=40))
def test_whatever_was_written_is_text_then_and_stays_as_it_is(data: bytes) -> None:
    shown = harmless(data)
    assert len(shown) == len(data) and harmless(shown) == shown
    assert not any(is_mark(character) for character in shown.decode())


@given(st.binary(max_size=40))
def test_the_host_shows_nothing_else_either(data: bytes) -> None:
    assert not any(is_mark(character) for character in text_of(data))
