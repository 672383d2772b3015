"""User programs: which ones a system has, and each one's ELF file.

A module is a program if it has `def main(process: Process)`. A folder's `main.py` is the root program, which the kernel
starts; each other module beside it that is a program is one of the system, called like its file. Target modules without
a `main` are libraries; one whose `main` takes something else is an error, as it would be missing in silence. A
program's further threads begin in its `def thread(process: Process, argument: u64)`.

The build adds the functions that the machine enters: `_start` and `nk_thread_start`; the symbol `nk_floats`, 1 if the
program computes with floats; and the section that says what the program needs (`needs.py`).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neokernel.compiler import stack, toolchain
from neokernel.compiler.declare import FunctionDecl, Scope
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.digest import reachable
from neokernel.compiler.layout import Layout
from neokernel.compiler.pipeline import State, export, make_objects, run_front_end, state_of, target_of
from neokernel.compiler.resolve import reject
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.compiler.types import NEVER, NONE
from neokernel.image.checks import Sources, sources_in, write_check_table
from neokernel.image.needs import Habits, Tasks, needs_of, section_of
from neokernel.image.notes import Made, note_of, remember, remembered
from neokernel.lang import is_target_source

PROCESS = "neokernel.runtime.process"
#: what gives a program the memory that outlives it
STATE = f"{PROCESS}.Process.state"
READY = f"{PROCESS}.Process.ready"
TRACING = "neokernel.runtime.tracing"
#: the functions that LLVM expects to find: of programs, and of the kernel and the first stage
MEMORY = ("neokernel.arch.riscv64.memory", "neokernel.arch.riscv64.copy_any")
MEMORY_BELOW = ("neokernel.arch.riscv64.memory", "neokernel.arch.riscv64.copy_aligned")
ENTRY = "neokernel.entry"
LINK_SCRIPT = PACKAGE_ROOT / "boards" / "program.ld"

START, THREAD_START = "_start", "nk_thread_start"
FLOATS = "floats"
HELP = (
    "write `def main(process: Process) -> None:`, and `def thread(process: Process, argument: u64) -> None:` for its "
    f"other threads, with `from {PROCESS} import Process`"
)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What was built, or the diagnostics that prevented it."""

    image: Path
    diagnostics: list[Diagnostic] = field(default_factory=list)


# --- which programs there are -----------------------------------------------------------------------------------------


def main_takes(path: Path) -> str | None:
    """What the type of the first parameter of the module's `main` is called; None without a `main`."""
    main = _functions(path).get("main")
    return None if main is None else _type_name(main)


def takes_process(path: Path) -> bool:
    """Is the module a user program? One that can't be read is none: whoever compiles it says why."""
    return main_takes(path) == "Process"


def programs_of(root: Path) -> list[Path]:
    """A system's programs, the root program first, then by their names. `root`: a folder with `main.py`, or a file.

    Those are among them whose `main` can't be started: who builds or examines them says so.
    """
    main = root / "main.py"
    if not root.is_dir() or not takes_process(main):
        return [main if root.is_dir() else root]
    return [main, *(path for path in sorted(root.glob("*.py")) if path != main and is_meant(path))]


def is_meant(path: Path) -> bool:
    """Is the module a program, or a target module with a `main` that says it would be one?"""
    takes = main_takes(path)
    return takes == "Process" or (takes is not None and is_target_source(path.read_bytes()))


