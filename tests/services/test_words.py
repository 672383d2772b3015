"""The words of a command line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.services.shell.words import MOST_WORDS, Words, number_of


@given(st.text(st.sampled_from(" abc"), max_size=40))
def test_words_are_split_at_spaces(line: str) -> None:
    words: Any = Words()
    data = lang.byte_view(line.encode())
    wanted = line.split()
    assert words.split(data) is (len(wanted) <= MOST_WORDS)
    if len(wanted) <= MOST_WORDS:
        assert [bytes(words.word(data, lang.usize(n))).decode() for n in range(words.count)] == wanted
        assert bytes(words.word(data, lang.usize(len(wanted)))) == b""


@given(st.text(st.sampled_from("0123456789ax-"), max_size=11))
def test_numbers(text: str) -> None:
    found = number_of(lang.byte_view(text.encode()))
    assert found == (int(text) if text.isdigit() and len(text) < 10 else None)
