"""The longest paths against what a machine executes, by instruction, in all cases of the kernel's interface."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from neokernel.bounds.code import Code
from neokernel.bounds.flow import Arguments
from neokernel.bounds.longest import Loop
from neokernel.bounds.report import Bounds, bounds_of
from neokernel.bounds.sources import LoopFinder, loops_of
from neokernel.compiler import ir, pipeline
from neokernel.image.kernel import build_system, kernel_state
from tests.bounds.trace import Stay, compare, stays_of
from tests.support.machine import QEMU

PROGRAM = Path(__file__).parents[1] / "kernel" / "machine"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("bounds") / "machine.elf"
    built = build_system(PROGRAM, found)
    assert not built.diagnostics, built.diagnostics[0].message
    return found


@pytest.fixture(scope="module")
def code(image: Path) -> Code:
    return Code(image)


@pytest.fixture(scope="module")
def program() -> ir.Program:
    found = pipeline.run_front_end(kernel_state()).program
    assert found is not None
    return found


@pytest.fixture(scope="module")
def stays(image: Path) -> Counter[Stay]:
    assert QEMU is not None
    return stays_of(image, image.parent, QEMU)


@pytest.fixture(scope="module")
def bounds(code: Code, program: ir.Program) -> Bounds:
    return bounds_of(code, program)


def test_no_way_is_longer_than_its_bound(code: Code, bounds: Bounds, stays: Counter[Stay]) -> None:
    found = compare(code, bounds.rows, stays)
    rows = {row.name: row.stretch for row in bounds.rows}
    for name, longest in sorted(found.longest.items()):
        print(f"{name:32} {longest:>6,} of {rows[name]:>6,}, {longest / rows[name]:.0%}")
    assert not found.wrong
    assert sum(stays.values()) > 5_000
    assert len(found.longest) >= len(rows) * 3 // 4, "so many are compared"


@pytest.mark.slow
def test_a_loop_that_is_bounded_too_low_is_found(code: Code, program: ir.Program, stays: Counter[Stay]) -> None:
    finder = LoopFinder(code, loops_of(program))

    def planted(header: int, body: frozenset[int], arguments: Arguments) -> Loop | None:
        loop = finder.bound_of(header, body, arguments)
        return loop and replace(loop, rounds=loop.rounds // 4)

    found = compare(code, bounds_of(code, program, planted).rows, stays)
    assert any("neokernel.arch.cpu.clear" in wrong and "63 rounds, not 15" in wrong for wrong in found.wrong)


def test_a_way_that_no_row_has_is_found(code: Code, bounds: Bounds, stays: Counter[Stay]) -> None:
    rows = [row for row in bounds.rows if row.name != "CONSOLE_WRITE"]
    found = compare(code, rows, stays)
    assert found.wrong
    assert all("no row's way: neokernel.kernel.platform" in wrong for wrong in found.wrong)


def test_a_stretch_that_is_too_short_is_found(code: Code, bounds: Bounds, stays: Counter[Stay]) -> None:
    rows = [replace(row, stretch=row.stretch // 4) for row in bounds.rows]
    assert any(wrong.startswith("RETYPE: 2") for wrong in compare(code, rows, stays).wrong)
