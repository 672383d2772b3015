"""What clients have wanted and no line grants, so that who wrote the system file learns which line is missing.

And where their share of the service's places ended: what there is no line for is said, too.

Sixteen different ones, each with how often; a new one takes the place of the one that was new the longest time ago. A
client that tries everything so pushes out what others have tried, and nothing else: what is denied is denied without
this.
"""

from __future__ import annotations

from neokernel.interfaces.clients.log_line import LogLine
from neokernel.lang import Array, Embedded, array, struct, u32, u64, usize
from neokernel.services.network.address import Address, Endpoint
from neokernel.services.network.grants import Denied, Protocol, Verb
from neokernel.services.network.limits import CONNECTIONS, LISTENERS, PORTS

PLACES = 16


@struct
class Denial:
    """`count` 0: a free place. Of LISTEN the address counts for nothing, as no line names one.

    `share`: it may, but has its share of the places, of listeners (LISTEN by TCP), connections, or UDP's sockets.
    """

    client: u32 = 0
    share: bool = False
    verb: Verb = Verb.LISTEN
    protocol: Protocol = Protocol.TCP
    endpoint: Endpoint = Endpoint()
    count: u64 = 0
    #: nobody was told of it yet
    fresh: bool = False


@struct
class Denials:
    places: Array[Embedded[Denial]] = array(PLACES)
    next: usize = 0
    #: one of them is
    fresh: bool = False

    def note(self, client: u32, denied: Denied) -> None:
        endpoint = denied.endpoint if denied.verb is Verb.CONNECT else Endpoint(port=denied.endpoint.port)
        self.note_one(client, denied.verb, denied.protocol, endpoint, False)

    def note_share(self, client: u32, verb: Verb, protocol: Protocol) -> None:
        """The client has its share of that."""
        self.note_one(client, verb, protocol, Endpoint(), True)

    def note_one(self, client: u32, verb: Verb, protocol: Protocol, endpoint: Endpoint, share: bool) -> None:
        for index in range(PLACES):
            known = self.places[index]
            if (
                known.count != 0
                and known.client == client
                and known.share == share
                and known.verb is verb
                and known.protocol is protocol
                and known.endpoint == endpoint
            ):
                known.count += 1
                return
        place = self.places[self.next]
        self.next = (self.next + 1) % PLACES
        place.client, place.verb, place.protocol, place.endpoint = client, verb, protocol, endpoint
        place.share, place.count, place.fresh, self.fresh = share, 1, True, True

    def take(self) -> Denial | None:
        """One that nobody was told of."""
        for index in range(PLACES):
            if self.places[index].fresh:
                self.places[index].fresh = False
                return self.places[index]
        self.fresh = False
        return None


def write_address(said: LogLine, address: Address) -> None:
    for place in range(u32(4)):
        said.write("." if place != 0 else "")
        said.write(f"{address.number >> (8 * (3 - place)) & 0xFF}")


def say(denial: Denial, name: str, said: LogLine) -> None:
    """In the terms of a system file, so that the line can be written. `name`: of the client."""
    listens = denial.verb is Verb.LISTEN
    if denial.share:
        said.write("a client" if name == "" else name)
        said.write(" was denied another ")
        if not listens:
            said.write(f"connection: the {u32(CONNECTIONS)}")
        elif denial.protocol is Protocol.TCP:
            said.write(f"listener: the {u32(LISTENERS)}")
        else:
            said.write(f"UDP socket: the {u32(PORTS)}")
        said.write(" that there are are in use, or kept for other clients")
        return
    verb = "listen" if listens else "connect"
    protocol = "tcp" if denial.protocol is Protocol.TCP else "udp"
    if name == "":
        said.write("a client")
    said.write(f"{name} was denied what no line grants: ")
    if name != "":
        said.write(f"[service.{name}] ")
    said.write(f'network.{verb} = ["{protocol}/')
    if not listens:
        write_address(said, denial.endpoint.address)
        said.write(":")
    said.write(f'{denial.endpoint.port}"]')
