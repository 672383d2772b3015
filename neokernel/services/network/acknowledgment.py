"""What the peer acknowledges: what has arrived, what is lost, and how much may be in flight (RFC 5681, 6582, 6675)."""

from __future__ import annotations

from neokernel.lang import (
    u32,
    u64,
    wrapping_add,
    wrapping_sub,
)
from neokernel.services.network.clock import MILLISECOND, NEVER
from neokernel.services.network.connection import Connection, End, State
from neokernel.services.network.deadlines import arm
from neokernel.services.network.host import Host
from neokernel.services.network.limits import (
    FIN_WAIT,
)
from neokernel.services.network.segment import FIN, Segment
from neokernel.services.network.sequence import before, later, until

#: duplicate acknowledgements that mean a loss
DUPLICATES = 3


def take_acknowledgment(connection: Connection, segment: Segment, host: Host, now: u64) -> bool:
    """False: it acknowledges what was never sent, or is too old to be genuine (RFC 5961, 5.2)."""
    number = segment.acknowledgment
    if before(connection.most_sent, number) or before(number, wrapping_sub(connection.una, connection.most_window)):
        return False
    if before(number, connection.una):
        return True
    fresh = connection.sack and take_blocks(connection, segment)
    window = u32(segment.window) << connection.scale_out
    same = window == connection.window
    if before(connection.wl1, segment.sequence) or (
        connection.wl1 == segment.sequence and until(connection.wl2, number)
    ):
        connection.window = window
        connection.most_window = max(connection.most_window, window)
        connection.wl1, connection.wl2 = segment.sequence, number
        if not same:
            connection.wants_output = True
        if connection.nxt == connection.una and window != 0:
            # There is room again: what waited for it wasn't lost.
            connection.trip.doublings, connection.retransmit_at = 0, NEVER
    if number != connection.una:
        advance(connection, segment, host, now)
    elif connection.nxt != connection.una:
        plain = segment.length == 0 and not segment.has(FIN) and same
        if fresh or (plain and not connection.sack):
            connection.duplicates += 1
            connection.wants_output = True
    consider_loss(connection, host, now)
    if connection.state is not State.CLOSED:
        arm(connection, now)
    return True


def take_blocks(connection: Connection, segment: Segment) -> bool:
    """Note what the peer has. True: some of it is new. Blocks that can't be are ignored (RFC 2018; RFC 2883)."""
    fresh = False
    low = later(connection.una, segment.acknowledgment)
    for block in segment.blocks[: segment.block_count]:
        if until(low, block.left) and before(block.left, block.right) and until(block.right, connection.most_sent):
            # What follows `una` at once would have been acknowledged.
            if block.left != low and connection.board.add(block):
                fresh = True
    return fresh


def advance(connection: Connection, segment: Segment, host: Host, now: u64) -> None:
    """Some of what was sent has been acknowledged."""
    number = segment.acknowledgment
    count = wrapping_sub(number, connection.una)
    flight = wrapping_sub(connection.nxt, connection.una)
    data = min(count, connection.queued)
    if count > connection.queued:
        connection.fin_acked = True
    connection.sending.advance(data)
    connection.queued -= data
    connection.acknowledged = wrapping_add(connection.acknowledged, data)
    connection.una = number
    connection.nxt = later(connection.nxt, number)
    connection.repeated = later(connection.repeated, number)
    connection.board.acknowledge(number)
    if connection.timing and until(connection.timed_end, number):
        connection.timing = False
        connection.trip.measured(now - connection.timed_at)
    elif not connection.timing and connection.timed:
        ticks = wrapping_sub(connection.time(now), segment.echo)
        if ticks < 60_000:
            connection.trip.measured(u64(ticks) * MILLISECOND)
    connection.trip.doublings = 0
    connection.retransmit_at = NEVER
    mss = connection.segment_size()
    if connection.recovering:
        if until(connection.recovery_point, number):
            connection.recovering, connection.duplicates = False, 0
            left = max(wrapping_sub(connection.nxt, connection.una), mss) + mss
            connection.congestion.window = min(connection.congestion.threshold, left)
        elif not connection.sack:
            # A partial acknowledgement: the next one is lost, too (RFC 6582, 3.2, step 5).
            connection.repeat_first = True
            connection.duplicates -= min(connection.duplicates, count // mss)
    else:
        connection.duplicates = 0
        window = connection.congestion.window
        slow = window < connection.congestion.threshold
        if flight + mss >= window or (slow and 2 * flight >= window):
            connection.congestion.acknowledged(count, segment.acks, connection.trip.smoothed, now)
    connection.news, connection.wants_output = connection.news or data != 0, True
    if connection.fin_acked:
        finished(connection, now)


def finished(connection: Connection, now: u64) -> None:
    """Our FIN is acknowledged."""
    match connection.state:
        case State.FIN_WAIT_1:
            connection.state = State.FIN_WAIT_2
            if not connection.open:
                connection.close_at = now + FIN_WAIT
        case State.LAST_ACK:
            connection.close(End.DONE)
        case _:
            pass


def consider_loss(connection: Connection, host: Host, now: u64) -> None:
    """Has a segment been lost (RFC 5681, 3.2; RFC 6675, 5)? Once for all that was sent by then (RFC 6582)."""
    if connection.recovering or connection.nxt == connection.una or before(connection.una, connection.recovery_point):
        return
    mss = connection.segment_size()
    if connection.duplicates < DUPLICATES and not (connection.sack and connection.board.first_is_lost(mss)):
        return
    connection.recovering, connection.recovery_point = True, connection.most_sent
    connection.repeated = connection.una
    connection.congestion.lost(wrapping_sub(connection.nxt, connection.una), now)
    connection.repeat_first, connection.wants_output = True, True
    host.counters.recoveries += 1
