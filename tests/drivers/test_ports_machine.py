"""Ports of a running machine, from the host: peers that come and go, a driver that is killed between."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.machine import QEMU
from tests.support.nk import nk

SOURCES = Path(__file__).parent / "ports"
HELLO = b"hello\n"


@contextmanager
def peer(path: Path) -> Iterator[socket.socket]:
    """A connection, once the machine is there and has greeted."""
    deadline = time.monotonic() + 100
    while True:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(60)
            if made.connect_ex(str(path)) == 0:
                assert read(made, len(HELLO)) == HELLO
                yield made
                return
        assert time.monotonic() < deadline, "the machine doesn't come up"
        time.sleep(0.1)


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


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_peers_come_and_go(tmp_path: Path) -> None:
    system = tmp_path / "ports"
    shutil.copytree(SOURCES, system, ignore=shutil.ignore_patterns("__pycache__"))
    found: list[subprocess.CompletedProcess[str]] = []
    machine = threading.Thread(target=lambda: found.append(nk("run", "--json", "--timeout", "100", system)))
    machine.start()
    try:
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
        with peer(system / "echo.sock") as last:
            last.sendall(b"q")
            machine.join(60)
    finally:
        machine.join(110)
    said = json.loads(found[0].stdout)
    assert said["exit"] == 0 and not said["crashes"] and not said["panics"], said
    assert said["console"].endswith("good-bye\n") and not (system / "echo.sock").exists()
