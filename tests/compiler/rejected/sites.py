"""Where the front end rejects programs, and which of these places a run has been at.

A site is a call with a literal code, `reject("NK0310", …)` and its like. Which were executed is seen when a diagnostic
or a `Problem` is made: by the exact positions of the calls that are then under way.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from unittest.mock import patch

import neokernel.compiler
import neokernel.lang.interfaces
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.lang.interfaces import Problem

COMPILER = Path(neokernel.compiler.__file__).parent
#: what is expanded before the front end proper looks
INTERFACES = Path(neokernel.lang.interfaces.__file__).parent
#: reported by the build of images, not by the check of a program: tests of images cover them
OTHERWISE_TESTED = frozenset({"NK0209"})

#: (file, line, column of the call)
Site = tuple[str, int, int]


def sites() -> dict[Site, str]:
    """All sites of the front end, with their codes."""
    found: dict[Site, str] = {}
    for path in [*COMPILER.glob("*.py"), *(COMPILER / "lower").glob("*.py"), *INTERFACES.glob("*.py")]:
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
    frontend = (str(COMPILER), str(INTERFACES))

    def recording(original: Callable[..., None]) -> Callable[..., None]:
        def record(self: object, *arguments: object, **options: object) -> None:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename.startswith(frontend):
                line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
                if line is not None and column is not None:
                    hit.add((frame.f_code.co_filename, line, column))
                frame = frame.f_back
            original(self, *arguments, **options)

        return record

    with (
        patch.object(Diagnostic, "__init__", recording(Diagnostic.__init__)),
        patch.object(Problem, "__init__", recording(Problem.__init__)),
    ):
        yield hit
