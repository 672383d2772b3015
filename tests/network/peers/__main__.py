"""Campaigns with real peers: this host's TCP and its programs against a machine, over a link of their own.

    python -m tests.network.peers crowd --requests 1000000
    python -m tests.network.peers links | flood | slow | hostile | programs

Each says what was done and found; its exit status is 1 if anything was wrong. It takes root, as a network namespace
and a tap do: `unshare -Ur` gives that to others, where their system allows it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.network.peers import floods, programs, slow, streams
from tests.network.peers.crowd import Crowd, WrongError
from tests.network.peers.laboratory import CONNECTIONS, ECHO, SITE, Laboratory, laboratory
from tests.network.peers.wire import own_network, why_not


def say(line: str) -> None:
    print(line, flush=True)


def crowd(lab: Laboratory, requests: int, seconds: float) -> None:
    """All places taken at the same time; then requests on connections that are kept, and on one each."""
    del seconds
    # One place is for asking what is in use.
    everybody = Crowd(CONNECTIONS - 1, patience=600)
    everybody.open()
    for size in (1_024, 4_000, 1_024):
        everybody.ask_all(size)
    say(f"{everybody.clients:,} connections open at once, {everybody.answered:,} answers right")
    say(f"  in use: {lab.counters()['living']} tasks, {lab.counters()['pairs']} pairs of buffers")
    everybody.close()
    say(f"  left when they have gone: {lab.held(NOTHING) or 'nothing'}")
    mix = ((0.6, 64, 1_000), (0.2, 900, 20), (0.2, 64, 1))
    for share, clients, each in mix:
        some = Crowd(clients, patience=600)
        begun = time.monotonic()
        some.run(int(requests * share), each, lambda done: print(f"\r  {done:,}", end="", file=sys.stderr))
        took = time.monotonic() - begun
        say(
            f"{some.answered:,} requests right, {clients} connections at a time, {each:,} requests on each: "
            f"{some.connected:,} connections, {took:,.0f} s, the slowest {some.slowest:.2f} s"
        )


def links(lab: Laboratory, requests: int, seconds: float) -> None:
    del requests, seconds
    for lost, size in ((0, 8_000_000), (1, 2_000_000), (5, 500_000), (20, 60_000)):
        with lab.trouble(streams.LINKS[lost]) as relay:
            before = [vars(counts).copy() for counts in relay.counts]
            for what, done in (
                ("this host opens", streams.carried(lab, 8, size)),
                ("the machine opens", streams.called(lab, size)),
            ):
                say(
                    f"{lost} % lost, {what}: {done.streams} x {done.bytes // done.streams:,} bytes there and back "
                    f"as they were, in {done.seconds:.1f} s"
                )
            passed = [
                {name: number - old[name] for name, number in vars(counts).items()}
                for old, counts in zip(before, relay.counts, strict=True)
            ]
            say(f"  frames to the machine: {passed[0]}; from it: {passed[1]}")


def flood(lab: Laboratory, requests: int, seconds: float) -> None:
    """First the site's port, then that of the echo, which has fewer places than there are SYNs by far."""
    del requests
    assert lab.relay is not None
    before = lab.counters()
    with floods.flood(lab.relay, floods.syns(Random(1), SITE)) as count:
        some = Crowd(16, patience=600, repeats=True)
        until, begun = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < until:
            some.run(100, 5)
        took = time.monotonic() - begun
    say(
        f"{count[0]:,} SYNs for the site in {took:.0f} s: {some.answered:,} requests right on {some.connected:,} "
        f"connections meanwhile, the slowest {some.slowest:.1f} s; {some.repeated:,} requests were made again"
    )
    with floods.flood(lab.relay, floods.syns(Random(2), ECHO)) as count:
        done = streams.carried(lab, 8, 50_000)
    say(
        f"{count[0]:,} SYNs for the echo: 8 x 50,000 bytes there and back meanwhile, as they were, "
        f"in {done.seconds:.1f} s"
    )
    after = lab.settled(before)
    for name in ("cookies_out", "cookies_in", "failed", "accepted"):
        say(f"  {name}: {after[name] - before[name]:,}")


