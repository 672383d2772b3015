"""Damaged models and bundles: an error that says what is wrong, and nothing else, whatever the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from neokernel.model import bundle as bundles
from neokernel.model import read as reading
from neokernel.model.bundle import Bundle, Code, Port, Step
from neokernel.model.emit import emit
from neokernel.model.graph import ElementType, TensorType, View
from neokernel.model.host import HOST, compiled
from neokernel.model.passes import improve
from neokernel.model.problem import ModelError
from neokernel.model.read import bound, read
from neokernel.model.signed import HEADER_SIZE
from tests.model import node_cases
from tests.model.digits import onnx_of

ROUNDS = 600
#: a model whose code would be longer isn't emitted: damage makes large tensors, and time is short
MOST_ELEMENTS = 1 << 16


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Some bytes changed, taken out, doubled, or cut off."""
    result = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(0, len(result)))
        match random.integers(0, 5):
            case 0:
                result[at] = int(random.integers(0, 256))
            case 1:
                result[at] ^= 1 << int(random.integers(0, 8))
            case 2:
                del result[at : at + int(random.integers(1, 9))]
            case 3:
                result[at:at] = result[at : at + int(random.integers(1, 40))]
            case _:
                if random.random() < 0.2:
                    del result[at:]
        if not result:
            return b"\0"
    return bytes(result)


def is_refused(data: bytes) -> bool:
    try:
        graph = improve(read(data, dimensions={"batch": 1} if b"batch" in data else {}))
    except ModelError as error:
        return bool(error.message)
    tensors = [tensor for node in graph.nodes for tensor in (*node.inputs, *node.outputs)]
    if sum(tensor.type.count for tensor in tensors) < MOST_ELEMENTS:
        emit(graph, HOST)
    return False


def small_models() -> Iterator[bytes]:
    """Operator tests that can be read: little else than structure, so that damage hits it."""
    for folder in sorted(node_cases.DATA.iterdir())[::5]:
        data = (folder / "model.onnx").read_bytes()
        if not is_refused(data):
            yield data


def test_no_damage_to_a_model_ends_in_a_traceback() -> None:
    random = np.random.default_rng(1)
    models = [*small_models(), onnx_of("digits"), onnx_of("digits-int8")]
    refused = sum(is_refused(damaged(models[number % len(models)], random)) for number in range(ROUNDS))
    assert ROUNDS // 4 < refused < ROUNDS


STEPS = (Step("n", "Relu", 7), Step("o", "Add", 9))


def sample() -> Bundle:
    port = Port("x", TensorType(ElementType.FLOAT32, (1, 3)))
    code = Code("rv64gc", 0, b"\x82\x80", bytes(range(64)), 128, 16)
    return Bundle("m", "2", (port,), (Port("y", port.type),), (code,), STEPS, b"source")


def sealed(data: bytes) -> bytes:
    """With the hash that its contents have."""
    result = bytearray(data)
    result[64:128] = hashlib.sha512(result[HEADER_SIZE:]).digest()
    return bytes(result)


def test_a_bundle_is_read_as_it_was_made() -> None:
    made = sample()
    assert bundles.read(bundles.pack(made)) == made
    assert bundles.pack(made) == bundles.pack(made)


def test_every_changed_byte_of_a_bundle_is_found() -> None:
    data = bundles.pack(sample())
    for at in [*range(HEADER_SIZE + 800), *range(HEADER_SIZE + 800, len(data), 97)]:
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        try:
            # What stands in the header for people may be anything: the signature covers it.
            assert bundles.read(bytes(changed)) != sample()
            assert at < HEADER_SIZE
        except ModelError:
            pass
    for size in range(0, len(data), 61):
        with pytest.raises(ModelError):
            bundles.read(data[:size])


def test_no_damage_to_a_bundle_ends_in_a_traceback() -> None:
    """Also where the hash is right: who makes bundles may be anybody."""
    random = np.random.default_rng(2)
    data = bundles.pack(sample())
    tables = 1200
    refused = 0
    for _ in range(ROUNDS):
        changed = bytearray(data)
        for _ in range(random.integers(1, 4)):
            changed[int(random.integers(0, tables))] = int(random.integers(0, 256))
        changed[:8] = data[:8]
        try:
            bundles.read(sealed(bytes(changed)))
        except ModelError:
            refused += 1
    assert refused > ROUNDS // 2


