"""What a program holds of its sockets, when the network service has begun a new life (`interfaces/clients`)."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel.interfaces.clients.attending import lose_all
from neokernel.interfaces.clients.socket import Datagrams, Peer, Socket, Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.sockets import End
from neokernel.lang import Embedded, Span, byte_span, u16, u32, u64, usize
from neokernel.lang.sequences import window
from neokernel.lang.shapes import shape_of
from neokernel.runtime.executor import Executor

PEER = Peer(u32(1), u16(2))
#: the service gives its first socket the same number in each of its lives
FIRST = u64(1 << 32)


@pytest.fixture
def net() -> Any:
    span: Any = Span
    places = window(span, [Socket() for _ in range(4)], 0, 4, shape_of(Embedded[Socket]))
    return Net(executor=Executor(), slot=u64(1), sockets=places, each=u32(1024))


def told(net: Any, pair: int) -> Stream:
    """The service says that something was opened."""
    assert net.begin(u32(pair), FIRST, PEER)
    return Stream(u32(pair), net.sockets[usize(pair)].serial, PEER)


def test_an_old_stream_names_nothing_in_a_new_life(net: Any) -> None:
    old = told(net, 0)
    net.moved(u32(0), u32(7), u32(0), True, False, End.NONE)
    assert net.stream_of(old) is not None
    lose_all(net)
    into = byte_span(bytearray(10))
    assert net.get(old, into) is End.RESET and net.put(old, b"x") is End.RESET
    assert net.sockets[usize(0)].number == 0, "the new one is told nothing of it"
    net.moved(u32(0), u32(9), u32(0), True, False, End.DONE)
    assert net.get(old, into) is End.RESET, "nor believed"
    new = told(net, 0)
    assert net.get(new, into) is None and net.stream_of(old) is None and net.get(old, into) is End.ABORTED
    net.drop(u32(0), old.serial, False)
    assert not net.sockets[usize(0)].closing, "who gives the old one up gives up no other"


def test_what_was_closed_is_free_when_the_service_has_gone(net: Any) -> None:
    told(net, 1)
    net.sockets[usize(1)].closing = True
    lose_all(net)
    assert net.sockets[usize(1)].serial == 0


def test_where_the_next_byte_lies(net: Any) -> None:
    stream = told(net, 3)
    net.sockets[usize(3)].read_at = usize(8 * 100 + 3)
    assert net.place_in(stream) == 3
    told(net, 3)
    assert net.place_in(stream) == 0, "of one that is over"


def test_datagrams_are_closed(net: Any) -> None:
    stream = told(net, 2)
    net.sockets[usize(2)].datagrams = True
    own = Datagrams(u32(2), stream.serial, u16(7))
    net.came(u32(2), u32(1), u16(2), u32(5))
    assert net.datagrams_of(own).count == 1
    lose_all(net)
    assert net.datagrams_of(own) is None
    net.came(u32(2), u32(1), u16(2), u32(5))
    told(net, 2)
    assert net.sockets[usize(2)].count == 0 and net.datagrams_of(own) is None
