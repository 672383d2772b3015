"""`nk model`: import, show, run; and what it says when something is wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if not all(importlib.util.find_spec(name) for name in ("numpy", "onnx")):
    pytest.skip("numpy and onnx are missing: `tools/setup.sh test`", allow_module_level=True)

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel.cli.errors import Exit
from neokernel.model import bundle as bundles
from neokernel.model import host
from neokernel.model.signed import sign
from tests.cli.support import REPOSITORY, Nk

DIGITS = REPOSITORY / "models" / "digits" / "digits.onnx"


@pytest.fixture
def digits(nk: Nk) -> Path:
    """The classifier of digits, imported; the working folder is the test's own."""
    made = nk("model", "import", DIGITS, "--dimension", "batch=1")
    assert made.status == 0, made.error
    assert "digits.nkm: digits, version 1;" in made.output
    return Path("digits.nkm")


def test_import_show_run(nk: Nk, digits: Path) -> None:
    """One import, since it takes seconds: what is shown of it, what it computes, and that it is the same each time."""
    first = digits.read_bytes()
    again = nk("model", "import", DIGITS, "--dimension", "batch=1", "-o", "again.nkm", "--json").json
    assert Path("again.nkm").read_bytes() == first
    shown = nk("model", "show", digits, "--json").json
    assert {name: again[name] for name in shown} == shown
    assert shown["inputs"] == [{"name": "image", "type": "float32", "shape": [1, 1, 8, 8], "bytes": 256}]
    assert [code["name"] for code in shown["codes"]] == ["rv64gc", "rv64gcv"]
    assert shown["multiply_adds"] == 456_704
    text = nk("model", "show", digits).output
    assert "input   image: float32[1, 1, 8, 8], 256 bytes" in text
    assert "Conv + Relu: node 'sum2' (Conv, version 11)" in text

    image = np.zeros((1, 1, 8, 8), np.float32)
    image[0, 0, :, 3:5] = 16
    np.save("one.npy", image)
    result = nk("model", "run", digits, "--input", "one.npy", "-o", "scores=scores.npy", "--json").json
    scores = result["outputs"][0]
    assert (scores["name"], scores["shape"]) == ("scores", [1, 10])
    assert int(np.argmax(scores["data"])) == 1
    assert np.load("scores.npy").reshape(-1).tolist() == pytest.approx(scores["data"])
    assert nk("model", "run", digits, "--input", "image=one.npy").output.startswith("scores: float32[1, 10]\n")

    np.save("wrong.npy", image.astype(np.float64))
    for arguments, code, message in (
        ([], "NK1706", "input 'image', float32[1, 1, 8, 8], is missing"),
        (["--input", "wrong.npy"], "NK1706", "what is given is float64[1, 1, 8, 8]"),
        (["--input", "picture=one.npy"], "NK1706", "the model has no input 'picture'"),
        (["--input", "none.npy"], "NK1706", "none.npy: No such file"),
        (["--input", str(digits)], "NK1706", "isn't an array as NumPy writes it"),
        (["--input", "one.npy", "-o", "x=y.npy"], "NK1706", "the model has no output 'x'"),
    ):
        wrong = nk("model", "run", digits, *arguments)
        assert wrong.status == Exit.USAGE
        assert f"error[{code}]" in wrong.error
        assert message in wrong.error