GOOD = sample().codes[0]


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\u202eabc"])
def test_names_that_cant_be_printed_arent_written(name: str) -> None:
    for bundle in (replace(sample(), name=name), replace(sample(), outputs=(replace(sample().outputs[0], name=name),))):
        with pytest.raises(ModelError, match="which can't be printed"):
            bundles.pack(bundle)


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "no outputs": ({"outputs": ()}, "0 outputs"),
    "no code": ({"codes": ()}, "0 codes"),
    "empty code": ({"codes": (replace(GOOD, code=b""),)}, "code for rv64gc is empty"),
    "features": ({"codes": (replace(GOOD, features=2),)}, "unknown features: 0x2"),
    "order": ({"codes": (replace(GOOD, name="v", features=1), GOOD)}, "code for rv64gc after that"),
    "the same twice": ({"codes": (GOOD, GOOD)}, "code for rv64gc after that"),
    "arena": ({"codes": (replace(GOOD, arena_size=1 << 31),)}, "2147483712 bytes of memory"),
    "stack": ({"codes": (replace(GOOD, stack=1 << 21),)}, "2097152 bytes of stack"),
    "vectors on the stack": ({"codes": (replace(GOOD, stack_vectors=1 << 63),)}, "vector registers of stack"),
    "work": ({"steps": (Step("n", "Relu", 1 << 63), Step("o", "Add", 1 << 63))}, "18446744073709551616 multiply-adds"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_bundle_that_cant_be_loaded_is_neither_made_nor_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, text = UNFIT[name]
    bundle = replace(sample(), **change)
    with pytest.raises(ModelError, match=text) as caught:
        bundles.pack(bundle)
    assert caught.value.code == "NK1704"
    with monkeypatch.context() as unchecked:
        unchecked.setattr(Bundle, "complaint", "")
        unchecked.setattr(Bundle, "multiply_adds", 0)
        data = bundles.pack(bundle)
    with pytest.raises(ModelError, match=text) as caught:
        bundles.read(data)
    assert caught.value.code == "NK1705"


# --- what is refused, and how -----------------------------------------------------------------------------------------


def model(
    *nodes: onnx.NodeProto,
    shape: tuple[str | int, ...] = (1, 4),
    constants: dict[str, Any] | None = None,
    opset: int = 21,
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "m",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return bytes(made.SerializeToString())


def node(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), ["y"], name="n", **attributes)


REFUSED = {
    "no model": (b"nonsense", "NK1701", "no model in ONNX"),
    "nothing": (b"", "NK1701", "no graph"),
    "an operator": (model(node("LSTM", "x")), "NK1702", "node 'n' (LSTM): the operator, version 14, isn't supported"),
    "an operator with a name that commands a terminal": (
        model(helper.make_node("\x1b[31mLSTM\n", ["x"], ["y"])),
        "NK1702",
        r"node 'y' (\x1b[31mLSTM\n): version 21 of ONNX's operators has none",
    ),
    "an input with such a name": (
        model(node("Add", "x", "\x1b\x07"), constants={"\x1b\x07": np.ones(4, np.int64)}),
        "NK1704",
        r"\x1b\x07: int64[4] (constant)",
    ),
    "a version": (model(node("Add", "x", "x"), opset=6), "NK1702", "node 'n' (Add): version 6 of the operator"),
    "no operator": (model(node("Nonsense", "x")), "NK1702", "none of that name"),
    "a domain": (model(helper.make_node("Relu", ["x"], ["y"], domain="other")), "NK1702", "domain 'other'"),
    "an attribute": (model(node("Relu", "x", alpha=1.0)), "NK1702", "node 'n' (Relu, version 14): attribute 'alpha'"),
    "a dimension": (model(node("Relu", "x"), shape=("n", 4)), "NK1703", "dimension 0 ('n') has no number"),
    "a shape that is computed": (model(node("Reshape", "x", "x")), "NK1703", "the shape (input 'x') isn't known"),
    "no such input": (model(node("Relu", "z")), "NK1704", "nothing before it computes its input 'z'"),
    "an input too many": (model(node("Relu", "x", "x")), "NK1704", "2 inputs; there can be 1"),
    "no result": (model(), "NK1704", "output 'y' is computed by no node"),
    "shapes": (
        model(node("MatMul", "x", "w"), constants={"w": np.ones((3, 2), np.float32)}),
        "NK1704",
        "can't be multiplied: 4 columns, 3 rows",
    ),
    "dimensions": (
        model(node("Concat", "x", "w", axis=1), constants={"w": np.ones(4, np.float32)}),
        "NK1704",
        "differ in more than axis 1",
    ),
    "types": (
        model(node("Add", "x", "w"), constants={"w": np.ones(4, np.int64)}),
        "NK1704",
        "inputs of different types",
    ),
    **{
        f"nothing for {operator}": (
            model(node(operator, "w"), constants={"w": np.ones((2, 0), np.float32)}),
            "NK1702",
            f"node 'n' ({operator}, version",
        )
        for operator in ("Relu", "ReduceMean", "ArgMax", "Softmax", "Transpose", "Flatten", "Identity")
    },
    "nothing to join": (
        model(node("Concat", "w", "w", axis=1), constants={"w": np.ones((2, 0), np.float32)}),
        "NK1702",
        "node 'n' (Concat, version 13): no input has elements",
    ),
    "nothing to be added": (
        model(node("Add", "x", "w"), constants={"w": np.ones(0, np.float32)}),
        "NK1702",
        "has no elements",
    ),
    "elements": (
        model(node("MatMul", "x", "w"), constants={"w": np.ones((4, 2), np.float16)}),
        "NK1702",
        "elements of type float16",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cant_be_compiled_is_refused_with_its_place(name: str) -> None:
    data, code, text = REFUSED[name]
    with pytest.raises(ModelError) as caught:
        read(data)
    assert caught.value.code == code
    assert text in caught.value.message
    assert (caught.value.message + caught.value.help + str(caught.value)).isprintable()


def test_a_view_of_a_constant_is_one_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large to be computed while it is read is computed by the model; a view has no code that could."""
    for name in ("MOST_FOLDED", "FOLDED_PER_BYTE"):
        monkeypatch.setattr(reading, name, 0)
    weights = np.arange(8, dtype=np.float32)
    nodes = [
        helper.make_node("Reshape", ["w", "shape"], ["v"]),
        helper.make_node("Transpose", ["v"], ["t"]),
        helper.make_node("Flatten", ["t"], ["f"], axis=0),
        node("Add", "x", "f"),
    ]
    constants = {"w": weights, "shape": np.array([2, 4])}
    x = np.ones((1, 8), np.float32)
    graph = improve(read(model(*nodes, shape=(1, 8), constants=constants)))
    assert next(each.operators for each in graph.nodes if not isinstance(each.operation, View)) == ("Transpose",)
    (got,) = compiled(graph)({"x": x}).values()
    assert got.tolist() == (weights.reshape(2, 4).T.reshape(1, 8) + x).tolist()


def test_what_has_no_elements_adds_nothing_where_it_is_joined() -> None:
    constants = {"w": np.ones((0, 4), np.float32), "axes": np.zeros(0, np.int64)}
    joined = helper.make_node("Concat", ["w", "x", "w"], ["v"], axis=0)
    graph = improve(read(model(joined, node("ReduceMean", "v", "axes"), constants=constants)))
    (got,) = compiled(graph)({"x": np.array([[1, 2, 3, 6]], np.float32)}).values()
    assert got.tolist() == [[3]]


def test_dimensions_and_constants_are_put_in() -> None:
    data = model(node("Reshape", "x", "x2"), shape=("n", 4), constants={"x2": np.array([-1, 2])})
    graph = read(bound(data, {"n": 3}, {}))
    assert graph.outputs[0].type.shape == (6, 2)
    fixed = read(bound(model(node("Relu", "x")), {}, {"x": np.array([[-1, 2, -3, 4]], np.float32)}))
    assert fixed.inputs == []
    assert fixed.outputs[0].constant is not None
    assert fixed.outputs[0].constant.tolist() == [[0, 2, 0, 4]]
    with pytest.raises(ModelError, match="no input has a dimension 'm'"):
        read(model(node("Relu", "x")), dimensions={"m": 3})
    with pytest.raises(ModelError, match="no input 'z'"):
        read(model(node("Relu", "x")), fixed={"z": np.zeros(1)})
