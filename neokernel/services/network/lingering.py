"""TIME-WAIT: what is answered for a connection that both sides have ended (RFC 9293, 3.10.7; RFC 1337; RFC 6191)."""

from __future__ import annotations

from neokernel.lang import u64, wrapping_add
from neokernel.services.network.address import LinkAddress
from neokernel.services.network.connection import Connection, End
from neokernel.services.network.drop import Drop
from neokernel.services.network.host import Host
from neokernel.services.network.segment import ACK, FIN, RST, SYN, Segment
from neokernel.services.network.sequence import before, until
from neokernel.services.network.tcp import Tcp, milliseconds
from neokernel.services.network.time_wait import Ended


def wait(tcp: Tcp, host: Host, connection: Connection, to: LinkAddress, now: u64) -> None:
    """Both sides have ended: what must be remembered is little (3.10.7.4)."""
    ended = tcp.ended.add(connection.flow, now)
    ended.nxt, ended.expected = connection.nxt, connection.expected
    ended.timed, ended.recent, ended.time_offset = connection.timed, connection.recent, connection.time_offset
    acknowledge_late(tcp, host, ended, to, now)
    connection.close(End.DONE)


def arrive_late(tcp: Tcp, host: Host, ended: Ended, to: LinkAddress, now: u64) -> None:
    """In TIME-WAIT. Resets are ignored (RFC 1337, 3)."""
    segment = tcp.incoming
    if segment.has(RST):
        host.counters.drop(Drop.WINDOW)
        return
    if segment.has(FIN) or segment.size() != 0 or segment.sequence != ended.expected:
        if segment.has(FIN):
            tcp.ended.restart(ended, now)
        if host.resets.take(now):
            acknowledge_late(tcp, host, ended, to, now)


def acknowledge_late(tcp: Tcp, host: Host, ended: Ended, to: LinkAddress, now: u64) -> None:
    out = tcp.outgoing
    out.clear(ACK)
    out.sequence, out.acknowledgment = ended.nxt, ended.expected
    out.timed, out.echo = ended.timed, ended.recent
    out.time = wrapping_add(milliseconds(now), ended.time_offset)
    _ = host.answer(out, ended.flow, to)


def reopens(ended: Ended, segment: Segment) -> bool:
    """May a new connection begin in the place of the old one (RFC 6191, 2)?"""
    if segment.flags & (SYN | ACK | RST | FIN) != SYN:
        return False
    if ended.timed and segment.timed and segment.time != ended.recent:
        return before(ended.recent, segment.time)
    return until(ended.expected, segment.sequence)
