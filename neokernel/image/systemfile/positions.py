"""Where everything in a TOML document stands: keys, values and headers, by their paths.

`tomllib` says what a document means, but not where; this scanner says where, and is only asked about documents that
`tomllib` has accepted. A path is a tuple of keys and, in arrays, indices. Ranges count characters of the text.

Invariant: the paths with a value are those that `tomllib` finds in the document, but for empty tables.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
Range = tuple[int, int]

BARE = re.compile(r"[A-Za-z0-9_-]+")
#: space between things; newlines too where they mean nothing
BLANK = re.compile(r"[ \t]*")
VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
#: numbers, dates, booleans. A date and its time may have a space between them
SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]+")
BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
LITERAL = re.compile(r"'[^']*'")
#: up to two quotes may stand before the three that end it
LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{1,2}(?!"))?', re.DOTALL)
LONG_LITERAL = re.compile(r"'''.*?'''(?:'{1,2}(?!'))?", re.DOTALL)


@dataclass
class Positions:
    """Ranges by path. A table has a header if it was declared by `[a.b]`; its range is that of `[a.b]`."""

    keys: dict[Path, Range] = field(default_factory=dict)
    values: dict[Path, Range] = field(default_factory=dict)
    headers: dict[Path, Range] = field(default_factory=dict)


def positions(text: str) -> Positions:
    """Of a document that `tomllib.loads` accepts."""
    scanner = Scanner(text)
    scanner.document()
    return scanner.found


@dataclass
class Scanner:
    text: str
    at: int = 0
    found: Positions = field(default_factory=Positions)
    #: how many tables an array of tables has so far
    counts: dict[Path, int] = field(default_factory=dict)

    def document(self) -> None:
        prefix: Path = ()
        while self.skip(VOID) < len(self.text):
            if self.text[self.at] == "[":
                prefix = self.header()
            else:
                self.pair(prefix)

    def skip(self, pattern: re.Pattern[str]) -> int:
        """Go on behind what matches at this place, if anything does."""
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at
        return self.at

    def header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the table that begins here."""
        start = self.at
        several = self.text.startswith("[[", start)
        self.at += 2 if several else 1
        self.skip(BLANK)
        parts = self.key()
        path: Path = ()
        for index, (part, place) in enumerate(parts, 1):
            path = (*path, part)
            self.found.keys.setdefault(path, place)
            if several and index == len(parts):
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
                self.found.keys.setdefault(path, place)
        self.skip(BLANK)
        self.at += 2 if several else 1
        self.found.headers[path] = (start, self.at)
        return path

    def pair(self, prefix: Path) -> None:
        """`a.b = value`."""
        path = prefix
        for part, place in self.key():
            path = (*path, part)
            self.found.keys.setdefault(path, place)
        self.skip(BLANK)
        self.at += 1
        self.skip(BLANK)
        self.value(path)

    def key(self) -> list[tuple[str, Range]]:
        """The parts of a key that may have dots, each with its range."""
        parts: list[tuple[str, Range]] = []
        while True:
            start = self.at
            if self.text[start] in "\"'":
                self.skip(BASIC if self.text[start] == '"' else LITERAL)
                (name,) = tomllib.loads(f"{self.text[start : self.at]} = 0")
            else:
                self.skip(BARE)
                name = self.text[start : self.at]
            parts.append((name, (start, self.at)))
            end = self.at
            self.skip(BLANK)
            if not self.text.startswith(".", self.at):
                self.at = end
                return parts
            self.at += 1
            self.skip(BLANK)

    def value(self, path: Path) -> None:
        start, first = self.at, self.text[self.at]
        if first == "[":
            self.at += 1
            self.array(path)
        elif first == "{":
            self.at += 1
            self.table(path)
        elif first in "\"'":
            long = self.text.startswith(first * 3, start)
            basic, literal = (LONG_BASIC, LONG_LITERAL) if long else (BASIC, LITERAL)
            self.skip(basic if first == '"' else literal)
        else:
            self.skip(SCALAR)
        self.found.values[path] = (start, self.at)

    def array(self, path: Path) -> None:
        index = 0
        while self.more("]"):
            element = (*path, index)
            start = self.at
            self.value(element)
            self.found.keys[element] = (start, self.at)
            index += 1

    def table(self, path: Path) -> None:
        while self.more("}"):
            self.pair(path)

    def more(self, end: str) -> bool:
        """Is there another element? Behind the end of the array or table otherwise."""
        self.skip(VOID)
        if self.text.startswith(",", self.at):
            self.at += 1
            self.skip(VOID)
        if self.text.startswith(end, self.at):
            self.at += 1
            return False
        return True
