"""Damaged fragments, and damaged answers of DHCP, by the million: of what comes, these keep something. For the host.

Packets are made right, and some of them are damaged (`mutation.py`). Of fragments: datagrams are cut anywhere, and
their pieces come in any order, twice, overlapping, and of several at a time. Of answers: they have any options, with
right and wrong lengths, from this server or another one. Invariants are asserted after each packet; what comes whole
out of pieces that nobody has damaged is what was cut; and nobody is believed who doesn't know DHCP's number.
"""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    wire_view,
    wrapping_mul,
)
from neokernel.runtime.hashing import Seed
from neokernel.services.network import dhcp, ipv4, udp
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.clock import MILLISECOND, NEVER, SECOND
from neokernel.services.network.dhcp import Dhcp, Event
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.reassembly import DATAGRAMS, MOST, MOST_RANGES, Reassembly, State
from tests.network.mutation import Chance, changed_byte, mend_packet

#: a packet's room; datagrams that are cut, each of whom has a number, a size and bytes of its own
ROOM = 1_600
NAMES: u64 = 7
#: what became of a packet: see `fragments` and `leases`
LEVELS = 6

HERE = Address(0x0A00_020F)
THERE = Address(0x0A00_0202)
LINK = LinkAddress(0x5254_0012_3456)


@struct
class Room:
    """A packet, at a multiple of eight."""

    place: u64 = 0
    packet: Array[u8] = array(ROOM)


def damage(chance: Chance, packet: Span[u8], headers: u64) -> bool:
    """Some bytes of one packet of four, mostly of its headers; the header's checksum is right nearly always."""
    if chance.next(4) != 0:
        return False
    for _ in range(1 + chance.next(4)):
        place = usize(chance.next(min(len(packet), headers) if chance.next(4) != 0 else len(packet)))
        packet[place] = changed_byte(chance, packet[place])
    if chance.next(8) != 0:
        mend_packet(packet)
    return True


# --- fragments --------------------------------------------------------------------------------------------------------


@struct
class Cutting:
    """`harmed`: of the datagram in each place of the reassembly, a damaged piece was taken."""

    whole: Embedded[Reassembly] = Reassembly()
    room: Embedded[Room] = Room()
    harmed: Array[bool] = array(DATAGRAMS)
    now: u64 = 0


def size_of_name(name: u64) -> usize:
    """Mostly some pieces; one is larger than what is put together."""
    return usize(MOST) + 100 if name == NAMES - 1 else usize(20 + 97 * name)


def byte_of(name: u64, place: usize) -> u8:
    return truncate(u8, wrapping_mul(u64(place) + (name << 20), 0x9E3779B97F4A7C15) >> 56)


def fragments(seed: u64, count: u64, levels: Span[u64]) -> None:
    """Levels: wrong; no fragment; dropped; kept; whole, with damage; whole and right."""
    chance, cutting = Chance(random=wrapping_mul(seed, 0x9E3779B97F4A7C15)), Cutting()
    for _ in range(count):
        cutting.now += chance.next(20) * MILLISECOND if chance.next(50) != 0 else chance.next(6 * SECOND)
        if cutting.whole.deadline() <= cutting.now:
            assert cutting.whole.expire(cutting.now) != 0
        assert cutting.whole.deadline() > cutting.now
        levels[usize(take_one(chance, cutting))] += 1


