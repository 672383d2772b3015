"""Samples of a running machine: where its processor is, again and again, with the calls that led there.

The machine isn't asked: QEMU stops it for a moment, and its registers and some of its stack are read. Its clock stands
meanwhile. Moments are random, so that they don't go in step with what a machine does at regular times.

QEMU stops a processor only where a run of instructions without a branch ends. Alone, that would give each run's time to
the next one. So from the first stop the machine goes on for a moment in which it can be stopped between any two
instructions, and that second stop says which line; the first one says who runs, as that moment is a slow one. Where
somebody else runs by then, the line is that of another sample of the same thread, taken at random (`settled`).

Invariant: a sample counts once, whatever becomes of its stack: what can't be unwound keeps its innermost frames.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from neokernel.cli.outside import SYSTEM_CALL, USER_CALL, Seen
from neokernel.image.crash import frames_at
from neokernel.image.elf import BadImage, Image
from neokernel.image.memory import DIRECT, RAM, USER_END, Kernel, NoSystem
from neokernel.image.panic import PanicRecord
from neokernel.image.qmp import Monitor
from neokernel.image.traceback import Frame, openable
from neokernel.image.unwind import walk

#: seconds that the machine goes on for instruction by instruction, at least and at most: some thousand instructions
SLOWLY = (0.0002, 0.0006)
#: how often that is done anew while nothing has changed: a busy host may not have let the processor go on at all
MOST_WAITS = 20
#: bytes of a stack, from its lowest used one on, that are kept of a sample
MOST_STACK = 16384
#: of the kernel's
MOST_KERNEL_STACK = 8192
PAGE = 4096
#: physical addresses of the firmware, where no program of ours has anything
FIRMWARE_END = RAM + (2 << 20)
#: the instruction `wfi`
WAIT = b"\x73\0\x50\x10"
#: the kernel's ways in: nothing of it has been executed there
ENTRIES = ("nk_trap", "nk_trap_recorded", "nk_trap_foreign")


class Mode(Enum):
    """What the processor is in. `FIRMWARE` is below the kernel. `IDLE`: the kernel waits for an interrupt."""

    USER = 0
    KERNEL = 1
    FIRMWARE = 2
    IDLE = 3


@dataclass(frozen=True)
class Sample:
    """`thread`: identifier, 0 for none. `user`, `kernel`: registers (pc, x1, …), none where unknown, or not in use."""

    mode: Mode
    thread: int
    space: int = 0
    user: tuple[int, ...] = ()
    stack: dict[int, int] = field(default_factory=dict)
    kernel: tuple[int, ...] = ()
    kernel_stack: dict[int, int] = field(default_factory=dict)
    #: it is known between which two instructions; else only which run of them was next
    settled: bool = False


class Live:
    """The machine's memory as it is now: what is read of it is read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.file).st_size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, wanted: slice) -> bytes:
        start, stop, _ = wanted.indices(self.size)
        return os.pread(self.file, stop - start, start)

    def close(self) -> None:
        os.close(self.file)


