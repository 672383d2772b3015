"""Diagnostics: what the compiler says about a program that it rejects.

Invariants: every diagnostic has a code of `codes.CODES`, a source range, and says what to write instead wherever
that is known. The compiler collects diagnostics and goes on with the next statement; `Rejected` carries one out of
the middle of an expression.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from neokernel.compiler.columns import underline, window, wrapped
from neokernel.compiler.ir import Span
from neokernel.lang.interfaces.generate import as_written, is_generated


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message. `notes` are further (span, text) pairs shown below, such as "declared here"."""

    code: str
    message: str
    span: Span
    help: str = ""
    notes: tuple[tuple[Span | None, str], ...] = ()
    #: or "warning": what doesn't prevent a build. The compiler has none
    severity: str = "error"

    def as_json(self) -> dict[str, object]:
        """The stable machine-readable form, as `nk check --json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "help": self.help,
            "file": self.span.file,
            "line": self.span.line,
            "column": self.span.column + 1,
            "end_line": self.span.end_line,
            "end_column": self.span.end_column + 1,
        }


class Rejected(Exception):
    """A diagnostic on its way out of an expression to the statement that holds it.

    None stands for one that has been reported already.
    """

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        super().__init__(diagnostic.message if diagnostic else "reported")
        self.diagnostic = diagnostic

    def with_note(self, place: Span, text: str) -> Rejected:
        """The same, with something more to know: `place` is what the text is about, if that isn't in the same line."""
        if self.diagnostic is None:
            return self
        if (place.file, place.line) == (self.diagnostic.span.file, self.diagnostic.span.line):
            return self
        return Rejected(replace(self.diagnostic, notes=(*self.diagnostic.notes, (place, text))))

    @staticmethod
    def silent() -> Rejected:
        return Rejected(None)


@dataclass(slots=True)
class Diagnostics:
    """The diagnostics of one run, in the order found, without repetition.

    An import that is missing is one mistake, however often its name stands in the file.
    """

    items: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[str, Span | tuple[str, str]]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        diagnostic = in_words_of_the_user(diagnostic)
        key: tuple[str, Span | tuple[str, str]] = (diagnostic.code, diagnostic.span)
        if diagnostic.code == "NK0208" and diagnostic.help.startswith("write `from "):
            key = (diagnostic.code, (diagnostic.span.file, diagnostic.message))
        if key not in self._seen:
            self._seen.add(key)
            self.items.append(diagnostic)

    def take(self, rejected: Rejected) -> None:
        if rejected.diagnostic is not None:
            self.add(rejected.diagnostic)

    def sorted(self) -> list[Diagnostic]:
        return sorted(self.items, key=lambda d: (d.span.file, d.span.line, d.span.column, d.code))


def in_words_of_the_user(said: Diagnostic) -> Diagnostic:
    """Names of code that was generated for interfaces and declarations as those of what it was generated from."""
    notes = tuple((where, as_written(text)) for where, text in said.notes)
    return replace(said, message=as_written(said.message), help=as_written(said.help), notes=notes)


def span_of(file: str, lines: list[str], node: ast.AST) -> Span:
    """The source range of an AST node; of a statement that holds others, the part that says which one is meant."""
    line: int = getattr(node, "lineno", 1)
    column = _characters(lines, line, getattr(node, "col_offset", 0))
    end_line: int = getattr(node, "end_lineno", None) or line
    if (isinstance(node, ast.stmt) and hasattr(node, "body")) or isinstance(node, ast.Match):
        return _header(file, lines, node, line, column)
    end_column = _characters(lines, end_line, getattr(node, "end_col_offset", None) or column + 1)
    return Span(file, line, column, end_line, end_column)


_DEFINITION = re.compile(r"(?:async +)?(?:def|class) +(?=\w)")


def _header(file: str, lines: list[str], node: ast.AST, line: int, column: int) -> Span:
    """The name of a function or class, else the first line of a compound statement."""
    text = lines[line - 1] if line <= len(lines) else ""
    keyword = _DEFINITION.match(text, column)
    name: str | None = getattr(node, "name", None)
    if keyword is not None and name is not None:
        return Span(file, line, keyword.end(), line, keyword.end() + len(name))
    return Span(file, line, column, line, max(len(text.rstrip()), column + 1))


def _characters(lines: list[str], line: int, offset: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return offset if text.isascii() else len(text.encode()[:offset].decode(errors="replace"))


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or an empty string."""
    meant = closest(name, known)
    return f"did you mean `{meant}`?" if meant else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The one that is meant by a misspelt name, or an empty string. Nobody means what was generated."""
    close = difflib.get_close_matches(name, [each for each in known if not is_generated(each)], n=1, cutoff=0.6)
    return close[0] if close else ""


def render(diagnostic: Diagnostic, source: str | None, color: bool = False, columns: int = 0) -> str:
    """The message as a person sees it: code, place, source lines with carets, help.

    `source` is the text of the file of the diagnostic's span, or None when it can't be had. Helps and notes go on
    below themselves if they are wider than `columns`; 0: they are lines, however long.
    """
    bold, red, blue, green, reset = (f"\x1b[{n}m" if color else "" for n in ("1", "1;31", "1;34", "1;32", "0"))
    span = diagnostic.span
    if diagnostic.severity == "warning":
        red = "\x1b[1;33m" if color else ""
    out = [f"{red}{diagnostic.severity}[{diagnostic.code}]{reset}{bold}: {diagnostic.message}{reset}"]
    width = len(str(span.end_line))
    place = f":{span.line}:{span.column + 1}" if span.line else ""
    out.append(f"{' ' * width}{blue}-->{reset} {span.file}{place}")
    out += _excerpt(span, source, width, red, blue, reset)
    if diagnostic.help:
        out.append(f"{' ' * width} {blue}={reset} {green}help{reset}: {wrapped(diagnostic.help, width + 9, columns)}")
    for where, text in diagnostic.notes:
        place = f" ({where.file}:{where.line})" if where else ""
        out.append(f"{' ' * width} {blue}={reset} note: {wrapped(text + place, width + 9, columns)}")
    return "\n".join(out)


def _excerpt(span: Span, source: str | None, width: int, red: str, blue: str, reset: str) -> list[str]:
    lines = source.split("\n") if source is not None else []
    if not 0 < span.line <= len(lines):
        return []
    bar = f"{' ' * width} {blue}|{reset}"
    out = [bar]
    last = min(span.end_line, span.line + 3, len(lines))
    for number in range(span.line, last + 1):
        text = lines[number - 1].rstrip("\r")
        start = span.column if number == span.line else len(text) - len(text.lstrip())
        end = span.end_column if number == span.end_line else len(text)
        end = max(end, start + 1)
        text, start, end = window(text, start, end)
        marks = underline(text, start, "^" * (end - start))
        carets = marks.lstrip()
        out.append(f"{blue}{number:>{width}} |{reset} {text}")
        out.append(f"{bar} {marks[: len(marks) - len(carets)]}{red}{carets}{reset}")
    if last < span.end_line:
        out.append(f"{blue}{'.' * width} |{reset} …")
    return out
