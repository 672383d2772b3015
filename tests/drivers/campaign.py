"""Kills drivers under load, as often as one likes: `python -m tests.drivers.campaign network --kills 1000`.

`disk` (and random bytes): blocks say which they are, and in which version; the client checks after each step.
`network`: frames go round, and each that comes back is as it was sent. `ports`: a program of the host sends numbered
lines, and what comes back is pieces of them. `plain` (console, clock and switch): what is shown is numbered lines, time
doesn't run backwards, what is to be refused is. At the end, init has as many slots and as much memory as before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.drivers.devices import run
from tests.drivers.test_network_machine import survived
from tests.drivers.test_plain_machine import told
from tests.drivers.test_ports_machine import outlived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drivers", choices=("disk", "network", "plain", "ports"), nargs="?", default="disk")
    parser.add_argument("--kills", type=int, default=1000, help="of each driver")
    parser.add_argument("--timeout", type=int, default=600, help="seconds")
    options = parser.parse_args()
    before = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        match options.drivers:
            case "network":
                found = survived(Path(folder), options.kills, options.timeout, paced=True)
            case "ports":
                found, echo = outlived(Path(folder), options.kills, options.timeout)
                print(f"{echo.came:,} bytes came back, in {echo.pieces} pieces behind the first")
            case "plain":
                found = run(Path(folder), options.kills, options.timeout, "plain")
                found["console"] = told(found["console"])
            case _:
                found = run(Path(folder), options.kills, options.timeout)
    print(found["console"], end="")
    wrong = "less than before" in found["console"]
    print(f"exit {found['exit']}, {len(found['crashes'])} crashes, {time.monotonic() - before:.0f} s")
    return int(found["exit"] != 0 or bool(found["crashes"]) or wrong)


if __name__ == "__main__":
    sys.exit(main())
