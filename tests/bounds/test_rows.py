"""`nk prove --paths`: rows of the kernel as it is, with its checks and without; the page that is generated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from neokernel.bounds.code import Code
from neokernel.bounds.longest import Loop
from neokernel.bounds.operations import names
from neokernel.bounds.report import LIMIT, Bounds, Row, Share
from neokernel.cli import paths
from neokernel.cli.paths import fitted, kernel_bounds
from neokernel.cli.prove import command

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "paths.md"


def prove(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments], standalone_mode=False)


@pytest.fixture(scope="module", autouse=True)
def _each_kernel_once() -> Iterator[None]:
    """The kernel with its checks, and the one without, are built and gone through once, whatever the commands show."""
    kept: dict[bool, tuple[Code, Bounds]] = {}

    def once(image: Path, *, checks: bool, as_json: bool) -> tuple[Code, Bounds]:
        if checks not in kept:
            kept[checks] = kernel_bounds(image, checks=checks, as_json=as_json)
        return kept[checks]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "kernel_bounds", once)
        yield


@pytest.fixture(scope="module", params=["--checks", "--no-checks"])
def rows(request: pytest.FixtureRequest) -> dict[str, int]:
    done = prove("--paths", "--json", request.param)
    assert done.exception is None, done.exception
    found = json.loads(done.stdout)
    assert found["unbounded"] == [] and found["limit"] == LIMIT
    return {row["name"]: row["bound"] for row in found["operations"]}


def test_each_way_into_the_kernel_has_a_row(rows: dict[str, int]) -> None:
    assert list(rows) == sorted(names(), key=lambda name: (-rows[name], name))


def test_no_row_is_above_the_promise(rows: dict[str, int]) -> None:
    assert not {name: bound for name, bound in rows.items() if bound > LIMIT}


def test_the_page_has_the_rows_that_there_are() -> None:
    """Its numbers are those of the commit that it names."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| [A-Za-z_ ]+ \| [\d,]+ ", line)
    ]
    assert {cell[0] for cell in cells} == set(names())
    assert not [cell[0] for cell in cells if int(cell[1].replace(",", "")) > LIMIT]
    assert all(int(cell[2].replace(",", "")) <= int(cell[1].replace(",", "")) for cell in cells)


def test_an_operations_path_is_shown_by_line() -> None:
    done = prove("--paths", "clear")
    assert done.exception is None, done.exception
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"CLEAR: [\d,]+ instructions until an interrupt is served, at most", first)
    assert any("neokernel/kernel/memory.py:" in line for line in lines)
    assert any(re.search(r"times \(assembly\) neokernel.arch.cpu.clear", line) for line in lines)


def test_an_unknown_operation_is_told_with_the_nearest_name() -> None:
    done = prove("--paths", "REVOK")
    assert "no operation 'REVOK': did you mean 'REVOKE'?" in str(done.exception)


def test_a_row_fits_the_terminal() -> None:
    class Some(Row):
        @property
        def shares(self) -> list[Share]:
            return [
                Share(Loop(65, "stated", "neokernel/kernel/slot.py:180"), 6_500),
                Share(Loop(4, "constant", "neokernel/kernel/endpoint.py:141"), 6_480),
                Share(Loop(63, "assembly", "neokernel.arch.cpu.clear"), 2_772),
            ]

    row = Some("SEND", 18_261, 18_261, (), frozenset(), frozenset())
    full = "6,500 in 65 × slot.py:180 (stated), 6,480 in 4 × endpoint.py:141 (constant), "
    full += "2,772 in 63 × neokernel.arch.cpu.clear (assembly)"
    assert fitted(row, len(full)) == full
    assert fitted(row, len(full) - 1) == (
        "6,500 in 65 × slot.py:180, 6,480 in 4 × endpoint.py:141, 2,772 in 63 × cpu.clear"
    )
    assert fitted(row, 60) == "6,500 in 65 × slot.py:180, 6,480 in 4 × endpoint.py:141, …"
    assert fitted(row, 29) == "6,500 in 65 × slot.py:180, …"
    assert fitted(row, 20) == "6,500 in 65 × slot.…"
    assert all(len(fitted(row, width)) <= width for width in range(1, 200))


def test_the_table_has_no_line_that_is_wider_than_the_terminal() -> None:
    done = CliRunner().invoke(command, ["--paths"], standalone_mode=False, env={"COLUMNS": "80"})
    assert done.exception is None, done.exception
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and "wider terminal" in lines[-1] and "REVOKE" in done.stdout
