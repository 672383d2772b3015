"""`nk profile`: in which lines of which services the processor's time goes."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, progress_line, shown, styled
from neokernel.cli.ps import shortened
from neokernel.cli.target import chosen, complete_services, machine_option

if TYPE_CHECKING:
    from neokernel.cli.sampling import Reader, Sample
    from neokernel.control.machines import Running
    from neokernel.image.traceback import Frame

#: looks a second; each has the machine run slowly for less than a thousandth of one, unless it idles
RATE = 100.0
LOOKS = 1000
#: lines that are shown
MOST_LINES = 20
WIDTH = 80
#: who isn't a service: what is below the kernel, the kernel between two services, a process that has ended
FIRMWARE, KERNEL_ALONE, UNKNOWN = "(firmware)", "(kernel)", "(ended)"


@dataclass(frozen=True)
class Line:
    """A line of a function of a service. `place`: file and line, for people; "" of what has no source."""

    service: str
    function: str
    file: str
    line: int
    in_kernel: bool

    @property
    def place(self) -> str:
        return f"{short(self.file)}:{self.line}" if self.line else ""

    @property
    def label(self) -> str:
        """In a stack."""
        from neokernel.image.flame import KERNEL

        place = f" ({self.place})" if self.place else ""
        return f"{self.function}{place}{KERNEL if self.in_kernel else ''}"


@dataclass
class Profile:
    """What was seen in `looks`, of which `count` are samples: the processor worked for somebody.

    `exact`: it could be stopped between any two instructions.
    """

    looks: int = 0
    count: int = 0
    #: of how many the line is their own
    settled: int = 0
    seconds: float = 0.0
    exact: bool = True
    ended: bool = False
    services: Counter[str] = field(default_factory=Counter)
    in_kernel: Counter[str] = field(default_factory=Counter)
    #: how often a line was the innermost one, and anywhere in the stack
    own: Counter[Line] = field(default_factory=Counter)
    whole: Counter[Line] = field(default_factory=Counter)
    stacks: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @property
    def error(self) -> float:
        """Half of the interval in which a share of a half lies, 19 times of 20 (normal approximation)."""
        return 1.96 * math.sqrt(0.25 / max(self.settled or self.count, 1))

    def add(self, service: str, user: tuple[Frame, ...], kernel: tuple[Frame, ...], *, in_kernel: bool) -> None:
        self.services[service] += 1
        self.in_kernel[service] += in_kernel
        lines = [Line(service, each.function, each.file, each.line, in_kernel=False) for each in user]
        lines += [Line(service, each.function, each.file, each.line, in_kernel=True) for each in kernel]
        for line in dict.fromkeys(lines):
            self.whole[line] += 1
        if lines:
            self.own[lines[-1]] += 1
        self.stacks[(service, *(line.label for line in lines))] += 1


@click.command()
@click.argument("service", required=False, shell_complete=complete_services)
@machine_option
@click.option(
    "-n", "--looks", type=click.IntRange(1, 1_000_000), default=LOOKS, help=f"How often to look; default: {LOOKS}."
)
@click.option(
    "-r", "--rate", type=click.FloatRange(1, 1000), default=RATE, help=f"Looks a second, at most; default: {RATE:g}."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Graph; default: build/MACHINE.profile.svg.")
@click.option("--folded", type=click.Path(path_type=Path), help="Also write the stacks, one a line.")
@json_option
def command(
    service: str | None,
    machine: str | None,
    key: Path | None,
    looks: int,
    rate: float,
    output: Path | None,
    folded: Path | None,
    as_json: bool,
) -> None:
    """Show in which lines of Python the processor's time goes, of all services or of SERVICE.

    The machine is stopped at random moments, some thousandths of a second long in which its clock stands, and looked at
    from outside. SELF is the share of samples in which a line was the innermost one, TOTAL that with the calls that it
    makes. Shares are of the time in which the processor worked, also of a SERVICE; `nk top` says how much that is. A
    line of the kernel counts for the service that it works for. Beside the table, a flame graph is written, of whatever
    was seen: open it in a browser.

    Exit status: 0; 2 there is no such service; 6 there is no machine, or it can't be looked at.
    """
    from neokernel.image.flame import flame_graph
    from neokernel.image.flame import folded as lines_of

    running = chosen(machine)
    found = profile(running, key, looks, rate, service)
    place = output or default_output(running.name)
    about = f"{running.name}: {service or 'all services'}"
    note = f"{found.count:,} samples; shares are right within {found.error:.1%}, 19 times of 20"
    if found.stacks:
        write(place, flame_graph(found.stacks, about, note))
    if folded is not None:
        write(folded, lines_of(found.stacks))
    if as_json:
        graph = str(place) if found.stacks else None
        print_json({"machine": running.name, "graph": graph, **as_data(found), "exit": 0})
        return
    click.echo("\n".join(screen(found, service)))
    if found.stacks:
        click.echo(f"{shown(place)}: the flame graph; open it in a browser", err=True)


def default_output(name: str) -> Path:
    folder = Path("build")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ToolError("NK1005", f"{folder} can't be made: {error.strerror or error}", "--output FILE") from error
    return folder / f"{name}.profile.svg"


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{path} can't be written: {error.strerror or error}") from error


def profile(running: Running, key: Path | None, looks: int, rate: float, service: str | None) -> Profile:
    """Look at the machine so often, and say what was seen; of one service, if one is named."""
    from neokernel.cli.outside import look, no_process
    from neokernel.cli.sampling import Mode, Reader, Sampler, live, settled
    from neokernel.image.memory import NoSystem
    from neokernel.image.qmp import Monitor, NoMonitor

    seen = look(running, key)
    if service is not None and service not in seen.owners.values():
        raise no_process(running, seen, service)
    names = {each.identifier: seen.owners[each.space] for each in seen.kernel.threads if each.space in seen.owners}
    assert running.monitor is not None and running.memory is not None
    taken: list[Sample] = []
    found = Profile()
    with progress_line() as say, live(running.memory) as memory:
        start = time.monotonic()
        try:
            with Monitor(running.monitor) as monitor:
                sampler = Sampler(monitor, seen.kernel.later(memory))
                for sample in sampler.take(looks, 1 / rate):
                    taken.append(sample)
                    say(f"{len(taken):,} of {looks:,} looks")
            found.exact = sampler.exact
        except (NoMonitor, NoSystem) as error:
            if not taken:
                raise ToolError("NK1602", f"{running.name} can't be looked at: {error}", "has it ended?") from error
            found.ended = True
        found.seconds = time.monotonic() - start
        say("looking up the lines")
        reader = Reader(seen)
        if not found.ended and any(each.thread not in names for each in taken if each.thread):
            # Some were started meanwhile.
            reader = Reader(look(running, key))
            later = reader.seen
            names |= {e.identifier: later.owners[e.space] for e in later.kernel.threads if e.space in later.owners}
        for sample in settled(taken):
            count(found, reader, sample, names, service)
    found.looks = len(taken)
    found.count = sum(each.mode is not Mode.IDLE for each in taken)
    found.settled = sum(each.settled for each in taken)
    return found


def count(found: Profile, reader: Reader, sample: Sample, names: dict[int, str], only: str | None) -> None:
    from neokernel.cli.sampling import Mode

    if sample.mode is Mode.IDLE:
        return
    if sample.mode is Mode.FIRMWARE:
        owner = FIRMWARE
    else:
        owner = names.get(sample.thread, UNKNOWN) if sample.thread else KERNEL_ALONE
    if only is not None and owner != only:
        return
    in_kernel = sample.mode is Mode.KERNEL
    kernel = reader.kernel_frames(sample) if in_kernel else ()
    found.add(owner, reader.user_frames(sample), kernel, in_kernel=in_kernel)


# --- what is shown ----------------------------------------------------------------------------------------------------


def as_data(found: Profile) -> dict[str, Any]:
    lines = [
        {
            "service": line.service,
            "function": line.function,
            "file": line.file,
            "line": line.line,
            "kernel": line.in_kernel,
            "self": found.own[line],
            "total": whole,
        }
        for line, whole in ranked(found)
    ]
    return {
        "looks": found.looks,
        "samples": found.count,
        "settled": found.settled,
        "seconds": round(found.seconds, 3),
        "error": round(found.error, 4),
        "exact": found.exact,
        "ended": found.ended,
        "services": [
            {"service": name, "samples": number, "in_kernel": found.in_kernel[name]}
            for name, number in found.services.most_common()
        ],
        "lines": lines,
        "stacks": [{"frames": list(stack), "samples": number} for stack, number in sorted(found.stacks.items())],
    }


def ranked(found: Profile) -> list[tuple[Line, int]]:
    """Lines by their own samples, then by those with what they call."""
    return sorted(found.whole.items(), key=lambda each: (-found.own[each[0]], -each[1], each[0].label))


def screen(found: Profile, service: str | None) -> list[str]:
    """At most 80 characters a line."""
    ended = "; then the machine ended" if found.ended else ""
    said = f"{found.looks:,} looks in {found.seconds:.1f} s{ended}; in {found.count:,} of them it worked."
    right = f"Shares are of these, and right within {found.error:.1%}, 19 times of 20."
    lines = [styled(said, dim=True), *([styled(right, dim=True)] if found.count else [])]
    if not found.exact:
        lines.append("this QEMU stops only between blocks: a block's time may be shown as its successor's")
    if not found.services:
        who = f"{service} was never seen running" if service else "nobody was ever seen running"
        lines.append(f"{who}; `nk autopsy` says what is waited for")
        return lines
    lines += ["", styled(f"{'SERVICE':<24}  SHARE  OF IT IN THE KERNEL", bold=True)]
    for name, number in found.services.most_common():
        kernel = f"{found.in_kernel[name] / number:>6.1%}" if not name.startswith("(") else ""
        lines.append(f"{shortened(name, 24):<24} {number / found.count:>6.1%}  {kernel}".rstrip())
    table = [(line, whole) for line, whole in ranked(found) if found.own[line] or whole * 100 >= found.count]
    wide = 0 if service is not None else min(max(len(each) for each in ("SERVICE", *found.services)), 16) + 2
    lines += ["", styled(f"  SELF   TOTAL  {'SERVICE' if wide else '':<{wide}}LINE", bold=True)]
    for line, whole in table[:MOST_LINES]:
        own = f"{found.own[line] / found.count:>6.1%}"
        text = shortened(f"{line.place} in {line.function}" if line.place else line.function, WIDTH - 16 - wide)
        who = f"{shortened(line.service, wide - 2):<{wide}}" if wide else ""
        lines.append(f"{own}  {whole / found.count:>6.1%}  {who}{text}")
    if len(table) > MOST_LINES:
        lines.append(styled(f"{len(table) - MOST_LINES} more lines are in the graph, and with --json", dim=True))
    return lines


def short(file: str) -> str:
    """A file's name as far as it says something."""
    path = Path(file)
    return str(Path(*path.parts[-2:])) if path.is_absolute() or len(path.parts) > 2 else file
