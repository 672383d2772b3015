"""A TOML file: what it says, where it says it, and what is found wrong with it.

Invariants: `read` gives a document, or reports why there is none; a place that the file doesn't have is shown as the
nearest one around it, so that each finding has a line to point at.
"""

from __future__ import annotations

import ast
import codecs
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from neokernel.compiler.diagnostics import Diagnostic, suggestion
from neokernel.compiler.ir import Span
from neokernel.image.systemfile import positions
from neokernel.image.systemfile.positions import Positions, Range
from neokernel.image.systemfile.units import printable

Key = positions.Path
#: a file that is longer is none that somebody wrote
LONGEST = 1 << 20


@dataclass
class Findings:
    """What was found wrong, in the order in which it was found. Errors prevent a build, warnings don't."""

    items: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span, help: str = "", *notes: tuple[Span | None, str]) -> None:
        self._add(Diagnostic(code, printable(message), span, printable(help), notes))

    def warning(self, code: str, message: str, span: Span, help: str = "", *notes: tuple[Span | None, str]) -> None:
        self._add(Diagnostic(code, printable(message), span, printable(help), notes, severity="warning"))

    def _add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.items:
            self.items.append(diagnostic)

    @property
    def errors(self) -> list[Diagnostic]:
        return [item for item in self.items if item.severity == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [item for item in self.items if item.severity == "warning"]


@dataclass(frozen=True)
class Document:
    """`file` is how messages call it."""

    path: Path
    file: str
    text: str
    data: dict[str, Any]
    positions: Positions

    # --- where things stand -------------------------------------------------------------------------------------------

    def key(self, *key: str | int) -> Span:
        """Of a key, or of what is nearest around it."""
        return self._nearest(key, self.positions.keys)

    def value(self, *key: str | int) -> Span:
        """Of a value; of a table that is written with a header, its name in that."""
        found = self.positions.values.get(key)
        return self.span(found) if found is not None else self.key(*key)

    def table(self, *key: str | int) -> Span:
        """Of a table as a whole: its header, or else as `value` does."""
        found = self.positions.headers.get(key)
        return self.span(found) if found is not None else self.value(*key)

    def entries(self, table: Key, name: str, values: Iterable[str]) -> str:
        """How the file would have an entry of `table` with one of these values, as it has that table: for a help."""
        depth, ranges = len(table), self.positions
        while depth > 0 and table[:depth] not in ranges.values and table[:depth] not in ranges.headers:
            depth -= 1
        outer = table[:depth]
        key = ".".join(map(str, (*table[depth:], name)))
        shown = " or ".join(f"`{key} = {value}`" for value in values)
        if outer in ranges.values:
            return f"{shown} between the braces of `{outer[-1]}`"
        return f"{shown} below `[{'.'.join(map(str, outer))}]`" if depth == len(table) else shown

    def _nearest(self, key: Key, ranges: dict[Key, Range]) -> Span:
        while key:
            if key in ranges:
                return self.span(ranges[key])
            key = key[:-1]
        return Span(self.file, 1, 0, 1, len(self.text.partition("\n")[0]))

    def span(self, place: Range) -> Span:
        (line, column), (end_line, end_column) = self.at(place[0]), self.at(place[1])
        return Span(self.file, line, column, end_line, end_column)

    def at(self, offset: int) -> tuple[int, int]:
        """Line, counted from 1, and column, counted from 0."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1]

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins."""
        return line_starts(self.text)


def line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def read(path: Path, file: str, findings: Findings) -> Document | None:
    """The document in the file `path`, which messages call `file`."""
    nowhere = Span(file, 0, 0, 0, 0)
    try:
        with path.open("rb") as stream:
            raw = stream.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        findings.error("NK2001", f"{file} can't be read: {reason}", nowhere)
        return None
    if len(raw) > LONGEST:
        findings.error("NK2001", f"{file} is longer than {LONGEST:,} bytes", nowhere, "is it a system file at all?")
        return None
    if raw.startswith(codecs.BOM_UTF8):
        findings.error("NK2001", "the file begins with a byte order mark", nowhere, "save it as UTF-8 without one")
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        what = f"not UTF-8: byte {error.start} is {raw[error.start]:#x}, in line {line}"
        findings.error("NK2001", what, nowhere, "save the file as UTF-8")
        return None
    return parse(path, file, text, findings)


def parse(path: Path, file: str, text: str, findings: Findings) -> Document | None:
    """The document with this text."""
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
        found = positions.positions(text)
    except tomllib.TOMLDecodeError as error:
        message, span, help = complaint(file, text, str(error))
        findings.error("NK2002", message, span, help)
        return None
    except (RecursionError, ValueError) as error:
        # Not of what somebody wrote: brackets in brackets without end, a number of more digits than Python takes.
        what = "too deeply nested" if isinstance(error, RecursionError) else "a number is too long"
        findings.error("NK2002", f"not valid TOML: {what}", Span(file, 1, 0, 1, 1))
        return None
    return Document(path, file, text, data, found)


# --- what isn't TOML --------------------------------------------------------------------------------------------------

COORDINATES = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
#: a key, as the parser shows it
PARTS = re.compile(r"\((?:'[\w-]+',? ?)+\)")
#: what the parser says of one who adds to a table in braces
CLOSED = "Cannot mutate immutable namespace"
#: what the parser says → what to write instead; {} stands for what was found
ADVICE = (
    ("Invalid value", 'text stands in quotes: "256 KiB"; true and false are in lower case; numbers have no unit'),
    ("Expected newline or end of document", "one entry to a line; text stands in quotes"),
    (
        "Expected '=' after a key",
        'an entry is `key = value`; a name with other characters than a-z, 0-9, "-" has quotes',
    ),
    ("Invalid initial character for a key", "a key is letters, digits, `-` and `_`"),
    ("Cannot declare", "this table is there already: put the entries together"),
    ("Cannot overwrite a value", "this key is there already: keep one of the two"),
    ("Duplicate inline table key", "this key is there already: keep one of the two"),
    (CLOSED, "write the entry between the braces"),
    ("Cannot redefine namespace", "this key is there already: keep one of the two"),
    ("Expected ']' at the end", "a table's header is `[service.NAME]`"),
    ("Expected ']]' at the end", "a table's header is `[service.NAME]`"),
    ("Unclosed array", "a `]` is missing"),
    ("Unclosed inline table", "a `}` is missing; entries are separated by commas"),
    ("Unterminated string", "a closing quote is missing"),
    ("Illegal character '\\n'", "a closing quote is missing"),
    ("Unescaped '\\'", "write `\\\\` for a backslash, or single quotes around the text"),
    ("Invalid statement", "a line is `[table]`, `key = value`, or `# a comment`"),
)


def complaint(file: str, text: str, said: str) -> tuple[str, Span, str]:
    """Out of what `tomllib` says: the message, the place, and what to do."""
    match = COORDINATES.search(said)
    message = said[: match.start()] if match is not None else said
    lines = text.split("\n")
    if match is not None and match[1] is not None and int(match[1]) <= len(lines):
        line, column = int(match[1]), int(match[2]) - 1
    else:  # the end: the last line with something in it
        line = max((number for number, each in enumerate(lines, 1) if each.strip()), default=1)
        column = len(lines[line - 1].rstrip())
    shown = lines[line - 1]
    if column >= len(shown.rstrip()) or message.startswith(("Cannot", "Duplicate")):
        # It points behind what it means: at the whole entry.
        start, end = len(shown) - len(shown.lstrip()), len(shown.rstrip())
    else:
        word = re.compile(r"[^\s,\]}=#]+").match(shown, column)
        start, end = column, word.end() if word is not None else column + 1
    help = next((advice for beginning, advice in ADVICE if message.startswith(beginning)), "")
    if message.startswith(CLOSED):
        message = f"{message.removeprefix(CLOSED).strip()} is complete, as it stands in braces, and here is more of it"
    message = PARTS.sub(lambda match: f"`{'.'.join(ast.literal_eval(match[0]))}`", message[:1].lower() + message[1:])
    return f"not valid TOML: {message}", Span(file, line, start, line, max(end, start + 1)), help


def did_you_mean(name: str, known: Iterable[str], listing: str, none: str) -> str:
    """`did you mean …?`, or else the list of what there is, behind `listing`; `none` if there is nothing."""
    names = sorted(known)
    if not names:
        return none
    shown = ", ".join(f"`{each}`" for each in names[:12])
    return suggestion(name, names) or f"{listing}: {shown}{', …' if len(names) > 12 else ''}"
