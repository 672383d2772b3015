"""exp, tanh and the logistic function: how far from the exact value they are at most, over all floats."""

from __future__ import annotations

import numpy as np
import pytest

from neokernel.model.emit import emit
from neokernel.model.expression import Input, apply
from neokernel.model.graph import Array, ElementType, Graph, Node, Tensor, TensorType
from neokernel.model.host import HOST, HostModel, Library
from neokernel.model.operators.elementwise import Elementwise

F32 = ElementType.FLOAT32
#: the greatest errors that `mathematics.py` states, in units in the last place
ERRORS = {"exp": 1.0, "tanh": 2.0, "logistic": 2.5}
#: every STEP-th float: a prime, so that mantissas differ
STEP = 2053


def floats() -> Array:
    """Of both signs and all sizes, and those that are special."""
    bits = np.arange(0, 1 << 32, STEP, dtype=np.int64).astype(np.uint32)
    special = np.array(
        [0.0, -0.0, 1.0, 88.7228, 88.73, -87.3, -103.9, -104.1, 0.625, -0.625, np.inf, -np.inf], np.float32
    )
    found: Array = np.concatenate([bits.view(np.float32), special])
    return found[~np.isnan(found)]


@pytest.fixture(scope="module")
def models() -> dict[str, HostModel]:
    count = len(floats())
    graphs = []
    for name in ERRORS:
        x, y = Tensor("x", TensorType(F32, (count,))), Tensor("y", TensorType(F32, (count,)))
        node = Node(Elementwise(apply(name, Input(0, F32)), (count,)), [x], [y], name, ())
        graphs.append(Graph(name, [x], [y], [node]))
    library = Library([(graph, emit(graph, HOST, graph.name)) for graph in graphs])
    return dict(zip(ERRORS, library.models, strict=True))


def exact(name: str, x: Array) -> Array:
    wide = x.astype(np.longdouble)
    with np.errstate(all="ignore"):
        if name == "exp":
            return np.exp(wide)
        if name == "tanh":
            return np.tanh(wide)
        return 1 / (1 + np.exp(-wide))


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_is_as_small_as_stated(models: dict[str, HostModel], name: str) -> None:
    x = floats()
    got = models[name]({"x": x})["y"]
    want = exact(name, x)
    with np.errstate(over="ignore"):
        rounded = want.astype(np.float32)
    assert np.array_equal(np.isinf(got), np.isinf(rounded))
    finite = np.isfinite(rounded)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.maximum(np.abs(rounded), np.float32(np.finfo(np.float32).tiny)))[finite]
        error = np.abs(got[finite].astype(np.longdouble) - want[finite]) / unit
    worst = int(error.argmax())
    assert error[worst] <= ERRORS[name], f"{name}({x[finite][worst]!r}): {float(error[worst])}"


@pytest.mark.parametrize("name", ERRORS)
def test_of_no_number_comes_none(models: dict[str, HostModel], name: str) -> None:
    x = np.full(len(floats()), np.nan, np.float32)
    assert np.isnan(models[name]({"x": x})["y"]).all()
