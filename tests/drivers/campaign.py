"""Kills drivers under load, as often as one likes: `python -m tests.drivers.campaign --kills 1000`.

The disk's contents are checked after each step: blocks say which they are and in which version. At the end, init has as
many slots and as much memory as before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.drivers.devices import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="of each driver")
    parser.add_argument("--timeout", type=int, default=600, help="seconds")
    options = parser.parse_args()
    before = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), options.kills, options.timeout)
    print(found["console"], end="")
    print(f"exit {found['exit']}, {len(found['crashes'])} crashes, {time.monotonic() - before:.0f} s")
    return int(found["exit"] != 0 or bool(found["crashes"]))


if __name__ == "__main__":
    sys.exit(main())
