"""Ports of this host for the machines of tests, and connections to them.

Invariant: a port that `free_ports` gives is taken by nobody else before the machine has it. It is none of those that
the host gives to whoever asks for any, and a lock tells every other run of the tests, for as long as this process runs.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.support.patience import PATIENCE, eventually

#: below those that Linux gives to who asks for any (ip_local_port_range), and above those that have names
FIRST, LAST = 15_000, 32_000
#: seconds that the first attempt of a connection may take
SOON = 2.0
#: attempts for which it becomes longer each time: then it is the longest wait that there is
LONGEST = 16
_taken: list[IO[bytes]] = []


def free_ports(count: int) -> list[int]:
    """Ports of this host's loopback that nobody has, of TCP and UDP; they are this process's."""
    found: list[int] = []
    folder = Path(tempfile.gettempdir()) / f"neokernel-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in random.sample(range(FIRST, LAST), LAST - FIRST):
        if len(found) == count:
            return found
        lock = (folder / str(port)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with ExitStack() as stack:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _taken.append(lock)
        found.append(port)
    raise OSError("this host has no free ports")


def connected(address: tuple[str, int], hello: bytes, answer: bytes) -> socket.socket:
    """A connection on which a machine has answered to `hello`, however long it takes to come up.

    QEMU accepts for a machine as soon as it runs itself, and asks the machine again at longer and longer intervals, or
    hangs up. So who hears nothing connects anew, and waits for longer each time.
    """
    attempts = 0

    def attempt() -> socket.socket | None:
        nonlocal attempts
        made = socket.socket()
        made.settimeout(min(SOON * 1.5 ** min(attempts, LONGEST), PATIENCE))
        attempts += 1
        try:
            made.connect(address)
            made.sendall(hello)
            if exactly(made, len(answer)) == answer:
                made.settimeout(PATIENCE)
                return made
        except OSError:
            pass
        made.close()
        return None

    found = eventually(attempt, f"nothing answers at {address[1]}")
    assert found is not None
    return found


def exactly(made: socket.socket, count: int) -> bytes:
    """So many bytes, in however many pieces they come; fewer if the connection ends."""
    found = b""
    while len(found) < count and (part := made.recv(count - len(found))):
        found += part
    return found
