"""A host under test, and a peer that says exactly what a test wants it to say: packets made by `struct`."""

from __future__ import annotations

import itertools
import struct
from typing import Any

from neokernel import lang
from neokernel.runtime.hashing import Seed
from neokernel.services.network.address import Address, Endpoint, LinkAddress
from neokernel.services.network.network import Network
from tests.network import packets
from tests.network.packets import ACK, SYN, Tcp

LINK, PEER_LINK, GATEWAY_LINK = 0x02_00_00_00_00_01, 0x02_00_00_00_00_02, 0x02_00_00_00_00_FE
HERE, THERE, GATEWAY = packets.ip("10.0.0.1"), packets.ip("10.0.0.2"), packets.ip("10.0.0.254")
FAR = packets.ip("192.0.2.7")
CLIENT = lang.u32(3)
SECOND = 1_000_000


class Host:
    """The network of a host, its time, and what it has sent."""

    def __init__(self) -> None:
        self.network: Any = Network()
        self.now = 1_000_000_000
        self.memory = bytearray(1 << 20)
        self.built = bytearray(2048)
        self.ports = itertools.count(2000)
        self.network.begin(LinkAddress(lang.u64(LINK)), Seed(lang.u64(7), lang.u64(8)))
        self.network.configure(Address(lang.u32(HERE)), lang.u32(24), Address(lang.u32(GATEWAY)))
        self.region.attach(lang.byte_span(self.memory), lang.usize(8192))

    @property
    def region(self) -> Any:
        return self.network.tcp.buffers.regions[lang.usize(CLIENT)]

    @property
    def counters(self) -> Any:
        return self.network.host.counters

    def dropped(self, reason: Any) -> int:
        return int(self.counters.dropped[lang.usize(int(reason.value))])

    def give(self, frame: bytes, verified: bool = False) -> list[bytes]:
        """Receive a frame; what is sent upon it."""
        self.network.receive(lang.byte_span(bytearray(frame)), verified, lang.u64(self.now))
        return self.sent()

    def sent(self) -> list[bytes]:
        frames = []
        # As the service asks: not once more, to be told that there is nothing.
        while self.network.has_output(lang.u64(self.now)):
            length = int(self.network.fetch(lang.byte_span(self.built), lang.u64(self.now)))
            if length == 0:
                break
            frame = bytes(self.built[:length])
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == THERE.to_bytes(4):
                # The peer's address is known to whoever asks.
                reply = packets.arp(2, PEER_LINK, THERE, LINK, HERE)
                reply = packets.ethernet(reply, LINK, PEER_LINK, 0x0806)
                self.network.receive(lang.byte_span(bytearray(reply)), False, lang.u64(self.now))
                continue
            frames.append(frame)
            assert len(frames) < 1000
        return frames

    def wait(self, until: int) -> list[bytes]:
        """Let time pass; what is sent meanwhile."""
        frames = []
        while (due := int(self.network.deadline())) <= until:
            self.now = max(self.now, due)
            self.network.advance(lang.u64(self.now))
            frames += self.sent()
        self.now = until
        return frames

    def rest(self, seconds: float) -> list[bytes]:
        return self.wait(self.now + int(seconds * SECOND))

    def meet(self, link: int = PEER_LINK, address: int = THERE) -> None:
        """The peer asks for us, so its address is known."""
        question = packets.arp(1, link, address, 0, HERE)
        (answer,) = self.give(packets.ethernet(question, 0xFFFF_FFFF_FFFF, link, 0x0806))
        assert answer == packets.ethernet(packets.arp(2, LINK, HERE, link, address), link, LINK, 0x0806)

    def listen(self, backlog: int = 8) -> tuple[Any, int]:
        port = next(self.ports)
        handle = self.network.tcp.listen(CLIENT, Endpoint(Address(lang.u32(0)), lang.u16(port)), lang.u32(backlog))
        return handle, port


