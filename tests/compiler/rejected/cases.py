"""Reads, runs and writes the files of rejected programs.

A file holds cases, each headed by `=== title`. Below a line of the program stands what the compiler says about it:
carets under the range, code and message, and on the next line the help:

        return 300
               ^^^ NK0313: 300 doesn't fit in `u8` (0 … 255)
               = help: use a wider type

`+2:7` behind the carets: the range ends two lines further down, before column 7. Neither form is Python, so the program
is what remains without these lines. `--- name` begins another module of the same program; the first is `program`.

Invariant: a program without an import of the vocabulary gets all of it, on a line of its own above the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from neokernel.compiler import interpret
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.pipeline import Analysis, analyse_source
from neokernel.compiler.vocabulary import VOCABULARY

FOLDER = Path(__file__).parent
ROOT = "program"
HEADER = (
    f"from neokernel.lang import {', '.join(sorted(VOCABULARY))}; from enum import Enum; "
    "from typing import Annotated, Final, Generic, NoReturn, Protocol, TypeAlias, TypeVar, assert_never\n"
)

_EXPECTATION = re.compile(r"\s*(\^+( \+\d+:\d+)? NK\d{4}: |= (help|note): )")
_VOCABULARY_IMPORT = re.compile(r"^from neokernel\.lang? import|^import neokernel\.lang", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One rejected program. `text`: as it stands in the file, with its expectations, without the title line."""

    file: Path
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.file.stem}: {self.title}"

    def modules(self) -> dict[str, str]:
        """The program: source text by module name, without the expectations."""
        return {
            name: "".join(line for line in text.splitlines(keepends=True) if not _EXPECTATION.match(line))
            for name, text in _modules(self.text)
        }

    def analyse(self) -> Analysis:
        sources = {name: _header(text) + text for name, text in self.modules().items()}
        with patch.object(interpret, "LIMIT", 20_000):
            return analyse_source(sources.pop(ROOT), ROOT, sources)

    def annotated(self, diagnostics: list[Diagnostic]) -> str:
        """The case's text with `diagnostics` in place of what it expects."""
        out: list[str] = []
        rest = list(diagnostics)
        for name, source in self.modules().items():
            if name != ROOT:
                out.append(f"--- {name}\n")
            here = [d for d in rest if d.span.file == f"<{name}>"]
            rest = [d for d in rest if d not in here]
            offset = _header(source).count("\n")
            lines = source.splitlines(keepends=True)
            for number, line in enumerate(lines, start=1 + offset):
                out.append(line)
                last = number == offset + len(lines)
                for diagnostic in here:
                    if diagnostic.span.line == number or (last and diagnostic.span.line > number):
                        out += _expectation(diagnostic)
        assert not rest, f"diagnostics outside of the case: {rest}"
        return "".join(out)


def _header(source: str) -> str:
    return "" if _VOCABULARY_IMPORT.search(source) else HEADER


def _modules(text: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^--- (\S+)\n", text, flags=re.MULTILINE)
    yield ROOT, parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def _expectation(diagnostic: Diagnostic) -> list[str]:
    span = diagnostic.span
    pad = " " * span.column
    same_line = span.end_line == span.line
    carets = "^" * max(span.end_column - span.column, 1) if same_line else "^"
    end = "" if same_line else f" +{span.end_line - span.line}:{span.end_column + 1}"
    out = [f"{pad}{carets}{end} {diagnostic.code}: {diagnostic.message}\n"]
    if diagnostic.help:
        out.append(f"{pad}= help: {diagnostic.help}\n")
    out += [f"{pad}= note: {text}\n" for _, text in diagnostic.notes]
    return out


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.txt"))


def read(file: Path) -> tuple[str, list[Case]]:
    """What stands above the first case, and the cases."""
    parts = re.split(r"^=== (.+)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles, texts = parts[1::2], parts[2::2]
    return parts[0], [Case(file, title, text.rstrip("\n") + "\n") for title, text in zip(titles, texts, strict=True)]


def write(file: Path, head: str, cases: list[Case]) -> None:
    body = "\n".join(f"=== {case.title}\n{case.annotated(case.analyse().diagnostics)}" for case in cases)
    file.write_text(head + body, encoding="utf-8")


def all_cases() -> list[Case]:
    return [case for file in files() for case in read(file)[1]]
