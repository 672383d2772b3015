"""Which connection a segment is for: one that lives, one that has ended, or one that a listener begins with it.

RFC 9293, 3.10.7, in the order of its states: those with a connection (`arrival.py`), TIME-WAIT (`lingering.py`),
LISTEN, and CLOSED, which answers with a reset. SYNs beyond what a listener has room for are answered with cookies
(RFC 4987).
"""

from __future__ import annotations

from neokernel.lang import Span, u8, u16, u32, u64, usize, wire_view, wrapping_add
from neokernel.services.network import ethernet, ipv4
from neokernel.services.network.address import Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.arrival import arrive as arrive_at_connection
from neokernel.services.network.checksum import checksum, pseudo_header
from neokernel.services.network.connection import Connection, State, Verdict
from neokernel.services.network.delivery import is_next, place_data, take_data
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.lingering import arrive_late, reopens, wait
from neokernel.services.network.prediction import Found, look, note_next, packet_sum_is_right
from neokernel.services.network.secret import OWED
from neokernel.services.network.segment import ACK, FIN, MOST_WINDOW, NO_SCALE, RST, SIZE, SYN, scale_for
from neokernel.services.network.tcp import Listener, Tcp, TcpError, milliseconds


def arrive(
    tcp: Tcp,
    host: Host,
    source: Address,
    destination: Address,
    data: Span[u8],
    lead: usize,
    to: LinkAddress,
    verified: bool,
    now: u64,
) -> None:
    """A segment from a host to us. It begins `lead` bytes behind a multiple of 8; `to` is where an answer goes that no
    connection sends.
    """
    host.counters.segments_in += 1
    segment = tcp.incoming
    pseudo = pseudo_header(source, destination, ipv4.TCP, len(data))
    wrong = segment.parse(data, pseudo, True)
    if wrong is not None:
        host.counters.drop(wrong)
        return
    if segment.source == 0 or segment.destination == 0:
        host.counters.drop(Drop.FORM)
        return
    flow = Flow(Endpoint(destination, segment.destination), Endpoint(source, segment.source))
    slot = tcp.find(flow)
    connection = tcp.connections.at(usize(slot)) if slot is not None else None
    if not verified:
        header = segment.payload
        if connection is not None and is_next(connection, segment):
            pseudo += u32(place_data(connection, segment, data[header:], lead + header))
            right = checksum(data[:header], pseudo) == 0
        else:
            right = checksum(data, pseudo) == 0
        if not right:
            host.counters.drop(Drop.CHECKSUM)
            return
    if slot is not None:
        tcp.heard(slot)
        if segment.length != 0:
            host.header_in = segment.payload
        arrive_at(tcp, host, slot, data, to, now)
        if len(tcp.buried) != 0:
            tcp.bury()
        return
    ended = tcp.ended.find(flow)
    if ended is not None and not reopens(ended, segment):
        arrive_late(tcp, host, ended, to, now)
        return
    index = tcp.listener_of(flow.local)
    if index is None:
        host.counters.drop(Drop.NO_SOCKET)
        refuse(tcp, host, flow, to, now)
        return
    if arrive_listening(tcp, host, index, flow, data, to, now) and ended is not None:
        tcp.ended.remove(ended)
    tcp.bury()


