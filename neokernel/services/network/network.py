"""The whole of it: frames in and out, and who looks at what (docs/design/network.md).

    network.receive(frame, verified, now)   # a frame came in
    length = network.fetch(into, now)       # build the next frame that wants to go out; 0: there is none
    network.deadline()                      # when `advance` must be called next
    network.advance(now)                    # what was due

`now` never goes back. Frames begin six bytes behind a multiple of eight (`ethernet.py`). After any call, `has_output`
says whether `fetch` should be asked.

Packets to ourselves go no further than `fetch`: what it has built is received at once.
"""

from __future__ import annotations

from neokernel.interfaces.capture import CAME, STAYED, WENT
from neokernel.lang import Array, Embedded, Handle, Span, array, copy, struct, u8, u16, u32, u64, usize, wire, wire_view
from neokernel.runtime.hashing import Seed
from neokernel.services.network import arp, dhcp, ethernet, icmp, ipv4, udp
from neokernel.services.network.address import ANY, EVERYBODY, Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection
from neokernel.services.network.datagrams import Socket, Udp, UdpError
from neokernel.services.network.denials import Denials
from neokernel.services.network.dhcp import Dhcp, Event
from neokernel.services.network.dispatch import arrive, arrive_predicted, settle_acknowledgments
from neokernel.services.network.drop import Drop
from neokernel.services.network.grants import Denied, Grant, Grants, Protocol, Verb
from neokernel.services.network.host import Host
from neokernel.services.network.ipv4 import Packet
from neokernel.services.network.limits import CLIENTS
from neokernel.services.network.reassembly import Reassembly
from neokernel.services.network.secret import TABLES
from neokernel.services.network.tap import Tap
from neokernel.services.network.tcp import Listener, Tcp, TcpError
from neokernel.services.network.train import follow
from neokernel.services.network.transmission import fetch

#: packets to ourselves that one call of `fetch` delivers at most
MOST_LOCAL = 64
#: what an ICMP error says of the packet it is about: its header, and so much more (RFC 792)
QUOTED = 8


@wire(registers=True, endian="big")
class Quoted:
    """The part of a segment that an ICMP error has."""

    source: u16
    destination: u16
    sequence: u32


