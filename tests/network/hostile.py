"""A peer that says anything, right, nearly right or wrong, to a host whose programs do anything: in every reading.

The peer knows its connections' numbers, so that most of what it says is close to what would be right: that is where
mistakes are. How close, and how soon either side ends what it has begun, is a mood that each walk has: polite ones get
far, wild ones try each door.

A byte of a stream is what its sequence number says (`byte_at`), so each that is read, and each that is sent, is known
to be right or wrong by itself. What else must hold is asserted after each step, and which state was left for which is
counted after each event (`states.py`).
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
from neokernel.services.network.address import Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.checksum import checksum, pseudo_header
from neokernel.services.network.clock import MINUTE, SECOND
from neokernel.services.network.connection import Connection, End, State
from neokernel.services.network.ethernet import Frame
from neokernel.services.network.network import Network
from neokernel.services.network.segment import ACK, FIN, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before
from neokernel.services.network.tcp import Listener, TcpError
from tests.network.states import Watched, check, look

LINK = LinkAddress(0x0200_0000_0001)
PEER_LINK = LinkAddress(0x0200_0000_0002)
HERE = Address(0x0A00_0001)
THERE = Address(0x0A00_0002)
PORT = 80
CLIENT: u32 = 1
PAIRS = 16
#: bytes of a buffer: so many at most
MOST_EACH = 6_000
FLOWS = 10
#: what is mixed into the bytes of a stream: the host's, and the peer's
OURS: u32 = 0x5555_1111
THEIRS: u32 = 0x0F0F_7777


@value
class Seen:
    segments: u64 = 0
    answers: u64 = 0
    opened: u64 = 0
    ended: u64 = 0
    bytes_read: u64 = 0
    bytes_heard: u64 = 0


@struct
class Talk:
    """What the peer knows of a connection."""

    own: u16 = 0
    port: u16 = PORT
    #: its next number, and the host's
    seq: u32 = 0
    ack: u32 = 0
    window: u16 = 0
    timed: bool = False
    echo: u32 = 0


@struct
class World:
    network: Embedded[Network] = Network()
    memory: Array[u8] = array(2 * PAIRS * MOST_EACH)
    padding0: u32 = 0
    padding1: u16 = 0
    frame: Array[u8] = array(2_048)
    built: Array[u8] = array(2_048)
    scratch: Array[u8] = array(2_048)
    talks: Array[Embedded[Talk]] = array(FLOWS)
    handles: Array[Handle[Connection]] = array(PAIRS)
    watched: Embedded[Watched] = Watched()
    latest: usize = 0
    listener: Handle[Listener] = Handle(0, 0)
    segment: Embedded[Segment] = Segment()
    ports: u16 = 1_000
    random: u64 = 0
    now: u64 = 1_000_000
    #: one of so many segments has other flags, one of so many numbers is wrong, one of so many programs gives up
    wild: u64 = 60
    aim: u64 = 30
    patience: u64 = 8
    seen: Seen = Seen()

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def word(self) -> u32:
        return truncate(u32, self.next(1 << 16) << 16 | self.next(1 << 16))


def byte_at(number: u32, salt: u32) -> u8:
    """The byte with that sequence number."""
    return truncate(u8, wrapping_mul(number ^ salt, 0x9E37_79B1) >> 24)


def walk(seed: u64, steps: u64, transitions: Span[u64]) -> Seen:
    """`transitions` has room for STATES * STATES numbers (`states.py`)."""
    world = World(random=wrapping_mul(seed, 0x9E3779B97F4A7C15))
    network = world.network
    network.begin(LINK, Seed(seed, 1))
    network.configure(HERE, 24, Address(0x0A00_00FE))
    world.wild, world.aim = u64(12) << (2 * world.next(3)), u64(8) << (2 * world.next(3))
    world.patience = u64(1) << (2 * world.next(3))
    each = usize(1_500) if world.next(2) == 0 else usize(MOST_EACH)
    network.tcp.buffers.regions[usize(CLIENT)].attach(world.memory[: 2 * PAIRS * each], each)
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
        look(world.watched, network.tcp, transitions)
        if world.next(4) != 0:
            fetch(world)
            look(world.watched, network.tcp, transitions)
        check(network.tcp, CLIENT)
    end(world, transitions)
    return replace(world.seen, opened=world.watched.opened, ended=world.watched.ended)


def end(world: World, transitions: Span[u64]) -> None:
    """All programs go, and time passes: nothing may be left."""
    tcp = world.network.tcp
    world.network.forget(CLIENT)
    for _ in range(100):
        # Resets may wait for the peer's link address, which nobody tells any more.
        fetch(world)
        look(world.watched, tcp, transitions)
        world.now += u64(10 * SECOND)
        world.network.advance(world.now)
        look(world.watched, tcp, transitions)
    assert tcp.connections.live == 0 and len(tcp.flows) == 0 and tcp.timers.size == 0, "no connection is left"
    assert len(tcp.ended) == 0 and tcp.buffers.regions[usize(CLIENT)].taken == 0, "no buffer is lost"


def listen(world: World) -> None:
    made = world.network.tcp.listen(CLIENT, Endpoint(HERE, PORT), 1 + u32(world.next(PAIRS)))
    assert not isinstance(made, TcpError)
    world.listener = made


def meet(world: World) -> None:
    ethernet.build(world.frame, Frame(LinkAddress(0xFFFF_FFFF_FFFF), PEER_LINK, ethernet.ARP))
    question = arp.Packet(arp.Operation.REQUEST, PEER_LINK, THERE, LinkAddress(0), HERE)
    arp.build(world.frame[ethernet.SIZE :], question)
    world.network.receive(world.frame[: ethernet.SIZE + arp.SIZE], False, world.now)


def hang_up(world: World, talk: Talk) -> None:
    """The peer forgets a connection, and thinks of another."""
    talk.ack = 0
    if talk.port == PORT and talk.own != 0 and world.next(4) == 0:
        # Between the same two, while the host may still remember the one before.
        talk.seq = wrapping_add(talk.seq, truncate(u32, world.next(3_000)))
        return
    world.ports = wrapping_add(world.ports, 1)
    talk.own, talk.port, talk.seq = world.ports, PORT, world.word()
    talk.timed = world.next(2) == 0
    talk.window = truncate(u16, world.next(65_536))


# --- what the programs do ---------------------------------------------------------------------------------------------


def program(world: World) -> None:
    tcp = world.network.tcp
    index = usize(world.next(PAIRS))
    handle = world.handles[index]
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
            send(world, handle)
        case 4 | 5:
            read(world, handle)
        case 6 if world.next(2) == 0:
            _ = tcp.finish(CLIENT, handle, world.now)
        case 7 if world.next(world.patience) == 0:
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


def send(world: World, handle: Handle[Connection]) -> None:
    """By the verb, or put into the buffer by the program itself, which then says so, as clients do."""
    tcp = world.network.tcp
    data = world.scratch[: usize(world.next(1_600))]
    connection = tcp.own(CLIENT, handle)
    if connection is None:
        assert tcp.send(CLIENT, handle, data) is TcpError.HANDLE
        return
    first = wrapping_add(connection.una, connection.queued)
    if connection.state is State.SYN_SENT or connection.state is State.SYN_RECEIVED:
        # SYN has the number before.
        first = wrapping_add(first, 1)
    fill(data, first, OURS)
    if world.next(2) == 0:
        _ = tcp.send(CLIENT, handle, data)
    elif not connection.finishing and connection.state is not State.CLOSED:
        count = min(u32(len(data)), connection.room())
        connection.sending.write(connection.queued, data[: usize(count)])
        move(world, handle, connection, count, 0)


def read(world: World, handle: Handle[Connection]) -> None:
    """What has come, by the verb or by the program itself."""
    tcp = world.network.tcp
    into = world.scratch[: usize(world.next(1_600))]
    connection = tcp.own(CLIENT, handle)
    if connection is None:
        assert tcp.receive(CLIENT, handle, into) is TcpError.HANDLE
        return
    first = wrapping_sub(connection.expected, connection.waiting)
    if connection.fin_taken:
        first = wrapping_sub(first, 1)
    count: u32 = 0
    if world.next(2) == 0:
        got = tcp.receive(CLIENT, handle, into)
        count = 0 if isinstance(got, TcpError) else got
    else:
        count = min(u32(len(into)), connection.waiting)
        connection.receiving.read(0, into[: usize(count)])
        move(world, handle, connection, 0, count)
    assert is_filled(into[: usize(count)], first, THEIRS), "what is read is what the peer said"
    world.seen = replace(world.seen, bytes_read=world.seen.bytes_read + u64(count))


def move(world: World, handle: Handle[Connection], connection: Connection, put: u32, taken: u32) -> None:
    """As `Orders.moved` does it (`exchange.py`). Sometimes a program says what can't be: that is found, or harmless."""
    written = wrapping_add(wrapping_add(connection.acknowledged, connection.queued), put)
    gone = wrapping_add(wrapping_sub(connection.arrived, connection.waiting), taken)
    assert connection.has_moved(written, gone), "that can be"
    tcp = world.network.tcp
    tcp.settle(handle.index, connection)
    if world.next(2_000) == 0 and connection.state is not State.CLOSED:
        if not connection.has_moved(written, wrapping_add(gone, connection.waiting + 1)):
            connection.abort(End.ABORTED)
        tcp.settle(handle.index, connection)
        assert connection.end is not End.NONE, "nobody reads what hasn't come"


