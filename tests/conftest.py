"""What all tests share: objects of their own, what QEMU tests do without QEMU, how long Hypothesis may think."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import hypothesis
import pytest

from neokernel import lang, patience

# Time limits per example fail on a busy machine and say nothing about the code; pytest-timeout bounds the tests.
hypothesis.settings.register_profile("neokernel", deadline=None, print_blob=True)
hypothesis.settings.load_profile("neokernel")


#: folders of the session's own, for the processes that this one starts: object files, a user's keys, modules' code
FOLDERS = {name: pytest.StashKey[str]() for name in ("NK_CACHE", "NK_STATE", "PYTHONPYCACHEPREFIX")}


def pytest_configure(config: pytest.Config) -> None:
    """What the user has stays as it is: a session has its own, which its workers share. NK_CACHE names another."""
    # A shell's background jobs ignore interrupts, and so would all that is started here.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Thousands of tests and their modules stay to the end: to go through them again and again finds no garbage.
    gc.set_threshold(100_000, 20, 20)
    # Hundreds of processes are started, and each would make the code of all modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # What `nk` waits for comes, however slow the host is.
    os.environ.setdefault(patience.VARIABLE, "30")
    for name, key in FOLDERS.items():
        if name not in os.environ:
            config.stash[key] = os.environ[name] = tempfile.mkdtemp(prefix="neokernel-tests-")


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    for name, key in FOLDERS.items():
        if key in config.stash:
            del os.environ[name]
            shutil.rmtree(config.stash[key], ignore_errors=True)


@pytest.fixture(autouse=True)
def _without_simulator_afterwards() -> Iterator[None]:
    """Whoever played the machine in a test, nobody does in the next."""
    yield
    lang.set_simulator(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("qemu-system-riscv64") is not None:
        return
    skip = pytest.mark.skip(reason="qemu-system-riscv64 is missing; `make setup` says how to get it")
    for item in items:
        if item.get_closest_marker("qemu") is not None:
            item.add_marker(skip)
