"""Where a device finds what clients lend its driver, under CPython: frames of both sizes, wherever they are."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.status import Status
from neokernel.lang import u16, u64, usize
from neokernel.runtime import dma, system
from neokernel.runtime.lend import Lent, lent_at
from neokernel.runtime.process import Process
from neokernel.sim.loopback import Loopback

FIRST_SLOT = 40
#: pages that client 1 and client 2 lend
SMALL, LARGE = 3, 4 * int(LARGE_SIZE // PAGE_SIZE)
#: on the bus: two of client 1's pages lie together, and two of client 2's large frames
BUS = [0x8000_0000, 0x8000_3000, 0x8000_4000, 0x9000_0000, 0x9040_0000, 0x9060_0000, 0x9020_0000]


def begun(monkeypatch: pytest.MonkeyPatch, bus: list[int], lent: dict[int, int]) -> tuple[Any, Any]:
    """A reach, and what its beginning said."""
    monkeypatch.setattr(system, "pin", lambda _buffer, _space, slot: u64(bus[int(slot) - FIRST_SLOT]))
    reach: Any = dma.Reach()
    with Loopback() as machine:
        process = machine.process(Process)
        with machine.running(process):
            info = process.start_info()
            info.lent_frames = u64(FIRST_SLOT)
            for client, pages in lent.items():
                info.lent[client] = u16(pages)
            return reach, reach.begin(process, u64(30))


def runs(reach: Any, client: int, pages: int, first: int, length: int) -> list[tuple[int, int]]:
    """All of a part of a client's region, run by run."""
    part = Lent(u64(lent_at(u64(client), u64(pages))) + first, usize(length))
    found, done = [], 0
    while done < length:
        run = reach.run(part, usize(done), usize(1 << 30))
        found.append((int(run.address), int(run.length)))
        done += int(run.length)
    return found


def test_frames_of_both_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    reach, failure = begun(monkeypatch, BUS, {1: SMALL, 2: LARGE})
    assert failure is None and int(reach.count) == len(BUS)
    page, large = int(PAGE_SIZE), int(LARGE_SIZE)
    assert runs(reach, 1, SMALL, 100, 3 * page - 100) == [(BUS[0] + 100, page - 100), (BUS[1], 2 * page)]
    assert runs(reach, 2, LARGE, large - 7, 1000) == [(BUS[3] + large - 7, 7), (BUS[4], 993)]
    assert runs(reach, 2, LARGE, large + 5, 3 * large - 5) == [(BUS[4] + 5, 2 * large - 5), (BUS[6], large)]


def test_as_many_frames_as_the_check_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = [0x8000_0000 + number * 0x1000 for number in range(int(dma.MOST_FRAMES) + 1)]
    most = dict.fromkeys(range(1, int(dma.MOST_FRAMES) // 64 + 1), 64)
    assert begun(monkeypatch, bus, most)[1] is None
    failure = begun(monkeypatch, bus, most | {20: 1})[1]
    assert failure is not None and failure.status is Status.OUT_OF_MEMORY
