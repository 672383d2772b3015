"""A service that tries everything that it wasn't given (`hostile/`), beside others that don't notice.

The machine's time is that of its instructions, so each run is like every other.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.image.archive import Entry
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of
from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.services.test_init import Run, run

__all__ = ["nk"]

SYSTEM = Path(__file__).parent / "hostile" / "system.toml"
#: what it tries, in order, and how often at least; none of it ends otherwise than the manual says
TRIES = {
    "slots without a capability": 29_000,
    "operations of other kinds": 350,
    "more rights, other badges": 2_000,
    "objects that nobody can make": 6,
    "more time, another priority": 5,
    "forged replies": 20,
    "mappings that can't be": 1_000,
    "lies to a server": 8_000,
    "lies about memory that is lent": 289,
    "lies to a client": 400,
    "memory that isn't mapped here": 15_000,
    "devices and firmware": 78,
    "the kernel's memory, and others'": 576,
    "addresses beyond user space": 162,
    "addresses at random": 4_000,
    "reads of the machine's registers": 4096,
    "writes of the machine's registers": 4096,
    "wfi, sfence.vma, sret and others": 4096,
    "floats, vectors, the hypervisor's, and no instructions": 16,
    "system calls that don't exist": 110,
    "calls without end": 20_000,
    "a loop that gives nobody a turn": 1,
    "all of its quota": 300,
    "what the next life has, as before": 2,
}
#: its pages beside its program: the stack, its buffer, what it keeps, what it lends, a page and a thread of its own;
#: and the page that it begins with, which it can only read
STACK, THREAD = 16, 17
WRITTEN = STACK + 1 + 1 + 1 + 1 + THREAD


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "hostile.elf"


@pytest.fixture(scope="module")
def ran() -> dict[str, Run]:
    """What the system did, once it has run."""
    return {}


@pytest.fixture
def lines(nk: Nk, image: Path, ran: dict[str, Run]) -> list[str]:
    if not ran:
        result = nk("build", SYSTEM, "-o", image)
        assert result.status == 0, result.error
        ran["run"] = run(image)
    assert (ran["run"].status, ran["run"].panics) == (0, [])
    return ran["run"].lines


@pytest.mark.qemu
def test_each_try_ends_as_the_manual_says(lines: list[str]) -> None:
    found = {match[1]: (int(match[2]), int(match[3])) for line in lines if (match := SAID.fullmatch(line))}
    assert list(found) == list(TRIES)
    wrong = {what: number for what, (_, number) in found.items() if number}
    assert not wrong, [line for line in lines if line.startswith("? ")]
    assert all(found[what][0] >= least for what, least in TRIES.items()), found


SAID = re.compile(r"(.*): (\d+) tries, (\d+) wrong")


@pytest.mark.qemu
def test_it_reaches_its_own_pages_and_no_others(lines: list[str], image: Path) -> None:
    (program,) = (entry for entry in archive_of(Image(image)) if entry.name == "hostile")
    constant, data = pages_of(program, writable=False), pages_of(program, writable=True)
    assert f"pages that it reads: {constant + 1 + data + WRITTEN}" in lines
    assert f"pages that it writes: {data + WRITTEN}" in lines
    # Its table, address space, thread, context, buffer and Memory, whom it tells of its end; and what its program
    # declares: two interfaces that it uses, one that it provides.
    assert "capabilities that it has: 10" in lines


def pages_of(program: Entry, *, writable: bool) -> int:
    sizes = (part.memory_size for part in program.parts if bool(part.flags & 2) == writable)
    return sum(-(-size // PAGE_SIZE) for size in sizes)


@pytest.mark.qemu
def test_nobody_is_harmed(lines: list[str], ran: dict[str, Run]) -> None:
    """The victims have run on, with their counts and their heartbeats; init has what it had; and init has ended the
    hostile service once, when it talked nonsense."""
    assert lines[-6:] == [
        "init has what it had: memory True, slots True",
        "the victim has counted on: True",
        "tally runs: True, started 1",
        "victim runs: True, started 1",
        "patron runs: True, started 1",
        "hostile runs: True, started 2",
    ]
    assert [line.partition(",")[0] for line in lines if line.startswith("init: ")] == ["init: hostile talks nonsense"]
    assert len(ran["run"].crashes) == 1
