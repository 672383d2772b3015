"""Bytes over a bad link: this host's TCP and the machine's send to one another at once, and all has to come."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from tests.network.peers.crowd import WrongError
from tests.network.peers.laboratory import ECHO, HOST, Laboratory, part
from tests.network.peers.relay import Trouble
from tests.support.patience import PATIENCE

CHUNK = 16 << 10

#: links that lose so many of a hundred frames each way, and are otherwise as links are
LINKS = {
    0: Trouble(),
    1: Trouble(loss=0.01, twice=0.01, damaged=0.005, late=0.02),
    5: Trouble(loss=0.05, twice=0.02, damaged=0.01, late=0.05, delay=0.002),
    20: Trouble(loss=0.2, twice=0.05, damaged=0.02, late=0.1, delay=0.005),
}


@dataclass(frozen=True)
class Carried:
    """What went there and back, in how many seconds."""

    bytes: int
    streams: int
    seconds: float


def carried(lab: Laboratory, streams: int, size: int, patience: float = PATIENCE) -> Carried:
    """So many connections at a time, which this host opens; on each `size` bytes go to the machine, and come back."""
    begun = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        for done in [pool.submit(echoed, lab, number * 1_000, size, patience) for number in range(streams)]:
            done.result()
    return Carried(streams * size, streams, time.monotonic() - begun)


def echoed(lab: Laboratory, first: int, size: int, patience: float) -> None:
    """Send a part of the noise, and receive it, both at the same time."""
    data = part(first, size)
    with closing(lab.connect(ECHO, timeout=patience)) as made:
        sender = threading.Thread(target=_send, args=(made, data))
        sender.start()
        came = 0
        while piece := made.recv(CHUNK):
            if piece != data[came : came + len(piece)]:
                raise WrongError(f"bytes {came} to {came + len(piece)} aren't those that were sent")
            came += len(piece)
        sender.join()
        if came != size:
            raise WrongError(f"{came} of {size} bytes came back")


def _send(made: socket.socket, data: bytes) -> None:
    made.sendall(data)
    made.shutdown(socket.SHUT_WR)


def called(lab: Laboratory, size: int, patience: float = PATIENCE) -> Carried:
    """The machine connects to this host, and sends; what comes back it compares itself."""
    begun = time.monotonic()
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(patience)
        answering = threading.Thread(target=_bring_back, args=(server, patience))
        answering.start()
        path = f"/call?port={server.getsockname()[1]}&size={size}"
        said = lab.ask(path, timeout=patience).decode()
        answering.join()
    if said != f"{size} of {size}\n":
        raise WrongError(f"the machine has called, and says: {said!r}")
    return Carried(size, 1, time.monotonic() - begun)


def _bring_back(server: socket.socket, patience: float) -> None:
    made, _ = server.accept()
    with closing(made):
        made.settimeout(patience)
        while piece := made.recv(CHUNK):
            made.sendall(piece)
