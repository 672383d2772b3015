"""`nk bench system`: instructions of what stands above the kernel, as it ships.

Programs in `benches/system` run on the kernel in QEMU and report as those of `nk bench kernel` (`kernel.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from neokernel.bench import boot, kernel, supervision
from neokernel.bench.kernel import Line, Program
from neokernel.bench.row import BenchError, Progress, Row

SOURCES = Path(__file__).parents[2] / "benches" / "system"

#: whole systems: what init does, and `systems/minimal.toml`
SUPERVISION, BOOT = "supervision", "boot"
#: The programs by their names, in the order in which they are shown.
PROGRAMS: dict[str, Program] = {
    "interfaces": Program(
        {
            "round_trip": Line("call by an interface, 2 words, and back"),
            "client": Line("of that: the client, beside the kernel", 25),
            "server": Line("of that: the server, beside the kernel", 25),
        }
    ),
    "posting": Program(
        {
            "post": Line("message of an interface posted into a ring"),
            "take": Line("taken out of it, and handled"),
        }
    ),
    "lending": Program(
        {
            "lend": Line("call that lends 64 KiB, its last byte read, and back"),
        }
    ),
    BOOT: Program(
        {
            "boot": Line("kernel entry to the shell's prompt, minimal", 3_000_000),
            "stage": Line("before that, in a signed start: first stage"),
            "image": Line("boot image of minimal", 300 << 10, "bytes"),
        }
    ),
    SUPERVISION: Program(
        {
            "boot": Line("kernel entry to 8 services started"),
            "one_more": Line("of that: each service"),
            "restart": Line("service killed, restarted, next call answered"),
            "swap": Line("service replaced by another version"),
            "held": Line("longest call meanwhile, one client"),
        }
    ),
    "tasks": Program(
        {
            "switch": Line("task switch in the executor"),
            "switch_deep": Line("the same, of tasks that wait three coroutines deep"),
            "switch_timed": Line("the same, each with a deadline that changes"),
            "task": Line("start of a task, and its end"),
            "idle": Line("the executor's look into the kernel: a system call"),
        }
    ),
    "requests": Program(
        {
            "request": Line("HTTP request on a kept connection, answered with 1,024 bytes: the service's part"),
            "head": Line("of that: its head of 86 bytes read"),
        }
    ),
}

#: Linux, which has its own ways to the same ends: a round trip over two eventfds, a process made anew (vfork and exec),
#: from reset to its init. How they were taken: docs/reference/benchmarks-system.md
PEERS = {("interfaces", "round_trip"): 13_849, (SUPERVISION, "restart"): 156_482, (BOOT, "boot"): 879_000_000}


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of the programs named in `only`, or of all. `keep`: a folder for the images."""
    unknown = set(only or ()) - PROGRAMS.keys()
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(PROGRAMS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for name in only or PROGRAMS:
            progress(name)
            program = PROGRAMS[name]
            if name == SUPERVISION:
                reports = supervision.measure(folder)
            elif name == BOOT:
                reports = boot.measure(folder)
            else:
                reports = kernel.measure(name, kernel.SHIPPED, folder, SOURCES, program.memory)
            for report, line in program.lines.items():
                if report not in reports:
                    raise BenchError(f"nothing reported {report!r}")
                ours = reports[report] / line.scale
                theirs = PEERS.get((name, report))
                peer, ratio = ("Linux", ours / theirs) if theirs is not None else ("", None)
                rows.append(Row(line.title, line.unit, ours, peer, theirs, ratio, line.budget))
    return rows
