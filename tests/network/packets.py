"""Packets as the RFCs write them, by `struct` alone: what the service's own code is held against."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def ip(text: str) -> int:
    return int.from_bytes(bytes(map(int, text.split("."))))


def internet_checksum(data: bytes) -> int:
    """RFC 1071, section 1, word by word."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload: bytes, to: int, source: int, kind: int = 0x0800) -> bytes:
    return to.to_bytes(6) + source.to_bytes(6) + kind.to_bytes(2) + payload


def arp(operation: int, sender_link: int, sender: int, target_link: int, target: int) -> bytes:
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return head + sender_link.to_bytes(6) + sender.to_bytes(4) + target_link.to_bytes(6) + target.to_bytes(4)


def ipv4(
    payload: bytes,
    source: int,
    destination: int,
    protocol: int,
    *,
    identification: int = 0,
    fragment: int = 0x4000,
    hops: int = 64,
    options: bytes = b"",
) -> bytes:
    assert len(options) % 4 == 0
    length = 20 + len(options) + len(payload)
    words = 0x45 + len(options) // 4, 0, length, identification, fragment, hops, protocol
    head = struct.pack(">BBHHHBB", *words) + b"\0\0" + struct.pack(">II", source, destination) + options
    return head[:10] + internet_checksum(head).to_bytes(2) + head[12:] + payload


def pseudo(source: int, destination: int, protocol: int, length: int) -> bytes:
    return struct.pack(">IIBBH", source, destination, 0, protocol, length)


def icmp(kind: int, code: int, rest: int, payload: bytes = b"") -> bytes:
    head = struct.pack(">BBHI", kind, code, 0, rest)
    return head[:2] + internet_checksum(head + payload).to_bytes(2) + head[4:] + payload


def udp(payload: bytes, source: int, destination: int, source_port: int, port: int) -> bytes:
    length = 8 + len(payload)
    head = struct.pack(">HHHH", source_port, port, length, 0)
    check = internet_checksum(pseudo(source, destination, 17, length) + head + payload) or 0xFFFF
    return head[:6] + check.to_bytes(2) + payload


@dataclass
class Tcp:
    """A segment, for both ways."""

    source: int = 0
    destination: int = 0
    sequence: int = 0
    acknowledgment: int = 0
    flags: int = 0
    window: int = 0
    options: list[tuple[int, bytes]] = field(default_factory=list)
    payload: bytes = b""

    def data(self, source: int, destination: int) -> bytes:
        # One of kind 1 is nothing, and has no length.
        options = b"".join(b"\1" if kind == 1 else bytes((kind, len(body) + 2)) + body for kind, body in self.options)
        options += b"\1" * (-len(options) % 4)
        head = struct.pack(
            ">HHIIBBHHH",
            self.source,
            self.destination,
            self.sequence,
            self.acknowledgment,
            (5 + len(options) // 4) << 4,
            self.flags,
            self.window,
            0,
            0,
        )
        whole = head + options + self.payload
        check = internet_checksum(pseudo(source, destination, 6, len(whole)) + whole)
        return whole[:16] + check.to_bytes(2) + whole[18:]

    @classmethod
    def of(cls, data: bytes) -> Tcp:
        source, destination, sequence, acknowledgment, offset, flags, window, _, _ = struct.unpack(
            ">HHIIBBHHH", data[:20]
        )
        begin = offset >> 4 << 2
        options, rest = [], data[20:begin]
        while rest and rest[0] != 0:
            if rest[0] == 1:
                rest = rest[1:]
                continue
            options.append((rest[0], rest[2 : rest[1]]))
            rest = rest[rest[1] :]
        return cls(source, destination, sequence, acknowledgment, flags, window, options, data[begin:])

    def option(self, kind: int) -> bytes | None:
        return dict(self.options).get(kind)
