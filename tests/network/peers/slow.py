"""Clients that take a place and give nothing for it: such as send or read a byte now and then, or don't read at all."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

from tests.network.peers.crowd import WrongError
from tests.network.peers.laboratory import Laboratory, part
from tests.support.patience import PATIENCE

#: seconds between two bytes of one that sends slowly
DRIP = 0.5
#: of what slow readers ask for: much more than all buffers on the way have room for
MUCH = 8 << 20
#: of what they ask for that is to be closed before they have read it: more than their own buffers have room for, and no
#: more than the site's have
LITTLE = 8_000
#: what a slow reader reads at a time: that is less than the site's rate
SIP = 100


@dataclass(frozen=True)
class Held:
    """What became of slow clients, and how long somebody else was waiting meanwhile, in seconds."""

    clients: int
    refused: int
    ended: int
    waited: float


def senders(lab: Laboratory, count: int) -> Held:
    """So many take a place, say a part of a head, and go on byte by byte: each has to be told 408, and be gone."""
    with ExitStack() as stack:
        made = [stack.enter_context(closing(lab.connect())) for _ in range(count)]
        for each in made:
            each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        waited = served(lab)
        refused = ended = 0
        left, until = {each.fileno(): each for each in made}, time.monotonic() + PATIENCE
        poll = select.poll()
        for descriptor in left:
            poll.register(descriptor, select.POLLIN)
        while left:
            if time.monotonic() > until:
                raise WrongError(f"{len(left)} of {count} slow senders are held on to")
            for descriptor, _ in poll.poll(DRIP * 1000):
                refused += said(left.pop(descriptor)).startswith(b"HTTP/1.1 408 ")
                ended += 1
                poll.unregister(descriptor)
            told = {descriptor for descriptor, _ in poll.poll(0)}
            for descriptor, each in left.items():
                if descriptor in told:
                    continue  # what is said to who has ended is answered by a reset, which discards its answer
                try:
                    each.send(b"x")
                except OSError:
                    continue
    return Held(count, refused, ended, waited)


def said(made: socket.socket) -> bytes:
    """All that it says until its end, or reset."""
    found = b""
    try:
        while came := made.recv(1 << 16):
            found += came
    except ConnectionError:
        pass
    return found


def readers(lab: Laboratory, count: int, sip: int = 0) -> Held:
    """So many ask for much, and read none of it, or `sip` bytes now and then: each has to be reset."""
    before = lab.counters()["timed_out"]
    with ExitStack() as stack:
        made = [stack.enter_context(closing(asking(lab, number, MUCH))) for number in range(count)]
        waited = served(lab)
        until = time.monotonic() + PATIENCE
        while (ended := lab.counters()["timed_out"] - before) < count:
            if time.monotonic() > until:
                raise WrongError(f"{count - ended} of {count} slow readers are held on to")
            time.sleep(DRIP)
            sipped(made, sip)
    return Held(count, 0, ended, waited)


def sippers(lab: Laboratory, count: int) -> Held:
    """Readers that take a little now and then."""
    return readers(lab, count, SIP)


def left(lab: Laboratory, count: int) -> Held:
    """So many read, now and then, an answer behind which the site has closed: if need be each has to give way."""
    with ExitStack() as stack:
        made = [stack.enter_context(closing(asking(lab, number, LITTLE, "close"))) for number in range(count)]
        stop = threading.Event()

        def sip() -> None:
            while not stop.wait(DRIP):
                sipped(made, SIP)

        thread = threading.Thread(target=sip)
        thread.start()
        try:
            waited = served(lab)
        finally:
            stop.set()
            thread.join()
    return Held(count, 0, 0, waited)


def asking(lab: Laboratory, number: int, size: int, connection: str = "keep-alive") -> socket.socket:
    """One that has asked for a part, and has room for hardly any of it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.settimeout(PATIENCE)
    made.connect(lab.site)
    head = f"GET /part?from={number}&size={size} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n"
    made.sendall(head.encode())
    return made


def sipped(made: list[socket.socket], count: int) -> None:
    """Each reads so many bytes more, if there are any."""
    for each in made if count != 0 else ():
        with suppress(OSError):
            each.recv(count, socket.MSG_DONTWAIT)


def served(lab: Laboratory) -> float:
    """Somebody who isn't slow is served: how long that took."""
    begun = time.monotonic()
    if lab.ask("/part?from=7&size=3000") != part(7, 3_000):
        raise WrongError("somebody who isn't slow has got something else")
    return time.monotonic() - begun
