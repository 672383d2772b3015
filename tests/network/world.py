"""Two hosts and a bad link between them: in every reading, given by a seed.

Programs on both hosts open connections, send each other streams that are known beforehand, read them at their own pace,
and close. What must hold is asserted: each byte that is read is the right one, a stream that ends in order is complete,
and when all is over, nothing is left of it.
"""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Embedded,
    Handle,
    array,
    copy,
    replace,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime.hashing import Seed
from neokernel.services.network.address import Address, Endpoint, Flow, LinkAddress
from neokernel.services.network.clock import MINUTE, NEVER, SECOND
from neokernel.services.network.congestion import Algorithm
from neokernel.services.network.connection import Connection, End
from neokernel.services.network.network import Network
from neokernel.services.network.tcp import Listener, TcpError
from neokernel.services.network.train import MOST

LINK_LEFT = LinkAddress(0x0200_0000_0001)
LINK_RIGHT = LinkAddress(0x0200_0000_0002)
LEFT = Address(0x0A00_0001)
RIGHT = Address(0x0A00_0002)
PORT = 8080
CLIENT: u32 = 3

#: frames on the link at one time, both ways; what comes beyond is lost, as in a router
FLYING = 96
#: rounds in which nothing is sent until programs give up: hours, longer than any timer
PATIENCE = 50_000
FRAME = 1_536
MEMORY = 1 << 19
#: connections at one time
PAIRS = 12


@value
class Plan:
    """What kind of link, and what happens on it. Chances are of 1,000."""

    seed: u64
    connections: u64 = 1
    size: u64 = 10_000
    buffer: u64 = 4_096
    loss: u64 = 0
    duplicate: u64 = 0
    corrupt: u64 = 0
    reorder: u64 = 0
    #: one way, in microseconds
    delay: u64 = 1_000
    #: bytes in a second, 0: no limit
    rate: u64 = 0
    mtu: u64 = 1_500
    #: time jumps ahead now and then
    jump: u64 = 0
    #: chance that a program reads or writes when it could
    eager: u64 = 1_000
    #: chance, at each of its turns, that a program gives up
    abort: u64 = 0
    #: chance that the link is down in a second
    outage: u64 = 0
    new_reno: bool = False
    backlog: u64 = 16
    #: without short cuts (`train.py`, `prediction.py`)
    long_way: bool = False


@value
class Seen:
    """What came of it."""

    frames: u64 = 0
    lost: u64 = 0
    #: streams that were complete, and those that ended otherwise
    complete: u64 = 0
    failed: u64 = 0
    bytes_read: u64 = 0
    retransmitted: u64 = 0
    timeouts: u64 = 0
    recoveries: u64 = 0
    cookies: u64 = 0
    #: microseconds until the last stream was read
    elapsed: u64 = 0
    connections: u64 = 0


@struct
class Frame:
    """One on its way. `at` NEVER: none."""

    at: u64 = NEVER
    order: u64 = 0
    to_right: bool = False
    length: usize = 0
    padding: u32 = 0
    padding2: u16 = 0
    data: Array[u8] = array(FRAME)


@struct
class Program:
    """One end of a connection."""

    handle: Handle[Connection] = Handle(0, 0)
    used: bool = False
    #: which stream it sends and which it reads
    key: u32 = 0
    sent: u64 = 0
    read: u64 = 0
    finished: bool = False
    #: the peer's stream has ended
    ended: bool = False
    failed: bool = False


@struct
class Side:
    network: Embedded[Network] = Network()
    memory: Array[u8] = array(MEMORY)
    programs: Array[Embedded[Program]] = array(PAIRS)
    listener: Handle[Listener] = Handle(0, 0)
    #: when the wire to the other side is free again
    free_at: u64 = 0


@struct
class World:
    left: Embedded[Side] = Side()
    right: Embedded[Side] = Side()
    flying: Array[Embedded[Frame]] = array(FLYING)
    scratch: Array[u8] = array(4_096)
    padding: u32 = 0
    padding2: u16 = 0
    built: Array[u8] = array(FRAME)
    random: u64 = 0
    now: u64 = 1_000_000
    count: u64 = 0
    down_until: u64 = 0
    #: rounds since a frame was sent
    idle: u64 = 0
    seen: Seen = Seen()

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def happens(self, chance: u64) -> bool:
        return chance != 0 and self.next(1_000) < chance


