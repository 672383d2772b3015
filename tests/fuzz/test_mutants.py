"""Every planted mistake is found by the generated programs, soon."""

from __future__ import annotations

import functools

import pytest

from tests.fuzz.campaign import name_of
from tests.fuzz.generate import generate
from tests.fuzz.mutants import MUTANTS, Mutant
from tests.support import meanings
from tests.support.meanings import Analysed, Answer, Program

#: programs that a mistake may survive
MOST = 1200
BATCH = {"interpreter": 100, "jit": 60}


@functools.cache
def right_answers(seed: int, number: int) -> dict[str, Answer]:
    return meanings.cpython(programs(seed, number))


@functools.cache
def analysed_once(seed: int, number: int) -> Analysed:
    return meanings.analyse(programs(seed, number))


@functools.cache
def programs(seed: int, number: int) -> dict[str, Program]:
    generated = [generate(each) for each in range(seed, seed + number)]
    return {name_of(g.seed): Program(g.source, g.inputs) for g in generated}


def survives(mutant: Mutant, seed: int, number: int) -> bool:
    """Do all these programs mean the same with the mistake?"""
    # Only a mistake in the IR spoils it for the next one.
    analysed = meanings.analyse(programs(seed, number)) if mutant.spoils else analysed_once(seed, number)
    assert analysed.ir is not None
    with mutant.planted(analysed.ir):
        if mutant.reading == "interpreter":
            found = meanings.interpreter(analysed)
        else:
            found = meanings.compiled(analysed, level=1, timeout=30, split=False)
    right = right_answers(seed, number)
    return all(answer == right[name] and not answer.crash for name, answer in found.items())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "_") for mutant in MUTANTS])
def test_mistake_is_found(mutant: Mutant) -> None:
    batch = BATCH[mutant.reading]
    assert any(not survives(mutant, seed, batch) for seed in range(0, MOST, batch)), f"{MOST} programs didn't notice"


def test_there_are_enough_mistakes() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
