"""What must hold of TCP's table between two events, and the ways that connections take through their states.

For whoever drives a `Tcp` (`hostile.py`): `look` after each event, `check` after each step.
"""

from __future__ import annotations

from neokernel.lang import Array, Span, array, struct, u8, u32, u64, usize, wrapping_sub
from neokernel.services.network.address import Flow
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection, State
from neokernel.services.network.sequence import before, until
from neokernel.services.network.tcp import Tcp

#: connections of a table that are watched: the first ones
PLACES = 32
#: those of `State`, and TIME-WAIT, which is none there (`time_wait.py`)
STATES = 10
TIME_WAIT: u8 = 9


@struct
class Watched:
    """What was seen last: of each place its state (0: nobody's, or CLOSED) and flow; and how many were in TIME-WAIT."""

    states: Array[u8] = array(PLACES)
    flows: Array[Flow] = array(PLACES, Flow())
    waiting: usize = 0
    opened: u64 = 0
    ended: u64 = 0


def look(watched: Watched, tcp: Tcp, transitions: Span[u64]) -> None:
    """Count which state was left for which since the last look, at place STATES * from + to."""
    begun: u8 = 0
    entered: usize = 0
    for index in range(PLACES):
        connection = tcp.connections.at(index)
        now: u8 = u8(connection.state.value) if connection is not None else 0
        then = watched.states[index]
        if then != 0 and now != 0 and connection is not None and connection.flow != watched.flows[index]:
            # Another one has taken its place at once.
            transitions[usize(then) * STATES] += 1
            watched.ended += 1
            then, watched.states[index] = 0, 0
        if now == then:
            continue
        watched.states[index] = now
        if now == 0:
            watched.ended += 1
            if tcp.ended.find(watched.flows[index]) is not None:
                now = TIME_WAIT
                entered += 1
        elif then == 0 and connection is not None:
            watched.opened += 1
            watched.flows[index] = connection.flow
            begun = now
        transitions[usize(then) * STATES + usize(now)] += 1
    left = watched.waiting + entered - len(tcp.ended)
    if left != 0:
        # A SYN can take the place of one that waits; else its time is over.
        after: u8 = begun if left == 1 and begun == u8(State.SYN_RECEIVED.value) else 0
        if after != 0:
            transitions[usize(after)] -= 1
        transitions[usize(TIME_WAIT) * STATES + usize(after)] += u64(left)
    watched.waiting = len(tcp.ended)


def check(tcp: Tcp, client: u32) -> None:
    """The invariants of `tcp.py`, for a table with one client; and those of each connection."""
    taken: usize = 0
    open_ones: usize = 0
    for index in range(PLACES):
        connection = tcp.connections.at(index)
        if connection is not None:
            check_connection(connection)
            taken += 1
            open_ones += usize(connection.state is not State.CLOSED)
            if connection.state is not State.CLOSED and connection.retransmit_at == NEVER:
                # Nobody waits for ever for what is on its way.
                assert connection.nxt == connection.una, "a timer runs while something is in flight"
    assert tcp.connections.live == taken and tcp.buffers.regions[usize(client)].taken == taken, "a pair for each"
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
