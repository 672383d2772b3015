"""The address resolution protocol's packets (RFC 826), for IPv4 over Ethernet."""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Span, size_of, truncate, u8, u16, u32, u64, value, wire, wire_view
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.drop import Drop
from neokernel.services.network.ethernet import IPV4

ETHERNET: u16 = 1


class Operation(Enum):
    REQUEST = 1
    REPLY = 2


@wire(registers=True, endian="big")
class Header:
    """All in 16 bits: addresses lie anywhere."""

    hardware: u16
    protocol: u16
    hardware_length: u8
    protocol_length: u8
    operation: u16
    sender_link0: u16
    sender_link1: u16
    sender_link2: u16
    sender0: u16
    sender1: u16
    target_link0: u16
    target_link1: u16
    target_link2: u16
    target0: u16
    target1: u16


SIZE = size_of(Header)

assert SIZE == 28


@value
class Packet:
    operation: Operation
    sender_link: LinkAddress
    sender: Address
    target_link: LinkAddress
    target: Address


def parse(data: Span[u8]) -> Packet | Drop:
    if len(data) < SIZE:
        return Drop.LENGTH
    header = wire_view(Header, data)
    if header.hardware != ETHERNET or header.protocol != IPV4:
        return Drop.NOT_OURS
    if header.hardware_length != 6 or header.protocol_length != 4:
        return Drop.FORM
    operation = Operation.REQUEST
    match header.operation:
        case 1:
            pass
        case 2:
            operation = Operation.REPLY
        case _:
            return Drop.NOT_OURS
    sender = LinkAddress(u64(header.sender_link0) << 32 | u64(header.sender_link1) << 16 | u64(header.sender_link2))
    if sender.is_group() or sender.number == 0:
        return Drop.SOURCE
    return Packet(
        operation,
        sender,
        Address(u32(header.sender0) << 16 | u32(header.sender1)),
        LinkAddress(u64(header.target_link0) << 32 | u64(header.target_link1) << 16 | u64(header.target_link2)),
        Address(u32(header.target0) << 16 | u32(header.target1)),
    )


def build(into: Span[u8], packet: Packet) -> None:
    """The packet, into the first bytes."""
    header = wire_view(Header, into)
    header.hardware, header.protocol = ETHERNET, IPV4
    header.hardware_length, header.protocol_length = 6, 4
    header.operation = u16(packet.operation.value)
    link, target = packet.sender_link.number, packet.target_link.number
    header.sender_link0 = truncate(u16, link >> 32)
    header.sender_link1 = truncate(u16, link >> 16)
    header.sender_link2 = truncate(u16, link)
    header.sender0 = truncate(u16, packet.sender.number >> 16)
    header.sender1 = truncate(u16, packet.sender.number)
    header.target_link0 = truncate(u16, target >> 32)
    header.target_link1 = truncate(u16, target >> 16)
    header.target_link2 = truncate(u16, target)
    header.target0 = truncate(u16, packet.target.number >> 16)
    header.target1 = truncate(u16, packet.target.number)
