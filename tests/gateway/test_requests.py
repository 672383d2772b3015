"""Manifests and requests, right and damaged, read by the gateway's code, compiled for the host with all checks.

Whatever a process says that it is, and whatever a client sends: no check fails, and what is taken is what was meant.
"""

from __future__ import annotations

import functools
import json
import random
from typing import Any

import numpy as np
import pytest

from neokernel.abi.description import MAXIMUM_TEXT
from neokernel.abi.model import PORT_NAME_SIZE
from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.systemfile.models import manifest_of
from neokernel.interfaces.inference import MOST_BYTES
from neokernel.model.bundle import Bundle, Code, Port
from neokernel.model.graph import ElementType, TensorType
from neokernel.services.gateway.job import MOST_BODY

MODULE = "tests.gateway.walk"
TAKEN, NO_MANIFEST, NO_REQUEST = 0, 1, 2
#: datatypes by the protocol, and what they are to NumPy
TYPES = {
    "BOOL": (ElementType.BOOL, np.bool_),
    "UINT8": (ElementType.UINT8, np.uint8),
    "UINT16": (ElementType.UINT16, np.uint16),
    "UINT32": (ElementType.UINT32, np.uint32),
    "UINT64": (ElementType.UINT64, np.uint64),
    "INT8": (ElementType.INT8, np.int8),
    "INT16": (ElementType.INT16, np.int16),
    "INT32": (ElementType.INT32, np.int32),
    "INT64": (ElementType.INT64, np.int64),
    "FP32": (ElementType.FLOAT32, np.float32),
    "FP64": (ElementType.FLOAT64, np.float64),
}
Tensors = dict[str, tuple[str, tuple[int, ...]]]


@functools.cache
def library() -> jit.Library:
    state = run_front_end(State(PACKAGE_ROOT, [MODULE]))
    assert state.program is not None and not state.diagnostics.items, state.diagnostics.sorted()
    return jit.Library(state.program, (f"{MODULE}.ask", f"{MODULE}.tell"), poison=True)


def ask(manifest: bytes, body: bytes) -> tuple[int, int, bytes]:
    return ask_batched(manifest, body, 1)[:3]


def ask_batched(manifest: bytes, body: bytes, limit: int) -> tuple[int, int, bytes, int, int]:
    into = bytearray(16 << 10)
    how, why, length, examples, size = map(
        int, library().call(f"{MODULE}.ask", manifest, body, (into, len(into)), limit)
    )
    return how, why, bytes(into[:length]), examples, size


def tell(manifest: bytes, results: bytes, name: bytes, examples: int = 1) -> tuple[Any, Any, int]:
    """An answer, a model's metadata, and how long the answer is."""
    into = bytearray(256 << 10)
    length = int(library().call(f"{MODULE}.tell", manifest, results, name, (into, len(into)), examples))
    return json.loads(into[:length]), json.loads(into[length:].rstrip(b"\0")), length


def manifest(inputs: Tensors, outputs: int | Tensors = 1, version: str = "1") -> bytes:
    def ports(tensors: Tensors) -> tuple[Port, ...]:
        return tuple(Port(name, TensorType(TYPES[kind][0], shape)) for name, (kind, shape) in tensors.items())

    made: Tensors = (
        {f"out{number}": ("FP32", (2,)) for number in range(outputs)} if isinstance(outputs, int) else outputs
    )
    code = Code("rv64gc", 0, b"\0" * 4, b"", 64, 16)
    return manifest_of(Bundle("test", version, ports(inputs), ports(made), (code,), ()))


def elements(kind: str, count: int, chance: random.Random) -> Any:
    """Of all sizes, at their ends, too."""
    type_ = TYPES[kind][1]
    if kind == "BOOL":
        return np.array([chance.random() < 0.5 for _ in range(count)])
    if kind.startswith("FP"):
        found = np.array([chance.uniform(-1, 1) * 10.0 ** chance.randrange(-30, 30) for _ in range(count)])
        return found.astype(type_)
    ends = np.iinfo(type_)
    return np.array(
        [chance.choice([ends.min, ends.max, 0, chance.randrange(ends.min, ends.max)]) for _ in range(count)], type_
    )


