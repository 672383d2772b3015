"""`nk test`: pytest, with our exit codes and `--json`.

Invariant: pytest isn't started where one of the program's modules would stand in for one of Python's own, which pytest
needs itself: it would fail deep inside.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.lang import is_target_source

#: pytest's exit status → ours (pytest's documentation, "Exit codes"). 2 is also that of files that can't be collected;
#: who is interrupted by ctrl-C is so together with us, and the handler of that says it.
STATUSES = {0: Exit.SUCCESS, 1: Exit.NEGATIVE, 2: Exit.NEGATIVE, 4: Exit.USAGE, 5: Exit.NEGATIVE}

#: folders that hold no tests, as pytest has it
SKIPPED = {"build", "dist", "node_modules", "venv", "__pycache__"}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@json_option
def command(arguments: tuple[str, ...], as_json: bool) -> int:
    """Run tests with pytest, which gets ARGUMENTS (paths, -k, -m, …).

    Exit status: 0 all passed, 1 some failed, couldn't be loaded, or none was found.

    With --json: counts, and of each failure {name, reason}; `output` is what pytest printed, if not all passed.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ToolError("NK1201", "pytest isn't installed", "in the clone of the project: `tools/setup.sh test`")
    for path in shadows(arguments):
        raise ToolError(
            "NK1007",
            f"{shown(path)} has the name of Python's own module `{path.stem}`",
            "rename it: under CPython, an import of it gives Python's, or Python's own modules get yours",
        )
    # The plug-in is there for its import: it installs the hook before any module of a program is loaded.
    line = [sys.executable, "-m", "pytest", "-p", "neokernel.lang.hook", *arguments]
    # Whatever way of importing a project's settings choose, a test finds what lies beside it.
    beside = [str(folder.absolute()) for folder in folders_of_tests(arguments)]
    search = os.pathsep.join([*beside, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": search}
    if not as_json:
        return status_of(subprocess.run(line, check=False, env=environment).returncode)
    with tempfile.TemporaryDirectory(prefix="nk-test-") as folder:
        report = Path(folder) / "report.xml"
        run = subprocess.run(
            [*line, f"--junitxml={report}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env=environment,
        )
        status = status_of(run.returncode)
        output = "" if status is Exit.SUCCESS else run.stdout.decode(errors="replace")
        print_json({**summary(report), "output": output, "exit": int(status)})
    return status


def status_of(returncode: int) -> Exit:
    return STATUSES.get(returncode, Exit.NEGATIVE)


def folders_of_tests(arguments: tuple[str, ...]) -> list[Path]:
    """The folders of tests that belong to no package: what lies in them can be imported."""
    named = [Path(argument.partition("::")[0]) for argument in arguments if not argument.startswith("-")]
    starts = [path if path.is_dir() else path.parent for path in named if path.exists()] or [Path()]
    folders: dict[Path, None] = {}
    for start in starts:
        for folder, below, files in os.walk(start):
            below[:] = [name for name in below if name not in SKIPPED and not name.startswith(".")]
            if "__init__.py" not in files and any(name.startswith("test_") for name in files):
                folders[Path(folder)] = None
    return list(folders)


def shadows(arguments: tuple[str, ...]) -> Iterator[Path]:
    """Target modules with the name of a standard module, in folders that are importable: the current one, and those of
    tests."""
    for place in dict.fromkeys([Path(), *folders_of_tests(arguments)]):
        for path in sorted(place.glob("*.py")):
            if path.stem in sys.stdlib_module_names and is_target_source(path.read_bytes()):
                yield path


def summary(report: Path) -> dict[str, object]:
    """Counts, and what failed and why, from pytest's report."""
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    failed: list[dict[str, str]] = []
    seconds = 0.0
    if report.exists():
        # Written by the pytest that we started: nothing to distrust.
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314
            for name in counts:
                counts[name] += int(suite.get(name, "0"))
            seconds += float(suite.get("time", "0"))
            for case in suite.iter("testcase"):
                for told in (*case.iter("failure"), *case.iter("error")):
                    # A file that can't be loaded has no class, and its name is its path.
                    name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
                    failed.append({"name": name, "reason": told.text or told.get("message") or ""})
    return {**counts, "seconds": round(seconds, 3), "failed": failed}
