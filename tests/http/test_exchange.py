"""A server's connection over sockets of the test's own: how slowly an answer may be taken, and who gives way.

The test is the network service: it says what has come and what was acknowledged. A tick is a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neokernel import lang
from neokernel.http.limits import Limits
from neokernel.http.seat import Room
from neokernel.http.server import Server
from neokernel.interfaces.clients.socket import Peer, Stream
from neokernel.interfaces.sockets import End
from tests.http.served import SIGNAL, Served
from tests.network.plugging import EACH, SECOND, Plugged, core, plugged_in

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
PEER = Peer(lang.u32(1), lang.u16(2))


@pytest.fixture(scope="module")
def exchange() -> Any:
    return core()


class Connection:
    def __init__(self, plugged: Plugged) -> None:
        self.plugged, self.net = plugged, plugged.net
        limits = Limits(write=lang.u64(20_000), rate=lang.u64(1_000))
        self.server: Any = Server(net=self.net, frequency=lang.u64(SECOND), limits=limits)
        self.served: Any = Served(net=self.net, server=self.server)
        assert self.net.begin(lang.u32(0), lang.u64(1 << 32), PEER)
        self.socket = self.net.sockets[lang.usize(0)]
        self.arrived = self.acknowledged = 0
        assert self.served.begin(Stream(lang.u32(0), self.socket.serial, PEER))
        self.run()

    def run(self) -> None:
        self.net.executor.look()
        self.served.group.run(self.net.executor)

    def say(self, data: bytes) -> None:
        """The peer sends that, and the service tells of it."""
        buffer = self.net.buffer(lang.u32(0), True)
        for byte in data:
            buffer[lang.usize(self.arrived % EACH)] = lang.u8(byte)
            self.arrived += 1
        self.tell()

    def take(self, count: int) -> None:
        """The peer has taken so many more bytes, at most those that were written."""
        self.acknowledged += min(count, int(self.socket.written) - self.acknowledged)
        self.tell()

    def tell(self) -> None:
        self.net.moved(lang.u32(0), lang.u32(self.arrived), lang.u32(self.acknowledged), True, False, End.NONE)
        self.run()

    def rest(self, seconds: float) -> None:
        self.net.executor.now += round(seconds * SECOND)
        self.run()

    @property
    def timed_out(self) -> int:
        return int(self.server.counters.timed_out)


@pytest.fixture
def connection(exchange: Any) -> Iterator[Connection]:
    with plugged_in(exchange) as plugged:
        yield Connection(plugged)


def test_who_takes_nothing_is_ended(connection: Connection) -> None:
    connection.served.pieces = lang.u64(100)
    connection.say(REQUEST)
    connection.rest(19)
    assert not connection.served.ended
    connection.rest(2)
    assert connection.served.ended and connection.timed_out == 1


def test_who_takes_a_byte_now_and_then_is_ended(connection: Connection) -> None:
    """It is never silent for long, and never done."""
    connection.served.pieces = lang.u64(100)
    connection.say(REQUEST)
    seconds = 0
    while not connection.served.ended:
        seconds += 1
        assert seconds < 30
        connection.rest(1)
        connection.take(1)
    assert seconds > 18 and connection.timed_out == 1


def test_who_was_fast_at_first_has_no_more_time_afterwards(connection: Connection) -> None:
    connection.served.pieces = lang.u64(1_000)
    connection.say(REQUEST)
    for _ in range(500):
        connection.rest(0.01)
        connection.take(1_000)
    for _ in range(25):
        connection.rest(1)
        connection.take(1)
    assert connection.served.ended and connection.timed_out == 1


def test_who_is_as_fast_as_the_rate_is_served_to_the_end(connection: Connection) -> None:
    """102,400 bytes, 1,100 a second: one and a half minutes."""
    connection.served.pieces = lang.u64(100)
    connection.say(REQUEST)
    for _ in range(101):
        connection.rest(1)
        connection.take(1_100)
    assert connection.timed_out == 0 and not connection.served.ended
    assert connection.acknowledged > 100 * 1_024
    connection.say(REQUEST)
    assert connection.served.requests == 2


def test_time_in_which_the_program_has_nothing_to_send_doesnt_count(connection: Connection) -> None:
    """Ten requests, each a minute after the other, whose answers are taken slowly at the end."""
    for number in range(10):
        connection.say(REQUEST)
        connection.rest(30)
        connection.take(EACH)
        connection.rest(25)
        assert connection.served.requests == number + 1
    assert connection.timed_out == 0


def test_an_empty_span_reads_nothing(connection: Connection) -> None:
    connection.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    assert connection.served.requests == 1 and connection.served.empty == 0


def post(connection: Connection, data: bytes) -> None:
    """It has come, and been told of, but no task has run since."""
    buffer = connection.net.buffer(lang.u32(0), True)
    for place, byte in enumerate(data):
        buffer[lang.usize(connection.arrived + place)] = lang.u8(byte)
    connection.arrived += len(data)
    connection.plugged.service.post_moved(lang.u32(0), lang.u32(connection.arrived), lang.u32(0))


def test_an_idle_connection_gives_way(connection: Connection) -> None:
    connection.say(REQUEST)
    connection.served.ask_for_its_place()
    connection.run()
    assert connection.served.ended and connection.net.executor.signalled == 0
    assert not connection.served.seats[lang.usize(0)].wanted and not connection.served.seats[lang.usize(0)].taken


def test_who_has_just_asked_stays(connection: Connection) -> None:
    """Its request was told of, but its task hasn't run since: it is answered, and whoever wanted the place is told."""
    seat = connection.served.seats[lang.usize(0)]
    connection.say(REQUEST)
    post(connection, REQUEST)
    connection.served.ask_for_its_place()
    connection.run()
    assert connection.served.requests == 2 and not connection.served.ended
    connection.take(EACH)
    assert not seat.wanted and seat.waits_since != 0 and not seat.is_slow, "it waits for another one"
    assert connection.net.executor.signalled == SIGNAL


