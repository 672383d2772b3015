"""SEGMENT ARRIVES at a connection: RFC 9293, 3.10.7, with RFC 5961 and 7323.

`arrive` finds out whether a segment is the peer's, and what becomes of the state; what it acknowledges, and what it
carries, is for `acknowledgment.py` and `delivery.py`.
"""

from __future__ import annotations

from neokernel.lang import (
    Span,
    u8,
    u32,
    u64,
    wrapping_add,
)
from neokernel.services.network.acknowledgment import take_acknowledgment
from neokernel.services.network.clock import SECOND
from neokernel.services.network.connection import Connection, End, State, Verdict
from neokernel.services.network.delivery import take_data, take_fin
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.segment import ACK, MOST_WINDOW, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before, until

#: a timestamp older than this says nothing (RFC 7323, 5.5): 24 days
TIMESTAMP_LIFE: u64 = 24 * 86_400_000_000
#: in a second, to one peer
MOST_CHALLENGES: u32 = 10


def arrive(connection: Connection, segment: Segment, data: Span[u8], host: Host, now: u64) -> Verdict:
    """SEGMENT ARRIVES (3.10.7). `data` is what the segment carries."""
    if connection.state is State.SYN_SENT:
        return arrive_opening(connection, segment, host, now)
    if connection.timed and not segment.timed and not segment.has(RST):
        # A segment without a timestamp isn't the peer's (RFC 7323, 3.2).
        host.counters.drop(Drop.FORM)
        return Verdict.NOTHING
    if is_outdated(connection, segment, now):
        host.counters.drop(Drop.WINDOW)
        acknowledge_soon(connection, segment, host, now)
        return Verdict.NOTHING
    if segment.has(RST):
        take_reset(connection, segment, host, now)
        return Verdict.NOTHING
    if not is_acceptable(connection, segment):
        host.counters.drop(Drop.WINDOW)
        # The peer's SYN came again: our answer to it was lost.
        again = segment.has(SYN) and not segment.has(ACK) and segment.sequence == connection.irs
        if connection.state is State.SYN_RECEIVED and again:
            connection.nxt, connection.wants_output = connection.iss, True
        else:
            acknowledge_soon(connection, segment, host, now)
        return Verdict.NOTHING
    if segment.has(SYN):
        challenge(connection, host, now)
        return Verdict.NOTHING
    if not segment.has(ACK):
        host.counters.drop(Drop.FORM)
        return Verdict.NOTHING
    if segment.timed and until(connection.recent, segment.time) and until(segment.sequence, connection.last_ack):
        connection.recent, connection.recent_at = segment.time, now
    if connection.state is State.SYN_RECEIVED:
        if not (before(connection.una, segment.acknowledgment) and until(segment.acknowledgment, connection.most_sent)):
            host.counters.drop(Drop.ACKNOWLEDGMENT)
            return Verdict.REFUSE
        connection.established(segment, now)
    connection.heard_at, connection.keep_probes = now, 0
    if not take_acknowledgment(connection, segment, host, now):
        host.counters.drop(Drop.ACKNOWLEDGMENT)
        challenge(connection, host, now)
        return Verdict.NOTHING
    if connection.state is State.CLOSED:
        return Verdict.NOTHING
    if segment.size() != 0 and not take_data(connection, segment, data, now):
        # Nobody will read it: the peer is to know that it is lost (3.10.4 and RFC 1122, 4.2.2.13).
        connection.abort(End.ABORTED)
        return Verdict.NOTHING
    return take_fin(connection, now)


def arrive_opening(connection: Connection, segment: Segment, host: Host, now: u64) -> Verdict:
    """In SYN-SENT (3.10.7.3)."""
    acknowledges = segment.has(ACK)
    if acknowledges:
        number = segment.acknowledgment
        if not (before(connection.iss, number) and until(number, connection.most_sent)):
            host.counters.drop(Drop.ACKNOWLEDGMENT)
            return Verdict.NOTHING if segment.has(RST) else Verdict.REFUSE
    if segment.has(RST):
        if acknowledges:
            host.counters.resets_in += 1
            connection.close(End.REFUSED)
        return Verdict.NOTHING
    if not segment.has(SYN):
        host.counters.drop(Drop.FORM)
        return Verdict.NOTHING
    connection.take_syn(segment, now)
    connection.heard_at = now
    # What the SYN offered.
    connection.edge = wrapping_add(connection.expected, min(connection.receiving.capacity(), MOST_WINDOW))
    if acknowledges:
        connection.established(segment, now)
        connection.ack_now = True
    else:
        # Both have opened at once (3.5): ours is sent again, with an acknowledgement.
        connection.state = State.SYN_RECEIVED
        connection.nxt = connection.iss
        connection.wants_output = True
    return Verdict.NOTHING


def is_outdated(connection: Connection, segment: Segment, now: u64) -> bool:
    """PAWS (RFC 7323, 5.3): is it from an earlier round of the sequence numbers?"""
    if not (connection.timed and segment.timed) or segment.has(RST):
        return False
    return before(segment.time, connection.recent) and now - connection.recent_at < TIMESTAMP_LIFE


def is_acceptable(connection: Connection, segment: Segment) -> bool:
    """3.4, table 6; and what is just at the edge, for its acknowledgement's sake (3.10.7.4)."""
    size, window = segment.size(), connection.receive_window()
    if segment.sequence == connection.expected or (size == 0 and segment.sequence == connection.edge):
        return True
    if window == 0:
        return False
    offered = Range(connection.expected, wrapping_add(connection.expected, window))
    if offered.holds(segment.sequence):
        return True
    return size != 0 and offered.holds(wrapping_add(segment.sequence, size - 1))


def take_reset(connection: Connection, segment: Segment, host: Host, now: u64) -> None:
    """RFC 5961, 3.2: only at the very number that is expected; elsewhere in the window it is asked about."""
    if segment.sequence == connection.expected:
        host.counters.resets_in += 1
        connection.close(
            End.REFUSED if connection.state is State.SYN_RECEIVED and not connection.passive else End.RESET
        )
    elif is_acceptable(connection, segment):
        challenge(connection, host, now)
    else:
        host.counters.drop(Drop.WINDOW)


def challenge(connection: Connection, host: Host, now: u64) -> None:
    """Let the peer say whether it was it: so many a second (RFC 5961, 7), of each connection for itself.

    A number for all could be counted by others (see `rate.py`).
    """
    if now - connection.challenged_from >= SECOND:
        connection.challenged_from, connection.challenged = now, 0
    if connection.challenged != MOST_CHALLENGES:
        connection.challenged += 1
        host.counters.challenges += 1
        connection.ack_now, connection.wants_output = True, True
    else:
        host.counters.drop(Drop.RATE)


def acknowledge_soon(connection: Connection, segment: Segment, host: Host, now: u64) -> None:
    """What isn't acceptable is answered. One without bytes can be an answer itself: only so many a second."""
    if segment.size() != 0:
        connection.ack_now, connection.wants_output = True, True
    else:
        challenge(connection, host, now)
