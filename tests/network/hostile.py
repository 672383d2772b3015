"""A peer that says anything, right, nearly right or wrong, to a host whose programs do anything: in every reading.

The peer knows its connections' numbers, so that most of what it says is close to what would be right: that is where
mistakes are. What must hold is asserted after each step. `transitions` counts which state was left for which.
"""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Embedded,
    Handle,
    Span,
    array,
    replace,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wire_view,
    wrapping_add,
    wrapping_mul,
    wrapping_sub,
)
from neokernel.runtime.hashing import Seed
from neokernel.services.network import arp, ethernet, icmp, ipv4
from neokernel.services.network import segment as wire
from neokernel.services.network.address import Address, Endpoint, LinkAddress
from neokernel.services.network.checksum import pseudo_header
from neokernel.services.network.clock import MINUTE, SECOND
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.ethernet import Frame
from neokernel.services.network.network import Network
from neokernel.services.network.segment import ACK, FIN, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before, until
from neokernel.services.network.tcp import Listener, TcpError

LINK = LinkAddress(0x0200_0000_0001)
PEER_LINK = LinkAddress(0x0200_0000_0002)
HERE = Address(0x0A00_0001)
THERE = Address(0x0A00_0002)
PORT = 80
CLIENT: u32 = 1
PAIRS = 16
EACH = 1_500
FLOWS = 10
STATES = 9


@value
class Seen:
    segments: u64 = 0
    answers: u64 = 0
    opened: u64 = 0
    ended: u64 = 0
    bytes_read: u64 = 0


@struct
class Talk:
    """What the peer knows of a connection."""

    own: u16 = 0
    port: u16 = PORT
    #: its next number, and the host's
    seq: u32 = 0
    ack: u32 = 0
    timed: bool = False
    echo: u32 = 0


@struct
class World:
    network: Embedded[Network] = Network()
    memory: Array[u8] = array(2 * PAIRS * EACH)
    padding0: u32 = 0
    padding1: u16 = 0
    frame: Array[u8] = array(2_048)
    built: Array[u8] = array(2_048)
    scratch: Array[u8] = array(2_048)
    talks: Array[Embedded[Talk]] = array(FLOWS)
    handles: Array[Handle[Connection]] = array(PAIRS)
    states: Array[u8] = array(2 * PAIRS)
    listener: Handle[Listener] = Handle(0, 0)
    segment: Embedded[Segment] = Segment()
    ports: u16 = 1_000
    random: u64 = 0
    now: u64 = 1_000_000
    seen: Seen = Seen()

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def word(self) -> u32:
        return truncate(u32, self.next(1 << 16) << 16 | self.next(1 << 16))


def walk(seed: u64, steps: u64, transitions: Span[u64]) -> Seen:
    """`transitions` has room for STATES * STATES numbers."""
    world = World(random=wrapping_mul(seed, 0x9E3779B97F4A7C15))
    network = world.network
    network.begin(LINK, Seed(seed, 1))
    network.configure(HERE, 24, Address(0x0A00_00FE))
    network.tcp.buffers.regions[usize(CLIENT)].attach(world.memory, EACH)
    listen(world)
    meet(world)
    for index in range(FLOWS):
        hang_up(world, world.talks[index])
    for _ in range(steps):
        match world.next(16):
            case 0 | 1 | 2:
                program(world)
            case 3:
                pass_time(world)
            case 4 if world.next(3) == 0:
                other_packet(world)
            case _:
                say(world)
        fetch(world)
        check(world, transitions)
    world.now += u64(10 * MINUTE)
    world.network.advance(world.now)
    return world.seen


def listen(world: World) -> None:
    made = world.network.tcp.listen(CLIENT, Endpoint(HERE, PORT), 4)
    assert not isinstance(made, TcpError)
    world.listener = made


