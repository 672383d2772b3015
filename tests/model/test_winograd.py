"""Convolutions by tiles: they compute the direct sum, whatever the sizes, and are taken where they are less."""

from __future__ import annotations

from dataclasses import dataclass, replace

import hypothesis
import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from neokernel.model.code import Machine
from neokernel.model.emit import emit
from neokernel.model.graph import Array
from neokernel.model.host import HOST, Library
from neokernel.model.machine import SCALAR, VECTOR, Variant
from neokernel.model.operators import winograd
from neokernel.model.passes import improve
from neokernel.model.read import read
from neokernel.model.windows import Window

#: convolutions that are compiled together
TOGETHER = 8
MACHINES = (HOST, SCALAR.machine, VECTOR.machine)


@dataclass(frozen=True)
class Case:
    """A convolution, its machine, and how much is in a strip."""

    machine: Machine
    images: int
    group: int
    channels: int
    results: int
    size: tuple[int, int]
    pads: tuple[int, int, int, int]
    bias: bool
    after: str
    seed: int

    @property
    def output(self) -> tuple[int, int]:
        top, left, bottom, right = self.pads
        return self.size[0] + top + bottom - 2, self.size[1] + left + right - 2


@st.composite
def cases(draw: st.DrawFn) -> Case:
    group = draw(st.sampled_from((1, 1, 2)))
    return Case(
        draw(st.sampled_from(MACHINES)),
        draw(st.integers(1, 2)),
        group,
        group * draw(st.integers(8, 21)),
        group * draw(st.integers(8, 21)),
        (draw(st.integers(5, 12)), draw(st.integers(5, 19))),
        (draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        draw(st.booleans()),
        draw(st.sampled_from(("", "Relu", "Sigmoid"))),
        draw(st.integers(0, 1 << 20)),
    )


def arrays(case: Case) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(case.seed)
    x = random.standard_normal((case.images, case.channels, *case.size)).astype(np.float32)
    w = random.standard_normal((case.results, case.channels // case.group, 3, 3)).astype(np.float32)
    return x, w, random.standard_normal(case.results).astype(np.float32)


def model(case: Case) -> bytes:
    _, w, b = arrays(case)
    constants = [numpy_helper.from_array(w, "w"), *([numpy_helper.from_array(b, "b")] if case.bias else [])]
    inputs = ["x", "w", *(["b"] if case.bias else [])]
    nodes = [helper.make_node("Conv", inputs, ["sum"], group=case.group, pads=list(case.pads), kernel_shape=[3, 3])]
    if case.after:
        nodes.append(helper.make_node(case.after, ["sum"], ["y"]))
    shapes = (
        ("x", (case.images, case.channels, *case.size)),
        (nodes[-1].output[0], (case.images, case.results, *case.output)),
    )
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    graph = helper.make_graph(nodes, "one", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def exact(case: Case) -> tuple[Array, float]:
    """The direct sums in float64, and the most that one can be."""
    x, w, b = (each.astype(np.float64) for each in arrays(case))
    top, left, bottom, right = case.pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    under = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    under = under.reshape(case.images, case.group, case.channels // case.group, *case.output, 3, 3)
    w = w.reshape(case.group, case.results // case.group, case.channels // case.group, 3, 3)
    sums = np.einsum("ngcyxij,gocij->ngoyx", under, w).reshape(case.images, case.results, *case.output)
    most = float(np.abs(x).max() * np.abs(w).sum(axis=(2, 3, 4)).max())
    if case.bias:
        sums += b[:, None, None]
    if case.after == "Relu":
        sums = np.maximum(sums, 0)
    if case.after == "Sigmoid":
        sums = 1 / (1 + np.exp(-sums))
    return sums, most


def takes_tiles(case: Case) -> bool:
    window = Window((1, 3, 3), (1, 1, 1), (1, 1, 1), (0, *case.pads[:2]), (1, *case.output))
    return winograd.pays(case.machine, window, case.channels // case.group, case.results // case.group)


@hypothesis.settings(max_examples=4, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    st.lists(cases().filter(takes_tiles), min_size=TOGETHER, max_size=TOGETHER), st.sampled_from((1, 1 << 12, 1 << 14))
)
def test_tiles_give_the_direct_sum(drawn: list[Case], strip: int) -> None:
    """To 1 in a million of what a sum of such numbers can be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "STRIP", strip)
        graphs = [improve(read(model(case))) for case in drawn]
        emitted = [
            emit(graph, case.machine, f"m{n}") for n, (graph, case) in enumerate(zip(graphs, drawn, strict=True))
        ]
    library = Library(list(zip(graphs, emitted, strict=True)))
    for case, compiled in zip(drawn, library.models, strict=True):
        (got,) = compiled({"x": arrays(case)[0]}).values()
        want, most = exact(case)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * most)


def test_weights_become_what_the_algorithm_says() -> None:
    weights = np.random.default_rng(1).standard_normal((3, 2, 3, 3)).astype(np.float32)
    g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    np.testing.assert_allclose(
        winograd.transformed(weights).reshape(3, 2, 4, 4), g @ weights.astype(np.float64) @ g.T, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(
    ("what", "variant", "changes", "channels", "results", "so"),
    [
        ("enough of everything", SCALAR, {}, 16, 32, True),
        ("one channel", SCALAR, {}, 1, 16, False),
        ("a group for each channel", SCALAR, {}, 1, 1, False),
        ("steps of two", SCALAR, {"strides": (1, 2, 2)}, 16, 32, False),
        ("five in a row", SCALAR, {"kernel": (1, 5, 5)}, 16, 32, False),
        ("gaps", SCALAR, {"dilations": (1, 2, 2)}, 16, 32, False),
        ("few tiles", SCALAR, {"output": (1, 2, 3)}, 16, 32, False),
        ("fewer than lanes", VECTOR, {"output": (1, 4, 4)}, 16, 32, False),
    ],
)
def test_tiles_are_taken_where_they_are_less(
    what: str, variant: Variant, changes: dict[str, tuple[int, int, int]], channels: int, results: int, so: bool
) -> None:
    window = replace(Window((1, 3, 3), (1, 1, 1), (1, 1, 1), (0, 1, 1), (1, 8, 8)), **changes)
    assert winograd.pays(variant.machine, window, channels, results) is so, what
