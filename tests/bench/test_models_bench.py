"""`nk bench models`: both sides compute the same, and ours takes no more than a twentieth more."""

from __future__ import annotations

import importlib.util

import pytest

from neokernel.bench import models
from neokernel.bench.row import BenchError

HAS_PACKAGES = all(importlib.util.find_spec(name) for name in ("numpy", "onnx"))


@pytest.mark.qemu
@pytest.mark.skipif(not HAS_PACKAGES, reason="numpy and onnx are missing: `tools/setup.sh test`")
def test_code_of_a_model_beside_c() -> None:
    rows = {row.item: row for row in models.run(["digits"])}
    for name in ("rv64gc", "rv64gcv"):
        inference = rows[f"digits, {name}, one inference"]
        assert inference.ratio is not None
        assert inference.ratio <= 1.05


@pytest.mark.skipif(not HAS_PACKAGES, reason="numpy and onnx are missing: `tools/setup.sh test`")
def test_a_network_that_there_isnt() -> None:
    with pytest.raises(BenchError, match="no network nonsense; there are digits, digits-int8"):
        models.run(["nonsense"])
