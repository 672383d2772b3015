"""What each client may do with the network: lines of its manifest, and nothing else.

`listen = ["tcp/8080"]` lets it have that port; `connect = ["tcp/10.0.2.2:53", "udp/10.0.2.0/24:100-199"]` lets it reach
those endpoints. What isn't granted is `Denied`, which has what a line would have to name.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import MOST_NETWORK_LINES
from neokernel.lang import Array, array, struct, u16, u32, usize, value
from neokernel.services.network.address import ANY, Address, Endpoint


class Verb(Enum):
    LISTEN = 0
    CONNECT = 1


class Protocol(Enum):
    TCP = 0
    UDP = 1


@value
class Grant:
    """Ports from `first` to `last`: of this host (LISTEN), or of the hosts in a network (CONNECT)."""

    verb: Verb = Verb.LISTEN
    protocol: Protocol = Protocol.TCP
    network: Address = ANY
    prefix: u32 = 0
    first: u16 = 0
    last: u16 = 0


@value
class Denied:
    """What no line grants."""

    verb: Verb
    protocol: Protocol
    endpoint: Endpoint


@struct
class Grants:
    """Of one client; at first none."""

    lines: Array[Grant] = array(MOST_NETWORK_LINES)
    count: usize = 0

    def add(self, grant: Grant) -> bool:
        """False: there are too many."""
        if self.count == MOST_NETWORK_LINES:
            return False
        self.lines[self.count] = grant
        self.count += 1
        return True

    def ports(self, protocol: Protocol) -> u32:
        """At how many ports the client may listen, as its lines count them: one that two lines grant is two."""
        count: u32 = 0
        for line in self.lines[: self.count]:
            if line.verb is Verb.LISTEN and line.protocol is protocol and line.first <= line.last:
                count += u32(line.last) - u32(line.first) + 1
        return count

    def denied(self, verb: Verb, protocol: Protocol, endpoint: Endpoint) -> Denied | None:
        """None: a line grants it."""
        for line in self.lines[: self.count]:
            if (
                line.verb is verb
                and line.protocol is protocol
                and line.first <= endpoint.port <= line.last
                and (verb is Verb.LISTEN or endpoint.address.within(line.network, line.prefix))
            ):
                return None
        return Denied(verb, protocol, endpoint)
