"""The client library over the service's core: what verbs give, also when rings are full and the service ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neokernel.interfaces.clients.socket import Gone
from neokernel.interfaces.clients.sockets import REQUESTS
from neokernel.interfaces.sockets import MOST_DATAGRAMS, End, Refusal
from neokernel.lang import usize
from tests.network.plugged import BIND, CONNECT, HEAR, LISTEN, RECEIVE, SAY, SEND
from tests.network.plugging import EACH, SECOND, Plugged, core, plugged_in


@pytest.fixture(scope="module")
def exchange() -> Any:
    return core()


@pytest.fixture
def plugged(exchange: Any) -> Iterator[Plugged]:
    with plugged_in(exchange) as made:
        yield made


def connected(plugged: Plugged) -> Any:
    """A stream to a listener of the program's own."""
    plugged.spawn(LISTEN)
    plugged.settle()
    plugged.spawn(CONNECT)
    plugged.settle()
    assert plugged.program.stream is not None
    return plugged.program.stream


def test_who_receives_may_have_a_deadline(plugged: Plugged) -> None:
    connected(plugged)
    plugged.spawn(RECEIVE, until=plugged.now + SECOND)
    plugged.rest(0.5)
    assert plugged.program.ended == 2, "nothing has come, and it isn't over"
    plugged.rest(1)
    assert plugged.program.ended == 3 and plugged.program.expired


def test_who_connects_may_have_a_deadline(plugged: Plugged) -> None:
    """Nobody answers before it is over; what is opened afterwards is nobody's, and is closed."""
    plugged.spawn(CONNECT, until=plugged.now + SECOND)
    plugged.run()
    plugged.net.executor.now += 2 * SECOND
    plugged.run()
    assert plugged.program.end is End.TIMED_OUT
    plugged.settle()
    plugged.settle()
    assert plugged.region.taken == 0
    connected(plugged)


def test_a_deadline_holds_also_when_there_is_no_place_to_ask(plugged: Plugged) -> None:
    """The service takes no orders: some wait for it, and others for these."""
    count = REQUESTS + 3
    for _ in range(count):
        plugged.spawn(CONNECT, until=plugged.now + SECOND)
    for _ in range(3):
        plugged.run()
        plugged.net.executor.now += SECOND
    plugged.run()
    assert plugged.program.ended == count and plugged.program.end is End.TIMED_OUT
    for _ in range(4):
        plugged.settle()
    connected(plugged)


def has_opened(program: Any) -> bool:
    """A listener, or a UDP socket."""
    return program.listener is not None or program.own is not None


@pytest.mark.parametrize("kind", [LISTEN, BIND])
def test_who_listens_or_binds_may_have_a_deadline(plugged: Plugged, kind: Any) -> None:
    """The service doesn't answer before it is over; what is opened afterwards is nobody's, and is given back."""
    program = plugged.program
    plugged.spawn(kind, until=plugged.now + SECOND)
    plugged.run()
    plugged.net.executor.now += SECOND // 2
    plugged.run()
    assert program.ended == 0, "it isn't over"
    plugged.net.executor.now += SECOND
    plugged.run()
    assert program.ended == 1 and program.why is Refusal.EXPIRED
    plugged.settle()
    plugged.settle()
    assert plugged.region.taken == 0 and not any(request.taken for request in plugged.net.requests)
    plugged.spawn(kind)
    plugged.settle()
    assert program.ended == 2 and has_opened(program), "its port is free again"


@pytest.mark.parametrize("kind", [LISTEN, BIND])
def test_the_same_when_there_is_no_place_to_ask(plugged: Plugged, kind: Any) -> None:
    """The ring is full: some wait for it, others for the requests of these. Nothing was asked for, so nothing comes."""
    program, count = plugged.program, REQUESTS + 3
    program.fill()
    for number in range(count):
        plugged.spawn(kind, port=100 + number, until=plugged.now + SECOND)
    for _ in range(3):
        plugged.run()
        plugged.net.executor.now += SECOND
    plugged.run()
    assert program.ended == count
    # There are eight places for listeners: the others were told so before.
    assert program.why in ((Refusal.EXPIRED, Refusal.FULL) if kind == LISTEN else (Refusal.EXPIRED,))
    assert not has_opened(program)
    for _ in range(4):
        plugged.settle()
    assert plugged.region.taken == 0 and not any(request.taken for request in plugged.net.requests)
    plugged.spawn(kind)
    plugged.settle()
    assert has_opened(program)


def test_who_sends_may_have_a_deadline(plugged: Plugged) -> None:
    """Nobody reads: both ends' buffers fill, and the rest isn't handed over. What was is known, and it goes on."""
    program, stream = plugged.program, connected(plugged)
    plugged.spawn(SEND, until=plugged.now + 2 * SECOND)
    plugged.rest(1)
    assert program.ended == 2, "it isn't over"
    plugged.rest(2)
    assert program.ended == 3 and program.expired
    # A reader's window is rounded down to what its peer's segments fill.
    assert EACH < program.length <= 2 * EACH and plugged.net.put(stream, b"more") == 0
    assert int(plugged.net.stream_of(stream).written) == int(program.length), "so many of them were handed over"
    plugged.net.abort(stream)
    plugged.settle()
    plugged.spawn(SEND, until=plugged.now + SECOND)
    plugged.run()
    assert program.ended == 4 and program.end is End.ABORTED and not program.expired, "an end is told before"


