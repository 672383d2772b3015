"""Lines as a terminal shows them: wide characters take two cells, and a very long line of source is shown in part.

Invariant: marks made by `underline` stand below the characters that they mean, in what `window` shows.
"""

from __future__ import annotations

import textwrap
import unicodedata

#: a longer line is shown as a part of this many characters around what is meant
LONGEST = 160
#: so many characters are left before it
BEFORE = 40
CUT = "…"


def cells(character: str) -> int:
    """How many cells of a terminal a character takes (Unicode Standard Annex 11)."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def window(line: str, start: int, end: int) -> tuple[str, int, int]:
    """What to show of `line`, and where characters `start` to `end` of it are then."""
    if len(line) <= LONGEST:
        return line, start, end
    first = max(0, min(start - BEFORE, len(line) - LONGEST))
    last = first + LONGEST
    before, after = CUT if first > 0 else "", CUT if last < len(line) else ""
    moved = len(before) - first
    return f"{before}{line[first:last]}{after}", start + moved, min(end, last) + moved


def underline(line: str, start: int, marks: str) -> str:
    """`marks`, one for each character of `line` from `start` on, below them. A tab before them keeps its place."""
    margin = "".join("\t" if character == "\t" else " " * cells(character) for character in line[:start].ljust(start))
    below = line[start : start + len(marks)].ljust(len(marks))
    return margin + ("".join(mark * cells(character) for mark, character in zip(marks, below, strict=True)) or marks)


def wrapped(text: str, begin: int, columns: int) -> str:
    """Text that begins in column `begin`, wrapped between words at `columns`, below itself; 0: as it is."""
    if not columns:
        return text
    room = max(columns - begin, 20)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * begin).join(lines)
