"""Two hosts and a bad link between them: in every reading, given by a seed.

Programs on both hosts open connections, send each other streams that are known beforehand, read them at their own pace,
and close; some have keep-alive, some a deadline. They are several clients', who share few places, if a plan says so. A
service may end, and begin anew, with connections open, and with peers that nobody knows (`invented.py`).

What must hold is asserted: each byte that is read is the right one, a stream that ends in order is complete; who is
kept alive never waits for a peer that isn't there, and peers of a service that has ended hear of it; no client takes
what is kept for another; and when all is over, nothing is left of it.
"""

from __future__ import annotations

from neokernel.lang import (
    Handle,
    copy,
    renew,
    replace,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime.hashing import Seed
from neokernel.services.network.address import Address, Endpoint, LinkAddress
from neokernel.services.network.clock import MINUTE, NEVER, SECOND
from neokernel.services.network.congestion import Algorithm
from neokernel.services.network.connection import Connection, End
from neokernel.services.network.drop import Counters
from neokernel.services.network.limits import CONNECTIONS, KEEP_PROBES
from neokernel.services.network.tcp import TcpError
from neokernel.services.network.train import MOST
from tests.network.holding import are_half_open, check, check_empty, is_open
from tests.network.hosts import (
    CLIENT,
    FLYING,
    HEARD,
    LEFT,
    LINK_LEFT,
    LINK_RIGHT,
    MEMORY,
    MOST_CHOICES,
    MOST_CLIENTS,
    MOST_LIVES,
    PAIRS,
    PATIENCE,
    PORT,
    RIGHT,
    Frame,
    Program,
    Side,
    World,
)
from tests.network.plans import Plan, Seen


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
        restart=world.next(3_000) if world.next(3) == 0 else 0,
        invented=world.next(9),
        clients=1 + world.next(MOST_CLIENTS),
        places=4 + world.next(20) if world.next(3) == 0 else 0,
        keep=world.next(1_000) if world.next(2) == 0 else 0,
        deadline=world.next(300) if world.next(6) == 0 else 0,
        cut=world.next(2_000) if world.next(8) == 0 else 0,
    )


def run(world: World, plan: Plan) -> None:
    world.random = wrapping_mul(plan.seed, 0x2545F4914F6CDD1D) ^ 0x1234_5678_9ABC
    world.now += 1_000_000
    world.count, world.down_until, world.idle, world.turns = 0, 0, 0, 0
    begin(world, world.left, LINK_LEFT, LEFT, plan)
    begin(world, world.right, LINK_RIGHT, RIGHT, plan)
    listen(world.right, plan)
    opened: u64 = 0
    quiet: u64 = 0
    for _ in range(2_000_000):
        if opened < plan.connections and open_one(world, plan):
            opened += 1
        turn(world, world.left, plan)
        turn(world, world.right, plan)
        accept(world, plan)
        if plan.restart != 0 and world.next(100_000) < plan.restart:
            if world.next(2) == 0:
                begin_anew(world, world.left, world.right, LINK_LEFT, LEFT, plan)
            else:
                begin_anew(world, world.right, world.left, LINK_RIGHT, RIGHT, plan)
        if plan.cut != 0 and world.next(100_000) < plan.cut:
            world.down_until = NEVER
        send_all(world, world.left, True, plan)
        send_all(world, world.right, False, plan)
        check(world, plan)
        if opened == plan.connections and is_quiet(world):
            break
        if not move_on(world, plan):
            quiet += 1
            # Programs that wait for nothing but their own mood.
            world.now += 1_000
        if max(quiet, world.idle) > PATIENCE:
            # A program whose peer has given up, and whose peer's last word is lost, waits for ever if it has nothing
            # to send and no keep-alive (RFC 9293, 3.5.1). Nobody else does.
            assert are_half_open(world, world.left, world.right), "nothing happens any more"
            assert are_half_open(world, world.right, world.left), "nothing happens any more"
            give_up(world, world.left)
            give_up(world, world.right)
    assert opened == plan.connections and is_quiet(world), "it comes to an end"
    settle(world, plan)
    count_in(world, world.left.network.host.counters)
    count_in(world, world.right.network.host.counters)
    world.seen = replace(world.seen, connections=world.seen.connections + opened)
    for index in range(usize(plan.clients)):
        gone = world.right.network.tcp.stop_listening(CLIENT + u32(index), world.right.listeners[index])
        assert gone is None


def begin(world: World, side: Side, link: LinkAddress, address: Address, plan: Plan) -> None:
    """The first life of a plan, in a network that nothing is left in."""
    side.free_at, side.lives, side.old_count, side.heard_at = 0, 0, 0, NEVER
    side.invented.forget()
    live(world, side, link, address, plan)


