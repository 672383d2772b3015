"""`python -m tests.fuzz`: run a campaign, go on with one, or show what several have found."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from tests.fuzz import coverage
from tests.fuzz.campaign import State, explain, run
from tests.fuzz.coroutines import generate_coroutines
from tests.fuzz.generate import generate
from tests.support.meanings import readings_here


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--count", type=int, default=1000, help="how many programs")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--state", type=Path, help="where to keep what was found; there already: go on")
    parser.add_argument("--batch", type=int, default=100, help="programs compiled together")
    parser.add_argument("--coroutines", action="store_true", help="programs made of coroutines")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one program")
    parser.add_argument("--explain", type=int, metavar="SEED", help="make one program that differs small")
    parser.add_argument("--table", type=Path, nargs="+", metavar="STATE", help="print the coverage of campaigns")
    wanted = parser.parse_args()
    make = generate_coroutines if wanted.coroutines else generate
    if wanted.show is not None:
        print(make(wanted.show).source)
        return 0
    if wanted.explain is not None:
        print(explain(make(wanted.explain), readings_here(), wanted.seconds or 60))
        return 0
    if wanted.table:
        first, *others = map(State.load, wanted.table)
        for other in others:
            first.merge(other)
        print(f"```\n{first.summary()}\n```\n\n{coverage.table(first.seen)}")
        return 0
    state = State(wanted.seed, wanted.count, wanted.seed, list(readings_here()))
    if wanted.state is not None and wanted.state.exists():
        state = State.load(wanted.state)
        state.count = max(state.count, wanted.count)
    say = functools.partial(print, flush=True)
    run(state, wanted.state, say, batch=wanted.batch, seconds=wanted.seconds, make=make)
    print(state.summary())
    missing = coverage.holes(state.seen)
    print(f"combinations never executed: {len(missing)} of {len(coverage.possible())}")
    return 1 if state.different else 0


if __name__ == "__main__":
    sys.exit(main())
