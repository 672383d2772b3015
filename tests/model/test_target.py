"""Models as riscv64 code, on the machine: scalar and with vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neokernel.bench.model_machine import Job, run
from neokernel.model.emit import emit
from neokernel.model.machine import SCALAR, VARIANTS, VECTOR, Variant, machine_code
from tests.model import node_cases
from tests.model.digits import graph_of, held_out

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


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("variant", "vector_bits"),
    [(SCALAR, 0), (VECTOR, 128), (VECTOR, 1024)],
    ids=["rv64gc", "rv64gcv-128", "rv64gcv-1024"],
)
def test_no_more_stack_is_taken_than_the_bundle_says(variant: Variant, vector_bits: int, tmp_path: Path) -> None:
    """The floats' model keeps vector registers on its stack: how large these are, is the machine's to say."""
    graph = graph_of("digits")
    emitted = emit(graph, variant.machine)
    blob = machine_code(emitted, variant)
    job = Job(graph, blob.code, emitted.constants, emitted.plan.arena_size, {"image": held_out()[0][:1]})
    (answer,) = run([job], variant, tmp_path, vector_bits)
    assert 0 < answer.stack <= blob.stack + blob.stack_vectors * vector_bits // 8
    if vector_bits == 1024:
        assert answer.stack > blob.stack, "else this test says nothing of registers"
