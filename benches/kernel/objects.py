"""Operations of kernel objects: retype, clear, copy, delete, map, unmap, revoke. All in one process."""

from __future__ import annotations

from support import ROUNDS, WARM, give_up, invoked, made, mean, report, settle, travelling

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL, READ, WRITE
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at

#: of the memory that objects are made of
SIZE = 1 << 20
CLEARED = 512 << 10
CHILDREN = 64
PLACE = 0x3B_0040_0000


def main(process: Process) -> None:
    settle(process)
    report(process, "boot", process.boot().boot_instructions)
    report(process, "free_memory", free_memory(process))
    memory = made(process, "memory", process.make(Kind.MEMORY, SIZE))
    # While one object lives, the memory doesn't begin anew.
    _ = made(process, "first object", process.make_of(memory, Kind.ENDPOINT))
    clear(process, memory)
    retype(process, "retype_frame", memory, Kind.FRAME)
    retype(process, "retype_thread", memory, Kind.THREAD)
    retype(process, "retype_endpoint", memory, Kind.ENDPOINT)
    copy_and_delete(process)
    map_and_unmap(process)
    revoke(process)
    process.exit()


def free_memory(process: Process) -> u64:
    """What the root process has: everything but the kernel, its objects, the archive, and the root's own pages."""
    boot = process.boot()
    total: u64 = 0
    for region in boot.regions[: u64(boot.region_count)]:
        if region.device == 0:
            total += region.size
    return total


def clear(process: Process, memory: u64) -> None:
    """Ahead of the objects that are made then."""
    cost = invoked(process, "clear", memory, Operation.CLEAR, 1, CLEARED)
    mean(process, "clear_kib", cost, CLEARED >> 10)


def retype(process: Process, name: str, memory: u64, kind: Kind) -> None:
    """One object a call, of memory that is clear."""
    total: u64 = 0
    slot = made(process, name, process.slot())
    system.window(process.buffer, slot, 1)
    for round in range(u64(0), u64(ROUNDS + WARM)):
        cost = invoked(process, name, memory, Operation.RETYPE, 4, u64(kind.value), 0, 1, 0)
        if system.delete(OWN_TABLE, slot) is not None:
            give_up(process, "delete", round)
        if round >= WARM:
            total += cost
    mean(process, name, total)


def copy_and_delete(process: Process) -> None:
    """Of a capability for an endpoint."""
    source = made(process, "endpoint", process.make(Kind.ENDPOINT))
    slot = made(process, "slot", process.slot())
    travelling(process, source)
    copied: u64 = 0
    deleted: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        cost = invoked(process, "copy", OWN_TABLE, Operation.COPY, 3, slot, u64(ALL), 0, capabilities=1)
        if round >= WARM:
            copied += cost
        cost = invoked(process, "delete", OWN_TABLE, Operation.DELETE, 1, slot)
        if round >= WARM:
            deleted += cost
    mean(process, "copy", copied)
    mean(process, "delete", deleted)


def map_and_unmap(process: Process) -> None:
    frame = made(process, "frame", process.make(Kind.FRAME))
    # The page tables on the way are there afterwards.
    if map_at(process, OWN_SPACE, process.memory, PLACE, READ | WRITE, frame) is not None:
        give_up(process, "map", 0)
    if system.unmap(frame) is not None:
        give_up(process, "unmap", 0)
    travelling(process, frame)
    mapped: u64 = 0
    unmapped: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        address = PLACE + round * PAGE_SIZE
        cost = invoked(process, "map", OWN_SPACE, Operation.MAP, 2, address, u64(READ | WRITE), capabilities=1)
        if round >= WARM:
            mapped += cost
        cost = invoked(process, "unmap", frame, Operation.UNMAP, 0)
        if round >= WARM:
            unmapped += cost
    mean(process, "map", mapped)
    mean(process, "unmap", unmapped)


def revoke(process: Process) -> None:
    """All copies of a capability at once."""
    source = made(process, "endpoint", process.make(Kind.ENDPOINT))
    slots = made(process, "slots", process.slot(CHILDREN))
    for child in range(u64(0), u64(CHILDREN)):
        if system.copy(process.buffer, OWN_TABLE, slots + child, ALL, 0, source) is not None:
            give_up(process, "copy", child)
    all = invoked(process, "revoke", OWN_TABLE, Operation.REVOKE, 1, source)
    none = invoked(process, "revoke", OWN_TABLE, Operation.REVOKE, 1, source)
    mean(process, "revoke_child", all - none, CHILDREN)