@dataclass
class Sampler:
    """`kernel` reads a machine's memory as it is now."""

    monitor: Monitor
    kernel: Kernel
    #: can it be stopped between any two instructions?
    exact: bool = True
    is_slow: bool = False

    def take(self, count: int, mean: float) -> Iterator[Sample]:
        """`count` samples, `mean` seconds apart on average; the machine goes on afterwards, as fast as before."""
        choose = random.Random()  # noqa: S311 - moments, not secrets
        self.slow(on=False)  # somebody may have been killed who had it so
        for _ in range(count):
            time.sleep(choose.uniform(0, 2 * mean))
            yield self.sample(choose.uniform(*SLOWLY))

    def sample(self, slowly: float) -> Sample:
        try:
            with self.monitor.stopped():
                first = self.look()
                if not first.thread or not self.slow(on=True):
                    return first
            second = first
            for number in range(MOST_WAITS):
                time.sleep(slowly)
                with self.monitor.stopped():
                    second = self.look()
                    if second != first or number == MOST_WAITS - 1:
                        self.slow(on=False)
                        break
        finally:
            if self.is_slow:
                self.slow(on=False)
        return replace(second, settled=True) if second.thread == first.thread and second != first else first

    def slow(self, *, on: bool) -> bool:
        """Instruction by instruction, or not any more. False: this QEMU can't."""
        self.is_slow = on
        self.exact = self.monitor.single_instructions(on)
        return self.exact

    # --- one moment ---------------------------------------------------------------------------------------------------

    def look(self) -> Sample:
        """The machine stands still."""
        found = self.monitor.registers()
        pc = found["pc"]
        words = (pc, *(found.get(f"x{number}", 0) for number in range(1, 32)))
        address = self.kernel.get("Hart", "current", self.kernel.hart)
        thread = self.kernel.get("Thread", "identifier", address) if address else 0
        space = self.kernel.get("Thread", "space", address) if address else 0
        if pc in self.entries and address:
            # An interrupt, which QEMU may have held back until now: the thread was there until this very moment.
            pc, words = found.get("sepc", 0), (found.get("sepc", 0), *words[1:])
        if RAM <= pc < FIRMWARE_END:
            return Sample(Mode.FIRMWARE, thread, space)
        if pc < USER_END:
            return Sample(Mode.USER, thread, space, words, self.stack(space, words[2]))
        if not address and WAIT in (self.instruction(pc), self.instruction(pc - 4)):
            return Sample(Mode.IDLE, 0)
        user = self.called_from(address, space, found.get("sepc", 0)) if address else ()
        return Sample(
            Mode.KERNEL,
            thread,
            space,
            user,
            self.stack(space, user[2]) if user else {},
            words,
            self.kernel_stack(words[2]),
        )

    @cached_property
    def entries(self) -> set[int]:
        return {self.kernel.image.symbols.get(name, -1) for name in ENTRIES}

    def instruction(self, address: int) -> bytes:
        """Of the kernel's code."""
        try:
            return self.kernel.at(self.kernel.physical(address), 4)
        except NoSystem:
            return b""

    def called_from(self, thread: int, space: int, counter: int) -> tuple[int, ...]:
        """Registers with which the thread has come into the kernel; none if that can't be told."""
        kernel = self.kernel
        place = kernel.layouts.field("Thread", "registers").offset
        words = [int.from_bytes(each, "little") for each in pieces(kernel.at(kernel.physical(thread + place), 256))]
        if words[0] == counter or kernel.get("Thread", "registers.full", thread):
            return tuple(words)
        # A system call: it keeps s0 to s11 in the processor, and ra isn't kept. Unwinding needs `sp` alone.
        kept = (words[2], *(0,) * 29)
        for pc in (counter, words[0] - 4):
            if kernel.read(space, pc, 4) == SYSTEM_CALL:
                return (pc, 0, *kept)
        return ()

    def stack(self, space: int, pointer: int) -> dict[int, int]:
        """Words from the stack pointer on, as far as they are mapped."""
        found: dict[int, int] = {}
        place, end = pointer & ~7, pointer + MOST_STACK
        while place < end:
            count = min(PAGE - place % PAGE, end - place)
            data = self.kernel.read(space, place, count) if 0 <= place < USER_END else None
            if data is None:
                break
            found.update(zip(range(place, place + count, 8), map(word, pieces(data)), strict=False))
            place += count
        return found

    def kernel_stack(self, pointer: int) -> dict[int, int]:
        top = self.kernel.image.symbols.get("nk_stack_top", 0)
        if not DIRECT <= pointer < top or pointer % 8:
            return {}
        try:
            size = min(top - pointer, MOST_KERNEL_STACK)
            data = self.kernel.at(self.kernel.physical(pointer), size)
        except NoSystem:
            return {}
        return dict(zip(range(pointer, pointer + size, 8), map(word, pieces(data)), strict=False))


def settled(samples: list[Sample]) -> list[Sample]:
    """Instead of each sample whose line isn't known, another one of its thread, if there is any whose line is."""
    choose = random.Random()  # noqa: S311 - samples, not secrets
    known: dict[int, list[Sample]] = {}
    for each in samples:
        if each.settled:
            known.setdefault(each.thread, []).append(each)
    return [each if each.settled or each.thread not in known else choose.choice(known[each.thread]) for each in samples]


def pieces(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 8] for place in range(0, len(data) - 7, 8))


def word(data: bytes) -> int:
    return int.from_bytes(data, "little")


@contextmanager
def live(memory: Path) -> Iterator[Live]:
    found = Live(memory)
    try:
        yield found
    finally:
        found.close()


# --- what samples mean ------------------------------------------------------------------------------------------------


@dataclass
class Reader:
    """Makes frames of samples: each place in a program is looked up once."""

    seen: Seen
    _places: dict[tuple[str, int, bool], tuple[Frame, ...]] = field(default_factory=dict)
    _programs: dict[str, Image | None] = field(default_factory=dict)

    def program(self, space: int) -> Image | None:
        from neokernel.image.kernel import named_program

        name = self.seen.programs.get(space)
        if name is None:
            return None
        if name not in self._programs:
            self._programs[name] = named_program(self.seen.kernel.image, name)
        return self._programs[name]

    def user_frames(self, sample: Sample) -> tuple[Frame, ...]:
        """Outermost call first; of a program that isn't known, none."""
        program = self.program(sample.space) if sample.user else None
        return () if program is None else self.frames(program, sample.user, sample.stack)

    def kernel_frames(self, sample: Sample) -> tuple[Frame, ...]:
        return self.frames(self.seen.kernel.image, sample.kernel, sample.kernel_stack)

    def frames(self, image: Image, registers: tuple[int, ...], stack: dict[int, int]) -> tuple[Frame, ...]:
        pc, *others = registers
        try:
            addresses = walk(image, PanicRecord(USER_CALL, pc, 0, (0, *others), stack)).addresses
        except BadImage:
            addresses = (pc,)
        found: list[Frame] = []
        for address in reversed(addresses):
            found += self.places(image, address, innermost=address == addresses[0])
        return tuple(found)

    def places(self, image: Image, address: int, *, innermost: bool) -> tuple[Frame, ...]:
        key = (str(image.path), address, innermost)
        known = self._places.get(key)
        if known is None:
            try:
                frames = frames_at(image, address, innermost=innermost)
            except BadImage:
                frames = []
            roots = self.seen.known.roots
            # What is assembly has no line.
            known = tuple(Frame(e.function, openable(e.file, roots) if e.line else "", e.line) for e in frames)
            self._places[key] = known
        return known
