"""A machine (`machine/`) on a link of its own to this host's TCP: how it is built, started, asked what it counts.

    with own_network(), laboratory(folder) as lab:
        …socket.create_connection((lab.address, SITE))…

The link is a `Relay`, so it can be bad; or a tap that QEMU has itself (`direct`), with the offloads that it offers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from neokernel.image import qemu
from tests.network.peers.relay import Relay, Trouble
from tests.network.peers.wire import Tap
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE

MACHINE = Path(__file__).parent / "machine"
#: of the tap, and of the machine; what it serves
HOST, ADDRESS = "10.0.2.2", "10.0.2.15"
ECHO, SITE = 7, 80
#: connections that the site has room for (`machine/pages.py`)
CONNECTIONS = 1_000
NOISE_SIZE = 1 << 16


def noise() -> bytes:
    """The site's."""
    found, state = bytearray(), 1
    for _ in range(NOISE_SIZE):
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        found.append(state >> 16 & 0xFF)
    return bytes(found)


NOISE = noise()
#: so that a part needn't be put together from two
TWICE = NOISE * 2


def part(first: int, size: int) -> bytes:
    """The site's `/part?from=…&size=…`."""
    first %= NOISE_SIZE
    if size <= NOISE_SIZE:
        return TWICE[first : first + size]
    return (NOISE * (size // NOISE_SIZE + 2))[first : first + size]


@dataclass
class Laboratory:
    process: subprocess.Popen[bytes]
    #: None: QEMU has the tap
    relay: Relay | None
    console: Path

    @property
    def site(self) -> tuple[str, int]:
        return ADDRESS, SITE

    def connect(self, port: int = SITE, *, timeout: float = PATIENCE, source: int = 0) -> socket.socket:
        made = socket.create_connection((ADDRESS, port), timeout=timeout, source_address=("", source))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, path: str, *, body: bytes | None = None, timeout: float = PATIENCE) -> bytes:
        """The body of an answer of 200, on a connection of its own."""
        with closing(self.connect(timeout=timeout)) as made:
            head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.0\r\n"
            made.sendall((head if body is None else f"{head}Content-Length: {len(body)}\r\n").encode() + b"\r\n")
            if body is not None:
                made.sendall(body)
            found = bytearray()
            while came := made.recv(1 << 16):
                found += came
        status, _, rest = bytes(found).partition(b"\r\n")
        assert status.split()[1:2] == [b"200"], f"{path}: {status[:80]!r}"
        return rest.partition(b"\r\n\r\n")[2]

    def counters(self) -> dict[str, int]:
        lines = self.ask("/counters").decode().splitlines()
        return {name: int(number) for name, number in (line.split() for line in lines)}

    def settled(self, before: dict[str, int], patience: float = PATIENCE) -> dict[str, int]:
        """The counters, when as much is in use as there was before: or when that has taken too long."""
        until = time.monotonic() + patience
        while True:
            now = self.counters()
            if all(now[name] <= before[name] for name in IN_USE) or time.monotonic() > until:
                return now
            time.sleep(0.2)

    def held(self, before: dict[str, int]) -> dict[str, int]:
        """What is in use beyond what was before; nothing, if all was given back."""
        after = self.settled(before)
        return {name: after[name] - before[name] for name in IN_USE if after[name] != before[name]}

    def is_alive(self) -> bool:
        """No process of the machine's has ended, by what its console says."""
        return self.process.poll() is None and b"panic" not in self.console.read_bytes().lower()

    @contextmanager
    def trouble(self, trouble: Trouble) -> Iterator[Relay]:
        """A link that is bad meanwhile."""
        assert self.relay is not None, "this link can't be bad"
        self.relay.trouble = trouble
        try:
            yield self.relay
        finally:
            self.relay.trouble = Trouble()


#: counters that are as before when all that was opened has ended
IN_USE = ("living", "pairs", "sockets")


def build(folder: Path) -> None:
    built = nk("build", MACHINE / "system.toml", "-o", folder / "image.elf")
    assert built.returncode == 0, built.stderr


@contextmanager
def laboratory(folder: Path, *, direct: bool = False, seed: int = 1) -> Iterator[Laboratory]:
    """The machine, built if it isn't yet, and answering; in the network that the calling thread is in."""
    assert QEMU is not None
    image, console = folder / "image.elf", folder / "console"
    if not image.exists():
        build(folder)
    with contextlib.ExitStack() as stack:
        tap = Tap("tap0", HOST, offloads=direct)
        stack.callback(tap.close)
        relay = None if direct else Relay(tap, seed)
        if relay is None:
            os.set_inheritable(tap.file, True)
            inherited = tap.file
            link = ["-netdev", f"tap,id=link,fd={tap.file},vhost=off"]
            link += ["-device", "virtio-net-device,bus=virtio-mmio-bus.2,netdev=link"]
        else:
            inherited = relay.inner.fileno()
            link = relay.arguments("virtio-mmio-bus.2")
        process = subprocess.Popen(
            [*qemu.command(QEMU, image), *qemu.entropy("virtio-mmio-bus.0"), *link],
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(console.open("wb")),
            stderr=subprocess.STDOUT,
            pass_fds=[inherited],
            preexec_fn=qemu.end_with_parent(),  # noqa: PLW1509 - one system call, and no lock
        )
        if relay is not None:
            relay.start()
            stack.callback(relay.stop)
        stack.callback(process.wait)
        stack.callback(process.kill)
        made = Laboratory(process, relay, console)
        eventually(lambda: made.ask("/counters", timeout=30), "the machine answers")
        yield made


def eventually(do: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Try until it doesn't fail."""
    until = time.monotonic() + patience
    while True:
        try:
            do()
        except (OSError, AssertionError) as error:
            if time.monotonic() > until:
                raise AssertionError(f"it never happens that {what}: {error}") from error
            time.sleep(0.1)
        else:
            return