def body_of(tensors: Tensors, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": list(shape), "datatype": kind, "data": values[name].tolist()}
            for name, (kind, shape) in tensors.items()
        ]
    }


@pytest.mark.parametrize("kind", TYPES)
def test_elements_of_each_type(kind: str) -> None:
    chance = random.Random(kind)
    for shape in [(7,), (), (1, 2, 3), (2, 1, 1, 5)]:
        tensors: Tensors = {"other": ("UINT8", (3,)), "in": (kind, shape)}
        count = int(np.prod(shape, dtype=int))
        values = {"other": elements("UINT8", 3, chance), "in": elements(kind, count, chance).reshape(shape)}
        request = body_of(tensors, values)
        if shape == ():
            request["inputs"][1]["data"] = [request["inputs"][1]["data"]]
        how, wanted, found = ask(manifest(tensors), json.dumps(request).encode())
        assert (how, wanted) == (TAKEN, 1), found
        assert found[:3] == values["other"].tobytes() and found[64:][: values["in"].nbytes] == values["in"].tobytes()
        # Data may stand before what says what it is.
        backwards = {"inputs": [dict(reversed(each.items())) for each in request["inputs"]]}
        assert ask(manifest(tensors), json.dumps(backwards).encode()) == (how, wanted, found)
        for each in request["inputs"]:
            each["data"] = np.array(each["data"], TYPES[each["datatype"]][1]).ravel().tolist()
        assert ask(manifest(tensors), json.dumps(request).encode()) == (how, wanted, found)
        request["inputs"][1]["data"] = []
        how, _, words = ask(manifest(tensors), json.dumps(request).encode())
        assert (how, words) == (NO_REQUEST, b'the data of input "in" hasn\'t as many elements as its shape says')


@pytest.mark.parametrize("kind", TYPES)
def test_what_no_type_holds(kind: str) -> None:
    given = manifest({"in": (kind, (1,))})
    if kind.startswith("FP"):
        wrong = ["1e39" if kind == "FP32" else "1e309", "-1e400", "true"]
    elif kind == "BOOL":
        wrong = ["2", "-1", "1.0"]
    else:
        ends = np.iinfo(TYPES[kind][1])
        wrong = [str(int(ends.max) + 1), str(int(ends.min) - 1), "1.0", "1e0", "true", "9" * 30, "-" + "9" * 30]
    for text in wrong:
        body = f'{{"inputs":[{{"name":"in","shape":[1],"datatype":"{kind}","data":[{text}]}}]}}'
        how, _, words = ask(given, body.encode())
        assert how == NO_REQUEST and words.startswith(b'the data of input "in" has element 0, which is '), text


def test_outputs_are_chosen() -> None:
    given = manifest({"in": ("UINT8", (1,))}, 8)
    body = body_of({"in": ("UINT8", (1,))}, {"in": np.zeros(1, np.uint8)})
    for names in ([], [3], [0, 7], list(range(8))):
        request = body | {"outputs": [{"name": f"out{number}"} for number in names]}
        assert ask(given, json.dumps(request).encode())[1] == (sum(1 << number for number in names) or 255)


def longest(kind: str) -> Any:
    """An element that takes most as JSON, as Python writes it."""
    match kind:
        case "BOOL":
            return False
        case "FP32":
            return float(np.float32(-1.1754944e-38))
        case "FP64":
            return -1.2345678901234567e-300
        case _:
            ends = np.iinfo(TYPES[kind][1])
            return int(ends.min or ends.max)


@pytest.mark.parametrize("kind", TYPES)
def test_the_largest_model_has_room(kind: str) -> None:
    """Of each type: as many elements as a model may have, in a request, and in an answer."""
    size = np.dtype(TYPES[kind][1]).itemsize
    taken, given = MOST_BYTES // size - 64, 64 // size
    tensors: Tensors = {"in": (kind, (taken,))}
    values: Any = np.full(taken, longest(kind), TYPES[kind][1])
    body = json.dumps(body_of(tensors, {"in": values})).encode()
    assert len(body) <= MOST_BODY
    how, _, found = ask(manifest(tensors, {"out": (kind, (given,))}), body)
    assert how == TAKEN and found[: values.nbytes] == values.tobytes()
    # And as results, with names that take most.
    name = b"\\" * MAXIMUM_TEXT
    each = (MOST_BYTES - 64) // 8 // 64 * 64 // size
    outputs: Tensors = {'"' * (PORT_NAME_SIZE - 1) + f"{number}": (kind, (each,)) for number in range(8)}
    result = values[:each].tobytes()
    answer, described, length = tell(manifest({"in": ("BOOL", (1,))}, outputs), 8 * result, name)
    assert length <= MOST_BODY and answer["model_name"] == described["name"] == name.decode()
    assert [made["name"] for made in answer["outputs"]] == list(outputs)
    assert all(np.array(made["data"], values.dtype).tobytes() == result for made in answer["outputs"])


