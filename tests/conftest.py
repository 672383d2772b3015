"""What all tests share: objects of their own, what QEMU tests do without QEMU, how long Hypothesis may think."""

from __future__ import annotations

import os
import shutil
import tempfile

import hypothesis
import pytest

# Time limits per example fail on a busy machine and say nothing about the code; pytest-timeout bounds the tests.
hypothesis.settings.register_profile("neokernel", deadline=None, print_blob=True)
hypothesis.settings.load_profile("neokernel")


#: where the tests' object files are kept, for the processes that this one starts
STORE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """The user's store stays as it is: a session has its own, which its workers share. NK_CACHE names another."""
    if "NK_CACHE" not in os.environ:
        config.stash[STORE] = os.environ["NK_CACHE"] = tempfile.mkdtemp(prefix="neokernel-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if STORE in config.stash:
        del os.environ["NK_CACHE"]
        shutil.rmtree(config.stash[STORE], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("qemu-system-riscv64") is not None:
        return
    skip = pytest.mark.skip(reason="qemu-system-riscv64 is missing; `make setup` says how to get it")
    for item in items:
        if item.get_closest_marker("qemu") is not None:
            item.add_marker(skip)
