"""Answers to frames, made of them: ARP (RFC 826), ping (RFC 792), and the echo of datagrams (RFC 862)."""

from __future__ import annotations

from neokernel.lang import Span, copy, truncate, u8, u16, u32, u64, usize

#: the machine's address, as QEMU's network has it: 10.0.2.15
OWN: u32 = 0x0A00_020F
ECHO_PORT = 7


def word(data: Span[u8], place: usize) -> u16:
    return u16(data[place]) << 8 | u16(data[place + 1])


def number(data: Span[u8], place: usize) -> u32:
    return u32(word(data, place)) << 16 | u32(word(data, place + 2))


def put(data: Span[u8], place: usize, found: u16) -> None:
    data[place], data[place + 1] = truncate(u8, found >> 8), truncate(u8, found)


def put_address(data: Span[u8], place: usize, address: u64) -> None:
    for index in range(6):
        data[place + usize(index)] = truncate(u8, address >> (8 * u64(index)))


def swap(data: Span[u8], one: usize, other: usize, count: usize) -> None:
    for place in range(count):
        data[one + place], data[other + place] = data[other + place], data[one + place]


def answer(frame: Span[u8], address: u64) -> bool:
    """Make the answer of a frame, in its place, if there is one."""
    if len(frame) < 42:
        return False
    match word(frame, 12):
        case 0x0806:
            return answer_arp(frame, address)
        case 0x0800:
            return answer_ip(frame[14:], frame)
        case _:
            return False


def answer_arp(frame: Span[u8], address: u64) -> bool:
    if word(frame, 20) != 1 or number(frame, 38) != OWN:
        return False
    put(frame, 20, 2)
    copy(frame[:6], frame[6:12].bytes())
    put_address(frame, 6, address)
    # The one who asked is the target, and we are the sender.
    copy(frame[32:42], frame[22:32].bytes())
    put_address(frame, 22, address)
    put(frame, 28, truncate(u16, OWN >> 16))
    put(frame, 30, truncate(u16, OWN))
    return True


def answer_ip(packet: Span[u8], frame: Span[u8]) -> bool:
    size = usize(packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or size != 20 or number(packet, 16) != OWN or word(packet, 6) & 0x3FFF != 0:
        return False
    match packet[9]:
        case 1 if packet[20] == 8:
            packet[20] = 0
            # One's complement: 0x0800 less in what is summed up is as much more in the sum.
            found = u32(word(packet, 22)) + 0x0800
            put(packet, 22, truncate(u16, (found & 0xFFFF) + (found >> 16)))
        case 17 if word(packet, 22) == ECHO_PORT:
            swap(packet, 20, 22, 2)
        case _:
            return False
    swap(packet, 12, 16, 4)
    swap(frame, 0, 6, 6)
    return True