@pytest.mark.parametrize("member", ["name", "datatype", "shape", "data"])
def test_a_member_that_stands_twice(member: str) -> None:
    tensors: Tensors = {"in": ("UINT8", (2,))}
    (given,) = body_of(tensors, {"in": np.zeros(2, np.uint8)})["inputs"]
    twice = json.dumps(given)[:-1] + f', "{member}": {json.dumps(given[member])}}}'
    how, _, words = ask(manifest(tensors), f'{{"inputs": [{twice}]}}'.encode())
    what = "an input's `name`" if member == "name" else f"`{member}`"
    assert (how, words) == (NO_REQUEST, f"{what} stands there twice".encode())
    outputs = '"outputs": [{"name": "out0", "name": "out0"}]'
    assert ask(manifest(tensors), f"{{{outputs}}}".encode())[2] == b"an output's `name` stands there twice"


#: bytes that mean something in requests
MARKS = b'[]{}",:\\ 0123456789-.eEtruefalsnamdpshi\x00\x80\xff'


def test_damaged_requests() -> None:
    chance = random.Random(11)
    seen = {TAKEN: 0, NO_REQUEST: 0}
    kinds = list(TYPES)
    for _ in range(4_000):
        tensors: Tensors = {
            name: (chance.choice(kinds), tuple(chance.randrange(1, 4) for _ in range(chance.randrange(4))))
            for name in ("a", "b")[: chance.randrange(1, 3)]
        }
        values = {
            name: elements(kind, int(np.prod(shape, dtype=int)), chance).reshape(shape)
            for name, (kind, shape) in tensors.items()
        }
        body = bytearray(json.dumps(body_of(tensors, values) | {"id": "x"}).encode())
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(body))
            match chance.randrange(3):
                case 0:
                    body[place:place] = bytes([chance.choice(MARKS)])
                case 1:
                    del body[place : place + chance.randrange(1, 20)]
                case _:
                    body[place] = chance.choice(MARKS)
        how, _, words = ask(manifest(tensors), bytes(body))
        seen[how] += 1
        assert how == TAKEN or words.decode()
        if how == TAKEN:
            json.loads(body)
    assert min(seen.values()) > 300, seen


def test_damaged_manifests() -> None:
    """As a process that lies would send: each is refused, or means something that the gateway has room for."""
    chance = random.Random(12)
    right = manifest({"a": ("FP32", (2, 3)), "b": ("INT8", (5,))}, 3)
    body = b'{"inputs":[]}'
    refused: set[int] = set()
    taken = 0
    for _ in range(20_000):
        data = bytearray(right)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(data) if chance.random() < 0.5 else 64)
            data[place] = chance.choice([0, 1, 2, 8, 9, 0x7F, 0x80, 0xFF, data[place] ^ 1 << chance.randrange(8)])
        if chance.random() < 0.1:
            del data[chance.randrange(len(data)) :]
        elif chance.random() < 0.05:
            data += bytes(chance.randrange(5_000))
        how, why, _ = ask(bytes(data), body)
        if how == NO_MANIFEST:
            refused.add(why)
        else:
            taken += 1
    assert taken > 1_000 and refused == {0, 1, 2}, (taken, refused)


# --- several examples -------------------------------------------------------------------------------------------------

PAIR: Tensors = {"image": ("FP32", (1, 2, 3)), "kind": ("INT8", (1, 5))}


