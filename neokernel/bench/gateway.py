"""`nk bench gateway`: what an inference takes over HTTP, and without it, beside the same network as C on Linux.

A machine with a gateway, a model's process and a site that counts (`benches/gateway`) runs on QEMU's own network; the
client is that of `nk bench network`. It sends one of the held-out digits, as Python's `json` writes it, over and over.

*The model's code* is what `nk bench models` counts: one inference, beside C through the same back end. *Over HTTP*,
instructions are all that the machine executes for a request, whoever executes them: kernel, driver, network service,
gateway, model. *By the clock* is worth something only beside Linux as a guest, at the same time and in turns, if a
kernel is given (`linux.py`): there all of it is one process with epoll (`benches/gateway/linux.c`).

*Examples.* A linear classifier of the same inputs, which computes next to nothing, is asked with one example in a
request and with several: what each takes.

Before anything counts, each side's scores are held against the host's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import Any

from neokernel.bench import linux, network
from neokernel.bench.boot import ROOT, built
from neokernel.bench.network import DEBIAN, NO_LINUX, REQUESTS_PER_SECOND, RUNS, Machine
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.patience import patient

SOURCES = ROOT / "benches" / "gateway"
MODELS = ROOT / "models" / "digits"
PATH = "/v2/models/digits/infer"
TOLERANCE = 1e-4
#: connections, requests that are counted, and timed
WORKS = {"alone": (1, 64, 300), "many": (16, 256, 1_000)}
#: examples in a request to the linear classifier (benches/gateway/system.toml lets it have so many)
EXAMPLES = {"example": 1, "examples": 16}
LINEAR = "/v2/models/linear/infer"
TITLES = {"alone": "inference over HTTP, one connection", "many": "inference over HTTP, 16 connections"}
EXAMPLE_TITLES = {
    "example": "linear classifier over HTTP, one example",
    "examples": "linear classifier over HTTP, each of 16 examples",
}


def run(
    only: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
    keep: Path | None = None,
    kernel: str | None = None,
) -> list[Row]:
    """The model's code; then, of the items named in `only`, or of all: counted, and by the clock.

    `keep`: a folder for what is built. `kernel`: the package of Linux's kernel, `debian` for Debian's; None: no Linux.
    """
    for package in ("numpy", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise BenchError(f"the package {package} is missing: `tools/setup.sh model` installs what models need")
    unknown = set(only or ()) - WORKS.keys() - EXAMPLES.keys()
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join((*WORKS, *EXAMPLES))}")
    works = [name for name in WORKS if not only or name in only]
    batches = [name for name in EXAMPLES if not only or name in only]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        progress("the model's code")
        rows = own_code(folder)
        progress("building")
        image, client = built(system(folder), folder / "gateway.elf"), network.build_client(folder)
        asked = request(folder)
        rows += counted(works, image, client, asked, batches, progress)
        return rows + timed(works, image, client, asked, progress, linux_command(kernel, folder))


def own_code(folder: Path) -> list[Row]:
    """One inference, without anything around it."""
    from neokernel.bench import models
    from neokernel.model.machine import SCALAR

    inside = folder / "model"
    inside.mkdir(exist_ok=True)
    return models.measure("digits", SCALAR, inside)[:1]


def counted(
    works: Sequence[str],
    image: Path,
    client: Path,
    asked: Path,
    batches: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> list[Row]:
    rows = []
    with network.running(network.command(image), client, counts=True) as machine:
        await_scores(machine)
        for name in works:
            connections, count, _ = WORKS[name]
            progress(f"{TITLES[name]}: counting")
            ours = median(each(machine, connections, count, asked)[0] for _ in range(RUNS))
            rows.append(Row(TITLES[name], "instructions", round(ours), "", None, None))
        for name in batches:
            progress(f"{EXAMPLE_TITLES[name]}: counting")
            count = EXAMPLES[name]
            batch = write_request(asked.with_name(name), LINEAR, body(count))
            ours = median(each(machine, 1, 64, batch)[0] for _ in range(RUNS)) / count
            rows.append(Row(EXAMPLE_TITLES[name], "instructions", round(ours), "", None, None))
    return rows


def timed(
    works: Sequence[str], image: Path, client: Path, asked: Path, progress: Progress, peer: Sequence[str] | None
) -> list[Row]:
    """By the clock. `peer`: the command of a machine with Linux."""
    rows = []
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(network.running(network.command(image), client))
        other = None if peer is None else stack.enter_context(network.running(peer, client))
        for side in (machine, other):
            if side is not None:
                await_scores(side)
        for name in works:
            connections, _, count = WORKS[name]
            progress(f"{TITLES[name]}: by the clock")
            ours, theirs = [], []
            for _ in range(RUNS):
                ours.append(1 / each(machine, connections, count, asked)[1])
                theirs += [] if other is None else [1 / each(other, connections, count, asked)[1]]
            mine = round(median(ours))
            if other is None:
                rows.append(Row(TITLES[name], REQUESTS_PER_SECOND, mine, NO_LINUX, None, None))
            else:
                # As with instructions, less than 1 is better than the peer.
                his = round(median(theirs))
                rows.append(Row(TITLES[name], REQUESTS_PER_SECOND, mine, "C on Linux", his, his / mine))
    return rows


def each(machine: Machine, connections: int, count: int, asked: Path) -> tuple[float, float]:
    """Instructions (0, if it doesn't count), and seconds, for each of `count` requests."""
    spent, microseconds, done, nothing = machine.ask("keep", network.TAKES, connections, count, str(asked))
    return max(spent - nothing, 0) / done, microseconds / 1e6 / done


# --- what is asked ----------------------------------------------------------------------------------------------------


def body(count: int = 1) -> bytes:
    """Of the first held-out digits."""
    import numpy as np

    with np.load(MODELS / "held_out.npz") as held_out:
        images = held_out["images"][:count].astype(np.float32)
    tensor = {"name": "image", "shape": [count, 1, 8, 8], "datatype": "FP32", "data": images.ravel().tolist()}
    return json.dumps({"inputs": [tensor]}).encode()


def request(folder: Path) -> Path:
    """A request in a file, as the client sends it."""
    return write_request(folder / "request", PATH, body())


def write_request(path: Path, target: str, data: bytes) -> Path:
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    path.write_bytes(head.encode() + data)
    return path


def system(folder: Path) -> Path:
    """The system file, with the linear classifier beside it."""
    path = folder / "system.toml"
    path.write_text((SOURCES / "system.toml").read_text().replace('"../', f'"{SOURCES.parent}/'))
    (folder / "linear.onnx").write_bytes(linear())
    return path


def linear() -> bytes:
    """A model in ONNX that takes and gives what the digits' network does: ten sums of the 64 numbers."""
    from onnx import TensorProto, helper

    weights = [float(index % 7 - 3) for index in range(640)]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["row"], name="flatten"),
            helper.make_node("MatMul", ["row", "weights"], ["scores"], name="sums"),
        ],
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [64, 10], weights)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(made.SerializeToString())


