"""Questions to a gateway, of all kinds, and what is right for each.

What models answer is compared with onnxruntime's answer to the same inputs. `linear` is pushed again and again, with
other weights: a version's first letter says which, so an answer is right if it is that of the version that it names.

A question has one status that is right. Others may come, each for its reason (`docs/guide/gateway.md`): `while_down`
as long as somebody is restarted who takes part, `always` at any time.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.model.digits import FOLDER, held_out
from tests.png.support import chunk

#: of `linear`
ROWS, COLUMNS = 8, 4
#: its weights, by the first letter of its version; the image has those of "1"
WEIGHTS = "1ABC"
#: inputs that are asked of each small model, images of digits, and examples of a request (machine/push.toml)
INPUTS, DIGITS, EXAMPLES = 64, 100, 8
#: how far a float may be from onnxruntime's: sums of digits have another order; all else is whole numbers
NEAR = 2e-5
#: of a tenant that may ask five times a second (machine/push.toml)
KEY = b"Authorization: Bearer the key of a test\r\n"

Judge = Callable[[Any], bool]


@dataclass(frozen=True)
class Question:
    """`sent`: a whole request. `judge`: is this, out of the answer's JSON, right?"""

    kind: str
    sent: bytes
    status: int
    judge: Judge
    while_down: frozenset[int] = frozenset()
    always: frozenset[int] = frozenset()


def request(method: str, path: str, body: bytes = b"", kind: str = "application/json", fields: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n"
    return head.encode() + fields + b"\r\n" + body


# --- models -----------------------------------------------------------------------------------------------------------


def linear(letter: str) -> bytes:
    """A model in ONNX, `scores = image @ weights + bias`, of whole numbers."""
    chance = random.Random(letter)
    weights = [float(chance.randrange(-9, 10)) for _ in range(ROWS * COLUMNS)]
    bias = [float(chance.randrange(-99, 100)) for _ in range(COLUMNS)]
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["image", "weights", "bias"], ["scores"], name="gemm")],
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, ROWS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, COLUMNS])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [ROWS, COLUMNS], weights),
            helper.make_tensor("bias", TensorProto.FLOAT, [COLUMNS], bias),
        ],
    )
    return written(graph)


