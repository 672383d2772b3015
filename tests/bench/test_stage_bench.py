"""`nk bench stage`: a signed start is counted, and costs what hashing and one verification do."""

from __future__ import annotations

import pytest

from neokernel.bench import stage
from neokernel.bench.row import BenchError


@pytest.mark.qemu
def test_a_signed_start() -> None:
    first, image, per_kib = stage.run(["start"])
    assert per_kib.ours == first.ours * 1024 // image.ours
    # SHA-512 of 45,000 a KiB, Ed25519 of 800,000: more than a tenth above is worth a look.
    assert first.ours < 1.1 * (800_000 + 45_000 * image.ours / 1024)


def test_unknown_items() -> None:
    with pytest.raises(BenchError, match="no item speed; there are crypto, start, size"):
        stage.run(["speed"])
