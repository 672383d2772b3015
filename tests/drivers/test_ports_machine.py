"""Ports of a running machine, from the host: peers that come and go, a driver that is killed between."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.killed_ports import HELLO, Echo, Wrong, killed, stream
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import LONGEST_RUN, PATIENCE

SOURCES = Path(__file__).parent / "ports"
KILLS = 10
#: a file with what `nk run` said, once the machine has ended
OVER = "over"


@contextmanager
def peer(path: Path) -> Iterator[socket.socket]:
    """A connection, once the machine is there and has greeted. One that never is ends with its own time."""
    while not path.exists():
        time.sleep(0.1)
        over = path.parent / OVER
        assert not over.exists(), f"the machine has ended: {over.read_text()}"
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(PATIENCE)
        made.connect(str(path))
        assert read(made, len(HELLO)) == HELLO
        yield made


def read(peer: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = peer.recv(count - len(got))
        assert part, "the machine has gone"
        got += part
    return got


def echoed(peer: socket.socket, data: bytes) -> bytes:
    """What comes back of it; more than both sides' buffers hold, if one likes."""
    sender = threading.Thread(target=peer.sendall, args=(data,))
    sender.start()
    got = read(peer, len(data))
    sender.join()
    return got


@contextmanager
def running(folder: Path, timeout: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The system's folder, while its machine runs; afterwards, what `nk run` says of it."""
    system, found = folder / "ports", dict[str, Any]()
    shutil.copytree(SOURCES, system, ignore=shutil.ignore_patterns("__pycache__"))

    def run() -> None:
        done = nk("run", "--json", "--timeout", str(timeout), system, timeout=timeout + 100)
        (system / OVER).write_text(done.stdout + done.stderr)
        found.update(json.loads(done.stdout))

    machine = threading.Thread(target=run)
    machine.start()
    try:
        yield system, found
    finally:
        machine.join()


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_peers_come_and_go(tmp_path: Path) -> None:
    with running(tmp_path, LONGEST_RUN) as (system, found):
        with peer(system / "echo.sock") as first, peer(system / "other.sock") as other:
            data = bytes(range(256)) * 256
            data = data.replace(b"k", b".").replace(b"q", b".").replace(b"h", b".")
            assert echoed(first, data) == data and echoed(other, b"something else") == b"something else"
            # Nothing of the first connection reaches another one.
            first.sendall(b"is this still read?")
        for _ in range(5):
            with peer(system / "echo.sock") as again:
                assert echoed(again, b"short") == b"short"
        with peer(system / "echo.sock") as victim, peer(system / "other.sock") as witness:
            victim.sendall(b"k")
            assert read(victim, len(HELLO)) == HELLO and read(witness, len(HELLO)) == HELLO, "a new connection"
            assert echoed(victim, b"after") == b"after" and echoed(witness, data) == data
            victim.sendall(b"h")
            victim.settimeout(0.3)
            with pytest.raises(TimeoutError):
                victim.recv(1)
            assert echoed(witness, b"goes on") == b"goes on"
        with peer(system / "echo.sock") as killer, peer(system / "other.sock") as witness:
            found_there = killed(killer, witness, KILLS)
            assert found_there.pieces == KILLS and found_there.came > KILLS
        switch_off(system)
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found
    assert found["console"].endswith("init has as much as before\ngood-bye\n")
    assert not (system / "echo.sock").exists()


def outlived(folder: Path, kills: int, timeout: int) -> tuple[dict[str, Any], Echo]:
    """A machine whose driver was killed so often: how it has ended, and what came back."""
    with running(folder, timeout) as (system, found):
        with peer(system / "echo.sock") as killer, peer(system / "other.sock") as witness:
            echo = killed(killer, witness, kills)
        switch_off(system)
    return found, echo


def switch_off(system: Path) -> None:
    with peer(system / "echo.sock") as last:
        last.sendall(b"q")
        # Until the machine has gone.
        assert last.recv(1) in (b"", b"q")


def fed(*parts: bytes) -> Echo:
    echo = Echo(sent=10_000)
    for part in parts:
        echo.feed(part)
    return echo


def test_what_may_come_back() -> None:
    """Parts of any length; pieces with gaps between them, some too short to say where they are."""
    data = stream(0, 5000) + HELLO + stream(5003, 7) + HELLO + stream(6001, 2000) + HELLO + HELLO + stream(9001, 999)
    for size in (1, 5, 17, 4096):
        echo = fed(*[data[place : place + size] for place in range(0, len(data), size)])
        assert (echo.pieces, echo.came, echo.end) == (4, 5000 + 7 + 2000 + 999, 10_000)


@pytest.mark.parametrize(
    "parts",
    [
        [stream(1, 100)],
        [stream(0, 100), stream(108, 100)],
        [stream(0, 100), stream(99, 100)],
        [stream(0, 100), HELLO, stream(96, 100)],
        [stream(0, 100), HELLO, b"x" * 100],
        [stream(0, 9990), HELLO, stream(9992, 16)],
        [stream(0, 9990), HELLO, b"0000", HELLO],
        [stream(0, 104), HELLO, stream(104, 12), HELLO, stream(104, 12), HELLO, stream(104, 100)],
    ],
)
def test_what_may_not(parts: list[bytes]) -> None:
    """Lost, twice, in another order, somebody else's, or never sent."""
    with pytest.raises(Wrong):
        fed(*parts)
