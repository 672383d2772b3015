"""A request to somebody else: each of its bounds, in bytes and in time, and answers that are damaged.

The test is the network service, and the server: it says what has come and what was acknowledged. A tick is a
microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neokernel import lang
from neokernel.http.client import MOST_INTERIM, Fetch, FetchError
from neokernel.http.limits import MOST_FIELDS, MOST_HEAD, MOST_LINE, MOST_OVERHEAD, OUTPUT, Limits
from neokernel.http.method import Method
from neokernel.interfaces.sockets import End, Refusal
from tests.http.fetched import Fetched
from tests.network.plugging import EACH, SECOND, core, plugged_in

#: seconds, and bytes a second
CONNECT, HEAD, BODY, WRITE, RATE = 3, 5, 7, 11, 1_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Asked:
    """A request: `ask` begins it, `opens` says that the server is there, `say` what it says."""

    def __init__(self, plugged: Any) -> None:
        self.net = plugged.net
        times = {"connect": CONNECT, "head": HEAD, "body": BODY, "write": WRITE}
        given: Any = {name: lang.u64(1_000 * time) for name, time in times.items()}
        limits = Limits(**given, rate=lang.u64(RATE))
        fetch: Any = Fetch(net=self.net, frequency=lang.u64(SECOND), limits=limits)
        self.fetched: Any = Fetched(net=self.net, fetch=fetch)
        self.socket: Any = None
        self.arrived = self.acknowledged = 0

    def ask(self, target: bytes = b"/", body: bytes = b"", room: int = 100, method: Method = Method.GET) -> Asked:
        fetched = self.fetched
        for name, data in (("target", target), ("body", body)):
            for place, byte in enumerate(data):
                getattr(fetched, name)[lang.usize(place)] = lang.u8(byte)
        fetched.target_length, fetched.length = lang.usize(len(target)), lang.usize(len(body))
        fetched.room, fetched.method = lang.usize(room), method
        assert fetched.begin()
        self.run()
        return self

    def opens(self) -> Asked:
        self.net.opened(lang.u32(0), lang.u32(0), lang.u64(1 << 32), lang.u16(50_000))
        self.socket = self.net.sockets[lang.usize(0)]
        self.tell()
        self.take()
        return self

    def run(self) -> None:
        self.net.executor.look()
        self.fetched.group.run(self.net.executor)

    def tell(self, finished: bool = False, end: End = End.NONE) -> None:
        self.net.moved(lang.u32(0), lang.u32(self.arrived), lang.u32(self.acknowledged), True, finished, end)
        self.run()
        self.run()

    def take(self, most: int = 1 << 20) -> None:
        """The server takes so much of what was sent."""
        for _ in range(10):
            count = min(most, int(self.socket.written) - self.acknowledged)
            if count == 0:
                return
            most -= count
            self.acknowledged += count
            self.tell()

    def say(self, data: bytes, end: bool = False) -> Asked:
        """The server does, and has no more to say."""
        buffer = self.net.buffer(lang.u32(0), True)
        for first in range(0, len(data), EACH // 2):
            for byte in data[first : first + EACH // 2]:
                buffer[lang.usize(self.arrived % EACH)] = lang.u8(byte)
                self.arrived += 1
            self.tell()
            if self.fetched.ended:
                return self
        if end:
            self.tell(finished=True)
        return self

    def rest(self, seconds: float) -> None:
        self.net.executor.now += round(seconds * SECOND)
        self.run()

    @property
    def seen(self) -> Any:
        """None: it goes on; why it failed, or how many bytes of a body there were."""
        fetched = self.fetched
        if not fetched.ended:
            return None
        return fetched.failed if fetched.failed is not None else int(fetched.came)

    @property
    def data(self) -> bytes:
        return bytes(self.fetched.into[lang.usize(place)] for place in range(int(self.fetched.came)))


@pytest.fixture(scope="module")
def exchange() -> Any:
    return core()


@pytest.fixture
def asked(exchange: Any) -> Iterator[Asked]:
    with plugged_in(exchange) as plugged:
        yield Asked(plugged)


def test_an_answer(asked: Asked) -> None:
    asked.ask().opens().say(OK + b"Content-Length: 5\r\n\r\nhello")
    assert asked.seen == 5 and asked.data == b"hello" and asked.fetched.status == 200


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [b"", b"/a b", b"/\r\nHost: other", b"/" + b"x" * int(OUTPUT)])
def test_what_cant_be_asked_isnt(asked: Asked, target: bytes) -> None:
    assert asked.ask(target).seen is FetchError.REQUEST


@pytest.mark.parametrize(("why", "seen"), [(Refusal.DENIED, FetchError.REFUSED), (Refusal.BUFFERS, FetchError.REFUSED)])
def test_who_may_not_connect_is_told(asked: Asked, why: Refusal, seen: FetchError) -> None:
    asked.ask()
    asked.net.refused(lang.u32(0), why)
    asked.run()
    assert asked.seen is seen


@pytest.mark.parametrize(("end", "seen"), [(End.REFUSED, FetchError.GONE), (End.TIMED_OUT, FetchError.TIMED_OUT)])
def test_nobody_is_there(asked: Asked, end: End, seen: FetchError) -> None:
    asked.ask()
    asked.net.opened(lang.u32(0), lang.u32(0), lang.u64(1 << 32), lang.u16(50_000))
    asked.net.moved(lang.u32(0), lang.u32(0), lang.u32(0), False, False, end)
    asked.run()
    assert asked.seen is seen


# --- time -------------------------------------------------------------------------------------------------------------


def test_time_to_connect(asked: Asked) -> None:
    asked.ask()
    asked.rest(CONNECT - 1)
    assert asked.seen is None
    asked.rest(2)
    assert asked.seen is FetchError.TIMED_OUT


def test_time_for_the_server_to_take_the_request(asked: Asked) -> None:
    """Of 8,000 bytes 2,048 and then 2,000 more find room: each thousand is worth a second more."""
    asked.ask(body=bytes(8_000), method=Method.POST)
    asked.net.opened(lang.u32(0), lang.u32(0), lang.u64(1 << 32), lang.u16(50_000))
    asked.socket = asked.net.sockets[lang.usize(0)]
    asked.tell()
    asked.rest(WRITE - 1)
    assert asked.seen is None
    asked.take(2_000)
    asked.rest(3)
    assert asked.seen is None, "it has taken some"
    asked.rest(6)
    assert asked.seen is FetchError.TIMED_OUT


def test_time_for_a_head(asked: Asked) -> None:
    """However often something comes."""
    asked.ask().opens()
    head = OK + b"Content-Length: 0\r\n\r\n"
    for place in range(HEAD):
        assert asked.seen is None
        asked.say(head[place : place + 1])
        asked.rest(1)
    asked.rest(1)
    assert asked.seen is FetchError.TIMED_OUT


@pytest.mark.parametrize("head", [OK + b"Content-Length: 100000\r\n\r\n", CHUNKED + b"186A0\r\n", OK + b"\r\n"])
def test_time_for_a_body(asked: Asked, head: bytes) -> None:
    """As slow as the rate is slow enough; slower isn't, however often something comes."""
    asked.ask(room=8_000).opens().say(head)
    for _ in range(5):
        asked.say(bytes(RATE))
        asked.rest(1)
    assert asked.seen is None
    for _ in range(BODY - 1):
        asked.say(b"x")
        asked.rest(1)
        assert asked.seen is None
    asked.rest(2)
    assert asked.seen is FetchError.TIMED_OUT


