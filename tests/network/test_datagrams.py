"""UDP, DHCP, and what clients are granted: against packets made by `struct`."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neokernel.lang import byte_span, u16, u32, u64, usize
from neokernel.services.network.address import Address, Endpoint
from neokernel.services.network.clock import NEVER
from neokernel.services.network.datagrams import Record, UdpError
from neokernel.services.network.dhcp import State
from neokernel.services.network.drop import Drop
from neokernel.services.network.grants import Denied, Grant, Protocol, Verb
from neokernel.services.network.tcp import TcpError
from tests.network import packets
from tests.network.peer import CLIENT, GATEWAY, HERE, LINK, PEER_LINK, SECOND, THERE, Host

EVERYBODY = 0xFFFF_FFFF_FFFF


@pytest.fixture(scope="module")
def machine() -> Host:
    return Host()


@pytest.fixture
def host(machine: Host) -> Host:
    """One host for all, an hour later each time, without DHCP."""
    machine.sent()
    machine.network.dhcp.state, machine.network.dhcp.ask_at = State.OFF, NEVER
    machine.network.dhcp.renew_at = machine.network.dhcp.rebind_at = machine.network.dhcp.end_at = NEVER
    machine.network.configure(Address(u32(HERE)), u32(24), Address(u32(GATEWAY)))
    machine.rest(3600)
    machine.meet()
    return machine


def endpoint(address: int, port: int) -> Endpoint:
    return Endpoint(Address(u32(address)), u16(port))


def bind(host: Host, port: int = 0) -> Any:
    found = host.network.udp.bind(host.network.host, host.network.tcp.buffers, CLIENT, endpoint(0, port), u64(host.now))
    assert not isinstance(found, UdpError)
    return found


def send(host: Host, handle: Any, to: Endpoint, data: bytes) -> Any:
    return host.network.udp.send(host.network.host, CLIENT, handle, to, byte_span(bytearray(data)), u64(host.now))


def receive(host: Host, handle: Any, most: int = 9000) -> tuple[bytes, Any]:
    into = bytearray(most)
    found = host.network.udp.receive(CLIENT, handle, byte_span(into))
    return bytes(into[: int(found.length)]) if isinstance(found, Record) else b"", found


def datagram(data: bytes, port: int, source: int = THERE, own: int = 5353, to: int = HERE, **parts: Any) -> bytes:
    packet = packets.ipv4(packets.udp(data, source, to, own, port), source, to, 17, **parts)
    return packets.ethernet(packet, LINK if to == HERE else EVERYBODY, PEER_LINK)


def close(host: Host, handle: Any) -> None:
    assert host.network.udp.close(host.network.tcp.buffers, CLIENT, handle) is None


# --- UDP --------------------------------------------------------------------------------------------------------------


def test_there_and_back(host: Host) -> None:
    socket = bind(host, 4000)
    assert host.give(datagram(b"question", 4000)) == []
    content, found = receive(host, socket)
    assert content == b"question" and found.peer == endpoint(THERE, 5353)
    assert receive(host, socket)[1] is None
    assert send(host, socket, found.peer, b"answer!") is None
    (frame,) = host.sent()
    expected = packets.ipv4(packets.udp(b"answer!", HERE, THERE, 4000, 5353), HERE, THERE, 17)
    assert frame == packets.ethernet(expected, PEER_LINK, LINK)
    close(host, socket)


def test_nobody_has_that_port(host: Host) -> None:
    frame = datagram(b"anybody?", 4001)
    (answer,) = host.give(frame)
    assert answer[34:36] == b"\3\3" and answer[42:70] == frame[14:42], "port unreachable, and about what"
    assert host.give(datagram(b"anybody?", 4001, to=packets.ip("10.0.0.255"))) == [], "not to everybody's"


def test_everybody_is_reached(host: Host) -> None:
    socket = bind(host, 4002)
    for to in (packets.ip("255.255.255.255"), packets.ip("10.0.0.255")):
        host.give(datagram(b"hello all", 4002, to=to))
        assert receive(host, socket)[0] == b"hello all"
        assert send(host, socket, endpoint(to, 9), b"x") is None
        (frame,) = host.sent()
        assert frame[:6] == EVERYBODY.to_bytes(6)
    send(host, socket, endpoint(packets.ip("224.0.0.251"), 5353), b"x")
    assert host.sent()[0][:6] == bytes.fromhex("01005e0000fb"), "RFC 1112, 6.4"
    close(host, socket)


def test_a_datagram_in_fragments(host: Host) -> None:
    socket = bind(host, 4003)
    content = bytes(index % 251 for index in range(4000))
    whole = packets.udp(content, THERE, HERE, 9, 4003)
    cuts = [(2960, len(whole)), (0, 1480), (1480, 2960)]
    for begin, end in cuts:
        field = begin // 8 | (0x2000 if end < len(whole) else 0)
        packet = packets.ipv4(whole[begin:end], THERE, HERE, 17, identification=77, fragment=field)
        assert host.give(packets.ethernet(packet, LINK, PEER_LINK)) == []
    assert receive(host, socket)[0] == content
    close(host, socket)


def test_a_wrong_checksum_and_none(host: Host) -> None:
    socket = bind(host, 4004)
    frame = bytearray(datagram(b"data", 4004))
    frame[-1] ^= 1
    before = host.dropped(Drop.CHECKSUM)
    host.give(bytes(frame))
    assert receive(host, socket)[1] is None and host.dropped(Drop.CHECKSUM) == before + 1
    frame[40:42] = b"\0\0"
    host.give(bytes(frame))
    assert receive(host, socket)[0] == b"dat`"[:3] + bytes([frame[-1]])
    close(host, socket)


def test_what_is_too_long_or_too_much(host: Host) -> None:
    socket = bind(host)
    there = endpoint(THERE, 9)
    assert (
        send(host, socket, there, bytes(1473)) is UdpError.TOO_LONG and send(host, socket, there, bytes(1472)) is None
    )
    for _ in range(4):
        assert send(host, socket, there, bytes(1472)) is None
    assert send(host, socket, there, bytes(1472)) is UdpError.WAIT, "the client's buffer is full"
    assert len(host.sent()) == 5 and send(host, socket, there, bytes(1472)) is None
    assert send(host, socket, endpoint(THERE, 0), b"") is UdpError.ADDRESS
    host.sent()
    close(host, socket)
    socket = bind(host, 4005)
    for _ in range(50):
        host.give(datagram(bytes(300), 4005))
    got = 0
    while receive(host, socket)[1] is not None:
        got += 1
    assert got == 8192 // 300, "what the client doesn't read in time is lost"
    close(host, socket)


def test_an_unknown_neighbour(host: Host) -> None:
    socket, free = bind(host), bind(host)
    assert send(host, socket, endpoint(packets.ip("10.0.0.99"), 9), b"lost") is None
    assert send(host, free, endpoint(THERE, 9), b"not held up") is None
    frames = host.sent()
    assert [frame[12:14] for frame in frames].count(b"\x08\x06") == 1 and any(
        b"not held up" in frame for frame in frames
    )
    before = host.dropped(Drop.UNREACHABLE)
    assert not any(b"lost" in frame for frame in host.rest(4))
    assert host.dropped(Drop.UNREACHABLE) == before + 1 and not host.network.has_output(u64(host.now))
    close(host, socket)
    close(host, free)


def test_to_ourselves(host: Host) -> None:
    server, client = bind(host, 4006), bind(host)
    for to in (packets.ip("127.0.0.1"), HERE):
        assert send(host, client, endpoint(to, 4006), b"me") is None and host.sent() == []
        content, found = receive(host, server)
        assert content == b"me" and found.peer.address == Address(u32(to))
    close(host, server)
    close(host, client)


def test_ports_and_buffers_are_given_back(host: Host) -> None:
    taken = int(host.region.taken)
    socket = bind(host, 4007)
    again = host.network.udp.bind(host.network.host, host.network.tcp.buffers, CLIENT, endpoint(0, 4007), u64(host.now))
    assert again is UdpError.IN_USE
    send(host, socket, endpoint(THERE, 9), b"never sent")
    close(host, socket)
    assert host.sent() == [] and host.region.taken == taken and host.network.udp.ready == 0
    assert send(host, socket, endpoint(THERE, 9), b"") is UdpError.HANDLE
    close(host, bind(host, 4007))


# --- grants -----------------------------------------------------------------------------------------------------------


def test_what_isnt_granted_is_denied_with_what_a_line_would_name(host: Host) -> None:
    network, now = host.network, u64(host.now)
    grants = network.grants[usize(int(CLIENT))]
    for grant in (
        Grant(Verb.LISTEN, Protocol.TCP, first=u16(8080), last=u16(8080)),
        Grant(Verb.CONNECT, Protocol.TCP, Address(u32(THERE)), u32(32), u16(53), u16(53)),
        Grant(Verb.CONNECT, Protocol.UDP, Address(u32(packets.ip("10.0.0.0"))), u32(24), u16(100), u16(199)),
    ):
        assert grants.add(grant)
    listener = network.listen(CLIENT, endpoint(0, 8080), u32(1))
    assert not isinstance(listener, (Denied, TcpError))
    network.tcp.stop_listening(CLIENT, listener)
    denied = network.listen(CLIENT, endpoint(0, 8081), u32(1))
    assert denied == Denied(Verb.LISTEN, Protocol.TCP, endpoint(0, 8081))
    made = network.connect(CLIENT, endpoint(THERE, 53), now)
    assert not isinstance(made, (Denied, TcpError))
    network.tcp.abort(CLIENT, made)
    for target in (endpoint(THERE, 54), endpoint(THERE + 1, 53)):
        assert network.connect(CLIENT, target, now) == Denied(Verb.CONNECT, Protocol.TCP, target)
    assert network.listen(u32(4), endpoint(0, 8080), u32(1)) == Denied(Verb.LISTEN, Protocol.TCP, endpoint(0, 8080))
    assert network.listen(u32(99), endpoint(0, 8080), u32(1)) is TcpError.ADDRESS


def test_datagrams_go_where_a_line_says_or_where_they_came_from(host: Host) -> None:
    network, now = host.network, u64(host.now)
    grants = network.grants[usize(int(CLIENT))]
    grants.add(Grant(Verb.LISTEN, Protocol.UDP, first=u16(5000), last=u16(5000)))
    data = byte_span(bytearray(b"x"))
    assert isinstance(network.bind(CLIENT, endpoint(0, 5001), now), Denied)
    socket = network.bind(CLIENT, endpoint(0, 5000), now)
    assert network.send_to(CLIENT, socket, endpoint(THERE, 150), data, now) is None
    assert isinstance(network.send_to(CLIENT, socket, endpoint(THERE, 200), data, now), Denied)
    host.give(datagram(b"who are you", 5000, own=200))
    assert receive(host, socket)[0] == b"who are you"
    assert network.send_to(CLIENT, socket, endpoint(THERE, 200), data, now) is None
    assert isinstance(network.send_to(CLIENT, socket, endpoint(THERE, 201), data, now), Denied)
    close(host, socket)


# --- DHCP -------------------------------------------------------------------------------------------------------------

SERVER, OFFERED = packets.ip("10.0.0.2"), packets.ip("10.0.0.50")


class Server:
    """The host's requests, and a server's answers."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.xid = 0
        host.network.configure(Address(u32(0)), u32(24), Address(u32(0)))
        host.network.dhcp.begin(host.network.host, u64(host.now))

    def asked(self, frames: list[bytes]) -> list[dict[int, bytes]]:
        """Options of the messages among them, the headers checked."""
        found = []
        for frame in frames:
            if frame[23] != 17 or frame[34:38] != struct.pack(">HH", 68, 67):
                continue
            source, to = (int.from_bytes(frame[at : at + 4]) for at in (26, 30))
            assert packets.internet_checksum(packets.pseudo(source, to, 17, len(frame) - 34) + frame[34:]) == 0
            message = frame[42:]
            assert message[:4] == b"\1\1\6\0" and message[28:34] == LINK.to_bytes(6) and len(message) == 300
            assert message[236:240] == b"\x63\x82\x53\x63"
            self.xid = int.from_bytes(message[4:8])
            options, rest = {}, message[240:]
            while rest[0] != 255:
                options[rest[0]] = rest[2 : 2 + rest[1]]
                rest = rest[2 + rest[1] :]
            options[0] = frame[:6] + frame[26:34]
            found.append(options)
        return found

    def rest(self, seconds: float) -> list[dict[int, bytes]]:
        return self.asked(self.host.rest(seconds))

    def say(self, kind: int, seconds: int = 3600, **parts: Any) -> list[dict[int, bytes]]:
        xid, server = parts.get("xid", self.xid), parts.get("server", SERVER)
        body = struct.pack(">BBBBIHHIIII", 2, 1, 6, 0, xid, 0, 0, 0, parts.get("address", OFFERED), server, 0)
        body += LINK.to_bytes(6) + bytes(10 + 192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind])
        body += b"\x36\4" + server.to_bytes(4) + b"\x33\4" + seconds.to_bytes(4) + b"\1\4\xff\xff\xff\0"
        body += b"\3\4" + GATEWAY.to_bytes(4) + b"\6\4" + SERVER.to_bytes(4) + b"\xff"
        return self.asked(self.host.give(datagram(body, 68, source=server, own=67, to=0xFFFF_FFFF)))


