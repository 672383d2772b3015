"""Many clients of the site at once, in one thread: what each of them is answered is compared byte by byte.

    crowd = Crowd(1000)                         # so many connections at a time
    crowd.run(requests=100_000, each=50)        # each ends after 50 requests, and another one begins
    crowd.open(); crowd.ask_all(); crowd.close()        # all at the same time

Whatever isn't exactly what was asked for ends the run: a status, a length, a byte, a byte too many, an end too early.
But a crowd that `repeats` makes a request once more whose connection ends in order before the first byte of the answer,
as a browser does: so a server's limit on idle connections ends one whose request was lost for long. They are counted.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.network.peers.laboratory import ADDRESS, SITE, part
from tests.support.patience import PATIENCE

HEAD_END = b"\r\n\r\n"
LENGTH = b"Content-Length:"
#: of an answer's body; so that answers differ, each begins somewhere else
SIZE = 1_024


class WrongError(Exception):
    """A client wasn't answered, or not with what it asked for."""


@dataclass
class Client:
    """One connection. `left`: requests that it has still to make; `number`: of the one that it has made last.

    `waits`: that isn't answered yet. `repeats`: the number of one to be made once more, -1: none.
    """

    made: socket.socket
    left: int
    number: int = 0
    size: int = SIZE
    came: bytearray = field(default_factory=bytearray)
    waits: bool = False
    repeats: int = -1
    closing: bool = False
    since: float = 0.0


@dataclass
class Crowd:
    """`clients` at a time. `patience`: seconds that one may have to wait for an answer."""

    clients: int
    patience: float = PATIENCE
    repeats: bool = False
    site: tuple[str, int] = (ADDRESS, SITE)
    #: answers that were right, connections that were made, the longest time that one was waited for; requests that were
    #: made again
    answered: int = 0
    connected: int = 0
    slowest: float = 0.0
    repeated: int = 0

    def __post_init__(self) -> None:
        self._epoll = select.epoll()
        self._members: dict[int, Client] = {}
        self._asked = 0

    # --- one request after the other ----------------------------------------------------------------------------------

    def run(self, requests: int, each: int, tell: Callable[[int], None] = lambda _: None) -> None:
        """So many requests, on connections that end after `each` of them, by the site's side (`Connection: close`)."""
        until_asked = self._asked + requests
        target = self.answered + requests
        told = time.monotonic()

        def more() -> int:
            return min(each, until_asked - self._asked - sum(member.left for member in self._members.values()))

        while self.answered < target:
            while len(self._members) < self.clients and (count := more()) > 0:
                self._begin(count)
            self._turn()
            if time.monotonic() - told > 10:
                told = time.monotonic()
                tell(self.answered)
        while self._members:
            self._turn()

    # --- all at the same time -----------------------------------------------------------------------------------------

    def open(self, at_a_time: int = 200) -> None:
        """All connect, and each is answered once."""
        target = self.answered + self.clients
        while self.answered < target:
            waiting = self._asked - self.answered
            while len(self._members) < self.clients and waiting < at_a_time:
                self._begin(1, keep=True)
                waiting += 1
            self._turn()

    def ask_all(self, size: int = SIZE) -> None:
        """All ask before anybody is read from; then all are."""
        target = self.answered + len(self._members)
        for member in self._members.values():
            member.left = 1
            self._ask(member, size, keep=True)
        while self.answered < target:
            self._turn()

    def close(self) -> None:
        """All hang up."""
        for descriptor, member in list(self._members.items()):
            self._end(descriptor, member)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _begin(self, count: int, *, keep: bool = False, repeats: int = -1) -> None:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = made.connect_ex(self.site)
        if found not in (0, errno.EINPROGRESS):
            raise WrongError(f"no connection: {os.strerror(found)}")
        member = Client(made, count, repeats=repeats)
        self._members[made.fileno()] = member
        self.connected += 1
        member.since = time.monotonic()
        # It asks when it is connected.
        member.number = -2 if keep else -1
        self._epoll.register(made.fileno(), select.EPOLLOUT)

    def _ask(self, member: Client, size: int, *, keep: bool) -> None:
        member.left -= 1
        member.number, member.size, member.since, member.waits = self._asked, size, time.monotonic(), True
        if member.repeats >= 0:
            member.number = member.repeats
        else:
            self._asked += 1
        member.closing = not keep and member.left == 0
        line = f"GET /part?from={member.number * 61}&size={size} HTTP/1.1\r\nHost: x\r\n"
        data = (line + ("Connection: close\r\n\r\n" if member.closing else "\r\n")).encode()
        if member.made.send(data) != len(data):
            raise WrongError("there is no room for a request")

    def _turn(self) -> None:
        events = self._epoll.poll(1.0)
        now = time.monotonic()
        if not events:
            for member in self._members.values():
                if now - member.since > self.patience and (member.left > 0 or member.waits):
                    raise WrongError(f"no answer to request {member.number} after {self.patience:.0f} s")
        for descriptor, event in events:
            member = self._members[descriptor]
            try:
                if member.number < 0 and event & select.EPOLLOUT:
                    self._epoll.modify(descriptor, select.EPOLLIN)
                    self._ask(member, SIZE, keep=member.number == -2)
                else:
                    self._hear(descriptor, member, now)
            except OSError as error:
                raise WrongError(f"request {member.number}, {self.answered} answered before: {error}") from error

    def _hear(self, descriptor: int, member: Client, now: float) -> None:
        data = member.made.recv(1 << 18)
        if not data:
            if not member.waits and member.closing and not member.came:
                self._end(descriptor, member)
                return
            if self.repeats and member.waits and not member.came and member.number != member.repeats:
                self.repeated += 1
                self._end(descriptor, member)
                self._begin(member.left + 1, repeats=member.number)
                return
            raise WrongError(f"request {member.number}: it ends after {len(member.came)} bytes of the answer")
        member.came += data
        begin = member.came.find(HEAD_END)
        if begin < 0:
            return
        begin += len(HEAD_END)
        if len(member.came) - begin < member.size:
            if not member.came.startswith(b"HTTP/1.1 200 "):
                raise WrongError(f"request {member.number}: {bytes(member.came[:60])!r}")
            return
        self.check(member, begin)
        member.came.clear()
        member.waits, member.repeats = False, -1
        self.answered += 1
        self.slowest = max(self.slowest, now - member.since)
        if member.left > 0:
            self._ask(member, SIZE, keep=False)

    def check(self, member: Client, begin: int) -> None:
        """Is what has come the answer, the whole answer, and nothing else? Its body begins at `begin`."""
        head, body = bytes(member.came[:begin]), bytes(member.came[begin:])
        if not head.startswith(b"HTTP/1.1 200 OK\r\n"):
            raise WrongError(f"request {member.number}: {head[:60]!r}")
        at = head.find(LENGTH)
        if at < 0 or int(head[at + len(LENGTH) : head.index(b"\r\n", at)]) != member.size:
            raise WrongError(f"request {member.number}: it has another length: {head!r}")
        if body != part(member.number * 61, member.size):
            raise WrongError(f"request {member.number}: {len(body)} bytes, and not those that were asked for")

    def _end(self, descriptor: int, member: Client) -> None:
        self._epoll.unregister(descriptor)
        member.made.close()
        del self._members[descriptor]
