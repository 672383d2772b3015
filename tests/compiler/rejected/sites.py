"""Where the front end rejects programs, and which of these places a run has been at.

A site is a call with a literal code, `reject("NK0310", …)` and its like. Which were executed is seen when a diagnostic
is made: by the exact positions of the calls that are then under way.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from unittest.mock import patch

import neokernel.compiler
from neokernel.compiler.diagnostics import Diagnostic

COMPILER = Path(neokernel.compiler.__file__).parent
#: reported by the build of images, not by the check of a program: tests of images cover them
OTHERWISE_TESTED = frozenset({"NK0209"})

#: (file, line, column of the call)
Site = tuple[str, int, int]


def sites() -> dict[Site, str]:
    """All sites of the front end, with their codes."""
    found: dict[Site, str] = {}
    for path in [*COMPILER.glob("*.py"), *(COMPILER / "lower").glob("*.py")]:
        if path.name == "codes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            code = _code(node) if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and code is not None:
                found[str(path), node.lineno, node.col_offset] = code
    return found


def _code(node: ast.Call) -> str | None:
    for argument in node.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            if argument.value.startswith("NK") and argument.value[2:].isdigit():
                return argument.value
    return None


@contextmanager
def recorded() -> Iterator[set[Site]]:
    """The sites that are executed meanwhile."""
    hit: set[Site] = set()
    original = Diagnostic.__init__

    def record(self: Diagnostic, *arguments: object, **options: object) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(str(COMPILER)):
            line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            if line is not None and column is not None:
                hit.add((frame.f_code.co_filename, line, column))
            frame = frame.f_back
        original(self, *arguments, **options)  # type: ignore[arg-type]

    with patch.object(Diagnostic, "__init__", record):
        yield hit
