"""Heads of requests: what is taken, what is refused and by which status, whatever the pieces in which it comes."""

from __future__ import annotations

import random
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.http import limits
from neokernel.http.body import Body
from neokernel.http.characters import next_control
from neokernel.http.method import Method
from neokernel.http.request import Framing, Look, Request
from neokernel.lang import byte_span, u64, usize
from tests.http import walk
from tests.http.support import library


def looked_at(data: bytes, step: int = 1 << 20) -> Request:
    """The request after these bytes, which come in pieces of that length."""
    request = Request()
    for place in range(0, len(data), step):
        piece = data[place : place + step]
        first = int(request.filled)
        for index, byte in enumerate(piece):
            request.input[first + index] = byte
        request.filled = usize(first + len(piece))
        if request.look() is not Look.MORE:
            break
    return request


def answer(data: bytes) -> int:
    """The status that refuses it; 200 if it is taken, 0 if it isn't complete. However it is cut."""
    found = set()
    for step in (1 << 20, 1, 7):
        request = looked_at(data, step)
        found.add(int(request.status) or (200 if request.look() is Look.READY else 0))
    assert len(found) == 1, found
    return found.pop()


def head(*fields: str, line: str = "GET / HTTP/1.1", host: bool = True) -> bytes:
    return "\r\n".join([line, *(["Host: x"] if host else []), *fields, "", ""]).encode("latin-1")


