"""Lends memory to `Store`; the argument says whether it has some."""

from __future__ import annotations

from store import Store

from neokernel.abi.call import message
from neokernel.lang import Array, Uses, array, slot_of, u8, u64, uses
from neokernel.runtime import interface, system
from neokernel.runtime.lend import LENDS_ADDRESS, REGION_SPACE, Lent, region
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

store: Uses[Store] = uses(lend=4 << 12)

#: beyond the region
OFFSETS: tuple[u64, ...] = (16385, 1 << 63, 0xFFFF_FFFF_FFFF_FFFF)


def main(process: Process) -> None:
    mine = region(slot_of(store))
    if process.arguments[0] == 0:
        assert mine.length == 0
        say(process, "without a region", store.sum(mine))
        return
    assert mine.length == 4 << 12
    assert must_get(store.fill(mine.part(100, 300), 7)) == 300
    seen: Array[u8] = array(302)
    mine.read(99, seen)
    assert seen[0] == 0 and seen[1] == 7 and seen[300] == 50 and seen[301] == 0
    assert must_get(store.move(mine.part(100, 256), mine.part(16128, 256)))
    assert must_get(store.sum(mine.part(16128, 256))) == 255 * 128
    assert must_get(store.sum(mine.part(16384, 0))) == 0
    say(process, "beyond the region", store.sum(Lent(mine.address + 1, mine.length)))
    say(process, "another region", store.sum(Lent(mine.address + REGION_SPACE, 8)))
    say(process, "no region", store.sum(Lent(LENDS_ADDRESS - 1, 8)))
    label = must_get(interface.version_of(slot_of(store))) >> 40 << 8 | 2
    for offset in OFFSETS:
        refused = must_get(system.call(slot_of(store), message(label, 2), offset, 1))
        say(process, "by hand", interface.refusal(refused))
    say(process, "crash", store.crash())
    say(process, "again", store.sum(mine.part(100, 300)))


def say(process: Process, what: str, found: u64 | Failure | None) -> None:
    if isinstance(found, Failure):
        process.console.write(f"{what}: {found.status.name} of argument {found.argument}\n")
    elif found is not None:
        process.console.write(f"{what}: {found}\n")
