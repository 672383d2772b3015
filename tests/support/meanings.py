"""One program, every reading: CPython, the IR interpreter, the JIT on the host, and riscv64 on an emulated machine.

A program is a target module with `main(out: Output) -> None` (see `tests/fuzz/observations.py`). Its `Answer` in one
reading is the memory of `out` when it ended, and the check that failed, with its kind and where it stands. All readings
must give the same answer. Many programs go through each reading at once: they are compiled and booted together.

Invariant: a reading that can't tell (the interpreter has no machine) gives no answer; a reading that breaks gives an
answer with `crash`, which equals no other.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import re
import select
import signal
import struct
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from neokernel import lang
from neokernel.compiler import interpret, ir, jit
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from tests.fuzz.observations import INPUTS, KEPT, WORDS
from tests.support import machine

_T = TypeVar("_T")
READINGS = ("cpython", "interpreter", "jit", "riscv64")


@dataclass(frozen=True)
class Failure:
    """The check that failed. Lines from 1, columns in characters from 0, the end exclusive."""

    kind: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.kind} at {self.file}:{self.line}:{self.column}-{self.end_line}:{self.end_column}"


@dataclass(frozen=True)
class Answer:
    """What a program did in one reading: the words of its `Output`, and how it ended."""

    words: tuple[int, ...]
    failure: Failure | None = None
    crash: str = ""

    def __str__(self) -> str:
        count = min(self.words[0], KEPT) if self.words else 0
        seen = " ".join(f"{word:x}" for word in self.words[2 + INPUTS : 2 + INPUTS + count])
        end = self.crash or (str(self.failure) if self.failure else "ran to its end")
        return f"{end}; {self.words[0] if self.words else 0} observations: {seen}"


@dataclass(frozen=True)
class Program:
    """A target module's source, and the first words of `out.inputs`."""

    source: str
    inputs: tuple[int, ...] = ()


Answers = dict[str, dict[str, Answer]]
"""By reading, then by program."""


@dataclass(frozen=True)
class Analysed:
    """Programs that went through the front end together. `rejected` aren't part of `ir`."""

    programs: dict[str, Program]
    ir: ir.Program | None
    rejected: dict[str, list[Diagnostic]]


def analyse(programs: Mapping[str, Program]) -> Analysed:
    """Run the front end over all programs at once; leave out the ones it rejects."""
    wanted = dict(programs)
    rejected: dict[str, list[Diagnostic]] = {}
    while wanted:
        state = State(PACKAGE_ROOT, list(wanted), {name: program.source for name, program in wanted.items()})
        run_front_end(state)
        found = state.diagnostics.sorted()
        if not found:
            return Analysed(wanted, state.program, rejected)
        for diagnostic in found:
            name = diagnostic.span.file.strip("<>")
            if name not in programs:
                raise AssertionError(f"{diagnostic.span.file}:{diagnostic.span.line}: {diagnostic.message}")
            rejected.setdefault(name, []).append(diagnostic)
            wanted.pop(name, None)
    return Analysed({}, None, rejected)


# --- the readings -----------------------------------------------------------------------------------------------------


def _area(inputs: Sequence[int]) -> list[int]:
    return [0, 0, *inputs, *[0] * (WORDS - 2 - len(inputs))]


def cpython(programs: Mapping[str, Program]) -> dict[str, Answer]:
    """Import and call."""
    answers = {}
    for name, program in programs.items():
        words: tuple[int, ...] = ()
        try:
            module = lang.load_module(program.source, name)
            out = module.Output()
            for place, word in enumerate(program.inputs):
                out.inputs[place] = lang.u64(word)
            failure = None
            try:
                module.main(out)
            except lang.CheckFailed as failed:
                position = lang.failure_position(failed)
                assert position is not None
                failure = Failure(failed.kind, *position)
            words = (int(out.count), int(out.digest), *map(int, out.inputs), *map(int, out.values))
            answers[name] = Answer(words, failure)
        except Exception as error:  # noqa: BLE001 - whatever else happens is the answer
            answers[name] = Answer(words, None, f"{type(error).__name__}: {error}")
        finally:
            sys.modules.pop(name, None)
    return answers


