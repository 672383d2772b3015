"""The attack on the kernel, compiled for the host: machines are made, attacked for a while, and given up.

Everything that decides is in target modules (`attack.py` and what it imports); this reserves the memory, counts, and
shrinks what was found.

Invariant: a machine depends on its seed alone, so any finding can be had again.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import json
import mmap
import time
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from neokernel.arch import cpu
from neokernel.compiler import ir, jit
from neokernel.compiler.layout import Layout
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.compiler.types import RefType, StructType, Type
from tests.fuzz_kernel.state import ARGUMENTS, POOL, POOL_SIZE, RAM, ROWS, SEEN, STATUSES

MODULE = "tests.fuzz_kernel.attack"
#: steps of a machine
LENGTH = 4000
#: seconds for a machine
PATIENCE = 60
#: what memory holds before anything was made of it
DIRT = 0xDB
#: numbers of a step that are kept for a report
STEP_WORDS = 12
#: mmap: private, anonymous, never over another mapping
FIXED = 0x02 | 0x20 | 0x10_0000

#: entries of the table of outcomes
OUTCOMES = ROWS * 2 * STATUSES * ARGUMENTS
#: calls between two times that a campaign's state is kept
SAVED_EVERY = 1_000_000

Outcomes = dict[tuple[int, int, int, bool], int]


def reserve() -> None:
    """Host memory where the kernel's model has physical memory; once for a process."""
    if _RESERVED:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    start, size = cpu.DIRECT + RAM, int(POOL + POOL_SIZE - RAM)
    found = libc.mmap(start, size, mmap.PROT_READ | mmap.PROT_WRITE, FIXED, -1, 0)
    if found != start:
        raise OSError(ctypes.get_errno(), f"no memory at {start:#x} for the machine under attack")
    _RESERVED.add(start)


_RESERVED: set[int] = set()


@dataclass(frozen=True)
class Step:
    """An entry into the kernel, as `attack.note` keeps it."""

    number: int
    thread: int
    row: int
    arguments: tuple[int, ...]
    time: int


class Found(Exception):
    """Something doesn't hold. `seed` and `steps` say how to have it again."""

    def __init__(self, what: str, seed: int, number: int, last: list[Step]) -> None:
        super().__init__(what)
        self.what = what
        self.seed = seed
        self.number = number
        self.last = last
        #: steps that it needs, if it was shrunk
        self.needed: list[int] | None = None