def test_who_sends_a_datagram_may_have_a_deadline(plugged: Plugged) -> None:
    """Neither the ring has room, nor, when it is read no more, the socket: none of the datagram is sent then."""
    program, own = plugged.program, bound(plugged)
    program.fill()
    plugged.spawn(SAY, port=int(own.port), until=plugged.now + SECOND)
    plugged.run()
    assert program.ended == 1, "it isn't over"
    plugged.net.executor.now += SECOND
    plugged.run()
    assert (program.ended, program.gone) == (2, Gone.EXPIRED)
    plugged.settle()
    socket = plugged.net.datagrams_of(own)
    assert socket.sending == 0 and socket.count == 0, "nothing was sent"
    for _ in range(MOST_DATAGRAMS):
        assert program.say(own)
    plugged.spawn(SAY, port=int(own.port), until=plugged.now + SECOND)
    plugged.run()
    assert program.ended == 2, "all places are taken, and it isn't over"
    plugged.net.executor.now += SECOND
    plugged.run()
    assert (program.ended, program.gone) == (3, Gone.EXPIRED) and socket.sending == MOST_DATAGRAMS
    plugged.settle()
    plugged.spawn(SAY, port=int(own.port), until=plugged.now + SECOND)
    plugged.run()
    assert (program.ended, program.gone) == (4, None), "there is room"


def test_options_are_told(plugged: Plugged) -> None:
    net, stream = plugged.net, connected(plugged)
    connection = plugged.connection(stream)
    assert not connection.no_delay and connection.keep_alive == 0, "it has none at first"
    net.no_delay(stream)
    net.keep_alive(stream, 60, 5)
    plugged.settle()
    assert connection.no_delay and connection.keep_alive == 60 * SECOND and connection.keep_interval == 5 * SECOND
    assert connection.keep_at == connection.heard_at + 60 * SECOND
    net.no_delay(stream, False)
    net.keep_alive(stream, 0, 0)
    plugged.settle()
    assert not connection.no_delay and connection.keep_alive == 0
    net.keep_alive(stream, 60)
    net.close(stream)
    net.keep_alive(stream, 1)
    plugged.settle()
    assert plugged.net.first_dirty == 0xFFFF_FFFF, "of one that is closed nothing is told"


@pytest.mark.parametrize("kind", [LISTEN, CONNECT, BIND])
def test_who_couldnt_ask_before_the_service_ended_asks_the_next_one(plugged: Plugged, kind: Any) -> None:
    """Its order wasn't posted, as the ring was full: nobody has answered it, and each is answered once."""
    program = plugged.program
    connected(plugged)
    program.fill()
    for number in range(3):
        plugged.spawn(kind, port=7 if kind == CONNECT else 100 + number)
    plugged.run()
    program.stream = program.own = program.why = None
    plugged.restart()
    plugged.settle()
    plugged.settle()
    assert program.ended == 5 and program.why is None and program.end is None
    assert not any(request.taken for request in plugged.net.requests)
    given = [int(socket.serial) for socket in plugged.net.sockets if socket.number != 0]
    # The program's end of three streams and the listener's; three UDP sockets; none of a listener's.
    wanted = {int(LISTEN): 0, int(CONNECT): 6, int(BIND): 3}[int(kind)]
    assert len(set(given)) == wanted == plugged.region.taken


def test_who_has_asked_when_the_service_ends_is_refused_once(plugged: Plugged) -> None:
    plugged.spawn(CONNECT)
    plugged.run()
    plugged.restart()
    plugged.settle()
    assert plugged.program.ended == 1 and plugged.program.why is not None
    assert plugged.region.taken == 0, "and the new service hasn't heard of it"


def bound(plugged: Plugged) -> Any:
    plugged.spawn(BIND, port=0)
    plugged.settle()
    assert plugged.program.own is not None
    return plugged.program.own


def test_a_datagram_that_was_read_is_told_of_whoever_is_cancelled(plugged: Plugged) -> None:
    program, own = plugged.program, bound(plugged)
    sockets = plugged.exchange.network.udp.sockets
    (socket,) = [each for index in range(len(sockets)) if (each := sockets.at(usize(index))) is not None]
    for turn in range(3):
        assert program.say(own)
        plugged.settle()
        assert socket.incoming.count == 1
        program.fill()
        program.length = 0
        plugged.spawn(HEAR, until=plugged.now)
        plugged.run()
        assert program.ended == 2 + turn and program.length == 5 and not program.expired
        plugged.settle()
        assert socket.incoming.count == 0, "the service knows that its bytes aren't needed any more"


def test_datagrams_are_given_up_though_the_ring_is_full(plugged: Plugged) -> None:
    own = bound(plugged)
    plugged.program.fill()
    plugged.net.unbind(own)
    assert plugged.net.datagrams_of(own) is None and plugged.region.taken == 1
    plugged.settle()
    assert plugged.region.taken == 0
