"""`nk bench build`: seconds to compile a generated program of 10,000 lines, and to compile it again after an edit.

Each build is a process of its own, as on a command line: the interpreter's start and the compiler's import count. The
number is the median of several builds. *Cold* means that nothing of the program was built before; *edit* means that one
line of one function of one module changed since the last build.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from neokernel.bench.row import BenchError, Progress, Row

GENERATOR = Path(__file__).parents[2] / "benches" / "build" / "generate.py"
LINES = 10_000
RUNS = 5
TIMEOUT = 300.0

#: The whole of a build, for `python -c`: root module.
BUILD = """
import sys
from pathlib import Path
from neokernel.compiler import pipeline
pipeline.compile_library(Path(sys.argv[1]), ["run"], checks=True, prefix="", release=False)
"""


def generator() -> ModuleType:
    """The module `benches/build/generate.py`."""
    specification = importlib.util.spec_from_file_location("generate", GENERATOR)
    if specification is None or specification.loader is None:
        raise BenchError(f"{GENERATOR.name} is missing: the benchmark needs the project's checkout")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def build(root: Path) -> float:
    """Build the program once; the seconds it took."""
    start = time.perf_counter()
    command = [sys.executable, "-c", BUILD, str(root / "main.py")]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the build didn't end within {TIMEOUT:.0f} s") from None
    seconds = time.perf_counter() - start
    if done.returncode:
        raise BenchError(f"the generated program isn't accepted:\n{done.stderr.decode(errors='replace')[-4000:]}")
    return seconds


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """One row for cold builds and one for builds after an edit. `only` and `keep` as in `registry.run`."""
    del keep
    unknown = set(only or ()) - {"cold", "edit"}
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are cold, edit")
    program = generator()
    rows: list[Row] = []
    for kind in only or ("cold", "edit"):
        seconds = []
        lines = 0
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary) / "edited"
            if kind == "edit":
                lines = program.write(root, LINES)
                build(root)
            for number in range(RUNS):
                progress(f"{kind} {number + 1}/{RUNS}")
                if kind == "cold":
                    root = Path(temporary) / f"cold_{number}"
                    lines = program.write(root, LINES)
                else:
                    program.edit(root, 5 + 2 * number)
                seconds.append(build(root))
        item = {"cold": f"cold build, {lines:,} lines", "edit": f"build after an edit, {lines:,} lines"}[kind]
        rows.append(Row(item, "s", statistics.median(seconds), "", None, None))
    return rows
