"""Places of a server that has few: a connection that waits for another request ends when a new one needs its place.

    seats: Array[Embedded[Seat]] = array(30)

    http = Exchange(server=server, stream=stream, seat=site.seats[index])
    while await http.next():
        …
    site.seats[index].leave()

    match seat_for(site.seats[:], executor, grace, FREED):
        case Room.NONE: …   # turn it away
        case Room.SOON: …   # wait for FREED: the task of who ends says so, and the seat of who stays
        case index: …       # the one that is free

RFC 9112, 9.5: a server may end a connection that is idle at any time.

Invariants: `idle_since` isn't 0 exactly while the connection's task waits for the first byte of a request. `wanted` is
only true of one that is idle, or ends. Nobody who has sent a request is made to end, as far as the network service has
told of it.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Embedded, Span, struct, u64, usize
from neokernel.runtime.executor import Executor
from neokernel.runtime.task import Task


class Room(Enum):
    """Why somebody new can't have a place now."""

    #: somebody gives way: a signal says when to ask again
    SOON = 0
    #: everybody has a use for theirs
    NONE = 1


@struct
class Seat:
    taken: bool = False
    #: ticks; 0: it isn't idle
    idle_since: u64 = 0
    #: somebody else needs it, and is told by this signal if it isn't to be had
    wanted: bool = False
    signal: u64 = 0
    waiter: Task | None = None

    # --- the connection's part ----------------------------------------------------------------------------------------

    def wait(self, executor: Executor) -> None:
        """Nothing of a request has come."""
        self.idle_since, self.waiter = max(executor.now, 1), executor.running()

    def sit(self) -> None:
        """It is over with waiting."""
        self.idle_since, self.waiter = 0, None

    def stay(self, executor: Executor) -> None:
        """Something of a request has come: somebody else has to give way."""
        if self.wanted:
            self.wanted = False
            executor.signal(self.signal)

    def is_left(self) -> bool:
        """Is the connection to end, as it waits for nothing else?"""
        return self.wanted and self.idle_since != 0

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


def longest_idle(seats: Span[Embedded[Seat]], before: u64) -> Seat | None:
    """The one that has been idle for longest, since `before` at least, and isn't to end already."""
    found: Seat | None = None
    since = before
    for index in range(len(seats)):
        seat = seats[index]
        if seat.taken and not seat.wanted and seat.idle_since != 0 and seat.idle_since <= since:
            found, since = seat, seat.idle_since
    return found


def seat_for(seats: Span[Embedded[Seat]], executor: Executor, grace: u64, signal: u64) -> usize | Room:
    """A free one; or else whoever has been idle for `grace` ticks gives way. It isn't taken by this."""
    awaited = False
    for index in range(len(seats)):
        seat = seats[index]
        if not seat.taken:
            return index
        awaited = awaited or seat.wanted
    if awaited:
        return Room.SOON
    idle = longest_idle(seats, executor.now - min(grace, executor.now))
    if idle is None:
        return Room.NONE
    idle.give_way(executor, signal)
    return Room.SOON
