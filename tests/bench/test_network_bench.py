"""What HTTP and TCP take, with a client on this host. Nothing here depends on how long it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import network
from neokernel.bench.row import BenchError

#: what was recorded (docs/reference/benchmarks-network.md), and how much more it may be: what comes together depends on
#: how the host runs client and machine
RECORDED = (10_596, 43_821, 2.44, 2.48)
LEEWAY = 1.2


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are keep, alone, each, in, out"):
        network.run(["nothing"])


@pytest.mark.qemu
def test_requests_and_bytes_stay_near_what_was_recorded(tmp_path: Path) -> None:
    """Of 64 connections, a request shares turns with others; one with a connection of its own opens and closes it."""
    image, client = network.build(tmp_path), network.build_client(tmp_path)
    keep, alone, each, inwards, outwards = network.counted(list(network.WORKS.values()), image, client)
    assert [row.budget for row in (keep, each, inwards, outwards)] == [12_000, 60_000, 2.5, 2.5]
    for row, recorded in zip((keep, each, inwards, outwards), RECORDED, strict=True):
        assert row.ours < LEEWAY * recorded, row
    assert 5_000 < keep.ours < alone.ours < each.ours, "what is shared is cheaper"
    assert min(inwards.ours, outwards.ours) > 0.3, "each byte is copied at least"


@pytest.mark.qemu
def test_a_client_that_gets_nothing_says_so(tmp_path: Path) -> None:
    client = network.build_client(tmp_path)
    (unused,) = network.free_ports(1)
    nobody = network.Machine({network.WEB: unused}, client, counts=False)
    with pytest.raises(BenchError, match="keep: connect: Connection refused"):
        nobody.do(network.WORKS["keep"], 1)
