"""What stands between packets and protocols: neighbours, path MTUs, fragments, and how often something is answered."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.lang import byte_span, u8, u16, u32, u64, usize
from neokernel.runtime.hashing import Seed
from neokernel.services.network import reassembly
from neokernel.services.network.address import Address, LinkAddress, address
from neokernel.services.network.backlog import PLACES, SIZE, Backlog
from neokernel.services.network.clock import NEVER, SECOND
from neokernel.services.network.drop import Drop
from neokernel.services.network.ipv4 import LEAST_MTU, Packet
from neokernel.services.network.neighbours import LIFETIME, WAYS, Neighbours, Unknown
from neokernel.services.network.path import PLATEAUS, Paths
from neokernel.services.network.rate import Rate
from neokernel.services.network.reassembly import DATAGRAMS, MOST, Reassembly

HERE, THERE = Address(u32(0x0A00020F)), Address(u32(0x0A000202))
SECONDS = int(SECOND)


def host(number: int) -> Address:
    return Address(u32(0x0A000000 + number))


# --- addresses --------------------------------------------------------------------------------------------------------


def test_kinds_of_addresses() -> None:
    net = address(u32(10), u32(0), u32(2), u32(0))
    assert HERE.within(net, u32(24)) and not HERE.within(net, u32(29)) and HERE.within(net, u32(0))
    assert address(u32(10), u32(0), u32(2), u32(255)).is_broadcast_of(net, u32(24))
    assert not HERE.is_broadcast_of(net, u32(24))
    assert not address(u32(10), u32(0), u32(2), u32(1)).is_broadcast_of(net, u32(31)), "RFC 3021"
    assert address(u32(224), u32(0), u32(0), u32(1)).is_multicast() and HERE.is_single()
    assert not Address(u32(0)).is_single() and not Address(u32(0xFFFFFFFF)).is_single()


# --- neighbours -------------------------------------------------------------------------------------------------------


def cache() -> Any:
    return Neighbours(seed=Seed(u64(1), u64(2)))


def test_a_neighbour_is_asked_for_and_learnt() -> None:
    neighbours = cache()
    assert neighbours.request(u64(0)) is None
    assert neighbours.look_up(HERE, u64(0)) is Unknown.WAIT
    assert neighbours.request(u64(0)) == HERE and neighbours.request(u64(5)) is None, "once"
    assert neighbours.next == SECOND
    assert neighbours.learn(HERE, LinkAddress(u64(7)), False, u64(9))
    assert neighbours.look_up(HERE, u64(10)) == LinkAddress(u64(7))
    assert neighbours.request(SECOND) is None and neighbours.next == NEVER


def test_nobody_is_there() -> None:
    neighbours = cache()
    neighbours.look_up(HERE, u64(0))
    for second in range(3):
        assert neighbours.look_up(HERE, u64(second * SECONDS)) is Unknown.WAIT
        assert neighbours.request(u64(second * SECONDS)) == HERE
    assert neighbours.request(u64(3 * SECONDS)) is None and neighbours.gave_up
    assert neighbours.look_up(HERE, u64(3 * SECONDS)) is Unknown.NOBODY
    assert neighbours.look_up(HERE, u64(3 * SECONDS)) is Unknown.WAIT, "asked anew"
    assert neighbours.request(u64(3 * SECONDS)) == HERE


def test_a_neighbour_is_asked_again_while_it_is_used() -> None:
    neighbours = cache()
    neighbours.learn(HERE, LinkAddress(u64(7)), True, u64(0))
    later = int(LIFETIME)
    assert neighbours.look_up(HERE, u64(later)) == LinkAddress(u64(7))
    for second in range(3):
        assert neighbours.request(u64(later + second * SECONDS)) == HERE
        assert neighbours.look_up(HERE, u64(later + second * SECONDS)) == LinkAddress(u64(7))
    assert neighbours.request(u64(later + 3 * SECONDS)) is None and not neighbours.gave_up
    assert neighbours.look_up(HERE, u64(later + 3 * SECONDS)) is Unknown.WAIT


def test_who_wasnt_asked_for_isnt_learnt() -> None:
    neighbours = cache()
    assert not neighbours.learn(HERE, LinkAddress(u64(7)), False, u64(0))
    assert neighbours.look_up(HERE, u64(0)) is Unknown.WAIT


def test_the_cache_is_bounded_and_the_one_in_use_stays() -> None:
    neighbours = cache()
    neighbours.learn(HERE, LinkAddress(u64(7)), True, u64(0))
    for number in range(400):
        now = u64(1 + number)
        neighbours.learn(host(number), LinkAddress(u64(number + 10)), True, now)
        assert neighbours.look_up(HERE, now) == LinkAddress(u64(7))
    known = sum(neighbours.find(host(number)) is not None for number in range(400))
    assert known == len(neighbours.entries) - 1 and WAYS == 4


# --- paths ------------------------------------------------------------------------------------------------------------


def test_path_mtus() -> None:
    paths: Any = Paths(seed=Seed(u64(1), u64(2)))
    link, now = u32(1500), u64(5)
    assert paths.mtu_to(HERE, link, now) == 1500
    assert paths.learn(HERE, u32(1400), u32(1500), link, now) == 1400 == paths.mtu_to(HERE, link, now)
    assert paths.learn(HERE, u32(1450), u32(1500), link, now) == 1400, "it doesn't grow by a message"
    assert paths.learn(HERE, u32(40), u32(1500), link, now) == LEAST_MTU
    assert paths.learn(THERE, u32(0), u32(1500), link, now) == 1492 == PLATEAUS[5]
    assert paths.learn(THERE, u32(0), u32(1492), link, now) == 1006 == PLATEAUS[6]
    assert paths.mtu_to(HERE, link, u64(601 * SECONDS)) == 1500, "forgotten"


# --- fragments --------------------------------------------------------------------------------------------------------


def fragment(offset: int, more: bool, identification: int = 1) -> Packet:
    return Packet(HERE, THERE, u8(17), u16(identification), usize(offset), more, usize(20), usize(20))


def add(whole: Any, data: bytes, offset: int, more: bool, identification: int = 1, now: int = 0) -> Any:
    return whole.add(fragment(offset, more, identification), byte_span(bytearray(data)), u64(now))


@settings(max_examples=60)
@given(st.data())
def test_fragments_in_any_order(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 400))
    content = bytes(number * 7 & 255 for number in range(size))
    inner = data.draw(st.sets(st.integers(1, max(1, (size - 1) // 8)), max_size=12)) if size > 8 else set()
    cuts = [0, *sorted(8 * cut for cut in inner if 8 * cut < size), size]
    pieces = list(itertools.pairwise(cuts))
    order = data.draw(st.permutations(pieces + data.draw(st.lists(st.sampled_from(pieces), max_size=4))))
    whole: Any = Reassembly()
    missing = set(pieces)
    for left, right in order:
        missing.discard((left, right))
        found = add(whole, content[left:right], left, right != size)
        if not missing:
            assert bytes(whole.bytes_of(found)) == content
            whole.release(found)
            return
        assert found is None
    raise AssertionError("it never was whole")


def test_overlaps_are_refused_with_all_that_belongs_to_them() -> None:
    for offset, data in ((8, b"other 16 bytes.."), (0, b"88888888"), (16, b"x" * 16)):
        whole: Any = Reassembly()
        assert add(whole, b"a" * 24, 0, True) is None
        assert add(whole, data, offset, True) is Drop.FRAGMENTS
        assert add(whole, b"rest", 24, False) is Drop.FRAGMENTS
        assert add(whole, b"ok", 0, False, 2) is not None, "another one is not concerned"
        assert whole.deadline() == reassembly.LIFETIME and whole.expire(reassembly.LIFETIME) == 2
        assert add(whole, b"fresh", 0, False) is not None, "a new one of that name"


def test_two_ends_dont_fit() -> None:
    whole: Any = Reassembly()
    assert add(whole, b"end", 16, False) is None
    assert add(whole, b"another end", 16, False) is Drop.FRAGMENTS
    whole = Reassembly()
    assert add(whole, b"beyond..", 24, True) is None
    assert add(whole, b"end", 16, False) is Drop.FRAGMENTS
    whole = Reassembly()
    assert add(whole, b"the same", 0, True) is None and add(whole, b"beyond..", 24, True) is None
    assert add(whole, b"the same", 0, False) is Drop.FRAGMENTS, "it comes twice, and is the end the second time"


def test_fragments_are_bounded() -> None:
    whole: Any = Reassembly()
    assert add(whole, b"x" * 16, int(MOST) - 8, True) is Drop.FRAGMENTS
    for number in range(10, 30):
        assert add(whole, b"x" * 8, 8, True, number, now=number) is None
    assert sum(datagram.state is reassembly.State.OPEN for datagram in whole.datagrams) == DATAGRAMS
    assert {int(datagram.identification) for datagram in whole.datagrams} == {26, 27, 28, 29}, "the oldest went"
    whole = Reassembly()
    for number in range(16):
        assert add(whole, b"x" * 8, 16 * number, True) is None
    assert add(whole, b"x" * 8, 16 * 16, True) is Drop.FRAGMENTS, "too many pieces"


# --- rates, and places for answers ------------------------------------------------------------------------------------


def test_a_rate() -> None:
    rate: Any = Rate(per_second=u64(10))
    assert sum(rate.take(u64(0)) for _ in range(200)) == 100, "what a quiet time leaves"
    taken = sum(rate.take(u64(millisecond * 1000)) for millisecond in range(10_000))
    assert 60 <= taken <= 101, "a few are lost, so that nobody can count"
    assert sum(rate.take(u64(1 << 60)) for _ in range(200)) <= 20


def test_the_backlog() -> None:
    backlog: Any = Backlog()
    assert backlog.room(usize(SIZE + 1)) is None and backlog.oldest() is None
    for number in range(3 * PLACES):
        room = backlog.room(usize(4))
        if number >= PLACES:
            oldest = backlog.oldest()
            assert room is None and oldest.packet[0] == number - PLACES and oldest.length == 4
            backlog.remove()
            room = backlog.room(usize(4))
        room[0] = u8(number)
        backlog.add(usize(4), LinkAddress(u64(number)))