def batch_of(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request of so many examples, and its tensors."""
    chance = random.Random(count)
    tensors: Tensors = {name: (kind, (count, *shape[1:])) for name, (kind, shape) in PAIR.items()}
    values = {
        name: elements(kind, int(np.prod(shape)), chance).reshape(shape) for name, (kind, shape) in tensors.items()
    }
    return body_of(tensors, values), values


@pytest.mark.parametrize("count", [1, 2, 7])
def test_several_examples(count: int) -> None:
    """Each has its tensors where a single one has them, behind those of the one before."""
    request, values = batch_of(count)
    for flat in (False, True):
        for backwards in (False, True):
            asked = [dict(each) for each in request["inputs"]]
            for each in asked:
                if flat:
                    each["data"] = values[each["name"]].ravel().tolist()
            body = {"inputs": [dict(reversed(each.items())) if backwards else each for each in asked]}
            how, _, found, examples, size = ask_batched(manifest(PAIR, {"out": ("FP32", (1, 2))}), dumped(body), 7)
            assert (how, examples, size) == (TAKEN, count, 192)
            for example in range(count):
                part = found[example * size :]
                assert part[:24] == values["image"][example].tobytes()
                assert part[64:69] == values["kind"][example].tobytes()


def dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


def test_examples_that_are_too_many_or_dont_fit() -> None:
    """More than the system file says, than there is room for, or than the other input has; or a model's own size."""
    out: Tensors = {"out": ("FP32", (1, 2))}
    request, _ = batch_of(7)

    def words(body: Any, model: bytes, limit: int) -> str:
        how, _, found, _, _ = ask_batched(model, dumped(body), limit)
        assert how == NO_REQUEST
        return found.decode()

    assert words(request, manifest(PAIR, out), 6) == 'the model\'s input "image" is of shape [1 to 6, 2, 3]'
    fixed = 'the model\'s input "image" is of shape [1, 2, 3]'
    assert words(request, manifest(PAIR, out), 1) == fixed
    # The first dimension of one tensor isn't 1, or it has none: so it isn't the examples'.
    assert words(request, manifest(PAIR, {"out": ("FP32", (2,))}), 8) == fixed
    assert words(request, manifest(PAIR, {"out": ("FP32", ())}), 8) == fixed
    large: Tensors = {"in": ("UINT8", (1, 4000))}
    many = {"inputs": [{"name": "in", "datatype": "UINT8", "shape": [5, 4000], "data": [0] * 20_000}]}
    assert words(many, manifest(large, out), 100) == 'the model\'s input "in" is of shape [1 to 4, 4000]'
    none = {"inputs": [{"name": "in", "datatype": "UINT8", "shape": [0, 4000], "data": []}]}
    assert words(none, manifest(large, out), 100) == 'the model\'s input "in" is of shape [1 to 4, 4000]'
    request["inputs"][1] |= {"shape": [6, 5], "data": request["inputs"][1]["data"][:6]}
    assert words(request, manifest(PAIR, out), 7) == 'input "kind" has another number of examples than the one before'
    request, _ = batch_of(3)
    for wrong in (request["inputs"][0]["data"][:2], request["inputs"][0]["data"] * 2, [0.0] * 17, [0.0] * 19):
        body = {"inputs": [request["inputs"][0] | {"data": wrong}, request["inputs"][1]]}
        assert "hasn't as many elements as its shape says" in words(body, manifest(PAIR, out), 7)


def test_answers_of_several_examples() -> None:
    made: Tensors = {"scores": ("FP32", (1, 3)), "class": ("INT64", (1,))}
    model = manifest({"in": ("FP32", (1, 2))}, made)
    chance = random.Random(5)
    scores, classes = elements("FP32", 12, chance).reshape(4, 3), elements("INT64", 4, chance)
    results = b"".join(scores[each].tobytes().ljust(64, b"\0") + classes[each].tobytes() for each in range(4))
    answer, metadata, _ = tell(model, results, b"test", 4)
    first, second = answer["outputs"]
    assert (first["shape"], second["shape"]) == ([4, 3], [4])
    assert np.array(first["data"], np.float32).tobytes() == scores.tobytes() and second["data"] == classes.tolist()
    assert [each["shape"] for each in (*metadata["inputs"], *metadata["outputs"])] == [[-1, 2], [-1, 3], [-1]]
    answer, metadata, _ = tell(model, results[:72], b"test")
    assert answer["outputs"][0]["shape"] == [1, 3] == metadata["outputs"][0]["shape"]
