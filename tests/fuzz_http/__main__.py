"""`python -m tests.fuzz_http`: so many rounds of the campaign, from a seed on."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz_http.campaign import ENDS, Found, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz_http", description="Damage requests, and read them in pieces.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000)
    options = parser.parse_args()
    try:
        totals = run(options.seed, options.count)
    except Found as found:
        print(f"found: {found}", file=sys.stderr)
        return 1
    for end, times in sorted(totals.ends.items(), key=lambda item: -item[1]):
        print(f"{times:>13,}  {ENDS.get(end, end)}")
    print(
        f"{totals.rounds:>13,}  rounds: {totals.requests:,} requests taken, {totals.bytes_read:,} bytes; nothing found"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
