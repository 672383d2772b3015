"""`nk test`: pytest, with our exit codes and `--json`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json

#: pytest's exit status → ours (pytest's documentation, "Exit codes")
STATUSES = {0: Exit.SUCCESS, 1: Exit.NEGATIVE, 2: Exit.INTERRUPT, 4: Exit.USAGE, 5: Exit.NEGATIVE}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@json_option
def command(arguments: tuple[str, ...], as_json: bool) -> int:
    """Run tests with pytest, which gets ARGUMENTS (paths, -k, -m, …).

    Exit status: 0 all passed, 1 some failed or none was found.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ToolError("NK1201", "pytest isn't installed", "`make test` installs what tests need")
    # The plug-in is there for its import: it installs the hook before any module of a program is loaded.
    line = [sys.executable, "-m", "pytest", "-p", "neokernel.lang.hook", *arguments]
    if not as_json:
        return status_of(subprocess.run(line, check=False).returncode)
    with tempfile.TemporaryDirectory(prefix="nk-test-") as folder:
        report = Path(folder) / "report.xml"
        run = subprocess.run(
            [*line, f"--junitxml={report}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        status = status_of(run.returncode)
        print_json({**summary(report), "exit": int(status)})
    return status


def status_of(returncode: int) -> int:
    return STATUSES.get(returncode, Exit.NEGATIVE)


def summary(report: Path) -> dict[str, object]:
    """Counts, and the names of what failed, from pytest's report."""
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    failed: list[str] = []
    seconds = 0.0
    if report.exists():
        # Written by the pytest that we started: nothing to distrust.
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314
            for name in counts:
                counts[name] += int(suite.get(name, "0"))
            seconds += float(suite.get("time", "0"))
            for case in suite.iter("testcase"):
                if case.find("failure") is not None or case.find("error") is not None:
                    failed.append(f"{case.get('classname')}.{case.get('name')}")
    return {**counts, "seconds": round(seconds, 3), "failed": failed}
