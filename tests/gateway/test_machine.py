"""The gateway of a running machine: what clients see of the protocol, of wrong requests, and of models that go wrong.

One machine for all tests here. Beside the digits' models it has `temper`, which goes wrong when it is told to
(`machine/temper.py`); a name that no process serves; and four places in each queue. Its gateway waits longer than any
test lasts. Another one there, for models that keep requests waiting, gives up after three seconds.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import select
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from neokernel.image import qemu
from tests.model.digits import FOLDER, MODELS, held_out
from tests.png.support import Picture, Samples, chunk
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import connected, free_ports

MACHINE = Path(__file__).parent / "machine"
JSON = {"Content-Type": "application/json"}
#: whose key the system file has the hash of
TENANT = {"Authorization": "Bearer the key of a test"}
WAITING = 4
CLIENTS = 24

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


class Ports(NamedTuple):
    """Of the host's: the gateway's, and that of the one that doesn't wait long."""

    port: int
    hasty: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    found = Ports(*free_ports(2))
    folder = tmp_path_factory.mktemp("gateway")
    built = nk("build", MACHINE / "system.toml", "-o", folder / "image.elf")
    assert built.returncode == 0, built.stderr
    assert QEMU is not None
    command = [
        *qemu.command(QEMU, folder / "image.elf"),
        *qemu.entropy("virtio-mmio-bus.0"),
        *qemu.network("virtio-mmio-bus.2", {f"tcp/{found.port}": 8000, f"tcp/{found.hasty}": 8001}),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until_up(found.port)
        eventually(
            lambda: all(is_ready(found.port, name) for name in (*MODELS, "temper")) and is_ready(found.hasty, "temper"),
            "the models don't begin to serve",
        )
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port(ports: Ports) -> int:
    return ports.port


@pytest.fixture(scope="module")
def hasty(ports: Ports) -> int:
    return ports.hasty


def until_up(port: int) -> None:
    """However long the machine takes to come up."""
    connected(("127.0.0.1", port), b"GET /v2/health/live HTTP/1.0\r\n\r\n", b"HTTP/1.1 200").close()


def asked(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    patience: float = PATIENCE,
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Status, what the answer's JSON says, and its fields."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data.startswith(b"{") else data, answer.headers
    finally:
        connection.close()


def get(port: int, path: str) -> tuple[int, Any]:
    return asked(port, "GET", path)[:2]


def is_ready(port: int, name: str) -> bool:
    try:
        return get(port, f"/v2/models/{name}/ready")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def infer(port: int, name: str, request: Any, **headers: str) -> tuple[int, Any]:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return asked(port, "POST", f"/v2/models/{name}/infer", body, headers or JSON)[:2]


def image(data: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": data, **more}]}


def mood(number: float) -> dict[str, Any]:
    return {"inputs": [{"name": "mood", "shape": [1], "datatype": "FP32", "data": [number]}]}


def temper(port: int, number: float) -> tuple[int, Any]:
    return infer(port, "temper", mood(number))


def until_it_serves(port: int) -> list[float]:
    """What a model answers that was restarted: 7, and its lives."""

    def served() -> list[float] | None:
        status, said = temper(port, 0)
        assert status in (200, 503, 504), said
        return said["outputs"][0]["data"] if status == 200 else None

    return eventually(served, "it doesn't serve any more") or []


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_what_the_server_says(port: int) -> None:
    assert get(port, "/v2") == (200, {"name": "neokernel", "version": "1", "extensions": []})
    assert get(port, "/v2/health/live") == (200, {"live": True})
    # One of the names has no process.
    assert get(port, "/v2/health/ready") == (400, {"ready": False})
    described = {
        "name": "digits",
        "versions": ["1"],
        "platform": "neokernel",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 10]}],
    }
    single = get(port, "/v2/models/digits-int8")[1]
    assert [each["shape"] for each in (*single["inputs"], *single["outputs"])] == [[1, 1, 8, 8], [1, 10]]
    assert get(port, "/v2/models/digits") == (200, described) == get(port, "/v2/models/digits/versions/1")
    assert get(port, "/v2/models/digits/ready") == (200, {"name": "digits", "ready": True})
    assert get(port, "/v2/models/nobody/ready") == (400, {"name": "nobody", "ready": False})
    assert get(port, "/v2/models/nobody/versions/1/ready") == (400, {"name": "nobody", "ready": False})
    assert get(port, "/v2/models/temper/versions/2.5/ready")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/models/digits", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/models/digit", 404),
        ("GET", "/v2/models/digits/versions", 404),
        ("GET", "/v2/models/digits/versions/2", 404),
        ("GET", "/v2/models/digits/versions//ready", 404),
        ("GET", "/v2/models/digits/infer/more", 404),
        ("GET", "/v2/models/digits/infer", 405),
        ("POST", "/v2/models/digits", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/models/nobody", 503),
        ("POST", "/v2/models/nobody/infer", 503),
    ],
)
def test_what_is_not_there(port: int, method: str, path: str, status: int) -> None:
    found, said, _ = asked(port, method, path)
    assert found == status
    assert set(said) == {"error"}


