"""Does a test that `nk prove --test` has made run into the failure that it is about? It is run, to see.

The proof's way to fail needn't be one of the program's: of what is known by a contract only, and of loops, a proof
knows less than what happens. So a test is offered only if its run has failed as it says.

The run is a process of its own (`python -m neokernel.cli.demonstration`): a program's modules stay out of this one, and
it is ended after `LIMIT` seconds, times `NK_PATIENCE`. It is given one JSON value and prints one: "" or what happened
instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neokernel.cli.errors import ToolError
from neokernel.compiler.ir import Span
from neokernel.patience import patient

LIMIT = 10


def no_end() -> str:
    """What is said of a run that was ended."""
    return f"its run hadn't ended after {patient(LIMIT):g} seconds"


def instead(source: str, path: Path, span: Span | None) -> str:
    """What the test does, if it were at `path`, instead of failing in the lines of `span` (None: anywhere); or ""."""
    if importlib.util.find_spec("pytest") is None:
        raise ToolError("NK1201", "pytest isn't installed", "in the clone of the project: `tools/setup.sh test`")
    folder = path.resolve().parent
    package = (folder / "__init__.py").exists()
    given = {
        "source": source,
        # `nk test` finds modules in the test's folder, unless that is a package, and in the current one.
        "folders": [str(Path.cwd())] if package else [str(folder), str(Path.cwd())],
        "hint": "its folder has an `__init__.py`, and so is a package"
        if package
        else "write the test beside the program",
        "file": span and Path(span.file).name,
        "lines": span and [span.line, span.end_line],
    }
    try:
        run = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=patient(LIMIT),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return no_end()
    try:
        told: str = json.loads(run.stdout)
    except ValueError:
        last = run.stderr.strip().splitlines()[-1:]
        return ": ".join([f"its run ended with status {run.returncode}", *last])
    return told


def happens(given: dict[str, Any]) -> str:
    import pytest

    import neokernel  # installs the import hook  # noqa: F401

    sys.path[:0] = given["folders"]
    seen: list[pytest.ExceptionInfo[BaseException]] = []
    raises = pytest.raises

    @contextlib.contextmanager
    def recording(expected: type[BaseException], *, match: str = "") -> Iterator[None]:
        with raises(expected) as caught:
            yield
        if not re.match(match, str(caught.value)):
            raise caught.value
        seen.append(caught)

    names: dict[str, Any] = {}
    try:
        pytest.raises = recording  # type: ignore[assignment]
        exec(compile(given["source"], "<the test>", "exec"), names)  # noqa: S102
        next(value for name, value in names.items() if name.startswith("test_"))()
    except pytest.fail.Exception:
        return "nothing fails when it is run"
    except ImportError as error:
        return f"{error}: {given['hint']}"
    except Exception as error:  # noqa: BLE001  # whatever the program raises
        return f"something else fails first: {type(error).__name__}: {error}"
    if given["lines"] is not None:
        first, last = given["lines"]
        frames = [frame for caught in seen for frame in traceback.extract_tb(caught.tb)]
        if not any(Path(f.filename).name == given["file"] and first <= (f.lineno or 0) <= last for f in frames):
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            return f"it fails elsewhere when it is run, in {where}"
    return ""


def main() -> None:
    answer, sys.stdout = sys.stdout, sys.stderr  # what the program prints isn't the answer
    answer.write(json.dumps(happens(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