@struct
class Network:
    host: Embedded[Host] = Host()
    tcp: Embedded[Tcp] = Tcp()
    udp: Embedded[Udp] = Udp()
    fragments: Embedded[Reassembly] = Reassembly()
    dhcp: Embedded[Dhcp] = Dhcp()
    grants: Array[Embedded[Grants]] = array(CLIENTS)
    denials: Embedded[Denials] = Denials()
    tap: Embedded[Tap] = Tap()
    link_up: bool = True
    udp_first: bool = False

    def begin(self, link: LinkAddress, secret: Seed) -> None:
        """Before anything else. `secret`: random, of this life only."""
        self.host.link = link
        self.host.secret.key = secret
        nobody = Flow(Endpoint(), Endpoint())
        hashes = Seed(self.host.secret.hash(TABLES, nobody, 0), self.host.secret.hash(TABLES, nobody, 1))
        self.host.neighbours.seed = hashes
        self.host.paths.seed = hashes
        self.host.resets.noise = hashes.first
        self.host.errors.noise = hashes.second
        self.tcp.begin(hashes)

    def configure(self, address: Address, prefix: u32, gateway: Address) -> None:
        """Who the host is, from a system file or DHCP; ANY: nobody."""
        before = self.host.address
        self.host.address, self.host.prefix, self.host.gateway = address, prefix, gateway
        if before != address and not before.is_unspecified():
            self.tcp.lose_address(before)
        self.host.up = self.link_up and not address.is_unspecified()
        self.resolved()

    def link_changed(self, up: bool, now: u64) -> None:
        """The device says that its link is there, or not; or its driver has begun a new life."""
        fresh = up and not self.link_up
        self.tcp.train.left = 0
        self.tcp.prediction.forget()
        self.link_up = up
        self.host.up = up and not self.host.address.is_unspecified()
        if fresh and self.dhcp.state is not dhcp.State.OFF:
            # It may be another network.
            self.dhcp.begin(self.host, now)
        if fresh:
            self.host.neighbours.clear()
            self.resolved()
            self.tcp.try_at_once(now)

    def device_restarted(self, now: u64) -> None:
        """What the device had is lost: what waits for a retransmission doesn't wait for it any longer."""
        self.tcp.try_at_once(now)

    def grant(self, client: u32, line: Grant) -> bool:
        """A line of the client's manifest. False: it has too many."""
        grants = self.grants[usize(client)]
        if not grants.add(line):
            return False
        self.tcp.listener_shares.expect(client, grants.ports(Protocol.TCP))
        return True

    def lend(self, client: u32, memory: Span[u8], each: usize) -> None:
        """The client begins: its memory, and how large a buffer is. How many sockets that is says what it can use."""
        region = self.tcp.buffers.regions[usize(client)]
        region.attach(memory, each)
        self.tcp.connection_shares.expect(client, u32(region.pairs))
        self.udp.shares.expect(client, u32(region.pairs))

    def forget(self, client: u32) -> None:
        """The client has gone, or begins anew: all that it had is closed, and its memory isn't used any more."""
        self.tcp.forget(client)
        self.udp.forget(self.tcp.buffers, client)

    # --- what clients may open ----------------------------------------------------------------------------------------

    def listen(self, client: u32, local: Endpoint, backlog: u32) -> Handle[Listener] | TcpError | Denied:
        """`Tcp.listen` on ANY or an address of the host's, if a line grants it."""
        if client >= CLIENTS or not self.is_own(local.address):
            return TcpError.ADDRESS
        denied = self.denied(client, Verb.LISTEN, Protocol.TCP, local)
        if denied is not None:
            return denied
        made = self.tcp.listen(client, local, backlog)
        if made is TcpError.SHARE:
            self.denials.note_share(client, Verb.LISTEN, Protocol.TCP)
        return made

    def connect(self, client: u32, remote: Endpoint, now: u64) -> Handle[Connection] | TcpError | Denied:
        """`Tcp.connect`, if a line grants it."""
        if client >= CLIENTS:
            return TcpError.ADDRESS
        denied = self.denied(client, Verb.CONNECT, Protocol.TCP, remote)
        if denied is not None:
            return denied
        made = self.tcp.connect(self.host, client, remote, now)
        if made is TcpError.SHARE:
            self.denials.note_share(client, Verb.CONNECT, Protocol.TCP)
        return made

    def bind(self, client: u32, local: Endpoint, now: u64) -> Handle[Socket] | UdpError | Denied:
        """`Udp.bind` on ANY or an address of the host's, if a line grants that port; one of our choice needs none."""
        if client >= CLIENTS or not self.is_own(local.address):
            return UdpError.ADDRESS
        if local.port != 0:
            denied = self.denied(client, Verb.LISTEN, Protocol.UDP, local)
            if denied is not None:
                return denied
        made = self.udp.bind(self.host, self.tcp.buffers, client, local, now)
        if made is UdpError.BUFFERS and self.tcp.make_room(self.host, client, TcpError.BUFFERS, now):
            return self.udp.bind(self.host, self.tcp.buffers, client, local, now)
        if made is UdpError.SHARE:
            self.denials.note_share(client, Verb.LISTEN, Protocol.UDP)
        return made

    def is_own(self, address: Address) -> bool:
        """All of the host's addresses, or one of them."""
        return address.is_unspecified() or self.host.is_local(address)

    def send_to(
        self, client: u32, handle: Handle[Socket], remote: Endpoint, data: Span[u8], now: u64
    ) -> UdpError | Denied | None:
        """`Udp.send`, if a line grants it, or it goes to whom the client has just read a datagram of."""
        if client >= CLIENTS:
            return UdpError.ADDRESS
        denied = self.grants[usize(client)].denied(Verb.CONNECT, Protocol.UDP, remote)
        if denied is not None and not self.udp.answers(client, handle, remote):
            self.denials.note(client, denied)
            return denied
        return self.udp.send(self.host, client, handle, remote, data, now)

    def post(self, client: u32, handle: Handle[Socket], remote: Endpoint, length: u32, now: u64) -> None:
        """`send_to` of bytes that the client has put into the buffer by itself: what isn't granted is skipped."""
        if client >= CLIENTS:
            return
        denied = self.grants[usize(client)].denied(Verb.CONNECT, Protocol.UDP, remote)
        granted = denied is None or self.udp.answers(client, handle, remote)
        if denied is not None and not granted:
            self.denials.note(client, denied)
        self.udp.post(self.host, client, handle, remote if granted else Endpoint(), length, now)

    def denied(self, client: u32, verb: Verb, protocol: Protocol, endpoint: Endpoint) -> Denied | None:
        """What no line grants the client, which is remembered; None: one does."""
        found = self.grants[usize(client)].denied(verb, protocol, endpoint)
        if found is not None:
            self.denials.note(client, found)
        return found

    # --- in -----------------------------------------------------------------------------------------------------------

    def receive(self, frame: Span[u8], verified: bool, now: u64) -> None:
        """A frame came in. `verified`: the device has looked at the checksum of TCP or UDP."""
        counters = self.host.counters
        counters.frames_in += 1
        counters.bytes_in += u64(len(frame))
        if self.tap.number != 0:
            self.tap.take(frame, CAME, False, now)
        if self.tcp.prediction.is_like(frame) and arrive_predicted(self.tcp, self.host, frame, verified, now):
            return
        self.settle(now)
        outer = ethernet.parse(frame)
        if isinstance(outer, Drop):
            counters.drop(outer)
            return
        ours = outer.destination == self.host.link
        if (not ours and not outer.destination.is_group()) or outer.source.is_group():
            counters.drop(Drop.NOT_OURS)
            return
        inner = frame[ethernet.SIZE :]
        if outer.kind == ethernet.IPV4:
            self.tcp.again = False
            self.receive_packet(inner, outer.source, ours, verified, now)
            handle = self.tcp.connections.handle_at(usize(self.tcp.latest)) if self.tcp.again else None
            if handle is not None:
                # It is likely that more come like this one.
                self.tcp.prediction.learn(frame, handle, outer.source)
        elif outer.kind == ethernet.ARP:
            self.receive_arp(inner, now)
        else:
            counters.drop(Drop.NOT_OURS)

    def settle(self, now: u64) -> None:
        """All that came counts: acknowledgements may wait for the next one (`prediction.py`)."""
        if self.tcp.prediction.acks != 0:
            settle_acknowledgments(self.tcp, self.host, now)

    def receive_arp(self, data: Span[u8], now: u64) -> None:
        """RFC 826, "packet reception"."""
        host = self.host
        packet = arp.parse(data)
        if isinstance(packet, Drop):
            host.counters.drop(packet)
            return
        sender = packet.sender
        if not host.up or not sender.is_single() or sender == host.address:
            host.counters.drop(Drop.SOURCE)
            return
        if not sender.within(host.address, host.prefix):
            host.counters.drop(Drop.SOURCE)
            return
        for_us = packet.target == host.address
        if host.neighbours.learn(sender, packet.sender_link, for_us, now):
            self.resolved()
        if for_us and packet.operation is arp.Operation.REQUEST:
            room = host.backlog.room(arp.SIZE)
            if room is None:
                host.counters.drop(Drop.FULL)
                return
            answer = arp.Packet(arp.Operation.REPLY, host.link, host.address, packet.sender_link, sender)
            arp.build(room, answer)
            host.backlog.add_kind(arp.SIZE, packet.sender_link, ethernet.ARP)

    def receive_packet(self, data: Span[u8], source: LinkAddress, ours: bool, verified: bool, now: u64) -> None:
        """A packet from the link address `source`; `ours`: to us alone, not to a group."""
        host = self.host
        packet = ipv4.parse(data)
        if isinstance(packet, Drop):
            host.counters.drop(packet)
            return
        local = source.number == 0
        if local != (packet.destination.is_loopback() or (local and packet.destination == host.address)):
            host.counters.drop(Drop.NOT_OURS)
            return
        if not local and (packet.source.is_loopback() or packet.source == host.address):
            # Nobody else has our addresses (RFC 1122, 3.2.1.3).
            host.counters.drop(Drop.SOURCE)
            return
        single = packet.destination == host.address or local
        if not single and not host.is_broadcast(packet.destination):
            host.counters.drop(Drop.NOT_OURS)
            return
        payload = data[packet.payload : packet.length]
        if not packet.is_fragment():
            lead = self.host.lead_in + packet.payload - ipv4.SIZE
            self.deliver(packet, payload, lead, data, source, ours and single, verified, now)
            return
        whole = self.fragments.add(packet, payload, now)
        if isinstance(whole, Drop):
            host.counters.drop(whole)
        elif whole is not None:
            self.deliver(packet, self.fragments.bytes_of(whole), 0, data, source, False, False, now)
            self.fragments.release(whole)

    def deliver(
        self,
        packet: Packet,
        payload: Span[u8],
        lead: usize,
        whole: Span[u8],
        source: LinkAddress,
        answerable: bool,
        verified: bool,
        now: u64,
    ) -> None:
        """To the protocol it is for.

        `payload` begins `lead` bytes behind a multiple of 8. `whole` is the packet, for an answer that quotes it, if it
        is `answerable`.
        """
        if not packet.source.is_single():
            self.host.counters.drop(Drop.SOURCE)
            return
        match packet.protocol:
            case 6:
                if packet.destination == self.host.address or source.number == 0:
                    arrive(self.tcp, self.host, packet.source, packet.destination, payload, lead, source, verified, now)
                else:
                    # TCP is between two hosts (RFC 9293, 3.9.2.3).
                    self.host.counters.drop(Drop.NOT_OURS)
            case 1:
                self.receive_icmp(packet, payload, source, answerable, now)
            case 17 if self.dhcp.state is not dhcp.State.OFF and is_for(payload, dhcp.CLIENT_PORT):
                self.receive_dhcp(packet, payload, verified, now)
            case 17:
                if not self.udp.arrive(self.host, packet, payload, verified) and answerable:
                    self.complain(packet, whole, source, icmp.PORT, now)
            case _:
                self.host.counters.drop(Drop.NOT_OURS)
                if answerable:
                    self.complain(packet, whole, source, icmp.PROTOCOL, now)

    def receive_dhcp(self, packet: Packet, payload: Span[u8], verified: bool, now: u64) -> None:
        found = udp.parse(payload, pseudo_header(packet.source, packet.destination, ipv4.UDP, 0), verified)
        if isinstance(found, Drop):
            self.host.counters.drop(found)
        elif found.source == dhcp.SERVER_PORT:
            self.follow(self.dhcp.arrive(self.host, payload[udp.SIZE : found.length], now))

    def follow(self, event: Event | None) -> None:
        """What DHCP says."""
        match event:
            case Event.BOUND:
                lease = self.dhcp.lease
                self.configure(lease.address, lease.prefix, lease.gateway)
            case Event.LOST:
                self.configure(ANY, 24, ANY)
            case None:
                pass

    # --- ICMP ---------------------------------------------------------------------------------------------------------

    def receive_icmp(self, packet: Packet, data: Span[u8], source: LinkAddress, answerable: bool, now: u64) -> None:
        """RFC 1122, 3.2.2."""
        message = icmp.parse(data)
        if isinstance(message, Drop):
            self.host.counters.drop(message)
            return
        if message.kind == icmp.ECHO and answerable:
            self.echo(packet, message, data, source, now)
        elif message.kind == icmp.UNREACHABLE:
            self.receive_unreachable(message, data[icmp.SIZE :], now)

    def echo(self, packet: Packet, message: icmp.Message, data: Span[u8], to: LinkAddress, now: u64) -> None:
        """Send it back (RFC 1122, 3.2.2.6)."""
        host = self.host
        room = host.backlog.room(ipv4.SIZE + len(data))
        if room is None or not host.errors.take(now):
            host.counters.drop(Drop.FULL if room is None else Drop.RATE)
            return
        copy(room[ipv4.SIZE :], data.bytes())
        icmp.build(icmp.Message(icmp.ECHO_REPLY, 0, message.rest), room[ipv4.SIZE :])
        ipv4.build(room, packet.destination, packet.source, ipv4.ICMP, len(room), 0)
        host.backlog.add(len(room), to)

    def receive_unreachable(self, message: icmp.Message, quoted: Span[u8], now: u64) -> None:
        """Something that we have sent didn't arrive. It is believed only of what is on its way (RFC 5927, 4)."""
        host = self.host
        if len(quoted) < ipv4.SIZE + QUOTED:
            host.counters.drop(Drop.LENGTH)
            return
        header = wire_view(ipv4.Header, quoted)
        sent, length = Address(header.source), u32(header.length)
        remote, protocol = Address(header.destination), header.protocol
        if header.version != 0x45 or not host.is_local(sent):
            host.counters.drop(Drop.FORM)
            return
        if protocol != ipv4.TCP:
            return
        segment = wire_view(Quoted, quoted[ipv4.SIZE :])
        flow = Flow(Endpoint(sent, segment.source), Endpoint(remote, segment.destination))
        sequence = segment.sequence
        if message.code != icmp.FRAGMENTATION_NEEDED:
            self.tcp.hard_error(flow, sequence)
            return
        if not self.tcp.is_in_flight(flow, sequence):
            host.counters.drop(Drop.NO_SOCKET)
            return
        mtu = host.paths.learn(remote, message.next_mtu(), length, host.mtu, now)
        self.tcp.narrow(flow, ipv4.mss_of(mtu))

    def complain(self, packet: Packet, whole: Span[u8], to: LinkAddress, code: u8, now: u64) -> None:
        """Destination unreachable (RFC 1122, 3.2.2.1), with the beginning of what it is about."""
        host = self.host
        quoted = min(packet.payload + QUOTED, packet.length)
        length = ipv4.SIZE + icmp.SIZE + quoted
        room = host.backlog.room(length)
        if room is None or not host.errors.take(now):
            host.counters.drop(Drop.FULL if room is None else Drop.RATE)
            return
        data = room[ipv4.SIZE :]
        copy(data[icmp.SIZE :], whole[:quoted].bytes())
        icmp.build(icmp.Message(icmp.UNREACHABLE, code, 0), data)
        ipv4.build(room, packet.destination, packet.source, ipv4.ICMP, length, 0)
        host.backlog.add(length, to)

    # --- out ----------------------------------------------------------------------------------------------------------

    def has_output(self, now: u64) -> bool:
        """Is there something for `fetch` to look at: packets, or a neighbour that is due to be asked for?"""
        waits = self.host.backlog.count != 0 or len(self.tcp.ready) != 0 or self.udp.ready != 0
        return waits or self.tcp.prediction.acks != 0 or (self.host.up and self.host.neighbours.next <= now)

    def fetch(self, into: Span[u8], now: u64) -> usize:
        """Build the next frame: its length, 0 if there is none. `into` has room for the MTU and Ethernet's header.

        It begins at `host.lead`, which is 0, or SHIFT if it may be (`host.may_lead`).
        """
        host = self.host
        self.settle(now)
        train = self.tcp.train
        if train.left != 0:
            followed = follow(train, self.tcp.connections, host, into, now)
            if followed != 0:
                self.count_sent(into[host.lead : host.lead + followed], now)
                return followed
        packet = into[ethernet.SIZE :]
        for _ in range(MOST_LOCAL):
            length = self.fetch_packet(packet, now)
            if length == 0:
                return 0
            if host.to.number != 0:
                ethernet.build(into[host.lead :], ethernet.Frame(host.to, host.link, host.kind))
                frame = into[host.lead : host.lead + length + ethernet.SIZE]
                self.count_sent(frame, now)
                if train.left != 0:
                    train.note_link(frame)
                return length + ethernet.SIZE
            stays = packet[host.lead : host.lead + length]
            if self.tap.number != 0:
                self.tap.take(stays, STAYED, False, now)
            self.receive_packet(stays, LinkAddress(0), True, True, now)
        return 0

    def count_sent(self, frame: Span[u8], now: u64) -> None:
        """A frame is built."""
        self.host.counters.frames_out += 1
        self.host.counters.bytes_out += u64(len(frame))
        if self.tap.number != 0:
            self.tap.take(frame, WENT, self.host.partial, now)

    def fetch_packet(self, into: Span[u8], now: u64) -> usize:
        """What Ethernet carries next; `host.to` and `host.kind` say where, and what it is."""
        host = self.host
        host.partial, host.lead = False, 0
        place = host.backlog.oldest()
        if place is not None:
            answered = place.length
            host.to, host.kind = place.to, place.kind
            copy(into[:answered], place.packet[:answered].bytes())
            host.backlog.remove()
            return answered
        if host.neighbours.next <= now:
            asked = self.fetch_request(into, now)
            if asked != 0:
                return asked
        host.kind = ethernet.IPV4
        # In turns, so that neither waits for the other.
        self.udp_first = not self.udp_first
        waits = self.udp.ready != 0
        length: usize = 0
        if self.udp_first and waits:
            length = self.udp.fetch(host, into, now)
        if length == 0:
            length = fetch(self.tcp, host, into, now)
        if length == 0 and not self.udp_first and waits:
            length = self.udp.fetch(host, into, now)
        # Whoever has just looked for a neighbour waits for a request.
        return length if length != 0 else self.fetch_request(into, now)

    def resolved(self) -> None:
        """Something has become known about a neighbour: who waits looks again."""
        self.tcp.train.left = 0
        self.tcp.prediction.forget()
        self.tcp.resolved()
        self.udp.resolved()

    def fetch_request(self, into: Span[u8], now: u64) -> usize:
        """A request of ARP, if one is due."""
        host = self.host
        asked = host.neighbours.request(now) if host.up else None
        if host.neighbours.gave_up:
            host.neighbours.gave_up = False
            self.resolved()
        if asked is None:
            return 0
        arp.build(into, arp.Packet(arp.Operation.REQUEST, host.link, host.address, LinkAddress(0), asked))
        host.to, host.kind = EVERYBODY, ethernet.ARP
        return arp.SIZE

    # --- time ---------------------------------------------------------------------------------------------------------

    def deadline(self) -> u64:
        """When `advance` must be called, and `fetch` after it."""
        asking = self.host.neighbours.next if self.host.up else NEVER
        return min(self.tcp.deadline(), self.fragments.deadline(), self.dhcp.deadline(), asking)

    def advance(self, now: u64) -> None:
        self.settle(now)
        self.tcp.advance(self.host, now)
        self.follow(self.dhcp.advance(self.host, now))
        for _ in range(self.fragments.expire(now)):
            self.host.counters.drop(Drop.FRAGMENTS)


def is_for(data: Span[u8], port: u16) -> bool:
    """Is a datagram for that port? (What is wrong with it is for others to find.)"""
    return len(data) >= udp.SIZE and wire_view(udp.Header, data).destination == port
