"""A short campaign through all readings, and the tools of longer ones."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.fuzz import coverage
from tests.fuzz.campaign import State, explain, run, run_batch
from tests.fuzz.coroutines import generate_coroutines
from tests.fuzz.generate import Generated, generate
from tests.fuzz.shrink import shrink
from tests.support import meanings
from tests.support.meanings import Answer, Program
from tests.support.patience import PATIENCE

WRONG = """from neokernel.lang import u8, u64
from tests.fuzz.observations import Output

def helper(n: u8) -> u8:
    if n > 3:
        return n
    return 0

def main(out: Output) -> None:
    total: u8 = 0
    for i in range(u8(4)):
        total += i
    out.put(u64(helper(total)) * 3 + u64(total))
    out.put(7)
"""


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_programs_mean_the_same_in_all_readings(count: int) -> None:
    state = State(5000, count, 5000, list(meanings.readings_here()))
    different = run_batch(state, range(5000, 5000 + count))
    assert not different, explain(different[0], state.readings, seconds=30)
    assert not state.rejected
    assert state.finished + sum(state.failed.values()) == count
    assert count // 6 < sum(state.failed.values()) < count // 2, "about a third should fail a check"
    assert len(state.failed) >= 4
    untried = len(coverage.holes(state.seen)) / len(coverage.possible())
    assert untried < (0.5 if count >= 100 else 0.75), "what no program has tried"


def test_a_seed_is_a_program() -> None:
    assert generate(7) == generate(7)
    assert len({generate(seed).source for seed in range(20)}) == 20


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path, said = tmp_path / "state.json", list[str]()
    state = run(State(0, 8, 0, ["cpython", "interpreter"]), path, said.append, batch=3, seconds=0)
    assert state.next == 0
    state = run(state, path, said.append, batch=5, seconds=None)
    again = State.load(path)
    assert again.next == 8
    assert again.summary() == state.summary()
    assert again.seen == state.seen
    other = State.load(path)
    again.merge(other)
    assert again.finished == 2 * other.finished
    assert coverage.table(again.seen).startswith("| operation")


def test_differences_are_told() -> None:
    one = Answer((1, 2), None)
    told = {"a": {"p": one, "q": one}, "b": {"p": one, "q": Answer((1, 3), None)}, "c": {"p": one}}
    assert meanings.differences(told) == ["q"]
    assert meanings.differences({"a": {"p": Answer((), None, "it died")}}) == ["p"]


def test_a_program_is_made_small() -> None:
    small = shrink(WRONG, lambda text: "helper(total)" in text and "3" in text, seconds=PATIENCE)
    assert "helper(total)" in small
    assert len(ast.unparse(ast.parse(small))) < len(WRONG) // 3


def test_an_explanation_shows_program_and_answers() -> None:
    text = explain(Generated(0, WRONG, ()), ["cpython", "interpreter"], seconds=5)
    assert "def main" in text
    assert "cpython: ran to its end; 2 observations: 18 7" in text


def test_what_dies_is_an_answer() -> None:
    analysed = meanings.analyse({"p": Program(WRONG)})
    answer = meanings.compiled(analysed, timeout=0.0)["p"]
    assert answer.crash.startswith("no end")


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_coroutines_mean_the_same_in_all_readings(count: int) -> None:
    state = State(7000, count, 7000, list(meanings.readings_here()))
    different = run_batch(state, range(7000, 7000 + count), generate_coroutines)
    assert not different, explain(different[0], state.readings, seconds=30)
    assert sum(map(len, state.rejected.values())) <= 1 and state.rejected.keys() <= {"NK0316"}
    assert state.finished > count // 2 and sum(state.failed.values()) > count // 10
