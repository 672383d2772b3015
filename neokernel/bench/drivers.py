"""`nk bench drivers`: what a request to a driver takes, from the client's call to its answer, devices' interrupts too.

A system of drivers, a client that measures, and an idler (`benches/drivers`): the machine never idles, as its virtual
time would jump then, and the idler says how many instructions were its own. So waiting isn't counted: while the host
works for the device, only the idler runs. Nothing else happens meanwhile, as every service has time for longer than the
run takes: with the usual time slices, their timers would be counted, more of them the slower the host is. What is left
is the request's; it differs a little by when interrupts come, so what is shown is the median of 64, or of 16 large
ones, and of two runs the lesser.

Frames are sent to a program here, which sends them back a little later, when the machine has nothing more to do: so
what sending takes is over before anything is received. All that is executed is counted as either, also what it takes
to fall asleep; means of 64. There are two cards, since it matters who is more urgent: the driver of one is less urgent
than its client, as the guide advises, and that of the other is as urgent.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from neokernel.bench.kernel import Line, command, read_reports, run_command
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.compiler.source import PACKAGE_ROOT

SOURCES = Path(__file__).parents[2] / "benches" / "drivers"
DRIVERS = PACKAGE_ROOT / "neokernel" / "drivers"
#: Linux, in a guest on the same kind of machine: QEMU 10.0.2, virtio-blk on a raw file, O_DIRECT, 2026-11-20
LINUX = {"read": 13_542, "large": 275_414, "large_write": 250_349}
LINES = {
    "read": Line("4 KiB read from a disk, one at a time", 5_000),
    "write": Line("4 KiB written"),
    "batched": Line("4 KiB read, 16 at a time in one call"),
    "large": Line("1 MiB read, in requests of 256 KiB", 60_000),
    "large_write": Line("1 MiB written"),
    "random": Line("256 random bytes"),
    "send": Line("a frame of 1,514 bytes sent, one at a time", 1_500),
    "receive": Line("a frame received, one at a time", 1_500),
    "send_many": Line("a frame sent, of 16 at a time", 1_500),
    "receive_many": Line("a frame received, of 16 at a time", 1_500),
    "send_equal": Line("a frame sent, one at a time, client as urgent as driver"),
    "receive_equal": Line("a frame received, likewise"),
}
RUNS = 2
#: microseconds for which a service may run: more than any run takes
UNINTERRUPTED = 1_000_000_000
#: seconds for which a frame is away
AWAY = 0.002
#: bytes of the disk
DISK = 1 << 20


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of the items named in `only`, or of all; all are measured in any case. `keep`: a folder for the image."""
    unknown = set(only or ()) - LINES.keys()
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(LINES)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        progress("building")
        image = build(folder)
        found: list[dict[str, int]] = []
        for number in range(RUNS):
            progress(f"run {number + 1} of {RUNS}")
            with relay() as ports, relay() as others:
                found.append(read_reports(run_command(machine(image, folder, (ports, others)), "drivers")))
    rows = []
    for name in only or LINES:
        line = LINES[name]
        if any(name not in reports for reports in found):
            raise BenchError(f"nothing reported {name!r}")
        ours = min(reports[name] for reports in found)
        theirs = LINUX.get(name)
        ratio = None if theirs is None else ours / theirs
        rows.append(Row(line.title, line.unit, ours, "" if theirs is None else "Linux", theirs, ratio, line.budget))
    return rows


def machine(image: Path, folder: Path, tunnels: Sequence[tuple[int, int]]) -> list[str]:
    """`tunnels`: the ports of each card's, local and remote."""
    from neokernel.image import qemu

    disk = folder / "disk.img"
    disk.write_bytes(bytes(DISK))
    slots = [*qemu.disk("virtio-mmio-bus.0", disk), *qemu.entropy("virtio-mmio-bus.7")]
    for number, ports in enumerate(tunnels):
        slots += qemu.tunnel(f"virtio-mmio-bus.{2 + number}", *ports)
    return [*command(image), *qemu.MODERN, *slots]


@contextlib.contextmanager
def relay() -> Iterator[tuple[int, int]]:
    """A program that sends frames back, when the machine has gone to sleep: its tunnel's ports, local and remote."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free,
    ):
        made.bind(("127.0.0.1", 0))
        free.bind(("127.0.0.1", 0))
        local, remote = free.getsockname()[1], made.getsockname()[1]
        free.close()
        made.settimeout(0.1)
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    frames = [made.recv(65536)]
                    time.sleep(AWAY)
                    made.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            frames.append(made.recv(65536))
                    made.settimeout(0.1)
                    for frame in frames:
                        made.sendto(frame, ("127.0.0.1", local))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield local, remote
        finally:
            over.set()
            thread.join()


def build(folder: Path) -> Path:
    from neokernel.abi.description import GrantKind
    from neokernel.image.description import Grant, Has, Provides, Service, System, Uses
    from neokernel.image.system import build_described

    def driver(name: str, address: int, line: int, priority: int = 60, program: str = "") -> Service:
        grants = (
            Has("device", GrantKind.DEVICE, target=address),
            Has("line", GrantKind.INTERRUPT, target=line),
            Has("space", GrantKind.DMA, size=5),
            Has("memory", GrantKind.MEMORY, size=64 << 10),
            Provides(program or name),
        )
        return service(name, grants, 512 << 10, priority, program)

    def service(name: str, grants: tuple[Grant, ...], memory: int, priority: int, program: str = "") -> Service:
        time = UNINTERRUPTED
        return Service(name, program or name, grants, memory=memory, priority=priority, budget=time, period=time)

    grants = (
        Uses("disk", "disk", "disk", lend=256 << 10),
        Uses("counting", "idler", "counting", lend=4096),
        Uses("entropy", "entropy", "entropy"),
        Uses("network", "network", "network", lend=256 << 10),
        Uses("level", "level", "network", lend=256 << 10),
        Has("console", GrantKind.CONSOLE),
        Has("power", GrantKind.POWER),
    )
    services = (
        driver("disk", 0x1000_1000, 1),
        driver("entropy", 0x1000_8000, 8),
        driver("network", 0x1000_3000, 3, 39),
        driver("level", 0x1000_4000, 4, 40, "network"),
        service("idler", (Provides("counting"),), 512 << 10, 1),
        service("meter", grants, 2 << 20, 40),
    )
    programs = {name: SOURCES / f"{name}.py" for name in ("idler", "meter")}
    programs |= {name: DRIVERS / name / "main.py" for name in ("disk", "entropy", "network")}
    missing = [path.name for path in programs.values() if not path.is_file()]
    if missing:
        raise BenchError(f"{missing[0]} is missing: the benchmark needs the project's checkout")
    image = folder / "drivers.elf"
    built = build_described(System("drivers", "qemu-virt", services), programs, image)
    if built.diagnostics:
        raise BenchError(f"the system isn't accepted: {built.diagnostics[0].message}")
    return image
