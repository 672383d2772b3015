"""What a small file can ask for has an end: memory while it is read, and memory of the model."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from neokernel.model import read as reading
from neokernel.model.emit import emit
from neokernel.model.host import HOST, compiled
from neokernel.model.passes import improve
from neokernel.model.problem import ModelError
from neokernel.model.read import read
from tests.model.test_damaged import model, node


def test_all_constants_that_are_computed_have_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FOLDED", 10 * 64 * 64 * 4)
    monkeypatch.setattr(reading, "FOLDED_PER_BYTE", 0)
    constants = {"row": np.ones((1, 64), np.float32), "column": np.ones((64, 1), np.float32)}
    sums = [helper.make_node("Add", ["row", "column"], [f"s{number}"]) for number in range(30)]
    total = node("Sum", "x", *(f"s{number}" for number in range(30)))
    graph = read(model(*sums, total, shape=(64, 64), constants=constants))
    assert len(graph.nodes) == 21  # those that the model computes, and the sum
    assert sum(tensor.constant is not None for tensor in graph.nodes[-1].inputs) == 10
    (got,) = compiled(improve(graph), level=0)({"x": np.ones((64, 64), np.float32)}).values()
    assert (got == 61).all()


WINDOW = {"kernel_shape": [1, 1], "pads": [3000] * 4}
TOO_MUCH = {
    "padding of a pool": (model(node("MaxPool", "x", **WINDOW), shape=(1, 1, 2, 2)), "as much padding as the window"),
    "positions": (
        model(node("AveragePool", "x", kernel_shape=[2]), shape=(1, 1, 1 << 23)),
        "8388607 positions in a dimension",
    ),
    "means": (
        model(node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), shape=(1, 1, 2050, 2050)),
        "so many positions with means of different",
    ),
    "padding in all dimensions": (
        model(node("Pad", "x", "p"), shape=(1, 1, 1, 1), constants={"p": np.full(8, 1 << 18)}),
        "elements are supported",
    ),
    "indices": (
        model(node("Gather", "w", "i"), constants={"w": np.ones(4, np.float32), "i": np.zeros((1 << 16) + 1, int)}),
        "65537 indices",
    ),
    "work": (
        model(
            node("Conv", "x", "w", pads=[60000] * 4, strides=[450, 450]),
            shape=(1, 1, 2, 2),
            constants={"w": np.ones((1, 1, 100, 100), np.float32)},
        ),
        "bytes of memory; the most,",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_refused(name: str) -> None:
    data, text = TOO_MUCH[name]
    with pytest.raises(ModelError) as caught:
        emit(improve(read(data)), HOST)
    assert caught.value.code == "NK1702"
    assert text in caught.value.message + caught.value.help
