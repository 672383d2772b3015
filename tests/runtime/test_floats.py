"""Programs that compute with floats: the build and the runtime see to it that each thread has registers for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nk import boot

PROGRAM = Path(__file__).parent / "floats"


@pytest.mark.qemu
def test_every_thread_computes() -> None:
    assert boot(PROGRAM)[1:] == [f"{sum(range(100)) // 4}", f"{int(10_000_000**0.5 / 100)}"]
