"""The header of UDP (RFC 768)."""

from __future__ import annotations

from neokernel.lang import Span, size_of, u8, u16, u32, usize, value, wire, wire_view
from neokernel.services.network.checksum import checksum
from neokernel.services.network.drop import Drop


@wire(registers=True, endian="big")
class Header:
    source: u16
    destination: u16
    length: u16
    check: u16


SIZE = size_of(Header)


@value
class Datagram:
    """A header. What it carries is SIZE to `length` of the data."""

    source: u16
    destination: u16
    length: usize


def parse(data: Span[u8], pseudo: u32, verified: bool) -> Datagram | Drop:
    """`pseudo`: the sum of the pseudo-header without the length; `verified`: the device has checked the checksum."""
    if len(data) < SIZE:
        return Drop.LENGTH
    header = wire_view(Header, data)
    length = usize(header.length)
    if length < SIZE or length > len(data):
        return Drop.LENGTH
    if not verified and header.check != 0 and checksum(data[:length], pseudo + u32(length)) != 0:
        return Drop.CHECKSUM
    if header.destination == 0:
        return Drop.FORM
    return Datagram(header.source, header.destination, length)


def build(into: Span[u8], source: u16, destination: u16, pseudo: u32) -> None:
    """The header of the datagram that is all of `into`; `pseudo`: the sum of the pseudo-header, its length included."""
    header = wire_view(Header, into)
    header.source, header.destination = source, destination
    header.length = u16(len(into))
    header.check = 0
    check = checksum(into, pseudo)
    # No checksum is 0: that would say that there is none.
    header.check = 0xFFFF if check == 0 else check
