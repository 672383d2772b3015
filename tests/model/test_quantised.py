"""Products of 8-bit integers: the same bits as onnxruntime, on the host and, in the scalar variant, through floats."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from neokernel.model.code import Machine
from neokernel.model.emit import emit
from neokernel.model.graph import Array
from neokernel.model.host import HOST, Library
from neokernel.model.passes import improve
from neokernel.model.read import read
from tests.model.test_networks import session

ROUNDS = 4
#: the host's code, shaped as for the scalar machine: sums of integers as floats
AS_FLOATS = dataclasses.replace(HOST, lanes=4, accumulators=4, integers_as_floats=True)
TYPES = (np.int8, np.uint8)


def tensor(random: np.random.Generator, kind: type, *shape: int) -> Array:
    limits = np.iinfo(kind)
    return random.integers(limits.min, limits.max + 1, shape).astype(kind)


def convolution(random: np.random.Generator) -> tuple[bytes, Array]:
    """A QLinearConv with weights of either sign, per channel or not, and zero points that aren't 0."""
    kind = TYPES[random.integers(0, 2)]
    group = int(random.integers(1, 3))
    channels, results = group * int(random.integers(1, 40)), group * int(random.integers(1, 6))
    x = tensor(random, kind, 1, channels, int(random.integers(3, 9)), int(random.integers(3, 12)))
    weights = tensor(random, np.int8, results, channels // group, 3, 3)
    many = bool(random.integers(0, 2))
    scales = (random.random(results if many else 1) * 0.01 + 0.001).astype(np.float32)
    size = 0.02 * np.sqrt(channels * 9 / group)
    constants: dict[str, Array] = {
        "xs": np.asarray(0.02, np.float32),
        "xz": tensor(random, kind),
        "w": weights,
        "ws": scales if many else scales.reshape(()),
        "wz": np.zeros(results if many else (), np.int8),
        "ys": np.asarray(size * 0.5, np.float32),
        "yz": tensor(random, kind),
        "b": random.integers(-5000, 5000, results).astype(np.int32),
    }
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    attributes = {"pads": [1, 0, 1, 1], "strides": [1, int(random.integers(1, 3))], "group": group}
    return made("QLinearConv", names, x, constants, **attributes), x


def product(random: np.random.Generator) -> tuple[bytes, Array]:
    kind = TYPES[random.integers(0, 2)]
    rows, inner, columns = (int(random.integers(1, 40)) for _ in range(3))
    x = tensor(random, kind, rows, inner)
    constants: dict[str, Array] = {
        "xs": np.asarray(0.02, np.float32),
        "xz": tensor(random, kind),
        "w": tensor(random, kind, inner, columns),
        "ws": np.asarray(0.01, np.float32),
        "wz": tensor(random, kind),
        "ys": np.asarray(0.3, np.float32),
        "yz": tensor(random, kind),
    }
    return made("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], x, constants), x


def made(operator: str, names: list[str], x: Array, constants: dict[str, Array], **attributes: object) -> bytes:
    given: dict[str, object] = {"name": "n", **attributes}
    node = onnx.NodeProto()
    node.op_type = operator
    node.name = "n"
    node.input.extend(names)
    node.output.append("y")
    for key in attributes:
        node.attribute.append(helper.make_attribute(key, given[key]))
    element = TensorProto.INT8 if x.dtype == np.int8 else TensorProto.UINT8
    graph = helper.make_graph(
        [node],
        "q",
        [helper.make_tensor_value_info("x", element, x.shape)],
        [helper.make_tensor_value_info("y", element, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("machine", [HOST, AS_FLOATS], ids=["integers", "floats"])
def test_the_same_bits_as_onnxruntime(machine: Machine) -> None:
    random = np.random.default_rng(5)
    drawn = [case for _ in range(ROUNDS) for case in (convolution(random), product(random))]
    graphs = [improve(read(model)) for model, _ in drawn]
    library = Library([(graph, emit(graph, machine, f"m{number}")) for number, graph in enumerate(graphs)], level=1)
    seen: set[int] = set()
    for (model, x), compiled in zip(drawn, library.models, strict=True):
        (want,) = session(model).run(None, {"x": x})
        (got,) = compiled({"x": x}).values()
        assert got.dtype == want.dtype
        assert np.array_equal(got, want)
        seen |= set(want.reshape(-1).tolist())
    assert len(seen) > 200  # not only the ends of the range