def interpreter(analysed: Analysed) -> dict[str, Answer]:
    """Run the typed IR in Python."""
    assert analysed.ir is not None
    functions = {function.symbol: function for function in analysed.ir.functions}
    answers = {}
    for name, program in analysed.programs.items():
        area = _area(program.inputs)
        inputs, values = interpret.Cells(area[2 : 2 + INPUTS]), interpret.Cells(area[2 + INPUTS :])
        out = interpret.Object({"count": 0, "digest": 0, "inputs": inputs, "values": values})
        failure, crash = None, ""
        try:
            interpret.run(functions[f"{name}.main"], [out])
        except interpret.CheckFailed as failed:
            failure = _failure(failed.kind, failed.span)
        except interpret.NotConstant as unable:
            if "machine" in str(unable):
                continue
            crash = str(unable)
        except Exception as error:  # noqa: BLE001 - whatever else happens is the answer
            crash = f"{type(error).__name__}: {error}"
        words = (out.fields["count"], out.fields["digest"], *inputs.items, *values.items)
        answers[name] = Answer(words, failure, crash)
    return answers


def compiled(analysed: Analysed, level: int = 2, timeout: float = 600, split: bool = True) -> dict[str, Answer]:
    """Compile for the host and call, in a process of its own: wrong code may crash it or never end.

    `split`: when it dies, find out which of the programs did it.
    """
    assert analysed.ir is not None

    def run() -> dict[str, Answer]:
        assert analysed.ir is not None
        names = list(analysed.programs)
        library = jit.Library(analysed.ir, tuple(f"{name}.main" for name in names), level=level)
        answers = {}
        for name in names:
            area = (ctypes.c_uint64 * WORDS)(*_area(analysed.programs[name].inputs))
            failure = None
            try:
                library.call(f"{name}.main", area)
            except jit.CheckError as failed:
                failure = _failure(failed.kind, failed.span)
            answers[name] = Answer(tuple(area), failure)
        return answers

    try:
        return isolated(run, timeout)
    except ProcessDied as death:
        if len(analysed.programs) == 1 or not split:
            return {name: Answer((), None, str(death)) for name in analysed.programs}
        halves = _halves(analysed)
        return {name: answer for half in halves for name, answer in compiled(half, level, timeout / 2).items()}


def riscv64(analysed: Analysed, level: Literal[0, 1, 2, 3] = 2, timeout: float = 600) -> dict[str, Answer]:
    """Compile for riscv64 and call in the emulated machine."""
    assert analysed.ir is not None
    names = list(analysed.programs)
    symbols = [f"{name}.main" for name in names]
    inputs = [struct.pack(f"<{WORDS}Q", *_area(program.inputs)) for program in analysed.programs.values()]
    try:
        outcomes = machine.run_functions(
            analysed.ir, symbols, WORDS * 8, inputs, level=level, debug=False, timeout=timeout
        )
    except Exception as error:  # noqa: BLE001 - the machine, the linker or the emitter gave up
        if len(names) == 1:
            return {names[0]: Answer((), None, f"{type(error).__name__}: {error}")}
        halves = _halves(analysed)
        return {name: answer for half in halves for name, answer in riscv64(half, level, timeout / 2).items()}
    answers = {}
    for name, outcome in zip(names, outcomes, strict=True):
        failure = None if outcome.failed is None else _failure(outcome.failed.kind, outcome.failed.span)
        answers[name] = Answer(struct.unpack_from(f"<{WORDS}Q", outcome.output), failure, outcome.trap or "")
    return answers


def _failure(kind: ir.Kind, span: ir.Span) -> Failure:
    return Failure(kind.value, span.file, span.line, span.column, span.end_line, span.end_column)


def _halves(analysed: Analysed) -> list[Analysed]:
    """The same IR would hold the other half's mistake: each half goes through the front end again."""
    items = list(analysed.programs.items())
    middle = len(items) // 2
    return [analyse(dict(part)) for part in (items[:middle], items[middle:])]


def answers(analysed: Analysed, readings: Sequence[str] = READINGS) -> Answers:
    """What the programs do in the given readings."""
    run: dict[str, Callable[[], dict[str, Answer]]] = {
        "cpython": lambda: cpython(analysed.programs),
        "interpreter": lambda: interpreter(analysed),
        "jit": lambda: compiled(analysed),
        "riscv64": lambda: riscv64(analysed),
    }
    if analysed.ir is None:
        return {reading: {} for reading in readings}
    return {reading: run[reading]() for reading in readings}


def differences(found: Answers) -> list[str]:
    """The programs that don't mean the same in all readings that tell."""
    names = dict.fromkeys(name for told in found.values() for name in told)
    different = []
    for name in names:
        told = [by_name[name] for by_name in found.values() if name in by_name]
        if any(answer != told[0] or answer.crash for answer in told):
            different.append(name)
    return different


def readings_here() -> tuple[str, ...]:
    """All readings that this host can do."""
    return READINGS if machine.QEMU is not None else READINGS[:-1]


# --- a process that may die -------------------------------------------------------------------------------------------


class ProcessDied(Exception):
    """The child ended without an answer."""


