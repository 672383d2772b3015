"""Ethernet II frames (RFC 894).

A frame begins six bytes behind a multiple of eight. So IP's header, and every field of 32 bits behind it, is aligned;
and the bytes of a segment of TCP with timestamps begin at a multiple of eight, as a client's buffers do: they are
copied in words. Those of one without timestamps do in a frame that begins SHIFT bytes later.
"""

from __future__ import annotations

from neokernel.lang import Span, size_of, truncate, u8, u16, u64, value, wire, wire_view
from neokernel.services.network.address import LinkAddress
from neokernel.services.network.drop import Drop

IPV4: u16 = 0x0800
ARP: u16 = 0x0806


@wire(registers=True, endian="big")
class Header:
    to0: u16
    to1: u16
    to2: u16
    from0: u16
    from1: u16
    from2: u16
    kind: u16


SIZE = size_of(Header)
SHIFT = 4

assert SIZE == 14


@value
class Frame:
    """A header; what it carries begins at SIZE."""

    destination: LinkAddress
    source: LinkAddress
    kind: u16


def parse(frame: Span[u8]) -> Frame | Drop:
    if len(frame) < SIZE:
        return Drop.LENGTH
    header = wire_view(Header, frame)
    return Frame(
        LinkAddress(u64(header.to0) << 32 | u64(header.to1) << 16 | u64(header.to2)),
        LinkAddress(u64(header.from0) << 32 | u64(header.from1) << 16 | u64(header.from2)),
        header.kind,
    )


def build(into: Span[u8], frame: Frame) -> None:
    """The header, into the first bytes."""
    header = wire_view(Header, into)
    to, source = frame.destination.number, frame.source.number
    header.to0, header.to1, header.to2 = truncate(u16, to >> 32), truncate(u16, to >> 16), truncate(u16, to)
    header.from0 = truncate(u16, source >> 32)
    header.from1 = truncate(u16, source >> 16)
    header.from2 = truncate(u16, source)
    header.kind = frame.kind
