"""`nk run --host`: the program under CPython, on a simulated machine, with the traceback that the image would give."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn

import click

from neokernel import lang
from neokernel.arch.riscv64.panic import PANIC_STATUS
from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import print_json
from neokernel.cli.program import Program, from_here, refuse
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.image.crash import Crash
from neokernel.image.traceback import Frame
from neokernel.lang.interfaces.generate import is_generated
from neokernel.lang.positions import instruction_position
from neokernel.lang.support import TARGET_MARK
from neokernel.sim.bare import run_main

#: errors that CPython has too, before anything runs: not valid Python, no `main` that takes the machine
NO_BEGINNING = {"NK0101", "NK0209"}


class OutOfTime(BaseException):
    """The time limit is over. No `Exception`, as no program may catch it."""


def run_on_host(program: Program, timeout: float | None, *, as_json: bool) -> int:
    """Run the program's main; its status, as `nk run` gives it for an image.

    What the compiler rejects is said in one line, and the program runs nevertheless: up to there, it means something.
    If it can't even begin, the compiler's words say why better than CPython's.
    """
    diagnostics, can_begin = diagnose(program)
    if not can_begin:
        refuse(diagnostics, program, as_json=as_json)
    shown = bytearray()

    def output(data: bytes) -> None:
        if as_json:
            shown.extend(data)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    crash: Crash | None = None
    timed_out = False
    try:
        with time_limit(timeout):
            main = load_main(program)
            if diagnostics and not as_json:
                click.echo(warning(diagnostics), err=True)
            status = run_main(main, output)
    except OutOfTime:
        status, timed_out = int(Exit.TIMEOUT), True
    except OSError:
        raise  # of our output: programs have no files
    except Exception as failure:
        # The program's own failure if any of it was running; else ours, or an error that the user should see as such.
        status, crash = int(PANIC_STATUS), crash_of(failure)
        if not crash.frames or isinstance(failure, ToolError):
            if diagnostics:
                refuse(diagnostics, program, as_json=as_json)
            raise
    if as_json:
        print_json(
            {
                "console": bytes(shown).decode(errors="replace"),
                "panics": [crash.as_json()] if crash is not None else [],
                "timed_out": timed_out,
                "raw_console": None,
                "diagnostics": [item.as_json() for item in from_here(diagnostics, program)],
                "exit": status,
            }
        )
        return status
    if crash is not None:
        click.echo(crash.text, err=True, nl=False)
    if timed_out:
        raise ToolError("NK1104", f"still running after {timeout:g} s; stopped")
    return status


def diagnose(program: Program) -> tuple[list[Diagnostic], bool]:
    """What the compiler finds wrong with the program; and can it begin, with a `main` that takes the machine?"""
    from neokernel.image.build import examine, is_program  # late: the compiler is big

    state, found = examine(program.root)
    return found, is_program(state) and not any(item.code in NO_BEGINNING for item in found)


def warning(diagnostics: list[Diagnostic]) -> str:
    """One line for a program that runs although it doesn't compile."""
    count = len(diagnostics)
    first = diagnostics[0]
    many = f"{count} errors, first" if count > 1 else "1 error,"
    return (
        f"this doesn't compile: {many} {first.code}: {first.message}; `nk check` shows {'them' if count > 1 else 'it'}"
    )


def load_main(program: Program) -> Callable[[Any], object]:
    """The program's `main`; its own modules are found beside it."""
    sys.path.insert(0, str(program.main.parent.resolve()))
    try:
        module = lang.load_module(program.main, program.main.stem)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ToolError("NK1002", f"{program.main} isn't valid Python: {error}", "`nk check` says more") from error
    except ImportError as error:
        raise ToolError("NK1002", f"{program.main}: {error}", "`nk check` says more") from error
    main: Any = getattr(module, "main", None)
    if not callable(main):
        raise ToolError("NK1002", f"{program.main} has no function main(machine)")
    entry: Callable[[Any], object] = main
    return entry


def crash_of(failure: BaseException) -> Crash:
    """The failure with its frames in target modules; what the simulation adds is left out.

    So is what was generated for an interface, unless it has failed itself.
    """
    found = list(target_frames(failure.__traceback__))
    frames = [frame for frame, generated in found[:-1] if not generated] + [frame for frame, _ in found[-1:]]
    position = lang.failure_position(failure)
    if frames and position is not None:
        frames[-1] = Frame(frames[-1].function, *position)
    return Crash(type(failure).__name__, str(failure), tuple(frames), cut=False)


def target_frames(trace: TracebackType | None) -> Iterator[tuple[Frame, bool]]:
    """The frames, outermost first, and of each whether nobody has written its function."""
    while trace is not None:
        code = trace.tb_frame.f_code
        position = instruction_position(code, trace.tb_lasti)
        if TARGET_MARK in trace.tb_frame.f_globals and position is not None:
            yield Frame(code.co_name, *position), is_generated(code.co_qualname)
        trace = trace.tb_next


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return

    def over(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
