"""Where the runtime has things in a process: each in a part of the address space that nothing else has."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from neokernel.abi import boot
from neokernel.abi.description import MAXIMUM_GRANTS, MOST_STATE
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.drivers import process as drivers
from neokernel.drivers.virtio import process as virtio
from neokernel.http import beginning
from neokernel.runtime import lend, placing, space, thread
from neokernel.runtime import process as own
from neokernel.services.control import link, recorder
from neokernel.services.network import main as network

ROOT = Path(__file__).parents[2]
GIGABYTE = 1 << 30

#: what is mapped by the runtime, and the first address behind it
RUNTIME = {
    "LARGE_LENDS_ADDRESS": (lend.LARGE_LENDS_ADDRESS, MAXIMUM_GRANTS * lend.LARGE_SPACE),
    "LARGE_LENT_ADDRESS": (lend.LARGE_LENT_ADDRESS, lend.MAXIMUM_LENDERS * lend.LARGE_SPACE),
    "PLACED_ADDRESS": (placing.PLACED_ADDRESS, GIGABYTE),
    "NET_ADDRESS": (beginning.NET_ADDRESS, beginning.PAGES * PAGE_SIZE),
    "LENDS_ADDRESS": (lend.LENDS_ADDRESS, MAXIMUM_GRANTS * lend.REGION_SPACE),
    "LENT_ADDRESS": (lend.LENT_ADDRESS, lend.MAXIMUM_LENDERS * lend.REGION_SPACE),
    "STATE_ADDRESS": (own.STATE_ADDRESS, MOST_STATE),
    "SCRATCH": (space.SCRATCH, PAGE_SIZE),
    "PLACES": (thread.PLACES, GIGABYTE),
    "BOOT_INFO_ADDRESS": (boot.BOOT_INFO_ADDRESS, 0x10_0000),
    "ARCHIVE_ADDRESS": (boot.ARCHIVE_ADDRESS, GIGABYTE - 0x1000_0000),
}
#: what services and drivers map themselves
PROGRAMS = {
    "drivers' registers": (drivers.REGISTERS, PAGE_SIZE),
    "virtio pages": (virtio.PAGES, LARGE_SIZE),
    "enrolment": (link.ENROLMENT, LARGE_SIZE),
    "recorder's ring": (recorder.RING, LARGE_SIZE),
    "network core": (network.CORE, GIGABYTE),
}


def overlapping(parts: dict[str, tuple[int, int]]) -> list[tuple[str, str]]:
    places = sorted((int(first), int(first) + int(size), name) for name, (first, size) in parts.items())
    return [(before[2], after[2]) for before, after in itertools.pairwise(places) if before[1] > after[0]]


def test_the_runtime_s_parts_lie_apart() -> None:
    assert overlapping(RUNTIME) == []


def test_nothing_of_the_runtime_s_is_where_programs_map() -> None:
    for name, part in PROGRAMS.items():
        assert overlapping(RUNTIME | {name: part}) == []


def test_the_map_says_so() -> None:
    text = (ROOT / "docs/design/system.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (0x[0-9A-F_]+) \| .* \| (.*) \|$", text, re.MULTILINE)
    said = {name: int(address, 0) for address, names in rows for name in re.findall("`([A-Z_]+)`", names)[:1]}
    assert said == {name: int(RUNTIME[name][0]) for name in said} and len(said) >= len(RUNTIME) - 2
    assert [int(address, 0) for address, _ in rows] == sorted(int(address, 0) for address, _ in rows)
