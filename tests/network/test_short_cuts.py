"""Short cuts do what the long way does: segments in a row (`train.py`), and what comes as expected (`prediction.py`).

What they are held against is the same talk with both of them switched off. Damaged and unlikely segments are said to
them by the hostile peer (`test_hostile.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from neokernel import lang
from neokernel.services.network import dispatch
from neokernel.services.network import network as core
from neokernel.services.network.address import Address
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.circle import Circle
from neokernel.services.network.drop import Drop
from neokernel.services.network.prediction import Found, look
from tests.network import packets
from tests.network.packets import ACK, FIN, PSH, Tcp
from tests.network.peer import HERE, LINK, PEER_LINK, THERE, Host, Peer
from tests.network.test_tcp import compiled

SEGMENT = 1456
TIMED = [(2, (1460).to_bytes(2)), (4, b""), (3, b"\7"), (8, bytes(8))]


@pytest.fixture(scope="module")
def machine() -> Host:
    return Host()


@pytest.fixture
def host(machine: Host) -> Host:
    machine.sent()
    machine.rest(3600)
    machine.meet()
    return machine


def frame_of(peer: Peer, flags: int, payload: bytes, ack: int, timed: bool) -> bytes:
    """A segment, which counts as said."""
    options = [(1, b""), (1, b""), (8, peer.clock.to_bytes(4) + peer.echo.to_bytes(4))] if timed else []
    made = Tcp(peer.own, peer.port, peer.seq, ack, flags, peer.window, options, payload)
    peer.seq = (peer.seq + len(payload)) % 2**32
    return packets.ethernet(packets.ipv4(made.data(THERE, HERE), THERE, HERE, 6), LINK, PEER_LINK)


def talk(host: Host, short: bool, timed: bool) -> tuple[list[Any], Counter[str]]:
    """Bytes both ways: all that was answered, with numbers from 0 on, and how often each short cut was taken."""
    network, taken = host.network, Counter[str]()
    network.tcp.train.most = lang.u32(8 if short else 0)
    network.tcp.train.left = lang.u32(0)
    network.tcp.prediction.forget()
    patch = pytest.MonkeyPatch()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            found = function(*arguments)
            taken[name] += bool(found)
            return found

        return called

    def looking(*arguments: Any) -> Any:
        found = look(*arguments)
        taken[found.name] += 1
        return found

    for name in ("arrive_predicted", "follow"):
        patch.setattr(core, name, counting(name, getattr(core, name)))
    patch.setattr(dispatch, "look", looking)
    listener, port = host.listen()
    peer = Peer(host, port, timed=timed)
    answer = peer.open(TIMED if timed else None, listener)
    begun, own = peer.seq, answer.sequence
    heard: list[Any] = []

    def give(*frames: bytes) -> None:
        for frame in frames:
            if not short:
                network.tcp.prediction.forget()
            network.receive(lang.byte_span(bytearray(frame)), False, lang.u64(host.now))
        note(peer.of(host.sent()))

    def note(segments: list[Tcp]) -> None:
        for each in segments:
            numbers = ((each.sequence - own) % 2**32, (each.acknowledgment - begun) % 2**32)
            heard.append((*numbers, each.flags, each.window, each.payload))

    def said(payload: bytes = b"", ack: int | None = None, flags: int = ACK) -> bytes:
        return frame_of(peer, flags, payload, (own + 1) % 2**32 if ack is None else (own + ack) % 2**32, timed)

    try:
        for _ in range(3):
            give(said(b"x" * 500), said(b"y" * 500, flags=ACK | PSH))
        heard.append(peer.read())
        # More than what may be in flight at first; then acknowledgements, one and several at a time.
        data = bytes(range(256)) * 24
        for _ in range(4):
            network.tcp.send(host_client(host), peer.handle, lang.byte_span(bytearray(data)))
            note(peer.of(host.sent()))
        size = max(len(payload) for *_, payload in heard[-4:] if payload)
        give(said(ack=1 + size))
        give(said(ack=1 + 2 * size), said(ack=1 + 3 * size), said(ack=1 + 4 * size))
        give(said(b"with it", ack=1 + 5 * size))
        network.tcp.send(host_client(host), peer.handle, lang.byte_span(bytearray(data)))
        note(peer.of(host.sent()))
        give(said(ack=1 + 6 * size), said(b"behind one", ack=1 + 7 * size), said(b"as one", ack=1 + 8 * size))
        give(said(ack=1 + 8 * size), said(b"z", ack=1 + 9 * size), said(b"zz", ack=1 + 9 * size))
        damaged_one = damaged(said(b"?", ack=2 + 9 * size))
        peer.seq -= 1
        give(damaged_one, damaged(said(ack=2 + 9 * size)), said(ack=2 + 9 * size))
        give(said(b"end", ack=2 + 9 * size, flags=ACK | FIN))
        heard.append(peer.read())
        heard.append(str(peer.state().state))
    finally:
        patch.undo()
        network.tcp.abort(host_client(host), peer.handle)
        host.sent()
        network.tcp.train.most = lang.u32(8)
    return heard, taken


def host_client(host: Host) -> Any:
    return lang.u32(3)


def damaged(frame: bytes) -> bytes:
    """The number that it acknowledges is another one."""
    return frame[:45] + bytes([frame[45] ^ 1]) + frame[46:]


@pytest.mark.parametrize("timed", [False, True], ids=["plain", "timestamps"])
def test_a_talk_is_the_same(host: Host, timed: bool) -> None:
    wrong = host.dropped(Drop.CHECKSUM)
    long, none = talk(host, False, timed)
    short, taken = talk(host, True, timed)
    assert short == long
    assert sum(none.values()) == 0 and taken["arrive_predicted"] >= 10 and taken["follow"] >= 3, taken
    assert min(taken[each.name] for each in Found) >= 2, taken
    assert host.dropped(Drop.CHECKSUM) == wrong + 4


@pytest.mark.parametrize("verified", [False, True], ids=["summed", "verified"])
def test_an_end_that_came_first_is_taken_with_the_bytes_before_it(host: Host, verified: bool) -> None:
    listener, port = host.listen()
    peer = Peer(host, port)
    peer.open(listener=listener)

    def said(flags: int, payload: bytes = b"") -> bytes:
        return frame_of(peer, flags, payload, peer.ack, False)

    for _ in range(3):
        host.give(said(ACK | PSH, b"a" * 10), verified)
    missing, end = said(ACK | PSH, b"b" * 10), said(ACK | FIN)
    host.give(end, verified)
    host.give(missing, verified)
    assert peer.state().peer_finished
    host.network.tcp.abort(host_client(host), peer.handle)
    host.sent()


@pytest.mark.parametrize("parts", [{}, {"mtu": 1_000}, {"loss": 30}, {"reorder": 200, "loss": 20}], ids=str)
def test_a_stream_takes_as_long_and_as_many_frames(parts: dict[str, Any]) -> None:
    common: dict[str, Any] = {"connections": 1, "size": 200_000, "buffer": 65_536, "delay": 5_000, **parts}
    short, long = compiled(5, **common), compiled(5, **common, long_way=True)
    if "loss" not in parts:
        assert short == long
    # One that is lost is another one, if acknowledgements come together; and it ends, as it should.
    assert short["complete"] == long["complete"] == 2


# --- what is summed while it is copied --------------------------------------------------------------------------------


@pytest.mark.parametrize("timed", [False, True], ids=["plain", "timestamps"])
@pytest.mark.parametrize("later", [0, 4])
def test_circles_are_told_where_bytes_lie(host: Host, monkeypatch: pytest.MonkeyPatch, later: int, timed: bool) -> None:
    """Frames begin six bytes behind a multiple of eight, or `later`: then so does what is copied, with its header."""
    told: list[tuple[str, int, int]] = []
    for name in ("write_summed", "read_summed"):
        function = getattr(Circle, name)

        def noting(circle: Any, place: Any, data: Any, lead: Any, *, name: str = name, function: Any = function) -> Any:
            told.append((name, (6 + data._start) % 8, int(lead) % 8))
            return function(circle, place, data, lead)

        monkeypatch.setattr(Circle, name, noting)
    listener, port = host.listen()
    peer = Peer(host, port, timed=timed)
    peer.open(TIMED if timed else None, listener)
    monkeypatch.setattr(host.network.host, "may_lead", later != 0)
    host.network.host.lead_in = lang.usize(later)
    for _ in range(4):
        frame = frame_of(peer, ACK, b"12345678" * 20, peer.ack, timed)
        # Where a frame begins in its memory is what the driver says.
        host.network.receive(lang.byte_span(bytearray(later) + frame)[lang.usize(later) :], False, lang.u64(host.now))
        host.sent()
    host.network.host.lead_in = lang.usize(0)
    network = host.network
    network.tcp.send(lang.u32(3), peer.handle, lang.byte_span(bytearray(6_000)))
    host.sent()
    network.tcp.abort(lang.u32(3), peer.handle)
    host.sent()
    assert {name for name, *_ in told} == {"write_summed", "read_summed"}
    assert len(told) >= 8
    assert all(is_ == was_told for _, is_, was_told in told), told


def test_pseudo_headers_of_both_directions_are_alike() -> None:
    """A connection's own addresses are summed for what comes, as the packet's are on the long way."""
    one, other = (Address(lang.u32(each)) for each in (HERE, THERE))
    assert pseudo_header(one, other, lang.u8(6), lang.usize(20)) == pseudo_header(
        other, one, lang.u8(6), lang.usize(20)
    )
