"""`python -m tests.fuzz_kernel --calls 100000000`: attack the kernel with random system calls (`make fuzz-kernel`)."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz_kernel.campaign import LENGTH, Attack, Found, campaign
from tests.fuzz_kernel.report import describe, table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="system calls to make")
    parser.add_argument("--seed", type=int, default=1, help="of the first machine; the next one has the next")
    parser.add_argument("--length", type=int, default=LENGTH, help="steps of a machine")
    parser.add_argument("--deep-every", type=int, default=64, help="steps between two looks at every byte")
    options = parser.parse_args()
    attack = Attack(deep_every=options.deep_every)
    try:
        tally = campaign(attack, options.calls, options.seed, options.length)
    except Found as found:
        attack.shrink(found)
        print(describe(found, f"python -m tests.fuzz_kernel --calls 1 --seed {found.seed} --length {options.length}"))
        return 1
    print("\n".join(table(attack.outcomes())))
    print(
        f"{tally.calls:,} calls, {tally.successes / tally.calls:.0%} of them successful, {tally.fast:,} on the fast"
        f" path, {tally.machines:,} machines ({tally.deaths:,} stood still), {tally.seconds:.0f} s,"
        f" {tally.calls / tally.seconds:,.0f} calls a second: nothing found"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