def meet(world: World) -> None:
    ethernet.build(world.frame, Frame(LinkAddress(0xFFFF_FFFF_FFFF), PEER_LINK, ethernet.ARP))
    question = arp.Packet(arp.Operation.REQUEST, PEER_LINK, THERE, LinkAddress(0), HERE)
    arp.build(world.frame[ethernet.SIZE :], question)
    world.network.receive(world.frame[: ethernet.SIZE + arp.SIZE], False, world.now)


def hang_up(world: World, talk: Talk) -> None:
    """The peer forgets a connection, and thinks of another."""
    world.ports = wrapping_add(world.ports, 1)
    talk.own, talk.port = world.ports, PORT
    talk.seq, talk.ack = world.word(), 0
    talk.timed = world.next(2) == 0


# --- what the programs do ---------------------------------------------------------------------------------------------


def program(world: World) -> None:
    tcp = world.network.tcp
    index = usize(world.next(PAIRS))
    handle = world.handles[index]
    data = world.scratch[: usize(world.next(1_600))]
    match world.next(9):
        case 0:
            found = tcp.accept(CLIENT, world.listener)
            if found is not None and not isinstance(found, TcpError):
                world.handles[index] = found
        case 1:
            remote = Endpoint(THERE, u16(2_000 + world.next(5)))
            made = tcp.connect(world.network.host, CLIENT, remote, world.now)
            if not isinstance(made, TcpError):
                world.handles[index] = made
        case 2 | 3:
            _ = tcp.send(CLIENT, handle, data)
        case 4 | 5:
            got = tcp.receive(CLIENT, handle, data)
            if not isinstance(got, TcpError):
                world.seen = replace(world.seen, bytes_read=world.seen.bytes_read + u64(got))
        case 6 if world.next(2) == 0:
            _ = tcp.finish(CLIENT, handle, world.now)
        case 7 if world.next(4) == 0:
            if world.next(4) == 0:
                _ = tcp.abort(CLIENT, handle)
            else:
                _ = tcp.close(CLIENT, handle, world.now)
        case _:
            if world.next(20) == 0:
                _ = tcp.stop_listening(CLIENT, world.listener)
                listen(world)
            while tcp.take_news() is not None:
                pass


def pass_time(world: World) -> None:
    match world.next(6):
        case 0 if world.next(8) == 0:
            world.now += world.next(u64(3 * MINUTE))
        case 1:
            world.now += world.next(u64(2 * SECOND))
        case 2:
            # Just to what is due.
            world.now = max(world.now, min(world.network.deadline(), world.now + MINUTE))
        case _:
            world.now += world.next(100_000)
    world.network.advance(world.now)


# --- what the peer says -----------------------------------------------------------------------------------------------


def near(world: World, number: u32) -> u32:
    """A sequence number: mostly the right one."""
    match world.next(30):
        case 0:
            return wrapping_add(number, truncate(u32, world.next(3_000)))
        case 1:
            return wrapping_sub(number, truncate(u32, world.next(3_000)))
        case 2:
            return wrapping_add(number, truncate(u32, world.next(3)))
        case 3 if world.next(8) == 0:
            return world.word()
        case _:
            return number


