"""The words of a command line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.services.shell.help import NAMES, meant, takes
from neokernel.services.shell.words import MOST_WORDS, Words, is_near, number_of


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


def could_be(word: str, name: str) -> bool:
    """What `is_near` says, by trying all that may have happened to the name."""
    letters = "abc"
    ways = {word for place in range(2, len(name) + 1) for word in [name[:place]]}
    for place in range(len(name) + 1):
        ways |= {name[:place] + letter + name[place:] for letter in letters}
        ways |= {name[:place] + letter + name[place + 1 :] for letter in (*letters, "")}
        ways.add(name[:place] + name[place : place + 2][::-1] + name[place + 2 :])
    return len(word) > 1 and len(name) > 1 and word in ways


@given(st.text(st.sampled_from("abc"), max_size=6), st.text(st.sampled_from("abc"), max_size=6))
def test_what_was_meant(word: str, name: str) -> None:
    assert is_near(lang.byte_view(word.encode()), lang.byte_view(name.encode())) is could_be(word, name)


def test_every_command_is_known_by_its_name_and_by_what_is_like_it() -> None:
    for name in bytes(NAMES).decode().split():
        assert takes(lang.byte_view(name.encode())) is not None
        assert bytes(meant(lang.byte_view(f"{name}x".encode()))).decode() == name
    assert takes(lang.byte_view(b"format")) is None and bytes(meant(lang.byte_view(b"format"))) == b""
