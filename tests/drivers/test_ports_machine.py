"""Ports of a running machine, from the host: peers that come and go, a driver that is killed between."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import start
from tests.drivers.killed_ports import HELLO, Echo, Wrong, killed, stream
from tests.support.machine import QEMU
from tests.support.patience import LONGEST_RUN, PATIENCE, eventually

SOURCES = Path(__file__).parent / "ports"
KILLS = 10
#: peers that wait for no answer, and what they say
HASTY = 400
SAID = b"is this still read?"


@dataclass(frozen=True)
class Machine:
    """One that runs, and where its sockets are."""

    system: Path
    process: subprocess.Popen[bytes]

    @contextmanager
    def peer(self, name: str, before: bytes = b"") -> Iterator[socket.socket]:
        """A connection that was greeted. `before`: some of this may come first, which the last peer didn't wait for."""
        with socket.socket(socket.AF_UNIX) as made:
            self.connect(made, name)
            made.settimeout(PATIENCE)
            came = read(made, len(HELLO))
            while not came.endswith(HELLO) and len(came) < len(before) + len(HELLO):
                came += read(made, 1)
            assert came.endswith(HELLO) and came.removesuffix(HELLO) in before, came
            yield made

    def connect(self, made: socket.socket, name: str) -> None:
        place = str(self.system / f"{name}.sock")
        eventually(lambda: self.has_ended() or made.connect_ex(place) == 0, f"nobody listens at {place}")
        assert not self.has_ended(), self.process.communicate()

    def has_ended(self) -> bool:
        return self.process.poll() is not None


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
def running(folder: Path, timeout: int) -> Iterator[tuple[Machine, dict[str, Any]]]:
    """A machine, until it ends by itself or something goes wrong here; afterwards, what `nk run` says of it."""
    system, found = folder / "ports", dict[str, Any]()
    shutil.copytree(SOURCES, system, ignore=shutil.ignore_patterns("__pycache__"))
    with start("run", "--json", "--timeout", timeout, system, cwd=folder) as process:
        yield Machine(system, process), found
        found.update(json.loads(process.communicate()[0]))


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_peers_come_and_go(tmp_path: Path) -> None:
    with running(tmp_path, LONGEST_RUN) as (machine, found):
        with machine.peer("echo") as first, machine.peer("other") as other:
            data = bytes(range(256)) * 256
            data = data.replace(b"k", b".").replace(b"q", b".").replace(b"h", b".")
            assert echoed(first, data) == data and echoed(other, b"something else") == b"something else"
            # It isn't read as another peer's. What the machine has answered by then may reach that one.
            first.sendall(SAID)
        for before in (SAID, b"", b"", b"", b""):
            with machine.peer("echo", before) as again:
                assert echoed(again, b"short") == b"short"
        with machine.peer("echo") as victim, machine.peer("other") as witness:
            victim.sendall(b"k")
            assert read(victim, len(HELLO)) == HELLO and read(witness, len(HELLO)) == HELLO, "a new connection"
            assert echoed(victim, b"after") == b"after" and echoed(witness, data) == data
            victim.sendall(b"h")
            victim.settimeout(0.3)
            with pytest.raises(TimeoutError):
                victim.recv(1)
            assert echoed(witness, b"goes on") == b"goes on"
        with machine.peer("echo") as killer, machine.peer("other") as witness:
            found_there = killed(killer, witness, KILLS)
            assert found_there.pieces == KILLS and found_there.came > KILLS
        switch_off(machine)
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found
    assert found["console"].endswith("init has as much as before\ngood-bye\n")
    assert not (machine.system / "echo.sock").exists()


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_peers_that_wait_for_no_answer(tmp_path: Path) -> None:
    """QEMU forgets a buffer now and then, when a peer goes that something is written to."""
    with running(tmp_path, LONGEST_RUN) as (machine, found):
        for _ in range(HASTY):
            with machine.peer("echo", SAID) as hasty:
                hasty.sendall(SAID)
        with machine.peer("echo", SAID) as last:
            assert echoed(last, b"answer") == b"answer"
        switch_off(machine)
    assert found["exit"] == 0 and not found["crashes"] and not found["panics"], found


def outlived(folder: Path, kills: int, timeout: int) -> tuple[dict[str, Any], Echo]:
    """A machine whose driver was killed so often: how it has ended, and what came back."""
    with running(folder, timeout) as (machine, found):
        with machine.peer("echo") as killer, machine.peer("other") as witness:
            echo = killed(killer, witness, kills)
        switch_off(machine)
    return found, echo


def switch_off(machine: Machine) -> None:
    with machine.peer("echo") as last:
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
