"""A client of DHCP (RFC 2131; options by RFC 2132): where the host's address comes from, if nobody has written it down.

It asks all (DISCOVER), takes the first offer, asks for that (REQUEST), and has the address for as long as it is told.
After half of that time it asks the server for more, after seven eighths anybody, and without an answer it has none.

Answers are believed only with our number (`xid`), our link address, and from the server that was chosen.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Array,
    Span,
    array,
    size_of,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wire,
    wire_view,
)
from neokernel.services.network import ipv4, udp
from neokernel.services.network.address import ANY, BROADCAST, EVERYBODY, Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.clock import NEVER, SECOND
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.secret import LEASE

CLIENT_PORT: u16 = 68
SERVER_PORT: u16 = 67
MAGIC: u32 = 0x6382_5363
#: what every server takes (RFC 951 has 300 bytes)
LENGTH = 300
#: of a request that is repeated: twice as long each time (4.1)
FIRST_PATIENCE: u64 = 4 * SECOND
MOST_PATIENCE: u64 = 64 * SECOND
#: requests for what was offered, before another offer is asked for
MOST_REQUESTS: u32 = 4
#: a server that says less isn't taken at its word
LEAST_LEASE: u64 = 60

# options
MASK = 1
ROUTER = 3
NAME_SERVER = 6
REQUESTED = 50
LEASE_TIME = 51
KIND = 53
SERVER = 54
PARAMETERS = 55
END = 255


class State(Enum):
    """RFC 2131, figure 5."""

    OFF = 0
    SELECTING = 1
    REQUESTING = 2
    BOUND = 3
    RENEWING = 4
    REBINDING = 5


class Event(Enum):
    """What has changed for the host."""

    BOUND = 0
    LOST = 1


@wire(registers=True, endian="big")
class Message:
    operation: u8
    hardware: u8
    hardware_length: u8
    hops: u8
    xid: u32
    seconds: u16
    flags: u16
    client: u32
    yours: u32
    server: u32
    relay: u32
    link0: u16
    link1: u16
    link2: u16
    link_rest: Array[u8] = array(10)
    names: Array[u8] = array(192)
    magic: u32


SIZE = size_of(Message)

assert SIZE == 240


@value
class Lease:
    """What a server has said. Addresses that it didn't mention are ANY."""

    address: Address = ANY
    server: Address = ANY
    prefix: u32 = 24
    gateway: Address = ANY
    name_server: Address = ANY
    #: in seconds
    time: u64 = 3_600


@value
class Answer:
    """A message of a server. `kind`: 2 an offer, 5 an acknowledgement, 6 a refusal."""

    kind: u8
    lease: Lease


