"""What was compiled is used again while nothing that it was made of has changed, and never afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from neokernel.image import program
from neokernel.image.checks import sources_of
from neokernel.image.elf import Image
from neokernel.image.notes import remembered
from neokernel.image.program import build_program

MAIN = """from neokernel.lang import u8
from neokernel.runtime.process import Process
from words import hello

def main(process: Process) -> None:
    process.console.write(hello())
"""
WORDS = 'from neokernel.lang import u8\n\ndef hello() -> str:\n    return "one"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "words.py").write_text(WORDS)
    return folder


def build(folder: Path, name: str = "main", *, checks: bool = True) -> tuple[bytes, bool]:
    """The program, and whether it was compiled for that."""
    output = folder.parent / f"{name}.elf"
    with mock.patch.object(program, "compile_program", wraps=program.compile_program) as compiled:
        built = build_program(folder / f"{name}.py", output, checks=checks)
    assert built.diagnostics == []
    return output.read_bytes(), compiled.called


def test_nothing_is_compiled_twice(here: Path) -> None:
    first, compiled = build(here)
    assert compiled
    table = sources_of(Image(here.parent / "main.elf"))
    assert build(here) == (first, False)
    assert table is not None and sources_of(Image(here.parent / "main.elf")) == table
    assert build(here, checks=False)[1], "what is asked for is another program"


@pytest.mark.parametrize("name", ["main.py", "words.py"])
def test_a_change_is_seen(here: Path, name: str) -> None:
    first, _ = build(here)
    (here / name).write_text((here / name).read_text().replace('"one"', '"two"').replace("hello())", '"two")'))
    second, compiled = build(here)
    assert compiled and second != first
    (here / "words.py").write_text(WORDS)
    (here / "main.py").write_text(MAIN)
    assert build(here)[0] == first


def test_a_module_that_an_import_could_mean_is_seen(here: Path) -> None:
    """A package takes nothing over from a module of its name; but what is new may be meant by the next import."""
    build(here)
    (here / "others.py").write_text(WORDS)
    assert build(here)[1]
    assert not build(here)[1]
    (here / "others.py").unlink()
    assert build(here)[1]


def test_what_is_wrong_is_said_each_time(here: Path) -> None:
    (here / "words.py").write_text(WORDS.replace('"one"', "1"))
    found = [build_program(here / "main.py", here.parent / "main.elf").diagnostics for _ in range(2)]
    assert found[0] and found[0] == found[1]


@pytest.mark.parametrize("damage", ["", "{}", "[]", "no JSON", '{"files": 1}'])
def test_a_note_that_cant_be_read_is_none(here: Path, damage: str) -> None:
    first, _ = build(here)
    for note in (here.parent / "cache" / "objects").glob("made-*.json"):
        note.write_text(damage)
        assert remembered(note) is None
    assert build(here) == (first, True)


def test_an_object_that_is_gone_is_made_again(here: Path) -> None:
    first, _ = build(here)
    (note,) = (here.parent / "cache" / "objects").glob("made-*.json")
    for name in json.loads(note.read_text())["objects"]:
        (note.parent / name).unlink()
    assert build(here) == (first, True)
