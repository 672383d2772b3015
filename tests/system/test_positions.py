"""Where things stand in TOML documents, and amounts with units."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.image.systemfile import units
from neokernel.image.systemfile.positions import positions
from tests.system.fuzz import consistent

DOCUMENT = '''
a.b = 1 # a comment
"x y".'z.w' = [1, { q = "s", "é" = [[]] }, # more
  [2, 3,],
]
[service.log]
cpu = { priority = 1, "bud\\u0067et" = """x"y""""" }
date = 1979-05-27 07:32:00
literal = \'\'\'one
two\'\'\'\'\'
[[k.l]]
a = -1_000.5e3
[k.l.m]
b = 'c:\\d'
[[k.l]]
[ other . "table" ]
inf = -inf
'''

PLACES = {
    ("a", "b"): "1",
    ("x y", "z.w", 1, "q"): '"s"',
    ("x y", "z.w", 1, "é"): "[[]]",
    ("x y", "z.w", 2, 1): "3",
    ("service", "log", "cpu", "budget"): '"""x"y"""""',
    ("service", "log", "date"): "1979-05-27 07:32:00",
    ("service", "log", "literal"): "'''one\ntwo'''''",
    ("k", "l", 0, "a"): "-1_000.5e3",
    ("k", "l", 0, "m", "b"): "'c:\\d'",
    ("other", "table", "inf"): "-inf",
}


def test_values_keys_and_headers() -> None:
    found = positions(DOCUMENT)
    assert {path: DOCUMENT[slice(*found.values[path])] for path in PLACES} == PLACES
    assert DOCUMENT[slice(*found.keys[("service", "log", "cpu", "budget")])] == '"bud\\u0067et"'
    assert DOCUMENT[slice(*found.headers[("k", "l", 1)])] == "[[k.l]]"
    assert DOCUMENT[slice(*found.headers[("other", "table")])] == '[ other . "table" ]'
    consistent(DOCUMENT.encode())


keys = st.text(min_size=1, max_size=5) | st.from_regex(r"\A[a-zA-Z0-9_-]{1,5}\Z")
scalars = (
    st.integers(-(1 << 63), (1 << 63) - 1)
    | st.booleans()
    | st.floats()
    | st.dates()
    | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(each)}" for key, each in value.items()) + "}"
    return str(value)


def quoted(text: str) -> str:
    plain = (
        character if character.isalnum() or character in " .,=[]{}#'" else f"\\U{ord(character):08x}"
        for character in text
    )
    return '"' + "".join(plain) + '"'


@given(st.dictionaries(keys, values, max_size=4), st.dictionaries(keys, values, max_size=4))
def test_any_document(top: dict[str, Any], table: dict[str, Any]) -> None:
    lines = [f"{quoted(key)} = {written(value)}" for key, value in top.items()]
    lines += ["[a.'header']", *(f"{quoted(key)} = {written(value)}" for key, value in table.items())]
    text = "\n".join(lines)
    if "a" not in top:
        tomllib.loads(text)
    consistent(text.encode())


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("0 B", 0), ("256 KiB", 262144), ("1.5MiB", 3 << 19), ("  2  GiB ", 2 << 30), ("1_024 B", 1024), ("0.5 KiB", 512)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert units.size(text) == bytes_


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("1 ns", 1), ("2 ms", 2_000_000), ("1.5 µs", 1500), ("1 h", 3600 * 10**9)]
)
def test_times(text: str, nanoseconds: int) -> None:
    assert units.time(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "KiB", "-1 KiB", "1,5 MiB", "1 KB", "1e3 B", "٣ B", "1.0000000000000000001 MiB", "0x10 B"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(units.BadAmount) as caught:
        units.size(text)
    assert caught.value.message and caught.value.help


@given(st.integers(0, 1 << 50))
def test_what_is_shown_means_the_same(count: int) -> None:
    assert units.size(units.show_size(count)) == count
    assert units.time(units.show_time(count)) == count