class Peer:
    """One connection, seen from the other side. `seq` and `ack` are the peer's; those of each segment can be given."""

    def __init__(self, host: Host, port: int, own: int | None = None, *, timed: bool = False) -> None:
        self.host, self.port, self.own = host, port, own or next(host.ports) + 30_000
        self.seq, self.ack = 5_000_000, 0
        self.timed, self.clock, self.echo = timed, 1000, 0
        self.handle: Any = None
        self.window = 60_000

    def say(self, flags: int, payload: bytes = b"", **fields: Any) -> list[Tcp]:
        """A segment; what is answered. It moves `seq` on, unless it is given."""
        return self.of(self.host.give(self.frame(flags, payload, **fields)))

    def frame(self, flags: int, payload: bytes = b"", **fields: Any) -> bytes:
        """The same, to be given to the host."""
        options = fields.pop("options", [])
        if self.timed and not any(kind == 8 for kind, _ in options) and fields.pop("stamp", True):
            options = [*options, (8, struct.pack(">II", fields.pop("time", self.clock), self.echo))]
        moves = "seq" not in fields
        seq, ack = fields.pop("seq", self.seq), fields.pop("ack", self.ack)
        window = fields.pop("window", self.window)
        assert not fields, fields
        made = Tcp(self.own, self.port, seq, ack if flags & ACK else 0, flags, window, options, payload)
        frame = packets.ethernet(packets.ipv4(made.data(THERE, HERE), THERE, HERE, 6), LINK, PEER_LINK)
        if moves:
            self.seq = (self.seq + len(payload) + bool(flags & SYN) + bool(flags & packets.FIN)) % 2**32
        return frame

    def of(self, frames: list[bytes]) -> list[Tcp]:
        """The segments of this connection among them."""
        found = []
        for frame in frames:
            if frame[12:14] != b"\x08\0" or frame[23] != 6:
                continue
            assert packets.internet_checksum(frame[14:34]) == 0 and int.from_bytes(frame[16:18]) == len(frame) - 14
            whole = frame[34:]
            assert packets.internet_checksum(packets.pseudo(HERE, THERE, 6, len(whole)) + whole) == 0
            made = Tcp.of(whole)
            if (made.source, made.destination) == (self.port, self.own):
                found.append(made)
                if self.timed and (stamp := made.option(8)) is not None:
                    self.echo = int.from_bytes(stamp[:4])
        return found

    def rest(self, seconds: float) -> list[Tcp]:
        return self.of(self.host.rest(seconds))

    def open(self, options: list[tuple[int, bytes]] | None = None, listener: Any = None) -> Tcp:
        """The handshake, from our side; gives the answer to the SYN."""
        (answer,) = self.say(SYN, options=options or [(2, (1460).to_bytes(2))])
        assert answer.flags == SYN | ACK and answer.acknowledgment == self.seq
        self.ack = (answer.sequence + 1) % 2**32
        assert self.say(ACK) == []
        if listener is not None:
            self.handle = self.host.network.tcp.accept(CLIENT, listener)
            assert self.handle is not None
        return answer

    # --- what the program on the host does

    def state(self) -> Any:
        return self.host.network.tcp.status(CLIENT, self.handle)

    def write(self, data: bytes) -> list[Tcp]:
        taken = self.host.network.tcp.send(CLIENT, self.handle, lang.byte_span(bytearray(data)))
        assert taken == len(data), taken
        return self.of(self.host.sent())

    def read(self, most: int = 10_000) -> bytes:
        into = bytearray(most)
        count = self.host.network.tcp.receive(CLIENT, self.handle, lang.byte_span(into))
        return bytes(into[: int(count)]) if isinstance(count, int) else b"closed"

    def finish(self) -> list[Tcp]:
        assert self.host.network.tcp.finish(CLIENT, self.handle, lang.u64(self.host.now)) is None
        return self.of(self.host.sent())

    def close(self) -> list[Tcp]:
        assert self.host.network.tcp.close(CLIENT, self.handle, lang.u64(self.host.now)) is None
        return self.of(self.host.sent())