def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about it is the compiler's to say
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _type_name(function: ast.FunctionDef) -> str:
    """What the type of the function's first parameter is called, whatever module it is taken from."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    annotation = parameters[0].annotation if parameters else None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.rpartition(".")[2]
    return ast.unparse(annotation).rpartition(".")[2] if annotation is not None else ""


# --- building one -----------------------------------------------------------------------------------------------------


def build_program(
    path: Path, output: Path, *, checks: bool = True, release: bool = True, traced: bool = False
) -> BuildResult:
    """Compile and link the user program in the file `path`. `traced`: it starts a trace before its `main`."""
    note = note_of("program", path.resolve(), checks, release, traced)
    made = remembered(note)
    if made is None:
        state, diagnostics = examine_program(path, traced=traced)
        if diagnostics:
            return BuildResult(output, diagnostics)
        made = compile_program(state, path, checks=checks, release=release)
        remember(note, made, [module.path for module in state.modules if module.path.is_absolute()])
    floats = f"--defsym=nk_floats={int(made.facts[FLOATS])}"
    toolchain.link(made.files, output, LINK_SCRIPT.read_text(), START, ["-u", THREAD_START, floats])
    write_check_table(output, made.records, Sources(state_of(path).folder, made.sources))
    return BuildResult(output)


def compile_program(state: State, path: Path, *, checks: bool, release: bool) -> Made:
    """The objects of a program that has been examined, and found well."""
    assert state.program is not None
    export(state.program, {f"{ENTRY}.start": START, f"{ENTRY}.start_thread": THREAD_START})
    main = f"{state.roots[0]}.main"
    section = section_of(needs_of(path), tasks_of(state), habits=habits_of(state), main=main)
    state.program.assembly.append(section)
    files, records = make_objects(state.program, checks=checks, release=release)
    sources = sources_in(state.folder, state.modules)
    return Made(files, records, {FLOATS: target_of(state.program).has_floats}, dict(sources.digests))


def tasks_of(state: State) -> list[Tasks]:
    """What `tasks(f, n)` make room for, in the order of the source."""
    assert state.compilation is not None
    known = Layout()
    found = sorted(state.compilation.tasks.items())
    return [Tasks(function, count, known.size(frame)) for _, (function, count, frame) in found]


def habits_of(state: State) -> Habits:
    """What the program does in anything that its threads may call."""
    assert state.program is not None
    began = [one for one in state.program.functions if one.module == ENTRY]
    called = {one.symbol for one in reachable(began)}
    return Habits(state=STATE in called, ready=READY in called)


def examine_program(path: Path, *, traced: bool = False) -> tuple[State, list[Diagnostic]]:
    """The program between front end and back end, and all that is wrong with it."""
    state = state_of(path)
    state.stack = stack.PROCESS
    main = state.roots[0]
    state.overlay[ENTRY] = entry_source(main, threads="thread" in _functions(path), traced=traced)
    state.roots += [ENTRY, *MEMORY]
    run_front_end(state)
    help = HELP if path.name == "main.py" else f"{HELP}; a function that isn't a program's beginning has another name"
    return state, of_the_program(state, main, help, "`process.exit(3)`")


def entry_source(main: str, *, threads: bool, traced: bool = False) -> str:
    """The module with what the machine enters: the first thread in `start`, others in `start_thread`."""
    names = "main, thread" if threads else "main"
    further = (
        "    process = Process()\n    process.begin_thread(start)\n    thread(process, argument)\n"
        "    process.exit_thread()\n"
        if threads
        else '    unreachable("this program has no function `thread`")\n'
    )
    return (
        '"""Made by the build: where the program\'s threads begin."""\n'
        f"from neokernel.lang import u64, unreachable\nfrom {PROCESS} import Process\nfrom {main} import {names}\n"
        + (f"from {TRACING} import Names, begin_trace\n\n" if traced else "\n")
        + "def start(info: u64, buffer: u64) -> None:\n"
        "    process = Process()\n    process.begin(info, buffer)\n"
        + ("    names = Names()\n    begin_trace(process, names)\n" if traced else "")
        + "    main(process)\n    process.exit()\n\n"
        f"def start_thread(argument: u64, start: u64) -> None:\n{further}"
    )


def of_the_program(state: State, module: str, help: str, ending: str) -> list[Diagnostic]:
    """The diagnostics; what is wrong with the module that the build wrote is wrong with what that calls.

    `help`: how `main` is declared; `ending`: how a program ends with a status.
    """
    found = state.diagnostics.sorted()
    entry = f"<{ENTRY}>"
    mine = [diagnostic for diagnostic in found if diagnostic.span.file != entry]
    scope = state.scopes.get(module)
    if mine or scope is None:
        return mine
    name = "main"
    if found:
        before = state.overlay[ENTRY].splitlines()[: found[0].span.line]
        name = "thread" if any("thread(" in line for line in before) else name
    called = scope.names.get(name)
    if isinstance(called, FunctionDecl) and not found:
        return list(unwanted_results(state, scope, ending))
    message = f"`{name}` can't be started" if isinstance(called, FunctionDecl) else f"this program has no `{name}`"
    place = called.node if isinstance(called, FunctionDecl) else scope.module.tree
    rejected = reject(scope, "NK0209", message, place, help).diagnostic
    assert rejected is not None
    return [rejected]


def unwanted_results(state: State, scope: Scope, ending: str) -> Iterator[Diagnostic]:
    """Of functions that the build's module calls: nobody would get what they return."""
    assert state.compilation is not None
    for name in ("main", "thread"):
        function = scope.names.get(name)
        if not isinstance(function, FunctionDecl) or f"    {name}(" not in state.overlay[ENTRY]:
            continue
        result = state.compilation.symbols[f"{function.module.name}.{name}"].result
        if result not in (NONE, NEVER):
            message = f"`{name}` returns {result}, and nobody gets it"
            help = f"write `-> None`; {ending} ends with a status" if name == "main" else "write `-> None`"
            rejected = reject(function.scope, "NK0209", message, function.node.returns or function.node, help)
            assert rejected.diagnostic is not None
            yield rejected.diagnostic


def first_problem(results: Iterable[BuildResult]) -> list[Diagnostic]:
    """The diagnostics of the first that couldn't be built."""
    return next((result.diagnostics for result in results if result.diagnostics), [])
