"""Trains the classifier of handwritten digits: `python models/digits/train.py`, some minutes on one core.

Data: the 1,797 digits that scikit-learn ships (E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI
Machine Learning Repository, CC BY 4.0): 8 × 8 counts from 0 to 16, each of a block of 4 × 4 pixels. A fifth is held
out; nothing here looks at it before the end.

Everything is NumPy, seeded, and computed in float32 on one thread: the same machine and NumPy give the same bytes.
Written are, beside this file:

    digits.onnx        float32: image [batch, 1, 8, 8] as counts, scores [batch, 10]
    digits-int8.onnx   the same, quantised: products of 8-bit integers, scales found on the training data
    held_out.npz       images (uint8 [360, 8, 8]) and labels (uint8 [360]) that weren't learned from

Needs scikit-learn, for the data alone: `pip install scikit-learn`.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # sums in the same order each time

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
SEED = 20
HELD_OUT = 360
EPOCHS, BATCH, RATE = 60, 64, 2e-3
#: counts go up to it
FULL = 16.0
#: channels of the layers, and classes
FIRST, SECOND, THIRD, CLASSES = 16, 32, 32, 10
#: of ONNX's operators
OPSET = 21

Array = npt.NDArray[Any]
Weights = dict[str, Array]


# --- data -------------------------------------------------------------------------------------------------------------


def load() -> tuple[Array, Array, Array, Array]:
    """Images [n, 1, 8, 8] and labels to learn from, and those held out; shuffled once, by a fixed seed."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(SEED).permutation(len(found.images))
    images = found.images[order].astype(np.float32)[:, None]
    labels = found.target[order].astype(np.int64)
    return images[HELD_OUT:], labels[HELD_OUT:], images[:HELD_OUT], labels[:HELD_OUT]


def varied(images: Array, random: np.random.Generator) -> Array:
    """Moved by up to a place in each direction, and lighter or darker: as other people write them."""
    result = np.empty_like(images)
    moves = random.integers(-1, 2, (len(images), 2))
    for index, (down, right) in enumerate(moves):
        padded = np.pad(images[index, 0], 1)
        result[index, 0] = padded[1 - down : 9 - down, 1 - right : 9 - right]
    scale = random.uniform(0.8, 1.1, (len(images), 1, 1, 1)).astype(np.float32)
    return np.minimum(result * scale, np.float32(FULL))


# --- the network ------------------------------------------------------------------------------------------------------
#
# x / 16 -> convolution, relu -> convolution, relu -> the most of 2 x 2 -> convolution, relu -> scores


def start(random: np.random.Generator) -> Weights:
    """He initialisation."""

    def drawn(*shape: int) -> Array:
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        return (random.standard_normal(shape) * deviation).astype(np.float32)

    return {
        "w1": drawn(FIRST, 1, 3, 3),
        "b1": np.zeros(FIRST, np.float32),
        "w2": drawn(SECOND, FIRST, 3, 3),
        "b2": np.zeros(SECOND, np.float32),
        "w3": drawn(THIRD, SECOND, 3, 3),
        "b3": np.zeros(THIRD, np.float32),
        "w4": drawn(CLASSES, THIRD * 16),
        "b4": np.zeros(CLASSES, np.float32),
    }


