"""Ordinary type checkers accept the vocabulary, and know as many words as there are."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.py"))
WRONG = """
from neokernel.lang import Array, Embedded, Span, array, struct, u8, value

@struct
class S:
    a: u8
    items: Array[u8] = array(3)

@value
class V:
    x: u8

def f(s: S, v: V, part: Span[u8], inner: Embedded[S]) -> u8:
    first: str = s.items[0]
    v.x = 3
    S(3)
    S()
    s.nonsense = 1
    part[0] = "x"
    f(s, v, s.items, inner)
    f(s, v, s.items.view(), inner)
    return V(1, 2).x
"""
WRONG_LINES = [14, 15, 16, 17, 18, 19, 21, 22]
STUB = Path(lang.__file__).with_suffix(".pyi")


def test_the_stub_names_what_there_is() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    named = {
        name
        for statement in tree.body
        for name in (
            [statement.name]
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef))
            else [statement.target.id]
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            else []
        )
        if not name.startswith("_")
    }
    assert named == set(lang.__all__)
    assert all(hasattr(lang, name) for name in lang.__all__)


def test_there_are_samples_of_every_word() -> None:
    used = {
        alias.name
        for path in SAMPLES
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(statement, ast.ImportFrom) and statement.module == "neokernel.lang"
        for alias in statement.names
    }
    host = {name for name in lang.__all__ if name.endswith(("Failed", "Error", "Missing", "Out", "OfRange"))}
    host |= {"CheckFailed", "DeadObject", "DivisionByZero", "IntegerOverflow", "NotAMember", "UnreachableReached"}
    host |= {"Position", "Simulator", "View", "byte_span", "byte_view", "failure_position", "install_hook"}
    host |= {"is_target_source", "load_module", "set_simulator", "wire_over"}
    widths = {name for name in lang.__all__ if name[0] in "uif" and name[1:].rstrip("bel").isdigit()}
    assert set(lang.__all__) - host - widths <= used


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE, **options)


def rejected_lines(done: subprocess.CompletedProcess[str], pattern: str) -> list[int]:
    return sorted({int(line) for line in re.findall(pattern, done.stdout)})


def test_mypy_accepts_the_samples(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "--config-file", "", "--cache-dir"]
    done = run([*command, str(tmp_path), *map(str, SAMPLES)])
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    assert rejected_lines(run([*command, str(tmp_path), str(wrong)]), r"wrong\.py:(\d+): error") == WRONG_LINES


@pytest.mark.parametrize("mode", ["standard", "strict"])
def test_pyright_accepts_the_samples(tmp_path: Path, mode: str) -> None:
    binary = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which("pyright")
    if binary is None:
        pytest.skip("pyright isn't installed")
    if run([binary, "--version"]).returncode != 0:
        pytest.skip("pyright can't run here: it fetches its JavaScript package when it first runs")
    settings = {"typeCheckingMode": mode, "pythonVersion": "3.11", "include": ["."], "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    for path in SAMPLES:
        shutil.copy(path, tmp_path)
    command = [binary, "--pythonpath", sys.executable, "--project", str(tmp_path)]
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    assert rejected_lines(run(command), r"wrong\.py:(\d+):\d+ - error") == WRONG_LINES


def test_the_samples_run() -> None:
    m: Any = lang.load_module(SAMPLES[0], "whole_vocabulary")
    machine = m.Machine()
    assert m.run(machine) == 44
    assert m.lookup(1) == 4 + 3 + ord("h")
    assert m.attempt(True) is m.Error.FULL
    assert m.ends(machine)
    assert [int(m.describe(item)) for item in (None, m.Point(1, 1), m.Point(0, 1), m.Point(1, 2), m.Color.RED, 7)] == [
        *range(5),
        17,
    ]
    assert m.count_twice(m.Counters(), machine) == 6
