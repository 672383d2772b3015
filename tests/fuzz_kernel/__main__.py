"""`python -m tests.fuzz_kernel --calls 100000000`: attack the kernel with random system calls (`make fuzz-kernel`)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.fuzz_kernel.campaign import LENGTH, Attack, Found, Outcomes, Tally, campaign, together
from tests.fuzz_kernel.report import describe, rare, table

OK = 0
FOUND = 2
#: the state can't be read or written. 1 is how Python ends when the kernel doesn't come back
WRONG = 3
#: how often each outcome should be seen in 100 million calls
WANTED = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="system calls to make")
    parser.add_argument("--seed", type=int, default=1, help="of the first machine; the next one has the next")
    parser.add_argument("--length", type=int, default=LENGTH, help="steps of a machine")
    parser.add_argument("--deep-every", type=int, default=64, help="steps between two looks at every byte")
    parser.add_argument("--state", type=Path, help="file that keeps what was counted: with it, the campaign goes on")
    parser.add_argument(
        "--table", type=Path, nargs="+", metavar="STATE", help="print what campaigns have counted so far"
    )
    options = parser.parse_args()
    if options.table is not None:
        return show(options.table)
    attack = Attack(deep_every=options.deep_every)
    # What never ends holds the interpreter: who tells about it is another process.
    child = os.fork()
    if child == 0:
        code = run(attack, options)
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (OK, WRONG, FOUND):
        seed = int.from_bytes(attack.current[:], "little")
        print(f"the kernel doesn't come back, or has crashed: machine {seed}; {again(seed, options)}")
    return code


def again(seed: int, options: argparse.Namespace) -> str:
    return f"python -m tests.fuzz_kernel --calls 1 --seed {seed} --length {options.length}"


def run(attack: Attack, options: argparse.Namespace) -> int:
    try:
        tally = campaign(attack, options.calls, options.seed, options.length, options.state)
    except (ValueError, OSError) as wrong:
        print(wrong)
        return WRONG
    except Found as found:
        attack.shrink(found)
        print(describe(found, again(found.seed, options)))
        return FOUND
    tell(tally, attack.outcomes())
    return OK


def show(states: list[Path]) -> int:
    try:
        tell(*together(states))
    except (ValueError, OSError) as wrong:
        print(wrong)
        return WRONG
    return OK


def tell(tally: Tally, outcomes: Outcomes) -> None:
    print("\n".join(table(outcomes)))
    least = WANTED * tally.calls / 100_000_000
    print(
        f"less than {WANTED:,} times in 100 million ({least:.0f} here): {' · '.join(rare(outcomes, least)) or 'none'}"
    )
    print(
        f"{tally.calls:,} calls, {tally.successes / tally.calls:.0%} of them successful, {tally.fast:,} on the fast"
        f" path, {tally.machines:,} machines ({tally.deaths:,} stood still), {tally.seconds:.0f} s,"
        f" {tally.calls / tally.seconds:,.0f} calls a second: nothing found"
    )


if __name__ == "__main__":
    sys.exit(main())