def isolated(work: Callable[[], _T], timeout: float) -> _T:
    """`work()` in a fork of this process. Raises ProcessDied when that crashes, fails or takes too long."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        _work_in_child(work, reading, writing)
    os.close(writing)
    data, deadline = b"", time.monotonic() + timeout
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = pipe.read(1 << 16)
            if not part:
                break
            data += part
        else:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        raise ProcessDied(f"no end after {timeout} s" if number == signal.SIGKILL else signal.Signals(number).name)
    if not data:
        raise ProcessDied(f"exit code {os.waitstatus_to_exitcode(status)}")
    succeeded, result = pickle.loads(data)
    if not succeeded:
        raise ProcessDied(result)
    answer: _T = result
    return answer


def _work_in_child(work: Callable[[], Any], reading: int, writing: int) -> None:
    status = 1
    try:
        os.close(reading)
        faulthandler.disable()  # a crash is an answer; nobody wants its stack
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what LLVM or a crash would say
        result: tuple[bool, Any]
        try:
            result = (True, work())
        except BaseException as error:  # noqa: BLE001 - nothing may leave the child
            result = (False, f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        status = 0
    finally:
        os._exit(status)


# --- tests written once -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A test in the language: `main` (or the body of one), with asserts; ⟦…⟧ marks the expression whose check fails.

    `kind`: how it fails; None for a test that runs to its end.
    """

    name: str
    program: Program
    kind: str | None = None
    span: tuple[int, int, int, int] | None = None


def case(name: str, text: str, kind: str | None = None, inputs: tuple[int, ...] = ()) -> Case:
    """A case from its text; what it names of the vocabulary is imported for it, on its first line."""
    text = textwrap.dedent(text).strip("\n") + "\n"
    if not re.search(r"^def main\(", text, re.MULTILINE):
        text = "def main(out: Output) -> None:\n" + textwrap.indent(text, "    ")
    plain = text.replace("⟦", "").replace("⟧", "")
    words = [word for word in sorted(lang.__all__) if re.search(rf"\b{word}\b", plain)]
    header = (
        "from enum import Enum; from typing import Generic, NoReturn, Protocol, TypeVar, assert_never; "
        f"from neokernel.lang import {', '.join(words or ['u8'])}; from tests.fuzz.observations import Output\n"
    )
    span = None
    if "⟦" in text:
        before, _, rest = (header + text).partition("⟦")
        inside, _, _ = rest.partition("⟧")
        start, end = before.split("\n"), (before + inside).split("\n")
        span = (len(start), len(start[-1]), len(end), len(end[-1]))
    return Case(name, Program(header + plain, inputs), kind, span)


Told = dict[str, Answer] | list[Diagnostic]
"""The answers to one program by reading, or why the front end rejects it."""


def ask(cases: Sequence[Case], readings: Sequence[str] | None = None) -> dict[str, Told]:
    """For each case, its answers by reading, or why the front end rejects it."""
    analysed = analyse({case.name: case.program for case in cases})
    found = answers(analysed, readings_here() if readings is None else readings)
    told: dict[str, Told] = dict(analysed.rejected)
    for name in analysed.programs:
        told[name] = {reading: by_name[name] for reading, by_name in found.items() if name in by_name}
    return told


def check(of: Case, told: Told) -> None:
    """Assert that all readings gave the answer that the case wants, and the same one."""
    if isinstance(told, list):
        raise AssertionError("; ".join(f"{d.code} line {d.span.line}: {d.message}" for d in told))
    for reading, answer in told.items():
        assert not answer.crash, f"{reading}: {answer}"
        if of.kind is None:
            assert answer.failure is None, f"{reading}: {answer}"
        else:
            assert answer.failure is not None, f"{reading}: {answer}"
            assert answer.failure.kind == of.kind, f"{reading}: {answer}"
            if of.span is not None:
                where = answer.failure
                assert (where.line, where.column, where.end_line, where.end_column) == of.span, f"{reading}: {answer}"
    assert len(set(told.values())) == 1, "\n".join(f"{reading}: {answer}" for reading, answer in told.items())


def words_written(text: str) -> tuple[int, ...]:
    """The words of an `Output` to which a text was written, and nothing else (see `Output.put`)."""
    digest, mask = 0, (1 << 64) - 1
    for byte in text.encode():
        digest = ((((digest << 5) | (digest >> 59)) & mask) ^ byte) + 0x9E3779B97F4A7C15 & mask
    kept = text.encode()[:KEPT].ljust(KEPT, b"\0")
    return (len(text.encode()), digest, *[0] * INPUTS, *kept)


def lines(found: Mapping[str, Answer]) -> Iterator[str]:
    """The answers to one program, for people."""
    for reading, answer in found.items():
        yield f"{reading:>12}: {answer}"
