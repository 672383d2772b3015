"""Random small networks in ONNX, as Hypothesis draws them: layers in a row, with branches that are added or joined."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from neokernel.model.graph import Array

#: what onnxruntime knows as well
OPSET = 21


@dataclass
class Net:
    """A network that grows; `value` is the last one's name, `shape` its shape."""

    random: np.random.Generator
    shape: tuple[int, ...]
    value: str = "x"
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        scale = 1 / math.sqrt(math.prod(shape[1:]))
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def add(self, operator: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> None:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        self.value, self.shape = name, shape

    def model(self, shape: tuple[int, ...]) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.value, TensorProto.FLOAT, self.shape)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSwish")


def convolution(draw: st.DrawFn, net: Net) -> None:
    batch, channels, height, width = net.shape
    depthwise = draw(st.booleans())
    group = channels if depthwise else draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    results = group * draw(st.integers(1, 3 if depthwise else 6))
    kernel = [draw(st.integers(1, min(3, size))) for size in (height, width)]
    dilations = [draw(st.integers(1, 2)) for _ in kernel]
    strides = [draw(st.integers(1, 2)) for _ in kernel]
    pads = [draw(st.integers(0, 2)) for _ in range(4)]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    sizes = [height + pads[0] + pads[2], width + pads[1] + pads[3]]
    if any(size < each for size, each in zip(sizes, reach, strict=True)):
        return
    output = [(size - each) // step + 1 for size, each, step in zip(sizes, reach, strides, strict=True)]
    inputs = [net.value, net.weights(results, channels // group, *kernel)]
    if draw(st.booleans()):
        inputs.append(net.weights(results))
    shape = (batch, results, output[0], output[1])
    net.add("Conv", inputs, shape, group=group, dilations=dilations, strides=strides, pads=pads)


def pool(draw: st.DrawFn, net: Net) -> None:
    batch, channels, height, width = net.shape
    operator = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    kernel = [draw(st.integers(1, min(3, size))) for size in (height, width)]
    strides = [draw(st.integers(1, 2)) for _ in kernel]
    begin = [draw(st.integers(0, size - 1)) for size in kernel]
    sizes = [height + 2 * begin[0], width + 2 * begin[1]]
    output = [(size - each) // step + 1 for size, each, step in zip(sizes, kernel, strides, strict=True)]
    options = {"count_include_pad": draw(st.integers(0, 1))} if operator == "AveragePool" else {}
    shape = (batch, channels, output[0], output[1])
    net.add(operator, [net.value], shape, kernel_shape=kernel, strides=strides, pads=begin * 2, **options)


def normalization(draw: st.DrawFn, net: Net) -> None:
    channels = net.shape[1]
    statistics = [net.weights(channels) for _ in range(3)]
    variance = net.constant((net.random.random(channels) + 0.5).astype(np.float32))
    net.add("BatchNormalization", [net.value, *statistics, variance], net.shape)


def activation(draw: st.DrawFn, net: Net) -> None:
    net.add(draw(st.sampled_from(ACTIVATIONS)), [net.value], net.shape)


def clip(draw: st.DrawFn, net: Net) -> None:
    bounds = [net.constant(np.asarray(number, np.float32)) for number in (-0.5, 0.75)]
    net.add("Clip", [net.value, *bounds], net.shape)


def arithmetic(draw: st.DrawFn, net: Net) -> None:
    shape = [size if draw(st.booleans()) else 1 for size in net.shape]
    other = net.weights(*shape[draw(st.integers(0, len(shape) - 1)) :])
    net.add(draw(st.sampled_from(["Add", "Sub", "Mul"])), [net.value, other], net.shape)


def residual(draw: st.DrawFn, net: Net) -> None:
    before, shape = net.value, net.shape
    channels = shape[1]
    net.add("Conv", [before, net.weights(channels, channels, 3, 3)], shape, pads=[1, 1, 1, 1])
    net.add("Add", draw(st.permutations([net.value, before])), shape)


def join(draw: st.DrawFn, net: Net) -> None:
    before, shape = net.value, net.shape
    activation(draw, net)
    axis = draw(st.sampled_from([1, 2, 3]))
    joined = tuple(size * 2 if index == axis else size for index, size in enumerate(shape))
    net.add("Concat", [before, net.value], joined, axis=axis)


def transpose(draw: st.DrawFn, net: Net) -> None:
    order = [0, *draw(st.permutations([1, 2, 3]))]
    net.add("Transpose", [net.value], tuple(net.shape[axis] for axis in order), perm=order)


def pad(draw: st.DrawFn, net: Net) -> None:
    amounts = [0, 0, *(draw(st.integers(0, 2)) for _ in range(2)), 0, 0, *(draw(st.integers(0, 2)) for _ in range(2))]
    mode = draw(st.sampled_from(["constant", "edge", "reflect"]))
    if mode == "reflect" and min(net.shape[2:]) < 3:
        return
    shape = tuple(size + amounts[axis] + amounts[axis + 4] for axis, size in enumerate(net.shape))
    net.add("Pad", [net.value, net.constant(np.asarray(amounts, np.int64))], shape, mode=mode)


def softmax(draw: st.DrawFn, net: Net) -> None:
    net.add("Softmax", [net.value], net.shape, axis=draw(st.sampled_from([1, 2, 3, -1])))


LAYERS = (
    *(convolution, convolution, convolution, pool, normalization, activation, clip, arithmetic, residual, join),
    *(transpose, pad, softmax),
)


def head(draw: st.DrawFn, net: Net) -> None:
    """What comes last in a classifier."""
    batch, channels = net.shape[:2]
    if draw(st.booleans()):
        net.add("GlobalAveragePool", [net.value], (batch, channels, 1, 1))
    net.add("Flatten", [net.value], (batch, int(np.prod(net.shape[1:]))))
    for _ in range(draw(st.integers(1, 2))):
        width, results = net.shape[1], draw(st.integers(1, 20))
        if draw(st.booleans()):
            inputs = [net.value, net.weights(results, width), net.weights(results)]
            net.add("Gemm", inputs, (batch, results), transB=1)
        else:
            net.add("MatMul", [net.value, net.weights(width, results)], (batch, results))
        if draw(st.booleans()):
            activation(draw, net)
    if draw(st.booleans()):
        net.add("Softmax", [net.value], net.shape)


@st.composite
def networks(draw: st.DrawFn) -> tuple[bytes, Array]:
    """A model, and an input for it."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 6)), draw(st.integers(1, 11)), draw(st.integers(1, 19)))
    net = Net(random, shape)
    for _ in range(draw(st.integers(1, 6))):
        draw(st.sampled_from(LAYERS))(draw, net)
    if draw(st.booleans()) or not net.nodes:
        head(draw, net)
    return net.model(shape), random.standard_normal(shape).astype(np.float32)