@pytest.mark.parametrize("name", MODELS)
def test_held_out_digits(port: int, name: str) -> None:
    """The answers of onnxruntime: to the bit in 8-bit numbers; to 2e-5 in float32, whose sums have another order."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    images, labels = held_out()
    count, right = 40, 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    for number in range(count):
        request = image(images[number].ravel().tolist()) | {"id": f"{number}"}
        connection.request("POST", f"/v2/models/{name}/infer", json.dumps(request), JSON)
        said = json.load(connection.getresponse())
        assert (said["model_name"], said["model_version"], said["id"]) == (name, "1", f"{number}")
        (output,) = said["outputs"]
        assert {key: output[key] for key in ("name", "datatype", "shape")} == {
            "name": "scores",
            "datatype": "FP32",
            "shape": [1, 10],
        }
        found = np.array(output["data"], np.float32)
        (wanted,) = session.run(None, {"image": images[number : number + 1]})
        if name == "digits":
            np.testing.assert_allclose(found, wanted[0], rtol=0, atol=2e-5)
        else:
            assert found.tobytes() == wanted[0].tobytes()
        right += int(found.argmax() == labels[number])
    connection.close()
    assert right >= 38


def test_requests_as_clients_write_them(port: int) -> None:
    images, _ = held_out()
    flat = images[3].ravel().tolist()
    status, wanted = infer(port, "digits", image(flat))
    assert status == 200
    # Lists in one another; members in any order, with more than is known of, in much space; escaped names.
    nested = image(images[3][None].tolist())
    assert infer(port, "digits", nested) == (200, wanted)
    (given,) = image(flat)["inputs"]
    turned = {"data": given.pop("data"), "parameters": {"binary_data": False}, **given, "more": [{"a": [1]}]}
    request = {"parameters": {"priority": 3}, "inputs": [turned], "outputs": [{"parameters": {}, "name": "scores"}]}
    assert infer(port, "digits", json.dumps(request, indent=4).encode()) == (200, wanted)
    text = json.dumps(image(flat)).replace("image", "im\\u0061ge").replace('"data"', '"d\\u0061ta"')
    assert infer(port, "digits", text.encode()) == (200, wanted)
    assert infer(port, "digits", text.encode(), **{"Content-Type": "Application/JSON; charset=utf-8"}) == (200, wanted)
    assert asked(port, "POST", "/v2/models/digits/versions/1/infer", text.encode())[:2] == (200, wanted)
    name = 'a"\\\u20ac'
    assert infer(port, "digits", image(flat) | {"id": name})[1]["id"] == name


def test_several_examples(port: int) -> None:
    """Each is answered as if it came alone, in the protocol's shape; what is more than there may be is refused."""
    images, _ = held_out()
    alone = [infer(port, "digits", image(each.ravel().tolist()))[1]["outputs"][0]["data"] for each in images[:20]]
    for count in (1, 3, 20):
        for data in (images[:count].ravel().tolist(), images[:count].tolist()):
            status, said = infer(port, "digits", image(data, shape=[count, 1, 8, 8]))
            assert status == 200, said
            (output,) = said["outputs"]
            assert output["shape"] == [count, 10] and output["data"] == list(itertools.chain(*alone[:count]))
    many = image(images[:21].ravel().tolist(), shape=[21, 1, 8, 8])
    assert infer(port, "digits", many) == (400, {"error": 'the model\'s input "image" is of shape [1 to 20, 1, 8, 8]'})
    two = image(images[:2].ravel().tolist(), shape=[2, 1, 8, 8])
    assert infer(port, "digits-int8", two) == (400, {"error": 'the model\'s input "image" is of shape [1, 1, 8, 8]'})
    # Its tensors don't all begin with a dimension of 1.
    assert infer(port, "temper", {"inputs": [mood(0)["inputs"][0] | {"shape": [2], "data": [0, 0]}]})[0] == 400


