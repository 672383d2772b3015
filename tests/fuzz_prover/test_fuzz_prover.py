"""A short campaign; and in a long one (`make test-slow`) every planted mistake is found, soon."""

from __future__ import annotations

import functools

import pytest

from tests.fuzz_prover import claims
from tests.fuzz_prover.campaign import OPERATIONS, Batch, Tally, ask, program_of, run_batch
from tests.fuzz_prover.mutants import BELIEVED, MUTANTS, Mutant
from tests.fuzz_prover.report import table

FIRST, COUNT = 20000, 8
#: programs with contracts
CLAIMING = 25
#: how many of those are asked about a mistake
ASKED_OF_CLAIMS = 800
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


def test_what_random_programs_claim() -> None:
    tally = claims.Tally()
    for seed in range(FIRST, FIRST + CLAIMING):
        claims.ask(seed, tally)
    assert not tally.wrong, tally.wrong[0]
    # Most are run, and much that they claim is proven.
    assert tally.programs > CLAIMING // 2 and tally.unsettled == 0
    assert all(tally.claims[one] for one in ("assert", "ensures", "invariant", "loop_invariant", "requires"))
    assert tally.runs[claims.ENDED] > tally.runs.total() // 2
    assert f"programs: {tally.programs}\n" in tally.table()


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


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", BELIEVED, ids=[mutant.name.replace(" ", "_") for mutant in BELIEVED])
def test_mistake_makes_a_false_claim_proven(mutant: Mutant) -> None:
    with mutant.planted():
        assert any(claims.ask(seed, claims.Tally()) for seed in range(ASKED_OF_CLAIMS)), "the programs didn't notice"


def test_mistakes_can_be_planted() -> None:
    """What a mistake replaces still stands in the prover."""
    planted = (*MUTANTS, *BELIEVED)
    for mutant in planted:
        with mutant.planted():
            pass
    assert len({mutant.name for mutant in planted}) == len(planted)
