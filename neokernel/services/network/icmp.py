"""Messages of ICMP (RFC 792)."""

from __future__ import annotations

from neokernel.lang import Span, size_of, u8, u16, u32, value, wire, wire_view
from neokernel.services.network.checksum import checksum
from neokernel.services.network.drop import Drop

ECHO_REPLY: u8 = 0
UNREACHABLE: u8 = 3
ECHO: u8 = 8
TIME_EXCEEDED: u8 = 11
PARAMETER_PROBLEM: u8 = 12

#: codes of UNREACHABLE
PROTOCOL: u8 = 2
PORT: u8 = 3
FRAGMENTATION_NEEDED: u8 = 4


@wire(registers=True, endian="big")
class Header:
    kind: u8
    code: u8
    check: u16
    #: what it is depends on the kind
    rest: u32


SIZE = size_of(Header)


@value
class Message:
    """A header; what it is about begins at SIZE."""

    kind: u8
    code: u8
    rest: u32

    def is_error(self) -> bool:
        """Is it one that is never answered by another (RFC 1122, 3.2.2)? Unknown kinds are taken for errors."""
        return self.kind not in (ECHO, ECHO_REPLY, 13, 14, 17, 18)

    def next_mtu(self) -> u32:
        """Of FRAGMENTATION_NEEDED (RFC 1191, 4); 0 from routers that don't say."""
        return self.rest & 0xFFFF


def parse(data: Span[u8]) -> Message | Drop:
    if len(data) < SIZE:
        return Drop.LENGTH
    if checksum(data, 0) != 0:
        return Drop.CHECKSUM
    header = wire_view(Header, data)
    return Message(header.kind, header.code, header.rest)


def build(message: Message, into: Span[u8]) -> None:
    """The header, and the checksum of all of `into`."""
    header = wire_view(Header, into)
    header.kind, header.code, header.rest = message.kind, message.code, message.rest
    header.check = 0
    header.check = checksum(into, 0)