def say(world: World) -> None:
    """A segment on one of the connections."""
    talk = world.talks[usize(world.next(FLOWS))]
    if world.next(200) == 0:
        hang_up(world, talk)
    out = world.segment
    flags = ACK
    if talk.ack == 0:
        flags = SYN
    match world.next(60):
        case 0:
            flags = truncate(u8, world.next(64))
        case 1:
            flags = RST if world.next(2) == 0 else RST | ACK
        case 2:
            flags = SYN if world.next(2) == 0 else SYN | ACK
        case 3 | 4:
            flags = FIN | ACK
        case _:
            pass
    out.clear(flags)
    out.source, out.destination = talk.own, talk.port
    out.sequence, out.acknowledgment = near(world, talk.seq), near(world, talk.ack)
    out.window = truncate(u16, world.next(4) * world.next(20_000))
    options(world, talk, out)
    length: u64 = 0
    if flags & SYN == 0 and world.next(2) == 0:
        length = world.next(1_400)
    out.length = u32(length)
    begin = out.header_size()
    packet = world.frame[ethernet.SIZE : ethernet.SIZE + ipv4.SIZE + begin + usize(length)]
    out.build(packet[ipv4.SIZE :])
    if world.next(40) == 0:
        # Options, and all else in the header, may be anything.
        place = ipv4.SIZE + usize(world.next(u64(begin)))
        packet[place] = truncate(u8, world.next(256))
    deliver(world, packet)
    if out.sequence == talk.seq and flags & RST == 0:
        # It believes that it was heard; what comes back says more.
        talk.seq = wrapping_add(talk.seq, out.size())
    world.seen = replace(world.seen, segments=world.seen.segments + 1)


