"""Tracebacks as Python prints them: frames, source lines, carets under the expression, the failure last.

Invariant: rendering never fails; a source file that is missing or has changed costs its line, not the traceback.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from neokernel.compiler import columns

#: this many equal frames are shown before they are counted, as CPython does
REPEATS_SHOWN = 3


@dataclass(frozen=True)
class Frame:
    """A call. `line` from 1; `column` and `end_column` in characters from 0, the end exclusive; None when unknown."""

    function: str
    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


def render_traceback(frames: Iterable[Frame], last_line: str) -> str:
    """The text of a traceback; `frames` from the outermost."""
    text = ["Traceback (most recent call last):"]
    for frame, group in groupby(frames):
        count = len(list(group))
        text += render_frame(frame) * min(count, REPEATS_SHOWN)
        if count > REPEATS_SHOWN:
            more = count - REPEATS_SHOWN
            text.append(f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]")
    text.append(last_line)
    return "\n".join(text) + "\n"


def render_frame(frame: Frame) -> list[str]:
    lines = [f'  File "{shown_path(frame.file)}", line {frame.line}, in {frame.function}']
    source = linecache.getline(frame.file, frame.line).rstrip("\n")
    if not source.strip():
        return lines
    text = source.strip()
    start, marks = place_carets(frame, source)
    text, start, end = columns.window(text, start, start + len(marks))
    lines.append(f"    {text}")
    if marks:
        lines.append(f"    {columns.underline(text, start, marks[: end - start])}")
    return lines


def shown_path(file: str) -> str:
    """Relative to where the user stands, when it is below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file


def openable(file: str, roots: Iterable[Path]) -> str:
    """`file`, named from one of `roots`, as it can be opened from where the user stands."""
    for root in roots:
        path = root / file
        if path.is_file():
            return shown_path(str(path))
    return file


def place_carets(frame: Frame, source: str) -> tuple[int, str]:
    """`~~^~~` for the frame's expression, and the character of the stripped line at which it begins.

    Nothing when the expression is unknown or the whole line.
    """
    frame = with_end(frame)
    if frame.column is None or frame.end_column is None or frame.end_line is None:
        return 0, ""
    indent = len(source) - len(source.lstrip())
    start = max(frame.column, indent)
    end = min(frame.end_column if frame.end_line == frame.line else len(source), len(source.rstrip()))
    if end <= start:
        return 0, ""
    marks = anchor(source[start:end])
    if start == indent and end == len(source.rstrip()) and "~" not in marks:
        return 0, ""
    return start - indent, marks


def anchor(segment: str) -> str:
    """Carets for an expression's text: under its operator or brackets, when it has one at its root."""
    whole = "^" * len(segment)
    try:
        # Parentheses let a segment that was cut out of several lines' worth of expression stand alone.
        body = ast.parse(f"({segment})", mode="eval").body
    except (SyntaxError, ValueError):
        return whole
    if not segment.isascii():
        return whole
    if isinstance(body, ast.BinOp):
        start, end = (body.left.end_col_offset or 0) - 1, body.right.col_offset - 1
        between = segment[start:end]
        operator = between.replace("(", " ").replace(")", " ")
        start += len(operator) - len(operator.lstrip())
        end = start + len(operator.strip())
    elif isinstance(body, ast.Subscript):
        start, end = segment.find("[", (body.value.end_col_offset or 0) - 1), len(segment)
    else:
        return whole
    if not 0 < start < end <= len(segment):
        return whole
    return "~" * start + "^" * (end - start) + "~" * (len(segment) - end)


def with_end(frame: Frame) -> Frame:
    """The frame with the end of its expression, found in the source: debug information has only beginnings."""
    if frame.column is None or frame.end_column is not None:
        return frame
    source = "".join(linecache.getlines(frame.file))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frame
    text = linecache.getline(frame.file, frame.line)
    offset = len(text[: frame.column].encode())
    best: ast.expr | None = None
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr) or (node.lineno, node.col_offset) != (frame.line, offset):
            continue
        # The outermost call that begins here, or else the largest expression.
        if best is None or (isinstance(best, ast.Call), end_of(best)) < (isinstance(node, ast.Call), end_of(node)):
            best = node
    if best is None:
        return frame
    line, column = end_of(best)
    if line == frame.line:
        column = len(text.encode()[:column].decode(errors="replace"))
    return Frame(frame.function, frame.file, frame.line, frame.column, line, column)


def end_of(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