def live(world: World, side: Side, link: LinkAddress, address: Address, plan: Plan) -> None:
    """A life of the service."""
    network = side.network
    network.begin(link, Seed(world.next(1 << 30), world.next(1 << 30)))
    network.configure(address, 24, Address(0))
    network.host.mtu = u32(plan.mtu)
    tcp = network.tcp
    tcp.past.begin(side.state)
    tcp.train.most = 0 if plan.long_way else MOST
    tcp.connection_shares.places = u32(plan.places) if plan.places != 0 else CONNECTIONS
    part = usize(MEMORY // plan.clients)
    for index in range(MOST_CLIENTS):
        own = side.memory[index * part : (index + 1) * part] if u64(index) < plan.clients else side.memory[:0]
        network.lend(CLIENT + u32(index), own, usize(plan.buffer))


def listen(side: Side, plan: Plan) -> None:
    """Each client does."""
    for index in range(usize(plan.clients)):
        client = CLIENT + u32(index)
        made = side.network.tcp.listen(client, Endpoint(RIGHT, PORT + u16(index)), u32(plan.backlog))
        assert not isinstance(made, TcpError)
        side.listeners[index] = made


def begin_anew(world: World, side: Side, other: Side, link: LinkAddress, address: Address, plan: Plan) -> None:
    """The service ends, with all that it knows, and begins again; its programs' connections are over."""
    if side.lives == MOST_LIVES:
        return
    side.lives += 1
    side.old_count = 0
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            connection = side.network.tcp.connections.get(program.handle)
            assert connection is not None
            flow = connection.flow
            if is_open(other, flow):
                side.old[side.old_count] = flow
                side.old_count += 1
            program.used = False
            world.seen = replace(world.seen, failed=world.seen.failed + 1)
    side.invented.invent(side.network, address, usize(plan.invented))
    # Where time or frames pile up, nothing is said about when.
    calm = plan.rate == 0 and plan.jump == 0
    side.heard_at = world.now + HEARD + 20 * plan.delay if calm else NEVER
    side.harm = world.seen.lost + world.damaged
    if world.next(4) == 0:
        # The machine was switched off: nothing outlives that, and nobody hears of it.
        for place in range(len(side.state)):
            side.state[place] = 0
        side.heard_at = NEVER
        side.invented.forget()
    count_in(world, side.network.host.counters)
    renew(side.network)
    live(world, side, link, address, plan)
    if address == RIGHT:
        listen(side, plan)
    world.seen = replace(world.seen, lives=world.seen.lives + 1)


def count_in(world: World, counters: Counters) -> None:
    """What a life has counted, which counts no more."""
    seen = world.seen
    world.seen = replace(
        seen,
        retransmitted=seen.retransmitted + counters.retransmitted,
        timeouts=seen.timeouts + counters.timeouts,
        recoveries=seen.recoveries + counters.recoveries,
        cookies=seen.cookies + counters.cookies_in,
    )
    counters.retransmitted, counters.timeouts, counters.recoveries, counters.cookies_in = 0, 0, 0, 0


def give_up(world: World, side: Side) -> None:
    """Who still waits does so no longer."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            abort(world, side, program)


def abort(world: World, side: Side, program: Program) -> None:
    """A program gives up on its connection."""
    gone = side.network.tcp.abort(program.client, program.handle)
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
        index = world.next(plan.clients) if plan.clients > 1 else 0
        client = CLIENT + u32(index)
        made = side.network.tcp.connect(side.network.host, client, Endpoint(RIGHT, PORT + u16(index)), world.now)
        if isinstance(made, TcpError):
            shares = side.network.tcp.connection_shares
            if made is TcpError.SHARE:
                assert shares.taken[usize(client)] >= shares.kept[usize(client)], "it has what is kept for it"
                world.seen = replace(world.seen, refused=world.seen.refused + 1)
            return False
        start(world, side, program, client, made, plan)
        return True
    return False


def start(world: World, side: Side, program: Program, owner: u32, handle: Handle[Connection], plan: Plan) -> None:
    connection = side.network.tcp.connections.get(handle)
    assert connection is not None
    if plan.new_reno and side.network.host.address == LEFT:
        connection.congestion.algorithm = Algorithm.NEW_RENO
    program.handle, program.used, program.client = handle, True, owner
    program.until = world.now + world.next(20 * SECOND) if world.happens(plan.deadline) else NEVER
    program.choices = world.next(MOST_CHOICES) if plan.keep != 0 else 0
    choose_options(world, side, program, plan)
    flow = connection.flow
    # Both ends have the same key; one stream is for one direction.
    client = flow.local.port if side.network.host.address == LEFT else flow.remote.port
    program.key = u32(client) * 2
    program.sent, program.read = 0, 0
    program.finished, program.ended, program.failed = False, False, False


def choose_options(world: World, side: Side, program: Program, plan: Plan) -> None:
    """As `exchange.py` does when a client says so; some change their minds."""
    tcp = side.network.tcp
    connection = tcp.own(program.client, program.handle)
    if plan.keep != 0 and connection is not None:
        idle = SECOND * (1 + world.next(100)) if world.happens(plan.keep) else u64(0)
        connection.set_options(world.next(2) == 0, idle, SECOND * (1 + world.next(20)), world.now)
        program.choices += 1
        program.chosen_at = world.now
        tcp.settle(program.handle.index, connection)


def accept(world: World, plan: Plan) -> None:
    """What each client's listener has, for programs that have nothing else to do."""
    side = world.right
    for which in range(usize(plan.clients)):
        client = CLIENT + u32(which)
        for index in range(PAIRS):
            program = side.programs[index]
            if program.used:
                continue
            found = side.network.tcp.accept(client, side.listeners[which])
            assert not isinstance(found, TcpError)
            if found is None:
                break
            start(world, side, program, client, found, plan)


def turn(world: World, side: Side, plan: Plan) -> None:
    """Every program does something, or not."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used and world.now >= program.until:
            abort(world, side, program)
            world.seen = replace(world.seen, late=world.seen.late + 1)
        if program.used and (plan.eager >= 1_000 or world.happens(plan.eager)):
            if world.happens(plan.abort):
                abort(world, side, program)
            else:
                work(world, side, program, plan)
        if program.used and plan.keep != 0 and program.choices < MOST_CHOICES and world.next(200) == 0:
            choose_options(world, side, program, plan)


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
        got = tcp.receive(program.client, program.handle, world.scratch[:limit])
        if isinstance(got, TcpError):
            assert got is TcpError.CLOSED
            status = tcp.status(program.client, program.handle)
            assert not isinstance(status, TcpError)
            program.ended = True
            if not status.peer_finished:
                assert status.end is not End.NONE
                program.failed = True
                connection = tcp.own(program.client, program.handle)
                if connection is not None and connection.keep_probes == KEEP_PROBES:
                    world.seen = replace(world.seen, kept=world.seen.kept + 1)
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
        taken = tcp.send(program.client, program.handle, chunk)
        if isinstance(taken, TcpError):
            assert taken is TcpError.CLOSED
            program.failed = True
            break
        program.sent += u64(taken)
        if u64(taken) < count:
            break
    if program.sent == plan.size and not program.finished and not program.failed:
        program.finished = True
        assert tcp.finish(program.client, program.handle, world.now) is None
    if program.failed or (program.ended and program.finished):
        if program.failed:
            assert program.read <= plan.size
            world.seen = replace(world.seen, failed=world.seen.failed + 1)
        else:
            assert program.read == plan.size, "a stream that ends in order is complete"
            world.seen = replace(world.seen, complete=world.seen.complete + 1)
        assert tcp.close(program.client, program.handle, world.now) is None
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
        if is_lost(world, plan):
            world.seen = replace(world.seen, lost=world.seen.lost + 1)
            continue
        answer = side.invented.take(world.built[:length], world.scratch)
        if answer is not None:
            if answer != 0:
                copy(world.built[:answer], world.scratch[:answer].bytes())
                put(world, side, not to_right, answer, plan)
            continue
        put(world, side, to_right, length, plan)
        if world.happens(plan.duplicate):
            put(world, side, to_right, length, plan)
    assert not side.network.has_output(world.now)


def is_lost(world: World, plan: Plan) -> bool:
    """The frame that was just built."""
    if world.down_until == NEVER:
        # ARP still says that the other one is there.
        return world.built[13] == 0
    return world.now < world.down_until or world.happens(plan.loss)


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
                world.damaged += 1
            return
    world.seen = replace(world.seen, lost=world.seen.lost + 1)


def move_on(world: World, plan: Plan) -> bool:
    """Let time pass until something happens, and let it. False: nothing is due, ever."""
    when = min(world.left.network.deadline(), world.right.network.deadline())
    for index in range(FLYING):
        when = min(when, world.flying[index].at)
    if plan.deadline != 0:
        for index in range(PAIRS):
            when = min(when, world.left.programs[index].due(), world.right.programs[index].due())
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
    calm = replace(plan, jump=u64(0), eager=u64(1_000), abort=u64(0), restart=u64(0))
    for _ in range(100_000):
        turn(world, world.left, calm)
        turn(world, world.right, calm)
        accept(world, calm)
        send_all(world, world.left, True, calm)
        send_all(world, world.right, False, calm)
        check(world, calm)
        if not move_on(world, calm):
            break
    check_empty(world.left)
    check_empty(world.right)