@struct
class Dhcp:
    state: State = State.OFF
    xid: u32 = 0
    lease: Lease = Lease()
    #: when this began, the next message is due, and the three times of the lease
    begun: u64 = 0
    ask_at: u64 = NEVER
    renew_at: u64 = NEVER
    rebind_at: u64 = NEVER
    end_at: u64 = NEVER
    patience: u64 = FIRST_PATIENCE
    requests: u32 = 0

    def begin(self, host: Host, now: u64) -> None:
        """Look for a server; also when the link is another one: a lease that there is still ends when it ends."""
        self.state = State.SELECTING
        self.begun = now
        nobody = Flow(Endpoint(), Endpoint())
        self.xid = truncate(u32, host.secret.hash(LEASE, nobody, now ^ host.link.number << 16))
        self.renew_at, self.rebind_at = NEVER, NEVER
        self.restart(now)

    def deadline(self) -> u64:
        """When `advance` has something to do."""
        return min(self.ask_at, self.renew_at, self.rebind_at, self.end_at)

    def advance(self, host: Host, now: u64) -> Event | None:
        """What is due."""
        if self.end_at <= now:
            self.end_at = NEVER
            self.begin(host, now)
            self.ask(host, now)
            return Event.LOST
        if self.rebind_at <= now:
            self.state, self.rebind_at = State.REBINDING, NEVER
            self.restart(now)
        elif self.renew_at <= now:
            self.state, self.renew_at = State.RENEWING, NEVER
            self.restart(now)
        if self.ask_at <= now:
            if self.state is State.REQUESTING and self.requests == MOST_REQUESTS:
                self.begin(host, now)
            self.ask(host, now)
        return None

    def arrive(self, host: Host, data: Span[u8], now: u64) -> Event | None:
        """What a datagram for CLIENT_PORT carries."""
        answer = parse(data, self.xid, host.link)
        if isinstance(answer, Drop):
            host.counters.drop(answer)
            return None
        if answer.kind == OFFER and self.state is State.SELECTING:
            if answer.lease.address.is_single() and answer.lease.server.is_single():
                self.lease, self.state = answer.lease, State.REQUESTING
                self.restart(now)
                self.ask(host, now)
            return None
        if self.state in (State.OFF, State.SELECTING, State.BOUND):
            return None
        if self.state is not State.REBINDING and answer.lease.server != self.lease.server:
            host.counters.drop(Drop.SOURCE)
            return None
        if answer.kind == REFUSAL:
            lost = self.state is not State.REQUESTING
            if lost:
                self.end_at = NEVER
            self.begin(host, now)
            return Event.LOST if lost else None
        if answer.kind != ACKNOWLEDGEMENT or not answer.lease.address.is_single():
            return None
        if answer.lease.address != self.lease.address and self.state is not State.REQUESTING:
            return None
        self.lease = answer.lease
        length = max(answer.lease.time, LEAST_LEASE) * SECOND
        self.state, self.ask_at = State.BOUND, NEVER
        self.renew_at, self.rebind_at, self.end_at = now + length // 2, now + length // 8 * 7, now + length
        return Event.BOUND

    # --- inside -------------------------------------------------------------------------------------------------------

    def restart(self, now: u64) -> None:
        """The next message is due at once, and repeated after some seconds."""
        self.ask_at, self.patience, self.requests = now, FIRST_PATIENCE, 0

    def ask(self, host: Host, now: u64) -> None:
        """DISCOVER, or REQUEST, as the state says (4.3.2, and table 5)."""
        self.requests += 1
        # A second more or less, so that hosts that began together don't go on together (4.1).
        jitter = host.secret.hash(LEASE, Flow(Endpoint(), Endpoint()), now) % (2 * SECOND)
        self.ask_at = now + self.patience + jitter - SECOND
        self.patience = min(2 * self.patience, MOST_PATIENCE)
        source, target, to = ANY, BROADCAST, EVERYBODY
        if self.state in (State.RENEWING, State.REBINDING):
            source = self.lease.address
        if self.state is State.RENEWING:
            link = host.link_to(self.lease.server, now)
            if isinstance(link, Unknown):
                # It is asked for now.
                self.ask_at = now + SECOND
                return
            target, to = self.lease.server, link
        total: usize = ipv4.SIZE + udp.SIZE + LENGTH
        room = host.backlog.room(total)
        if room is None:
            host.counters.drop(Drop.FULL)
            return
        data = room[ipv4.SIZE :]
        self.write(host, data[udp.SIZE :], source, now)
        udp.build(data, CLIENT_PORT, SERVER_PORT, pseudo_header(source, target, ipv4.UDP, len(data)))
        ipv4.build(room, source, target, ipv4.UDP, total, 0)
        host.backlog.add(total, to)

    def write(self, host: Host, into: Span[u8], source: Address, now: u64) -> None:
        for index in range(len(into)):
            into[index] = 0
        message = wire_view(Message, into)
        message.operation, message.hardware, message.hardware_length = 1, 1, 6
        message.xid = self.xid
        message.seconds = truncate(u16, min((now - self.begun) // SECOND, 0xFFFF))
        # Answers are to go to everybody, as we have no address yet.
        message.flags = u16(0x8000) if source.is_unspecified() else u16(0)
        message.client = source.number
        link = host.link.number
        message.link0, message.link1 = truncate(u16, link >> 32), truncate(u16, link >> 16)
        message.link2 = truncate(u16, link)
        message.magic = MAGIC
        options = into[SIZE:]
        options[0], options[1], options[2] = KIND, 1, DISCOVER if self.state is State.SELECTING else REQUEST
        place: usize = 3
        if self.state is State.REQUESTING:
            place = put_address(options, place, REQUESTED, self.lease.address)
            place = put_address(options, place, SERVER, self.lease.server)
        options[place], options[place + 1] = PARAMETERS, 3
        options[place + 2], options[place + 3], options[place + 4] = MASK, ROUTER, NAME_SERVER
        options[place + 5] = END


#: kinds of messages (RFC 2132, 9.6)
DISCOVER: u8 = 1
OFFER: u8 = 2
REQUEST: u8 = 3
ACKNOWLEDGEMENT: u8 = 5
REFUSAL: u8 = 6


def put_address(options: Span[u8], place: usize, kind: u8, address: Address) -> usize:
    options[place], options[place + 1] = kind, 4
    for index in range(4):
        options[place + 2 + index] = truncate(u8, address.number >> u32(24 - 8 * index))
    return place + 6


def parse(data: Span[u8], xid: u32, link: LinkAddress) -> Answer | Drop:
    """A server's message to us. Steps: as many as bytes."""
    if len(data) < SIZE:
        return Drop.LENGTH
    message = wire_view(Message, data)
    ours = u64(message.link0) << 32 | u64(message.link1) << 16 | u64(message.link2) == link.number
    if message.operation != 2 or message.xid != xid or not ours or message.magic != MAGIC:
        return Drop.NOT_OURS
    yours = Address(message.yours)
    server, gateway, name_server = ANY, ANY, ANY
    prefix, time = u32(24), u64(3_600)
    kind: u8 = 0
    place: usize = SIZE
    while place < len(data) and data[place] != END:
        option = data[place]
        if option == 0:
            place += 1
            continue
        if place + 1 == len(data) or usize(data[place + 1]) > len(data) - place - 2:
            return Drop.OPTIONS
        length = usize(data[place + 1])
        body = data[place + 2 : place + 2 + length]
        number: u32 = 0
        if length >= 4:
            number = u32(body[0]) << 24 | u32(body[1]) << 16 | u32(body[2]) << 8 | u32(body[3])
        match option:
            case 53 if length == 1:
                kind = body[0]
            case 54 if length == 4:
                server = Address(number)
            case 51 if length == 4:
                time = u64(number)
            case 1 if length == 4:
                prefix = prefix_of(number)
            case 3 if length >= 4:
                gateway = Address(number)
            case 6 if length >= 4:
                name_server = Address(number)
            case _:
                pass
        place += 2 + length
    return Answer(kind, Lease(yours, server, prefix, gateway, name_server, time))


def prefix_of(mask: u32) -> u32:
    """How many ones a mask begins with."""
    bits: u32 = 0
    while bits < 32 and mask >> (31 - bits) & 1 == 1:
        bits += 1
    return bits