def test_what_a_request_says() -> None:
    data = head("User-Agent: curl/8", "X-Tab:\ta\tb ", "X-Tab: second", line="GET /a/b%20c?x=1&y HTTP/1.1")
    request = looked_at(data)
    assert request.look() is Look.READY and request.method is Method.GET
    assert (bytes(request.path()), bytes(request.query())) == (b"/a/b c", b"x=1&y")
    assert bytes(request.field(b"user-agent") or b"") == b"curl/8" and bytes(request.field(b"x-tab") or b"") == b"a\tb"
    second = request.next_field(b"x-tab", usize(3))
    assert second is not None and bytes(request.value_at(second)) == b"second"
    assert request.field(b"x-ta") is None and request.framing is Framing.NONE and not request.last


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        ("GET / HTTP/1.1", "/", ""),
        ("GET /?a/../b HTTP/1.1", "/", "a/../b"),
        ("GET /a/./b/../c HTTP/1.1", "/a/c", ""),
        ("GET /../../etc/passwd HTTP/1.1", "/etc/passwd", ""),
        ("GET /%2e%2E/%2e/x/.. HTTP/1.1", "/", ""),
        ("GET /a/.. HTTP/1.1", "/", ""),
        ("GET /a/b/. HTTP/1.1", "/a/b/", ""),
        ("GET /.a/..b/c. HTTP/1.1", "/.a/..b/c.", ""),
        ("GET //a//b HTTP/1.1", "//a//b", ""),
        ("GET /%3F%25 HTTP/1.1", "/?%", ""),
        ("GET http://h:8/p/../q?r HTTP/1.1", "/q", "r"),
        ("GET HTTPS://h HTTP/1.1", "/", ""),
        ("GET http://h?q HTTP/1.1", "/", "q"),
        ("OPTIONS * HTTP/1.1", "*", ""),
        ("GET /|[]{}^` HTTP/1.1", "/|[]{}^`", ""),
    ],
)
def test_targets(line: str, path: str, query: str) -> None:
    request = looked_at(head(line=line))
    assert request.look() is Look.READY
    assert (bytes(request.path()).decode(), bytes(request.query()).decode()) == (path, query)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        # the line
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\rHost: x\r\n\r\n", 400),
        (b"\r\n" + head(), 200),
        (b"\r\n\r\n" + head(), 400),
        (b"\n" + head(), 400),
        (head(line=" GET / HTTP/1.1"), 400),
        (head(line="GET  / HTTP/1.1"), 400),
        (head(line="GET /  HTTP/1.1"), 400),
        (head(line="GET / HTTP/1.1 "), 400),
        (head(line="GET\t/ HTTP/1.1"), 400),
        (head(line="GET /a b HTTP/1.1"), 400),
        (head(line="GET /\x80 HTTP/1.1"), 400),
        (head(line="GET /a#b HTTP/1.1"), 400),
        (head(line="GET a HTTP/1.1"), 400),
        (head(line="GET * HTTP/1.1"), 400),
        (head(line="GET /%2 HTTP/1.1"), 400),
        (head(line="GET /%zz HTTP/1.1"), 400),
        (head(line="GET /%2f HTTP/1.1"), 400),
        (head(line="GET /%00 HTTP/1.1"), 400),
        (head(line="GET /%0d%0a HTTP/1.1"), 400),
        (head(line="GET http:// HTTP/1.1"), 400),
        (head(line="GET http:///a HTTP/1.1"), 400),
        (head(line="GET http://u@h/ HTTP/1.1"), 400),
        (head(line="GET ftp://h/ HTTP/1.1"), 400),
        (head(line="G(T / HTTP/1.1"), 400),
        (head(line="get / HTTP/1.1"), 501),
        (head(line="BREW / HTTP/1.1"), 501),
        (head(line="CONNECT h:80 HTTP/1.1"), 501),
        (head(line="TRACE / HTTP/1.1"), 501),
        (head(line="GET / HTTP/1.9"), 200),
        (head(line="GET / HTTP/2.0"), 505),
        (head(line="PRI * HTTP/2.0"), 505),
        (head(line="GET / HTTP/0.9"), 505),
        (head(line="GET / HTTP/1.10"), 400),
        (head(line="GET / http/1.1"), 400),
        (head(line="GET / HTTP/1,1"), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        # fields
        (head("Name : x"), 400),
        (head(" folded: x"), 400),
        (head("X: a", "\tfolded"), 400),
        (head(": x"), 400),
        (head("Name"), 400),
        (head("Na me: x"), 400),
        (head("Nam\xe9: x"), 400),
        (head("X: a\x00b"), 400),
        (head("X: a\x7fb"), 400),
        (head("X: a\x0bb"), 400),
        (head("X: a\nY: b"), 400),
        (head("X: a\rY: b"), 400),
        (head("X: \xe9\x80"), 200),
        (head("X:"), 200),
        (head("X: a\tb"), 200),
        # Host
        (head(host=False), 400),
        (head("Host: y"), 400),
        (head("Host:", host=False), 200),
        (head("Host: a b", host=False), 400),
        (head("Host: a@b", host=False), 400),
        (head("Host: a/b", host=False), 400),
        (head("Host: [::1]:80", host=False), 200),
        (head(host=False, line="GET / HTTP/1.0"), 200),
        # framing: what two readers could take for different things
        (head("Content-Length: 5"), 200),
        (head("Content-Length: 5", "Content-Length: 5"), 400),
        (head("Content-Length: 5", "Content-Length: 6"), 400),
        (head("Content-Length: 5, 5"), 400),
        (head("Content-Length: +5"), 400),
        (head("Content-Length: -1"), 400),
        (head("Content-Length: 0x5"), 400),
        (head("Content-Length: 5 5"), 400),
        (head("Content-Length: "), 400),
        (head("Content-Length: 18446744073709551621"), 200),
        (head("Transfer-Encoding: chunked"), 200),
        (head("transfer-ENCODING:\tChunked "), 200),
        (head("Transfer-Encoding: chunked", "Content-Length: 5"), 400),
        (head("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (head("Content-Length: 5", "Transfer-Encoding: x"), 400),
        (head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        (head("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
        (head("Transfer-Encoding: gzip, chunked"), 501),
        (head("Transfer-Encoding: chunked, chunked"), 501),
        (head("Transfer-Encoding: identity"), 501),
        (head("Transfer-Encoding: \x0bchunked"), 400),
        (head("Transfer-Encoding: chunked", line="POST / HTTP/1.0"), 400),
        # Expect
        (head("Expect: 100-Continue"), 200),
        (head("Expect: something"), 417),
        (head("Expect: something", line="GET / HTTP/1.0"), 200),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r", 0),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    assert answer(data) == status


def test_limits_are_exact() -> None:
    path = "/" + "a" * (limits.MOST_LINE - len("GET / HTTP/1.1"))
    assert answer(head(line=f"GET {path} HTTP/1.1")) == 200
    assert answer(head(line=f"GET {path}a HTTP/1.1")) == 414
    assert answer(f"GET {path}a HTTP/1.1".encode()) == 414, "without waiting for the line's end"
    empty = len(head("X: "))
    assert answer(head("X: " + "a" * (limits.MOST_HEAD - empty))) == 200
    assert answer(head("X: " + "a" * (limits.MOST_HEAD - empty + 1))) == 431
    assert answer(head("X: " + "a" * limits.MOST_HEAD)) == 431
    assert answer(head(*["X: y"] * (limits.MOST_FIELDS - 1))) == 200
    assert answer(head(*["X: y"] * limits.MOST_FIELDS)) == 431


@pytest.mark.parametrize(
    ("fields", "line", "last"),
    [
        ([], "GET / HTTP/1.1", False),
        (["Connection: close"], "GET / HTTP/1.1", True),
        (["Connection: x,\tClose ,y"], "GET / HTTP/1.1", True),
        (["Connection: closed"], "GET / HTTP/1.1", False),
        ([], "GET / HTTP/1.0", True),
        (["Connection: keep-alive"], "GET / HTTP/1.0", False),
        (["Connection: keep-alive", "Connection: close"], "GET / HTTP/1.0", True),
    ],
)
def test_who_wants_to_go_on(fields: list[str], line: str, last: bool) -> None:
    request = looked_at(head(*fields, line=line))
    assert request.look() is Look.READY and request.last == last


@given(st.binary(max_size=60), st.integers(0, 60))
def test_the_next_control_character(data: bytes, first: int) -> None:
    first = min(first, len(data))
    expected = next((i for i in range(first, len(data)) if data[i] < 32 or data[i] == 127), len(data))
    assert next_control(byte_span(bytearray(data)), usize(first)) == expected


def test_every_byte_in_every_place() -> None:
    for byte in range(256):
        for place in range(9):
            data = bytearray(b"a" * 17)
            data[place] = byte
            expected = place if byte < 32 or byte == 127 else 17
            assert next_control(byte_span(data), usize(0)) == expected


# --- against h11 ------------------------------------------------------------------------------------------------------

TOKEN = st.text("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCXYZ", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=24).map(
    str.strip
)
SEGMENT = st.text("abcXYZ019-_~!$&'()*+,;=:@", max_size=6)
KNOWN = {"host", "content-length", "transfer-encoding", "connection", "expect"}


@st.composite
def requests(draw: Any) -> bytes:
    method = draw(st.sampled_from([each.name for each in Method]))
    target = "/" + "/".join(draw(st.lists(SEGMENT, max_size=3)))
    if draw(st.booleans()):
        target += "?" + draw(SEGMENT)
    fields = [f"Host: {draw(st.sampled_from(['a', 'a.example:80', '[::1]', '']))}"]
    for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=5)):
        if name.lower() not in KNOWN:
            fields.append(f"{name}:{draw(st.sampled_from(['', ' ', chr(9), '  ']))}{value}")
    if draw(st.booleans()):
        fields.append(draw(st.sampled_from(["Connection: close", "Connection: keep-alive", "Expect: 100-continue"])))
    body = draw(st.binary(max_size=40))
    match draw(st.integers(0, 2)):
        case 0:
            fields.append(f"Content-Length: {len(body)}")
        case 1:
            fields.append("Transfer-Encoding: chunked")
            cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a != b]
            extension = draw(st.sampled_from([b"", b";a", b';a="b c"', b" "]))
            body = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
            body += b"0\r\n" + draw(st.sampled_from([b"", b"Trailer: x\r\n"])) + b"\r\n"
        case _:
            body = b""
    draw(st.randoms()).shuffle(fields)
    lines: list[str] = [f"{method} {target} HTTP/1.1", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + bytes(body)


def theirs(data: bytes) -> tuple[Any, ...]:
    """What h11 sees in it."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    seen = reader.next_event()
    assert isinstance(seen, h11.Request)
    body = b""
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    fields = [(name.lower(), value) for name, value in seen.headers.raw_items()]
    return seen.method, seen.target, fields, body, reader.trailing_data[0]


def ours(data: bytes, step: int) -> tuple[Any, ...]:
    request, body = looked_at(data, step), Body()
    assert request.look() is Look.READY
    count, end = int(request.count), int(request.at)
    line = bytes(request.input[:end].bytes()).split(b"\r\n")[0]
    names = [
        bytes(request.input[int(field.name) : int(field.name_end)].bytes()).lower()
        for field in (request.fields[place] for place in range(count))
    ]
    fields = list(zip(names, (bytes(request.value_at(usize(place))) for place in range(count)), strict=True))
    body.begin(request.framing, request.length)
    rest, made = data[end:], b""
    while rest and not body.done:
        into = bytearray(step)
        taken = body.take(byte_span(bytearray(rest[:step])), byte_span(into))
        assert not body.broken
        rest, made = rest[int(taken.used) :], made + bytes(into[: int(taken.made)])
    assert body.done
    return line.split()[0], line.split()[1], fields, made, rest


@settings(max_examples=300)
@given(requests(), requests(), st.integers(1, 50))
def test_what_h11_accepts_is_seen_the_same(first: bytes, second: bytes, step: int) -> None:
    assert theirs(first) == ours(first, step)
    assert ours(first + second, 1 << 12) == (*ours(first, 1 << 12)[:4], second), "what follows isn't touched"


@settings(max_examples=200)
@given(requests(), requests(), st.integers(0, 2**40), st.booleans())
def test_pieces_make_no_difference(first: bytes, second: bytes, seed: int, damaged: bool) -> None:
    data = bytearray(first + second)
    chance = random.Random(seed)
    if damaged:
        data[chance.randrange(len(data))] = chance.randrange(256)
    once, again = (walk.walk(byte_span(bytearray(data)), u64(number)) for number in (0, seed + 1))
    assert once == again and (damaged or (once.requests, once.end) == (2, walk.INCOMPLETE))
    found = library("walk", "walk").call("tests.http.walk.walk", (bytearray(data), len(data)), seed + 1)
    assert tuple(map(int, found)) == (once.digest, once.requests, once.bodies, once.end)