def take_one(chance: Chance, cutting: Cutting) -> u64:
    name = chance.next(NAMES)
    size = size_of_name(name)
    offset = usize(chance.next((size + 7) // 8)) * 8
    # Where datagrams are cut is mostly the same, so that pieces fit.
    if chance.next(16) != 0:
        offset = offset // 64 * 64
    length = min(size - offset, 64 if chance.next(16) != 0 else 8 * (1 + usize(chance.next(30))))
    total = usize(ipv4.SIZE) + length
    packet = cutting.room.packet[:total]
    ipv4.build(packet, THERE, HERE, ipv4.UDP, total, u16(name))
    header = wire_view(ipv4.Header, packet)
    header.fragment = u16(offset // 8) | (ipv4.MORE if offset + length < size else u16(0))
    for place in range(length):
        packet[ipv4.SIZE + place] = byte_of(name, offset + place)
    mend_packet(packet)
    harmed = damage(chance, packet, 40)
    if chance.next(32) == 0:
        packet = packet[: usize(chance.next(total + 1))]
        harmed = True
    found = ipv4.parse(packet)
    if isinstance(found, Drop):
        return 0
    if not found.is_fragment():
        return 1
    whole = cutting.whole
    known = False
    for index in range(DATAGRAMS):
        known = known or whole.datagrams[index].is_of(found)
    made = whole.add(found, packet[found.payload : found.length], cutting.now)
    for index in range(DATAGRAMS):
        datagram = whole.datagrams[index]
        if datagram.is_of(found):
            cutting.harmed[index] = harmed or (known and cutting.harmed[index])
    check(whole)
    if isinstance(made, Drop):
        return 2
    if made is None:
        return 3
    data = whole.bytes_of(made)
    assert 0 < len(data) <= MOST
    right = not cutting.harmed[made]
    if right:
        assert len(data) == size, "as it was cut"
        for place in range(len(data)):
            assert data[place] == byte_of(name, place), "as it was cut"
    whole.release(made)
    return 5 if right else 4


def check(whole: Reassembly) -> None:
    """The invariants of `reassembly.py`."""
    for index in range(DATAGRAMS):
        datagram = whole.datagrams[index]
        assert (datagram.state is State.FREE) == (datagram.until == NEVER)
        if datagram.state is not State.OPEN:
            continue
        assert datagram.count <= MOST_RANGES
        for one in range(datagram.count):
            part = datagram.ranges[one]
            assert part.left < part.right <= MOST and (datagram.size == 0 or part.right <= datagram.size)
            for other in range(one):
                known = datagram.ranges[other]
                assert part.right < known.left or known.right < part.left, "apart"


# --- DHCP -------------------------------------------------------------------------------------------------------------


@struct
class Leasing:
    host: Embedded[Host] = Host()
    dhcp: Embedded[Dhcp] = Dhcp()
    room: Embedded[Room] = Room()
    now: u64 = 0


def leases(seed: u64, count: u64, levels: Span[u64]) -> None:
    """Levels: wrong; for others; nothing changed; another step; an address; an address that is lost."""
    chance, leasing = Chance(random=wrapping_mul(seed, 0x9E3779B97F4A7C15)), Leasing()
    host, client = leasing.host, leasing.dhcp
    host.link, host.up = LINK, True
    host.secret.key = Seed(seed, 7)
    client.begin(host, 0)
    for _ in range(count):
        leasing.now += chance.next(SECOND) if chance.next(4) != 0 else chance.next(3_000 * SECOND)
        while client.deadline() <= leasing.now:
            before = client.deadline()
            follow(leasing, client.advance(host, leasing.now))
            send(host)
            assert client.deadline() > before or client.ask_at > leasing.now, "it goes on"
        levels[usize(answer_one(chance, leasing))] += 1
        send(host)
        check_lease(client)


def follow(leasing: Leasing, event: Event | None) -> None:
    """As `network.py` does."""
    match event:
        case Event.BOUND:
            leasing.host.address, leasing.host.prefix = leasing.dhcp.lease.address, leasing.dhcp.lease.prefix
        case Event.LOST:
            leasing.host.address, leasing.host.prefix = Address(0), 24
        case None:
            pass


def send(host: Host) -> None:
    """What was asked is a right packet."""
    for _ in range(16):
        place = host.backlog.oldest()
        if place is None:
            return
        packet = ipv4.parse(place.packet[: place.length])
        assert not isinstance(packet, Drop)
        data = place.packet[packet.payload : packet.length]
        asked = udp.parse(data, pseudo_header(packet.source, packet.destination, ipv4.UDP, 0), False)
        assert not isinstance(asked, Drop) and asked.destination == dhcp.SERVER_PORT
        host.backlog.remove()


def check_lease(client: Dhcp) -> None:
    assert client.state is not dhcp.State.OFF and client.lease.prefix <= 32
    if client.state in (dhcp.State.BOUND, dhcp.State.RENEWING, dhcp.State.REBINDING):
        assert client.lease.address.is_single() and client.end_at != NEVER, "an address, and for how long"
        assert client.renew_at == NEVER or client.renew_at <= client.rebind_at
        assert client.rebind_at == NEVER or client.rebind_at <= client.end_at


def answer_one(chance: Chance, leasing: Leasing) -> u64:
    host, client = leasing.host, leasing.dhcp
    length = usize(ipv4.SIZE + udp.SIZE) + write(chance, leasing)
    packet = leasing.room.packet[:length]
    udp.build(
        packet[ipv4.SIZE :],
        dhcp.SERVER_PORT,
        dhcp.CLIENT_PORT,
        pseudo_header(THERE, HERE, ipv4.UDP, length - ipv4.SIZE),
    )
    ipv4.build(packet, THERE, HERE, ipv4.UDP, length, 0)
    _ = damage(chance, packet, length)
    found = ipv4.parse(packet)
    if isinstance(found, Drop) or found.is_fragment() or found.protocol != ipv4.UDP:
        return 0
    data = packet[found.payload : found.length]
    datagram = udp.parse(data, pseudo_header(found.source, found.destination, ipv4.UDP, 0), chance.next(2) == 0)
    if isinstance(datagram, Drop):
        return 0
    body = data[udp.SIZE : datagram.length]
    state, number = client.state, client.xid
    known = is_known(body, number)
    event = client.arrive(host, body, leasing.now)
    follow(leasing, event)
    if not known:
        assert event is None and client.state is state, "who doesn't know the number isn't believed"
        return 1
    match event:
        case Event.BOUND:
            return 4
        case Event.LOST:
            return 5
        case None:
            return 2 if client.state is state else 3


def is_known(body: Span[u8], number: u32) -> bool:
    if len(body) < dhcp.SIZE:
        return False
    message = wire_view(dhcp.Message, body)
    return message.xid == number and message.link2 == truncate(u16, LINK.number)


def write(chance: Chance, leasing: Leasing) -> usize:
    """A server's message: its length."""
    room = leasing.room.packet[ipv4.SIZE + udp.SIZE :]
    for index in range(usize(dhcp.SIZE)):
        room[index] = 0
    message = wire_view(dhcp.Message, room)
    message.operation, message.hardware, message.hardware_length = 2, 1, 6
    message.xid = leasing.dhcp.xid
    message.link0, message.link1 = truncate(u16, LINK.number >> 32), truncate(u16, LINK.number >> 16)
    message.link2 = truncate(u16, LINK.number)
    message.magic = dhcp.MAGIC
    message.yours = HERE.number if chance.next(16) != 0 else truncate(u32, chance.next(1 << 32))
    place = usize(dhcp.SIZE)
    kind = u8(2) if leasing.dhcp.state is dhcp.State.SELECTING else u8(5)
    place = option(room, place, 53, 1, u32(kind if chance.next(8) != 0 else truncate(u8, chance.next(9))) << 24)
    place = option(room, place, 54, 4, THERE.number + u32(chance.next(16) == 0))
    for _ in range(chance.next(6)):
        number = truncate(u32, chance.next(1 << 32))
        match chance.next(6):
            case 0:
                place = option(room, place, 51, 4, number >> truncate(u8, 12 + chance.next(20)))
            case 1:
                place = option(room, place, 1, 4, truncate(u32, u64(0xFFFF_FFFF) << chance.next(32)))
            case 2:
                place = option(room, place, 3, 4 * (1 + truncate(u8, chance.next(3))), number)
            case 3:
                place = option(room, place, 6, 4, number)
            case 4:
                place = option(room, place, truncate(u8, chance.next(255)), truncate(u8, chance.next(40)), number)
            case _:
                room[place] = 0
                place += 1
    if chance.next(8) != 0:
        room[place] = 255
        place += 1
    return place


def option(room: Span[u8], place: usize, kind: u8, length: u8, number: u32) -> usize:
    """The number, and zeroes behind it; the place behind."""
    room[place], room[place + 1] = kind, length
    for index in range(usize(length)):
        room[place + 2 + index] = truncate(u8, number >> u32(24 - 8 * index)) if index < 4 else u8(0)
    return place + 2 + usize(length)
