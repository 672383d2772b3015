"""Segments go: the connections that have something to say take turns, a packet each, or some in a row (`train.py`)."""

from __future__ import annotations

from neokernel.lang import Span, u8, u32, u64, usize
from neokernel.services.network import ipv4
from neokernel.services.network.address import LinkAddress
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.composing import compose
from neokernel.services.network.connection import Connection, End, State
from neokernel.services.network.deadlines import wait_for_link
from neokernel.services.network.host import Host
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.segment import RST
from neokernel.services.network.tcp import Tcp
from neokernel.services.network.train import lead_of


def fetch(tcp: Tcp, host: Host, into: Span[u8], now: u64) -> usize:
    """Build the next packet, from the header of IP on: its length; 0 when nobody has anything to send."""
    for _ in range(len(tcp.ready)):
        slot = tcp.ready.pop()
        if slot is None:
            return 0
        connection = tcp.connections.at(usize(slot))
        if connection is None:
            continue
        length = fetch_from(tcp, host, slot, connection, into, now)
        tcp.settle(slot, connection)
        if len(tcp.buried) != 0:
            # It was only kept for its reset, and that has gone.
            tcp.bury()
        if length != 0:
            return length
    return 0


def fetch_from(tcp: Tcp, host: Host, slot: u32, connection: Connection, into: Span[u8], now: u64) -> usize:
    remote = connection.flow.remote.address
    host.to, host.lead, host.partial = LinkAddress(0), 0, False
    if not host.is_local(remote):
        link = host.link_to(remote, now)
        if isinstance(link, Unknown):
            wait_for_link(connection, now)
            match link:
                case Unknown.WAIT:
                    tcp.unresolved.push(slot)
                case Unknown.NOBODY:
                    unreachable(tcp, host, connection)
            return 0
        host.to = link
    out = tcp.outgoing
    piece = compose(connection, out, host, now)
    if piece is None:
        return 0
    local = connection.flow.local
    out.source, out.destination = local.port, connection.flow.remote.port
    header = out.header_size()
    size = header + usize(piece.length)
    place = piece.left_of(connection.una)
    if piece.length != 0 and host.may_lead:
        # Bytes are copied in words if they lie alike.
        host.lead = lead_of(connection, place, header)
    packet = into[host.lead : host.lead + ipv4.SIZE + size]
    data = packet[ipv4.SIZE :]
    pseudo = pseudo_header(local.address, remote, ipv4.TCP, size)
    host.partial = host.completes_checksums and not host.is_local(remote)
    out.build(data)
    if host.partial:
        if piece.length != 0:
            connection.sending.read(place, data[header:])
        out.leave_sum(data, pseudo)
    else:
        if piece.length != 0:
            pseudo += u32(connection.sending.read_summed(place, data[header:], host.lead + header))
        out.close(data[:header], pseudo)
    ipv4.build(packet, local.address, remote, ipv4.TCP, ipv4.SIZE + size, 0)
    host.counters.segments_out += 1
    if out.has(RST):
        host.counters.resets_out += 1
    handle = tcp.connections.handle_at(usize(slot))
    if piece.length != 0 and handle is not None:
        tcp.train.start(handle, connection, out, packet, host, now)
    return ipv4.SIZE + size


def unreachable(tcp: Tcp, host: Host, connection: Connection) -> None:
    """Nobody has that address on the link. Those that are open have their timers."""
    if connection.state is State.SYN_SENT or connection.state is State.CLOSED:
        connection.reset_due = False
        if connection.state is State.SYN_SENT:
            host.counters.failed += 1
            connection.close(End.UNREACHABLE)
