"""Every kernel of the compiler benchmarks gives the published results under CPython."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from neokernel.bench.workloads import KERNELS
from neokernel.bench.workloads.kernel import Case, Kernel

BENCHES = Path(__file__).parents[2] / "benches" / "compiler"


def cases_of(kernel: Kernel) -> list[tuple[Kernel, Case]]:
    return [(kernel, case) for case in kernel.cases]


ALL = [pair for make in KERNELS.values() for pair in cases_of(make())]


@pytest.mark.parametrize(("kernel", "case"), ALL, ids=[f"{kernel.name}-{case.name}" for kernel, case in ALL])
def test_case(kernel: Kernel, case: Case) -> None:
    module = importlib.import_module(f"benches.compiler.{kernel.name}")
    work = module.Work()
    kernel.fill(work, case)
    module.run(work)
    assert kernel.result_memory(work) == kernel.expected_memory(case)


def test_both_sides_exist_for_every_kernel() -> None:
    for side in ("py", "c"):
        assert {path.stem for path in BENCHES.glob(f"*.{side}")} == set(KERNELS)
