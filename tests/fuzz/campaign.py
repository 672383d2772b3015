"""A campaign: generated programs, by seeds, through all readings, in batches; what it found is kept in a file.

Invariant: the state file is whole after every batch, so that a campaign that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz import coverage
from tests.fuzz.generate import Generated, generate
from tests.fuzz.shrink import shrink
from tests.support import meanings
from tests.support.meanings import Program

Say = Callable[[str], None]
#: what makes the program of a seed
Make = Callable[[int], Generated]


@dataclass
class State:
    """Seeds from `first` up to `next` are done, `count` are wanted."""

    first: int
    count: int
    next: int
    readings: list[str]
    finished: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, list[int]] = field(default_factory=dict)
    different: list[int] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    seen: Counter[coverage.Entry] = field(default_factory=Counter)

    def save(self, path: Path) -> None:
        data = vars(self) | {"seen": [[*entry, number] for entry, number in sorted(self.seen.items())]}
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(data, indent=1))
        fresh.replace(path)

    @staticmethod
    def load(path: Path) -> State:
        data = json.loads(path.read_text())
        seen = Counter({(operation, of, end): number for operation, of, end, number in data.pop("seen")})
        data |= {"failed": Counter(data["failed"]), "answers": Counter(data["answers"])}
        return State(**data, seen=seen)

    def merge(self, other: State) -> None:
        """Add the results of another campaign."""
        self.count += other.count
        self.next += other.next - other.first
        self.finished += other.finished
        self.failed += other.failed
        self.different += other.different
        self.answers += other.answers
        self.seconds += other.seconds
        self.seen += other.seen
        for code, seeds in other.rejected.items():
            self.rejected.setdefault(code, []).extend(seeds)

    def summary(self) -> str:
        failed = sum(self.failed.values())
        kinds = ", ".join(f"{kind} {number}" for kind, number in self.failed.most_common())
        told = ", ".join(f"{reading} {number}" for reading, number in sorted(self.answers.items()))
        rejected = ", ".join(f"{code} {len(seeds)} (as {seeds[0]})" for code, seeds in sorted(self.rejected.items()))
        done = self.next - self.first
        return "\n".join(
            [
                f"programs: {done}, of which {self.finished} ran to their end and {failed} failed a check",
                f"checks that failed: {kinds or 'none'}",
                f"answers: {told}",
                f"rejected by the front end: {rejected or 'none'}",
                f"different: {len(self.different)}{' ' + str(self.different) if self.different else ''}",
                f"time: {self.seconds:.0f} s, {1000 * self.seconds / max(done, 1):.0f} ms a program",
            ]
        )


def name_of(seed: int) -> str:
    return f"program_{seed}"


def run_batch(state: State, seeds: Sequence[int], make: Make = generate) -> list[Generated]:
    """Run programs in all readings and count; the ones that differ."""
    generated = {name_of(seed): make(seed) for seed in seeds}
    analysed = meanings.analyse({name: Program(g.source, g.inputs) for name, g in generated.items()})
    with coverage.counting(state.seen):
        found = meanings.answers(analysed, state.readings)
    for name, diagnostics in analysed.rejected.items():
        state.rejected.setdefault(diagnostics[0].code, []).append(generated[name].seed)
    for reading, told in found.items():
        state.answers[reading] += len(told)
    told = found["cpython"] if "cpython" in found else next(iter(found.values()))
    if "interpreter" in found and analysed.ir is not None:
        coverage.count_machine(state.seen, analysed, told, set(told) - set(found["interpreter"]))
    for answer in told.values():
        if answer.failure is None:
            state.finished += 1
        else:
            state.failed[answer.failure.kind] += 1
    different = [generated[name] for name in meanings.differences(found)]
    state.different += [g.seed for g in different]
    return different


def explain(of: Generated, readings: Sequence[str], seconds: float) -> str:
    """A program that differs, made small, with the answers to it."""

    def ask(source: str) -> meanings.Answers | None:
        analysed = meanings.analyse({"program": Program(source, of.inputs)})
        return None if analysed.rejected else meanings.answers(analysed, wanted)

    def differs(source: str) -> bool:
        found = ask(source)
        return found is not None and bool(meanings.differences(found))

    wanted: Sequence[str] = readings
    if "riscv64" in readings:  # it is slow to ask, and rarely alone in its mistake
        wanted = [reading for reading in readings if reading != "riscv64"]
        wanted = wanted if differs(of.source) else readings
    small = shrink(of.source, differs, seconds)
    wanted = readings
    found = ask(small) or {}
    told = {reading: by_name["program"] for reading, by_name in found.items() if "program" in by_name}
    return "\n".join([f"seed {of.seed}, inputs {of.inputs}", small, *meanings.lines(told)])


def run(
    state: State,
    path: Path | None,
    say: Say,
    *,
    batch: int = 100,
    seconds: float | None = None,
    effort: float = 60,
    make: Make = generate,
) -> State:
    """Go on until all programs are done, or the time is up. `effort`: seconds to make a program small."""
    started = time.monotonic()
    while state.next < state.first + state.count:
        begun = time.monotonic()
        if seconds is not None and begun - started > seconds:
            break
        stop = min(state.next + batch, state.first + state.count)
        different = run_batch(state, range(state.next, stop), make)
        state.next = stop
        state.seconds += time.monotonic() - begun
        for found in different:
            text = explain(found, state.readings, effort)
            say(text)
            if path is not None:
                path.with_name(f"{path.stem}-{found.seed}.txt").write_text(text + "\n")
        if path is not None:
            state.save(path)
        say(f"{state.next - state.first} of {state.count}, {len(state.different)} different")
    return state
