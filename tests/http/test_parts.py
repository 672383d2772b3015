"""Bodies, dates, values of queries, preconditions and ranges, heads of answers."""

from __future__ import annotations

import email.utils
import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.http import conditions, date
from neokernel.http.answer import Head, reason
from neokernel.http.body import Body
from neokernel.http.characters import LARGEST, number_of
from neokernel.http.conditions import Condition, NoRange, Range, Version
from neokernel.http.limits import MOST_OVERHEAD, OUTPUT
from neokernel.http.request import Framing
from neokernel.http.target import cleaned, decoded, value_of
from neokernel.http.text import Text
from neokernel.lang import byte_span, u16, u64, usize
from tests.http.test_request import head, looked_at


def body_of(data: bytes, step: int) -> tuple[bytes, str, int]:
    """A chunked body: what is in it, how it ended, and how many bytes were its own."""
    body = Body()
    body.begin(Framing.CHUNKED, u64(0))
    made, place = b"", 0
    while place < len(data) and not body.done and not body.broken:
        into = bytearray(step)
        taken = body.take(byte_span(bytearray(data[place : place + step])), byte_span(into))
        place += int(taken.used)
        made += bytes(into[: int(taken.made)])
    return made, "done" if body.done else "broken" if body.broken else "more", place


@pytest.mark.parametrize(
    ("data", "made", "how"),
    [
        (b"0\r\n\r\n", b"", "done"),
        (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", "done"),
        (b"00A\r\n0123456789\r\n00\r\n\r\n", b"0123456789", "done"),
        (b"1 \t\r\nx\r\n0\r\n\r\n", b"x", "done"),
        (b'1;a;b="c\t\xff"\r\nx\r\n0;last\r\n\r\n', b"x", "done"),
        (b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", b"x", "done"),
        (b"1\r\nx\r\n", b"x", "more"),
        (b"0\r\n\r", b"", "more"),
        (b"\r\n", b"", "broken"),
        (b"x\r\n", b"", "broken"),
        (b"-1\r\n", b"", "broken"),
        (b" 1\r\n", b"", "broken"),
        (b"0x1\r\n", b"", "broken"),
        (b"1\nx\n0\n\n", b"", "broken"),
        (b"1\rx", b"", "broken"),
        (b"1;a\nx", b"", "broken"),
        (b"1;a\x00\r\n", b"", "broken"),
        (b"1 a\r\n", b"", "broken"),
        (b"1\r\nxx\r\n", b"x", "broken"),
        (b"1\r\nx\n", b"x", "broken"),
        (b"1\r\nx\r\r", b"x", "broken"),
        (b"fffffffffffffff\r\n", b"", "more"),
        (b"1000000000000000\r\n", b"", "broken"),
        (b"0\r\n folded: x\r\n\r\n", b"", "broken"),
        (b"0\r\nA b: x\r\n\r\n", b"", "broken"),
        (b"0\r\nA\r\n\r\n", b"", "broken"),
        (b"0\r\n\rX", b"", "broken"),
        (b"1;" + b"a" * (MOST_OVERHEAD - 1) + b"\r\nx\r\n0\r\n\r\n", b"x", "done"),
        (b"1;" + b"a" * (MOST_OVERHEAD + 1) + b"\r\nx\r\n0\r\n\r\n", b"", "broken"),
        (b"1;a\r\nx\r\n" * (MOST_OVERHEAD + 1), None, "broken"),
    ],
)
def test_chunks(data: bytes, made: bytes | None, how: str) -> None:
    results = {body_of(data, step) for step in (1, 3, 1 << 16)}
    assert len(results) == 1
    found, ended, used = results.pop()
    assert ended == how and (made is None or found == made)
    if data.endswith(b"GET"):
        assert data[used:] == b"GET"


def test_a_body_of_a_length() -> None:
    body = Body()
    body.begin(Framing.LENGTH, u64(5))
    into = bytearray(3)
    taken = body.take(byte_span(bytearray(b"hello!")), byte_span(into))
    assert (taken.used, taken.made, bytes(into), body.direct()) == (3, 3, b"hel", 2)
    taken = body.take(byte_span(bytearray(b"lo!")), byte_span(into))
    assert (taken.used, taken.made, body.done, body.direct()) == (2, 2, True, 0)


# --- dates ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 253_402_300_799))
def test_dates_are_those_of_the_library(seconds: int) -> None:
    into = bytearray(date.SIZE)
    date.write(byte_span(into), u64(seconds))
    assert into.decode() == email.utils.format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert date.parse(bytes(into)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        (b"Sun Nov  6 08:49:37 1994", 784_111_777),
        (b"Sunday, 06-Nov-69 08:49:37 GMT", 3_150_953_377),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"Sun, 06 Nov 1994 08:49:37 CET", None),
        (b"Sun, 06 Nov 1994 24:49:37 GMT", None),
        (b"Sun, 06 Nov 1894 08:49:37 GMT", None),
        (b"Sun, 00 Nov 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 94 08:49:37 GMT", None),
        (b"Sun, 06 nov 1994 08:49:37 GMT", None),
        (b"Sun, +6 Nov 1994 08:49:37 GMT", None),
        (b"", None),
        (b",", None),
        (b"784111777", None),
    ],
)
def test_dates_as_they_are_read(text: bytes, seconds: int | None) -> None:
    assert date.parse(text) == seconds


