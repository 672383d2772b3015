"""What commands show on a terminal of 80 columns: nothing is wider, nothing is taller than there is room for."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from neokernel.cli import top
from neokernel.cli.output import hanging
from neokernel.compiler.diagnostics import Diagnostic, render
from neokernel.compiler.ir import Span
from neokernel.control.view import Look, Service


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


WORKS = Service(
    index=0,
    name="a-service-with-a-very-long-name",
    phase="runs",
    starts=12345,
    cpu=1.0,
    free=1 << 30,
    thread=7,
    denied=0,
)
ENDED = Service(index=1, name="frail", phase="given up", starts=2, cpu=0.0, free=0, thread=0, denied=0)


def test_top_has_room_and_shows_who_works_first() -> None:
    before = Look(time=9e6, services=[ENDED, WORKS], memory=1 << 40)
    after = Look(time=9e6 + 1, services=[ENDED, replace(WORKS, cpu=2.0)], memory=1 << 40)
    lines = top.screen(before, after)
    assert max(map(len, lines)) <= 80
    works, ended = lines[2:]
    assert works.startswith("a-service-with-a-very-…  runs")
    assert "100.0%" in works
    assert ended.split() == ["frail", "given", "up", "2", "-", "-"], "who doesn't run uses nothing"


@pytest.mark.parametrize(("count", "most"), [(3, 24), (23, 24), (24, 24), (100, 24), (9, 4)])
def test_a_picture_that_is_written_over_fits_the_terminal(count: int, most: int) -> None:
    lines = [f"line {number}" for number in range(count)]
    shown = top.fitting(lines, most)
    assert len(shown) < max(most, 5)
    assert shown == lines or shown[-1].startswith(f"{count - len(shown) + 1} more")


def test_helps_and_notes_of_a_diagnostic_go_on_below_themselves() -> None:
    span = Span("a.py", 12, 0, 12, 1)
    told = Diagnostic("NK0101", "wrong", span, "do this " * 12 + "`a-long-name`", ((span, "because " * 12),))
    lines = render(told, None, columns=80).splitlines()
    assert max(map(len, lines)) <= 80 and lines[2].startswith("   = help: do this")
    assert lines[3].startswith(" " * 11 + "do") or lines[3].startswith(" " * 11 + "this")
    assert len(render(told, None).splitlines()) == 4, "where there is no terminal they are lines"


def test_what_is_too_long_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert hanging("  init  ", "rules every service, and lends what it has").count("\n") == 0, "a pipe has no width"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert hanging("  init  ", "rules every service, and lends what it has") == (
        "  init  rules every service, and lends\n        what it has"
    )
    assert hanging("  init  ", "") == "  init  "