# --- how large --------------------------------------------------------------------------------------------------------


def field_lines(count: int, size: int) -> bytes:
    """So many fields, each of so many bytes with its end."""
    return b"".join(b"f%03d: %s\r\n" % (number, b"x" * (size - 8)) for number in range(count))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 " + b"x" * int(MOST_LINE) + b"\r\n\r\n",
        OK + field_lines(int(MOST_FIELDS) + 1, 20) + b"\r\n",
        OK + field_lines(9, 1_000) + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * int(MOST_HEAD),
    ],
)
def test_a_head_that_is_too_large(asked: Asked, head: bytes) -> None:
    assert asked.ask().opens().say(head, end=True).seen is FetchError.MALFORMED


def test_a_head_as_large_as_it_may_be(asked: Asked) -> None:
    fields = field_lines(int(MOST_FIELDS) - 1, 100)
    asked.ask().opens().say(OK + fields + b"Content-Length: 2\r\n\r\nok")
    assert asked.seen == 2 and asked.data == b"ok"


def chunks(data: bytes, size: int) -> bytes:
    pieces = [data[first : first + size] for first in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("framed", ["length", "chunks", "endless"])
@pytest.mark.parametrize("size", [0, 99, 100, 101, 3_000])
def test_a_body_that_may_not_fit(asked: Asked, framed: str, size: int) -> None:
    """There is room for 100 bytes, and it is said of what is more, not what of it was cut off."""
    data = bytes(place * 7 % 251 for place in range(size))
    answer = {
        "length": OK + b"Content-Length: %d\r\n\r\n" % size + data,
        "chunks": CHUNKED + chunks(data, 33),
        "endless": OK + b"\r\n" + data,
    }[framed]
    asked.ask(room=100).opens().say(answer, end=True)
    if size > 100:
        assert asked.seen is FetchError.TOO_LARGE
    else:
        assert asked.seen == size and asked.data == data


# --- what is damaged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\nhello",
        b"-1\r\n",
        b"5hello\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"10000000000000000\r\n",
        b"5;" + b"x" * (int(MOST_OVERHEAD) + 1) + b"\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"t: x\r\n" * (int(MOST_OVERHEAD) // 5 + 1) + b"\r\n",
    ],
)
def test_damaged_chunks(asked: Asked, body: bytes) -> None:
    assert asked.ask(room=1_000).opens().say(CHUNKED + body, end=True).seen is FetchError.MALFORMED


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        OK,
        OK + b"Content-Length: 5\r\n\r\nhell",
        CHUNKED,
        CHUNKED + b"5\r\nhell",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
    ],
)
def test_the_connection_ends_before_the_answer(asked: Asked, answer: bytes) -> None:
    assert asked.ask().opens().say(answer, end=True).seen is FetchError.GONE


