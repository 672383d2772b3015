"""The network service of a running machine, and programs that use it, with the host's TCP as their peer.

One machine for all tests here, which talk to it over QEMU's own network, in their order: the last ones kill what the
others need.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from neokernel.image import qemu
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import connected, exactly, free_ports

MACHINE = Path(__file__).parent / "machine"
CHUNK = 16 << 10

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    echo: tuple[str, int]
    control: tuple[str, int]

    def connect(self, to: tuple[str, int] | None = None) -> socket.socket:
        """A connection that the machine has answered on, however long that takes."""
        if to is None:
            return connected(self.echo, b"anybody?", b"anybody?")
        return connected(to, b"listen 82\n", b"DENIED\n")

    def ask(self, line: str) -> str:
        with closing(self.connect(self.control)) as made:
            made.sendall(line.encode() + b"\n")
            return made.makefile().readline().strip()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("machine")) as found:
        yield found


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """The machine, built in `folder`."""
    system = folder / "machine"
    shutil.copytree(MACHINE, system, ignore=shutil.ignore_patterns("__pycache__"))
    echo, control = free_ports(2)
    built = nk("build", system / "system.toml", "-o", folder / "image.elf")
    assert built.returncode == 0, built.stderr
    assert QEMU is not None
    command = [
        *qemu.command(QEMU, folder / "image.elf"),
        *qemu.entropy("virtio-mmio-bus.0"),
        *qemu.network(
            "virtio-mmio-bus.2",
            {f"tcp/{echo}": 7, f"udp/{echo}": 7, f"tcp/{control}": 9},
            outside=True,
        ),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield Running(process, ("127.0.0.1", echo), ("127.0.0.1", control))
    finally:
        process.kill()
        process.wait()


def carried(made: socket.socket, data: bytes) -> bytes:
    """Send all, and receive as many bytes as were sent, both at the same time."""

    def send() -> None:
        made.sendall(data)

    sender = threading.Thread(target=send)
    sender.start()
    came = bytearray()
    while len(came) < len(data):
        part = made.recv(CHUNK)
        if not part:
            break
        came += part
    sender.join()
    return bytes(came)


def is_over(made: socket.socket) -> bool:
    """Is it, to who speaks? Else somebody still answers."""
    try:
        made.sendall(b"anybody?")
        return not made.recv(100)
    except OSError:
        return True


def test_bytes_come_back(machine: Running) -> None:
    data = random.Random(1).randbytes(300_000)
    with closing(machine.connect()) as made:
        assert hashlib.sha256(carried(made, data)).digest() == hashlib.sha256(data).digest()
        made.shutdown(socket.SHUT_WR)
        assert made.recv(1) == b"", "the machine ends when its peer has"


def test_datagrams_come_back(machine: Running) -> None:
    for size in (1, 100, 1400):
        data = random.Random(size).randbytes(size)
        # What is lost is said again; what comes twice was for this socket, which says nothing else.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.settimeout(0.5)

            def comes_back(made: socket.socket = made, data: bytes = data) -> bytes | None:
                made.sendto(data, machine.echo)
                with suppress(TimeoutError):
                    return made.recv(2000)
                return None

            assert eventually(comes_back, f"a datagram of {size} bytes never comes back") == data


def test_many_at_once(machine: Running) -> None:
    """As many as the program has room for, in turns."""
    with ExitStack() as stack:
        made = [stack.enter_context(closing(machine.connect())) for _ in range(12)]
        for turn in range(5):
            for number, each in enumerate(made):
                each.sendall(b"%d of %d" % (turn, number))
            for number, each in enumerate(made):
                wanted = b"%d of %d" % (turn, number)
                assert exactly(each, len(wanted)) == wanted


def test_what_nothing_grants_is_denied(machine: Running) -> None:
    assert machine.ask("listen 81") == "DENIED"
    assert machine.ask("connect 10.0.2.2 80") == "DENIED"
    assert machine.ask("connect 10.0.2.3 2000") == "DENIED"


def test_it_connects_to_the_host(machine: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer: list[str] = []
        line = f"connect 10.0.2.2 {server.getsockname()[1]}"
        asking = threading.Thread(target=lambda: answer.append(machine.ask(line)))
        asking.start()
        server.settimeout(PATIENCE)
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"from the host\n")
            asking.join()
        assert answer == ["from the host"]


def test_who_is_cancelled_while_it_connects_keeps_nothing(machine: Running) -> None:
    """The steward has eight sockets, of which its listener's peer has one: after more attempts it has them still."""
    assert machine.ask("try 24") == "tried"
    test_it_connects_to_the_host(machine)


def test_listeners_stop_and_who_is_cancelled_while_it_listens_keeps_none(machine: Running) -> None:
    """A program has eight listeners, and may wait for sixteen things: after more than that it has them still."""
    for _ in range(3):
        assert machine.ask("hear 24") == "heard"
        for _ in range(4):
            assert machine.ask("listen 83") == "listening", "nobody has the port any more"


def test_connections_survive_the_driver(machine: Running) -> None:
    """The card's driver is killed while bytes are under way, again and again: none is lost, none is wrong."""
    data = random.Random(2).randbytes(400_000)
    with closing(machine.connect()) as made, closing(machine.connect(machine.control)) as control:
        answers = control.makefile()
        killed = 0

        def kill() -> None:
            nonlocal killed
            for _ in range(4):
                time.sleep(0.1)
                control.sendall(b"kill card\n")
                killed += answers.readline() == "killed\n"

        killer = threading.Thread(target=kill)
        killer.start()
        came = carried(made, data)
        killer.join()
        assert hashlib.sha256(came).digest() == hashlib.sha256(data).digest()
        assert killed == 4, "the steward's own connection has survived, too"
        made.sendall(b"still")
        assert exactly(made, 5) == b"still"


def hears_of_its_end(made: socket.socket) -> bool:
    """Without saying anything; False: nobody has told it."""
    made.settimeout(PATIENCE)
    try:
        return not made.recv(100)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_the_service_comes_back_by_itself(machine: Running) -> None:
    with closing(machine.connect()) as made, closing(machine.connect()) as silent:
        with closing(machine.connect(machine.control)) as control:
            control.sendall(b"kill network\n")
        # Nobody knows the connection any more: who speaks is told so.
        eventually(lambda: is_over(made), "it goes on")
        assert hears_of_its_end(silent), "and so is who doesn't speak"
    with closing(machine.connect()) as made:
        data = random.Random(3).randbytes(20_000)
        assert carried(made, data) == data
    assert machine.ask("listen 81") == "DENIED", "grants are as before"
    test_datagrams_come_back(machine)
