"""What all tests share: what QEMU tests do without QEMU, and how long Hypothesis may think."""

from __future__ import annotations

import shutil

import hypothesis
import pytest

# Time limits per example fail on a busy machine and say nothing about the code; pytest-timeout bounds the tests.
hypothesis.settings.register_profile("neokernel", deadline=None, print_blob=True)
hypothesis.settings.load_profile("neokernel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("qemu-system-riscv64") is not None:
        return
    skip = pytest.mark.skip(reason="qemu-system-riscv64 is missing; `make setup` says how to get it")
    for item in items:
        if item.get_closest_marker("qemu") is not None:
            item.add_marker(skip)