def state_of(host: Host) -> State:
    found: State = host.network.dhcp.state
    return found


def test_an_address_is_got_kept_and_lost(host: Host) -> None:
    server = Server(host)
    (discover,) = server.rest(0.1)
    assert discover[53] == b"\1" and discover[0] == b"\xff" * 6 + bytes(4) + b"\xff" * 4
    assert server.say(2, xid=server.xid ^ 1) == [], "somebody else's"
    (request,) = server.say(2)
    assert request[53] == b"\3" and request[50] == OFFERED.to_bytes(4) and request[54] == SERVER.to_bytes(4)
    assert server.say(5, server=SERVER + 1) == [] and state_of(host) is State.REQUESTING
    server.say(5)
    me = host.network.host
    assert (me.address, me.prefix, me.gateway) == (Address(u32(OFFERED)), 24, Address(u32(GATEWAY))) and me.up
    assert host.network.dhcp.lease.name_server == Address(u32(SERVER))
    # After half the time the server is asked, and only it.
    assert server.rest(1799) == []
    renewals = server.rest(3)
    assert renewals and renewals[0][0][6:] == OFFERED.to_bytes(4) + SERVER.to_bytes(4)
    server.say(5)
    assert state_of(host) is State.BOUND and server.rest(1790) == []
    # Without an answer, everybody is; and then the address is gone.
    messages = server.rest(3600 - 1790 - 5)
    assert messages[-1][0][:6] == b"\xff" * 6 and me.up
    server.rest(10)
    assert not me.up and me.address == Address(u32(0)) and state_of(host) is State.SELECTING