WRONG = [
    (b"", "the body is no JSON: it ends too early"),
    (b"[]", "the body is no JSON object"),
    (b'{"inputs": [}', "the body is no JSON: something can't stand there, at byte 12"),
    (b'{"inputs": ["\xff"]}', "the body is no JSON: a text that isn't UTF-8, or has a wrong escape, at byte 12"),
    (b"[" * 40, "the body is no JSON object"),
    (b'{"a":' + b"[" * 40, "the body has too many lists or objects in one another, at byte 36"),
    ({}, 'the request has no input "image"'),
    ({"inputs": []}, 'the request has no input "image"'),
    ({"inputs": {}}, "`inputs` is no list"),
    ({"inputs": [3]}, "an input is no object"),
    (b'{"inputs": [], "inputs": []}', "`inputs` stands there twice"),
    ({"id": 5}, "`id` is no text"),
    ({"id": "x" * 129}, "`id` is too long"),
    ({"outputs": 3}, "`outputs` is no list"),
    ({"outputs": [{}]}, "an output has no `name`"),
    ({"outputs": [{"name": "score"}]}, 'the model has no output "score"'),
    ({"inputs": [{"name": "picture"}]}, 'the model has no input "picture"'),
    ({"inputs": [{"name": "x" * 100}]}, "the model has no input a text that is long"),
    ({"inputs": [{"shape": [1]}]}, "an input has no `name`"),
    ({"inputs": [{"name": "image", "datatype": "fp32"}]}, 'there is no datatype "fp32" here'),
    ({"inputs": [{"name": "image", "datatype": "INT8"}]}, 'the model\'s input "image" is of datatype FP32'),
    ({"inputs": [{"name": "image", "shape": [1, -1]}]}, "`shape` is no list of whole numbers, or is too long"),
    ({"inputs": [{"name": "image", "shape": [1] * 9}]}, "`shape` is no list of whole numbers, or is too long"),
    ({"inputs": [{"name": "image", "datatype": "FP32"}]}, 'the model\'s input "image" is of shape [1 to 20, 1, 8, 8]'),
    (image([0] * 64, shape=[64]), 'the model\'s input "image" is of shape [1 to 20, 1, 8, 8]'),
    (image([], shape=[0, 1, 8, 8]), 'the model\'s input "image" is of shape [1 to 20, 1, 8, 8]'),
    (image([0] * 64, shape=[2, 1, 8, 8]), 'the data of input "image" hasn\'t as many elements as its shape says'),
    (image(0), 'the data of input "image" is no list'),
    (image([0] * 63), 'the data of input "image" hasn\'t as many elements as its shape says'),
    (image([0] * 65), 'the data of input "image" hasn\'t as many elements as its shape says'),
    (image([]), 'the data of input "image" hasn\'t as many elements as its shape says'),
    (image([[[[0] * 8] * 7 + [[0] * 7]]]), 'the data of input "image" hasn\'t as many elements as its shape says'),
    (image([[0] * 64]), 'the data of input "image" has elements where its shape has lists'),
    (image([[[[[0]]]]]), 'the data of input "image" has lists that its shape hasn\'t'),
    (image([0, [0] * 63]), 'the data of input "image" has lists that its shape hasn\'t'),
    (image(["0"] * 64), 'the data of input "image" has something in it that is no element'),
    (image([True] * 64), 'the data of input "image" has element 0, which is no FP32'),
    (image([0] * 63 + [1e39]), 'the data of input "image" has element 63, which is out of the range of FP32'),
    (image([0] * 64) | {"id": None}, "`id` is no text"),
]


@pytest.mark.parametrize(("request_", "words"), WRONG, ids=lambda each: str(each)[:40])
def test_wrong_requests(port: int, request_: Any, words: str) -> None:
    assert infer(port, "digits", request_) == (400, {"error": words})


