"""What kind of link two hosts have between them, what happens on it and to them (`world.py`), and what came of it."""

from __future__ import annotations

from neokernel.lang import u64, value


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
    #: chance, of 100,000, that a service ends and begins anew, at each turn of both; and with how many invented peers
    restart: u64 = 0
    invented: u64 = 0
    #: programs are those of so many clients, who share so many places (0: as many as there are)
    clients: u64 = 1
    places: u64 = 0
    #: chance that a connection has keep-alive; that a program has a deadline
    keep: u64 = 0
    deadline: u64 = 0
    #: chance, of 100,000, that no packet passes any more, at each turn of both; ARP does
    cut: u64 = 0


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
    #: services that began anew; connections of the lives before whose peers had heard of it in time, and invented ones
    lives: u64 = 0
    told: u64 = 0
    invented: u64 = 0
    #: connections that keep-alive ended, that a deadline did, that weren't opened for want of a share
    kept: u64 = 0
    late: u64 = 0
    refused: u64 = 0
