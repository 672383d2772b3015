"""What the kernel really executes, held against the longest paths: QEMU names each of its instructions.

A *stay* is all that is executed from an entry into the kernel to the way out. Equal ones are looked at once.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neokernel.bench.kernel import one_by_one
from neokernel.bounds.code import Code
from neokernel.bounds.flow import SIP
from neokernel.bounds.longest import ImageLoop
from neokernel.bounds.operations import ENTRY, FOREIGN_ENTRY, RECORDED_ENTRY
from neokernel.bounds.report import Row
from neokernel.image import qemu

Stay = tuple[int, ...]


def stays_of(image: Path, folder: Path, emulator: str) -> Counter[Stay]:
    """How often the system at `image` stays in the kernel in which way, but for boot and the stay that it ends in."""
    code = Code(image)
    kernel = [(start, start + size) for start, size, _ in code.image.functions]
    low, high = min(start for start, _ in kernel), max(end for _, end in kernel)
    log = folder / "executed"
    os.mkfifo(log)
    # With vector registers: the program's cases need them.
    command = [*qemu.command(emulator, image), "-cpu", "rv64,v=true", "-icount", "shift=0,sleep=off", *one_by_one()]
    command += ["-d", "exec,nochain", "-dfilter", f"{low:#x}..{high:#x}", "-D", str(log)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as machine:
        try:
            with log.open(encoding="ascii", errors="replace") as lines:
                return Counter(_stays(code, addresses(lines)))
        finally:
            machine.kill()


def addresses(lines: Iterable[str]) -> Iterator[int]:
    """QEMU names an instruction twice that it begins twice; none of the kernel's jumps to itself."""
    last = 0
    for line in lines:
        if line.startswith("Trace "):
            address = int(line.split("/", 2)[1], 16)
            if address != last:
                yield address
            last = address


def _stays(code: Code, executed: Iterable[int]) -> Iterator[Stay]:
    entries = {code.address(entry) for entry in (ENTRY, RECORDED_ENTRY, FOREIGN_ENTRY)}
    outs: dict[int, bool] = {}
    stay: list[int] = []
    for address in executed:
        if not stay and address not in entries:
            continue  # still boot
        stay.append(address)
        if address not in outs:
            outs[address] = code.instruction(address).op == "sret"
        if outs[address]:
            yield tuple(stay)
            stay = []


@dataclass
class Findings:
    """`longest`: stretch that was measured, by the row that it was compared with. `wrong`: what shouldn't have been."""

    longest: dict[str, int] = field(default_factory=dict)
    rounds: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def compare(code: Code, rows: list[Row], stays: Iterable[Stay]) -> Findings:
    """Each stay must be a way of some row, no longer than its stretch; no loop may go round oftener than its bound."""
    # Where the arguments decide, the highest bound counts.
    bounded = [(loop.bound.rounds, loop) for row in rows for loop in row.image_loops if loop.bound is not None]
    loops = {loop.header: loop for _, loop in sorted(bounded, key=lambda one: one[0])}
    known = sorted(rows, key=lambda row: len(row.addresses))
    found = Findings()
    for stay in stays:
        executed = frozenset(stay)
        rows_of = [row for row in known if executed <= row.addresses]
        if not rows_of:
            strange = min((executed - row.addresses for row in known), key=len)
            found.wrong.append(f"no row's way: {where(code, min(strange))} is executed")
            continue
        longest = max(stretches(code, stay))
        row = rows_of[0]
        found.longest[row.name] = max(found.longest.get(row.name, 0), longest)
        if longest > max(row.stretch for row in rows_of):
            found.wrong.append(f"{row.name}: {longest} instructions, not {row.stretch}")
        for header, rounds in rounds_of(code, stay, loops).items():
            found.rounds[header] = max(found.rounds.get(header, 0), rounds)
    for header, rounds in sorted(found.rounds.items()):
        bound = loops[header].bound
        if bound is not None and rounds > bound.rounds:
            found.wrong.append(f"{where(code, header)}: {rounds} rounds, not {bound.rounds}")
    return found


def stretches(code: Code, stay: Stay) -> Iterator[int]:
    """Instructions between looks at interrupts; waiting for one is a look."""
    since = 0
    for address in stay:
        since += 1
        i = code.instruction(address)
        if i.op == "wfi" or (i.op.startswith("csr") and i.imm == SIP and i.rd != 0):
            yield since
            since = 0
    yield since


def rounds_of(code: Code, stay: Stay, loops: dict[int, ImageLoop]) -> dict[int, int]:
    """How often each loop goes back to its header without being left, at most. No function is in progress twice."""
    before: dict[int, int] = {}
    counts: dict[int, int] = {}
    most: dict[int, int] = {}
    functions: dict[int, int] = {}
    for address in stay:
        function = functions.get(address)
        if function is None:
            function = functions[address] = code.function(address)[0]
        loop = loops.get(address)
        if loop is not None:
            goes_back = before.get(function) in loop.body
            counts[address] = counts.get(address, 0) + 1 if goes_back else 0
            most[address] = max(most.get(address, 0), counts[address])
        elif address == function:
            before.pop(function, None)
        before[function] = address
    return most


def where(code: Code, address: int) -> str:
    places = [place for place in code.image.places(address) if place.line]
    line = f"{places[0].file}:{places[0].line}" if places else ""
    return f"{code.function(address)[2]} ({line or hex(address)})"