def columns(x: Array) -> Array:
    """What is under each position of a window of 3 x 3, with a border of zeroes: [n, c x 9, h x w]."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [padded[:, :, y : y + h, z : z + w] for y in range(3) for z in range(3)]
    return np.stack(parts, axis=2).reshape(n, c * 9, h * w)


def uncolumns(parts: Array, shape: tuple[int, ...]) -> Array:
    """The gradient by what `columns` was given."""
    n, c, h, w = shape
    padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    split = parts.reshape(n, c, 9, h, w)
    for number in range(9):
        y, z = divmod(number, 3)
        padded[:, :, y : y + h, z : z + w] += split[:, :, number]
    return padded[:, :, 1:-1, 1:-1]


def convolve(x: Array, weights: Array, bias: Array) -> tuple[Array, Array]:
    """The result, and the columns that its gradient needs."""
    n, _, h, w = x.shape
    under = columns(x)
    result = np.matmul(weights.reshape(len(weights), -1), under) + bias[:, None]
    return result.reshape(n, len(weights), h, w), under


def forward(weights: Weights, images: Array) -> tuple[Array, dict[str, Array]]:
    """Scores, and what the gradient needs."""
    kept: dict[str, Array] = {}
    x = images * np.float32(1 / FULL)
    for layer in ("1", "2"):
        kept["x" + layer] = x
        x, kept["c" + layer] = convolve(x, weights["w" + layer], weights["b" + layer])
        x = kept["r" + layer] = np.maximum(x, 0)
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    kept["chosen"] = blocks.argmax(axis=-1)
    x = kept["x3"] = blocks.max(axis=-1)
    x, kept["c3"] = convolve(x, weights["w3"], weights["b3"])
    x = kept["r3"] = np.maximum(x, 0)
    kept["flat"] = x.reshape(n, -1)
    return kept["flat"] @ weights["w4"].T + weights["b4"], kept


def backward(weights: Weights, kept: dict[str, Array], slope: Array) -> Weights:
    """The gradient by each weight; `slope`: that by the scores."""
    found: Weights = {"w4": slope.T @ kept["flat"], "b4": slope.sum(axis=0)}
    slope = (slope @ weights["w4"]).reshape(kept["r3"].shape)

    def through(layer: str, slope: Array) -> Array:
        slope = slope * (kept["r" + layer] > 0)
        rows = slope.reshape(*slope.shape[:2], -1)
        matrix = weights["w" + layer]
        found["w" + layer] = np.matmul(rows, kept["c" + layer].transpose(0, 2, 1)).sum(axis=0).reshape(matrix.shape)
        found["b" + layer] = rows.sum(axis=(0, 2))
        back = np.matmul(matrix.reshape(len(matrix), -1).T, rows)
        return uncolumns(back, kept["x" + layer].shape)

    slope = through("3", slope)
    n, c, h, w = slope.shape
    blocks = np.zeros((n, c, h, w, 4), np.float32)
    np.put_along_axis(blocks, kept["chosen"][..., None], slope[..., None], axis=-1)
    slope = blocks.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h * 2, w * 2)
    through("1", through("2", slope))
    return found


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def train(images: Array, labels: Array) -> Weights:
    """Adam on the cross entropy, its rate going down along half a cosine."""
    random = np.random.default_rng(SEED + 1)
    weights = start(random)
    first = {name: np.zeros_like(array) for name, array in weights.items()}
    second = {name: np.zeros_like(array) for name, array in weights.items()}
    steps = EPOCHS * (len(images) // BATCH)
    for step, (x, y) in enumerate(batches(images, labels, random), 1):
        scores, kept = forward(weights, varied(x, random))
        slope = softmax(scores)
        slope[np.arange(len(y)), y] -= 1
        gradient = backward(weights, kept, (slope / len(y)).astype(np.float32))
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
        for name, array in weights.items():
            slope_by = gradient[name] + 1e-4 * array
            first[name] = 0.9 * first[name] + 0.1 * slope_by
            second[name] = 0.999 * second[name] + 0.001 * slope_by**2
            change = (first[name] / (1 - 0.9**step)) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
            weights[name] = (array - rate * change).astype(np.float32)
    return weights


def batches(images: Array, labels: Array, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    for _ in range(EPOCHS):
        order = random.permutation(len(images))
        for begin in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[begin : begin + BATCH]
            yield images[chosen], labels[chosen]


def accuracy(weights: Weights, images: Array, labels: Array) -> float:
    return float((forward(weights, images)[0].argmax(axis=1) == labels).mean())


# --- ONNX -------------------------------------------------------------------------------------------------------------


class Writer:
    """A graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def write(self, path: Path) -> None:
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString(deterministic=True))


