"""Deadlines of a connection: retransmissions, probes and signs of life (RFC 6298, 5; RFC 9293, 3.8).

It has four (retransmit or probe, acknowledge, keep alive, give up). `expire` does what was due.
"""

from __future__ import annotations

from neokernel.lang import (
    u16,
    u64,
    wrapping_sub,
)
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import LEAST_MSS, Connection, End, State
from neokernel.services.network.host import Host
from neokernel.services.network.limits import (
    GIVE_UP,
    GIVE_UP_ACCEPTING,
    GIVE_UP_OPENING,
    KEEP_PROBES,
)

#: retransmissions before a connection is given up
LEAST_TRIES = 5


def arm(connection: Connection, now: u64) -> None:
    """The timer runs while something is in flight, or waits for a window that nobody may tell of."""
    if connection.nxt == connection.iss:
        return
    left = wrapping_sub(connection.nxt, connection.una) <= connection.queued and (
        connection.queued != 0 or connection.fin_follows(0)
    )
    if connection.nxt == connection.una and not left:
        connection.retransmit_at = NEVER
    elif connection.retransmit_at == NEVER:
        start_timer(connection, now)


def wait_for_link(connection: Connection, now: u64) -> None:
    """It can't be sent, as there is no way at the moment; but not for ever."""
    connection.wants_output = False
    if connection.retransmit_at == NEVER and connection.state is not State.CLOSED:
        start_timer(connection, now)


def start_timer(connection: Connection, now: u64) -> None:
    """From here on the peer is waited for."""
    connection.retransmit_at = now + connection.trip.timeout()
    connection.heard_at = max(connection.heard_at, now)


def expire(connection: Connection, host: Host, now: u64) -> None:
    """What was due by now."""
    if connection.ack_at <= now:
        connection.ack_at = NEVER
        connection.ack_now, connection.wants_output = True, True
    if connection.close_at <= now:
        connection.close(End.DONE)
        return
    if connection.keep_at <= now:
        keep(connection, now)
    if connection.retransmit_at <= now:
        retransmit(connection, host, now)


def keep(connection: Connection, now: u64) -> None:
    """Is the peer there (3.8.4)? While something is in flight, retransmissions find that out."""
    if connection.nxt != connection.una or not connection.is_synchronized():
        connection.keep_at, connection.keep_probes = now + connection.keep_interval, 0
        return
    due = connection.heard_at + connection.keep_alive
    if now < due:
        connection.keep_at, connection.keep_probes = due, 0
        return
    if connection.keep_probes == KEEP_PROBES:
        connection.abort(End.TIMED_OUT)
        return
    connection.keep_probes += 1
    connection.keep_at = now + connection.keep_interval
    connection.keep_probe, connection.wants_output = True, True


def retransmit(connection: Connection, host: Host, now: u64) -> None:
    """Nothing came in time (RFC 6298, 5.4 to 5.6; RFC 9293, 3.8.6.1)."""
    patience = GIVE_UP
    if connection.state is State.SYN_SENT:
        patience = GIVE_UP_OPENING
    elif connection.state is State.SYN_RECEIVED:
        patience = GIVE_UP_ACCEPTING
    # Time alone may have jumped.
    if now > connection.heard_at and now - connection.heard_at >= patience and connection.trip.doublings >= LEAST_TRIES:
        connection.close(End.TIMED_OUT)
        return
    connection.wants_output = True
    if connection.state in (State.SYN_SENT, State.SYN_RECEIVED):
        connection.nxt = connection.iss
    elif connection.nxt == connection.una:
        # No window, or hardly one.
        if connection.window == 0:
            connection.probe = True
        else:
            connection.override = True
    else:
        host.counters.timeouts += 1
        if connection.trip.doublings == 0:
            connection.congestion.timed_out(wrapping_sub(connection.nxt, connection.una))
        else:
            connection.congestion.restart_from_nothing()
        # All is taken for lost; what the peer has told of may be forgotten by it (RFC 2018, 8).
        connection.board.clear()
        connection.recovering, connection.repeat_first, connection.duplicates = False, False, 0
        connection.recovery_point, connection.repeated = connection.most_sent, connection.una
        connection.nxt = connection.una
    connection.timing = False
    connection.trip.back_off()
    connection.retransmit_at = now + connection.trip.timeout()


def narrow(connection: Connection, mss: u16) -> None:
    """The path takes less than was thought (RFC 1191, 6.4): send again what was too large."""
    if mss >= connection.mss:
        return
    connection.mss = max(mss, LEAST_MSS)
    if connection.is_synchronized():
        connection.congestion.shrink_segments(connection.segment_size())
        connection.nxt = connection.una
        connection.timing, connection.recovering, connection.repeat_first = False, False, False
        connection.wants_output = True
