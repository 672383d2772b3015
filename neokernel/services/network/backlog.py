"""Packets that answer others and have no connection to be remembered in, until they are fetched.

They are whole, from the header of IP (or ARP) on, and have the link address of whoever is answered: so they need no
entry among the neighbours. When all places are taken, what comes is not answered.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, Span, array, invariant, offset_of, struct, u8, u16, u32, usize
from neokernel.services.network.address import LinkAddress
from neokernel.services.network.ethernet import IPV4

PLACES = 16
SIZE = 1_536


@struct
class Place:
    to: LinkAddress = LinkAddress(0)
    length: usize = 0
    kind: u16 = IPV4
    padding0: u16 = 0
    padding1: u32 = 0
    packet: Array[u8] = array(SIZE)


assert offset_of(Place, "packet") % 8 == 0, "packets are aligned"


@struct
class Backlog:
    """A circle of places: `count` of them from `first` on are in use."""

    places: Array[Embedded[Place]] = array(PLACES)
    first: usize = 0
    count: usize = 0

    @invariant
    def is_bounded(self) -> bool:
        return self.first < PLACES and self.count <= PLACES

    def is_full(self) -> bool:
        return self.count == PLACES

    def room(self, length: usize) -> Span[u8] | None:
        """Where to build a packet of that length; None: it is too long, or there is no place."""
        if self.count == PLACES or length > SIZE:
            return None
        return self.places[(self.first + self.count) % PLACES].packet[:length]

    def add(self, length: usize, to: LinkAddress) -> None:
        """A packet of IP, built in `room`, is complete."""
        self.add_kind(length, to, IPV4)

    def add_kind(self, length: usize, to: LinkAddress, kind: u16) -> None:
        """Something of that kind is complete."""
        assert self.count < PLACES and length <= SIZE, "`room` comes first"
        place = self.places[(self.first + self.count) % PLACES]
        place.to, place.length, place.kind = to, length, kind
        self.count += 1

    def oldest(self) -> Place | None:
        return self.places[self.first] if self.count != 0 else None

    def remove(self) -> None:
        """The oldest has been sent."""
        assert self.count != 0
        self.first = (self.first + 1) % PLACES
        self.count -= 1
