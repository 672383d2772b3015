"""Builds: the same bytes anywhere, and only what changed is compiled again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from neokernel.compiler import pipeline, toolchain
from neokernel.image.build import build_image

EXAMPLES = Path(__file__).parents[2] / "examples"

MAIN = """
from part import double
from neokernel.lang import u64


def run(x: u64) -> u64:
    return double(x) + 1
"""
PART = """
from neokernel.lang import u64


def double(x: u64) -> u64:
    return x * 2
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty object store."""
    monkeypatch.setenv("NK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects the IR texts that are really compiled."""
    texts: list[str] = []
    compile_ir = toolchain.compile_ir

    def counting(text: str, *rest: object) -> None:
        texts.append(text)
        compile_ir(text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(toolchain, "compile_ir", counting)
    return texts


def write_program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(MAIN)
    (folder / "part.py").write_text(PART)
    return folder / "main.py"


@pytest.mark.parametrize("release", [True, False])
@pytest.mark.parametrize("name", ["01_hello", "02_overflow"])
def test_two_folders_same_bytes(name: str, release: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = []
    for folder in ("one", "another/and deeper"):
        root = tmp_path / folder
        shutil.copytree(EXAMPLES / name, root / "program")
        monkeypatch.setenv("NK_CACHE", str(root / "cache"))
        monkeypatch.chdir(root)
        result = build_image(root / "program", root / "image.elf", release=release)
        assert result.diagnostics == []
        images.append((root / "image.elf").read_bytes())
    assert images[0] == images[1]
    assert str(tmp_path).encode() not in images[0]


def test_library_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for folder in ("a", "b"):
        monkeypatch.setenv("NK_CACHE", str(tmp_path / folder / "cache"))
        main = write_program(tmp_path / folder / "program")
        output = pipeline.compile_library(main, ["run"])
        made.append(output.read_bytes())
        output.unlink()
    assert made[0] == made[1]


def test_nothing_is_compiled_twice(store: Path, tmp_path: Path, compiled: list[str]) -> None:
    main = write_program(tmp_path / "program")
    first = pipeline.compile_library(main, ["run"], release=False)
    count = len(compiled)
    assert count > 0
    second = pipeline.compile_library(main, ["run"], release=False)
    assert len(compiled) == count
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (lambda text: text.replace("x * 2", "x * 3"), {"part.double"}),
        (lambda text: text + "\n# a comment at the end changes nothing\n", set()),
    ],
)
def test_an_edit_compiles_its_module(
    edit: Callable[[str], str], changed: set[str], store: Path, tmp_path: Path, compiled: list[str]
) -> None:
    main = write_program(tmp_path / "program")
    pipeline.compile_library(main, ["run"], release=False).unlink()
    compiled.clear()
    part = main.with_name("part.py")
    part.write_text(edit(part.read_text()))
    pipeline.compile_library(main, ["run"], release=False).unlink()
    assert len(compiled) == len(changed)
    for text, name in zip(compiled, sorted(changed), strict=True):
        assert f"@{name}(" in text


def test_a_signature_compiles_its_users(store: Path, tmp_path: Path, compiled: list[str]) -> None:
    main = write_program(tmp_path / "program")
    pipeline.compile_library(main, ["run"], release=False).unlink()
    compiled.clear()
    part = main.with_name("part.py")
    part.write_text(part.read_text().replace("def double(x: u64)", "def double(x: u64, times: u64 = 2)"))
    pipeline.compile_library(main, ["run"], release=False).unlink()
    assert len(compiled) == 2


def test_the_store_can_be_deleted(store: Path, tmp_path: Path) -> None:
    main = write_program(tmp_path / "program")
    first = pipeline.compile_library(main, ["run"], release=False)
    shutil.rmtree(store)
    second = pipeline.compile_library(main, ["run"], release=False)
    assert first.read_bytes() == second.read_bytes()