def byte_of(key: u32, place: u64) -> u8:
    """The byte of a stream."""
    return truncate(u8, wrapping_mul(wrapping_add(place, u64(key) << 20), 0x9E3779B97F4A7C15) >> 56)


def walk(plan: Plan) -> Seen:
    """One plan, in a new world."""
    world = World()
    run(world, plan)
    return world.seen


def campaign(first: u64, count: u64) -> Seen:
    """Plans at random, one after the other in one world, which each of them leaves empty."""
    world = World()
    for seed in range(first, first + count):
        run(world, plan_of(world, seed))
    return world.seen


def plan_of(world: World, seed: u64) -> Plan:
    """Some kind of link: most are bad in one or two ways, some in all."""
    world.random = wrapping_mul(seed, 0x9E3779B97F4A7C15)
    harm = 1 + world.next(3)
    return Plan(
        seed,
        connections=1 + world.next(6),
        size=world.next(20_000),
        buffer=u64(1_024) << world.next(6),
        loss=world.next(200) if world.next(3) < harm else 0,
        duplicate=world.next(100) if world.next(4) < harm else 0,
        corrupt=world.next(100) if world.next(4) < harm else 0,
        reorder=world.next(300) if world.next(4) < harm else 0,
        delay=world.next(100_000),
        rate=10_000 + world.next(2_000_000) if world.next(2) == 0 else 0,
        mtu=576 + world.next(925),
        jump=world.next(10) if world.next(8) < harm else 0,
        eager=1_000 if world.next(2) == 0 else 20 + world.next(900),
        abort=world.next(10) if world.next(8) < harm else 0,
        outage=world.next(300) if world.next(8) < harm else 0,
        new_reno=world.next(2) == 0,
        backlog=1 + world.next(8),
    )


def run(world: World, plan: Plan) -> None:
    world.random = wrapping_mul(plan.seed, 0x2545F4914F6CDD1D) ^ 0x1234_5678_9ABC
    world.now += 1_000_000
    world.count, world.down_until, world.idle = 0, 0, 0
    begin(world, world.left, LINK_LEFT, LEFT, plan)
    begin(world, world.right, LINK_RIGHT, RIGHT, plan)
    listener = world.right.network.tcp.listen(CLIENT, Endpoint(RIGHT, PORT), u32(plan.backlog))
    assert not isinstance(listener, TcpError)
    world.right.listener = listener
    opened: u64 = 0
    quiet: u64 = 0
    for _ in range(2_000_000):
        if opened < plan.connections and open_one(world, plan):
            opened += 1
        turn(world, world.left, plan)
        turn(world, world.right, plan)
        accept(world)
        send_all(world, world.left, True, plan)
        send_all(world, world.right, False, plan)
        if opened == plan.connections and is_quiet(world):
            break
        if not move_on(world, plan):
            quiet += 1
            # Programs that wait for nothing but their own mood.
            world.now += 1_000
        if max(quiet, world.idle) > PATIENCE:
            # A program whose peer has given up, and whose peer's last word is lost, waits for ever if it has nothing
            # to send and no keep-alive (RFC 9293, 3.5.1). Nobody else does.
            assert are_half_open(world.left, world.right), "nothing happens any more"
            assert are_half_open(world.right, world.left), "nothing happens any more"
            give_up(world, world.left)
            give_up(world, world.right)
    assert opened == plan.connections and is_quiet(world), "it comes to an end"
    settle(world, plan)
    left, right = world.left.network.host.counters, world.right.network.host.counters
    world.seen = replace(
        world.seen,
        retransmitted=left.retransmitted + right.retransmitted,
        timeouts=left.timeouts + right.timeouts,
        recoveries=left.recoveries + right.recoveries,
        cookies=right.cookies_in,
        connections=world.seen.connections + opened,
    )
    assert world.right.network.tcp.stop_listening(CLIENT, listener) is None


def begin(world: World, side: Side, link: LinkAddress, address: Address, plan: Plan) -> None:
    network = side.network
    side.free_at = 0
    network.begin(link, Seed(world.next(1 << 30), world.next(1 << 30)))
    network.configure(address, 24, Address(0))
    network.host.mtu = u32(plan.mtu)
    network.tcp.train.most = 0 if plan.long_way else MOST
    network.tcp.buffers.regions[usize(CLIENT)].attach(side.memory, usize(plan.buffer))