def options(world: World, talk: Talk, out: Segment) -> None:
    if out.has(SYN):
        out.mss = truncate(u16, world.next(3_000))
        out.sack_permitted = world.next(2) == 0
        if world.next(2) == 0:
            out.scale = truncate(u8, world.next(16))
    elif world.next(3) == 0:
        out.block_count = usize(world.next(4))
        for index in range(out.block_count):
            left = near(world, wrapping_sub(talk.ack, truncate(u32, world.next(3_000))))
            out.blocks[index] = Range(left, wrapping_add(left, truncate(u32, world.next(3_000))))
    if talk.timed and world.next(20) != 0:
        out.timed, out.echo = True, talk.echo
        clock = truncate(u32, world.now // 1_000)
        out.time = near(world, clock)
        if out.block_count > 3:
            out.block_count = 3


def deliver(world: World, packet: Span[u8]) -> None:
    ipv4.build(packet, THERE, HERE, ipv4.TCP, len(packet), 0)
    ethernet.build(world.frame, Frame(LINK, PEER_LINK, ethernet.IPV4))
    world.network.receive(world.frame[: ethernet.SIZE + len(packet)], True, world.now)


def other_packet(world: World) -> None:
    """ICMP about a connection, ARP, fragments, or the last frame once more, with some of it changed."""
    talk = world.talks[usize(world.next(FLOWS))]
    match world.next(4):
        case 0:
            packet = world.frame[ethernet.SIZE : ethernet.SIZE + ipv4.SIZE + icmp.SIZE + 28]
            data = packet[ipv4.SIZE :]
            quoted = data[icmp.SIZE :]
            ipv4.build(quoted, HERE, THERE, ipv4.TCP, 28, 0)
            wire_view(ipv4.Header, quoted).length = truncate(u16, world.next(2_000))
            header = wire_view(wire.Number, quoted[24:])
            header.number = near(world, talk.ack)
            quoted[20], quoted[21] = truncate(u8, talk.port >> 8), truncate(u8, talk.port)
            quoted[22], quoted[23] = truncate(u8, talk.own >> 8), truncate(u8, talk.own)
            code = truncate(u8, world.next(6))
            icmp.build(icmp.Message(icmp.UNREACHABLE, code, u32(world.next(1_600))), data)
            ipv4.build(packet, THERE, HERE, ipv4.ICMP, len(packet), 0)
            ethernet.build(world.frame, Frame(LINK, PEER_LINK, ethernet.IPV4))
            world.network.receive(world.frame[: ethernet.SIZE + len(packet)], False, world.now)
        case 1:
            meet(world)
        case _:
            for _ in range(world.next(4)):
                place = usize(world.next(80))
                world.frame[place] = world.frame[place] ^ truncate(u8, world.next(256))
            world.network.receive(world.frame[: usize(world.next(1_500))], world.next(2) == 0, world.now)


def fetch(world: World) -> None:
    """What the host says, and the peer learns from it."""
    for _ in range(200):
        length = world.network.fetch(world.built, world.now)
        if length == 0:
            break
        world.seen = replace(world.seen, answers=world.seen.answers + 1)
        learn(world, world.built[:length])
    assert not world.network.has_output(world.now), "it comes to an end"


def learn(world: World, frame: Span[u8]) -> None:
    inner = frame[ethernet.SIZE :]
    packet = ipv4.parse(inner)
    if not isinstance(packet, ipv4.Packet) or packet.protocol != ipv4.TCP:
        return
    data = inner[packet.payload : packet.length]
    heard = world.segment
    sums = pseudo_header(packet.source, packet.destination, ipv4.TCP, len(data))
    assert heard.parse(data, sums, False) is None, "what is sent is well-formed"
    for index in range(FLOWS):
        talk = world.talks[index]
        if talk.own == heard.destination and talk.port == heard.source:
            update(talk, heard)
            return
    if heard.flags == SYN:
        # The host opens a connection: the peer takes part in it.
        talk = world.talks[usize(world.next(FLOWS))]
        talk.own, talk.port, talk.seq = heard.destination, heard.source, world.word()
        talk.timed = heard.timed and world.next(2) == 0
        update(talk, heard)


def update(talk: Talk, heard: Segment) -> None:
    end = wrapping_add(heard.sequence, heard.size())
    if talk.ack == 0 or before(talk.ack, end):
        talk.ack = end
    if heard.has(ACK) and heard.size() == 0:
        talk.seq = heard.acknowledgment
    talk.echo = heard.time


# --- what must hold ---------------------------------------------------------------------------------------------------


def check(world: World, transitions: Span[u64]) -> None:
    tcp = world.network.tcp
    taken: usize = 0
    open_ones: usize = 0
    for index in range(2 * PAIRS):
        connection = tcp.connections.at(index)
        now: u8 = 0
        if connection is not None:
            check_connection(connection)
            taken += 1
            open_ones += usize(connection.state is not State.CLOSED)
            now = u8(connection.state.value)
            if connection.state is not State.CLOSED and connection.retransmit_at == 0xFFFF_FFFF_FFFF_FFFF:
                # Nobody waits for ever for what is on its way.
                assert connection.nxt == connection.una, "a timer runs while something is in flight"
        before_it = world.states[index]
        if now != before_it:
            transitions[usize(before_it) * STATES + usize(now)] += 1
            if before_it == 0:
                world.seen = replace(world.seen, opened=world.seen.opened + 1)
            if now == 0:
                world.seen = replace(world.seen, ended=world.seen.ended + 1)
        world.states[index] = now
    assert tcp.connections.live == taken and tcp.buffers.regions[usize(CLIENT)].taken == taken, "a pair for each"
    assert len(tcp.flows) == open_ones, "in the table while it isn't closed"


def check_connection(connection: Connection) -> None:
    """The invariants of `connection.py`."""
    assert connection.waiting <= connection.receiving.capacity() and connection.queued <= connection.sending.capacity()
    if connection.state in (State.CLOSED, State.SYN_SENT, State.SYN_RECEIVED):
        return
    assert until(connection.una, connection.nxt) and until(connection.nxt, connection.most_sent)
    sent = wrapping_sub(connection.most_sent, connection.una)
    assert sent <= connection.queued + u32(connection.finishing and not connection.fin_acked), "nothing else was sent"
    window: u32 = 0
    if before(connection.expected, connection.edge):
        window = wrapping_sub(connection.edge, connection.expected)
    assert window <= connection.receiving.capacity() - connection.waiting, "all that was offered has room"
    for known in connection.beyond.ranges[: connection.beyond.count]:
        assert before(connection.expected, known.left) and until(known.right, connection.edge)
    for known in connection.board.ranges[: connection.board.count]:
        assert before(connection.una, known.left) and until(known.right, connection.most_sent)
    assert connection.congestion.window >= 64 and connection.congestion.window <= 1 << 30