def by_row(counts: dict[int, int]) -> Outcomes:
    """How often which row ended how: (row, status, argument, after a wait)."""
    found: Outcomes = {}
    for index, number in counts.items():
        row, column = divmod(index, 2 * STATUSES * ARGUMENTS)
        later, rest = divmod(column, STATUSES * ARGUMENTS)
        found[row, rest // ARGUMENTS, rest % ARGUMENTS, bool(later)] = number
    return found


def offset_in(of: StructType, name: str) -> int:
    return Layout().offset(of, name)


class Memory:
    """A `state.Fuzz` in memory, as the compiled program has it."""

    def __init__(self, of: StructType) -> None:
        self._layout, self._struct = Layout(), of
        self.words = (ctypes.c_uint64 * (self._layout.size(of) // 8 + 1))()
        self.bytes = memoryview(self.words).cast("B")

    def place(self, name: str) -> int:
        return self._layout.offset(self._struct, name)

    def get(self, name: str) -> int:
        return int(self.words[self.place(name) // 8])

    def set(self, name: str, number: int) -> None:
        self.words[self.place(name) // 8] = number

    def array(self, name: str, length: int) -> list[int]:
        start = self.place(name) // 8
        return list(self.words[start : start + length])

    def fill(self, name: str, length: int, numbers: dict[int, int]) -> None:
        """Set an array: these elements, by their indices; the others are 0."""
        start = self.place(name) // 8
        for index in range(length):
            self.words[start + index] = numbers.get(index, 0)


def analyse(overlay: dict[str, str] | None = None) -> tuple[ir.Program, StructType]:
    """The program of the attack, and its `Fuzz`. `overlay`: other sources for some modules."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE], overlay or {}))
    wrong = state.diagnostics.sorted()
    assert state.program is not None and not wrong, wrong
    once = next(function for function in state.program.functions if function.symbol == f"{MODULE}.episode")
    of: Type = once.parameters[0].type
    assert isinstance(of, RefType)
    assert isinstance(of.target, StructType)
    return state.program, of.target


@functools.cache
def usual() -> tuple[ir.Program, StructType]:
    """The same of the sources as they are."""
    return analyse()


@dataclass
class Tally:
    """What a campaign has done: machines from `seed` on, of `length` steps."""

    seed: int
    length: int
    machines: int = 0
    steps: int = 0
    calls: int = 0
    successes: int = 0
    fast: int = 0
    #: machines in which nobody could run any more
    deaths: int = 0
    seconds: float = 0


class Attack:
    """The compiled attack. `deep_every`: how many steps pass between two looks at every byte."""

    def __init__(self, overlay: dict[str, str] | None = None, deep_every: int = 64) -> None:
        reserve()
        program, of = analyse(overlay) if overlay else usual()
        self.memory = Memory(of)
        self.memory.set("deep_every", deep_every)
        self._library = jit.Library(program, (f"{MODULE}.episode",), keep=True)
        #: the seed of the machine under attack; after a fork, the parent sees it too
        self.current = mmap.mmap(-1, 8)

    def machine(self, seed: int, length: int = LENGTH, skipped: frozenset[int] = frozenset()) -> None:
        """Make a machine and attack it `length` times, but for steps that are skipped. Raises Found."""
        ctypes.memset(cpu.DIRECT + RAM, 0, int(POOL - RAM))
        ctypes.memset(cpu.DIRECT + int(POOL), DIRT, int(POOL_SIZE))
        self.current[:] = seed.to_bytes(8, "little")
        start = self.memory.place("skipped")
        self.memory.bytes[start : start + length] = bytes(number in skipped for number in range(length))
        start = self.memory.place("ring")
        self.memory.bytes[start : start + 8 * SEEN * STEP_WORDS] = bytes(8 * SEEN * STEP_WORDS)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            self._library.call(f"{MODULE}.episode", self.memory.words, seed, length)
        except jit.CheckError as failed:
            raise Found(str(failed), seed, self.memory.get("number"), self.last()) from failed
        finally:
            faulthandler.cancel_dump_traceback_later()

    def last(self) -> list[Step]:
        """The latest steps, in order."""
        words = self.memory.array("ring", SEEN * STEP_WORDS)
        found = []
        for index in range(SEEN):
            number, thread, row, *arguments, when = words[index * STEP_WORDS : (index + 1) * STEP_WORDS]
            found.append(Step(number, thread, row, tuple(arguments), when))
        return sorted((step for step in found if step.number), key=lambda step: step.number)

    def counts(self) -> dict[int, int]:
        """What isn't 0 in the table of outcomes, by its place."""
        words = self.memory.array("outcomes", OUTCOMES)
        return {index: number for index, number in enumerate(words) if number}

    def outcomes(self) -> Outcomes:
        return by_row(self.counts())

    def shrink(self, found: Found, seconds: float = 60) -> None:
        """Leave out steps as long as the same check fails: `found.needed` are those that are left."""
        until = time.monotonic() + seconds
        length = found.number
        kept = list(range(length))
        chunk = max(1, length // 2)
        while chunk and time.monotonic() < until:
            at = 0
            while at < len(kept) and time.monotonic() < until:
                tried = kept[:at] + kept[at + chunk :]
                if self.fails_alike(found, tried):
                    kept = tried
                else:
                    at += chunk
            chunk //= 2
        found.needed = kept
        # The report shows those steps.
        if self.fails_alike(found, kept):
            found.last = self.last()

    def fails_alike(self, found: Found, kept: list[int]) -> bool:
        length = found.number
        try:
            self.machine(found.seed, length, frozenset(range(length)) - frozenset(kept))
        except Found as again:
            return again.what == found.what
        return False


def campaign(attack: Attack, calls: int, seed: int, length: int = LENGTH, state: Path | None = None) -> Tally:
    """Machine after machine, until so many calls were made. Raises Found. `state`: where it goes on later."""
    tally = Tally(seed, length)
    attack.memory.fill("outcomes", OUTCOMES, {})
    if state is not None and state.exists():
        tally = load(state, attack, tally)
    while tally.calls < calls:
        more = calls - tally.calls
        proceed(attack, tally, more if state is None else min(more, SAVED_EVERY))
        if state is not None:
            save(state, attack, tally)
    return tally


def proceed(attack: Attack, tally: Tally, calls: int) -> None:
    """So many calls more."""
    memory = attack.memory
    for name in ("calls", "successes", "deaths", "fast"):
        memory.set(name, 0)
    began = time.monotonic()
    while memory.get("calls") < calls:
        attack.machine(tally.seed + tally.machines, tally.length)
        tally.machines += 1
        tally.steps += memory.get("number")
    tally.calls += memory.get("calls")
    tally.successes += memory.get("successes")
    tally.deaths += memory.get("deaths")
    tally.fast += memory.get("fast")
    tally.seconds += time.monotonic() - began


def save(state: Path, attack: Attack, tally: Tally) -> None:
    """Keep what was counted, so that the campaign can go on."""
    unfinished = state.with_suffix(".new")
    unfinished.write_text(json.dumps({"tally": asdict(tally), "outcomes": attack.counts()}))
    unfinished.replace(state)


def read(state: Path) -> tuple[Tally, dict[int, int]]:
    """What was counted, and the table of outcomes. Raises ValueError if it isn't that."""
    try:
        kept = json.loads(state.read_text())
        return Tally(**kept["tally"]), {int(index): int(number) for index, number in kept["outcomes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as failed:
        raise ValueError(f"{state}: not the state of a campaign; delete it, or name another file") from failed


def load(state: Path, attack: Attack, begun: Tally) -> Tally:
    """Go on with what was counted before. Raises ValueError if that was another campaign."""
    tally, counts = read(state)
    if (tally.seed, tally.length) != (begun.seed, begun.length):
        begins = f"a campaign from seed {tally.seed} on, {tally.length} steps a machine"
        raise ValueError(f"{state}: {begins}; name another file, or go on with that one")
    attack.memory.fill("outcomes", OUTCOMES, counts)
    return tally


def together(states: list[Path]) -> tuple[Tally, Outcomes]:
    """Several campaigns as one; the time is that of all."""
    whole, counts = Tally(0, 0), Counter[int]()
    for state in states:
        tally, numbers = read(state)
        counts.update(numbers)
        for field in fields(Tally):
            setattr(whole, field.name, getattr(whole, field.name) + getattr(tally, field.name))
    return whole, by_row(counts)
