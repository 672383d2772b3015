"""The budgets of what stands above the kernel, and what isn't measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import system
from neokernel.bench.row import BenchError


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(
        BenchError, match="no item nothing; there are interfaces, posting, lending, boot, supervision, tasks"
    ):
        system.run(["nothing"])


@pytest.mark.qemu
def test_a_call_by_an_interface_keeps_its_budget(tmp_path: Path) -> None:
    """Both sides' instructions beside the kernel's, at most 25 each."""
    rows = system.run(["interfaces"], keep=tmp_path)
    assert [row.budget for row in rows] == [None, 25, 25]
    assert not any(row.over for row in rows), rows
    assert rows[0].ours > rows[1].ours + rows[2].ours


@pytest.mark.qemu
def test_supervision_is_measured(tmp_path: Path) -> None:
    """A system's start, a service's restart and its replacement; each service adds what it costs to the start."""
    boot, one_more, restart, swap, held = (row.ours for row in system.run(["supervision"], keep=tmp_path))
    assert 8 * one_more < boot < 3_000_000
    assert one_more < restart < 2 * one_more
    assert one_more < swap < 2 * one_more
    assert held < 2 * swap


@pytest.mark.qemu
def test_tasks(tmp_path: Path) -> None:
    """A task switch is far cheaper than a system call that does nothing else; being deep inside costs little."""
    switch, deep, timed, task, idle = (row.ours for row in system.run(["tasks"], keep=tmp_path))
    assert 20 < switch < deep < 2 * switch
    assert switch < timed < 10 * switch
    assert switch < task < 5 * switch
    assert switch < idle


@pytest.mark.qemu
def test_a_message_that_is_posted_is_far_cheaper_than_a_call(tmp_path: Path) -> None:
    post, take = (row.ours for row in system.run(["posting"], keep=tmp_path))
    assert 10 < post < 50
    assert 10 < take < 50


@pytest.mark.qemu
def test_lending_costs_little_more_than_a_call(tmp_path: Path) -> None:
    """However much is lent."""
    (lend,) = (row.ours for row in system.run(["lending"], keep=tmp_path))
    assert 246 < lend < 400


@pytest.mark.qemu
def test_minimal_starts_and_is_as_small_as_promised(tmp_path: Path) -> None:
    """Up to the shell's prompt; the first stage, most of which is hashing the image, apart."""
    boot, stage, image = system.run(["boot"], keep=tmp_path)
    assert (boot.budget, image.budget) == (3_000_000, 300 << 10)
    assert not boot.over and not image.over, (boot, image)
    assert boot.ours > 100_000 and image.ours > 100 << 10
    assert 40 * image.ours < stage.ours < 70 * image.ours
