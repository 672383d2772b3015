"""Models as riscv64 code, on the machine: scalar and with vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neokernel.bench.model_machine import Job, run
from neokernel.model.emit import emit
from neokernel.model.machine import SCALAR, VARIANTS, VECTOR, Variant, machine_code
from tests.model import node_cases

#: every SAMPLE-th operator test; all of them are a slow test
SAMPLE = 9


def check(variant: Variant, every: int, folder: Path) -> int:
    """Compile operator tests one by one, run them together, and compare. How many they were."""
    cases = [case for case in node_cases.cases() if case.graph is not None][::every]
    jobs = []
    for case in cases:
        assert case.graph is not None
        emitted = emit(case.graph, variant.machine)
        blob = machine_code(emitted, variant)
        jobs.append(Job(case.graph, blob.code, emitted.constants, emitted.plan.arena_size, case.inputs))
    wrong = []
    for case, answer in zip(cases, run(jobs, variant, folder), strict=True):
        for got, want in zip(answer.results, case.results, strict=True):
            absolute = 1e-7 if want.dtype.kind == "f" else 0
            if got.shape != want.shape or not np.allclose(got, want, rtol=1e-3, atol=absolute, equal_nan=True):
                wrong.append(case.name)
    assert wrong == []
    return len(cases)


@pytest.mark.qemu
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_sample_of_the_operator_tests_passes(variant: Variant, tmp_path: Path) -> None:
    assert check(variant, SAMPLE, tmp_path) > 30


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("variant", [SCALAR, VECTOR], ids=lambda variant: variant.name)
def test_all_operator_tests_pass(variant: Variant, tmp_path: Path) -> None:
    assert check(variant, 1, tmp_path) >= 298
