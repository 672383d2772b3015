"""The C side of the benchmarks is right and without undefined behaviour, and the driver rejects wrong results."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import compiler
from neokernel.bench.row import BenchError, geometric_mean
from neokernel.bench.workloads import KERNELS

#: Undefined behaviour traps, which the harness reports.
SANITIZED = ("-fsanitize=undefined", "-fsanitize-trap=undefined")


@pytest.mark.qemu
@pytest.mark.parametrize("name", KERNELS)
def test_c_side(name: str, tmp_path: Path) -> None:
    kernel = KERNELS[name]()
    measured = compiler.check(kernel, compiler.run_image(compiler.build_image(kernel, tmp_path, None, SANITIZED)))
    assert measured.c == measured.checked == measured.unchecked > 0


@pytest.mark.qemu
@pytest.mark.parametrize("name", KERNELS)
def test_our_sides(name: str, tmp_path: Path) -> None:
    """Right results from the compiled kernels; the bound only catches what no longer optimises at all."""
    measured = compiler.measure(KERNELS[name](), tmp_path)
    assert measured.unchecked <= measured.checked + measured.c // 10
    assert measured.checked < 2 * measured.c


@pytest.mark.qemu
def test_counts_are_exact(tmp_path: Path) -> None:
    kernel = KERNELS["siphash"]()
    image = compiler.build_image(kernel, tmp_path, None)
    assert compiler.run_image(image) == compiler.run_image(image)


def test_a_wrong_result_is_an_error() -> None:
    kernel = KERNELS["internet_checksum"]()
    good = [
        f"case {number} {side} 100 {kernel.expected_memory(case).hex()}"
        for number, case in enumerate(kernel.cases)
        for side in ("c", "checked", "unchecked")
    ]
    assert compiler.check(kernel, good).c == 100
    with pytest.raises(BenchError, match=r"checked gives\s+0000"):
        compiler.check(kernel, [good[0], "case 0 checked 100 0000", *good[2:]])
    with pytest.raises(BenchError, match="results for"):
        compiler.check(kernel, good[:-1])


def test_unknown_kernel_is_an_error() -> None:
    with pytest.raises(BenchError, match="no kernel nothing"):
        compiler.run(["nothing"])


def test_geometric_mean() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
