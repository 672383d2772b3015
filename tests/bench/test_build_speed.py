"""The generated program is the same each time, as long as it says, and means something under CPython."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from neokernel.bench import build_speed

program = build_speed.generator()


def value_of(folder: Path) -> int:
    code = "import neokernel, main; from neokernel.lang import u64; print(int(main.run(u64(42))))"
    path = os.pathsep.join((str(folder), str(Path(__file__).parents[2])))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    return int(done.stdout)


def test_text_is_deterministic_and_long_enough() -> None:
    first, second = program.generate(), program.generate()
    assert first == second
    assert 10_000 <= sum(text.count("\n") for text in first.values()) + 100 <= 10_300


def test_runs_under_cpython_and_an_edit_changes_it(tmp_path: Path) -> None:
    program.write(tmp_path)
    before = value_of(tmp_path)
    assert before == value_of(tmp_path)
    text = (tmp_path / "part_10.py").read_text()
    program.edit(tmp_path, 77)
    edited = (tmp_path / "part_10.py").read_text()
    assert sum(left != right for left, right in zip(text.split("\n"), edited.split("\n"), strict=True)) == 1
    assert value_of(tmp_path) != before