def arrive_predicted(tcp: Tcp, host: Host, frame: Span[u8], verified: bool, now: u64) -> bool:
    """A frame that `is_like` what was predicted. False: it needs to be looked at by all, and nothing has been done."""
    prediction, segment = tcp.prediction, tcp.incoming
    connection = tcp.connections.get(prediction.handle)
    packet = frame[ethernet.SIZE :]
    length = usize(wire_view(ipv4.Header, packet).length)
    if connection is None or not ipv4.SIZE + SIZE <= length <= len(packet):
        return False
    data = packet[ipv4.SIZE : length]
    found = look(connection, segment, data)
    if found is Found.OTHER or (found is Found.ACKNOWLEDGMENT and not prediction.waits_for_more(segment)):
        return False
    if (found is Found.BOTH and prediction.acks != 0) or not packet_sum_is_right(frame):
        return False
    header = segment.payload
    if not verified:
        pseudo = pseudo_header(connection.flow.remote.address, connection.flow.local.address, ipv4.TCP, len(data))
        if found is not Found.ACKNOWLEDGMENT:
            if not is_next(connection, segment):
                return False
            pseudo += u32(place_data(connection, segment, data[header:], host.lead_in + header))
        if checksum(data[:header], pseudo) != 0:
            host.counters.segments_in += 1
            host.counters.drop(Drop.CHECKSUM)
            return True
    host.counters.segments_in += 1
    if found is Found.ACKNOWLEDGMENT:
        prediction.wait(segment)
        return True
    host.header_in = header
    if found is Found.BOTH:
        segment.source, segment.destination = connection.flow.remote.port, connection.flow.local.port
        arrive_at(tcp, host, prediction.handle.index, data, prediction.peer, now)
        if len(tcp.buried) != 0:
            tcp.bury()
        return True
    note_next(connection, segment, now)
    taken = take_data(connection, segment, data[header:], now)
    assert taken, "its client has it still"
    tcp.settle(prediction.handle.index, connection)
    return True


def settle_acknowledgments(tcp: Tcp, host: Host, now: u64) -> None:
    """Those that wait count now: as one segment, of which the last one says what there is to say."""
    prediction, segment = tcp.prediction, tcp.incoming
    acks, prediction.acks = prediction.acks, 0
    connection = tcp.connections.get(prediction.handle)
    if connection is None or connection.state is State.CLOSED:
        return
    segment.clear(ACK)
    segment.source, segment.destination = connection.flow.remote.port, connection.flow.local.port
    segment.sequence, segment.acknowledgment = connection.expected, prediction.number
    segment.window, segment.acks, segment.payload = prediction.window, acks, 0
    segment.timed, segment.time, segment.echo = prediction.timed, prediction.time, prediction.echo
    arrive_at(tcp, host, prediction.handle.index, prediction.nothing[:0], prediction.peer, now)
    if len(tcp.buried) != 0:
        tcp.bury()


def arrive_at(tcp: Tcp, host: Host, slot: u32, data: Span[u8], to: LinkAddress, now: u64) -> None:
    connection = tcp.connections.at(usize(slot))
    assert connection is not None, "what is in the table lives"
    before_it = connection.state
    if before_it is State.SYN_RECEIVED and connection.passive and is_unheard(tcp, host, connection, now):
        return
    verdict = arrive_at_connection(connection, tcp.incoming, data[tcp.incoming.payload :], host, now)
    if before_it is State.SYN_RECEIVED and connection.passive and connection.state is not State.SYN_RECEIVED:
        tcp.left_opening(host, slot, connection)
    match verdict:
        case Verdict.REFUSE:
            refuse(tcp, host, connection.flow, to, now)
        case Verdict.WAIT:
            wait(tcp, host, connection, to, now)
        case Verdict.NOTHING:
            pass
    tcp.settle(slot, connection)


def is_unheard(tcp: Tcp, host: Host, connection: Connection, now: u64) -> bool:
    """Does a segment, to one whose SYN has come, acknowledge the answer to an earlier SYN, which was a cookie?

    Then that is what was agreed upon. True: it may be sent behind that, and says nothing yet.
    """
    segment = tcp.incoming
    if segment.flags & (SYN | ACK | RST) != ACK or segment.acknowledgment == wrapping_add(connection.iss, 1):
        return False
    if not tcp.owed.has(host.secret.hash(OWED, connection.flow, 0), now):
        return False
    cookie = host.secret.check(connection.flow, segment, now)
    if cookie is None:
        host.counters.drop(Drop.COOKIE)
        return True
    if segment.sequence == connection.expected:
        connection.resume(segment, cookie, host, now)
        host.counters.cookies_in += 1
    return False


