"""The header of IPv4 (RFC 791, 3.1).

Options are looked through and then ignored, but for source routes: a packet with one is dropped (RFC 7126, 4.3 and
4.4).
"""

from __future__ import annotations

from neokernel.lang import Span, size_of, truncate, u8, u16, u32, usize, value, wire, wire_view
from neokernel.services.network.address import Address
from neokernel.services.network.checksum import checksum
from neokernel.services.network.drop import Drop

ICMP: u8 = 1
TCP: u8 = 6
UDP: u8 = 17

#: hops that a packet may make (RFC 1700's recommendation)
HOPS: u8 = 64
#: the least MTU of a path (RFC 791, 3.2: 68), and what a path's MTU is never taken to be below: 512 and headers, as
#: every host takes 576
LEAST_MTU = 552

#: of `fragment`
DONT_FRAGMENT: u16 = 0x4000
MORE: u16 = 0x2000
OFFSET: u16 = 0x1FFF


@wire(registers=True, endian="big")
class Header:
    version: u8
    service: u8
    length: u16
    identification: u16
    fragment: u16
    hops: u8
    protocol: u8
    check: u16
    source: u32
    destination: u32


SIZE = size_of(Header)

assert SIZE == 20


@value
class Packet:
    """A header. It carries what is from `payload` to `length`: of a fragment, a part that begins at `offset`."""

    source: Address
    destination: Address
    protocol: u8
    identification: u16
    offset: usize
    more: bool
    payload: usize
    length: usize

    def is_fragment(self) -> bool:
        return self.more or self.offset != 0


def parse(data: Span[u8]) -> Packet | Drop:
    """`data` may be longer than the packet: Ethernet fills short frames."""
    if len(data) < SIZE:
        return Drop.LENGTH
    header = wire_view(Header, data)
    version, length, fragment = header.version, usize(header.length), header.fragment
    begin = usize(version & 15) * 4
    if version >> 4 != 4 or begin < SIZE:
        return Drop.FORM
    if length < begin or length > len(data):
        return Drop.LENGTH
    if checksum(data[:begin], 0) != 0:
        return Drop.CHECKSUM
    if begin != SIZE and not options_do(data[SIZE:begin]):
        return Drop.OPTIONS
    more = fragment & MORE != 0
    offset = usize(fragment & OFFSET) * 8
    # Fragments but the last are multiples of eight, and none goes beyond the largest datagram.
    if (more and (length - begin) % 8 != 0) or offset + (length - begin) > 65_535 - SIZE:
        return Drop.FRAGMENTS
    source, destination = Address(header.source), Address(header.destination)
    return Packet(source, destination, header.protocol, header.identification, offset, more, begin, length)


def options_do(options: Span[u8]) -> bool:
    """Are the options well-formed, and none of them a source route (3.1)? Steps: as many as bytes."""
    place: usize = 0
    while place < len(options):
        kind = options[place]
        if kind == 0:
            return True
        if kind == 1:
            place += 1
            continue
        if place + 1 == len(options):
            return False
        length = usize(options[place + 1])
        if length < 2 or length > len(options) - place or kind in (131, 137):
            return False
        place += length
    return True


def build(
    into: Span[u8], source: Address, destination: Address, protocol: u8, length: usize, identification: u16
) -> None:
    """The header of a packet of `length` bytes, itself among them, into the first bytes. DF is set (RFC 1191, 3)."""
    header = wire_view(Header, into)
    header.version, header.service = 0x45, 0
    header.length = u16(length)
    header.identification, header.fragment = identification, DONT_FRAGMENT
    header.hops, header.protocol = HOPS, protocol
    header.check = 0
    header.source, header.destination = source.number, destination.number
    header.check = checksum(into[:SIZE], 0)


def mss_of(mtu: u32) -> u16:
    """The largest segment of TCP that fits, without options (RFC 9293, 3.7.1)."""
    return truncate(u16, min(mtu - 40, 65_495))
