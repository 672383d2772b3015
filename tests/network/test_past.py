"""A life of the service ends, with all that it knows, and the next one begins: peers hear of it, whoever they are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from neokernel import lang
from neokernel.runtime.hashing import Seed
from neokernel.services.network.address import Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.connection import End, State
from neokernel.services.network.limits import CONNECTIONS
from neokernel.services.network.past import MEMORY, ROUNDS
from tests.network import packets
from tests.network.packets import ACK, RST, Tcp
from tests.network.peer import CLIENT, HERE, LINK, PEER_LINK, SECOND, THERE, Host, Peer

PORT = 80
#: more than the resets that a second has for others (`rate.py`)
MANY = 150


class Side:
    """A host, in one life after the other: what outlives one is `state`."""

    def __init__(self, number: int, link: int) -> None:
        self.number, self.link, self.lives = number, link, 0
        self.state = bytearray(MEMORY)
        self.begin()

    def begin(self) -> None:
        self.lives += 1
        self.host = Host()
        self.network = self.host.network
        self.network.begin(LinkAddress(lang.u64(self.link)), Seed(lang.u64(self.lives), lang.u64(self.link)))
        self.network.configure(Address(lang.u32(self.number)), lang.u32(24), Address(lang.u32(0)))
        self.network.tcp.past.begin(lang.byte_span(self.state))

    def listen(self) -> None:
        here = Endpoint(Address(lang.u32(0)), lang.u16(PORT))
        assert not isinstance(self.network.tcp.listen(CLIENT, here, lang.u32(8)), lang.u32)

    def connections(self) -> list[Any]:
        every = self.network.tcp.connections
        return [found for place in range(CONNECTIONS) if (found := every.at(lang.usize(place))) is not None]


class Two:
    """A server, and a client of it."""

    def __init__(self) -> None:
        self.now = 1_000_000_000
        self.server, self.client = Side(HERE, LINK), Side(THERE, PEER_LINK)
        self.server.listen()
        self.lost = 0

    def connect(self) -> Any:
        there = Endpoint(Address(lang.u32(HERE)), lang.u16(PORT))
        tcp = self.client.network.tcp
        handle = tcp.connect(self.client.network.host, CLIENT, there, lang.u64(self.now))
        self.rest(1)
        return handle

    def rest(self, seconds: float, lose: int = 0) -> None:
        """Let time pass. The first `lose` frames are lost."""
        sides, until = (self.server, self.client), self.now + int(seconds * SECOND)
        while True:
            moved = False
            for side, other in (sides, sides[::-1]):
                while side.network.has_output(lang.u64(self.now)):
                    length = int(side.network.fetch(lang.byte_span(side.host.built), lang.u64(self.now)))
                    if length == 0:
                        break
                    moved = True
                    if lose:
                        lose -= 1
                        continue
                    frame = lang.byte_span(bytearray(side.host.built[:length]))
                    other.network.receive(frame, False, lang.u64(self.now))
            if moved:
                continue
            due = min(int(side.network.deadline()) for side in sides)
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            for side in sides:
                if int(side.network.deadline()) <= self.now:
                    side.network.advance(lang.u64(self.now))

    def state(self, handle: Any) -> Any:
        return self.client.network.tcp.status(CLIENT, handle)


def test_who_only_waits_learns_that_nobody_knows_it() -> None:
    two = Two()
    handles = [two.connect() for _ in range(3)]
    assert all(two.state(each).state is State.ESTABLISHED for each in handles)
    assert len(two.server.connections()) == 3
    two.server.begin()
    two.server.listen()
    two.rest(0.1)
    assert [two.state(each).end for each in handles] == [End.RESET] * 3
    # A new connection is none of the old ones.
    fresh = two.connect()
    two.rest(60)
    assert two.state(fresh).state is State.ESTABLISHED


@pytest.mark.parametrize("lose", [1, 2, 5])
def test_frames_may_be_lost(lose: int) -> None:
    two = Two()
    handle = two.connect()
    two.server.begin()
    two.rest(30, lose)
    assert two.state(handle).end is End.RESET


def test_what_was_over_is_nobodys_any_more() -> None:
    two = Two()
    handle = two.connect()
    two.client.network.tcp.abort(CLIENT, handle)
    two.rest(1)
    assert two.server.state == bytearray(MEMORY)
    assert two.client.state == bytearray(MEMORY)


def test_both_ends_may_begin_anew() -> None:
    """Nobody knows anything: each resets what it is sent, and that is all."""
    two = Two()
    two.connect()
    two.server.begin()
    two.client.begin()
    two.rest(60)
    assert two.server.state == two.client.state == bytearray(MEMORY)
    for side in (two.server, two.client):
        assert not side.connections()
        assert int(side.network.host.counters.segments_out) <= 2 * ROUNDS


def test_a_life_that_is_short_tells_whom_it_was_to_tell() -> None:
    """Who ends before it has told the peers of the one before leaves them to the next one."""
    two = Two()
    handle = two.connect()
    two.server.begin()
    two.server.begin()
    two.rest(10)
    assert two.state(handle).end is End.RESET


def test_all_are_told() -> None:
    """More than there are resets in a second for others."""
    memory = bytearray(MEMORY)
    first = Host()
    first.network.tcp.past.begin(lang.byte_span(memory))
    for place in range(MANY):
        here, there = (Endpoint(Address(lang.u32(each)), lang.u16(1000 + place)) for each in (HERE, THERE))
        first.network.tcp.past.note(lang.u32(place), Flow(here, there))
    second = Host()
    second.network.tcp.past.begin(lang.byte_span(memory))
    second.meet()
    asked = {Tcp.of(frame[34:]).source for frame in second.rest(0.5)}
    assert asked == set(range(1000, 1000 + MANY))
    for port in asked:
        (answer,) = Peer(second, port, port).say(ACK, seq=77, ack=99)
        assert (answer.flags, answer.sequence) == (RST, 99)


def test_many_on_the_link_are_told_and_that_ends() -> None:
    """More than there are link addresses known at a time; every third one isn't there any more."""
    memory = bytearray(MEMORY)
    first, count = Host(), 90
    first.network.tcp.past.begin(lang.byte_span(memory))
    for place in range(count):
        there = Endpoint(Address(lang.u32(HERE + 10 + place)), lang.u16(5000))
        first.network.tcp.past.note(lang.u32(place), Flow(Endpoint(Address(lang.u32(HERE)), lang.u16(PORT)), there))
    # One that can't be reached at all, and one that is no host.
    for place, odd in ((count, 0xFFFF_FFFF), (count + 1, packets.ip("224.0.0.1"))):
        flow = Flow(Endpoint(Address(lang.u32(HERE)), lang.u16(PORT)), Endpoint(Address(lang.u32(odd)), lang.u16(5000)))
        first.network.tcp.past.note(lang.u32(place), flow)
    host = Host()
    host.network.tcp.past.begin(lang.byte_span(memory))
    asked: Counter[int] = Counter()
    until = host.now + 60 * SECOND
    while (due := int(host.network.deadline())) <= until:
        host.now = max(host.now, due)
        host.network.advance(lang.u64(host.now))
        while host.network.has_output(lang.u64(host.now)):
            length = int(host.network.fetch(lang.byte_span(host.built), lang.u64(host.now)))
            if not length:
                break
            frame = bytes(host.built[:length])
            if frame[12:14] == b"\x08\x00":
                asked[int.from_bytes(frame[30:34])] += 1
            elif (whom := int.from_bytes(frame[38:42])) % 3:
                answer = packets.ethernet(packets.arp(2, 0x0200_0000_0000 | whom, whom, LINK, HERE), LINK, whom, 0x0806)
                host.network.receive(lang.byte_span(bytearray(answer)), False, lang.u64(host.now))
    every = {HERE + 10 + place for place in range(count)}
    assert set(asked) == {each for each in every if each % 3}
    assert max(asked.values()) <= ROUNDS
    assert int(host.network.tcp.past.count) == 0 and memory == bytearray(MEMORY)


def test_nobody_gets_more_resets_by_it_than_one_in_each_round() -> None:
    memory = bytearray(MEMORY)
    first = Host()
    first.network.tcp.past.begin(lang.byte_span(memory))
    here, there = (Endpoint(Address(lang.u32(each)), lang.u16(PORT)) for each in (HERE, THERE))
    first.network.tcp.past.note(lang.u32(5), Flow(here, there))
    host = Host()
    host.network.tcp.past.begin(lang.byte_span(memory))
    host.meet()
    resets = sum(len(Peer(host, PORT, PORT).say(ACK, seq=77, ack=99)) for _ in range(1000))
    assert 90 <= resets <= 101, "as for others, and one"


def test_what_the_memory_says_is_anything() -> None:
    """Records that nobody has written so: what can't be sent to isn't."""
    host = Host()
    half = int(MEMORY) // 2
    for memory in (b"\xff" * half + b"\1" * half, b"\xff" * 5, b""):
        host.network.tcp.past.begin(lang.byte_span(bytearray(memory)))
        assert not [each for each in host.rest(60) if each[12:14] == b"\x08\x00"]
