"""Where a failure happened in the source: the same span that images and the JIT report for it."""

from __future__ import annotations

import linecache
from dis import opmap
from itertools import islice
from types import CodeType
from typing import NamedTuple

from neokernel.lang.support import TARGET_MARK


class Position(NamedTuple):
    """A range of a source file: lines from 1, columns in characters from 0, end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


def failure_position(failure: BaseException) -> Position | None:
    """The span of the expression that failed, in the innermost frame of a target module; None if none was running.

    Arithmetic: the operator's expression; augmented assignments: the statement. Elements: the subscript. Functions of
    the language: the call. A value too wide for a bit field: the assignment's target. `assert`: the statement. A
    rejected argument: the parameter's declaration.
    """
    where: tuple[CodeType, int] | None = None
    trace = failure.__traceback__
    while trace is not None:
        if TARGET_MARK in trace.tb_frame.f_globals:
            where = trace.tb_frame.f_code, trace.tb_lasti
        trace = trace.tb_next
    return None if where is None else instruction_position(*where)


def instruction_position(code: CodeType, offset: int) -> Position | None:
    """The span of the expression that the instruction at `offset` (in bytes) belongs to.

    CPython lets the instructions that start a loop and take its next element span the loop; here it is what is looped
    over, whose last instruction stands before them. (A generator expression gets its iterator from outside: there is
    none, and the span is the expression's.)
    """
    if code.co_code[offset] == opmap["FOR_ITER"]:
        start = offset
        while start > 0 and code.co_code[start] != opmap["GET_ITER"]:
            start -= 2
        offset = start - 2 if start > 0 else offset
    line, end_line, column, end_column = next(islice(code.co_positions(), offset // 2, None))
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return Position(
        code.co_filename,
        line,
        characters(code.co_filename, line, column),
        end_line,
        characters(code.co_filename, end_line, end_column),
    )


def characters(file: str, line: int, column: int) -> int:
    """A column that CPython counts in bytes of UTF-8, in characters."""
    text = linecache.getline(file, line)
    return column if text.isascii() else len(text.encode()[:column].decode(errors="replace"))
