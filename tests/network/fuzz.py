"""Campaigns against the network's code, compiled for the host with all its checks: as long as they are let run.

    python -m tests.network.fuzz streams --seconds 600         # two hosts on bad links (world.py)
    python -m tests.network.fuzz peers --most 100_000_000      # a peer that says anything (hostile.py)
    python -m tests.network.fuzz parsers --seconds 600         # damaged frames for every parser (mutation.py, parts.py)
    python -m tests.network.fuzz peers --seconds 600 --dead    # any of them: accesses to retired objects fail, too

`--dead` asks about each access, which makes a run some hundred times slower.

A run that fails a check, or an assertion about streams and connections, ends with it, behind its seed; one that ends by
itself says what it has done. `docs/reference/fuzz-network.md` has the recorded ones.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neokernel.compiler import jit
from tests.network import mutation, packets, parts
from tests.network.support import library
from tests.network.test_hostile import SEEN, STATES, name_of
from tests.network.test_tcp import named

#: that one call does
PLANS, STEPS, FRAMES = 20, 20_000, 200_000


@dataclass(frozen=True)
class Run:
    """From which seed on, and for how long: until then by the clock, and so many plans, steps or frames."""

    seed: int
    until: float
    most: int
    dead: bool

    def goes_on(self, done: int) -> bool:
        return done < self.most and time.monotonic() < self.until


def streams(run: Run) -> Counter[str]:
    """Plans at random; each is some connections, one after the other or at a time."""
    found: Counter[str] = Counter()
    seed = run.seed
    while run.goes_on(found["plans"]):
        print(f"plans from {seed:,} on", end="\r", file=sys.stderr, flush=True)
        world = library("world", "walk", "campaign", poison=run.dead)
        found.update(named(world.call("tests.network.world.campaign", seed, PLANS)))
        found["plans"] += PLANS
        seed += PLANS
    del found["elapsed"]
    return found


def peers(run: Run) -> Counter[str]:
    """Steps of walks; which states were left for which is counted."""
    found: Counter[str] = Counter()
    transitions = (ctypes.c_uint64 * (STATES * STATES))()
    seed = run.seed
    while run.goes_on(found["steps"]):
        print(f"walk {seed:,}", end="\r", file=sys.stderr, flush=True)
        hostile = library("hostile", "walk", poison=run.dead)
        told = hostile.call("tests.network.hostile.walk", seed, STEPS, (transitions, STATES * STATES))
        found.update(dict(zip(SEEN, map(int, told), strict=True)))
        found["steps"] += STEPS
        seed += 1
    for place, times in enumerate(transitions):
        if times:
            found[f"{name_of(place // STATES)} to {name_of(place % STATES)}"] = times
    return found


def parsers(run: Run) -> Counter[str]:
    """Frames; how far each came in `parsers.look`; what became of fragments and of answers of DHCP (`parts.py`)."""
    corpus = corpus_of(frames())
    memory = (ctypes.c_uint8 * len(corpus)).from_buffer_copy(corpus)
    levels = (ctypes.c_uint64 * int(mutation.LEVELS))()
    kept = {kind: (ctypes.c_uint64 * int(parts.LEVELS))() for kind in ("fragments", "leases")}
    found: Counter[str] = Counter()
    seed = run.seed
    while run.goes_on(found["frames"]):
        print(f"frames of {seed:,}", end="\r", file=sys.stderr, flush=True)
        room = (levels, int(mutation.LEVELS))
        walk = library("mutation", "walk", poison=run.dead)
        walk.call("tests.network.mutation.walk", (memory, len(corpus)), seed, FRAMES, room)
        keeping = library("parts", "fragments", "leases", poison=run.dead)
        for kind, came in kept.items():
            keeping.call(f"tests.network.parts.{kind}", seed, FRAMES // 4, (came, int(parts.LEVELS)))
        found["frames"] += FRAMES + FRAMES // 4 * len(kept)
        seed += 1
    for level, times in enumerate(levels):
        found[f"came to {level}"] = times
    for kind, came in kept.items():
        for level, times in enumerate(came):
            found[f"{kind} {level}"] = times
    return found


def frames() -> list[bytes]:
    """Right ones, of each kind that is looked at."""
    here, there = packets.ip("10.0.2.15"), packets.ip("10.0.2.2")
    link, peer = 0x525400123456, 0x525400ABCDEF

    def carried(protocol: int, data: bytes, **more: Any) -> bytes:
        return packets.ethernet(packets.ipv4(data, there, here, protocol, **more), link, peer)

    options = [(2, b"\x05\xb4"), (4, b""), (8, bytes(8)), (3, b"\x07")]
    syn = packets.Tcp(50_000, 80, 1, 0, 2, 65_535, options=options)
    blocks = [(8, bytes(8)), (5, bytes(range(16)))]
    sack = packets.Tcp(50_000, 80, 2, 9, 16, 1_000, options=blocks)
    data = packets.Tcp(50_000, 80, 2, 9, 24, 1_000, payload=b"GET / HTTP/1.1\r\n\r\n")
    return [
        packets.ethernet(packets.arp(1, peer, there, 0, here), link, peer, 0x0806),
        packets.ethernet(packets.arp(2, peer, there, link, here), link, peer, 0x0806),
        carried(1, packets.icmp(8, 0, 7, b"ping")),
        carried(1, packets.icmp(3, 4, 1_400, bytes(28))),
        carried(17, packets.udp(b"a datagram", there, here, 53, 5_000)),
        *(carried(6, each.data(there, here)) for each in (syn, sack, data)),
    ]


def corpus_of(found: list[bytes]) -> bytes:
    return b"".join((len(each).to_bytes(2, "little") + each).ljust(int(mutation.EACH), b"\0") for each in found)


CAMPAIGNS: dict[str, Callable[[Run], Counter[str]]] = {"streams": streams, "peers": peers, "parsers": parsers}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--seconds", type=float, default=0.0, help="at most as long (60, if nothing is said)")
    parser.add_argument("--most", type=int, default=0, help="at most so many plans, steps or frames")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dead", action="store_true", help="accesses to retired objects fail, too")
    arguments = parser.parse_args()
    seconds, most = float(arguments.seconds), int(arguments.most)
    if seconds <= 0:
        seconds = float("inf") if most > 0 else 60.0
    run = Run(int(arguments.seed), time.monotonic() + seconds, most if most > 0 else sys.maxsize, bool(arguments.dead))
    try:
        found = CAMPAIGNS[str(arguments.campaign)](run)
    except jit.CheckError as error:
        # Behind the seed, which stands there already.
        print(f"\n{error}", file=sys.stderr)
        return 1
    for name, count in found.items():
        print(f"{name:<32} {count:>16,}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