@given(st.binary(max_size=40))
def test_no_text_breaks_the_reader_of_dates(text: bytes) -> None:
    date.parse(text)


# --- targets ----------------------------------------------------------------------------------------------------------


@given(st.text("ab./%2eEfF\xe9", max_size=30))
def test_a_clean_path_is_clean(text: str) -> None:
    memory = bytearray(b"/" + text.encode())
    length = cleaned(byte_span(memory))
    if length is not None:
        path = bytes(memory[: int(length)])
        assert path.startswith(b"/") and not {b".", b".."} & set(path.split(b"/")), path


@given(st.text(max_size=20))
def test_what_was_encoded_is_decoded(text: str) -> None:
    into = bytearray(100)
    for encode in (quote, quote_plus):
        sent = encode(text).encode()
        length = decoded(sent, byte_span(into))
        assert length is not None and bytes(into[: int(length)]).decode() == text == unquote_plus(sent.decode())


def test_values_of_queries() -> None:
    query = b"a=1&b=&c&a=2&=x"
    values = {name: value_of(query, name) for name in (b"a", b"b", b"c", b"", b"d")}
    assert values == {b"a": b"1", b"b": b"", b"c": b"", b"": b"x", b"d": None}
    assert decoded(b"%4", byte_span(bytearray(9))) is None and decoded(b"abc", byte_span(bytearray(2))) is None


def test_numbers() -> None:
    assert [number_of(text) for text in (b"", b"a", b"0", b"007", b"9" * 30, b"1 ")] == [
        None, None, 0, 7, LARGEST, None,
    ]  # fmt: skip


# --- preconditions and ranges: RFC 9110, sections 13 and 14 -----------------------------------------------------------

TAG, OTHER = '"tag"', '"other"'
THEN, BEFORE, AFTER = (f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (37, 36, 38))
VERSION = Version(TAG.encode(), u64(784_111_777))
GO_ON, NOT_MODIFIED, FAILED = Condition.GO_ON, Condition.NOT_MODIFIED, Condition.FAILED


@pytest.mark.parametrize(
    ("fields", "read", "written"),
    [
        ([], GO_ON, GO_ON),
        ([f"If-Match: {TAG}"], GO_ON, GO_ON),
        ([f"If-Match: {OTHER}"], FAILED, FAILED),
        ([f"If-Match: {OTHER}, {TAG}"], GO_ON, GO_ON),
        ([f"If-Match: {OTHER}", f"If-Match: {TAG}"], GO_ON, GO_ON),
        (["If-Match: *"], GO_ON, GO_ON),
        ([f"If-Match: W/{TAG}"], FAILED, FAILED),
        (["If-Match: tag"], FAILED, FAILED),
        ([f"If-None-Match: {TAG}"], NOT_MODIFIED, FAILED),
        ([f"If-None-Match: W/{TAG}"], NOT_MODIFIED, FAILED),
        ([f"If-None-Match: {OTHER}"], GO_ON, GO_ON),
        ([f'If-None-Match: "a,b" , W/"c",{TAG}'], NOT_MODIFIED, FAILED),
        (["If-None-Match: *"], NOT_MODIFIED, FAILED),
        (['If-None-Match: "tag'], GO_ON, GO_ON),
        ([f"If-Modified-Since: {THEN}"], NOT_MODIFIED, GO_ON),
        ([f"If-Modified-Since: {AFTER}"], NOT_MODIFIED, GO_ON),
        ([f"If-Modified-Since: {BEFORE}"], GO_ON, GO_ON),
        (["If-Modified-Since: yesterday"], GO_ON, GO_ON),
        ([f"If-Unmodified-Since: {THEN}"], GO_ON, GO_ON),
        ([f"If-Unmodified-Since: {BEFORE}"], FAILED, FAILED),
        # which comes first
        ([f"If-None-Match: {OTHER}", f"If-Modified-Since: {THEN}"], GO_ON, GO_ON),
        ([f"If-Match: {TAG}", f"If-Unmodified-Since: {BEFORE}"], GO_ON, GO_ON),
        ([f"If-Match: {OTHER}", f"If-None-Match: {TAG}"], FAILED, FAILED),
        ([f"If-Match: {TAG}", f"If-None-Match: {TAG}"], NOT_MODIFIED, FAILED),
    ],
)
def test_preconditions(fields: list[str], read: Condition, written: Condition) -> None:
    for line, expected in (("GET /", read), ("HEAD /", read), ("PUT /", written)):
        assert conditions.evaluate(looked_at(head(*fields, line=f"{line} HTTP/1.1")), VERSION) is expected, line


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([], NoRange.WHOLE),
        (["Range: bytes=0-0"], (0, 1)),
        (["Range: bytes=2-5"], (2, 6)),
        (["Range: Bytes= 2-5 "], (2, 6)),
        (["Range: bytes=2-"], (2, 100)),
        (["Range: bytes=-3"], (97, 100)),
        (["Range: bytes=-300"], (0, 100)),
        (["Range: bytes=99-500"], (99, 100)),
        (["Range: bytes=99-99999999999999999999999"], (99, 100)),
        (["Range: bytes=100-"], NoRange.OUTSIDE),
        (["Range: bytes=-0"], NoRange.OUTSIDE),
        (["Range: bytes=5-2"], NoRange.WHOLE),
        (["Range: bytes=0-1,5-6"], NoRange.WHOLE),
        (["Range: bytes=a-b"], NoRange.WHOLE),
        (["Range: bytes="], NoRange.WHOLE),
        (["Range: bytes=-"], NoRange.WHOLE),
        (["Range: lines=1-2"], NoRange.WHOLE),
        (["Range: bytes=2-5", f"If-Range: {TAG}"], (2, 6)),
        (["Range: bytes=2-5", f"If-Range: {OTHER}"], NoRange.WHOLE),
        (["Range: bytes=2-5", f"If-Range: W/{TAG}"], NoRange.WHOLE),
        (["Range: bytes=2-5", f"If-Range: {THEN}"], (2, 6)),
        (["Range: bytes=2-5", f"If-Range: {AFTER}"], NoRange.WHOLE),
    ],
)
def test_ranges(fields: list[str], found: NoRange | tuple[int, int]) -> None:
    wanted = conditions.wanted_range(looked_at(head(*fields)), VERSION, u64(100))
    assert wanted == (found if isinstance(found, NoRange) else Range(*map(u64, found)))
    other = looked_at(head(*fields, line="HEAD / HTTP/1.1"))
    assert conditions.wanted_range(other, VERSION, u64(100)) is NoRange.WHOLE
    if isinstance(found, tuple) and "-3" in fields[0]:
        assert conditions.wanted_range(looked_at(head(*fields)), VERSION, u64(0)) is NoRange.OUTSIDE


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30), st.integers(0, 200))
def test_no_range_lies_outside(text: str, size: int) -> None:
    found: Any = conditions.wanted_range(looked_at(head(f"Range: bytes={text}")), VERSION, u64(size))
    assert isinstance(found, NoRange) or found.first < found.end <= size