@pytest.mark.parametrize(
    "answer", [OK + b"\r\nsome", OK + b"Content-Length: 9\r\n\r\nsome", CHUNKED + b"9\r\nsome", OK]
)
def test_the_server_resets(asked: Asked, answer: bytes) -> None:
    """Nor is a body that ends with its connection complete then."""
    asked.ask().opens().say(answer)
    asked.tell(end=End.RESET)
    assert asked.seen is FetchError.GONE


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 99 Too few\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"220 mail\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (int(MOST_INTERIM) + 1),
    ],
)
def test_what_is_no_answer(asked: Asked, head: bytes) -> None:
    assert asked.ask().opens().say(head, end=True).seen is FetchError.MALFORMED


def test_interim_answers_are_passed_over(asked: Asked) -> None:
    asked.ask().opens().say(b"HTTP/1.1 103 Early\r\na: b\r\n\r\n" * (int(MOST_INTERIM) - 1))
    assert asked.seen is None
    assert asked.say(OK + b"Content-Length: 1\r\n\r\n!").seen == 1


@pytest.mark.parametrize(("method", "code"), [(Method.HEAD, 200), (Method.GET, 204), (Method.GET, 304)])
def test_answers_without_a_body(asked: Asked, method: Method, code: int) -> None:
    head = b"HTTP/1.1 %d Well\r\nContent-Length: 500\r\n\r\n" % code
    assert asked.ask(method=method).opens().say(head).seen == 0
