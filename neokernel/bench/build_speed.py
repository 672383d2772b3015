"""`nk bench build`: seconds to compile a generated program of 10,000 lines, and to compile it again after an edit.

Each build is a process of its own, as on a command line: the interpreter's start and the compiler's import count, and
the number is the median of several. *Cold* means that the store of objects is empty; *edit* means that one line of one
function of one module changed since the last build.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from neokernel.bench.row import BenchError, Progress, Row
from neokernel.patience import patient

PROJECT = Path(__file__).parents[2]
GENERATOR = PROJECT / "benches" / "build" / "generate.py"
LINES = 10_000
RUNS = 5
TIMEOUT = 300.0
ITEMS = {
    "cold": "development build, cold",
    "edit": "development build after an edit of one line",
    "release": "release build, cold",
}

#: The whole of a build, for `python -c`: root module, then `release` or `development`.
BUILD = """
import sys
from pathlib import Path
from neokernel.compiler import pipeline
pipeline.compile_library(Path(sys.argv[1]), ["run"], checks=True, release=sys.argv[2] == "release").unlink()
"""


def generator() -> ModuleType:
    """The module `benches/build/generate.py`."""
    specification = importlib.util.spec_from_file_location("generate", GENERATOR)
    if not GENERATOR.is_file() or specification is None or specification.loader is None:
        raise BenchError(f"{GENERATOR.name} is missing: the benchmark needs the project's checkout")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def build(root: Path, store: Path, kind: str = "development") -> float:
    """Build the program once with objects kept in `store`; the seconds it took."""
    environment = {**os.environ, "NK_CACHE": str(store), "PYTHONPATH": str(PROJECT)}
    start = time.perf_counter()
    command = [sys.executable, "-c", BUILD, str(root / "main.py"), kind]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=patient(TIMEOUT), check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"the build didn't end within {patient(TIMEOUT):.0f} s") from None
    seconds = time.perf_counter() - start
    if done.returncode:
        raise BenchError(f"the generated program isn't accepted:\n{done.stderr.decode(errors='replace')[-4000:]}")
    return seconds


def measure(item: str, lines: int, folder: Path, progress: Progress) -> Row:
    """The median of several builds of one item."""
    program = generator()
    kind = "release" if item == "release" else "development"
    root, store = folder / "edited", folder / "store"
    written = program.write(root, lines)
    if item == "edit":
        build(root, store)
    seconds = []
    for number in range(RUNS):
        progress(f"{item} {number + 1}/{RUNS}")
        if item == "edit":
            program.edit(root, 5 + 2 * number)
        else:
            store = folder / f"store_{number}"
        seconds.append(build(root, store, kind))
    return Row(f"{ITEMS[item]}, {written:,} lines", "s", statistics.median(seconds), "", None, None)


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """One row for each kind of build. `only` and `keep` as in `registry.run`; nothing is kept here."""
    del keep
    unknown = set(only or ()) - set(ITEMS)
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(ITEMS)}")
    rows = []
    for item in only or ITEMS:
        with tempfile.TemporaryDirectory() as temporary:
            rows.append(measure(item, LINES, Path(temporary), progress))
    return rows
