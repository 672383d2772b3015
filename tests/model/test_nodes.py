"""The operator tests that the `onnx` package ships, as code for the host."""

from __future__ import annotations

import numpy as np
import pytest

from neokernel.model.emit import emit
from neokernel.model.host import HOST, Library
from tests.model import node_cases

#: as ONNX's own runner of these tests has them
RELATIVE, ABSOLUTE = 1e-3, 1e-7


@pytest.fixture(scope="module")
def found() -> list[node_cases.Case]:
    return list(node_cases.cases())


def test_the_operator_tests_pass(found: list[node_cases.Case]) -> None:
    """All in one module, not optimised: that takes seconds. Other tests run what the optimiser makes."""
    accepted = [(case, case.graph) for case in found if case.graph is not None]
    assert len(accepted) >= 298
    library = Library([(graph, emit(graph, HOST, f"t{n}")) for n, (_, graph) in enumerate(accepted)], level=0)
    wrong = []
    for (case, _), model in zip(accepted, library.models, strict=True):
        for got, want in zip(model(case.inputs).values(), case.results, strict=True):
            absolute = ABSOLUTE if want.dtype.kind == "f" else 0
            same = got.dtype == want.dtype and got.shape == want.shape
            if not same or not np.allclose(got, want, rtol=RELATIVE, atol=absolute, equal_nan=True):
                wrong.append(case.name)
    assert wrong == []


def test_the_page_on_operators_is_up_to_date() -> None:
    current = node_cases.PAGE.read_text(encoding="utf-8")
    assert node_cases.page() == current, "run: python -m tests.model.node_cases"