# --- answers ----------------------------------------------------------------------------------------------------------


def test_heads_of_answers() -> None:
    made = Head()
    made.begin(u16(206))
    made.field(b"ETag", b'"x"')
    made.range(u64(0), u64(9), u64(18_446_744_073_709_551_615))
    made.length(u64(0))
    made.allow(u16(0b100011))
    assert not made.spoiled
    assert bytes(made.written()) == (
        b'HTTP/1.1 206 Partial Content\r\nETag: "x"\r\nContent-Range: bytes 0-9/18446744073709551615\r\n'
        b"Content-Length: 0\r\nAllow: GET, HEAD, OPTIONS\r\n"
    )
    made.begin(u16(799))
    assert bytes(made.written()) == b"HTTP/1.1 799 \r\n"


@pytest.mark.parametrize(
    ("name", "value"), [(b"A", b"a\r\nB: c"), (b"A", b"\x00"), (b"A b", b"c"), (b"A:", b"c"), (b"A", b"x" * OUTPUT)]
)
def test_a_field_that_cant_be_said_spoils_the_head(name: bytes, value: bytes) -> None:
    made = Head()
    made.begin(u16(200))
    made.field(name, value)
    assert made.spoiled


def test_reasons_are_those_of_the_library() -> None:
    from http import HTTPStatus

    for status in HTTPStatus:
        ours = bytes(reason(u16(int(status)))).decode()
        # RFC 9110 has renamed some since.
        renamed = {
            413: "Content Too Large",
            414: "URI Too Long",
            416: "Range Not Satisfiable",
            422: "Unprocessable Content",
        }
        assert ours in ("", status.phrase, renamed.get(int(status))), status


def test_text_that_doesnt_fit_is_left_out() -> None:
    text = Text(data=byte_span(bytearray(8)))
    text.write("12345")
    text.write("6789")
    assert bytes(text.written()) == b"12345" and text.full
    text.clear()
    assert bytes(text.written()) == b"" and not text.full


def test_random_chunks_come_out_whole() -> None:
    chance = random.Random(1)
    for _ in range(50):
        pieces = [chance.randbytes(chance.randrange(1, 300)) for _ in range(chance.randrange(6))]
        data = b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        assert body_of(data, chance.randrange(1, 100)) == (b"".join(pieces), "done", len(data))


def test_no_digit_is_lost() -> None:
    made = Head()
    for number in (0, 9, 10, 2**32, 2**64 - 1):
        made.clear()
        made.number(u64(number))
        assert bytes(made.written()) == str(number).encode()
    assert usize(made.used) == 20
