"""What observing costs is measured, and what looking may cost holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import watching
from neokernel.bench.row import BenchError


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"no item nothing; there are ipc, signals, .*, top"):
        watching.run(["nothing"])


@pytest.mark.qemu
def test_a_look_a_second_takes_little_of_a_hart(tmp_path: Path) -> None:
    look, question, idle = watching.run(["top"], keep=tmp_path)
    assert look.budget == 5_000_000
    assert not look.over, look
    assert look.ours > 6 * question.ours > 6_000, "each service is asked for by itself"
    assert idle.ours > 1_000


@pytest.mark.qemu
def test_recording_is_measured_beside_none(tmp_path: Path) -> None:
    """That a ring which records nothing costs nothing is looked at by each row's making."""
    rows = watching.run(["signals"], keep=tmp_path)
    assert len(rows) == 5
    for row in rows:
        assert row.theirs is not None
        assert row.theirs < row.ours < row.theirs + 1000, row
