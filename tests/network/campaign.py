"""Kills the driver of the network card again and again, while bytes go to a machine and back by TCP.

    python -m tests.network.campaign --kills 200 --pause 0.05

Says how many connections were lost (none may be), how many bytes went there and back (all as they were), and how long
nothing came after each kill, by the host's clock: the longest time without a byte, up to the next kill.
"""

from __future__ import annotations

import argparse
import bisect
import random
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.network.test_machine import CHUNK, running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two kills")
    arguments = parser.parse_args()
    kills, pause = int(arguments.kills), float(arguments.pause)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as machine:
        with closing(machine.connect()) as made, closing(machine.connect(machine.control)) as control:
            done, sent, came, wrong, refused = threading.Event(), 0, 0, 0, 0
            killed: list[float] = []
            arrivals: list[float] = [time.monotonic()]
            out, back = random.Random(1), random.Random(1)

            def send() -> None:
                nonlocal sent
                while not done.is_set():
                    made.sendall(out.randbytes(CHUNK))
                    sent += CHUNK

            def kill() -> None:
                nonlocal refused
                answers = control.makefile()
                for _ in range(kills):
                    time.sleep(pause)
                    killed.append(time.monotonic())
                    control.sendall(b"kill card\n")
                    if answers.readline() != "killed\n":
                        refused += 1
                done.set()

            threads = [threading.Thread(target=send), threading.Thread(target=kill)]
            for thread in threads:
                thread.start()
            wanted = b""
            while not done.is_set() or came < sent:
                part = made.recv(CHUNK)
                assert part, "the connection is lost"
                arrivals.append(time.monotonic())
                while len(wanted) < len(part):
                    wanted += back.randbytes(CHUNK)
                wrong += wanted[: len(part)] != part
                wanted, came = wanted[len(part) :], came + len(part)
            for thread in threads:
                thread.join()
        print(f"{kills - refused} kills, {refused} refused: no connection lost of 2")
        print(f"{came:,} bytes there and back, {wrong} parts wrong")
        found = sorted(outages(killed, arrivals))
        shown = {"half": 0.5, "9 of 10": 0.9, "99 of 100": 0.99, "all": 1.0}
        for name, share in shown.items():
            place = min(int(share * len(found)), len(found) - 1)
            print(f"of {name} kills, nothing came for {found[place] * 1000:,.0f} ms at most")
    return 1 if wrong else 0


def outages(killed: list[float], arrivals: list[float]) -> list[float]:
    """Of each kill, the longest time without an arrival that ends after it and begins before the next one."""
    found = []
    for place, kill in enumerate(killed):
        following = killed[place + 1] if place + 1 < len(killed) else arrivals[-1]
        first = bisect.bisect_left(arrivals, kill)
        last = max(bisect.bisect_left(arrivals, following), first + 1)
        gaps = [arrivals[at] - arrivals[at - 1] for at in range(max(first, 1), min(last + 1, len(arrivals)))]
        found.append(max(gaps, default=0.0))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
