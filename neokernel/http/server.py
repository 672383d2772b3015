"""What all connections of an HTTP server have in common: its sockets, its limits, its clock, its counters.

    server = Server(net=net, frequency=process.frequency, clock=slot_of(clock))     # without a clock, no `Date`
    if not await server.listen(80): …

Invariant: the date is at most a second old, or there is none.
"""

from __future__ import annotations

from neokernel.http import date
from neokernel.http.limits import Limits
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.clock import Clock
from neokernel.lang import Array, Embedded, Uses, array, copy, struct, u8, u64, uses, usize, value
from neokernel.runtime.system import Failure

#: deadlines are put off to the next multiple of so many ticks: tasks that wait again and again have the same one, which
#: costs their executor nothing
GRANULE = 1 << 20
#: seconds after which the clock is looked at again
CLOCK_LOOKS = 60
NANOSECONDS = 1_000_000_000
DATE = b"Date: "
DATE_LINE = len(DATE) + date.SIZE + 2


@value
class Errors:
    """How a refusal is worded: its media type, and what stands before and behind what the status is called."""

    kind: bytes
    before: bytes
    behind: bytes


PLAIN = Errors(b"text/plain; charset=utf-8", b"", b"")


@struct
class Counters:
    """For metrics."""

    connections: u64 = 0
    requests: u64 = 0
    #: answered with what the protocol says of them: 400, 408, 413, …
    refused: u64 = 0
    #: the peer was too slow, or took nothing for too long
    timed_out: u64 = 0


@struct
class Server:
    net: Net
    #: of the process: ticks in a second
    frequency: u64
    limits: Limits = Limits()
    errors: Errors = PLAIN
    #: what every answer's head says, whole lines with their ends; an answer may say none of it again
    fields: bytes = b""
    #: the slot of a `Clock`; 0: there is none
    clock: u64 = 0
    counters: Embedded[Counters] = Counters()
    #: the time of day, in seconds, at some tick; when to ask for it again; until when the line below is right
    seconds: u64 = 0
    seconds_at: u64 = 0
    ask_at: u64 = 0
    dated_until: u64 = 0
    line: Array[u8] = array(DATE_LINE)

    def ticks(self, milliseconds: u64) -> u64:
        return milliseconds * (self.frequency // 1_000)

    def after(self, milliseconds: u64) -> u64:
        """The time in so many milliseconds, or a little later."""
        return self.net.executor.now + self.ticks(milliseconds) | GRANULE - 1

    def date_line(self) -> bytes:
        """The field `Date`, with its line's end; nothing if nobody knows the time."""
        if self.clock == 0:
            return b""
        if self.net.executor.now >= self.dated_until:
            self.renew_date()
        return self.line.bytes() if self.seconds != 0 else b""

    def renew_date(self) -> None:
        now = self.net.executor.now
        if now >= self.ask_at:
            clock: Uses[Clock] = uses(self.clock)
            told = clock.now()
            self.seconds = 0 if isinstance(told, Failure) else told // NANOSECONDS
            self.seconds_at, self.ask_at = now, now + CLOCK_LOOKS * self.frequency
        passed = (now - self.seconds_at) // self.frequency
        self.dated_until = self.seconds_at + (passed + 1) * self.frequency
        copy(self.line[: len(DATE)], DATE)
        date.write(self.line[len(DATE) : len(DATE) + usize(date.SIZE)], self.seconds + passed)
        copy(self.line[len(DATE) + usize(date.SIZE) :], b"\r\n")