def give_up(world: World, side: Side) -> None:
    """Who still waits does so no longer."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            abort(world, side, program)


def are_half_open(side: Side, other: Side) -> bool:
    """The other side knows nothing any more of any connection of this one's programs."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            connection = side.network.tcp.connections.get(program.handle)
            if connection is not None:
                flow = connection.flow
                if other.network.tcp.find(Flow(flow.remote, flow.local)) is not None:
                    return False
    return True


def abort(world: World, side: Side, program: Program) -> None:
    """A program gives up on its connection."""
    gone = side.network.tcp.abort(CLIENT, program.handle)
    assert gone is None
    program.used = False
    world.seen = replace(world.seen, failed=world.seen.failed + 1)


def open_one(world: World, plan: Plan) -> bool:
    """A program on the left begins a connection, if there is a place for one."""
    side = world.left
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            continue
        made = side.network.tcp.connect(side.network.host, CLIENT, Endpoint(RIGHT, PORT), world.now)
        if isinstance(made, TcpError):
            return False
        start(side, program, made, plan)
        return True
    return False


def start(side: Side, program: Program, handle: Handle[Connection], plan: Plan) -> None:
    connection = side.network.tcp.connections.get(handle)
    assert connection is not None
    if plan.new_reno:
        connection.congestion.algorithm = Algorithm.NEW_RENO
    program.handle, program.used = handle, True
    flow = connection.flow
    # Both ends have the same key; one stream is for one direction.
    client = flow.local.port if flow.remote.port == PORT else flow.remote.port
    program.key = u32(client) * 2
    program.sent, program.read = 0, 0
    program.finished, program.ended, program.failed = False, False, False


def accept(world: World) -> None:
    side = world.right
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            continue
        found = side.network.tcp.accept(CLIENT, side.listener)
        assert not isinstance(found, TcpError)
        if found is None:
            return
        start(side, program, found, Plan(0))


