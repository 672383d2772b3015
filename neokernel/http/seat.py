"""Places of a server that has few: whoever has it wait for nothing ends, when somebody new needs the place.

    seats: Array[Embedded[Seat]] = array(30)

    http = Exchange(server=server, stream=stream, seat=site.seats[index])
    while await http.next():
        …
    site.seats[index].leave()

    match seat_for(site.seats[:], executor, grace, FREED):
        case Room.NONE: …   # turn it away
        case Room.SOON: …   # wait for FREED: the task of who ends says so, and the seat of who stays; or for `grace`
        case index: …       # the one that is free

Who is idle, and has sent nothing of another request, gives way first (RFC 9112, 9.5: a server may end such a connection
at any time). Then who is slow: has a request's bytes, or room for an answer's, waited for. What bodies and answers take
at `limits.rate` isn't counted, so a large one on a line that is good enough isn't slow. A server with few places is
held by as many connections that send a byte a second, otherwise, for as long as any limit allows.

Invariants: `waits_since` isn't 0 exactly while the connection's task waits for its peer. `wanted` is only true of one
that waits for its peer, or ends. Nobody whose request is being worked on is made to end, and of who is idle nobody
who has sent a request, as far as the network service has told of it.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Embedded, Span, struct, u64, usize
from neokernel.runtime.executor import Executor
from neokernel.runtime.task import Task


class Room(Enum):
    """Why somebody new can't have a place now."""

    #: somebody gives way, and a signal says when to ask again; or somebody is slow: ask after `grace`, too
    SOON = 0
    #: everybody has a use for theirs
    NONE = 1


@struct
class Seat:
    taken: bool = False
    #: ticks since when the peer has us wait; 0: it doesn't
    waits_since: u64 = 0
    #: for more of a request that has begun, or for room for its answer
    is_slow: bool = False
    #: somebody else needs it, and is told by this signal if it isn't to be had
    wanted: bool = False
    signal: u64 = 0
    waiter: Task | None = None

    # --- the connection's part ----------------------------------------------------------------------------------------

    def wait(self, executor: Executor, since: u64, is_slow: bool) -> None:
        """The task waits for its peer. `since`: more than `now` of one that is faster than it has to be."""
        self.waits_since, self.is_slow, self.waiter = max(since, 1), is_slow, executor.running()

    def sit(self) -> None:
        """It is over with waiting."""
        self.waits_since, self.waiter = 0, None

    def stay(self, executor: Executor) -> None:
        """The peer has moved: somebody else has to give way, or this one again."""
        if self.wanted:
            self.wanted = False
            executor.signal(self.signal)

    def leave(self) -> None:
        """The connection has ended."""
        self.sit()
        self.taken, self.wanted = False, False

    # --- the server's -------------------------------------------------------------------------------------------------

    def give_way(self, executor: Executor, signal: u64) -> None:
        """Let it end. `signal`: of the executor, for whoever asked, if a request has come before."""
        self.wanted, self.signal = True, signal
        waiter = self.waiter
        if waiter is not None:
            executor.wake(waiter)


def longest(seats: Span[Embedded[Seat]], is_slow: bool, before: u64) -> Seat | None:
    """Of those that are slow, or idle: who has had us wait for longest, since `before` at least."""
    found: Seat | None = None
    since = before
    for index in range(len(seats)):
        seat = seats[index]
        if seat.taken and seat.is_slow == is_slow and seat.waits_since != 0 and seat.waits_since <= since:
            found, since = seat, seat.waits_since
    return found


def seat_for(seats: Span[Embedded[Seat]], executor: Executor, grace: u64, signal: u64) -> usize | Room:
    """A free one, that isn't taken by this; or else whoever has had us wait for `grace` ticks gives way."""
    awaited = False
    for index in range(len(seats)):
        seat = seats[index]
        if not seat.taken:
            return index
        awaited = awaited or seat.wanted
    if awaited:
        return Room.SOON
    before = executor.now - min(grace, executor.now)
    found = longest(seats, False, before)
    if found is None:
        found = longest(seats, True, before)
    if found is None:
        # Who is slow isn't for long: for `grace`. Who comes again and again is in turn with who comes once.
        return Room.NONE if longest(seats, True, executor.now) is None else Room.SOON
    found.give_way(executor, signal)
    return Room.SOON