def whole() -> bytes:
    """A model in ONNX, `sums = numbers * 3 + 1`, of 32-bit integers."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["numbers", "three"], ["products"], name="mul"),
            helper.make_node("Add", ["products", "one"], ["sums"], name="add"),
        ],
        "whole",
        [helper.make_tensor_value_info("numbers", TensorProto.INT32, [6])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, [6])],
        [
            helper.make_tensor("three", TensorProto.INT32, [1], [3]),
            helper.make_tensor("one", TensorProto.INT32, [1], [1]),
        ],
    )
    return written(graph)


def written(graph: Any) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


@functools.cache
def session(model: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model)


def near(said: Any, wanted: Sequence[float]) -> bool:
    return len(said) == len(wanted) and all(abs(a - b) <= NEAR for a, b in zip(said, wanted, strict=True))


# --- questions --------------------------------------------------------------------------------------------------------


def asked(name: str, tensor: dict[str, Any], judge: Callable[[Any, str], bool], **more: Any) -> Question:
    """An inference. `judge`: is this data right, of this version?"""
    body = json.dumps({"inputs": [tensor]}).encode()

    def whole_answer(said: Any) -> bool:
        (output,) = said["outputs"]
        return bool(said["model_name"] == name and judge(output["data"], said["model_version"]))

    fields = more.pop("fields", b"")
    sent = request("POST", f"/v2/models/{name}/infer", body, fields=fields)
    kind = more.pop("kind", f"infer {name}")
    return Question(kind, sent, 200, whole_answer, frozenset({503, 504}), **more)


def of_linear(kind: str = "infer linear", **more: Any) -> list[Question]:
    chance = random.Random(1)
    found = []
    for _ in range(INPUTS):
        data = [float(chance.randrange(100)) for _ in range(ROWS)]
        image = np.array([data], np.float32)
        wanted = {each: session(linear(each)).run(None, {"image": image})[0][0].tolist() for each in WEIGHTS}
        tensor = {"name": "image", "shape": [1, ROWS], "datatype": "FP32", "data": data}
        judge = functools.partial(lambda wanted, said, version: said == wanted[version[:1]], wanted)
        found.append(asked("linear", tensor, judge, kind=kind, **more))
    return found


def of_examples() -> list[Question]:
    """Several of `linear` in one request."""
    chance = random.Random(3)
    found = []
    for count in list(range(2, EXAMPLES + 1)) * 4:
        data = np.array([[float(chance.randrange(100)) for _ in range(ROWS)] for _ in range(count)], np.float32)
        wanted: dict[str, list[float]] = {}
        for letter in WEIGHTS:
            rows = [session(linear(letter)).run(None, {"image": row[None]})[0][0].tolist() for row in data]
            wanted[letter] = list(itertools.chain(*rows))
        tensor = {"name": "image", "shape": [count, ROWS], "datatype": "FP32", "data": data.tolist()}
        judge = functools.partial(lambda wanted, said, version: said == wanted[version[:1]], wanted)
        found.append(asked("linear", tensor, judge, kind="infer linear, 2 to 8 examples"))
    return found


def of_whole() -> list[Question]:
    chance = random.Random(2)
    found = []
    for _ in range(INPUTS):
        data = [chance.randrange(-1_000_000, 1_000_000) for _ in range(6)]
        (sums,) = session(whole()).run(None, {"numbers": np.array(data, np.int32)})
        tensor = {"name": "numbers", "shape": [6], "datatype": "INT32", "data": data}
        judge = functools.partial(lambda wanted, said, version: said == wanted, sums.tolist())
        found.append(asked("whole", tensor, judge))
    return found


def of_digits() -> list[Question]:
    """As numbers, and drawn."""
    images, _ = held_out()
    found = []
    digits = session((FOLDER / "digits.onnx").read_bytes())
    for image in images[:DIGITS]:
        wanted = digits.run(None, {"image": image[None]})[0][0].tolist()
        tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": image.ravel().tolist()}
        judge = functools.partial(lambda wanted, said, version: near(said, wanted), wanted)
        found.append(asked("digits", tensor, judge))
        best = int(np.argmax(wanted))
        seen = functools.partial(
            lambda wanted, best, said: said["class"] == best and near(said["scores"], wanted), wanted, best
        )
        sent = request("POST", "/v2/models/digits/classify", drawn(image[0]), "image/png")
        found.append(Question("classify digits", sent, 200, seen, frozenset({503, 504})))
    return found


def drawn(image: Any) -> bytes:
    """A PNG of 32 x 32 pixels, black and white: of each block of 4 x 4 as many are white as the image says."""
    rows = []
    for row in image:
        for line in range(4):
            white = [int(count) > 4 * line + place for count in row for place in range(4)]
            rows.append(b"\0" + bytes(255 * each for each in white))
    head = (32).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    packed = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def of_the_server() -> list[Question]:
    """Metadata and health."""
    down, down_ready = frozenset({503}), frozenset({400})

    def told(kind: str, path: str, judge: Judge, while_down: frozenset[int] = frozenset()) -> Question:
        return Question(kind, request("GET", path), 200, judge, while_down)

    found = [
        told("server", "/v2", lambda said: said["name"] == "neokernel"),
        told("health", "/v2/health/live", lambda said: said == {"live": True}),
        told("health", "/v2/health/ready", lambda said: said == {"ready": True}, down_ready),
    ]
    for name, tensor in (("linear", "image"), ("digits", "image"), ("whole", "numbers")):
        judge = functools.partial(
            lambda name, tensor, said: said["name"] == name and said["inputs"][0]["name"] == tensor, name, tensor
        )
        found.append(told("metadata", f"/v2/models/{name}", judge, down))
        ready = functools.partial(lambda name, said: said == {"name": name, "ready": True}, name)
        found.append(told("health", f"/v2/models/{name}/ready", ready, down_ready))
    return found


def of_the_wrong() -> list[Question]:
    """Requests that can't be answered, and their status."""

    def wrong(status: int, sent: bytes) -> Question:
        return Question("wrong", sent, status, lambda said: set(said) == {"error"}, frozenset({503}))

    tensor = {"name": "image", "shape": [1, ROWS], "datatype": "FP32", "data": [0] * ROWS}
    many = tensor | {"shape": [EXAMPLES + 1, ROWS], "data": [0] * ROWS * (EXAMPLES + 1)}
    good = json.dumps({"inputs": [tensor]}).encode()
    bad = [
        b"",
        b"{",
        b"[]",
        b"{}",
        good[:-1],
        good + b"!",
        json.dumps({"inputs": [tensor | {"shape": [1, ROWS + 1]}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": [0] * (ROWS - 1)}]}).encode(),
        json.dumps({"inputs": [tensor | {"datatype": "INT8"}]}).encode(),
        json.dumps({"inputs": [many]}).encode(),
        json.dumps({"inputs": [tensor | {"name": "picture"}]}).encode(),
        json.dumps({"inputs": [tensor | {"data": [1e39] * ROWS}]}).encode(),
    ]
    path = "/v2/models/linear/infer"
    return [
        *(wrong(400, request("POST", path, each)) for each in bad),
        wrong(400, request("POST", "/v2/models/digits/classify", b"\x89PNG\r\n\x1a\n", "image/png")),
        wrong(401, request("POST", path, good, fields=b"Authorization: Bearer nobody's\r\n")),
        wrong(404, request("GET", "/v2/models/nobody")),
        wrong(404, request("GET", "/elsewhere")),
        wrong(404, request("GET", "/v2/models/linear/versions/none")),
        wrong(405, request("GET", path)),
        wrong(405, request("DELETE", "/v2")),
        wrong(415, request("POST", path, good, "text/plain")),
    ]


class Mix:
    """Which questions come, how often: per mille."""

    def __init__(self) -> None:
        digits = of_digits()
        self.questions = {
            "infer linear": (600, of_linear()),
            "infer linear, 2 to 8 examples": (50, of_examples()),
            "infer whole": (150, of_whole()),
            "infer digits": (35, [each for each in digits if each.kind == "infer digits"]),
            "classify digits": (15, [each for each in digits if each.kind == "classify digits"]),
            "server, metadata, health": (70, of_the_server()),
            "wrong": (60, of_the_wrong()),
            "infer linear, with a tenant's key": (
                20, of_linear("infer linear, with a tenant's key", fields=KEY, always=frozenset({429})),
            ),
        }  # fmt: skip

    def next(self, chance: random.Random) -> Question:
        lists = [each for _, each in self.questions.values()]
        (found,) = chance.choices(lists, [weight for weight, _ in self.questions.values()])
        return chance.choice(found)