def write_float(weights: Weights, path: Path) -> None:
    writer = Writer()
    for name, array in weights.items():
        # The division by 16 is in the first weights: one operation less.
        writer.constant(name, (array / np.float32(FULL)) if name == "w1" else array)
    x = writer.node("Conv", ["image", "w1", "b1"], "sum1", pads=[1, 1, 1, 1])
    x = writer.node("Relu", [x], "relu1")
    x = writer.node("Conv", [x, "w2", "b2"], "sum2", pads=[1, 1, 1, 1])
    x = writer.node("Relu", [x], "relu2")
    x = writer.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    x = writer.node("Conv", [x, "w3", "b3"], "sum3", pads=[1, 1, 1, 1])
    x = writer.node("Relu", [x], "relu3")
    x = writer.node("Flatten", [x], "flat")
    writer.node("Gemm", [x, "w4", "b4"], "scores", transB=1)
    writer.write(path)


def write_quantised(weights: Weights, images: Array, path: Path) -> None:
    """8-bit activations without sign, 8-bit weights with it, a scale for each channel of a convolution.

    A ReLU's result is quantised with the zero point 0: what is below 0 becomes 0 by itself.
    """
    writer = Writer()
    scores, kept = forward(weights, images)
    ends = {"relu1": kept["r1"].max(), "relu2": kept["r2"].max(), "relu3": kept["r3"].max()}
    # Counts are whole numbers: quantised by 1, nothing of them is lost.
    scales = {"image": np.float32(1), **{name: np.float32(end / 255) for name, end in ends.items()}}
    zero = writer.constant("zero", np.uint8(0))
    middle = writer.constant("middle", np.uint8(128))
    for name, scale in scales.items():
        writer.constant(f"{name}_scale", scale)
    x = writer.node("QuantizeLinear", ["image", "image_scale", zero], "image_q")
    before = "image"
    for layer, after in (("1", "relu1"), ("2", "relu2"), ("3", "relu3")):
        matrix = weights["w" + layer] / (np.float32(FULL) if layer == "1" else np.float32(1))
        scale = (np.abs(matrix).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        quantised = np.clip(np.rint(matrix / scale[:, None, None, None]), -127, 127).astype(np.int8)
        bias = np.rint(weights["b" + layer] / (scale * scales[before])).astype(np.int32)
        inputs = [
            *(x, f"{before}_scale", zero),
            writer.constant(f"w{layer}", quantised),
            writer.constant(f"w{layer}_scale", scale),
            writer.constant(f"w{layer}_zero", np.zeros(len(scale), np.int8)),
            *(f"{after}_scale", zero),
            writer.constant(f"b{layer}", bias),
        ]
        x, before = writer.node("QLinearConv", inputs, f"{after}_q", pads=[1, 1, 1, 1]), after
        if layer == "2":
            x = writer.node("MaxPool", [x], "pool_q", kernel_shape=[2, 2], strides=[2, 2])
    x = writer.node("Flatten", [x], "flat_q")
    matrix = weights["w4"].T
    scale = np.float32(np.abs(matrix).max() / 127)
    quantised = np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8)
    sums = scores - weights["b4"]
    score_scale = np.float32(np.abs(sums).max() / 127)
    inputs = [
        *(x, "relu3_scale", zero),
        writer.constant("w4", quantised),
        writer.constant("w4_scale", scale),
        writer.constant("w4_zero", np.int8(0)),
        writer.constant("score_scale", score_scale),
        middle,
    ]
    x = writer.node("QLinearMatMul", inputs, "product_q")
    x = writer.node("DequantizeLinear", [x, "score_scale", middle], "product")
    writer.node("Add", [x, writer.constant("b4", weights["b4"])], "scores")
    writer.write(path)


def main() -> None:
    images, labels, held_images, held_labels = load()
    weights = train(images, labels)
    write_float(weights, FOLDER / "digits.onnx")
    write_quantised(weights, images, FOLDER / "digits-int8.onnx")
    np.savez(FOLDER / "held_out.npz", images=held_images[:, 0].astype(np.uint8), labels=held_labels.astype(np.uint8))
    print(f"learned from: {accuracy(weights, images, labels):.4f}")
    print(f"held out:     {accuracy(weights, held_images, held_labels):.4f}")


if __name__ == "__main__":
    main()