def test_a_lease_ends_also_when_the_link_was_away(host: Host) -> None:
    """It may be another network, so a server is looked for; until one answers, the address is ours for its time."""
    server = Server(host)
    server.rest(0.1)
    server.say(2)
    server.say(5, seconds=600)
    host.rest(100)
    for up in (False, True):
        host.network.link_changed(up, u64(host.now))
    me = host.network.host
    assert state_of(host) is State.SELECTING and me.up and me.address == Address(u32(OFFERED))
    server.rest(490)
    assert me.up, "that is its time"
    server.rest(20)
    assert not me.up and me.address == Address(u32(0)) and state_of(host) is State.SELECTING
    server.say(2)
    server.say(5)
    assert me.up and state_of(host) is State.BOUND


def test_requests_are_repeated_more_and_more_seldom(host: Host) -> None:
    server, times = Server(host), []
    begun = host.now
    for _ in range(300):
        times += [(host.now - begun) // SECOND for _ in server.rest(1)]
    waits = [late - early for early, late in itertools.pairwise(times)]
    assert all(abs(wait - wanted) <= 2 for wait, wanted in zip(waits, (4, 8, 16, 32, 64, 64, 64), strict=False)), waits
    assert len(waits) >= 6
    server.say(2)
    assert 4 <= len(server.rest(61)) <= 5, "what was offered is asked for, four times, then all are asked"
    assert host.network.dhcp.state is State.SELECTING


def test_a_refusal_begins_anew(host: Host) -> None:
    server = Server(host)
    server.rest(0.1)
    server.say(2)
    server.say(6)
    assert host.network.dhcp.state is State.SELECTING
    assert [message[53] for message in server.rest(0.1)] == [b"\1"]


def test_connections_end_with_the_address(host: Host) -> None:
    server = Server(host)
    server.rest(0.1)
    server.say(2)
    server.say(5)
    made = host.network.tcp.connect(host.network.host, CLIENT, endpoint(SERVER, 80), u64(host.now))
    server.rest(1)
    server.rest(1801)
    server.say(6)
    status = host.network.tcp.status(CLIENT, made)
    assert status.end.name == "UNREACHABLE"
    host.network.tcp.close(CLIENT, made, u64(host.now))
    assert len(host.network.tcp.flows) == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.booleans(), st.integers(0, 6))
def test_whatever_a_server_says(host: Host, options: bytes, right: bool, kind: int) -> None:
    server = Server(host)
    server.rest(0.1)
    body = struct.pack(">BBBBIHHIIII", 2, 1, 6, 0, server.xid, 0, 0, 0, OFFERED, SERVER, 0) + LINK.to_bytes(6)
    body += bytes(202) + (b"\x63\x82\x53\x63" + bytes([53, 1, kind]) if right else b"") + options
    server.asked(host.give(datagram(body, 68, source=SERVER, own=67, to=0xFFFF_FFFF)))
    assert host.network.dhcp.state in (State.SELECTING, State.REQUESTING) and not host.network.host.up
    host.network.dhcp.state = State.OFF
    host.network.configure(Address(u32(HERE)), u32(24), Address(u32(GATEWAY)))