def turn(world: World, side: Side, plan: Plan) -> None:
    """Every program does something, or not."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used and (plan.eager >= 1_000 or world.happens(plan.eager)):
            if world.happens(plan.abort):
                abort(world, side, program)
            else:
                work(world, side, program, plan)


def work(world: World, side: Side, program: Program, plan: Plan) -> None:
    """Read what has come, send what there is room for, close when both are done."""
    tcp = side.network.tcp
    ours, theirs = program.key, program.key
    if side.network.host.address == LEFT:
        theirs += 1
    else:
        ours += 1
    for _ in range(16):
        limit = usize(world.next(3_000)) + 1 if plan.eager < 1_000 else usize(4_096)
        got = tcp.receive(CLIENT, program.handle, world.scratch[:limit])
        if isinstance(got, TcpError):
            assert got is TcpError.CLOSED
            status = tcp.status(CLIENT, program.handle)
            assert not isinstance(status, TcpError)
            program.ended = True
            if not status.peer_finished:
                assert status.end is not End.NONE
                program.failed = True
            break
        for place in range(usize(got)):
            assert world.scratch[place] == byte_of(theirs, program.read + place), "the right byte"
        program.read += u64(got)
        world.seen = replace(world.seen, bytes_read=world.seen.bytes_read + u64(got), elapsed=world.now)
        if got == 0:
            break
    while program.sent < plan.size and not program.failed:
        count = min(plan.size - program.sent, 2_000)
        if plan.eager < 1_000:
            count = min(count, 1 + world.next(1_500))
        chunk = world.scratch[: usize(count)]
        for place in range(len(chunk)):
            chunk[place] = byte_of(ours, program.sent + place)
        taken = tcp.send(CLIENT, program.handle, chunk)
        if isinstance(taken, TcpError):
            assert taken is TcpError.CLOSED
            program.failed = True
            break
        program.sent += u64(taken)
        if u64(taken) < count:
            break
    if program.sent == plan.size and not program.finished and not program.failed:
        program.finished = True
        assert tcp.finish(CLIENT, program.handle, world.now) is None
    if program.failed or (program.ended and program.finished):
        if program.failed:
            assert program.read <= plan.size
            world.seen = replace(world.seen, failed=world.seen.failed + 1)
        else:
            assert program.read == plan.size, "a stream that ends in order is complete"
            world.seen = replace(world.seen, complete=world.seen.complete + 1)
        assert tcp.close(CLIENT, program.handle, world.now) is None
        program.used = False


def send_all(world: World, side: Side, to_right: bool, plan: Plan) -> None:
    """Fetch all that wants to go out, and put it on the link."""
    for _ in range(10_000):
        length = side.network.fetch(world.built, world.now)
        if length == 0:
            break
        assert length <= usize(plan.mtu) + 14
        world.idle = 0
        world.seen = replace(world.seen, frames=world.seen.frames + 1)
        if world.now < world.down_until or world.happens(plan.loss):
            world.seen = replace(world.seen, lost=world.seen.lost + 1)
            continue
        put(world, side, to_right, length, plan)
        if world.happens(plan.duplicate):
            put(world, side, to_right, length, plan)
    assert not side.network.has_output(world.now)


def put(world: World, side: Side, to_right: bool, length: usize, plan: Plan) -> None:
    at = world.now + plan.delay
    if plan.rate != 0:
        side.free_at = max(side.free_at, world.now) + u64(length) * SECOND // plan.rate
        at = side.free_at + plan.delay
    if world.happens(plan.reorder):
        at += world.next(4 * plan.delay + 1_000)
    for index in range(FLYING):
        frame = world.flying[index]
        if frame.at == NEVER:
            frame.at, frame.to_right, frame.length = at, to_right, length
            frame.order = world.count
            world.count += 1
            copy(frame.data[:length], world.built[:length].bytes())
            # What has a checksum of its own; the link's would have caught the rest.
            if frame.data[12] == 8 and frame.data[13] == 0 and world.happens(plan.corrupt):
                place = 14 + usize(world.next(u64(length) - 14))
                frame.data[place] = frame.data[place] ^ (u8(1) << u8(world.next(8)))
            return
    world.seen = replace(world.seen, lost=world.seen.lost + 1)


def move_on(world: World, plan: Plan) -> bool:
    """Let time pass until something happens, and let it. False: nothing is due, ever."""
    when = min(world.left.network.deadline(), world.right.network.deadline())
    for index in range(FLYING):
        when = min(when, world.flying[index].at)
    if plan.eager < 1_000:
        # Programs don't wait for anything in particular; when all is quiet they grow slow.
        when = min(when, world.now + (500 + world.next(2_000) << min(world.idle, 10)))
        world.idle += 1
    if when == NEVER:
        return False
    world.now = max(world.now, when)
    if world.happens(plan.jump):
        world.now += world.next(u64(10 * MINUTE))
    # Not for ever: neighbours that aren't there are given up, and so are peers.
    if plan.outage != 0 and world.now >= world.down_until and world.next(100_000) < plan.outage:
        world.down_until = world.now + world.next(u64(4 * SECOND))
    for _ in range(FLYING):
        first: usize = FLYING
        for index in range(FLYING):
            frame = world.flying[index]
            if frame.at > world.now:
                continue
            if first == FLYING or earlier(frame, world.flying[first]):
                first = index
        if first == FLYING:
            break
        frame = world.flying[first]
        side = world.right if frame.to_right else world.left
        frame.at = NEVER
        if plan.long_way:
            side.network.tcp.prediction.forget()
        side.network.receive(frame.data[: frame.length], False, world.now)
    world.left.network.advance(world.now)
    world.right.network.advance(world.now)
    return True


def earlier(one: Frame, other: Frame) -> bool:
    return one.at < other.at or (one.at == other.at and one.order < other.order)


def is_quiet(world: World) -> bool:
    """No program has anything to do."""
    busy: u64 = 0
    for index in range(PAIRS):
        busy += u64(world.left.programs[index].used) + u64(world.right.programs[index].used)
    return busy == 0


def settle(world: World, plan: Plan) -> None:
    """Let all that waits end; then nothing may be left of anything."""
    calm = replace(plan, jump=u64(0), eager=u64(1_000), abort=u64(0))
    for _ in range(100_000):
        turn(world, world.left, calm)
        turn(world, world.right, calm)
        accept(world)
        send_all(world, world.left, True, calm)
        send_all(world, world.right, False, calm)
        if not move_on(world, calm):
            break
    check_empty(world.left)
    check_empty(world.right)


def check_empty(side: Side) -> None:
    tcp = side.network.tcp
    assert tcp.connections.live == 0 and len(tcp.flows) == 0, "no connection is left"
    assert len(tcp.ended) == 0 and tcp.timers.size == 0 and len(tcp.buried) == 0
    assert tcp.buffers.regions[usize(CLIENT)].taken == 0, "no buffer is lost"
    for index in range(len(tcp.listeners)):
        listener = tcp.listeners.at(index)
        assert listener is None or (listener.half_open == 0 and listener.pending == 0)
