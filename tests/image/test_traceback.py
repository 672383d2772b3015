"""Carets and repetitions, as Python 3.11 prints them."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from neokernel.image.traceback import Frame, anchor, render_traceback, with_end


@pytest.mark.parametrize(
    ("segment", "marks"),
    [
        ("total + step", "~~~~~~^~~~~~"),
        ("(a + b) // c", "~~~~~~~~^^~~"),
        ("table[index]", "~~~~~^^^^^^^"),
        ("f(x)[0][1]", "~~~~~~~^^^"),
        ("u8(x)", "^^^^^"),
        ("total += 1", "^^^^^^^^^^"),
        ("a << (b)", "~~^^~~~~"),
        ("é + b", "^^^^^"),
        ("not python(", "^^^^^^^^^^^"),
    ],
)
def test_anchor(segment: str, marks: str) -> None:
    assert anchor(segment) == marks


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="ours are as Python 3.11's; from 3.13 on, calls are marked too")
def test_like_cpython(tmp_path: Path) -> None:
    """The same failure, told by CPython and by us."""
    path = tmp_path / "program.py"
    path.write_text(
        "def inner(values, index):\n    return 1 + values[index] * 2\n\n\n"
        "def outer(values):\n    x = inner(values, 9) + 1\n    return x\n\n\nouter([1])\n"
    )
    with pytest.raises(IndexError) as failure:
        exec(compile(path.read_text(), str(path), "exec"), {})
    told = "".join(traceback.format_exception(failure.value)[2:])
    frames = [
        Frame("<module>", str(path), 10, 0),
        Frame("outer", str(path), 6, 8),
        Frame("inner", str(path), 2, 15, 2, 28),
    ]
    ours = render_traceback(frames, "IndexError: list index out of range")
    assert ours.split("\n", 1)[1] == told


def test_repetition_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("x\n")
    text = render_traceback([Frame("f", str(path), 1)] * 10, "End")
    assert text.count("in f") == 3
    assert "  [Previous line repeated 7 more times]\n" in text


def test_missing_sources_cost_only_their_line() -> None:
    assert render_traceback([Frame("f", "nowhere.py", 3, 4)], "End") == (
        'Traceback (most recent call last):\n  File "nowhere.py", line 3, in f\nEnd\n'
    )


def test_columns_count_characters(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text('é = "ü" + f("ö", x)\n')
    assert with_end(Frame("f", str(path), 1, 10)).end_column == 19


@pytest.mark.parametrize("margin", [0, 1, 300])
def test_carets_stand_below_wide_characters_and_in_long_lines(tmp_path: Path, margin: int) -> None:
    path = tmp_path / "program.py"
    path.write_text(f"    x = f('{'a' * margin}', '日本', (0, 1)[2 + y], '日本')\n")
    start = path.read_text().index("(0")
    text = render_traceback([Frame("f", str(path), 1, start, 1, start + 13)], "End")
    *_, line, carets, _ = text.splitlines()
    assert carets.strip() == "~~~~~~^^^^^^^"
    # Two characters before it are wide.
    place = carets.index("~") - 2
    assert line[place : place + 13] == "(0, 1)[2 + y]"
    assert line.startswith("    …") == (margin > 200)
    assert len(line) <= 4 + 160 + 2
