"""Models that a system file names: what becomes of them, and what is refused, at its line."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.models import BadModel, module_name, program_of
from neokernel.interfaces import inference
from neokernel.model.bundle import pack
from neokernel.model.importer import import_model
from neokernel.model.machine import VECTOR
from tests.model.digits import FOLDER, onnx_of

SYSTEM = """[system]
name = "test"
board = "qemu-virt"

[service.model]
program = "./{name}"
{more}
"""


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs are made anew."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NK_CACHE", str(folder))
    return folder / "models"


def said(folder: Path, name: str, more: str = "") -> list[tuple[str, str, str]]:
    """What is wrong with a system of one model, with the text that the caret is under; but for who gives it work."""
    path = folder / "system.toml"
    path.write_text(SYSTEM.format(name=name, more=more))
    lines = path.read_text().split("\n")
    _, findings = examine(path)
    return [
        (
            item.code,
            item.message.replace(f"{folder}/", ""),
            lines[item.span.line - 1][item.span.column : item.span.end_column],
        )
        for item in findings.items
        if item.code != "NK2101"
    ]


def identity(shape: list[int], *, inputs: int = 1, operator: str = "Identity") -> bytes:
    """A model in ONNX that gives what it takes."""
    numbers = range(inputs)
    nodes = [helper.make_node(operator, [f"in{number}"], [f"out{number}"], name=f"node{number}") for number in numbers]
    given = [helper.make_tensor_value_info(f"in{number}", TensorProto.FLOAT, shape) for number in numbers]
    made = [helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, shape) for number in numbers]
    model = helper.make_model(
        helper.make_graph(nodes, "identity", given, made), opset_imports=[helper.make_opsetid("", 21)]
    )
    return bytes(model.SerializeToString())


def test_the_same_model_is_made_once(tmp_path: Path, store: Path) -> None:
    shutil.copy(FOLDER / "digits.onnx", tmp_path / "digits.onnx")
    assert said(tmp_path, "digits.onnx", "dimensions = { batch = 1 }") == []
    first = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    assert {path.name for path in first} == {"code", "constants", "manifest", "digits.py", "digits.service.toml"}
    assert said(tmp_path, "digits.onnx", "dimensions = { batch = 1 }") == []
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == first
    assert said(tmp_path, "digits.onnx", "dimensions = { batch = 2 }") == []
    assert len(list(store.iterdir())) == 2


def test_what_is_agreed_with_the_gateway_makes_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change of `interfaces/inference.py`: more room for manifests."""

    def lent() -> int:
        return int(program_of(tmp_path / "model.onnx", {}).read_text().split("uses(lend=")[1].split(")")[0])

    (tmp_path / "model.onnx").write_bytes(identity([4]))
    assert lent() == inference.MANIFEST + inference.MOST_BYTES
    as_it_is = Path.read_bytes
    changed = Path(inference.__file__)
    monkeypatch.setattr(Path, "read_bytes", lambda path: as_it_is(path) + b"#" * (path == changed))
    monkeypatch.setattr(inference, "MANIFEST", 2 * inference.MANIFEST)
    assert lent() == inference.MANIFEST + inference.MOST_BYTES


def test_a_bundle_is_a_program_too(tmp_path: Path, store: Path) -> None:
    bundle = import_model(onnx_of("digits"), "digits", dimensions={"batch": 1})
    (tmp_path / "made.nkm").write_bytes(pack(bundle))
    program = program_of(tmp_path / "made.nkm", {})
    assert program.name == "made.py" and (program.parent / "code").read_bytes() == bundle.codes[0].code
    with pytest.raises(BadModel, match="it is compiled, and has all its dimensions"):
        program_of(tmp_path / "made.nkm", {"batch": 1})
    whole = pack(bundle)
    (tmp_path / "made.nkm").write_bytes(whole[:-1])
    with pytest.raises(BadModel, match=f"it has {len(whole) - 1} bytes, and says that it has {len(whole)}"):
        program_of(tmp_path / "made.nkm", {})


def test_a_bundle_for_other_machines(tmp_path: Path) -> None:
    bundle = import_model(onnx_of("digits"), "digits", dimensions={"batch": 1}, variants=[VECTOR])
    (tmp_path / "digits.nkm").write_bytes(pack(bundle))
    assert said(tmp_path, "digits.nkm") == [
        ("NK2012", "digits.nkm can't become a program: the bundle has code for rv64gcv alone", '"./digits.nkm"')
    ]


REFUSED = [
    (onnx_of("digits"), "input 'image': dimension 0 ('batch') has no number"),
    (b"nothing", "the file is no model in ONNX"),
    (identity([4097]), "its inputs and outputs take 32,896 bytes"),
    (identity([4], inputs=9), "it has 9 inputs"),
    (identity([4], operator="Det"), "node 'node0' (Det"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_is_refused(data: bytes, words: str, tmp_path: Path, store: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    ((code, message, under),) = said(tmp_path, "model.onnx")
    assert (code, under) == ("NK2012", '"./model.onnx"')
    assert message.startswith("model.onnx can't become a program: ") and words in message
    assert not list(store.glob("*/*.py"))


def test_a_dimension_without_a_number_is_told_as_a_key() -> None:
    with pytest.raises(BadModel) as error:
        program_of(FOLDER / "digits.onnx", {})
    assert error.value.help == "say what it is: `dimensions = { batch = 1 }`"


def test_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="it can't be read: No such file"):
        program_of(tmp_path / "absent.onnx", {})


def test_names_of_programs() -> None:
    assert [module_name(stem) for stem in ("digits", "digits-int8", "8bit", "a b.c", "für", "x" * 60)] == [
        "digits", "digits_int8", "m_8bit", "a_b_c", "f_r", "x" * 40,
    ]  # fmt: skip


def test_a_hostile_name_stays_a_name(tmp_path: Path) -> None:
    """What is written into the program's source is letters."""
    path = tmp_path / 'a"""; import os; """.onnx'
    path.write_bytes(identity([4]))
    with pytest.raises(BadModel, match="can't be a model's name"):
        program_of(path, {})
    bundle = import_model(identity([4]), "plain")
    data = pack(type(bundle)('x"""\\', "1", bundle.inputs, bundle.outputs, bundle.codes, bundle.steps))
    (tmp_path / "plain.nkm").write_bytes(data)
    assert "the model x????, version 1" in program_of(tmp_path / "plain.nkm", {}).read_text()


def test_the_same_bytes_for_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the folder's name in the module."""
    (tmp_path / "model.onnx").write_bytes(identity([4]))
    digests = []
    for place in ("one", "two"):
        monkeypatch.setenv("NK_CACHE", str(tmp_path / place))
        main = program_of(tmp_path / "model.onnx", {})
        digests.append(
            [hashlib.sha256(each.read_bytes()).digest() for each in sorted(main.parent.iterdir()) if each != main]
        )
    assert digests[0] == digests[1]