# --- who is slow ------------------------------------------------------------------------------------------------------


def wanted(connection: Connection) -> Any:
    """What somebody else is told who comes now, of the one place that there is; and the connection's task has run."""
    for place in range(1, 5):
        connection.served.seats[lang.usize(place)].taken = True
    found = connection.served.room(lang.u64(SECOND // 2))
    connection.run()
    return found


def said_by(connection: Connection) -> bytes:
    """All that the connection was answered, as far as it fits its buffer."""
    return bytes(int(byte) for byte in connection.net.buffer(lang.u32(0), False))[: int(connection.socket.written)]


@pytest.mark.parametrize(
    "begin", [b"POST / HTTP/1.1\r\nHost", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{"]
)
def test_a_slow_sender_gives_way(connection: Connection, begin: bytes) -> None:
    """A byte every tenth of a second, in the head or in the body: half a second after it began, it gives way."""
    connection.served.reads = True
    connection.say(begin)
    for _ in range(4):
        connection.rest(0.1)
        connection.say(b"x")
        assert wanted(connection) is Room.SOON and not connection.served.ended
    connection.rest(0.2)
    connection.say(b"x")
    assert wanted(connection) is Room.SOON
    assert connection.served.ended and connection.timed_out == 1
    assert said_by(connection).startswith(b"HTTP/1.1 408 ")


def test_who_was_refused_and_goes_on_sending_gives_way(connection: Connection) -> None:
    """What comes behind a refusal is read past, so that the client sees it, and keeps nobody waiting."""
    connection.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    connection.say(bytes(100))
    connection.rest(0.05)
    assert said_by(connection).startswith(b"HTTP/1.1 413 ") and not connection.served.ended
    post(connection, bytes(100))
    assert wanted(connection) is Room.SOON
    assert connection.served.ended


def test_who_sends_a_body_as_fast_as_it_has_to_keeps_its_place(connection: Connection) -> None:
    """1,000 bytes a second, for eight seconds."""
    connection.served.reads = True
    connection.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n")
    for _ in range(32):
        connection.say(bytes(250))
        assert wanted(connection) is Room.NONE
        connection.rest(0.25)
    assert connection.served.requests == 1 and said_by(connection).startswith(b"HTTP/1.1 200 ")


def test_a_slow_reader_gives_way(connection: Connection) -> None:
    connection.served.pieces = lang.u64(100)
    connection.say(REQUEST)
    for _ in range(4):
        connection.rest(0.1)
        connection.take(1)
        assert wanted(connection) is Room.SOON and not connection.served.ended
    connection.rest(0.2)
    assert wanted(connection) is Room.SOON and connection.served.ended


def test_who_takes_an_answer_as_fast_as_the_rate_keeps_its_place(connection: Connection) -> None:
    connection.served.pieces = lang.u64(20)
    connection.say(REQUEST)
    while int(connection.socket.written) < 20 * 1_024:
        connection.rest(0.25)
        connection.take(250)
        wanted(connection)
    assert not connection.served.ended and connection.timed_out == 0


def test_whoever_is_idle_gives_way_before_who_is_slow(connection: Connection) -> None:
    served = connection.served
    connection.net.executor.now = lang.u64(10 * SECOND)
    for place, (since, slow) in enumerate([(8, True), (9, False), (8, False), (2, True), (0, False)]):
        seat = served.seats[lang.usize(place)]
        seat.taken, seat.waits_since, seat.is_slow = True, lang.u64(since * SECOND), slow
    found = []
    while any(seat.waits_since for seat in served.seats):
        assert served.room(lang.u64(SECOND // 2)) is Room.SOON
        (place,) = [place for place in range(5) if served.seats[lang.usize(place)].wanted]
        found.append(place)
        assert served.room(lang.u64(0)) is Room.SOON, "one at a time"
        assert sum(served.seats[lang.usize(each)].wanted for each in range(5)) == 1
        served.seats[lang.usize(place)].wanted, served.seats[lang.usize(place)].waits_since = False, lang.u64(0)
    assert found == [2, 1, 3, 0] and served.room(lang.u64(0)) is Room.NONE, "who is at work, the last one, stays"
    served.seats[lang.usize(1)].leave()
    assert served.room(lang.u64(0)) == 1
