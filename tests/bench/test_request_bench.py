"""`nk bench request`: stays become legs; and the page that quotes them names functions that there are."""

from __future__ import annotations

import ast
import re

import pytest

from neokernel.abi.trace import Event
from neokernel.bench import request
from neokernel.bench.request import COUNTED, IDLE, LEGS, MODEL
from neokernel.bench.row import BenchError
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.ring import Entry

PAGE = PACKAGE_ROOT / "docs" / "design" / "request.md"
WAY = [("digits-next" if name == MODEL else name, number) for number, (name, _) in enumerate(LEGS, 1)]
ACKNOWLEDGED = [("card", 10), ("network", 20), ("card", 5), ("gateway", 7)]


def test_who_ran_for_how_long() -> None:
    changes = [(0, 5), (30, 7), (45, 0), (90, 5)]
    entries = [Entry(number, time, thread, Event.SWITCH, 0, 0, 0) for number, (time, thread) in enumerate(changes)]
    entries.insert(1, Entry(9, 10, 5, Event.SYSCALL, 0, 0, 0))
    assert request.stays(entries, {5: "card", 7: "network"}, 100) == [("card", 3000), ("network", 1500), (IDLE, 4500)]


def test_requests_are_told_from_what_is_between_them() -> None:
    looks = [("network", 3), ("card", 4), ("network", 5)]
    disturbed = [*WAY[:3], ("entropy", 9), *WAY[3:]]
    stays = [
        each for part in (WAY, looks, ACKNOWLEDGED, WAY, disturbed, ACKNOWLEDGED) for each in [*part, (IDLE, 1000)]
    ]
    assert request.requests(stays) == ([(1, 2, 3, 4, 5, 6, 7)] * 2, [42, 42])


def test_rows() -> None:
    rows = request.rows_of("digits", [(1, 2, 3, 400, 5, 6, 7)] * COUNTED, [40, 41, 90])
    assert [row.ours for row in rows] == [1, 2, 3, 400, 5, 6, 7, 424, 24, 41]
    with pytest.raises(BenchError, match="1 went their way undisturbed"):
        request.rows_of("digits", [(1, 2, 3, 4, 5, 6, 7)], [40])
    with pytest.raises(BenchError, match="no item nothing; there are digits, digits-int8"):
        request.run(["nothing"])


def test_the_page_names_what_there_is() -> None:
    text = PAGE.read_text()
    rows = [row.split("|") for row in text.splitlines() if re.match(r"\| \d ", row)]
    assert len(rows) == len(LEGS)
    for row in rows:
        names: set[str] = set()
        for file, function in re.findall(r"`(?:([\w/]+\.py):)?(\w+)`", row[4]):
            if file:
                tree = ast.parse((PACKAGE_ROOT / "neokernel" / file).read_text())
                names = {
                    each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                }
            assert function in names, (file, function)
    counts = [int(row[5].replace(",", "")) for row in rows]
    (whole,) = re.findall(r"all of it \| \| \| ([\d,]+)", text)
    (without,) = re.findall(r"all but the model \| \| \| ([\d,]+)", text)
    assert sum(counts) == int(whole.replace(",", "")) == int(without.replace(",", "")) + max(counts)