def test_what_is_no_json_and_what_is_too_large(port: int) -> None:
    body = json.dumps(image([0] * 64)).encode()
    assert infer(port, "digits", body, **{"Content-Type": "text/plain"})[0] == 415
    assert infer(port, "digits", body, **{"Content-Type": "application/jsonlines"})[0] == 415
    binary = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "10"}
    assert infer(port, "digits", body, **binary)[0] == 400
    large = body[:-1] + b" " * (128 << 10) + b"}"
    said = asked(port, "POST", "/v2/models/digits/infer", large, JSON)
    assert said[:2] == (413, {"error": "Content Too Large"})
    chunked = asked(port, "POST", "/v2/models/digits/infer", iter([large]), JSON)  # type: ignore[arg-type]
    assert chunked[:2] == (413, {"error": "the request is too large"})


def test_what_the_protocol_refuses_is_said_in_json(port: int) -> None:
    """Also what the library answers by itself."""
    for sent, status, words in (
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Bad Request"),
        (b"BREW /v2 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "Not Implemented"),
        (b"DELETE /v2 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Method Not Allowed"),
        (b"GET /v2 HTTP/3.0\r\nHost: a\r\n\r\n", 505, "HTTP Version Not Supported"),
        (b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "URI Too Long"),
    ):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as made:
            made.sendall(sent)
            answer = http.client.HTTPResponse(made)
            answer.begin()
            assert (answer.status, json.loads(answer.read())) == (status, {"error": words}), sent
            assert answer.headers["Content-Type"] == "application/json"


def test_http_1_0(port: int) -> None:
    """An answer has its length, in this version, too: it can't be taken for whole if it isn't."""
    body = json.dumps(image([0] * 64)).encode()
    head = f"POST /v2/models/digits/infer HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as made:
        made.sendall(head.encode() + body)
        answer = http.client.HTTPResponse(made)
        answer.begin()
        assert answer.headers["Content-Length"] and answer.headers["Transfer-Encoding"] is None
        assert len(json.loads(answer.read())["outputs"][0]["data"]) == 10


# --- images -----------------------------------------------------------------------------------------------------------


def drawn(counts: Any) -> Picture:
    """Black and white, 32 x 32: of each block of 4 x 4 as many pixels are white as are counted."""
    white = [[int(count) for count in row] for row in counts]
    return Picture(
        0, 1, [[(int(y % 4 * 4 + x % 4 < white[y // 4][x // 4]),) for x in range(32)] for y in range(32)], True
    )


def classified(port: int, name: str, body: bytes, **headers: str) -> tuple[int, Any]:
    return asked(port, "POST", f"/v2/models/{name}/classify", body, headers or {"Content-Type": "image/png"})[:2]


@pytest.mark.parametrize("name", MODELS)
def test_images_are_classified(port: int, name: str) -> None:
    """As the same counts are in JSON, to the bit."""
    images, labels = held_out()
    right = 0
    for number in range(10):
        scores = infer(port, name, image(images[number].ravel().tolist()))[1]["outputs"][0]["data"]
        status, said = classified(port, name, drawn(images[number][0]).file())
        assert status == 200 and set(said) == {"model_name", "model_version", "class", "scores"}
        assert said["scores"] == scores and said["class"] == int(np.argmax(scores)) and said["model_name"] == name
        right += said["class"] == labels[number]
    assert right >= 9


def test_a_large_image_in_colour(port: int) -> None:
    """Grey, as it is seen on black: what is transparent is black."""
    images, _ = held_out()
    small = drawn(images[0][0])
    wanted = classified(port, "digits", small.file())
    large = [[row[x // 4] for x in range(128)] for row in small.samples for _ in range(4)]
    seen: Samples = [[(255, 255, 255, 255) if pixel == (1,) else (0, 255, 9, 0) for pixel in row] for row in large]
    assert classified(port, "digits", Picture(6, 8, seen).file(itertools.cycle(range(5)))) == wanted


def test_what_is_no_image_for_the_model(port: int) -> None:
    right = Picture(0, 8, [[(0,)] * 32] * 32).file()
    assert classified(port, "digits", right)[0] == 200
    for body, words in (
        (b"", "the body is no PNG"),
        (right[:-1], "the image is no PNG: it ends too early"),
        (right[:50] + b"x" + right[51:], "the image is no PNG: a checksum in it is wrong"),
        (
            Picture(0, 8, [[(0,)] * 30] * 32).file(),
            "the image has 30 x 32 pixels: they have to be multiples of 8 x 8",
        ),
        (
            Picture(6, 16, [[(0, 0, 0, 0)] * 256] * 256).file(),
            "the image takes 524544 bytes unpacked: make it smaller",
        ),
        (Picture(0, 1, [[(0,)] * 512] * 256).file(), "the image has 512 x 256 pixels: more than 65536"),
        (
            right.replace(right[33:-12], chunk(b"IDAT", zlib.compress(bytes(33)))),
            "the image is no PNG: what is packed in it is damaged, or isn't as long as its size says",
        ),
    ):
        assert classified(port, "digits", body) == (400, {"error": words})
    assert classified(port, "temper", right) == (400, {"error": "the model takes no images: ask it by `infer`"})
    assert classified(port, "digits", right, **JSON)[0] == 415
    assert get(port, "/v2/models/digits/classify") == (405, {"error": "Method Not Allowed"})


# --- models that go wrong ---------------------------------------------------------------------------------------------


def test_a_model_that_crashes_is_started_again(port: int) -> None:
    seven, lives = until_it_serves(port)
    assert seven == 7
    status, said, fields = asked(port, "POST", "/v2/models/temper/infer", json.dumps(mood(1)).encode(), JSON)
    assert (status, fields["Retry-After"]) == (503, "1")
    assert said == {"error": "the model has ended while it worked on this request"}
    assert until_it_serves(port) == [7, lives + 1]
    assert infer(port, "digits", image([0] * 64))[0] == 200


def test_a_result_that_json_has_no_number_for(port: int) -> None:
    assert temper(port, 3) == (500, {"error": 'result "answer" has an element that JSON has no number for'})
    assert temper(port, 0)[0] == 200


@pytest.mark.parametrize("number", [4, 5, 8])
def test_a_model_that_does_other_work(port: int, number: int) -> None:
    lives = until_it_serves(port)
    assert temper(port, number)[0] == 503
    # Others are heard meanwhile.
    assert infer(port, "digits", image([0] * 64))[0] == 200
    assert until_it_serves(port) == lives


def test_a_model_that_becomes_another(port: int) -> None:
    lives = until_it_serves(port)
    assert temper(port, 6)[0] == 503
    status, said = temper(port, 0)
    assert status == 200 and said["outputs"][0]["shape"] == [2000] and said["outputs"][0]["data"][:2] == lives
    assert temper(port, 5)[0] == 503 and until_it_serves(port) == lives


def test_a_model_that_talks_nonsense(port: int) -> None:
    lives = until_it_serves(port)
    assert temper(port, 7)[0] == 503
    assert until_it_serves(port) == lives


def test_a_slow_model_holds_up_nobody_else(port: int) -> None:
    """While it computes, others give their results."""

    def attempt() -> bool:
        until_it_serves(port)
        with contextlib.closing(kept(port)) as slow:
            say(slow, 2, TENANT)
            taken(port)
            for _ in range(5):
                assert infer(port, "digits", image([0] * 64))[0] == 200
            # Whose request that is may have one under way.
            status, said, fields = asked(port, "POST", "/v2/models/digits/infer", body, JSON | TENANT)
            if has_answer(slow):
                return False
            assert (status, fields["Retry-After"]) == (429, "1")
            assert said == {"error": "whose request this is has as many under way as it may"}
            return True

    body = json.dumps(image([0] * 64)).encode()
    eventually(attempt, "others are served only when it has computed")
    eventually(
        lambda: asked(port, "POST", "/v2/models/digits/infer", body, JSON | TENANT)[0] == 200,
        "what was under way counts though its client has gone",
    )


def test_a_slow_models_queue_fills(hasty: int) -> None:
    """Then requests are refused at once. Who waits in vain is told so, and nobody is waited for any more."""
    lives = until_it_serves(hasty)

    def attempt() -> bool:
        until_it_serves(hasty)
        with contextlib.ExitStack() as stack:
            made = [stack.enter_context(contextlib.closing(kept(hasty))) for _ in range(WAITING + 1)]
            say(made[0], 2)
            taken(hasty)
            for each in made[1:]:
                say(each, 0)
            taken(hasty)
            status, said, fields = asked(hasty, "POST", "/v2/models/temper/infer", json.dumps(mood(0)).encode(), JSON)
            if any(map(has_answer, made)):
                return False  # their time was over before: the host is slow
            assert (status, fields["Retry-After"]) == (429, "1")
            assert said == {"error": "too many requests wait for this model"}
            assert [answer_to(each) for each in made] == [504] * (WAITING + 1)
            return True

    eventually(attempt, "it never refuses before others' time is over")
    # It is beyond the time of a request: nobody waits for it any more, until it asks for work.
    assert until_it_serves(hasty) == lives


def test_clients_that_have_gone_leave_their_places(port: int) -> None:
    """While the model computes, more clients ask than may wait, and go away: who stays finds a place."""
    until_it_serves(port)
    with contextlib.closing(kept(port)) as slow:
        say(slow, 2)
        taken(port)
        for _ in range(3 * WAITING):
            with contextlib.closing(kept(port)) as made:
                say(made, 0)
        # It waits for its turn when all others' places are free; if they stayed taken, that would be for ever.
        assert eventually(lambda: (status := temper(port, 0)[0]) != 429 and status, "no place becomes free") == 200
        assert answer_to(slow) == 200


def say(connection: http.client.HTTPConnection, number: float, more: dict[str, str] | None = None) -> None:
    """Ask `temper`, and don't wait for the answer."""
    connection.request("POST", "/v2/models/temper/infer", json.dumps(mood(number)).encode(), JSON | (more or {}))


def taken(port: int) -> None:
    """The gateway has what was said to it before: it came before this, which is answered.

    What is said on two connections may come in any order. What is said on one when another has answered comes later
    than what that one had been sent.
    """
    for _ in range(2):
        assert get(port, "/v2/health/live") == (200, {"live": True})


def has_answer(connection: http.client.HTTPConnection) -> bool:
    return bool(select.select([connection.sock], [], [], 0)[0])


def answer_to(connection: http.client.HTTPConnection) -> int:
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("field", ["Bearer another key", "Basic dGhlOmtleQ==", "Bearer"])
def test_whose_key_isnt_known(port: int, field: str) -> None:
    body = json.dumps(image([0] * 64)).encode()
    status, said, fields = asked(port, "POST", "/v2/models/digits/infer", body, JSON | {"Authorization": field})
    assert (status, fields["WWW-Authenticate"]) == (401, "Bearer") and "say whose the request is" in said["error"]


def test_many_at_once(port: int) -> None:
    """Each request is answered, rightly, or told at once to come again."""
    images, _ = held_out()
    wanted = [infer(port, "digits-int8", image(each.ravel().tolist())) for each in images[:8]]
    found: list[tuple[int, bool]] = []
    together = threading.Barrier(CLIENTS)

    def ask(connection: http.client.HTTPConnection, first: int) -> None:
        for step in range(4):
            together.wait(PATIENCE)
            number = (first + step) % len(wanted)
            body = json.dumps(image(images[number].ravel().tolist()))
            connection.request("POST", "/v2/models/digits-int8/infer", body, JSON)
            answer = connection.getresponse()
            said = answer.status, json.loads(answer.read())
            found.append((said[0], said == wanted[number]))

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(kept(port))) for _ in range(CLIENTS)]
        asking = [threading.Thread(target=ask, args=each) for each in zip(connections, range(CLIENTS), strict=True)]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
    assert len(found) == 4 * CLIENTS and {status for status, _ in found} <= {200, 429}, found
    assert all(same for status, same in found if status == 200)
    # Nobody is told so before the queue is full, and it is empty each time when they begin.
    assert sum(status == 200 for status, _ in found) >= 4 * WAITING, found


def kept(port: int) -> http.client.HTTPConnection:
    """A connection that was answered once: QEMU keeps two at most that it hasn't taken, and breaks others."""
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    made.request("GET", "/v2/health/live")
    assert made.getresponse().read() == b'{"live":true}'
    # If it ends, that is a failure: no other one is to be made for it.
    made.auto_open = 0
    return made
