"""Peers that nobody ever had a connection with, though a life of the service before says so (`past.py`).

They have link addresses and numbers of their own, and are reached at once, unless the link loses the frame. Some answer
what they are asked, some only say where they are, some are silent. What must hold is asserted: who answers is reset by
the number that it has named, nobody is asked more often than there are rounds, and nobody hears anything else.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, Span, array, struct, u8, u16, u32, u64, usize, wrapping_add, wrapping_mul
from neokernel.services.network import arp, ethernet, ipv4
from neokernel.services.network.address import Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.checksum import checksum, pseudo_header
from neokernel.services.network.drop import Drop
from neokernel.services.network.limits import CONNECTIONS
from neokernel.services.network.network import Network
from neokernel.services.network.past import ROUNDS
from neokernel.services.network.segment import ACK, RST, Segment

MOST = 8
#: the first one's address on the link; and a port of the host's where nobody listens
FIRST: u32 = 0x0A00_0064
LINKS: u64 = 0x0200_0000_0100
PORT: u16 = 9_000
THEIR_PORT: u16 = 4_000


def expected(index: usize) -> u32:
    """The number that this one takes to be the host's next."""
    return wrapping_mul(u32(index + 1), 0x9E37_79B1)


@struct
class Invented:
    """Those of one side: `count` of them, whom its lives have asked `most` times at most."""

    count: usize = 0
    most: u64 = 0
    asked: Array[u64] = array(MOST)
    reset: Array[bool] = array(MOST)
    segment: Embedded[Segment] = Segment()

    def forget(self) -> None:
        """There are none any more."""
        self.count = 0

    def invent(self, network: Network, local: Address, count: usize) -> None:
        """The life that ends now had a connection with each; or one before it, and hasn't told them all."""
        self.most += ROUNDS
        if network.tcp.past.count != 0:
            return
        self.count, self.most = count, ROUNDS
        for index in range(count):
            self.asked[index], self.reset[index] = 0, False
            flow = Flow(Endpoint(local, PORT), Endpoint(Address(FIRST + u32(index)), THEIR_PORT))
            network.tcp.past.note(u32(CONNECTIONS - 1 - index), flow)

    def answers(self, index: usize) -> bool:
        """Every second one; of the others, every second one says where it is, and no more."""
        return index % 2 == 0

    def take(self, frame: Span[u8], into: Span[u8]) -> usize | None:
        """A frame of the host: is it for one of these? Then it goes nowhere else: the answer's length, 0 for none."""
        outer = ethernet.parse(frame)
        assert not isinstance(outer, Drop), "what is sent is right"
        inner = frame[ethernet.SIZE :]
        if outer.kind == ethernet.ARP:
            asked = arp.parse(inner)
            assert not isinstance(asked, Drop), "what is sent is right"
            index = usize(asked.target.number - FIRST) if asked.target.number >= FIRST else usize(MOST)
            if index >= MOST:
                return None
            if index % 4 == 3 or index >= self.count:
                return 0
            link = LinkAddress(LINKS + u64(index))
            ethernet.build(into, ethernet.Frame(asked.sender_link, link, ethernet.ARP))
            answer = arp.Packet(arp.Operation.REPLY, link, asked.target, asked.sender_link, asked.sender)
            arp.build(into[ethernet.SIZE :], answer)
            return ethernet.SIZE + arp.SIZE
        if not LINKS <= outer.destination.number < LINKS + MOST:
            return None
        return self.hear(usize(outer.destination.number - LINKS), outer.source, inner, into)

    def hear(self, index: usize, host: LinkAddress, inner: Span[u8], into: Span[u8]) -> usize:
        """A packet for that one."""
        packet = ipv4.parse(inner)
        assert not isinstance(packet, Drop) and packet.protocol == ipv4.TCP, "nobody says anything else to it"
        data, segment = inner[packet.payload : packet.length], self.segment
        pseudo = pseudo_header(packet.source, packet.destination, ipv4.TCP, len(data))
        assert checksum(data, pseudo) == 0 and segment.parse(data, pseudo, True) is None
        assert segment.source == PORT and segment.destination == THEIR_PORT and segment.length == 0
        if segment.has(RST):
            assert segment.sequence == expected(index) and self.answers(index), "it has said so"
            self.reset[index] = True
            return 0
        assert segment.flags == ACK and index < self.count
        self.asked[index] += 1
        assert self.asked[index] <= self.most, "that ends"
        if not self.answers(index):
            return 0
        segment.clear(ACK)
        segment.sequence, segment.acknowledgment = wrapping_add(expected(index), 7), expected(index)
        segment.source, segment.destination = THEIR_PORT, PORT
        size = segment.header_size()
        ethernet.build(into, ethernet.Frame(host, LinkAddress(LINKS + u64(index)), ethernet.IPV4))
        room = into[ethernet.SIZE :]
        segment.build(room[ipv4.SIZE :])
        answer = room[ipv4.SIZE : ipv4.SIZE + size]
        segment.close(answer, pseudo_header(packet.destination, packet.source, ipv4.TCP, size))
        ipv4.build(room, packet.destination, packet.source, ipv4.TCP, ipv4.SIZE + size, 0)
        return ethernet.SIZE + ipv4.SIZE + size

    def were_told(self) -> bool:
        """Each that answers was reset."""
        missing: usize = 0
        for index in range(self.count):
            missing += usize(self.answers(index) and not self.reset[index])
        return missing == 0
