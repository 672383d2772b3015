"""A short campaign; and in a long one (`make test-slow`) every planted mistake is found, soon."""

from __future__ import annotations

import functools

import pytest

from tests.fuzz_prover.campaign import OPERATIONS, Batch, Tally, ask, program_of, run_batch
from tests.fuzz_prover.mutants import MUTANTS, Mutant
from tests.fuzz_prover.report import table

FIRST, COUNT = 20000, 8
#: in which order programs are asked about a mistake, first the ways and numbers that find most; it may survive all
ASKED = (
    ("known", 0, 60),
    ("possible", 0, 30),
    ("proven", 0, 60),
    ("proven", OPERATIONS, OPERATIONS + 1),
    ("known", 60, 400),
    ("possible", 30, 150),
    ("proven", 60, 300),
)
BATCH = 10


def test_random_programs() -> None:
    tally = Tally()
    run_batch(tally, range(FIRST, FIRST + COUNT))
    assert not tally.differences, "\n".join(map(str, tally.differences))
    assert tally.programs == COUNT
    # It has asked for something: most programs are told of, some fail, and much is proven of what is run.
    assert tally.untold.total() < COUNT // 3, tally.untold
    assert len(tally.ends) >= 3 and len(tally.possible) >= 3
    assert tally.proofs.proven.total() > tally.proofs.open.total() > 0
    assert tally.proofs.runs["ran to its end"] < tally.proofs.runs.total()
    assert f"programs: {COUNT} " in table(tally)


@functools.cache
def programs(first: int, end: int) -> Batch:
    return Batch.of([program_of(seed) for seed in range(first, min(first + BATCH, end))])


def finds(mutant: Mutant, way: str, batch: Batch) -> bool:
    with mutant.planted():
        return any(ask(batch, name, way, Tally()) for name in batch.told)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "_") for mutant in MUTANTS])
def test_mistake_is_found(mutant: Mutant) -> None:
    asked = ((way, first, end) for way, begin, end in ASKED for first in range(begin, end, BATCH))
    assert any(finds(mutant, way, programs(first, end)) for way, first, end in asked), "the programs didn't notice"


def test_mistakes_can_be_planted() -> None:
    """What a mistake replaces still stands in the prover."""
    for mutant in MUTANTS:
        with mutant.planted():
            pass
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