def test_a_bundle_is_signed(nk: Nk) -> None:
    assert nk("key", "new", "k").status == 0
    made = nk("model", "import", DIGITS, "--dimension", "batch=1", "--key", "k.key", "--no-source", "-o", "d.nkm")
    assert made.status == 0, made.error
    data, signature = Path("d.nkm").read_bytes(), Path("d.nkm.sig").read_bytes()
    assert bundles.read(data).source == b""
    verified = nk("verify", "d.nkm", "--key", "k.pub", "--json").json
    assert verified["name"] == "k"
    other = Ed25519PrivateKey.generate()
    Path("d.nkm.sig").write_bytes(sign(data, other))
    assert nk("verify", "d.nkm", "--key", "k.pub").status == Exit.TRUST
    Path("d.nkm.sig").write_bytes(signature)
    Path("d.nkm").write_bytes(data[:-1] + b"\1")
    assert "NK1705" in nk("verify", "d.nkm").error
    Path("d.nkm").write_bytes(data)
    assert nk("sign", "d.nkm", "--key", "k.key", "-o", "again.sig").status == 0
    assert Path("again.sig").read_bytes() == signature
    assert "holds no ONNX model" in nk("model", "run", "d.nkm").error


@pytest.mark.parametrize(
    "arguments", [["import", DIGITS], ["show", DIGITS], ["run", DIGITS]], ids=lambda given: given[0]
)
def test_without_the_packages_it_is_said_how_they_are_had(
    nk: Nk, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = nk("model", *arguments)
    assert result.status == Exit.UNREACHABLE
    assert "error[NK1201]: the package numpy is missing" in result.error
    assert "tools/setup.sh model" in result.error


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["import", "none.onnx"], "NK1701", Exit.COMPILE),
        (["import", __file__], "NK1701", Exit.COMPILE),
        (["import", DIGITS], "NK1703", Exit.COMPILE),
        (["import", DIGITS, "--dimension", "batch=0"], "NK1001", Exit.USAGE),
        (["import", DIGITS, "--dimension", "batch"], "NK1001", Exit.USAGE),
        (["import", DIGITS, "--dimension", "other=1"], "NK1706", Exit.USAGE),
        (["import", DIGITS, "--dimension", "batch=1", "--name", "a b"], "NK1706", Exit.USAGE),
        (["import", DIGITS, "--dimension", "batch=1", "--key", "none.key"], "NK1005", Exit.USAGE),
        (["import", DIGITS, "--fix", "image=none.npy"], "NK1706", Exit.USAGE),
        (["show", "none.nkm"], "NK1705", Exit.TRUST),
        (["show", DIGITS], "NK1705", Exit.TRUST),
        (["run", "none.onnx"], "NK1701", Exit.COMPILE),
        (["run", "none.nkm"], "NK1705", Exit.TRUST),
    ],
)
def test_what_is_wrong_is_said(nk: Nk, arguments: list[object], code: str, status: Exit) -> None:
    result = nk("model", *arguments)
    assert f"error[{code}]" in result.error
    assert result.status == status
    assert nk("explain", code).status == 0


def test_a_model_that_memory_doesnt_hold_is_refused(nk: Nk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(size: int) -> object:
        raise MemoryError

    monkeypatch.setattr(host, "aligned", full)
    result = nk("model", "run", DIGITS, "--dimension", "batch=1")
    assert result.status == Exit.COMPILE
    assert "error[NK1702]" in result.error
    assert "digits.onnx: the model needs more memory than there is here" in result.error


def test_names_in_a_model_dont_command_the_terminal(nk: Nk) -> None:
    name = "\x1b[31my\n"
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], [name])],
        "m",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (2,))],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (2,))],
    )
    opset = [onnx.helper.make_opsetid("", 21)]
    Path("m.onnx").write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())
    np.save("x.npy", np.array([-1, 2], np.float32))
    ran = nk("model", "run", "m.onnx", "--input", "x.npy")
    assert ran.output.startswith("\\x1b[31my\\n: float32[2]\n"), ran.error
    missing = nk("model", "run", "m.onnx", "--input", "x.npy", "-o", "z=z.npy")
    assert "\x1b[31my" not in missing.error
    assert "no output 'z'" in missing.error
    made = nk("model", "import", "m.onnx")
    assert made.status == Exit.COMPILE
    assert "error[NK1704]" in made.error
    assert "which can't be printed" in made.error
    assert not Path("m.nkm").exists()
