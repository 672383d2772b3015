"""Kept code is used as long as nothing that it was made of has changed, and by nobody who can't have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INTERFACE = """from typing import Protocol
from neokernel.lang import interface, u32
from neokernel.runtime.system import Failure

@interface
class Lamp(Protocol):
    def light(self, level: u32) -> u32 | Failure:
        ...
"""
PROGRAM = """from contracts import Lamp
from neokernel.lang import Uses, u32, uses
from neokernel.runtime.process import Process

lamp: Uses[Lamp] = uses()
LEVEL: u32 = 3

def main(process: Process) -> None:
    pass
"""
#: says what LEVEL is, which methods the generated client has, and how many modules were compiled for that
ASKED = """
import neokernel.lang.hook as hook
made, before = [], hook.compile_target

def compiled(source, file, *more):
    made.extend([file] if file.startswith({folder!r}) else [])
    return before(source, file, *more)

hook.compile_target = compiled
import program
print(int(program.LEVEL), hasattr(type(program.lamp), "dim"), len(made))
"""


class Folder:
    """A program and its interface, imported by processes of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = path / "kept"
        self.write("contracts", INTERFACE)
        self.write("program", PROGRAM)

    def write(self, module: str, text: str) -> None:
        (self.path / f"{module}.py").write_text(text)

    def ask(self, **environment: str) -> str:
        place = {"PYTHONPYCACHEPREFIX": str(self.kept), **environment}
        code = ASKED.format(folder=str(self.path))
        command, whole = [sys.executable, "-c", code], {**os.environ, **place}
        done = subprocess.run(command, cwd=self.path, env=whole, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def files(self) -> list[Path]:
        return list((self.kept / self.path.relative_to("/")).glob("*instrumented*"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_it_is_used_while_nothing_has_changed(folder: Folder) -> None:
    assert folder.ask() == "3 False 2"
    assert len(folder.files()) == 2
    assert folder.ask() == "3 False 0"
    folder.write("program", PROGRAM.replace("= 3", "= 4"))
    assert folder.ask() == "4 False 1"
    # What a program has of an interface is made of that module's text.
    folder.write("contracts", INTERFACE + "    def dim(self) -> u32 | Failure:\n        ...\n")
    assert folder.ask() == "4 True 2"
    assert folder.ask() == "4 True 0"


def test_whatever_is_wrong_with_it_it_is_made_anew(folder: Folder) -> None:
    folder.ask()
    for damage in (b"", b"no code", b"\xe3", os.urandom(200)):
        for path in folder.files():
            path.write_bytes(damage)
        assert folder.ask() == "3 False 2"
    for path in folder.files():
        path.write_bytes(path.read_bytes()[:-9])
    assert folder.ask() == "3 False 2"


def test_none_is_kept_where_none_can_be(folder: Folder) -> None:
    assert folder.ask(PYTHONDONTWRITEBYTECODE="1") == "3 False 2"
    assert folder.files() == []
    folder.kept.write_text("a file, not a folder")
    assert folder.ask() == "3 False 2"


def test_what_changes_while_it_is_made_is_not_kept(folder: Folder) -> None:
    """A process remembers the texts that it has read."""
    folder.write("limits", "from neokernel.lang import u32\n\nMOST: u32 = 3\n")
    user = PROGRAM.replace("from contracts", "from limits import MOST\nfrom contracts").replace("= 3", "= MOST")
    folder.write("program", user)
    folder.write("earlier", user)
    code = "import neokernel, earlier; from pathlib import Path; p = Path('contracts.py'); "
    code += "p.write_text(p.read_text() + '    def dim(self) -> u32 | Failure: ...\\n'); import program"
    place = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder.kept)}
    subprocess.run([sys.executable, "-c", code], cwd=folder.path, env=place, check=True)
    assert not [path for path in folder.files() if path.name.startswith("program")]
    assert [path for path in folder.files() if path.name.startswith("limits")]
