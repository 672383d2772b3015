"""What all protocols of a host share: who it is, its neighbours, what it counts, and answers without a socket."""

from __future__ import annotations

from neokernel.lang import Embedded, struct, u16, u32, u64, usize
from neokernel.services.network import ipv4
from neokernel.services.network.address import ANY, BROADCAST, EVERYBODY, Address, Flow, LinkAddress
from neokernel.services.network.backlog import Backlog
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.drop import Counters, Drop
from neokernel.services.network.ethernet import IPV4
from neokernel.services.network.neighbours import Neighbours, Unknown
from neokernel.services.network.path import Paths
from neokernel.services.network.rate import Rate
from neokernel.services.network.secret import Secret
from neokernel.services.network.segment import Segment

#: of Ethernet
MTU = 1_500


@struct
class Host:
    """`up`: the link is there, and the host has its address."""

    link: LinkAddress = LinkAddress(0)
    address: Address = ANY
    prefix: u32 = 24
    gateway: Address = ANY
    mtu: u32 = MTU
    up: bool = False
    #: the device makes checksums of TCP and UDP, out of the pseudo-header's sum in their place
    completes_checksums: bool = False
    #: where the packet goes that was built last; 0: to ourselves
    to: LinkAddress = LinkAddress(0)
    kind: u16 = IPV4
    #: its checksum (of TCP) is the device's to make
    partial: bool = False
    #: may frames begin SHIFT bytes later (`ethernet.py`), so that bytes lie as in the buffer? By how many this one does
    may_lead: bool = False
    lead: usize = 0
    #: so many bytes later began the frame that has come: 0 or SHIFT
    lead_in: usize = 0
    #: bytes of the header, with options, of the last segment that came with any data
    header_in: usize = 0
    secret: Embedded[Secret] = Secret()
    counters: Embedded[Counters] = Counters()
    neighbours: Embedded[Neighbours] = Neighbours()
    paths: Embedded[Paths] = Paths()
    backlog: Embedded[Backlog] = Backlog()
    resets: Embedded[Rate] = Rate()
    errors: Embedded[Rate] = Rate()

    def is_local(self, address: Address) -> bool:
        """Is a packet to it ours, without any link?"""
        return address.is_loopback() or (address == self.address and not address.is_unspecified())

    def is_broadcast(self, address: Address) -> bool:
        return address == BROADCAST or address.is_broadcast_of(self.address, self.prefix)

    def source_for(self, destination: Address) -> Address:
        """Under which address a host is talked to."""
        return destination if destination.is_loopback() else self.address

    def next_hop(self, destination: Address) -> Address | None:
        """To whom on the link a packet goes (RFC 1122, 3.3.1.1); None: there is no way."""
        if self.is_broadcast(destination) or destination.is_multicast():
            return destination
        if destination.within(self.address, self.prefix):
            return destination
        return None if self.gateway.is_unspecified() else self.gateway

    def link_to(self, destination: Address, now: u64) -> LinkAddress | Unknown:
        """The link address for a packet that isn't local. WAIT: it is being asked for, or there is no way now."""
        if self.is_broadcast(destination):
            return EVERYBODY
        if destination.is_multicast():
            # RFC 1112, 6.4.
            return LinkAddress(0x0100_5E00_0000 | u64(destination.number & 0x7F_FFFF))
        hop = self.next_hop(destination)
        if hop is None or not self.up:
            return Unknown.WAIT
        return self.neighbours.look_up(hop, now)

    def segment_size_to(self, destination: Address, now: u64) -> u16:
        """The largest segment that the path takes, as far as is known."""
        if self.is_local(destination):
            return ipv4.mss_of(self.mtu)
        return ipv4.mss_of(self.paths.mtu_to(destination, self.mtu, now))

    def answer(self, segment: Segment, flow: Flow, to: LinkAddress) -> bool:
        """Send a segment that no connection remembers."""
        size = segment.header_size()
        room = self.backlog.room(ipv4.SIZE + size)
        if room is None:
            self.counters.drop(Drop.FULL)
            return False
        segment.source, segment.destination = flow.local.port, flow.remote.port
        data = room[ipv4.SIZE :]
        segment.build(data)
        local, remote = flow.local.address, flow.remote.address
        segment.close(data, pseudo_header(local, remote, ipv4.TCP, size))
        ipv4.build(room, local, remote, ipv4.TCP, ipv4.SIZE + size, 0)
        self.backlog.add(ipv4.SIZE + size, to)
        self.counters.segments_out += 1
        return True
