"""The benchmarks by name, and how their rows are shown.

`run(name)` gives rows; `table` and `as_json` show them. A command line is a thin layer over these three.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from neokernel.bench.row import BenchError, Progress, Row

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["BENCHES", "BOOTS", "BenchError", "Row", "as_json", "run", "table"]

#: What there is to run, and what it says.
BENCHES = {
    "compiler": "instructions of compiled kernels beside clang -O2, with and without checks",
    "kernel": "instructions of the kernel's work, beside other kernels'",
    "system": "instructions of what stands above the kernel",
    "drivers": "instructions of requests to drivers, from a client's call to its answer",
    "network": "HTTP and TCP with a client on the host, counted and by the clock",
    "models": "instructions of models, as native code, beside C",
    "gateway": "inferences over HTTP, counted and by the clock",
    "request": "instructions of a request to the inference gateway, leg by leg",
    "watching": "what it costs to record the kernel's events, and to look at a machine",
    "stage": "what a signed start costs, and what that is made of",
    "build": "seconds to build 10,000 lines: cold, and after an edit of one line",
}

#: columns from which on there is room for ratios beside several builds
WIDE = 100

#: those that boot a machine
BOOTS = {"compiler", "drivers", "gateway", "kernel", "models", "network", "request", "stage", "system", "watching"}

#: those that can run beside a Linux
LINUX = {"gateway", "network"}


def run(
    name: str,
    only: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
    keep: Path | None = None,
    linux_kernel: str | None = None,
) -> list[Row]:
    """Run a benchmark. `only`: some of its items. `keep`: a folder for what it builds. Raises BenchError.

    `linux_kernel`: for those of LINUX, the package of a kernel that runs as peer; or `debian`.
    """
    if linux_kernel is not None and name not in LINUX:
        raise BenchError(f"{name} starts no Linux: --linux-kernel is for {', '.join(sorted(LINUX))}")
    # Imported here, so that listing benchmarks doesn't load the compiler.
    if name == "compiler":
        from neokernel.bench import compiler

        return compiler.run(only, progress, keep)
    if name == "kernel":
        from neokernel.bench import kernel

        return kernel.run(only, progress, keep)
    if name == "system":
        from neokernel.bench import system

        return system.run(only, progress, keep)
    if name == "drivers":
        from neokernel.bench import drivers

        return drivers.run(only, progress, keep)
    if name == "network":
        from neokernel.bench import network

        return network.run(only, progress, keep, linux_kernel)
    if name == "gateway":
        from neokernel.bench import gateway

        return gateway.run(only, progress, keep, linux_kernel)
    if name == "watching":
        from neokernel.bench import watching

        return watching.run(only, progress, keep)
    if name == "models":
        from neokernel.bench import models

        return models.run(only, progress, keep)
    if name == "request":
        from neokernel.bench import request

        return request.run(only, progress, keep)
    if name == "stage":
        from neokernel.bench import stage

        return stage.run(only, progress, keep)
    if name == "build":
        from neokernel.bench import build_speed

        return build_speed.run(only, progress, keep)
    raise BenchError(f"no benchmark {name!r}; there are {', '.join(BENCHES)}")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit in ("instructions", "bytes", "requests/s"):
        return f"{value:,.0f}"
    return f"{value:.3f}"


def table(title: str, rows: Sequence[Row], width: int = 80) -> Table:
    """Rows as a rich table, narrow enough for 80 columns and for `width`; numbers with their thousands marked.

    A unit or a peer that all rows share stands in a heading instead of a column. Ratios share all units.
    """
    from rich.table import Table

    if any(row.builds for row in rows):
        return _by_build(title, rows, width)

    units = sorted({row.unit for row in rows} - {"ratio"})
    peers = sorted({row.peer for row in rows} - {""})
    told = len(units) != 1 or units[0] in title
    shown = Table(title=title if told else f"{title} ({units[0]})")
    shown.add_column("item", min_width=28)
    if len(units) > 1:
        shown.add_column("unit")
    shown.add_column("ours", justify="right")
    shown.add_column(peers[0] if len(peers) == 1 and peers[0] else "theirs", justify="right")
    shown.add_column("ratio", justify="right")
    if len(peers) > 1:
        shown.add_column("peer")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        plain = row.unit == "ratio"
        numbers = ["" if plain else _number(row.ours, row.unit), "" if plain else _number(row.theirs, row.unit)]
        unit, peer = [row.unit] if len(units) > 1 else [], [row.peer] if len(peers) > 1 else []
        shown.add_row(row.item, *unit, *numbers, ratio, *peer)
    return shown


def _by_build(title: str, rows: Sequence[Row], width: int) -> Table:
    """Rows of several builds. Budget and ratio are about what ships; where it is narrow, there is no ratio."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    wide = width >= WIDE
    # Lines between the columns would take the room that the items need.
    shown = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, int(wide)))
    shown.add_column("item", min_width=28)
    builds = list(rows[0].builds)
    for column in ("as shipped", *builds):
        shown.add_column(column.replace(" ", "\n"), justify="right")
    budgets = any(row.budget is not None for row in rows)
    if budgets:
        shown.add_column("budget", justify="right")
        over = sum(row.over for row in rows)
        shown.caption = f"Budgets bind what ships: {f'{over} over (>)' if over else 'none over'}."
    shown.add_column("theirs", justify="right")
    if wide:
        shown.add_column("ratio", justify="right")
    shown.add_column("peer")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        unit = "" if row.unit in title else f" [{row.unit}]"
        shown.add_row(
            escape(row.item + unit),
            _count(row.ours),
            *(_count(row.builds[build]) for build in builds),
            *([("> " if row.over else "") + _count(row.budget)] if budgets else []),
            _count(row.theirs),
            *([ratio] if wide else []),
            row.peer,
            style="bold red" if row.over else None,
        )
    return shown


def _count(value: float | None) -> str:
    """A number of something: whole, or with its hundredths; nothing of nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def as_json(rows: Sequence[Row]) -> str:
    """Rows as a JSON list of objects `{item, unit, ours, peer, theirs, ratio, budget, builds}`."""
    return json.dumps([asdict(row) for row in rows], indent=2)
