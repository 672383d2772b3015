"""Two hosts over bad links, under CPython and compiled: streams are intact and complete, or end with an error.

What must hold at each moment is asserted in `world.py`, so a run that ends has shown it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neokernel.compiler import jit
from neokernel.lang import u64
from neokernel.services.network import connection, deadlines, past, shares, tcp
from tests.network import world
from tests.network.plans import Plan
from tests.network.support import built, library

NAMES = (
    "frames",
    "lost",
    "complete",
    "failed",
    "bytes_read",
    "retransmitted",
    "timeouts",
    "recoveries",
    "cookies",
    "elapsed",
    "connections",
    "lives",
    "told",
    "invented",
    "kept",
    "late",
    "refused",
)
MODULE = "tests.network.world"

#: mistakes that plans at random find: in which module, what is right, what is wrong
MISTAKES: dict[str, tuple[Any, str, str]] = {
    "peers of a life before aren't asked": (
        past,
        "        return host.answer(segment, flow, to)\n",
        "        return True\n",
    ),
    "some of the life before are forgotten": (
        past,
        "            if flow != NONE and self.count < CONNECTIONS:\n",
        "            if place % 2 == 0 and flow != NONE and self.count < CONNECTIONS:\n",
    ),
    "what is over is left to the next life": (
        tcp,
        "                self.past.forget(slot)\n",
        "                pass\n",
    ),
    "nothing is kept for clients": (
        shares,
        "return Lack.SHARE if left <= self.owed else None",
        "return Lack.SHARE if left == 0 else None",
    ),
    "places are given back to another client": (
        tcp,
        "            self.connection_shares.give_back(connection.client)\n            _ =",
        "            self.connection_shares.give_back(3)\n            _ =",
    ),
    "keep-alive asks for ever": (
        deadlines,
        "        connection.abort(End.TIMED_OUT)\n        return\n    connection.keep_probes += 1\n",
        "        connection.keep_probes = 0\n    connection.keep_probes += 1\n",
    ),
    "keep-alive isn't begun": (
        connection,
        "            self.keep_at = now + self.keep_alive\n",
        "            self.keep_at = NEVER\n",
    ),
}
#: which of them the short tests look for
SHORT = ("peers of a life before aren't asked",)


def plan(seed: int, **parts: Any) -> Any:
    widths: Any = {name: part if isinstance(part, bool) else u64(part) for name, part in parts.items()}
    return Plan(u64(seed), **widths)


def named(found: Any) -> dict[str, int]:
    values = found if isinstance(found, tuple) else [getattr(found, name) for name in NAMES]
    return dict(zip(NAMES, map(int, values), strict=True))


def compiled(seed: int, **parts: Any) -> dict[str, int]:
    values = plan(seed, **parts)
    fields = tuple(int(getattr(values, name)) for name in Plan.__annotations__)
    return named(library("world", "walk", "campaign").call(f"{MODULE}.walk", fields))


def campaign(first: int, count: int) -> dict[str, int]:
    """As many plans at random, one after the other."""
    return named(library("world", "walk", "campaign").call(f"{MODULE}.campaign", first, count))


GOOD: dict[str, dict[str, Any]] = {
    "no harm": {"connections": 3, "size": 50_000, "buffer": 8_192},
    "many": {"connections": 60, "size": 2_000},
    "loss": {"connections": 2, "size": 60_000, "loss": 50, "buffer": 16_384, "delay": 20_000},
    "loss, NewReno": {"connections": 2, "size": 60_000, "loss": 50, "buffer": 16_384, "new_reno": True},
    "reordered": {"connections": 2, "size": 60_000, "reorder": 300, "buffer": 32_768},
    "duplicated": {"connections": 2, "size": 60_000, "duplicate": 300},
    "corrupted": {"connections": 2, "size": 60_000, "corrupt": 50},
    "all at once": {"connections": 4, "size": 30_000, "loss": 30, "duplicate": 50, "corrupt": 30, "reorder": 100},
    "small packets": {"connections": 2, "size": 20_000, "mtu": 576, "loss": 30, "reorder": 200},
    "slow programs": {"connections": 3, "size": 20_000, "eager": 100, "buffer": 2_048, "loss": 20},
    "tiny buffers": {"connections": 2, "size": 5_000, "buffer": 300, "loss": 20},
    "large windows": {"connections": 1, "size": 300_000, "buffer": 131_072, "loss": 10, "delay": 30_000},
    "a bottleneck": {"connections": 2, "size": 200_000, "buffer": 65_536, "rate": 1_000_000, "delay": 10_000},
    "clock jumps": {"connections": 2, "size": 30_000, "loss": 30, "jump": 5, "buffer": 8_192},
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_stream_arrives(kind: str) -> None:
    parts = GOOD[kind]
    for seed in range(1, 4):
        found = compiled(seed, **parts)
        streams = 2 * parts["connections"]
        assert found["failed"] == 0 and found["complete"] == streams
        assert found["bytes_read"] == streams * parts["size"]
        assert found["lost"] == 0 or found["retransmitted"] != 0


def test_losses_are_found_without_timeouts() -> None:
    """With large windows, nearly all that is lost is repeated by fast retransmit and SACK."""
    found = compiled(3, connections=1, size=800_000, buffer=131_072, loss=10, delay=20_000)
    assert found["recoveries"] >= 5 and found["timeouts"] <= 3, found
    assert found["retransmitted"] <= 2 * found["lost"] + 10, "nearly nothing is repeated needlessly"


def test_a_good_link_carries_nothing_twice() -> None:
    found = compiled(1, connections=4, size=100_000, buffer=8_192)
    assert found["retransmitted"] == 0 and found["timeouts"] == 0
    assert found["frames"] < 4 * 2 * (100_000 // 1_448) * 2


@pytest.mark.parametrize("loss", [5, 10, 20])
def test_throughput_under_loss_is_what_the_control_predicts(loss: int) -> None:
    """Mathis, Semke, Mahdavi and Ott (1997): MSS / RTT * sqrt(3 / 2) / sqrt(p), for NewReno."""
    size, delay = 1_000_000, 25_000
    parts = {"connections": 1, "size": size, "buffer": 200_000, "loss": loss, "delay": delay, "new_reno": True}
    rates = []
    for seed in range(1, 5):
        found = compiled(seed, **parts)
        rates.append(size / (found["elapsed"] / 1e6 - 2))
    predicted = 1_448 / (2 * delay / 1e6) * (1.5 / (loss / 1_000)) ** 0.5
    assert 0.4 * predicted < sum(rates) / len(rates) < 2 * predicted, (rates, predicted)


def test_what_cant_arrive_ends_with_an_error() -> None:
    found = compiled(1, connections=3, size=1_000, loss=1_000)
    assert found["complete"] == 0 and found["failed"] == 3 and found["bytes_read"] == 0


def test_programs_that_give_up_leave_nothing() -> None:
    total = [compiled(seed, connections=6, size=30_000, abort=10, eager=300, loss=30) for seed in range(1, 8)]
    assert sum(found["failed"] for found in total) > 10 < sum(found["complete"] for found in total)


def test_more_come_than_are_waited_for() -> None:
    """Beyond the backlog, handshakes are remembered in cookies."""
    total = [compiled(seed, connections=8, size=4_000, backlog=2, eager=200) for seed in range(1, 8)]
    assert sum(found["cookies"] for found in total) > 10
    assert sum(found["complete"] for found in total) > 60


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    st.fixed_dictionaries(
        {
            "connections": st.integers(1, 14),
            "size": st.integers(0, 15_000),
            "buffer": st.integers(64, 40_000),
            "loss": st.integers(0, 200),
            "duplicate": st.integers(0, 300),
            "corrupt": st.integers(0, 200),
            "reorder": st.integers(0, 500),
            "delay": st.integers(0, 200_000),
            "rate": st.sampled_from([0, 0, 20_000, 100_000, 1_000_000]),
            "mtu": st.integers(576, 1_500),
            "jump": st.sampled_from([0, 0, 3]),
            "eager": st.sampled_from([1_000, 1_000, 300, 30]),
            "abort": st.sampled_from([0, 0, 0, 5]),
            "backlog": st.integers(1, 16),
            "new_reno": st.booleans(),
            "restart": st.sampled_from([0, 0, 500, 3_000]),
            "invented": st.integers(0, 8),
            "clients": st.integers(1, 3),
            "places": st.sampled_from([0, 0, 4, 12]),
            "keep": st.sampled_from([0, 0, 500]),
            "deadline": st.sampled_from([0, 0, 0, 100]),
            "cut": st.sampled_from([0, 0, 0, 1_000]),
        }
    ),
)
def test_whatever_the_link_does(seed: int, parts: dict[str, Any]) -> None:
    found = compiled(seed, **parts)
    ends = found["complete"] + found["failed"]
    # An old acknowledgement of a cookie can come back to life, as a connection that ends at once.
    assert parts["connections"] <= ends <= 2 * parts["connections"] + found["cookies"]
    assert found["complete"] <= 2 * parts["connections"]


def test_who_isnt_told_that_its_peer_has_gone() -> None:
    """It has sent all, and waits for what never comes; a reset was lost."""
    parts = {"mtu": 689, "loss": 90, "corrupt": 142, "duplicate": 253, "reorder": 206, "rate": 1_000_000, "delay": 5}
    more = {"connections": 7, "size": 9_367, "buffer": 73, "eager": 300, "jump": 3, "backlog": 14, "new_reno": True}
    found = compiled(552_501, **parts, **more)
    assert found["complete"] + found["failed"] == 14 and found["failed"] == 2


def test_peers_of_a_service_that_begins_anew_hear_of_it() -> None:
    """On a good link, though nobody says anything; also those that nobody knows."""
    parts = {"connections": 8, "size": 30_000, "eager": 100, "restart": 1_000, "invented": 8, "delay": 5_000}
    found = [compiled(seed, **parts) for seed in range(1, 30)]
    total = {name: sum(each[name] for each in found) for name in NAMES}
    assert total["lives"] > 20 and total["told"] > 20 and total["invented"] > 100, total


def test_who_is_kept_alive_finds_that_nothing_passes_any_more() -> None:
    parts = {"connections": 6, "size": 30_000, "eager": 100, "keep": 1_000, "cut": 500}
    assert sum(compiled(seed, **parts)["kept"] for seed in range(1, 30)) > 5


def test_clients_share_places() -> None:
    parts = {"connections": 20, "size": 10_000, "eager": 300, "clients": 3, "places": 8, "buffer": 1_024}
    found = [compiled(seed, **parts) for seed in range(1, 10)]
    assert all(each["complete"] == 40 and each["failed"] == 0 for each in found)
    assert sum(each["refused"] for each in found) > 10


def test_plans_at_random() -> None:
    found = campaign(1, 60)
    assert found["complete"] > found["failed"] and found["cookies"] > 0 and found["recoveries"] > 10
    assert found["lives"] > 10 and found["kept"] > 0 and found["late"] > 0


def test_both_readings_go_the_same_way() -> None:
    here, there = named(world.campaign(u64(28), u64(2))), campaign(28, 2)
    assert here == there and here["complete"] > 5 and here["lives"] == 1


@pytest.mark.parametrize("mistake", SHORT)
def test_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", sorted(set(MISTAKES) - set(SHORT)))
def test_all_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


def look_for(mistake: str) -> None:
    module, right, wrong = MISTAKES[mistake]
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    planted = built("world", ("walk", "campaign"), {module.__name__: source.replace(right, wrong)}, poison=False)
    with pytest.raises(jit.CheckError):
        walk(planted)


def walk(planted: jit.Library) -> None:
    for seed in range(1, 2_000, 20):
        planted.call(f"{MODULE}.campaign", seed, 20)