def slowly(lab: Laboratory, requests: int, seconds: float) -> None:
    del requests, seconds
    for what, make, count in (
        ("senders", slow.senders, CONNECTIONS - 10),
        ("readers", slow.readers, CONNECTIONS - 10),
        ("readers of a little now and then", slow.sippers, CONNECTIONS - 10),
        ("readers of what is closed, in all places", slow.left, CONNECTIONS),
        ("senders, in all places", slow.senders, CONNECTIONS),
    ):
        found = make(lab, count)
        say(
            f"{found.clients:,} slow {what}: {found.refused:,} were told 408, {found.ended:,} ended by the site; "
            f"another client waited for {found.waited:.2f} s meanwhile"
        )


def hostile(lab: Laboratory, requests: int, seconds: float) -> None:
    """Frames of all kinds, forged and damaged ones among them, for as long as clients load the site and the echo."""
    del requests
    assert lab.relay is not None
    before = lab.counters()
    with floods.flood(lab.relay, floods.hostile(Random(1), lab.relay), fresh=True) as count:
        some, until = Crowd(32, patience=600), time.monotonic() + seconds
        carried = 0
        while time.monotonic() < until:
            some.run(500, 10)
            carried += streams.carried(lab, 4, 50_000).bytes
    say(f"{count[0]:,} hostile frames in {seconds:.0f} s")
    say(f"  {some.answered:,} requests right on {some.connected:,} connections meanwhile, slowest {some.slowest:.1f} s")
    say(f"  {carried:,} bytes to the echo and back, as they were")
    after = lab.settled(before)
    said = {name: after[name] - before[name] for name in after if name.startswith(("dropped", "challenges", "resets"))}
    say(f"  {said}")


def others(lab: Laboratory, requests: int, seconds: float) -> None:
    del lab, requests
    with tempfile.TemporaryDirectory() as folder:
        tries: dict[str, Callable[[], str]] = {
            "curl": lambda: programs.curl(Path(folder)),
            "wrk": lambda: programs.wrk(int(seconds)),
            "nc": programs.netcat,
            "browser": programs.browser,
        }
        for name, do in tries.items():
            try:
                say(f"{name}: {do()}")
            except programs.MissingError as error:
                say(f"{name}: not tried, {error}")


Campaign = Callable[[Laboratory, int, float], None]
#: what it is, and whether QEMU has the tap itself
CAMPAIGNS: dict[str, tuple[Campaign, bool]] = {
    "crowd": (crowd, True),
    "links": (links, False),
    "flood": (flood, False),
    "slow": (slowly, True),
    "hostile": (hostile, False),
    "programs": (others, True),
}
#: to compare with, filled in before a campaign
NOTHING: dict[str, int] = {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaigns", nargs="+", choices=CAMPAIGNS)
    parser.add_argument("--requests", type=int, default=1_000_000, help="of crowd")
    parser.add_argument("--seconds", type=float, default=60, help="of flood, hostile, and of wrk")
    arguments = parser.parse_args()
    missing = why_not()
    if missing is not None:
        say(missing)
        return 1
    # A socket for each of a thousand clients.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192) if hard > 0 else 8_192, hard))
    status = 0
    for name in arguments.campaigns:
        campaign, direct = CAMPAIGNS[name]
        with own_network(), tempfile.TemporaryDirectory() as folder, laboratory(Path(folder), direct=direct) as lab:
            say(f"--- {name}")
            NOTHING.clear()
            NOTHING.update(lab.counters())
            begun = dict(NOTHING)
            try:
                campaign(lab, int(arguments.requests), float(arguments.seconds))
            except WrongError as error:
                say(f"WRONG: {error}")
                status = 1
            left = lab.held(begun)
            say(f"left in use: {left or 'nothing'}; the machine's processes live: {lab.is_alive()}")
            if left or not lab.is_alive():
                status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
