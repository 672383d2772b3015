"""Fragments of IPv4 put together again (RFC 791, 3.2; RFC 815; RFC 1122, 3.3.2).

Four datagrams at a time, of at most 16 KiB; a fifth takes the place of the oldest. Overlapping fragments aren't sent by
anybody honest: their datagram is given up, and so are those of its fragments that are yet to come (RFC 5722, 4, says so
of IPv6). Exact repetitions are harmless, as networks duplicate packets.

Invariants, of a datagram that is used:
- `ranges[:count]` are what has come, pairwise apart (neither overlapping nor adjacent), each within `MOST` bytes.
- If its end is known (`size` isn't 0), no range goes beyond it.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, Embedded, Span, array, copy, invariant, struct, u8, u16, u64, usize, value
from neokernel.services.network.address import ANY, Address
from neokernel.services.network.clock import NEVER, SECOND
from neokernel.services.network.drop import Drop
from neokernel.services.network.ipv4 import Packet

DATAGRAMS = 4
MOST = 16_384
#: pieces with gaps between them
MOST_RANGES = 16
LIFETIME: u64 = 15 * SECOND


class State(Enum):
    FREE = 0
    OPEN = 1
    #: it waits for nothing but its end
    REFUSED = 2


@value
class Part:
    """Bytes from `left` to `right`, without it."""

    left: usize = 0
    right: usize = 0


@struct
class Datagram:
    #: for alignment, `data` is first behind numbers of 64 bits
    until: u64 = NEVER
    size: usize = 0
    data: Array[u8] = array(MOST)
    state: State = State.FREE
    source: Address = ANY
    destination: Address = ANY
    protocol: u8 = 0
    identification: u16 = 0
    count: usize = 0
    ranges: Array[Part] = array(MOST_RANGES)

    @invariant
    def parts_are_bounded(self) -> bool:
        return self.count <= MOST_RANGES and self.size <= MOST

    def is_of(self, packet: Packet) -> bool:
        return (
            self.state is not State.FREE
            and self.identification == packet.identification
            and self.source == packet.source
            and self.destination == packet.destination
            and self.protocol == packet.protocol
        )

    def add(self, part: Part, more: bool, payload: Span[u8]) -> Drop | None:
        """Take a fragment's bytes."""
        if part.right > MOST:
            return self.refuse()
        if not more:
            if self.size != 0 and self.size != part.right:
                return self.refuse()
            self.size = part.right
            for known in self.ranges[: self.count]:
                if known.right > self.size:
                    return self.refuse()
        if self.size != 0 and part.right > self.size:
            return self.refuse()
        for known in self.ranges[: self.count]:
            if part.left < known.right and known.left < part.right:
                inside = known.left <= part.left and part.right <= known.right
                if inside and self.data[part.left : part.right].bytes() == payload.bytes():
                    return None
                return self.refuse()
        copy(self.data[part.left : part.right], payload.bytes())
        left, right = part.left, part.right
        index: usize = 0
        while index < self.count:
            known = self.ranges[index]
            if known.right == left or known.left == right:
                left, right = min(left, known.left), max(right, known.right)
                self.count -= 1
                self.ranges[index] = self.ranges[self.count]
            else:
                index += 1
        if self.count == MOST_RANGES:
            return self.refuse()
        self.ranges[self.count] = Part(left, right)
        self.count += 1
        return None

    def is_whole(self) -> bool:
        return self.size != 0 and self.count == 1 and self.ranges[0] == Part(0, self.size)

    def worth(self) -> u64:
        """The place whose is least is used next: a free one, or else the oldest."""
        return 0 if self.state is State.FREE else self.until

    def refuse(self) -> Drop:
        self.state = State.REFUSED
        return Drop.FRAGMENTS


@struct
class Reassembly:
    datagrams: Array[Embedded[Datagram]] = array(DATAGRAMS)

    def add(self, packet: Packet, payload: Span[u8], now: u64) -> usize | Drop | None:
        """Take a fragment. A number: that datagram is whole, and is its caller's until `release`."""
        if len(payload) == 0:
            return Drop.FRAGMENTS
        index = self.place_of(packet, now)
        datagram = self.datagrams[index]
        if datagram.state is State.REFUSED:
            return Drop.FRAGMENTS
        wrong = datagram.add(Part(packet.offset, packet.offset + len(payload)), packet.more, payload)
        if wrong is not None:
            return wrong
        return index if datagram.is_whole() else None

    def bytes_of(self, index: usize) -> Span[u8]:
        """What the datagram carries."""
        datagram = self.datagrams[index]
        return datagram.data[: datagram.size]

    def release(self, index: usize) -> None:
        self.datagrams[index].state = State.FREE
        self.datagrams[index].until = NEVER

    def deadline(self) -> u64:
        """When `expire` has something to do."""
        found: u64 = NEVER
        for index in range(DATAGRAMS):
            found = min(found, self.datagrams[index].until)
        return found

    def expire(self, now: u64) -> u64:
        """Give up what has taken too long: how many datagrams."""
        found: u64 = 0
        for index in range(DATAGRAMS):
            if self.datagrams[index].until <= now:
                found += 1
                self.release(index)
        return found

    def place_of(self, packet: Packet, now: u64) -> usize:
        """The datagram that a fragment is of; if it is the first of one, a place for it."""
        best: usize = 0
        for index in range(DATAGRAMS):
            datagram = self.datagrams[index]
            if datagram.is_of(packet):
                return index
            if datagram.worth() < self.datagrams[best].worth():
                best = index
        datagram = self.datagrams[best]
        datagram.state, datagram.until = State.OPEN, now + LIFETIME
        datagram.source, datagram.destination = packet.source, packet.destination
        datagram.protocol, datagram.identification = packet.protocol, packet.identification
        datagram.count, datagram.size = 0, 0
        return best
