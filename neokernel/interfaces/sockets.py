"""Sockets: TCP and UDP for one client, over rings and buffers in memory that it lends the network service.

    network: Uses[Sockets] = uses(lend=256 << 10)
    wake = network.open(orders, news, buffers, 8192, mine)      # three parts of the region; whom to wake

`interfaces/clients/sockets.py` does all of this for a program: it has `listen`, `accept`, `connect`, `send`, `receive`.

Three parts of the client's region:

| part | what |
|---|---|
| orders | a ring of messages of `Orders`, which the client posts |
| news | a ring of messages of `News`, which the service posts, of two slots at least |
| buffers | pairs of buffers of `each` bytes: pair n has its bytes to be sent at 2n, those that came at 2n + 1 |

A connection, and a UDP socket, has one pair for as long as it lives; which one, the service says. Both buffers are used
in a circle from their beginnings on. The client writes bytes behind those that it wrote before, and says how many there
are *in all*; the service says how many it has put into the other one, and how many the peer has acknowledged, in all,
too. So bytes are copied once on each side, a later message says all that an earlier one said, and what is free follows.
All such counts are modulo 2**32.

A socket is named by a number of the service's, which nobody else's orders can name. What a client may open is said by
its manifest: what no line grants is refused (DENIED), and nothing else happens.

**The service takes no more orders than it has room for their news**, so neither ring is ever in the way of the other:
who posts orders and takes no news waits for nobody but itself.

**When the service ends,** all that was open is over: the client opens anew, and peers are told that their connections
are reset when they speak next. An order to a service that has gone is lost: so who waits calls `session` now and then.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import Given, interface, u16, u32, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

#: bytes of a buffer
LEAST_BUFFER = 1_024
MOST_BUFFER = 1 << 20
#: pairs of a client
MOST_PAIRS = 1_024
#: datagrams that a socket has to be sent at most, and that wait to be read
MOST_DATAGRAMS = 32


def ipv4(first: u32, second: u32, third: u32, fourth: u32) -> u32:
    """An address, as orders and news have it: `ipv4(10, 0, 2, 15)`."""
    return first << 24 | second << 16 | third << 8 | fourth


class NoSockets(Enum):
    """Why the network wasn't opened."""

    #: a part is no ring, or there is no room for a pair of buffers of that size; or what is to be signalled is none
    PARTS = 0
    #: the service has no place for another client
    CLIENTS = 1


class Refusal(Enum):
    """Why something wasn't opened."""

    #: no line of the manifest grants it
    DENIED = 0
    #: the service has no place for another one, though it has kept one for this client
    FULL = 1
    #: all of the client's pairs of buffers are in use
    BUFFERS = 2
    #: somebody has that port
    IN_USE = 3
    #: there is no way to that address
    NO_ROUTE = 4
    #: that can't be an address or a port; to listen, or of UDP, it isn't one of the host's addresses
    ADDRESS = 5
    #: the client has its share of the service's places, and the others are in use, or kept for other clients
    SHARE = 6
    #: a program's deadline was over before the service had answered (its library says so; the service never does)
    EXPIRED = 7


class End(Enum):
    """How a connection ended."""

    #: it hasn't
    NONE = 0
    #: in order, both ways
    DONE = 1
    #: the peer has reset it
    RESET = 2
    #: nobody listens there
    REFUSED = 3
    #: the peer hasn't answered for too long
    TIMED_OUT = 4
    #: there is no such host, or no way to it
    UNREACHABLE = 5
    #: reset from here
    ABORTED = 6


@interface
class Sockets(Protocol):
    """The network, for one client."""

    def open(
        self, orders: Lent, news: Lent, buffers: Lent, each: u32, wake: Given[Notification]
    ) -> Given[Notification] | NoSockets | Failure:
        """Begin: with two rings of zeroes. What the client had open before is reset. Whom to signal for orders."""
        ...

    def session(self) -> u64 | Failure:
        """A number that is another one for each `open`, 0 if the client hasn't opened: then all is over."""
        ...


@interface
class Orders(Protocol):
    """What the client wants. `tag` is a number of its own, by which it is told what became of it."""

    def listen(self, tag: u32, address: u32, port: u16, backlog: u32) -> Failure | None:
        """Let others connect, on an address of the host's or on all (0); `listening` or `refused` will come."""
        ...

    def stop(self, listener: u64) -> Failure | None: ...

    def connect(self, tag: u32, address: u32, port: u16) -> Failure | None:
        """`opened` or `refused` will come, and `moved` when the peer has answered."""
        ...

    def moved(self, socket: u64, written: u32, read: u32) -> Failure | None:
        """The client has written so many bytes in all, and read so many."""
        ...

    def finish(self, socket: u64) -> Failure | None:
        """There is no more to send."""
        ...

    def close(self, socket: u64) -> Failure | None:
        """The client is done with it; what was written is sent. The number and the buffers aren't the client's then."""
        ...

    def abort(self, socket: u64) -> Failure | None:
        """The same, but reset it."""
        ...

    def options(self, socket: u64, no_delay: bool, idle: u32, interval: u32) -> Failure | None:
        """How a connection is to be from now on; at first, all of this is off.

        `no_delay`: small pieces are sent at once, though others aren't acknowledged (RFC 9293, 3.7.4). `idle`: seconds
        of silence behind which the peer is asked whether it is there, and again every `interval` seconds, nine times
        in all: then the connection has ended, TIMED_OUT (RFC 9293, 3.8.4); 0: it isn't asked.
        """
        ...

    def bind(self, tag: u32, address: u32, port: u16) -> Failure | None:
        """A UDP socket; port 0: one that the service chooses. `opened` or `refused` will come."""
        ...

    def send_to(self, socket: u64, address: u32, port: u16, length: u32) -> Failure | None:
        """A datagram: the next `length` bytes of the buffer. At most MOST_DATAGRAMS that aren't `gone`."""
        ...

    def taken(self, socket: u64, count: u32) -> Failure | None:
        """The client has read so many more of the datagrams that have come."""
        ...

    def unbind(self, socket: u64) -> Failure | None: ...


@interface
class News(Protocol):
    """What has happened. `pair` says in which pair of buffers."""

    def listening(self, tag: u32, listener: u64) -> Failure | None: ...

    def refused(self, tag: u32, why: Refusal) -> Failure | None: ...

    def accepted(self, listener: u64, pair: u32, socket: u64, address: u32, port: u16) -> Failure | None:
        """A peer has connected."""
        ...

    def opened(self, tag: u32, pair: u32, socket: u64, port: u16) -> Failure | None:
        """What `connect` or `bind` has asked for: on this port of the host's."""
        ...

    def moved(
        self, pair: u32, arrived: u32, acknowledged: u32, established: bool, finished: bool, end: End
    ) -> Failure | None:
        """So many bytes have come in all, and so many were acknowledged. `finished`: no more will come."""
        ...

    def came(self, pair: u32, address: u32, port: u16, length: u32) -> Failure | None:
        """A datagram: the next `length` bytes of the buffer."""
        ...

    def gone(self, pair: u32, datagrams: u32, length: u32, refused: bool) -> Failure | None:
        """So many datagrams, and their bytes, aren't in the buffer any more. `refused`: one of them wasn't granted."""
        ...
