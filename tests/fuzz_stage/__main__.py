"""`python -m tests.fuzz_stage`: so many rounds of the campaign, from a seed on."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz_stage.campaign import Found, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz_stage", description="Corrupt images; each must be refused.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    try:
        outcomes = run(options.seed, options.count)
    except Found as found:
        print(f"found: {found}", file=sys.stderr)
        return 1
    for outcome, times in sorted(outcomes.items(), key=lambda item: -item[1]):
        print(f"{times:>9,}  {outcome}")
    print(f"{sum(outcomes.values()):>9,}  rounds; nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
