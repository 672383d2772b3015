"""`nk autopsy`: what a machine does that stands still, or did at its end: threads, the log, the last events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.target import chosen, machine_option

if TYPE_CHECKING:
    from neokernel.cli.outside import Seen
    from neokernel.image.memory import Kernel, ThreadState
    from neokernel.image.ring import Ring

#: of the log, and of the kernel's events
MOST_LINES = 20
#: the log's program
LOG = "log"


@click.command()
@machine_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it into this file, too.")
@json_option
def command(machine: str | None, key: Path | None, output: Path | None, as_json: bool) -> None:
    """Show what each thread of a running machine is doing, by its memory: also of one that doesn't answer.

    Where each thread is, as Python lines; the log's last records; and the kernel's latest events, if it recorded any.
    Of a recording that has ended it is said until when it was.
    The machine's clock stands for some thousandths of a second while its memory is copied; then it goes on.

    When a machine panics, or is stopped by `--timeout`, `nk run` writes the same beside its image, by itself.

    Exit status: 0; 6 there is no machine, or it can't be looked at.
    """
    from neokernel.cli.outside import look

    running = chosen(machine)
    seen = look(running, key)
    if output is not None:
        write(output, seen)
    if as_json:
        print_json({"machine": running.name, **as_data(seen), "exit": 0})
    else:
        click.echo("\n".join(lines_of(seen)))


def write(path: Path, seen: Seen) -> None:
    try:
        path.write_text("\n".join(lines_of(seen)) + "\n", encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{shown(path)} can't be written: {error.strerror or error}") from error


def lines_of(seen: Seen) -> list[str]:
    """For people, at most as wide as the sources are."""
    found = [processor_of(seen), *seen.kernel_traceback()]
    for thread in seen.kernel.threads:
        found += ["", f"{owner_of(seen, thread)}, thread {thread.identifier}: {doing(thread)}", *seen.traceback(thread)]
    records = log_of(seen)
    if records:
        found += ["", "the log's last records:", *(f"  {line}" for line in records[-MOST_LINES:])]
    recorded = events_of(seen)
    if recorded.lines:
        found += ["", recorded.heading(), *(f"  {line}" for line in recorded.lines)]
    return found


def as_data(seen: Seen) -> dict[str, Any]:
    threads = [
        {
            "thread": thread.identifier,
            "service": owner_of(seen, thread),
            "state": thread.state,
            "faulted": thread.faulted,
            "running": thread.current,
            "pc": hex(seen.registers(thread)[0]),
            "frames": [
                {"function": frame.function, "file": frame.file, "line": frame.line} for frame in seen.frames(thread)
            ],
        }
        for thread in seen.kernel.threads
    ]
    recorded = events_of(seen)
    return {
        "processor": processor_of(seen),
        "threads": threads,
        "log": log_of(seen),
        "events": list(recorded.lines),
        "recording": recorded.goes_on,
    }


def processor_of(seen: Seen) -> str:
    running = next((thread for thread in seen.kernel.threads if thread.current), None)
    if running is None:
        return "the processor idles: every thread waits"
    if not seen.processor:
        return f"the processor was last given to thread {running.identifier}, {owner_of(seen, running)}"
    if seen.processor and seen.processor["pc"] < 1 << 63:
        return f"the processor runs thread {running.identifier}, {owner_of(seen, running)}"
    return f"the processor is in the kernel, for thread {running.identifier}, {owner_of(seen, running)}"


def owner_of(seen: Seen, thread: ThreadState) -> str:
    return seen.owners.get(thread.space, "a process whose program isn't known")


def doing(thread: ThreadState) -> str:
    """What the thread does, in words."""
    if thread.current:
        return "runs"
    if thread.faulted:
        return f"has faulted, and waits for who handles it (at {thread.fault[1]:#x})"
    words = {
        "STOPPED": "stopped",
        "RUNNABLE": "ready, or without time",
        "SENDING": "waits until somebody takes its message",
        "CALLING": "waits until its call is received",
        "RECEIVING": "waits for messages",
        "REPLIED": "waits for an answer",
        "WAITING": "waits for signals",
        "DISPATCHING": "lends its time to another thread",
        "ANSWERED": "is being answered",
    }
    return words.get(thread.state, thread.state)


def log_of(seen: Seen) -> list[str]:
    """The records that the log keeps, if there is one."""
    from neokernel.control.kept import kept_records, kept_state
    from neokernel.image.memory import PAGE

    space = next((space for space, program in seen.programs.items() if program == LOG), None)
    if space is None:
        return []
    state = kept_state(lambda address, size: seen.kernel.read(space, address, size), PAGE)
    frequency = max(seen.kernel.get("Hart", "frequency", seen.kernel.hart), 1)
    return [
        f"{each.time / frequency:>11.3f}  {each.level.upper():<7}  {seen.named(each.source)}: {each.text}"
        for each in kept_records(state)
    ]


@dataclass(frozen=True)
class Recorded:
    """The latest of what the kernel has recorded, a line for each. `until`, `before`: of the last one, in seconds."""

    lines: tuple[str, ...] = ()
    #: it still records
    goes_on: bool = False
    #: on the machine's clock; and how much earlier that was than the kernel's last work
    until: float = 0.0
    before: float = 0.0

    def heading(self) -> str:
        if self.goes_on:
            return "the kernel's latest events:"
        return f"events that the kernel recorded until {self.until:.3f} s, {self.before:.3f} s before this:"


def events_of(seen: Seen) -> Recorded:
    """The latest of what the kernel has recorded, if it has."""
    from neokernel.image.ring import BadDump
    from neokernel.image.told import told

    try:
        ring = ring_of(seen.kernel)
    except BadDump:
        return Recorded()
    names = {0: "nobody"} | {thread.identifier: owner_of(seen, thread) for thread in seen.kernel.threads}

    def name(thread: int) -> str:
        return names.get(thread, f"thread {thread}")

    kernel, last = seen.kernel, ring.entries[-1].time
    return Recorded(
        lines=tuple(
            f"{entry.time / ring.frequency:>11.6f}  {name(entry.thread):<14} {told(entry, name)}"
            for entry in ring.entries[-MOST_LINES:]
        ),
        goes_on=kernel.get("Hart", "trace_mask", kernel.hart) != 0,
        until=last / ring.frequency,
        # The kernel notes when it hands the processor on: that is as late as its memory knows.
        before=max(kernel.get("Hart", "since", kernel.hart) - last, 0) / ring.frequency,
    )


def ring_of(kernel: Kernel) -> Ring:
    """The ring that the kernel records into, or did last. Raises BadDump.

    If its Trace was deleted, what it left is looked for in all of memory.
    """
    from neokernel.image.memory import RAM
    from neokernel.image.ring import find_ring, ring_at

    memory = kernel.memory if isinstance(kernel.memory, bytes) else kernel.memory[:]
    trace = kernel.get("Hart", "trace", kernel.hart)
    if trace == 0:
        return find_ring(memory)[0]
    return ring_at(memory, kernel.get("Trace", "base", trace) - RAM)
