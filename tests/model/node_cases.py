"""The operator tests that the `onnx` package ships, as cases: a model of one node, its inputs, and what must come out.

`python -m tests.model.node_cases` writes docs/reference/operators.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from neokernel.model.graph import Array, Graph
from neokernel.model.operators.registry import OPERATORS
from neokernel.model.passes import improve
from neokernel.model.problem import ModelError
from neokernel.model.read import read

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "operators.md"

#: inputs of the tests' models that must be constants for us, by operator and position: what decides how code is made
FIXED = {
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (2,),
    "DequantizeLinear": (1, 2),
    "Dropout": (2,),
    "Gather": (1,),
    "Pad": (1, 2, 3),
    "QLinearConv": (1, 2, 4, 5, 6, 7, 8),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2),
    "ReduceMean": (1,),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
}


HEAD = """# Operators of models

What [`nk model import`](../design/models.md) takes, of ONNX's own operators up to version {newest}.
Written by `python -m tests.model.node_cases`; don't edit.

Elements are float32, float64, bool, and integers of 8 to 64 bits, with or without sign. Products, convolutions, pools
and functions such as e^x are of float32, or of int8 and uint8 where a name says *linear*. Every shape is known when the
model is imported, and none has a 0 in it.

"""
TESTS = """
## The tests of the `onnx` package

Of the {count} tests in `onnx` {version} (`onnx/backend/test/data/node`) that use no others than these operators,
{passed} pass, compiled for the host by `tests/model/test_nodes.py`. The others are refused when they are read:

"""


@dataclass(frozen=True)
class Case:
    """`graph` is None if the model is refused: `reason` says why."""

    name: str
    operators: tuple[str, ...]
    graph: Graph | None
    inputs: dict[str, Array]
    results: list[Array]
    reason: str = ""


def cases() -> Iterator[Case]:
    """All tests that use no operator but those that are supported."""
    for folder in sorted(DATA.iterdir()):
        data = (folder / "model.onnx").read_bytes()
        model = onnx.ModelProto()
        model.ParseFromString(data)
        operators = tuple(sorted({node.op_type for node in model.graph.node}))
        if set(operators) <= OPERATORS.keys():
            yield case(folder, data, model, operators)


def case(folder: Path, data: bytes, model: onnx.ModelProto, operators: tuple[str, ...]) -> Case:
    name = folder.name.removeprefix("test_")
    try:
        values = {
            each.name: load(folder / "test_data_set_0" / f"input_{number}.pb")
            for number, each in enumerate(model.graph.input)
        }
        fixed = {
            node.input[index]: values[node.input[index]]
            for node in model.graph.node
            for index in FIXED.get(node.op_type, ())
            if index < len(node.input) and node.input[index] in values
        }
        graph = improve(read(data, fixed=fixed))
    except ModelError as error:
        return Case(name, operators, None, {}, [], without_place(error.message))
    except ValueError:
        return Case(name, operators, None, {}, [], "an input isn't a tensor")
    results = [load(folder / "test_data_set_0" / f"output_{number}.pb") for number in range(len(model.graph.output))]
    inputs = {name: value for name, value in values.items() if name not in fixed}
    return Case(name, operators, graph, inputs, results)


def load(path: Path) -> Array:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return np.asarray(onnx.numpy_helper.to_array(tensor))


def without_place(message: str) -> str:
    """What is wrong, without saying in which node: there is one."""
    return re.sub(r"^node '[^']*' \([^)]*\):? ?", "", message)


def page() -> str:
    """The reference's page on operators."""
    found = list(cases())
    passed = sum(each.graph is not None for each in found)
    newest = onnx.defs.onnx_opset_version()
    lines = [
        *HEAD.format(newest=newest).splitlines(),
        "| operator | versions | limits | tests passed | refused |",
        "|---|---|---|---:|---:|",
    ]
    for name, support in sorted(OPERATORS.items()):
        own = [each for each in found if name in each.operators]
        good = sum(each.graph is not None for each in own)
        versions = ", ".join(map(str, support.versions))
        lines.append(f"| {name} | {versions} | {support.limits} | {good} | {len(own) - good} |")
    lines += [
        *TESTS.format(count=len(found), version=onnx.__version__, passed=passed).splitlines(),
        "| test | refused because |",
        "|---|---|",
        *(f"| {each.name} | {each.reason.replace('|', ',')} |" for each in found if each.graph is None),
        "",
        "Those that pass:",
        "",
        f"{', '.join(each.name for each in found if each.graph is not None)}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
