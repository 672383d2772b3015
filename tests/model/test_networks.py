"""Whole networks: what they compute is what onnxruntime computes."""

from __future__ import annotations

import hypothesis
import numpy as np
import onnxruntime
from hypothesis import strategies as st

from neokernel.model.emit import emit
from neokernel.model.graph import Array
from neokernel.model.host import HOST, Library
from neokernel.model.passes import improve
from neokernel.model.plan import overlaps
from neokernel.model.read import read
from tests.model.networks import networks

#: networks that are compiled together: the optimiser's start takes longer than a small one does
TOGETHER = 8


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@hypothesis.settings(max_examples=3, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.lists(networks(), min_size=TOGETHER, max_size=TOGETHER))
def test_random_networks_agree_with_onnxruntime(drawn: list[tuple[bytes, Array]]) -> None:
    """To 1 in 10,000 of each result, or of the greatest: sums are added up in another order."""
    graphs = [improve(read(model)) for model, _ in drawn]
    emitted = [emit(graph, HOST, f"m{number}") for number, graph in enumerate(graphs)]
    library = Library(list(zip(graphs, emitted, strict=True)))
    for (model, x), compiled, made in zip(drawn, library.models, emitted, strict=True):
        assert overlaps(made.plan.needs, made.plan.offsets) == []
        (want,) = session(model).run(None, {"x": x})
        (got,) = compiled({"x": x}).values()
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(want).max())))
