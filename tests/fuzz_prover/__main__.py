"""`python -m tests.fuzz_prover --count 2000`: random programs through the prover's translation (`make fuzz-prover`)."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.campaign import name_of
from tests.fuzz_prover import claims
from tests.fuzz_prover.campaign import OPERATIONS, WAYS, Batch, Difference, Tally, ask, program_of, run_batch, smallest
from tests.fuzz_prover.report import table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_prover", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--count", type=int, default=1000, help="how many programs")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--batch", type=int, default=20, help="programs compiled together")
    parser.add_argument("--explain", type=int, metavar="SEED", help="make one program that differs small")
    parser.add_argument("--claims", action="store_true", help="instead: programs with contracts and invariants")
    wanted = parser.parse_args()
    if wanted.claims:
        return ask_claims(wanted.seed, wanted.count, wanted.seconds)
    if wanted.explain is not None:
        return explain(wanted.explain, wanted.seconds or 60)
    tally, began, last = Tally(), time.monotonic(), wanted.seed + wanted.count
    run_batch(tally, [OPERATIONS])
    for first in range(wanted.seed, last, wanted.batch):
        if wanted.seconds is not None and time.monotonic() - began > wanted.seconds:
            break
        told = len(tally.differences)
        run_batch(tally, range(first, min(first + wanted.batch, last)))
        for difference in tally.differences[told:]:
            print(difference, flush=True)
        done = f"{tally.programs} programs, {len(tally.differences)} different"
        print(f"{done}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(tally))
    return 1 if tally.differences else 0


def ask_claims(first: int, count: int, seconds: float | None) -> int:
    tally, began = claims.Tally(), time.monotonic()
    for seed in range(first, first + count):
        if seconds is not None and time.monotonic() - began > seconds:
            break
        wrong = claims.ask(seed, tally)
        if wrong:
            print(wrong, flush=True)
        if (seed - first) % 100 == 99:
            done = f"{tally.programs} programs, {len(tally.wrong)} wrong"
            print(f"{done}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(tally.table())
    return 1 if tally.wrong else 0


def explain(seed: int, seconds: float) -> int:
    """One program, asked in all ways; what is wrong of it, with the smallest program that is found in the time."""
    batch = Batch.of([program_of(seed)])
    for way in WAYS:
        wrong = ask(batch, name_of(seed), way, Tally())
        if wrong:
            print(smallest(Difference(seed, way, wrong, program_of(seed).source), seconds))
            return 1
    print(f"seed {seed}: nothing is wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
