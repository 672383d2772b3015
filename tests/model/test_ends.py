"""Numbers at their ends: the least integer, infinities, sums that don't fit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from neokernel.model.code import literal
from neokernel.model.emit import emit
from neokernel.model.expression import Input, apply, compute
from neokernel.model.graph import Array, ElementType, Graph, Node, Tensor, TensorType
from neokernel.model.host import compiled
from neokernel.model.machine import VARIANTS
from neokernel.model.operators.elementwise import Elementwise
from neokernel.model.passes import improve
from neokernel.model.problem import ModelError
from neokernel.model.read import read
from tests.model.test_damaged import model, node
from tests.model.test_quantised import made

I8 = ElementType.INT8


def test_integers_are_divided_alike_while_reading_and_by_the_code() -> None:
    """All pairs of 8 bits: towards 0, by 0 to 0, and the least one by -1 wraps."""
    numbers = np.arange(-128, 128)
    a, b = (each.reshape(-1).astype(np.int8) for each in np.meshgrid(numbers, numbers))
    expression = apply("divide", Input(0, I8), Input(1, I8))
    x, y, z = (Tensor(name, TensorType(I8, a.shape)) for name in "xyz")
    node = Node(Elementwise(expression, a.shape), [x, y], [z], "n", ())
    exact = [
        int(abs(int(m)) // abs(int(n))) * (1 if (m < 0) == (n < 0) else -1) if n else 0
        for m, n in zip(a, b, strict=True)
    ]
    want = np.array(exact).astype(np.int8)
    folded = compute(expression, [a, b])
    assert folded is not None
    assert folded.dtype == np.int8
    assert np.array_equal(folded, want)
    assert np.array_equal(compiled(Graph("g", [x, y], [z], [node]))({"x": a, "y": b})["z"], want)


#: a constant per channel behind a convolution by 1, 0 and 1e30; and what becomes of 1
BEHIND = {
    "a mask": ("Add", [-np.inf, -np.inf, 0], [-np.inf, -np.inf, 1e30]),
    "an infinite factor": ("Mul", [np.inf, 2, 1], [np.inf, 0, 1e30]),
    "a factor that overflows": ("Mul", [2, 2, 1e30], [2, 0, np.inf]),
    "numbers": ("Sub", [2, 3, 1], [-1, -3, 1e30]),
}


@pytest.mark.parametrize("name", BEHIND)
def test_what_isnt_finite_is_not_folded_into_a_convolution(name: str) -> None:
    operator, numbers, want = BEHIND[name]
    weights = np.array([1, 0, 1e30], np.float32).reshape(3, 1, 1, 1)
    constants = {"w": weights, "c": np.array(numbers, np.float32).reshape(3, 1, 1)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["v"]), node(operator, "v", "c")]
    graph = improve(read(model(*nodes, shape=(1, 1, 2, 2), constants=constants)))
    x = np.array([[[[1, 1], [1, 1]]]], np.float32)
    (got,) = compiled(graph)({"x": x}).values()
    assert got[0, :, 0, 0].tolist() == np.array(want, np.float32).tolist()


def long_product(weight: int, count: int) -> bytes:
    """A sum of `count` products of anything and `weight`, an 8-bit number less its zero point."""
    constants: dict[str, Array] = {
        **{name: np.asarray(1, np.float32) for name in ("xs", "ws", "ys")},
        **{name: np.asarray(0, np.uint8) for name in ("xz", "wz", "yz")},
        "w": np.full((count, 1), weight, np.uint8),
    }
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    return made("QLinearMatMul", names, np.zeros((1, count), np.uint8), constants)


def test_sums_that_32_bits_dont_hold_are_refused_on_every_machine() -> None:
    fits = (1 << 31) // (255 * 255)
    for variant in VARIANTS:
        with pytest.raises(ModelError, match=r"node 'n' \(QLinearMatMul, version 10\): sums of 33026 products"):
            emit(improve(read(long_product(255, fits + 1))), variant.machine)
        for weight, count in ((255, fits), (254, fits + 1)):
            emit(improve(read(long_product(weight, count))), variant.machine)


@pytest.mark.parametrize(
    ("operator", "attributes"), [("Clip", {"min": -1.5}), ("Pad", {"pads": [0, 1, 0, 1], "value": 0.5})]
)
def test_integers_get_no_numbers_that_arent_theirs(operator: str, attributes: dict[str, object]) -> None:
    """Of operators whose numbers were attributes, and floats."""
    nodes = [helper.make_node("Cast", ["x"], ["v"], to=TensorProto.INT8), node(operator, "v", **attributes)]
    with pytest.raises(ModelError, match="has elements of type int8"):
        read(model(*nodes, opset=9))


def test_literals_are_within_their_type() -> None:
    for element, number in ((I8, 128), (I8, -129), (I8, 0.5), (ElementType.UINT8, -1), (ElementType.INT64, 2.0**63)):
        with pytest.raises(AssertionError):
            literal(element, number)
    assert literal(I8, -128) == "-128"
    assert literal(ElementType.UINT64, (1 << 64) - 1) == str((1 << 64) - 1)