def arrive_listening(tcp: Tcp, host: Host, index: usize, flow: Flow, data: Span[u8], to: LinkAddress, now: u64) -> bool:
    """In LISTEN (3.10.7.2). True: a connection is about to begin."""
    segment = tcp.incoming
    listener = tcp.listeners.at(index)
    assert listener is not None
    if segment.has(RST):
        return False
    if segment.has(ACK):
        if segment.has(SYN) or not resume(tcp, host, index, listener, flow, data, to, now):
            refuse(tcp, host, flow, to, now)
        return False
    if not segment.has(SYN) or segment.has(FIN):
        host.counters.drop(Drop.FORM)
        return False
    if listener.pending >= listener.backlog:
        # It will be repeated: somebody may have been accepted by then.
        host.counters.drop(Drop.FULL)
        return False
    if listener.half_open + listener.pending >= listener.backlog:
        return send_cookie(tcp, host, listener, flow, to, now)
    handle = tcp.open(host, listener.client, flow, now)
    if isinstance(handle, TcpError):
        return send_cookie(tcp, host, listener, flow, to, now)
    connection = tcp.connections.get(handle)
    assert connection is not None
    connection.listener = u32(index)
    connection.answer_syn(segment, host, now)
    listener.half_open += 1
    tcp.settle(handle.index, connection)
    return True


def send_cookie(tcp: Tcp, host: Host, listener: Listener, flow: Flow, to: LinkAddress, now: u64) -> bool:
    """Answer a SYN just as one that is remembered is, and forget it (RFC 4987, 3.6). False: there is no place now."""
    syn, out = tcp.incoming, tcp.outgoing
    region = tcp.buffers.regions[usize(listener.client)]
    out.clear(SYN | ACK)
    out.sequence = host.secret.cookie(flow, syn, now)
    out.acknowledgment = wrapping_add(syn.sequence, 1)
    out.window = u16(min(u32(region.each), MOST_WINDOW))
    out.mss = host.segment_size_to(flow.remote.address, now)
    if not syn.timed:
        out.mss &= ~u16(7)
    else:
        out.timed, out.echo = True, syn.time
        out.time = wrapping_add(milliseconds(now), host.secret.time_offset(flow))
    out.sack_permitted = syn.sack_permitted
    out.scale = NO_SCALE if syn.scale == NO_SCALE else scale_for(u32(region.each))
    if not host.answer(out, flow, to):
        return False
    tcp.owed.note(host.secret.hash(OWED, flow, 0), now)
    host.counters.cookies_out += 1
    return True


def resume(
    tcp: Tcp, host: Host, index: usize, listener: Listener, flow: Flow, data: Span[u8], to: LinkAddress, now: u64
) -> bool:
    """Is this the end of a handshake that isn't remembered? It becomes a connection, if there is room.

    True: it isn't to be refused. What can't be taken now will be repeated, unless the peer hears of a reset.
    """
    segment, owed = tcp.incoming, host.secret.hash(OWED, flow, 0)
    if not tcp.owed.has(owed, now):
        host.counters.drop(Drop.COOKIE)
        return False
    cookie = host.secret.check(flow, segment, now)
    if cookie is None:
        # The segment before it, which had one, was lost, or found no room.
        host.counters.drop(Drop.COOKIE)
        return True
    if listener.pending >= listener.backlog:
        host.counters.drop(Drop.FULL)
        return True
    handle = tcp.admit(host, listener.client, flow, now)
    if isinstance(handle, TcpError):
        host.counters.drop(Drop.FULL)
        tcp.owed.note(owed, now)
        return True
    connection = tcp.connections.get(handle)
    assert connection is not None
    connection.listener = u32(index)
    connection.resume(segment, cookie, host, now)
    listener.half_open += 1
    host.counters.cookies_in += 1
    arrive_at(tcp, host, handle.index, data, to, now)
    return True


def refuse(tcp: Tcp, host: Host, flow: Flow, to: LinkAddress, now: u64) -> None:
    """A reset that fits the segment that came (3.10.7.1); never for a reset."""
    segment, out = tcp.incoming, tcp.outgoing
    if segment.has(RST):
        return
    if not host.resets.take(now) and not tcp.past.owes(flow):
        host.counters.drop(Drop.RATE)
        return
    if segment.has(ACK):
        out.clear(RST)
        out.sequence, out.acknowledgment = segment.acknowledgment, 0
    else:
        out.clear(RST | ACK)
        out.sequence, out.acknowledgment = 0, wrapping_add(segment.sequence, segment.size())
    if host.answer(out, flow, to):
        host.counters.resets_out += 1
