"""What HTTP and TCP take, with a client on this host. Nothing here depends on how long it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import network
from neokernel.bench.row import BenchError
from tests.support.ports import free_ports

#: what was recorded (docs/reference/benchmarks-network.md), and how much more it may be: what comes together depends on
#: how the host runs client and machine
RECORDED = {"keep": 10_596, "each": 43_821, "in": 2.44, "out": 2.48}
LEEWAY = 1.2
#: measurements, of which the least counts: a host that is busy lets less come together
MOST_RUNS = 5


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are keep, alone, each, in, out"):
        network.run(["nothing"])


@pytest.mark.qemu
def test_requests_and_bytes_stay_near_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 connections, a request shares turns with others; one with a connection of its own opens and closes it."""
    monkeypatch.setattr(network, "free_ports", free_ports)
    image, client = network.build(tmp_path), network.build_client(tmp_path)
    works = dict(network.WORKS)
    least = dict(zip(works, network.counted(list(works.values()), image, client), strict=True))
    limits = {name: LEEWAY * recorded for name, recorded in RECORDED.items()}
    for _ in range(MOST_RUNS - 1):
        over = [name for name, limit in limits.items() if least[name].ours >= limit]
        if not over:
            break
        for name, row in zip(over, network.counted([works[name] for name in over], image, client), strict=True):
            least[name] = min(least[name], row, key=lambda each: each.ours)
    for name, limit in limits.items():
        assert least[name].ours < limit, least[name]
    keep, alone, each, inwards, outwards = least.values()
    assert [row.budget for row in (keep, each, inwards, outwards)] == [12_000, 60_000, 2.5, 2.5]
    assert 5_000 < keep.ours < alone.ours < each.ours, "what is shared is cheaper"
    assert min(inwards.ours, outwards.ours) > 0.3, "each byte is copied at least"


@pytest.mark.qemu
def test_a_client_that_gets_nothing_says_so(tmp_path: Path) -> None:
    client = network.build_client(tmp_path)
    (unused,) = network.free_ports(1)
    nobody = network.Machine({network.WEB: unused}, client, counts=False)
    with pytest.raises(BenchError, match="keep: connect: Connection refused"):
        nobody.do(network.WORKS["keep"], 1)
