"""What a segment carries: its bytes go to their place in the client's buffer, and FIN is taken behind the last.

Each byte is put where its number says, also beyond a gap: it is copied once. What just goes on is summed while it is
copied, before anybody knows whether the segment is right: if it isn't, the bytes are in free room, and are overwritten.
"""

from __future__ import annotations

from neokernel.lang import (
    Span,
    u8,
    u16,
    u64,
    usize,
    wrapping_add,
    wrapping_sub,
)
from neokernel.services.network.clock import NEVER
from neokernel.services.network.connection import Connection, State, Verdict
from neokernel.services.network.limits import (
    ACK_DELAY,
)
from neokernel.services.network.segment import FIN, RST, SYN, Segment
from neokernel.services.network.sequence import Range, before, earlier, later, until


def is_next(connection: Connection, segment: Segment) -> bool:
    """Do its bytes, if it is right, just go on? Then they may be put to their place at once: nobody looks there yet."""
    if segment.length == 0 or segment.sequence != connection.expected or segment.flags & (SYN | RST | FIN) != 0:
        return False
    if connection.state is not State.ESTABLISHED or not connection.open or connection.fin_known:
        return False
    if connection.beyond.count != 0 or segment.length > connection.receive_window():
        return False
    return segment.length <= connection.receiving.capacity() - connection.waiting


def place_data(connection: Connection, segment: Segment, data: Span[u8], lead: usize) -> u16:
    """Put the bytes of one that `is_next` to their place, and give their sum. `lead`: as of `Circle.write_summed`."""
    segment.placed = True
    return connection.receiving.write_summed(connection.waiting, data, lead)


def take_data(connection: Connection, segment: Segment, data: Span[u8], now: u64) -> bool:
    """Put the bytes of one that isn't empty to their place. False: the client is gone, and nobody will read them."""
    end = wrapping_add(segment.sequence, segment.length)
    left, right = (
        later(segment.sequence, connection.expected),
        earlier(end, later(connection.edge, connection.expected)),
    )
    if connection.fin_known:
        right = earlier(right, connection.fin_at)
    if segment.has(FIN) and right == end and not connection.fin_known and until(connection.expected, end):
        # Not if bytes have come that would be behind it.
        connection.fin_known, connection.fin_at = not connection.beyond.reaches_beyond(end), end
    if not before(left, right):
        # Nothing new in it: perhaps an acknowledgement was lost.
        connection.ack_now, connection.wants_output = True, True
        return True
    if not connection.open:
        return False
    offset = wrapping_sub(left, connection.expected)
    skip = usize(wrapping_sub(left, segment.sequence))
    part = data[skip : skip + usize(wrapping_sub(right, left))]
    if offset != 0:
        # The gap is told of at once (RFC 5681, 4.2).
        connection.ack_now, connection.wants_output = True, True
        if connection.beyond.add(Range(left, right)):
            connection.receiving.write(connection.waiting + offset, part)
        return True
    if not segment.placed:
        connection.receiving.write(connection.waiting, part)
    reached = right
    if connection.beyond.count != 0:
        reached = connection.beyond.take(right)
        connection.ack_now, connection.wants_output = True, True
    count = wrapping_sub(reached, connection.expected)
    connection.waiting += count
    connection.arrived = wrapping_add(connection.arrived, count)
    connection.expected = reached
    connection.unanswered += count
    connection.news = True
    if connection.unanswered >= 2 * connection.segment_size() or right != end:
        connection.ack_now, connection.wants_output = True, True
    elif connection.ack_at == NEVER:
        connection.ack_at = now + ACK_DELAY
    return True


def take_fin(connection: Connection, now: u64) -> Verdict:
    """The peer's end, when all before it is there (3.10.7.4, eighth)."""
    if connection.fin_known and not connection.fin_taken and connection.expected == connection.fin_at:
        connection.fin_taken = True
        connection.expected = wrapping_add(connection.expected, 1)
        connection.ack_now, connection.wants_output, connection.news = True, True, True
        match connection.state:
            case State.ESTABLISHED:
                connection.state = State.CLOSE_WAIT
            case State.FIN_WAIT_1:
                connection.state = State.CLOSING
            case _:
                pass
    if (
        connection.fin_taken
        and connection.fin_acked
        and connection.state in (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING)
    ):
        return Verdict.WAIT
    return Verdict.NOTHING
