"""The same commands through a container's driver in every reading, beside a model in plain Python.

A driver is a target module of `drivers/` with `run(work: Work) -> None`. Its program is compiled once for each session.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from neokernel import lang
from neokernel.compiler import ir, jit
from neokernel.compiler.pipeline import analyse_source
from tests.runtime.drivers.work import EACH, MOST, WORDS
from tests.support import machine

Command = tuple[int, int, int]
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Outcome:
    """The results of the commands that ended, and the kind and line of the check that failed."""

    results: tuple[int, ...]
    kind: str | None = None
    line: int = 0


@functools.cache
def module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.runtime.drivers.{name}")


@functools.cache
def program(name: str) -> ir.Program:
    full = f"tests.runtime.drivers.{name}"
    source = (Path(__file__).parent / "drivers" / f"{name}.py").read_text()
    analysis = analyse_source(source, full)
    assert analysis.program is not None, [f"{d.span.line}: {d.message}" for d in analysis.diagnostics]
    return analysis.program


@functools.cache
def library(name: str) -> jit.Library:
    return jit.Library(program(name), (f"tests.runtime.drivers.{name}.run",))


def words_of(commands: Sequence[Command]) -> list[int]:
    assert len(commands) <= MOST
    flat = [word for command in commands for word in command]
    return [len(commands), 0, *flat, *[0] * (WORDS - 2 - len(flat))]


def outcome_of(words: Sequence[int], kind: str | None = None, line: int = 0) -> Outcome:
    done = int(words[1])
    start = 2 + EACH * MOST
    return Outcome(tuple(int(word) for word in words[start : start + done]), kind, line)


def interpreted(name: str, commands: Sequence[Command]) -> Outcome:
    """By CPython."""
    work = module(name).Work()
    work.count = len(commands)
    for place, word in enumerate(words_of(commands)[2 : 2 + EACH * MOST]):
        work.commands[place] = word
    kind, line = None, 0
    try:
        module(name).run(work)
    except lang.CheckFailed as failed:
        position = lang.failure_position(failed)
        assert position is not None
        kind, line = failed.kind, position.line
    return outcome_of([len(commands), int(work.done), *work.commands, *work.results], kind, line)


def compiled(name: str, commands: Sequence[Command]) -> Outcome:
    """For the host."""
    area = (ctypes.c_uint64 * WORDS)(*words_of(commands))
    kind, line = None, 0
    try:
        library(name).call(f"tests.runtime.drivers.{name}.run", area)
    except jit.CheckError as failed:
        kind, line = failed.kind.value, failed.span.line
    return outcome_of(list(area), kind, line)


def emulated(name: str, many: Sequence[Sequence[Command]]) -> list[Outcome]:
    """For riscv64, on the emulated machine: many runs in one boot."""
    inputs = [struct.pack(f"<{WORDS}Q", *words_of(commands)) for commands in many]
    symbol = f"tests.runtime.drivers.{name}.run"
    found = machine.run_functions(program(name), [symbol] * len(many), WORDS * 8, inputs)
    outcomes = []
    for one in found:
        assert one.trap is None, one.trap
        kind, line = (one.failed.kind.value, one.failed.span.line) if one.failed else (None, 0)
        outcomes.append(outcome_of(struct.unpack(f"<{WORDS}Q", one.output[: WORDS * 8]), kind, line))
    return outcomes


def check(name: str, commands: Sequence[Command], expected: Sequence[int], kind: str | None = None) -> None:
    """Both readings give what the model expects, and fail at the same line."""
    by_cpython = interpreted(name, commands)
    assert by_cpython.results == tuple(expected)
    assert by_cpython.kind == kind
    assert compiled(name, commands) == by_cpython
