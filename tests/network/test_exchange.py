"""What clients say to the network service: orders that make sense and orders that don't, in any order, of any number.

Nothing that a client says fails a check, or gives it what isn't its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.sockets import Refusal
from neokernel.lang import byte_span, u16, u32, u64, usize
from neokernel.runtime.hashing import Seed
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.complaints import Complaints
from neokernel.services.network.connection import State
from neokernel.services.network.denials import say
from neokernel.services.network.drop import Counters, Drop
from neokernel.services.network.exchange import Exchange, packed
from neokernel.services.network.grants import Grant, Protocol, Verb
from neokernel.services.network.limits import CONNECTIONS, LISTENERS, PORTS

CLIENT, OTHER = 1, 2
HERE = 0x7F00_0001
EACH = 1024
PAIRS = 6


def exchange() -> tuple[Exchange, bytearray]:
    """A host with two clients, of which each may do all on 127.0.0.1."""
    made = Exchange()
    made.network.begin(LinkAddress(u64(0x02_0000_0000_01)), Seed(u64(1), u64(2)))
    memory = bytearray(2 * EACH * PAIRS)
    for client in (CLIENT, OTHER):
        made.network.tcp.buffers.regions[usize(client)].attach(byte_span(bytearray(2 * EACH * PAIRS)), usize(EACH))
        for verb in Verb:
            for protocol in Protocol:
                grant = Grant(verb, protocol, Address(u32(HERE)), u32(8), u16(1), u16(0xFFFF))
                assert made.network.grants[usize(client)].add(grant)
    made.client = u32(CLIENT)
    return made, memory


def settle(made: Exchange) -> None:
    """Let the host talk to itself until it has nothing to say."""
    frame = bytearray(1600)
    for _ in range(200):
        if not made.network.has_output(made.now):
            return
        made.network.fetch(byte_span(frame), made.now)


def answers(made: Exchange) -> list[int]:
    """The numbers of what was opened."""
    found = []
    while (answer := made.answers.pop()) is not None:
        found.append(int(answer.socket))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_orders(seed: int) -> None:
    made, _ = exchange()
    choose = random.Random(seed)
    known: list[int] = [0]
    for step in range(250):
        made.now = u64(1_000_000 + 1000 * step)
        made.client = u32(choose.choice((CLIENT, CLIENT, OTHER)))
        number = u64(choose.choice([*known, packed(u32(choose.randrange(1100)), u32(choose.randrange(4)))]))
        port, count = u16(choose.choice((0, 7, 8))), u32(choose.choice((0, 1, 100, EACH, EACH + 1, 0xFFFF_FFFF)))
        match choose.randrange(11):
            case 0:
                made.listen(u32(1), u32(0), port, u32(4))
            case 1 | 2:
                made.connect(u32(1), u32(choose.choice((HERE, HERE, 0x0A00_0202))), port)
            case 3 | 4:
                made.moved(number, count, u32(choose.choice((0, 1, 100))))
            case 5:
                made.finish(number)
            case 6:
                choose.choice((made.close, made.abort, made.unbind, made.stop))(number)
            case 7:
                made.bind(u32(1), u32(0), port)
            case 8:
                made.send_to(number, u32(HERE), port, count)
            case 9:
                made.taken(number, count)
            case _:
                settle(made)
        known = (known + answers(made))[-20:]
        if step % 10 == 9:
            made.network.advance(made.now)
    made.network.forget(u32(CLIENT))
    made.network.forget(u32(OTHER))
    for client in (CLIENT, OTHER):
        assert made.network.tcp.buffers.regions[usize(client)].taken == 0, "all buffers are given back"


def refused(made: Exchange, client: int, order: Callable[[int], None], most: int) -> tuple[int, Refusal | None]:
    """How often an order is done before it is refused, and why it is."""
    made.client = u32(client)
    for number in range(most):
        order(number)
        answer = made.answers.pop()
        assert answer is not None
        if answer.socket == 0:
            return number, answer.why
    return most, None


def test_no_client_takes_what_is_kept_for_another_one() -> None:
    """One has memory for 200 sockets, the other for six: a part of the places is kept for each that can use it."""
    made, _ = exchange()
    made.network.lend(u32(CLIENT), byte_span(bytearray(2 * EACH * 200)), usize(EACH))
    made.network.lend(u32(OTHER), byte_span(bytearray(2 * EACH * PAIRS)), usize(EACH))
    everywhere = Grant(Verb.LISTEN, Protocol.TCP, Address(u32(0)), u32(0), u16(1), u16(0xFFFF))
    for client in (CLIENT, OTHER):
        assert made.network.grant(u32(client), everywhere)

    def bind(number: int) -> None:
        made.bind(u32(1), u32(0), u16(0))

    def listen(number: int) -> None:
        made.listen(u32(1), u32(0), u16(100 + number), u32(4))

    def listen_elsewhere(number: int) -> None:
        made.listen(u32(1), u32(0), u16(200 + number), u32(4))

    assert refused(made, CLIENT, bind, 100) == (PORTS - PAIRS, Refusal.SHARE)
    assert refused(made, OTHER, bind, 100) == (PAIRS, Refusal.SHARE)
    kept = LISTENERS // 4
    assert refused(made, CLIENT, listen, 100) == (LISTENERS - kept, Refusal.SHARE)
    assert refused(made, OTHER, listen_elsewhere, 100) == (kept, Refusal.SHARE)
    said = []
    while (denial := made.network.denials.take()) is not None:
        sentence = LogLine()
        say(denial, "web", sentence)
        said.append(str(sentence.text()))
    assert said == [
        f"web was denied another {what}: the 64 that there are are in use, or kept for other clients"
        for what in ("UDP socket", "UDP socket", "listener", "listener")
    ]
    # What one has given back is kept for it again.
    made.network.forget(u32(OTHER))
    assert refused(made, CLIENT, bind, 100) == (0, Refusal.SHARE)
    made.network.forget(u32(CLIENT))
    assert (made.network.udp.shares.used, made.network.tcp.listener_shares.used) == (0, 0)


def test_connections_are_shared_too() -> None:
    """Both have memory for more than there are: a quarter of all is kept for each."""
    made, _ = exchange()
    memory = byte_span(bytearray(2 * 64 * 1024))
    for client in (CLIENT, OTHER):
        # Nothing is sent, so they may have the same memory, and small buffers.
        made.network.lend(u32(client), memory, usize(64))

    def connect(number: int) -> None:
        made.connect(u32(1), u32(HERE), u16(1 + number))

    assert refused(made, CLIENT, connect, 1024) == (CONNECTIONS - CONNECTIONS // 4, Refusal.SHARE)
    assert refused(made, OTHER, connect, 1024) == (CONNECTIONS // 4, Refusal.SHARE)
    # One of its own gives way to the first, though others' would, too.
    shares = made.network.tcp.connection_shares
    for client in (OTHER, CLIENT):
        handle = next(
            handle
            for index in range(CONNECTIONS)
            if (handle := made.network.tcp.connections.handle_at(usize(index))) is not None
            and (known := made.network.tcp.connections.get(handle)) is not None
            and known.client == client
        )
        known = made.network.tcp.connections.get(handle)
        assert known is not None
        known.state, known.open = State.FIN_WAIT_2, False
    made.now += u64(1_000_000)
    made.client = u32(CLIENT)
    made.connect(u32(1), u32(HERE), u16(9999))
    answer = made.answers.pop()
    assert answer is not None and answer.socket != 0
    assert (shares.taken[CLIENT], shares.taken[OTHER]) == (CONNECTIONS - CONNECTIONS // 4, CONNECTIONS // 4)
    for client in (CLIENT, OTHER):
        made.network.forget(u32(client))
    settle(made)
    assert shares.used == 0 and shares.owed == 2 * (CONNECTIONS // 4)


def test_who_listens_has_the_address() -> None:
    made, _ = exchange()
    made.network.configure(Address(u32(0x0A00_0001)), u32(24), Address(u32(0)))
    for address, why in ((0x0A00_0002, Refusal.ADDRESS), (0x0A00_0001, None), (HERE, None), (0, None)):
        for order in (made.listen, made.bind):
            more = () if order == made.bind else (u32(4),)
            order(u32(1), u32(address), u16(7), *more)
            answer = made.answers.pop()
            assert answer is not None and (answer.socket != 0) == (why is None), (address, answer)
            assert why is None or answer.why is why


def test_a_client_cannot_name_another_ones_socket() -> None:
    made, _ = exchange()
    made.listen(u32(1), u32(0), u16(7), u32(4))
    made.client = u32(OTHER)
    made.connect(u32(2), u32(HERE), u16(7))
    settle(made)
    listener, stream = answers(made)

    def state() -> tuple[State, bool]:
        connection = made.network.tcp.connections.at(usize(stream & 0xFFFF_FFFF))
        assert connection is not None
        return connection.state, connection.open

    assert state() == (State.ESTABLISHED, True)
    made.client = u32(CLIENT)
    for order in (made.finish, made.close, made.abort):
        order(u64(stream))
    made.moved(u64(stream), u32(5000), u32(5000))
    assert state() == (State.ESTABLISHED, True)
    made.client = u32(OTHER)
    made.stop(u64(listener))
    assert made.network.tcp.listeners.at(usize(listener & 0xFFFF_FFFF)) is not None
    # A count that can't be resets the connection of who says it.
    made.moved(u64(stream), u32(EACH + 1), u32(0))
    assert state() == (State.CLOSED, True)


def test_what_comes_wrong_is_told_once_in_a_while() -> None:
    complaints, counters, minute = Complaints(), Counters(), 60_000_000

    def told(now: int) -> str:
        said = LogLine()
        complaints.say(counters, said, u64(now))
        return str(said.text())

    assert told(0) == ""
    for reason in (Drop.CHECKSUM, Drop.CHECKSUM, Drop.FORM, Drop.NOT_OURS, Drop.FULL):
        counters.drop(reason)
    assert told(5) == "packets came wrong: 2 checksum, 1 form"
    counters.drop(Drop.FRAGMENTS)
    counters.drop(Drop.CHECKSUM)
    assert told(minute) == "", "a minute after the last line"
    assert told(minute + 5) == "packets came wrong: 1 checksum, 1 fragments"
    assert told(10 * minute) == ""
    for reason in Drop:
        counters.dropped[int(reason.value)] = u64(10**12)
    line = told(20 * minute)
    assert line.endswith(" fragments"), "all of it has room"