def await_scores(machine: Machine) -> None:
    """Until it answers; then the scores have to be the host's."""
    import numpy as np

    from neokernel.model.host import compiled
    from neokernel.model.passes import improve
    from neokernel.model.read import read

    graph = improve(read((MODELS / "digits.onnx").read_bytes(), dimensions={"batch": 1}))
    with np.load(MODELS / "held_out.npz") as held_out:
        wanted = compiled(graph)({"image": held_out["images"][:1, None].astype(np.float32)})["scores"]
    until = time.monotonic() + patient(network.PATIENCE)
    said: Any = None
    while said is None:
        connection = HTTPConnection("127.0.0.1", machine.ports[network.TAKES], timeout=patient(network.PATIENCE))
        try:
            connection.request("POST", PATH, body(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            whole = answer.read()
            if answer.status == 200:
                said = json.loads(whole)
                break
            why = f"{answer.status}: {whole.decode(errors='replace')}"
        except (OSError, HTTPException, ValueError) as error:
            why = str(error)
        finally:
            connection.close()
        if time.monotonic() > until:
            raise BenchError(f"the model doesn't answer: {why}")
        time.sleep(0.1)
    scores = said["outputs"][0]["data"]
    if not np.allclose(scores, wanted.ravel(), rtol=TOLERANCE, atol=TOLERANCE):
        raise BenchError(f"it gives {scores}; expected {wanted.ravel().tolist()}")


# --- Linux ------------------------------------------------------------------------------------------------------------


def linux_command(kernel: str | None, folder: Path) -> list[str] | None:
    if kernel is None:
        return None
    package = linux.from_debian(folder) if kernel == DEBIAN else Path(kernel)
    write_weights(folder)
    return linux.guest(network.qemu_program(), package, SOURCES / "linux.c", folder, [f"-I{folder}"])


def write_weights(folder: Path) -> None:
    """The model's numbers as `digits.c` takes them: a header."""
    import onnx

    from neokernel.bench.models import WEIGHTS

    found = onnx.load_from_string((MODELS / "digits.onnx").read_bytes()).graph.initializer
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in found}
    numbers = [float(number).hex() + "f" for name in WEIGHTS for number in arrays[name].ravel()]
    lines = [", ".join(numbers[place : place + 8]) for place in range(0, len(numbers), 8)]
    text = "static const float weights[] = {\n    " + ",\n    ".join(lines) + ",\n};\n"
    (folder / "weights.h").write_text(text)
