"""What must hold of two hosts, at each moment and in the end (`world.py`)."""

from __future__ import annotations

from neokernel.lang import Array, array, replace, u32, u64, usize
from neokernel.services.network.address import Flow
from neokernel.services.network.clock import NEVER
from neokernel.services.network.limits import CLIENTS, CONNECTIONS, GIVE_UP, KEEP_PROBES, MOST_TIMEOUT
from tests.network.hosts import CLIENT, PAIRS, Side, World
from tests.network.plans import Plan


def is_open(side: Side, flow: Flow) -> bool:
    """Does this side take the other one's connection for open?"""
    slot = side.network.tcp.find(Flow(flow.remote, flow.local))
    connection = side.network.tcp.connections.at(usize(slot)) if slot is not None else None
    return connection is not None and connection.is_synchronized()


def check(world: World, plan: Plan) -> None:
    """What must hold at each moment; of what takes long, now and then."""
    check_side(world, world.left, world.right, plan)
    check_side(world, world.right, world.left, plan)
    world.turns += 1
    if world.turns % 64 == 0:
        check_shares(world.left, plan)
        check_shares(world.right, plan)


def check_side(world: World, side: Side, other: Side, plan: Plan) -> None:
    if side.heard_at <= world.now:
        side.heard_at = NEVER
        if side.harm == world.seen.lost + world.damaged:
            for index in range(side.old_count):
                flow = side.old[index]
                known = side.network.tcp.find(flow) is not None
                assert known or not is_open(other, flow), "the other side has heard that nobody knows it"
            assert side.invented.were_told(), "and so have those that were invented"
            seen = world.seen
            told, invented = seen.told + u64(side.old_count), seen.invented + u64(side.invented.count)
            world.seen = replace(seen, told=told, invented=invented)
    if plan.keep == 0 or plan.jump != 0:
        return
    for index in range(PAIRS):
        program = side.programs[index]
        connection = side.network.tcp.connections.get(program.handle) if program.used else None
        if connection is not None and connection.keep_alive != 0 and connection.is_synchronized():
            asking = connection.keep_alive + (KEEP_PROBES + 1) * connection.keep_interval
            # What is under way is asked about by itself, and ended by itself.
            most = asking + GIVE_UP + 2 * MOST_TIMEOUT
            assert world.now <= max(connection.heard_at, program.chosen_at) + most, "its peer is there"


def check_shares(side: Side, plan: Plan) -> None:
    """Places are counted right, and what is kept for a client is there for it."""
    tcp = side.network.tcp
    shares = tcp.connection_shares
    taken: Array[u32] = array(CLIENTS)
    for index in range(CONNECTIONS):
        connection = tcp.connections.at(index)
        if connection is not None:
            taken[usize(connection.client)] += 1
    used: u32 = 0
    owed: u32 = 0
    for index in range(usize(plan.clients)):
        client = usize(CLIENT) + index
        usable = u32(tcp.buffers.regions[client].pairs)
        kept = min(usable, shares.places // 2 // u32(plan.clients))
        assert taken[client] == shares.taken[client] and taken[client] <= usable
        used += taken[client]
        owed += kept - min(kept, taken[client])
    assert used == shares.used and u64(used) == tcp.connections.live
    assert used + owed <= shares.places, "what is kept for a client is nobody else's"


def are_half_open(world: World, side: Side, other: Side) -> bool:
    """The other side knows nothing any more of any connection of this one's programs, or is out of reach."""
    for index in range(PAIRS):
        program = side.programs[index]
        if program.used:
            connection = side.network.tcp.connections.get(program.handle)
            if connection is not None:
                flow = connection.flow
                if other.network.tcp.find(Flow(flow.remote, flow.local)) is not None and world.down_until != NEVER:
                    return False
                assert connection.keep_alive == 0, "keep-alive finds that out"
    return True


def check_empty(side: Side) -> None:
    tcp = side.network.tcp
    assert tcp.connections.live == 0 and len(tcp.flows) == 0, "no connection is left"
    assert len(tcp.ended) == 0 and tcp.timers.size == 0 and len(tcp.buried) == 0
    assert tcp.past.count == 0 and tcp.past.at == NEVER, "peers of lives before are told, or will never be"
    for word in side.state:
        assert word == 0, "nothing outlives what is over"
    assert tcp.connection_shares.used == 0
    for index in range(CLIENTS):
        assert tcp.buffers.regions[index].taken == 0, "no buffer is lost"
        assert tcp.connection_shares.taken[index] == 0, "nor a place"
    for index in range(len(tcp.listeners)):
        listener = tcp.listeners.at(index)
        assert listener is None or (listener.half_open == 0 and listener.pending == 0)
