"""`nk bench network`: what HTTP and TCP take, with a client on the host as peer, beside Linux as a guest.

A machine with the driver of a network card, the network service, a site and a service of bytes (`benches/network`) runs
on QEMU's own network. The client is a program in C on this host (`client.c`), as it was for Linux: requests that are
answered with 1,024 bytes, one at a time on each connection, and bytes in one direction.

*Instructions* are all that the machine executes from the first request to the last answer, whoever executes them:
kernel, driver, network service, program, timers. Waiting isn't among them, as a hart that waits executes nothing. The
machine counts them itself (`-icount shift=0`), and its site says how many there were; what asking takes is taken
off. They differ a little from run to run, by what comes together: what is shown is the median of three.

*By the clock* is the same work on the machine as `nk run` starts it, without counting: it says as much about this host
as about the machine, so it is worth something only beside a peer that ran at the same time. That is Linux, if a kernel
is given (`linux.py`), with `linux.c` as its only program: both machines are there all the time, and work in turns.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from neokernel.bench import linux
from neokernel.bench.boot import ROOT, built
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.compiler import toolchain
from neokernel.patience import patient

SOURCES = ROOT / "benches" / "network"
#: ports of the machine: the site, and where bytes are taken and given
WEB, TAKES, GIVES = 80, 81, 82
RUNS = 3
#: seconds in which a machine has to start, and a run of the client to end
PATIENCE = 120.0
COUNT, INSTRUCTIONS, PER_BYTE = ("-icount", "shift=0,sleep=on"), "instructions", "instructions/byte"
REQUESTS_PER_SECOND, MEGABYTES_PER_SECOND = "requests/s", "MB/s"
MEGABYTE = 1_000_000
#: why there is nothing beside what is measured by the clock
NO_LINUX = "no Linux: see --linux-kernel"
DEBIAN = "debian"


@dataclass(frozen=True)
class Work:
    """What the client is told to do, and how often: so many connections; requests, or bytes, to be counted or timed.

    `linux`: instructions of Linux, as a guest on the same kind of machine (QEMU 10.0.2, 512 MiB, Debian trixie's
    6.12.107), served by a program in C with epoll, one read and one write for each request; 2026-11-20.
    """

    title: str
    kind: str
    port: int
    connections: int
    counted: int
    timed: int
    linux: float
    budget: float | None = None

    @property
    def moves_bytes(self) -> bool:
        return self.port != WEB


WORKS = {
    "keep": Work("HTTP request, 64 connections that are kept", "keep", WEB, 64, 4_096, 10_000, 31_376, 12_000),
    "alone": Work("HTTP request, one connection that is kept", "keep", WEB, 1, 1_000, 1_000, 35_020),
    "each": Work("HTTP request, a connection for each", "each", WEB, 1, 300, 300, 134_700, 60_000),
    "in": Work("TCP, a byte to the machine", "in", TAKES, 1, 8 << 20, 32 << 20, 5.26, 2.5),
    "out": Work("TCP, a byte from the machine", "out", GIVES, 1, 8 << 20, 32 << 20, 9.13, 2.5),
}


@dataclass(frozen=True)
class Machine:
    """One that runs: the host's ports for its own."""

    ports: dict[int, int]
    client: Path
    counts: bool

    def do(self, work: Work, count: int) -> tuple[float, float]:
        """Instructions (0, if it doesn't count), and seconds, for each of `count` requests or bytes."""
        spent, microseconds, done, nothing = self.ask(work.kind, work.port, work.connections, count)
        return max(spent - nothing, 0) / done, microseconds / 1e6 / done

    def ask(self, kind: str, port: int, connections: int, count: int, *more: str) -> tuple[int, int, int, int]:
        """What a run of the client says. `more`: the file with the request to be sent, if it is another one."""
        site = self.ports[WEB] if self.counts else 0
        arguments = [str(number) for number in (self.ports[port], site, connections, count)]
        try:
            done = subprocess.run(
                [self.client, kind, *arguments, *more],
                capture_output=True,
                text=True,
                timeout=patient(PATIENCE),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{kind}: no end after {patient(PATIENCE):.0f} s") from None
        if done.returncode:
            raise BenchError(f"{kind}: {done.stderr.strip()}")
        first, second, third, fourth = (int(word) for word in done.stdout.split())
        return first, second, third, fourth


def run(
    only: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
    keep: Path | None = None,
    kernel: str | None = None,
) -> list[Row]:
    """Rows of the items named in `only`, or of all: counted, then by the clock.

    `keep`: a folder for what is built. `kernel`: the package of Linux's kernel, `debian` for Debian's; None: no Linux.
    """
    unknown = set(only or ()) - WORKS.keys()
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    works = [WORKS[name] for name in WORKS if not only or name in only]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        progress("building")
        image, client = build(folder), build_client(folder)
        peer = None if kernel is None else linux_command(kernel, folder)
        return counted(works, image, client, progress) + timed(works, image, client, progress, peer)


def counted(works: Sequence[Work], image: Path, client: Path, progress: Progress = lambda _: None) -> list[Row]:
    """Instructions of each."""
    rows = []
    with running(command(image), client, counts=True) as machine:
        for work in works:
            progress(f"{work.title}: counting")
            ours = median(machine.do(work, work.counted)[0] for _ in range(RUNS))
            unit = PER_BYTE if work.moves_bytes else INSTRUCTIONS
            ours = round(ours, 3) if work.moves_bytes else round(ours)
            rows.append(Row(work.title, unit, ours, "Linux", work.linux, ours / work.linux, work.budget))
    return rows


def timed(
    works: Sequence[Work],
    image: Path,
    client: Path,
    progress: Progress = lambda _: None,
    peer: Sequence[str] | None = None,
) -> list[Row]:
    """By the clock. `peer`: the command of a machine with Linux."""
    rows = []
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(running(command(image), client))
        other = None if peer is None else stack.enter_context(running(peer, client))
        for work in works:
            progress(f"{work.title}: by the clock")
            ours, theirs = [], []
            for _ in range(RUNS):
                ours.append(rate(work, machine))
                theirs += [] if other is None else [rate(work, other)]
            unit = MEGABYTES_PER_SECOND if work.moves_bytes else REQUESTS_PER_SECOND
            if other is None:
                rows.append(Row(work.title, unit, median(ours), NO_LINUX, None, None))
            else:
                # As with instructions, less than 1 is better than the peer.
                ratio = median(theirs) / median(ours)
                rows.append(Row(work.title, unit, median(ours), "Linux", median(theirs), ratio))
    return rows


def rate(work: Work, machine: Machine) -> float:
    """Requests, or megabytes, in a second."""
    each = machine.do(work, work.timed)[1]
    return round(1 / each / MEGABYTE, 1) if work.moves_bytes else round(1 / each)


# --- the machine and the client ---------------------------------------------------------------------------------------


def build(folder: Path) -> Path:
    system = SOURCES / "system.toml"
    if not system.is_file():
        raise BenchError(f"{system.name} is missing: the benchmark needs the project's checkout")
    return built(system, folder / "network.elf")


def build_client(folder: Path) -> Path:
    """By this host's C compiler, or by the pinned one if there is none."""
    client = folder / "client"
    compiler = shutil.which("cc")
    words = [compiler] if compiler is not None else [toolchain.zig(), "cc"]
    compile_c([*words, "-O2", "-o", str(client), str(SOURCES / "client.c")])
    return client


def compile_c(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(words)}:\n{done.stderr.strip()}")


def command(image: Path) -> list[str]:
    from neokernel.image import qemu

    return [*qemu.command(qemu_program(), image), *qemu.entropy("virtio-mmio-bus.0")]


def linux_command(kernel: str, folder: Path) -> list[str]:
    package = linux.from_debian(folder) if kernel == DEBIAN else Path(kernel)
    return linux.guest(qemu_program(), package, SOURCES / "linux.c", folder)


def qemu_program() -> str:
    from neokernel.image import qemu

    program = qemu.find_qemu()
    if program is None:
        raise BenchError("qemu-system-riscv64 is missing: `nk doctor` says how to get it")
    return program


@contextlib.contextmanager
def running(machine: Sequence[str], client: Path, *, counts: bool = False) -> Iterator[Machine]:
    """The machine, on QEMU's own network, when its site answers. Without `counts` nobody asks how many instructions."""
    from neokernel.image import qemu

    ports: dict[int, int] = dict(zip((WEB, TAKES, GIVES), free_ports(3), strict=True))
    network = qemu.network("virtio-mmio-bus.2", {f"tcp/{outside}": inside for inside, outside in ports.items()})
    child = subprocess.Popen(
        [*machine, *network, *(COUNT if counts else ())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=qemu.end_with_parent(),  # noqa: PLW1509
    )
    try:
        found = Machine(ports, client, counts)
        until = time.monotonic() + patient(PATIENCE)
        while True:
            if child.poll() is not None or time.monotonic() > until:
                raise BenchError("the machine doesn't start, or its site doesn't answer")
            with contextlib.suppress(BenchError):
                found.ask("alive", WEB, 1, 1)
                break
            time.sleep(0.1)
        yield found
    finally:
        qemu.reap(child)


def free_ports(count: int) -> list[int]:
    """Ports of this host that nobody has now."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in made:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in made]
