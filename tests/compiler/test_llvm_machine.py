"""Compiled for riscv64 and run on an emulated machine: the same answers, and the same failing checks."""

from __future__ import annotations

import pytest

from neokernel.compiler.verify import verify
from tests.support import machine, scalars

pytestmark = pytest.mark.qemu


def run(suite: scalars.Suite) -> None:
    verify(suite.program)
    calls = [(case.symbol, case.arguments) for case in suite.cases]
    results = machine.call_all(suite.program, calls, level=1)
    for case, (actual, outcome) in zip(suite.cases, results, strict=True):
        assert outcome.trap is None, (case, outcome)
        if case.kind is None:
            assert outcome.failed is None, (case, outcome)
            assert scalars.same(case.expected, actual), (case, actual)
        else:
            assert outcome.failed is not None, (case, actual)
            assert outcome.failed.kind == case.kind, (case, outcome)
            assert outcome.failed.symbol == case.symbol


pytestmark = pytest.mark.qemu


def test_integers() -> None:
    run(scalars.integers(seed=11, number=12))


def test_comparisons_and_conversions() -> None:
    run(scalars.conversions(seed=12, number=10))


def test_floats() -> None:
    run(scalars.floats(seed=13))
