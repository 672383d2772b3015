"""`nk bench watching`: instructions that observing adds: the kernel's event ring, and an operator who looks.

*The ring*: the programs of `nk bench kernel`, on the kernel as it ships, in three ways: as they are; with a ring that
was made and records nothing any more; and with one that records all events. They report the same work each time.

*Looking*: `systems/watched.toml` runs, and `nk top`'s question is asked again and again, over the real line. The
machine counts its own instructions. Who asks is on the host, so the counts differ a little from run to run: of
several, the middle.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from neokernel.bench import kernel
from neokernel.bench.boot import ROOT, built
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.control.channel import Channel
    from neokernel.control.view import View

#: programs of `nk bench kernel`; its `worst` and `rings` aren't about what the kernel does by the call
RECORDED = ("ipc", "signals", "interrupts", "faults", "objects", "processes")
#: of their reports, what isn't work, or was over before the ring began
LEFT_OUT = {"boot", "idle_memory", "free_memory"}
#: what recording may add: nothing to speak of while it is off, and a tenth
OFF, ON = 1.01, 1.10
LOOKING = "top"
SYSTEM = ROOT / "systems" / "watched.toml"
#: instructions that a hart executes in a second under `-icount shift=0`, and the share that one look a second may take
HART, SHARE = 10**9, 0.005
LOOKS = 15
PATIENCE = 60.0

#: what begins a program whose events are recorded, and what ends that again
HEAD = "def main(process: Process) -> None:\n"
BEGIN = """    if process.is_root:
        begin_watching(process)
"""
WATCHING = """

def begin_watching(process: Process) -> None:
    trace = tracing.start_tracing(process, 16)
    assert not isinstance(trace, kernel_calls.Failure)
"""
ENDED = "    _ = kernel_calls.trace_start(trace, 0)\n"
IMPORTS = "from neokernel.runtime import system as kernel_calls\nfrom neokernel.runtime import tracing\n"


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of the items named in `only`, or of all. `keep`: a folder for the images."""
    known = (*RECORDED, LOOKING)
    unknown = set(only or ()) - set(known)
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for name in only or known:
            progress(name)
            rows += looking(folder) if name == LOOKING else recorded(name, folder)
        return rows


# --- the ring ---------------------------------------------------------------------------------------------------------


def recorded(name: str, folder: Path) -> list[Row]:
    """For each report: with all events recorded, beside none; and none, after a ring has ended."""
    plain, ended, on = (
        kernel.measure(name, kernel.SHIPPED, variant(name, folder / kind, kind), folder / kind)
        for kind in ("plain", "ended", "on")
    )
    rows = []
    for report, line in kernel.PROGRAMS[name].lines.items():
        if report in LEFT_OUT:
            continue
        without = plain[report] / line.scale
        if ended[report] / line.scale > OFF * without:
            raise BenchError(
                f"{report} takes {ended[report]:,}, although nothing is recorded, and not {plain[report]:,}"
            )
        ours = on[report] / line.scale
        rows.append(Row(line.title, line.unit, ours, "not recorded", without, ours / without, ON * without))
    return rows


def variant(name: str, folder: Path, kind: str) -> Path:
    """The program in a folder of its own, which records, has recorded, or does neither."""
    folder.mkdir(exist_ok=True)
    text = kernel.source_of(name).read_text(encoding="utf-8")
    if kind != "plain":
        head, found, rest = text.partition(HEAD)
        before, future, after = head.partition("from __future__ import annotations\n")
        if not found or not future:
            raise BenchError(f"{name}.py doesn't begin as a program does")
        text = before + future + "\n" + IMPORTS + after + HEAD + BEGIN + rest + WATCHING
        text += ENDED if kind == "ended" else ""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "support.py").write_text(kernel.source_of("support").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


# --- looking ----------------------------------------------------------------------------------------------------------


def looking(folder: Path) -> list[Row]:
    """A look of `nk top`, and the beginning of a session, beside what the machine does anyway."""
    image = built(SYSTEM, folder / "watched.elf")
    with asked(image, folder) as view:
        _, idle = counted(view, lambda: time.sleep(1.0), 0.0)
        one = median(counted(view, view.look, idle)[0] for _ in range(LOOKS))
        answer = median(counted(view, lambda: None, idle)[0] for _ in range(LOOKS))
        services = len(view.services())
    return [
        Row(f"a look of `nk top`, {services} services", kernel.UNIT, one - answer, "", None, None, SHARE * HART),
        Row("of that: each question and answer", kernel.UNIT, answer, "", None, None),
        Row("what the machine does anyway, per second", kernel.UNIT, idle, "", None, None),
    ]


def counted(view: View, work: Callable[[], object], idle: float) -> tuple[float, float]:
    """Instructions of the machine while this is done, beside `idle` in each second; and of all, how many a second.

    Between the two looks at the counter lies the second half of one question and answer, and the first of another.
    """
    start = view.counters()
    work()
    end = view.counters()
    spent, passed = int(end.instructions) - int(start.instructions), view.seconds(int(end.time) - int(start.time))
    return spent - idle * passed, spent / passed


@contextlib.contextmanager
def asked(image: Path, folder: Path, devices: Sequence[str] = ()) -> Iterator[View]:
    """The machine runs, counting its instructions, and has begun a session with us.

    `devices`: QEMU's arguments for more of them than random bytes and the ports.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from neokernel.control.channel import ChannelError
    from neokernel.control.remote import connected
    from neokernel.control.view import View
    from neokernel.image import qemu
    from neokernel.image.signed import Named, enrolment

    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key().public_bytes_raw()
    key = Named("benchmark", public)
    blob, line = folder / "enrolment", folder / "line"
    blob.write_bytes(enrolment([key], [key]))
    # Asleep, it waits for the host: else a second of its time would be over at once, and nothing could be told from it.
    exact = [*kernel.EXACT]
    exact[1] = exact[1].replace("sleep=off", "sleep=on")
    slots = [*qemu.entropy("virtio-mmio-bus.0"), *qemu.ports("virtio-mmio-bus.1", {"control": line})]
    machine = [*kernel.command(image), *exact[:2], *qemu.MODERN, *slots, *devices, *qemu.enrolled(blob)]
    child = subprocess.Popen(machine, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        try:
            with line_of(child, line) as channel:
                session = channel.open(private, public)
                with connected(channel) as remote:
                    yield View(remote, session)
        except ChannelError as error:
            raise BenchError(f"the machine doesn't answer: {error}") from error
    finally:
        qemu.reap(child)


def line_of(child: subprocess.Popen[bytes], line: Path) -> Channel:
    """The operators' line, once QEMU listens there."""
    from neokernel.control.channel import Channel, Gone

    end = time.monotonic() + patient(PATIENCE)
    while True:
        try:
            return Channel(line, PATIENCE)
        except Gone:
            if child.poll() is not None or time.monotonic() > end:
                raise BenchError("the machine doesn't start") from None
        time.sleep(0.05)
