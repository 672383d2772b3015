"""The generated program is the same each time, as long as it says, and means something under CPython."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neokernel.bench import build_speed
from neokernel.bench.row import BenchError

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
    texts = program.generate()
    program.edit(tmp_path, 77)
    edited = {name: (tmp_path / name).read_text() for name in texts}
    pairs = [pair for name in texts for pair in zip(texts[name].split("\n"), edited[name].split("\n"), strict=True)]
    assert sum(left != right for left, right in pairs) == 1
    assert value_of(tmp_path) != before


@pytest.mark.parametrize(
    "item", ["cold", *(pytest.param(item, marks=pytest.mark.slow) for item in ("edit", "release"))]
)
def test_every_item_builds(item: str, tmp_path: Path) -> None:
    row = build_speed.measure(item, 1_000, tmp_path / item, lambda _: None)
    assert row.unit == "s"
    assert row.ours > 0


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item warm; there are cold, edit, release"):
        build_speed.run(["warm"])
