"""What a network service tells of itself, for who may ask: interface, sockets, neighbours, clients, counters, denials.

    watch: Uses[NetworkWatch] = uses()

Nothing is changed by it, and nobody's bytes are seen: that is `interfaces/capture.py`. Lists are read in steps, from a
place on; each answer says where the next step begins. What comes and goes between two steps is in the list or not, and
nothing else is missed.

Addresses are as in `interfaces/sockets.py`, the first byte the highest. An `owner` is a client's number in badges: the
first service that init starts is 1.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, size_of, u8, u16, u32, u64, up_to, value, wire
from neokernel.runtime.system import Failure


class Beyond(Enum):
    """What there is none of."""

    #: the list ends before that place
    END = 0


class SocketState(Enum):
    """RFC 9293, 3.3.2; and UDP's only one. CLOSED: it is over, and its client hasn't closed it yet."""

    CLOSED = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    CLOSE_WAIT = 6
    CLOSING = 7
    LAST_ACK = 8
    LISTEN = 9
    TIME_WAIT = 10
    #: UDP
    BOUND = 11


@wire
class SocketRecord:
    """A socket. `protocol`: IP's number of it; `state`: a number of `SocketState`.

    `received` bytes wait to be read, `unsent` aren't acknowledged yet (of UDP: wait to be sent). Of a listener:
    connections that wait to be accepted, and such as aren't established. `room`: of each buffer, in bytes; of a
    listener how many may wait. `round_trip`: smoothed, in microseconds, 0 if unknown. `window`: bytes that may be
    in flight.
    """

    owner: u32
    protocol: u8
    state: u8
    unused: u16
    local: u32
    remote: u32
    local_port: u16
    remote_port: u16
    received: u32
    unsent: u32
    room: u32
    round_trip: u32
    window: u32


SOCKET_SIZE = 40
#: records that one call gives at most
MOST_SOCKETS = 64

assert size_of(SocketRecord) == SOCKET_SIZE


@value
class Page:
    """`count` records; the next one is at `next`. With a count of 0 the list has ended."""

    count: u32
    next: u32


@value
class Link:
    """The interface: its card, and who the host is there. `address` 0: nobody, yet. `leased`: by DHCP.

    `link`: the card's address, its first byte the highest. `checksums`: the card makes them. `restarts`: how often its
    driver was another one. `refused`: frames that the driver wouldn't send.
    """

    up: bool
    leased: bool
    checksums: bool
    link: u64
    address: u32
    prefix: u32
    gateway: u32
    mtu: u32
    restarts: u64
    refused: u64
    frames_in: u64
    frames_out: u64
    bytes_in: u64
    bytes_out: u64


@value
class Segments:
    """Counters of TCP, since the service was started. What came wrong is in `dropped`."""

    opened: u64
    accepted: u64
    #: attempts that failed, either way
    failed: u64
    resets_in: u64
    resets_out: u64
    segments_in: u64
    segments_out: u64
    retransmitted: u64
    timeouts: u64
    recoveries: u64
    cookies_out: u64
    cookies_in: u64
    challenges: u64


@value
class NeighbourStatus:
    """Who has an address on the link. `known`: `link` is good for `left` more microseconds; then it is asked for."""

    address: u32
    known: bool
    link: u64
    left: u64
    next: u32


@value
class ClientStatus:
    """A client: sockets have `taken` of its `pairs` pairs of buffers of `each` bytes. `open`: it is there."""

    owner: u32
    open: bool
    pairs: u32
    taken: u32
    each: u32
    next: u32


@value
class DenialStatus:
    """What a client has wanted `count` times and no line grants: to `listen` on a port, or to reach an endpoint.

    `share`: lines grant it, but the client has its share of listeners (of TCP), connections, or sockets (of UDP).
    """

    owner: u32
    share: bool
    listen: bool
    protocol: u8
    address: u32
    port: u16
    count: u64
    next: u32


@interface
class NetworkWatch(Protocol):
    def link(self) -> Link | Failure: ...

    def segments(self) -> Segments | Failure: ...

    def dropped(self, reason: u32) -> u64 | Beyond | Failure:
        """How many packets weren't taken for the reason of that number: `services/network/drop.py` has them."""
        ...

    def sockets(self, place: u32, into: Annotated[Span[u8], up_to(MOST_SOCKETS * SOCKET_SIZE)]) -> Page | Failure:
        """`SocketRecord`s from a place on, 0 at first: as many as are there and fit."""
        ...

    def neighbour(self, place: u32) -> NeighbourStatus | Beyond | Failure:
        """The first one from a place on."""
        ...

    def client(self, place: u32) -> ClientStatus | Beyond | Failure:
        """The first one from a place on."""
        ...

    def denial(self, place: u32) -> DenialStatus | Beyond | Failure:
        """The first one from a place on; the service remembers a few."""
        ...