def fill(data: Span[u8], first: u32, salt: u32) -> None:
    """Bytes of a stream, from number `first` on."""
    for place in range(len(data)):
        data[place] = byte_at(wrapping_add(first, u32(place)), salt)


def is_filled(data: Span[u8], first: u32, salt: u32) -> bool:
    wrong: usize = 0
    for place in range(len(data)):
        wrong += usize(data[place] != byte_at(wrapping_add(first, u32(place)), salt))
    return wrong == 0


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
    match world.next(world.aim):
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
    if world.next(2) == 0:
        # Often it goes on on the same one.
        world.latest = usize(world.next(FLOWS))
    talk = world.talks[world.latest]
    flow = Flow(Endpoint(HERE, talk.port), Endpoint(THERE, talk.own))
    often: u64 = 200 if world.network.tcp.ended.find(flow) is None else 10
    if world.next(often) == 0:
        hang_up(world, talk)
    out = world.segment
    flags = ACK
    if talk.ack == 0:
        flags = SYN
    match world.next(world.wild):
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
    if world.next(8) == 0:
        talk.window = truncate(u16, world.next(4) * world.next(20_000))
    out.window = talk.window
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
    """Whatever the header says now, its bytes are those of its number. The device has looked at the sum, or not."""
    data = packet[ipv4.SIZE :]
    header = wire_view(wire.Header, data)
    begin = usize(header.offset >> 4) * 4
    if wire.SIZE <= begin <= len(data):
        fill(data[begin:], wrapping_add(header.sequence, u32(header.flags & SYN != 0)), THEIRS)
    verified = world.next(2) == 0
    if not verified:
        header.check = 0
        header.check = checksum(data, pseudo_header(THERE, HERE, ipv4.TCP, len(data)))
        if world.next(20) == 0:
            # It has lost something on its way: nothing of it may count.
            place = usize(world.next(u64(len(data))))
            data[place] = data[place] ^ (u8(1) << u8(world.next(8)))
    ipv4.build(packet, THERE, HERE, ipv4.TCP, len(packet), 0)
    ethernet.build(world.frame, Frame(LINK, PEER_LINK, ethernet.IPV4))
    world.network.receive(world.frame[: ethernet.SIZE + len(packet)], verified, world.now)


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
            # Nobody has looked at its sum: what was changed is found, or wasn't part of it.
            world.network.receive(world.frame[: usize(world.next(1_500))], False, world.now)


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
    first = wrapping_add(heard.sequence, u32(heard.has(SYN)))
    assert is_filled(data[heard.payload :], first, OURS), "what is sent is what the program said"
    world.seen = replace(world.seen, bytes_heard=world.seen.bytes_heard + u64(heard.length))
    for index in range(FLOWS):
        talk = world.talks[index]
        if talk.own == heard.destination and talk.port == heard.source:
            update(talk, heard)
            if heard.has(RST) and world.next(4) != 0:
                hang_up(world, talk)
            return
    if heard.flags == SYN:
        # The host opens a connection: the peer takes part in it.
        talk = world.talks[usize(world.next(FLOWS))]
        talk.own, talk.port, talk.seq = heard.destination, heard.source, world.word()
        talk.timed = heard.timed and world.next(2) == 0
        talk.window = truncate(u16, world.next(65_536))
        update(talk, heard)


def update(talk: Talk, heard: Segment) -> None:
    end = wrapping_add(heard.sequence, heard.size())
    if talk.ack == 0 or before(talk.ack, end):
        talk.ack = end
    if heard.has(ACK) and heard.size() == 0:
        talk.seq = heard.acknowledgment
    talk.echo = heard.time
