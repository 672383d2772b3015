"""TCP's rules, one by one: a peer says something, and what the host answers is what the RFC says."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from neokernel.lang import byte_span, u16, u32, u64, usize
from neokernel.services.network.address import Address, Endpoint
from neokernel.services.network.connection import End, State
from neokernel.services.network.datagrams import UdpError
from neokernel.services.network.drop import Drop
from neokernel.services.network.grants import Denied
from neokernel.services.network.tcp import TcpError
from tests.network import packets
from tests.network.packets import ACK, FIN, PSH, RST, SYN, Tcp
from tests.network.peer import CLIENT, FAR, GATEWAY, HERE, LINK, PEER_LINK, SECOND, THERE, Host, Peer

GATEWAY_LINK = 0x02_00_00_00_00_FE
#: bytes of a segment where the path takes 1,460: a multiple of eight
SEGMENT = 1456
ALL_OPTIONS = [(2, (1460).to_bytes(2)), (4, b""), (3, b"\7")]


@pytest.fixture(scope="module")
def machine() -> Host:
    return Host()


@pytest.fixture
def host(machine: Host) -> Host:
    """One host for all: a new one takes CPython seconds to make. Each test is an hour later, so rates are fresh."""
    machine.sent()
    machine.rest(3600)
    machine.meet()
    return machine


def opened(host: Host, **parts: Any) -> Peer:
    options = parts.pop("options", None)
    listener, port = host.listen()
    peer = Peer(host, port, **parts)
    peer.open(options, listener)
    return peer


def brief(segments: list[Tcp]) -> list[tuple[int, int, int, int]]:
    return [(made.flags, made.sequence, made.acknowledgment, len(made.payload)) for made in segments]


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_handshake_and_its_options(host: Host) -> None:
    listener, port = host.listen()
    peer = Peer(host, port, timed=True)
    answer = peer.open(ALL_OPTIONS, listener)
    assert answer.option(2) == (1460).to_bytes(2) and answer.option(4) == b"" and answer.option(3) is not None
    assert answer.option(8) is not None and answer.option(8)[4:] == (1000).to_bytes(4)  # type: ignore[index]
    assert peer.state().state is State.ESTABLISHED


def test_options_that_the_peer_doesnt_offer_arent_answered(host: Host) -> None:
    listener, port = host.listen()
    answer = Peer(host, port).open(None, listener)
    assert [kind for kind, _ in answer.options] == [2]


def test_initial_sequence_numbers_differ(host: Host) -> None:
    listener, port = host.listen()
    first, second = (Peer(host, port).open(None, listener).sequence for _ in range(2))
    assert first != second


def test_nobody_listens(host: Host) -> None:
    peer = Peer(host, 9)
    assert brief(peer.say(SYN)) == [(RST | ACK, 0, 5_000_001, 0)]
    assert brief(peer.say(ACK, ack=77)) == [(RST, 77, 0, 0)]
    assert peer.say(RST) == [] and host.dropped(Drop.NO_SOCKET) >= 3


def test_a_listener_ignores_what_isnt_for_it(host: Host) -> None:
    _, port = host.listen()
    peer = Peer(host, port)
    assert peer.say(RST) == []
    assert brief(peer.say(ACK, ack=77)) == [(RST, 77, 0, 0)], "nor a cookie"
    assert peer.say(FIN) == []


def test_a_syn_that_comes_again_is_answered_again(host: Host) -> None:
    _, port = host.listen()
    peer = Peer(host, port)
    (first,) = peer.say(SYN)
    (again,) = peer.say(SYN, seq=5_000_000)
    assert (again.flags, again.sequence) == (SYN | ACK, first.sequence)


def test_a_handshake_that_isnt_finished_is_forgotten(host: Host) -> None:
    _, port = host.listen()
    peer = Peer(host, port)
    assert len(peer.say(SYN)) == 1
    taken = int(host.region.taken)
    repeated = peer.rest(100)
    assert 4 <= len(repeated) <= 6 and all(made.flags == SYN | ACK for made in repeated)
    assert host.region.taken == taken - 1


def test_who_answers_takes_the_place_of_who_does_not(host: Host) -> None:
    """A flood of SYNs takes all buffers that there are; a peer that answers its cookie has one of them all the same."""
    listener, port = host.listen(backlog=1_000)
    before, open_before = int(host.counters.cookies_out), int(host.region.taken)
    while True:
        late = Peer(host, port)
        (answer,) = late.say(SYN)
        if int(host.counters.cookies_out) != before:
            break
    taken = int(host.region.taken)
    late.ack = (answer.sequence + 1) % 2**32
    assert late.say(ACK, b"hello", seq=late.seq) == [], "the others may still answer"
    behind = (late.seq + 5) % 2**32
    assert late.say(ACK, b"more", seq=behind) == [], "nobody knows it yet, which is no reason to reset it"
    stranger = Peer(host, port)
    assert brief(stranger.say(ACK, ack=77)) == [(RST, 77, 0, 0)], "it has got no cookie"
    host.rest(1.5)
    (answer,) = late.say(ACK, b"hello") + late.rest(0.1)
    assert (answer.flags, answer.acknowledgment) == (ACK, late.seq)
    late.handle = host.network.tcp.accept(CLIENT, listener)
    assert late.state().state is State.ESTABLISHED and late.state().waiting == 5
    assert int(host.region.taken) == taken
    host.rest(100)
    assert int(host.region.taken) <= open_before + 1, "the others have given up"


def fill(host: Host, port: int) -> list[Peer]:
    """SYNs that take all buffers that are left; nobody answers yet."""
    held = []
    while int(host.region.taken) < int(host.region.pairs):
        held.append(Peer(host, port))
        (answer,) = held[-1].say(SYN, options=ALL_OPTIONS)
        held[-1].ack = (answer.sequence + 1) % 2**32
    return held


def test_who_gave_way_may_answer_after_all(host: Host) -> None:
    """Its SYN isn't remembered any more; but the number that it acknowledges was made so that it can be known again."""
    listener, port = host.listen(backlog=1_000)
    held = fill(host, port)
    late = Peer(host, port)
    (answer,) = late.say(SYN)
    late.ack = (answer.sequence + 1) % 2**32
    host.rest(1.5)
    late.say(ACK)
    assert host.network.tcp.accept(CLIENT, listener) is not None
    known = {int(each.flow.remote.port) for each in live(host)}
    (gone,) = [peer for peer in held if peer.own not in known]
    assert gone.say(ACK) == [], "another one gives way to it, now that it is there"
    gone.handle = host.network.tcp.accept(CLIENT, listener)
    gone.say(ACK, b"here I am")
    assert gone.read() == b"here I am"
    connection = host.network.tcp.connections.get(gone.handle)
    assert connection.sack and connection.scale_out == 7, "what it had offered"
    host.rest(100)


