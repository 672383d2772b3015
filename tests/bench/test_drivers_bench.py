"""The budgets of requests to drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import drivers
from neokernel.bench.row import BenchError


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are read, write, batched"):
        drivers.run(["nothing"])


@pytest.mark.qemu
def test_requests_keep_their_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 5,000 instructions for a block, and 60,000 for a MiB; many in one call are cheaper than one by one."""
    monkeypatch.setattr(drivers, "RUNS", 1)
    rows = {row.item: row for row in drivers.run(keep=tmp_path)}
    read, write, batched, large, large_write, random, *frames = rows.values()
    send, receive, sends, receives, send_equal, receive_equal = frames
    assert (read.budget, large.budget) == (5_000, 60_000)
    assert [row.budget for row in frames] == [1_500] * 4 + [None] * 2
    assert not any(row.over for row in rows.values()), rows
    assert read.ours > 1_000 and abs(write.ours - read.ours) < read.ours / 4
    assert batched.ours < read.ours / 2
    assert large.ours < 16 * read.ours, "nothing is copied"
    assert large_write.ours < 8 * read.ours and random.ours < 20_000
    assert sends.ours < send.ours < send_equal.ours < 3_000
    assert receives.ours < receive.ours < receive_equal.ours < 4_000
