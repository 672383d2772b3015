"""The line editor against a model of a line, and what it shows against a terminal of one row."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang import u8, u64
from neokernel.runtime.queue import Queue
from neokernel.services.shell.editor import COLUMNS, LINE, MOST_SHOWN, REMEMBERED, Edited, Editor

PROMPT = "> "
#: keys by what they do; some have several
KEYS = {
    "left": [b"\x02", b"\x1b[D", b"\x1bOD"],
    "right": [b"\x06", b"\x1b[C"],
    "up": [b"\x10", b"\x1b[A"],
    "down": [b"\x0e", b"\x1b[B"],
    "home": [b"\x01", b"\x1b[H", b"\x1b[1~", b"\x1b[7~"],
    "end": [b"\x05", b"\x1b[F", b"\x1b[4~", b"\x1b[8~"],
    "backspace": [b"\x7f", b"\x08"],
    "delete": [b"\x1b[3~"],
    "kill rest": [b"\x0b"],
    "kill all": [b"\x15"],
    "kill word": [b"\x17"],
    "swap": [b"\x14"],
    "enter": [b"\r", b"\n"],
    "cancel": [b"\x03"],
    "nothing": [b"\x1b[5~", b"\x1bx", b"\x00", b"\x9c", b"\xff", b"\x1b[1;5P"],
}


class Model:
    """What a line is, as lists."""

    def __init__(self) -> None:
        self.line, self.cursor = "", 0
        self.entered: list[str] = []
        self.history: list[str] = []
        self.looked, self.kept = 0, ""

    def fresh(self) -> None:
        self.line, self.cursor, self.looked = "", 0, 0

    def look(self, back: int) -> None:
        if 0 <= back <= len(self.history):
            if self.looked == 0:
                self.kept = self.line
            self.looked = back
            self.line = self.history[-back] if back else self.kept
            self.cursor = len(self.line)

    def text(self, text: str) -> None:
        for character in text[: LINE - len(self.line)]:
            self.line = self.line[: self.cursor] + character + self.line[self.cursor :]
            self.cursor += 1

    def key(self, key: str) -> None:
        line, at = self.line, self.cursor
        match key:
            case "left":
                self.cursor = max(0, at - 1)
            case "right":
                self.cursor = min(len(line), at + 1)
            case "up":
                self.look(self.looked + 1)
            case "down":
                self.look(max(0, self.looked - 1))
            case "home":
                self.cursor = 0
            case "end":
                self.cursor = len(line)
            case "backspace" if at:
                self.line, self.cursor = line[: at - 1] + line[at:], at - 1
            case "delete":
                self.line = line[:at] + line[at + 1 :]
            case "kill rest":
                self.line = line[:at]
            case "kill all":
                self.line, self.cursor = "", 0
            case "kill word":
                kept = re.sub(r"[^ ]* *$", "", line[:at])
                self.line, self.cursor = kept + line[at:], len(kept)
            case "swap" if at and len(line) > 1:
                right = min(at, len(line) - 1)
                self.line = line[: right - 1] + line[right] + line[right - 1] + line[right + 1 :]
                self.cursor = right + 1
            case "enter":
                self.entered.append(line)
                if line and self.history[-1:] != [line]:
                    self.history = [*self.history, line][-REMEMBERED:]
                self.fresh()
            case "cancel":
                self.fresh()


class Terminal:
    """The row with the cursor, of a terminal that is COLUMNS wide. It fails where a line would wrap."""

    def __init__(self) -> None:
        self.row, self.column, self.bells = "", 0, 0

    def show(self, data: bytes) -> None:
        for token in re.findall(r"\x1b\[\d*[A-Z]|.|\n", data.decode(), re.DOTALL):
            if token == "\r":
                self.column = 0
            elif token == "\n":
                self.row = ""
            elif token == "\x07":
                self.bells += 1
            elif token == "\x1b[K":
                self.row = self.row[: self.column]
            elif token.startswith("\x1b["):
                assert token.endswith("C") and token != "\x1b[00C"
                self.column += int(token[2:-1])
            else:
                self.row = self.row[: self.column].ljust(self.column) + token + self.row[self.column + 1 :]
                self.column += 1
            assert self.column < COLUMNS, "the line would wrap"


class Session:
    def __init__(self) -> None:
        self.editor: Any = Editor()
        self.out: Any = Queue(slots=lang.array(4 * MOST_SHOWN))
        self.terminal, self.lines = Terminal(), list[str]()
        self.editor.begin(self.out)
        self.flush()

    def flush(self) -> int:
        shown = bytes([self.out.pop() for _ in range(len(self.out))])
        self.terminal.show(shown)
        return len(shown)

    def feed(self, data: bytes) -> None:
        for byte in data:
            ended = self.editor.feed(u8(byte), self.out)
            assert self.flush() <= MOST_SHOWN
            if ended is not None:
                if ended is Edited.ENTERED:
                    self.lines.append(bytes(self.editor.line()).decode())
                self.editor.begin(self.out)
                self.flush()


STEPS = st.lists(
    st.tuples(st.just("text"), st.text(st.sampled_from("ab xy"), min_size=1, max_size=90))
    | st.sampled_from(sorted(KEYS)).flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(KEYS[key]))),
    max_size=30,
)


@settings(max_examples=150)
@given(STEPS)
def test_like_a_line(steps: list[tuple[str, Any]]) -> None:
    model, session = Model(), Session()
    for step, argument in steps:
        if step == "text":
            model.text(argument)
            session.feed(argument.encode())
        else:
            model.key(step)
            session.feed(argument)
        assert bytes(session.editor.line()).decode() == model.line
        assert session.editor.cursor == model.cursor
        row, column = session.terminal.row, session.terminal.column
        assert row.startswith(PROMPT)
        shown, left = row[len(PROMPT) :], model.cursor - (column - len(PROMPT))
        assert left >= 0 and model.line[left : left + len(shown)] == shown, "what is shown is a part of the line"
        assert len(shown) == min(len(model.line) - left, COLUMNS - 1 - len(PROMPT)), "as much as fits"
    assert session.lines == model.entered


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    session = Session()
    for byte in data:
        if byte not in (0x04, 0x0C):
            session.feed(bytes([byte]))


def test_what_means_nothing_rings_the_bell() -> None:
    session = Session()
    for keys in KEYS["nothing"]:
        session.feed(keys)
    assert session.terminal.bells >= len(KEYS["nothing"]) and bytes(session.editor.line()) == b""
    session.feed(b"x" * LINE)
    before = session.terminal.bells
    session.feed(b"y")
    assert session.terminal.bells == before + 1 and u64(session.editor.length) == LINE


def test_the_end_of_the_input() -> None:
    editor: Any = Editor()
    out: Any = Queue(slots=lang.array(4 * MOST_SHOWN))
    editor.begin(out)
    assert editor.feed(u8(0x61), out) is None
    assert editor.feed(u8(0x01), out) is None
    assert editor.feed(u8(0x04), out) is None and editor.length == 0, "with a line, it deletes"
    assert editor.feed(u8(0x04), out) is Edited.LEFT
    assert editor.feed(u8(0x0C), out) is None
    assert b"\x1b[2J" in bytes([out.pop() for _ in range(len(out))])