def test_who_repeats_its_syn_gives_way_too(host: Host) -> None:
    """It doesn't answer, however often it asks: a flood may well say the same again and again."""
    listener, port = host.listen(backlog=1_000)
    held = fill(host, port)
    late = Peer(host, port)
    (answer,) = late.say(SYN)
    late.ack = (answer.sequence + 1) % 2**32
    for _ in range(4):
        host.rest(0.4)
        for peer in held:
            peer.say(SYN, seq=peer.seq - 1, options=ALL_OPTIONS)
    late.say(ACK)
    assert host.network.tcp.accept(CLIENT, listener) is not None
    host.rest(100)


def live(host: Host) -> list[Any]:
    places = (host.network.tcp.connections.at(usize(index)) for index in range(len(host.network.tcp.connections)))
    return [each for each in places if each is not None]


def test_the_answer_to_an_earlier_syn_counts(host: Host) -> None:
    """A SYN is answered by a cookie; it comes again in another minute, when there is room. Then the cookie is heard."""
    host.rest(59 - host.now // SECOND % 60)
    listener, port = host.listen(backlog=1)
    other, peer = Peer(host, port), Peer(host, port)
    other.say(SYN)
    (first,) = peer.say(SYN, options=ALL_OPTIONS)
    other.say(RST)
    host.rest(2)
    (second,) = peer.say(SYN, seq=peer.seq - 1)
    assert second.flags == first.flags == SYN | ACK and second.sequence != first.sequence
    peer.ack = (first.sequence + 1) % 2**32
    assert peer.say(ACK, b"after it", seq=peer.seq + 3) == [], "not before all"
    assert peer.say(ACK, b"all") == []
    peer.handle = host.network.tcp.accept(CLIENT, listener)
    connection = host.network.tcp.connections.get(peer.handle)
    assert connection.sack and connection.scale_out == 7, "as the first one was answered"
    assert peer.read() == b"all"


def test_a_slow_reader_is_told_when_it_gives_way(host: Host) -> None:
    """It was closed here, and takes nothing of what is left: its buffers go to others, but not at once."""
    listener, port = host.listen(backlog=1_000)
    slow = Peer(host, port)
    slow.open(None, listener)
    slow.say(ACK, window=0)
    slow.write(b"the rest of it")
    slow.close()
    for seconds, gives_way in ((5, False), (20, True)):
        for _ in range(seconds):
            host.rest(1)
            slow.say(ACK, window=0)
        held = fill(host, port)
        late = Peer(host, port)
        (answer,) = late.say(SYN)
        late.ack = (answer.sequence + 1) % 2**32
        told = slow.of(host.give(late.frame(ACK)))
        assert (host.network.tcp.accept(CLIENT, listener) is not None) == gives_way
        assert brief(told) == ([(RST | ACK, slow.ack, slow.seq, 0)] if gives_way else [])
        for peer in held:
            peer.say(RST)


def test_a_dripping_reader_gives_way(host: Host) -> None:
    """It was closed here, and takes a byte now and then: it is never silent for long, and gives way all the same."""
    listener, port = host.listen(backlog=1_000)
    slow = Peer(host, port)
    slow.open(None, listener)
    slow.say(ACK, window=0)
    slow.write(bytes(4_000))
    slow.close()
    for seconds, gives_way in ((25, False), (6, True)):
        for _ in range(seconds):
            slow.say(ACK, window=1)
            slow.ack = (slow.ack + 1) % 2**32
            slow.say(ACK, window=0)
            host.rest(1)
        held = fill(host, port)
        late = Peer(host, port)
        (answer,) = late.say(SYN)
        late.ack = (answer.sequence + 1) % 2**32
        told = slow.of(host.give(late.frame(ACK)))
        assert (host.network.tcp.accept(CLIENT, listener) is not None) == gives_way
        assert [made.flags for made in told] == ([RST | ACK] if gives_way else [])
        for peer in held:
            peer.say(RST)
    host.rest(100)


def test_one_who_finds_no_place_looks_again_after_a_while(host: Host) -> None:
    """Else a flood of those who answer would have all connections gone through for each."""
    listener, port = host.listen(backlog=1_000)
    held = fill(host, port)
    late = Peer(host, port)
    (answer,) = late.say(SYN)
    late.ack = (answer.sequence + 1) % 2**32
    late.say(ACK)
    assert host.network.tcp.accept(CLIENT, listener) is None, "the others may still answer"
    (one,) = [each for each in live(host) if each.flow.remote.port == held[0].own]
    one.trip.doublings = u32(1)
    late.say(ACK)
    assert host.network.tcp.accept(CLIENT, listener) is None, "nobody looks now"
    host.rest(0.02)
    late.say(ACK)
    assert host.network.tcp.accept(CLIENT, listener) is not None
    for peer in held:
        peer.say(RST)
    host.rest(100)


def test_a_client_that_connects_takes_such_a_place_too(host: Host) -> None:
    _, port = host.listen(backlog=1_000)
    fill(host, port)
    target = Endpoint(Address(u32(THERE)), u16(99))
    assert host.network.tcp.connect(host.network.host, CLIENT, target, u64(host.now)) is TcpError.BUFFERS
    host.rest(1.5)
    made = host.network.tcp.connect(host.network.host, CLIENT, target, u64(host.now))
    assert not isinstance(made, TcpError) and int(host.region.taken) == int(host.region.pairs)
    host.network.tcp.abort(CLIENT, made)
    host.rest(100)


def test_nobody_gives_way_in_vain(host: Host) -> None:
    """All places are taken, and so are the client's buffers: what gives way has both."""
    _, port = host.listen(backlog=1_000)
    fill(host, port)
    others = u32(4)
    region = host.network.tcp.buffers.regions[usize(4)]
    region.attach(byte_span(bytearray(2048)), usize(1024))
    elsewhere = host.network.tcp.listen(others, Endpoint(Address(u32(0)), u16(999)), u32(8))
    Peer(host, 999).say(SYN)
    taken = [host.network.tcp.connections.allocate() for _ in range(int(host.network.tcp.connections.free()))]
    host.rest(1.5)
    host.network.tcp.given_way = usize(0)
    before = {int(each.flow.remote.port) for each in live(host) if each.state is State.SYN_RECEIVED}
    target = Endpoint(Address(u32(THERE)), u16(99))
    made = host.network.tcp.connect(host.network.host, others, target, u64(host.now))
    assert not isinstance(made, TcpError)
    after = {int(each.flow.remote.port) for each in live(host) if each.state is State.SYN_RECEIVED}
    assert len(before - after) == 1 and region.taken == 1, "its own one, and no other"
    for handle in taken:
        host.network.tcp.connections.release(handle)
    host.network.tcp.abort(others, made)
    host.network.tcp.stop_listening(others, elsewhere)
    host.rest(100)


def test_who_waits_is_kept_until_there_is_room(host: Host) -> None:
    """In TIME-WAIT a SYN that can't be answered changes nothing."""
    listener, port = host.listen(backlog=1)
    peer = Peer(host, port)
    peer.open(None, listener)
    peer.finish()
    peer.ack += 1
    peer.say(ACK | FIN)
    peer.close()
    Peer(host, port).open(None)
    waiting = len(host.network.tcp.ended)
    assert peer.say(SYN, seq=peer.seq + 1000) == [] and len(host.network.tcp.ended) == waiting
    assert host.network.tcp.accept(CLIENT, listener) is not None
    assert [made.flags for made in peer.say(SYN, seq=peer.seq + 1000)] == [SYN | ACK]
    assert len(host.network.tcp.ended) == waiting - 1


def test_a_wrong_segment_predicts_nothing(host: Host) -> None:
    """Two damaged ones in a row on a connection aren't what the next one is held against."""
    peer = opened(host)
    other = opened(host)
    other.say(ACK, b"so that another one was heard last")
    damaged = bytearray(peer.frame(ACK, b"damaged"))
    damaged[-1] ^= 1
    host.network.tcp.prediction.forget()
    for _ in range(2):
        assert host.give(bytes(damaged)) == []
    assert not host.network.tcp.prediction.known


def test_who_does_not_end_gives_way(host: Host) -> None:
    """Peers that were closed, and don't end themselves, keep the buffers only as long as nobody needs them."""
    listener, port = host.listen(backlog=1_000)
    held = []
    while int(host.region.taken) < int(host.region.pairs):
        held.append(Peer(host, port))
        held[-1].open(None, listener)
    for peer in held:
        host.network.tcp.close(CLIENT, peer.handle, u64(host.now))
        (fin,) = peer.of(host.sent())
        assert fin.flags & FIN
        peer.ack = (fin.sequence + 1) % 2**32
        peer.say(ACK)
    late = Peer(host, port)
    (answer,) = late.say(SYN)
    late.ack = (answer.sequence + 1) % 2**32
    late.say(ACK)
    late.handle = host.network.tcp.accept(CLIENT, listener)
    assert late.handle is not None and late.state().state is State.ESTABLISHED
    assert int(host.region.taken) == int(host.region.pairs), "one of them has given way"
    bound = host.network.bind(CLIENT, Endpoint(Address(u32(0)), u16(0)), u64(host.now))
    assert not isinstance(bound, UdpError | Denied), "and another one to a UDP socket"
    host.network.udp.close(host.network.tcp.buffers, CLIENT, bound)
    host.rest(200)


def test_an_acknowledgement_of_nothing_is_refused_while_it_opens(host: Host) -> None:
    _, port = host.listen()
    peer = Peer(host, port)
    (answer,) = peer.say(SYN)
    wrong = (answer.sequence + 2) % 2**32
    assert brief(peer.say(ACK, ack=wrong)) == [(RST, wrong, 0, 0)]


def connecting(host: Host, own: int) -> Peer:
    """The host opens a connection to the peer's port `own`."""
    made = host.network.tcp.connect(host.network.host, CLIENT, Endpoint(Address(u32(THERE)), u16(own)), u64(host.now))
    assert not isinstance(made, TcpError)
    frames = host.sent()
    peer = Peer(host, Tcp.of(frames[-1][34:]).source, own)
    (syn,) = peer.of(frames)
    assert syn.flags == SYN and {kind for kind, _ in syn.options} == {2, 3, 4, 8}
    peer.handle, peer.ack = made, (syn.sequence + 1) % 2**32
    return peer


def test_active_open(host: Host) -> None:
    peer = connecting(host, 80)
    assert brief(peer.say(SYN | ACK)) == [(ACK, peer.ack, peer.seq, 0)]
    assert peer.state().state is State.ESTABLISHED


def test_active_open_is_refused(host: Host) -> None:
    peer = connecting(host, 81)
    assert peer.say(RST | ACK, ack=peer.ack + 1) == [] and peer.state().state is State.SYN_SENT
    assert peer.say(RST) == [] and peer.state().state is State.SYN_SENT, "without an acknowledgement"
    assert peer.say(RST | ACK) == [] and peer.state().end is End.REFUSED
    assert peer.read() == b"closed"


def test_an_old_acknowledgement_is_refused_while_it_opens(host: Host) -> None:
    peer = connecting(host, 82)
    assert brief(peer.say(SYN | ACK, ack=12345)) == [(RST, 12345, 0, 0)]
    assert peer.state().state is State.SYN_SENT


def test_syns_are_repeated_and_given_up_after_three_minutes(host: Host) -> None:
    peer = connecting(host, 83)
    begun, times = host.now, []
    while peer.state().state is State.SYN_SENT:
        times += [(host.now - begun) // SECOND for _ in peer.rest(1)]
        assert host.now - begun < 600 * SECOND
    assert peer.state().end is End.TIMED_OUT and host.now - begun >= 180 * SECOND
    assert times[:5] == [1, 3, 7, 15, 31] or times[:5] == [0, 2, 6, 14, 30]


def test_both_open_at_once(host: Host) -> None:
    peer = connecting(host, 84)
    ours = peer.ack - 1
    (answer,) = peer.say(SYN)
    assert (answer.flags, answer.sequence, answer.acknowledgment) == (SYN | ACK, ours, peer.seq)
    (answer,) = peer.say(SYN | ACK, seq=peer.seq - 1)
    assert answer.flags == ACK
    peer.say(ACK)
    assert peer.state().state is State.ESTABLISHED


def test_nobody_is_there(host: Host) -> None:
    target = Endpoint(Address(u32(packets.ip("10.0.0.77"))), u16(80))
    made = host.network.tcp.connect(host.network.host, CLIENT, target, u64(host.now))
    requests = host.sent() + host.rest(5)
    assert [frame[12:14] for frame in requests] == [b"\x08\x06"] * 3
    status = host.network.tcp.status(CLIENT, made)
    assert status.end is End.UNREACHABLE


def test_the_gateway_is_asked_for_what_is_far(host: Host) -> None:
    host.network.tcp.connect(host.network.host, CLIENT, Endpoint(Address(u32(FAR)), u16(80)), u64(host.now))
    (request,) = host.sent()
    assert request[14:] == packets.arp(1, LINK, HERE, 0, GATEWAY)
    reply = packets.ethernet(packets.arp(2, GATEWAY_LINK, GATEWAY, LINK, HERE), LINK, GATEWAY_LINK, 0x0806)
    (syn,) = host.give(reply)
    assert syn[:6] == GATEWAY_LINK.to_bytes(6) and syn[30:34] == FAR.to_bytes(4)


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_bytes_come_and_are_acknowledged_late_or_with_the_second_segment(host: Host) -> None:
    peer = opened(host)
    assert peer.say(ACK | PSH, b"hello") == []
    assert brief(peer.rest(0.05)) == [(ACK, peer.ack, peer.seq, 0)]
    assert peer.say(ACK, b"x" * SEGMENT) == []
    assert brief(peer.say(ACK, b"y" * SEGMENT)) == [(ACK, peer.ack, peer.seq, 0)], "RFC 1122, 4.2.3.2"
    assert peer.read() == b"hello" + b"x" * SEGMENT + b"y" * SEGMENT


def test_an_acknowledgement_travels_with_an_answer(host: Host) -> None:
    peer = opened(host)
    peer.say(ACK | PSH, b"question")
    assert brief(peer.write(b"answer")) == [(ACK | PSH, peer.ack, peer.seq, 6)]
    assert peer.rest(0.05) == []


def test_out_of_order(host: Host) -> None:
    peer = opened(host, options=ALL_OPTIONS)
    start = peer.seq
    (told,) = peer.say(ACK, b"cc", seq=start + 4)
    assert told.acknowledgment == start and told.option(5) == struct.pack(">II", start + 4, start + 6)
    (told,) = peer.say(ACK, b"ee", seq=start + 8)
    assert told.option(5) == struct.pack(">IIII", start + 8, start + 10, start + 4, start + 6), "the latest first"
    assert peer.read() == b""
    (told,) = peer.say(ACK, b"aabbcc", seq=start)
    assert told.acknowledgment == start + 6 and told.option(5) == struct.pack(">II", start + 8, start + 10)
    (told,) = peer.say(ACK, b"dd", seq=start + 6)
    assert told.acknowledgment == start + 10 and told.option(5) is None
    assert peer.read() == b"aabbccddee"


def test_what_was_there_already(host: Host) -> None:
    peer = opened(host)
    start = peer.seq
    peer.say(ACK, b"abcd")
    assert brief(peer.say(ACK, b"abcd", seq=start)) == [(ACK, peer.ack, start + 4, 0)]
    peer.say(ACK, b"cdef", seq=start + 2)
    assert peer.read() == b"abcdef"


def test_the_window_closes_and_opens(host: Host) -> None:
    peer = opened(host)
    for _ in range(8):
        peer.say(ACK, b"z" * 1024)
    (told,) = peer.rest(0.05)
    assert told.window == 0 and told.acknowledgment == peer.seq
    (probed,) = peer.say(ACK, b"!", seq=peer.seq)
    assert probed.window == 0 and probed.acknowledgment == peer.seq, "no room for that"
    assert peer.read(100) == b"z" * 100 and peer.of(host.sent()) == [], "not for so little"
    peer.read(4000)
    (told,) = peer.of(host.sent())
    assert told.window == 4100
    assert peer.read() == b"z" * 4092


def test_a_wrong_checksum_leaves_nothing_behind(host: Host) -> None:
    """What just goes on is put to its place while it is summed: who reads sees nothing of it if the sum is wrong."""
    peer = opened(host)
    before, drops = peer.seq, host.dropped(Drop.CHECKSUM)
    made = Tcp(peer.own, peer.port, peer.seq, peer.ack, ACK, 60_000, [], b"w" * 1000).data(THERE, HERE)
    frame = packets.ethernet(packets.ipv4(made[:-1] + b"!", THERE, HERE, 6), LINK, PEER_LINK)
    assert peer.of(host.give(frame)) == [] and host.dropped(Drop.CHECKSUM) == drops + 1
    assert peer.read() == b"" and peer.seq == before
    peer.say(ACK, b"right" * 10)
    assert peer.read() == b"right" * 10


def test_segments_and_windows_are_multiples_of_eight(host: Host) -> None:
    """So that one that follows another lies as that one did: what is said to the peer, and what is sent."""
    peer = opened(host)
    assert len(peer.write(b"x" * 4000)[0].payload) == SEGMENT
    handle, port = host.listen()
    answer = Peer(host, port).open(listener=handle)
    assert answer.option(2) == SEGMENT.to_bytes(2) and answer.window % 8 == 0


def test_nagle(host: Host) -> None:
    peer = opened(host)
    assert [len(made.payload) for made in peer.write(b"a" * 10)] == [10]
    assert peer.write(b"b" * 10) == [], "something is on its way"
    assert [made.payload for made in peer.say(ACK, ack=peer.ack + 10)] == [b"b" * 10]
    peer.ack += 10
    assert [len(made.payload) for made in peer.write(b"c" * 2000)] == [SEGMENT]
    assert [len(made.payload) for made in peer.say(ACK, ack=peer.ack + 10 + SEGMENT)] == [2000 - SEGMENT]


def test_a_peer_without_room_is_probed(host: Host) -> None:
    peer = opened(host)
    peer.say(ACK, window=0)
    assert peer.write(b"data") == []
    probes = peer.rest(2)
    assert 1 <= len(probes) <= 4 and all(made.payload in (b"d", b"") for made in probes)
    for _ in range(20):
        peer.say(ACK, window=0)
        peer.rest(60)
    assert peer.state().end is End.NONE, "it is there, so it isn't given up"
    assert [made.payload for made in peer.say(ACK, window=1000)] == [b"data"]
    peer.say(ACK, window=0, ack=peer.ack + 4)
    assert peer.state().queued == 0


def test_a_silent_peer_is_given_up(host: Host) -> None:
    peer = opened(host)
    peer.write(b"is anybody there")
    begun = host.now
    while peer.state().end is End.NONE:
        peer.rest(1)
        assert host.now - begun < 400 * SECOND
    assert peer.state().end is End.TIMED_OUT and host.now - begun >= 120 * SECOND


def test_three_duplicates_are_a_loss(host: Host) -> None:
    peer = opened(host)
    sent = peer.write(b"q" * 8000)
    assert len(sent) >= 5
    peer.say(ACK)
    peer.say(ACK)
    again = [made for made in peer.say(ACK) if made.sequence == peer.ack]
    assert len(again) == 1 and len(again[0].payload) == SEGMENT
    # A partial acknowledgement: the next one is lost, too (RFC 6582).
    partial = peer.ack + SEGMENT
    assert partial in [made.sequence for made in peer.say(ACK, ack=partial)]


def test_what_sack_names_isnt_sent_again(host: Host) -> None:
    peer = opened(host, options=ALL_OPTIONS)
    peer.window = 1000
    peer.say(ACK)
    first = peer.ack
    peer.write(b"s" * 8000)

    def sack(*edges: int) -> list[Tcp]:
        blocks = struct.pack(f">{len(edges)}I", *(first + edge for edge in edges))
        return peer.say(ACK, ack=first, options=[(5, blocks)])

    sack(SEGMENT, 2 * SEGMENT)
    sack(SEGMENT, 3 * SEGMENT)
    again = sack(SEGMENT, 4 * SEGMENT)
    assert [made.sequence - first for made in again if made.sequence < first + 5840] == [0]
    assert again[0].payload == b"s" * SEGMENT


def test_sack_blocks_that_lie_are_ignored(host: Host) -> None:
    peer = opened(host, options=ALL_OPTIONS)
    peer.write(b"t" * (2 * SEGMENT))
    for left, right in ((0, 10), (2000, 1000), (2000, 900_000), (-5000, -10)):
        edges = struct.pack(">II", (peer.ack + left) % 2**32, (peer.ack + right) % 2**32)
        peer.say(ACK, options=[(5, edges)])
    assert peer.say(ACK, ack=peer.ack + 2 * SEGMENT) == [] and peer.state().queued == 0


def test_what_was_never_sent_isnt_acknowledged(host: Host) -> None:
    peer = opened(host)
    (answer,) = peer.say(ACK, ack=peer.ack + 1)
    assert (answer.flags, answer.sequence) == (ACK, peer.ack), "RFC 9293, 3.10.7.4"
    (answer,) = peer.say(ACK, ack=(peer.ack - 70_000) % 2**32)
    assert answer.flags == ACK, "RFC 5961, 5.2"


# --- attacks from outside the connection ------------------------------------------------------------------------------


def test_a_reset_must_hit_the_number(host: Host) -> None:
    peer = opened(host)
    (challenge,) = peer.say(RST, seq=peer.seq + 10)
    assert (challenge.flags, challenge.acknowledgment) == (ACK, peer.seq), "RFC 5961, 3.2"
    assert peer.say(RST, seq=(peer.seq - 10) % 2**32) == [] and peer.say(RST, seq=peer.seq + 50_000) == []
    assert peer.state().state is State.ESTABLISHED
    assert peer.say(RST, seq=peer.seq) == [] and peer.state().end is End.RESET


def test_a_syn_in_a_connection_is_challenged(host: Host) -> None:
    peer = opened(host)
    for seq in (peer.seq, peer.seq + 5, (peer.seq - 1000) % 2**32):
        (challenge,) = peer.say(SYN, seq=seq)
        assert (challenge.flags, challenge.acknowledgment) == (ACK, peer.seq), "RFC 5961, 4.2"
    assert peer.state().state is State.ESTABLISHED


def test_challenges_are_bounded(host: Host) -> None:
    peer = opened(host)
    answers = sum(len(peer.say(SYN, seq=peer.seq)) for _ in range(150))
    assert answers == 10
    assert opened(host).say(SYN, seq=5_000_001) != [], "others have their own"


def test_old_timestamps_are_refused(host: Host) -> None:
    peer = opened(host, options=ALL_OPTIONS, timed=True)
    peer.clock = 2000
    peer.say(ACK, b"new")
    assert peer.read() == b"new"
    (answer,) = peer.say(ACK, b"old", time=1999, seq=peer.seq)
    assert answer.acknowledgment == peer.seq and peer.read() == b"", "PAWS: RFC 7323, 5.3"
    assert peer.say(ACK, b"none", seq=peer.seq, stamp=False) == [] and peer.read() == b"", "RFC 7323, 3.2"


def test_beyond_the_window(host: Host) -> None:
    peer = opened(host)
    (answer,) = peer.say(ACK, b"far", seq=peer.seq + 100_000)
    assert answer.acknowledgment == peer.seq and peer.read() == b""


# --- ending -----------------------------------------------------------------------------------------------------------


def test_the_peer_ends_first(host: Host) -> None:
    peer = opened(host)
    (answer,) = peer.say(ACK | FIN, b"bye")
    assert answer.acknowledgment == peer.seq and peer.state().state is State.CLOSE_WAIT
    assert peer.read() == b"bye" and peer.read() == b"closed"
    assert brief(peer.write(b"still")) == [(ACK | PSH, peer.ack, peer.seq, 5)]
    peer.ack += 5
    assert brief(peer.finish()) == [(ACK | FIN, peer.ack, peer.seq, 0)]
    peer.ack += 1
    assert peer.say(ACK) == [] and peer.state().end is End.DONE
    assert peer.close() == [] and not isinstance(peer.handle, TcpError)


def test_we_end_first_and_wait(host: Host) -> None:
    peer = opened(host)
    waiting = len(host.network.tcp.ended)
    assert brief(peer.finish()) == [(ACK | FIN, peer.ack, peer.seq, 0)]
    peer.ack += 1
    assert peer.say(ACK) == [] and peer.state().state is State.FIN_WAIT_2
    peer.say(ACK, b"late")
    assert brief(peer.say(ACK | FIN)) == [(ACK, peer.ack, peer.seq, 0)]
    assert peer.state().end is End.DONE and peer.read() == b"late"
    assert len(host.network.tcp.ended) == waiting + 1
    peer.close()
    # Its FIN again: our acknowledgement was lost. A reset doesn't end it (RFC 1337).
    assert brief(peer.say(ACK | FIN, seq=peer.seq - 1)) == [(ACK, peer.ack, peer.seq, 0)]
    assert peer.say(RST, seq=peer.seq) == [] and len(host.network.tcp.ended) == waiting + 1
    peer.rest(61)
    assert len(host.network.tcp.ended) == 0


def test_a_connection_that_waits_is_opened_again(host: Host) -> None:
    listener, port = host.listen()
    peer = Peer(host, port)
    peer.open(None, listener)
    peer.finish()
    peer.ack += 1
    peer.say(ACK | FIN)
    peer.close()
    (answer,) = peer.say(SYN, seq=peer.seq - 10)
    assert answer.flags == ACK, "an old one"
    fresh = Peer(host, port, peer.own)
    fresh.seq = peer.seq + 1000
    fresh.open(None, listener)
    assert fresh.state().state is State.ESTABLISHED


def test_both_end_at_once(host: Host) -> None:
    peer = opened(host)
    peer.finish()
    (answer,) = peer.say(ACK | FIN)
    assert answer.flags == ACK and peer.state().state is State.CLOSING
    peer.ack += 1
    (answer,) = peer.say(ACK)
    assert answer.flags == ACK and peer.state().end is End.DONE


def test_fin_waits_for_what_is_before_it(host: Host) -> None:
    peer = opened(host)
    start = peer.seq
    (answer,) = peer.say(ACK | FIN, b"end", seq=start + 3)
    assert answer.acknowledgment == start and peer.state().state is State.ESTABLISHED
    (answer,) = peer.say(ACK, b"the", seq=start)
    assert answer.acknowledgment == start + 7 and peer.read() == b"theend" and peer.read() == b"closed"


def test_bytes_for_nobody_are_answered_with_a_reset(host: Host) -> None:
    peer = opened(host)
    assert [made.flags for made in peer.close()] == [ACK | FIN]
    (answer,) = peer.say(ACK, b"lost")
    assert answer.flags & RST and answer.sequence == peer.ack + 1


def test_closing_without_having_read_resets(host: Host) -> None:
    peer = opened(host)
    peer.say(ACK, b"unread")
    live = int(host.network.tcp.connections.live)
    assert [made.flags & RST for made in peer.close()] == [RST], "RFC 2525, 2.17"
    assert host.network.tcp.connections.live == live - 1, "it was kept for its reset, and that has gone"


def test_half_a_connection_isnt_kept_for_ever(host: Host) -> None:
    peer = opened(host)
    live = int(host.network.tcp.connections.live)
    peer.close()
    peer.ack += 1
    peer.say(ACK)
    peer.rest(61)
    assert host.network.tcp.connections.live == live - 1


def test_a_connection_is_kept_alive(host: Host) -> None:
    peer = opened(host)
    connection = host.network.tcp.connections.get(peer.handle)
    connection.set_options(False, u64(100 * SECOND), u64(75 * SECOND), u64(host.now))
    host.network.tcp.settle(peer.handle.index, connection)
    (probe,) = peer.rest(101)
    assert (probe.sequence, probe.payload) == (peer.ack - 1, b"")
    peer.say(ACK)
    assert len(peer.rest(99)) == 0 and len(peer.rest(2)) == 1, "it was heard 100 seconds ago"
    probes = peer.rest(1000)
    assert peer.state().end is End.TIMED_OUT and len(probes) == 9 and probes[-1].flags & RST


def test_what_is_in_flight_is_sent_again_and_no_question_ends_it(host: Host) -> None:
    """RFC 9293, 3.8.4: it is asked only while nothing is outstanding."""
    peer = opened(host)
    connection = host.network.tcp.connections.get(peer.handle)
    connection.set_options(False, u64(SECOND), u64(SECOND), u64(host.now))
    host.network.tcp.settle(peer.handle.index, connection)
    peer.write(b"hello")
    sent = peer.rest(60)
    assert sent and all(each.payload == b"hello" for each in sent)
    assert peer.state().end is End.NONE
    peer.say(ACK, ack=(peer.ack + 5) % 2**32)
    (question,) = peer.rest(1.5)
    assert question.payload == b""


def test_it_is_asked_whether_the_peer_is_there_as_often_as_was_chosen(host: Host) -> None:
    peer = opened(host)
    connection = host.network.tcp.connections.get(peer.handle)
    assert peer.rest(20_000) == [], "at first, never"
    connection.set_options(False, u64(30 * SECOND), u64(2 * SECOND), u64(host.now))
    host.network.tcp.settle(peer.handle.index, connection)
    assert len(peer.rest(0.1)) == 1, "it has been silent for longer"
    peer.say(ACK)
    assert peer.rest(29) == [] and len(peer.rest(6)) == 3
    peer.say(ACK)
    connection.set_options(False, u64(0), u64(2 * SECOND), u64(host.now))
    host.network.tcp.settle(peer.handle.index, connection)
    assert peer.rest(20_000) == [] and peer.state().state is State.ESTABLISHED


def test_small_pieces_wait_for_one_another_unless_they_neednt(host: Host) -> None:
    """Nagle's algorithm (RFC 9293, 3.7.4)."""
    peer = opened(host)
    connection = host.network.tcp.connections.get(peer.handle)
    assert [made.payload for made in peer.write(b"a")] == [b"a"] and peer.write(b"b") == []
    connection.set_options(True, u64(0), u64(0), u64(host.now))
    host.network.tcp.settle(peer.handle.index, connection)
    assert [made.payload for made in peer.of(host.sent())] == [b"b"]
    assert [made.payload for made in peer.write(b"c")] == [b"c"]


# --- floods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timed", [False, True])
def test_beyond_the_backlog_nothing_is_kept(host: Host, timed: bool) -> None:
    listener, port = host.listen(backlog=2)
    for _ in range(2):
        Peer(host, port).say(SYN)
    live = int(host.network.tcp.connections.live)
    peers = [Peer(host, port, timed=timed) for _ in range(5)]
    for peer in peers:
        (answer,) = peer.say(SYN, options=ALL_OPTIONS)
        peer.ack = (answer.sequence + 1) % 2**32
        assert answer.flags == SYN | ACK and answer.option(4) is not None and answer.option(3) is not None
    assert host.network.tcp.connections.live == live
    honest = peers[3]
    honest.say(ACK)
    honest.handle = host.network.tcp.accept(CLIENT, listener)
    honest.say(ACK | PSH, b"it works")
    assert honest.read() == b"it works"
    connection = host.network.tcp.connections.get(honest.handle)
    assert connection.sack and connection.scale_out == 7 and connection.timed == timed
    assert len(honest.write(b"w" * 3000)) >= 2
    forged = peers[4]
    assert forged.say(ACK, ack=forged.ack + 1) == [], "it may be what follows a cookie"
    host.rest(61)
    assert [made.flags for made in forged.say(ACK)] == [RST], "it isn't owed a connection any more"
    honest.host.network.tcp.stop_listening(CLIENT, listener)


def test_the_first_segment_of_a_connection_that_has_ended_opens_none(host: Host) -> None:
    """It acknowledges a cookie, as all do. But who has one that isn't remembered is known, even while others do."""
    listener, port = host.listen(backlog=2)
    peer = Peer(host, port)
    peer.open(None, listener)
    first = peer.frame(ACK, b"a request", seq=peer.seq)
    assert peer.of(host.give(first)) == []
    peer.seq += 9
    peer.read()
    peer.say(ACK | FIN)
    peer.ack += len(peer.finish())
    peer.say(ACK)
    assert peer.state().end is End.DONE
    for _ in range(4):
        Peer(host, port).say(SYN)
    assert [made.flags for made in peer.of(host.give(first))] == [RST]
    assert host.network.tcp.accept(CLIENT, listener) is None
    host.rest(100)


def test_a_client_without_buffers_takes_nobody_elses(host: Host) -> None:
    free = int(host.region.pairs - host.region.taken)
    taken = [host.region.take() for _ in range(free)]
    listener, port = host.listen()
    peer = Peer(host, port)
    (answer,) = peer.say(SYN)
    peer.ack = (answer.sequence + 1) % 2**32
    assert answer.flags == SYN | ACK and peer.say(ACK) == [] and host.network.tcp.accept(CLIENT, listener) is None
    for pair in taken[:1]:
        host.region.give_back(pair)
    peer.say(ACK, b"now")
    assert host.network.tcp.accept(CLIENT, listener) is not None, "there is room when it is tried again"
    for pair in taken[1:]:
        host.region.give_back(pair)


def test_other_clients_handles_are_none(host: Host) -> None:
    peer = opened(host)
    assert host.network.tcp.status(u32(4), peer.handle) is TcpError.HANDLE
    assert host.network.tcp.close(u32(4), peer.handle, u64(host.now)) is TcpError.HANDLE
    peer.close()
    assert host.network.tcp.status(CLIENT, peer.handle) is TcpError.HANDLE


# --- the host around it -----------------------------------------------------------------------------------------------


def ping(host: Host, payload: bytes, source: int = THERE, to: int = HERE, link: int = LINK) -> list[bytes]:
    packet = packets.ipv4(packets.icmp(8, 0, 0x12345678, payload), source, to, 1)
    return host.give(packets.ethernet(packet, link, PEER_LINK))


def test_ping(host: Host) -> None:
    (answer,) = ping(host, b"0123456789" * 20)
    expected = packets.ipv4(packets.icmp(0, 0, 0x12345678, b"0123456789" * 20), HERE, THERE, 1)
    assert answer == packets.ethernet(expected, PEER_LINK, LINK)
    assert ping(host, b"x", to=packets.ip("10.0.0.255"), link=0xFFFF_FFFF_FFFF) == [], "not to everybody"
    assert ping(host, b"x", source=packets.ip("224.0.0.1")) == [] and ping(host, b"x", source=HERE) == []
    assert 80 <= sum(len(ping(host, b"x")) for _ in range(200)) <= 101


def test_a_packet_in_fragments(host: Host) -> None:
    whole = packets.icmp(8, 0, 1, bytes(range(200)))
    for begin, end in ((104, 208), (0, 104)):
        fragment = begin // 8 | (0x2000 if end < 208 else 0)
        part = packets.ipv4(whole[begin:end], THERE, HERE, 1, identification=7, fragment=fragment)
        assert host.give(packets.ethernet(part, LINK, PEER_LINK)) == [], "an echo in fragments isn't answered"
    assert host.network.fragments.deadline() == 2**64 - 1


def test_an_unknown_protocol(host: Host) -> None:
    packet = packets.ipv4(b"something", THERE, HERE, 200)
    (answer,) = host.give(packets.ethernet(packet, LINK, PEER_LINK))
    assert answer[34:36] == b"\3\2" and answer[42:] == packet[:28]
    assert packets.internet_checksum(answer[34:]) == 0


def test_a_narrow_path(host: Host) -> None:
    peer = opened(host)
    sent = peer.write(b"p" * 4000)
    assert len(sent[0].payload) == SEGMENT

    def complain(sequence: int, mtu: int) -> list[Tcp]:
        quoted = struct.pack(">HHI", peer.port, peer.own, sequence % 2**32)
        body = packets.ipv4(quoted + bytes(1472), HERE, THERE, 6)[:28]
        message = packets.icmp(3, 4, mtu, body)
        return peer.of(host.give(packets.ethernet(packets.ipv4(message, GATEWAY, HERE, 1), LINK, PEER_LINK)))

    assert complain(peer.ack + 100_000, 1000) == [], "of nothing that is on its way (RFC 5927)"
    again = complain(peer.ack, 1000)
    assert again and all(len(made.payload) <= 960 for made in again) and again[0].sequence == peer.ack
    other = opened(host)
    assert max(len(made.payload) for made in other.write(b"p" * 4000)) == 960, "known for others"
    complain(peer.ack, 68)
    assert int(host.network.host.paths.mtu_to(Address(u32(THERE)), u32(1500), u64(host.now))) == 552


def test_unreachable_ends_only_what_opens(host: Host) -> None:
    peer = connecting(host, 90)

    def complain(sequence: int) -> None:
        body = packets.ipv4(struct.pack(">HHI", peer.port, peer.own, sequence % 2**32), HERE, THERE, 6)
        message = packets.icmp(3, 1, 0, body)
        host.give(packets.ethernet(packets.ipv4(message, GATEWAY, HERE, 1), LINK, PEER_LINK))

    complain(peer.ack + 7)
    assert peer.state().state is State.SYN_SENT
    complain(peer.ack - 1)
    assert peer.state().end is End.UNREACHABLE
    peer = opened(host)
    complain(peer.ack)
    assert peer.state().state is State.ESTABLISHED


def test_the_link_comes_back(host: Host) -> None:
    peer = opened(host)
    host.network.link_changed(False, u64(host.now))
    assert peer.write(b"into nothing") == []
    assert host.rest(20) == []
    host.network.link_changed(True, u64(host.now))
    assert [made.payload for made in peer.of(host.sent())] == [b"into nothing", b"", b"", b""]
    peer.write(b"lost with the driver")
    host.network.link_changed(False, u64(host.now))
    host.rest(1)
    host.network.link_changed(True, u64(host.now))
    host.network.advance(u64(host.now))
    assert b"into nothing" in peer.of(host.sent())[0].payload, "at once"


def test_a_peer_is_reminded_of_what_was_lost_with_the_driver(host: Host) -> None:
    """Three duplicates of the last acknowledgement: a peer that counts them sends again, before its timer is due."""
    peer = opened(host)
    peer.say(ACK, b"the first")
    host.rest(1)
    host.network.device_restarted(u64(host.now))
    said = peer.of(host.sent())
    assert [(made.flags, made.acknowledgment, made.payload) for made in said] == [(ACK, peer.seq, b"")] * 3
    host.rest(120)
    host.network.device_restarted(u64(host.now))
    assert host.sent() == [], "of one that has said nothing for long nothing was lost"


def test_a_peer_with_sack_is_not(host: Host) -> None:
    opened(host, options=ALL_OPTIONS)
    host.network.device_restarted(u64(host.now))
    assert host.sent() == []


def test_loopback(host: Host) -> None:
    listener, port = host.listen()
    for address in (packets.ip("127.0.0.1"), HERE):
        made = host.network.tcp.connect(
            host.network.host, CLIENT, Endpoint(Address(u32(address)), u16(port)), u64(host.now)
        )
        assert host.sent() == []
        accepted = host.network.tcp.accept(CLIENT, listener)
        peer, other = Peer(host, 0), Peer(host, 0)
        peer.handle, other.handle = made, accepted
        peer.write(b"to myself")
        assert other.read() == b"to myself" and host.sent() == []
        other.close()
        peer.close()
        host.rest(61)
    forged = packets.ipv4(Tcp(1, port, flags=SYN).data(packets.ip("127.0.0.1"), HERE), packets.ip("127.0.0.1"), HERE, 6)
    assert host.give(packets.ethernet(forged, LINK, PEER_LINK)) == [], "not from a link"


def test_frames_for_others(host: Host) -> None:
    before = host.dropped(Drop.NOT_OURS)
    frame = packets.ethernet(packets.ipv4(packets.icmp(8, 0, 1), THERE, HERE, 1), LINK + 8, PEER_LINK)
    assert host.give(frame) == [] and host.give(frame[:12] + b"\x86\xdd" + frame[14:]) == []
    assert ping(host, b"", to=packets.ip("10.0.0.9")) == []
    assert host.dropped(Drop.NOT_OURS) == before + 3


def test_checksums_that_the_device_makes(host: Host) -> None:
    peer = opened(host)
    host.network.host.completes_checksums = True
    taken = host.network.tcp.send(CLIENT, peer.handle, byte_span(bytearray(b"data")))
    assert taken == 4
    (frame,) = host.sent()
    host.network.host.completes_checksums = False
    segment = frame[34:]
    pseudo = packets.pseudo(HERE, THERE, 6, len(segment))
    assert int.from_bytes(segment[16:18]) == ~packets.internet_checksum(pseudo) & 0xFFFF
    completed = segment[:16] + packets.internet_checksum(segment).to_bytes(2) + segment[18:]
    assert packets.internet_checksum(pseudo + completed) == 0
