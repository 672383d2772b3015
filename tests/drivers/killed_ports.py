"""Ports whose driver is killed while bytes go to the machine and back: what comes is what was sent, and whose it is.

One peer asks for kills, each when something has come back to the other one since the last. That one sends numbered
lines without end. What comes back is, from one greeting to the next, a piece of these without a gap, behind the last
piece; whatever was under way when the driver ended is lost.
"""

from __future__ import annotations

import random
import select
import socket
import threading
from dataclasses import dataclass

from tests.support.patience import PATIENCE

HELLO = b"hello\n"
#: bytes of a line
LINE = 8
#: lines in a piece that is sent at a time
LINES = 512


def lines(first: int, count: int) -> bytes:
    return b"".join(b"%07d\n" % number for number in range(first, first + count))


def stream(place: int, length: int) -> bytes:
    """So many bytes of all lines, from that one on."""
    first = place // LINE
    return lines(first, length // LINE + 2)[place - first * LINE :][:length]


class Wrong(AssertionError):
    """What came isn't what was sent."""


@dataclass
class Echo:
    """What has come back: `feed` is given it in parts of any length."""

    #: bytes that were sent so far
    sent: int = 0
    #: bytes that came back, in how many pieces; where the last one ended
    came: int = 0
    pieces: int = 0
    end: int = 0
    #: what came since the last greeting, as long as it is too short to say where it is
    unplaced: bytes = b""
    placed: bool = True
    rest: bytes = b""

    def feed(self, data: bytes) -> None:
        data = self.rest + data
        self.rest = b""
        *pieces, last = data.split(HELLO)
        for piece in pieces:
            self.take(piece)
            self.finish()
        begun = last.find(HELLO[:1])
        if begun >= 0:
            last, self.rest = last[:begun], last[begun:]
        self.take(last)

    def finish(self) -> None:
        """A greeting has come: what is behind it is another piece."""
        place = stream(self.end, self.sent - self.end).find(self.unplaced)
        if place < 0:
            raise Wrong(f"{self.unplaced!r} isn't behind byte {self.end} of {self.sent}")
        if self.unplaced:
            # The first place where it may have been: none of it may come again.
            self.end += place + len(self.unplaced)
        self.unplaced, self.placed = b"", False
        self.pieces += 1

    def take(self, data: bytes) -> None:
        self.came += len(data)
        if not self.placed:
            data = self.unplaced + data
            self.unplaced = b""
            if len(data) < 2 * LINE:
                self.unplaced = data
                return
            newline = data.find(b"\n")
            number = data[newline + 1 : newline + LINE]
            place = int(number) * LINE - newline - 1 if number.isdigit() else -1
            if place < self.end:
                raise Wrong(f"byte {place} comes behind byte {self.end}: twice, or out of order")
            self.placed, self.end = True, place
        if self.end + len(data) > self.sent or data != stream(self.end, len(data)):
            raise Wrong(f"what comes behind byte {self.end} isn't what was sent: {data[:40]!r}")
        self.end += len(data)


def killed(killer: socket.socket, witness: socket.socket, kills: int) -> Echo:
    """Kill the driver so often; both peers have been greeted. What the witness has got."""
    echo, chance = Echo(), random.Random(1)
    for peer in (killer, witness):
        peer.setblocking(True)
    over = threading.Event()

    def send() -> None:
        number = 0
        while not over.is_set():
            part = lines(number, LINES)
            # Before it is sent: it may be back before `sendall` is.
            echo.sent += len(part)
            number += LINES
            witness.sendall(part)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(kills):
            pieces, wanted = echo.pieces, chance.randrange(1, 20_000)
            before = echo.came
            while echo.came < before + wanted:
                more(witness, echo)
            killer.sendall(b"k")
            greeting = b""
            while len(greeting) < len(HELLO):
                # The witness's bytes are taken meanwhile: otherwise the machine waits for it.
                greeting += available(killer, len(HELLO) - len(greeting), 0.001)
                more(witness, echo, wait=False)
            assert greeting == HELLO, greeting
            while echo.pieces == pieces:
                more(witness, echo)
    finally:
        over.set()
        drain(witness, sender)
    return echo


def more(peer: socket.socket, echo: Echo, *, wait: bool = True) -> None:
    part = available(peer, 65536, PATIENCE if wait else 0)
    assert part or not wait, "nothing comes back any more"
    echo.feed(part)


def available(peer: socket.socket, most: int, seconds: float = 0) -> bytes:
    """What has come, at most so many bytes; nothing, if nothing does in that time."""
    if not select.select([peer], [], [], seconds)[0]:
        return b""
    part = peer.recv(most)
    assert part, "the machine has gone"
    return part


def drain(peer: socket.socket, sender: threading.Thread) -> None:
    """Until nobody sends any more."""
    while sender.is_alive():
        _ = available(peer, 65536, 0.01)
