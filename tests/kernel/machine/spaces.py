"""Address spaces: what can be mapped where, and that nothing else can be reached."""

from __future__ import annotations

from faults import faults_with
from world import BEYOND, EMPTY, PLAYGROUND, World

from neokernel.abi.boot import ARCHIVE_ADDRESS, BOOT_INFO_ADDRESS, OWN_SPACE, OWN_TABLE
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.rights import ALL, EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, INVOKED, SECOND, TRAVELLING, Status
from neokernel.lang import span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.space import map_at

unsafe("it looks at pages where it has mapped them")

#: a part of the address space that has no tables yet
FAR = 0x20_0000_0000
KERNEL_DIRECT = 0xFFFF_FFC0_0000_0000
KERNEL_IMAGE = 0xFFFF_FFFF_8000_0000
GIGABYTE = 1 << 30
ARCHIVE_COPY = PLAYGROUND + 64 * LARGE_SIZE


def run(w: World) -> None:
    maps(w)
    tables(w)
    shares(w)
    other_spaces(w)
    out_of_reach(w)


def maps(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    here: u64 = PLAYGROUND + 16 * LARGE_SIZE
    frame = w.new(Kind.FRAME)
    t.fails(
        system.map(buffer, OWN_SPACE, FAR, READ, frame), Status.NO_PAGE_TABLE, FIRST, "MAP where tables are missing"
    )
    t.succeeds(map_at(w.process, OWN_SPACE, w.process.memory, here, READ | WRITE, frame), "MAP to read and write")
    span_at(u64, here, 1)[0] = 7
    t.equal(span_at(u64, here, 1)[0], 7, "what is written is there")
    t.fails(
        system.map(buffer, OWN_SPACE, here + PAGE_SIZE, READ, frame),
        Status.OCCUPIED,
        TRAVELLING,
        "MAP of a frame that is mapped",
    )
    t.succeeds(system.unmap(frame), "UNMAP")
    t.fails(system.unmap(frame), Status.WRONG_STATE, INVOKED, "UNMAP of what isn't mapped")
    t.check(faults_with(w, Fault.PAGE, here), "its address can't be read any more")
    t.succeeds(system.map(buffer, OWN_SPACE, here, READ, frame), "MAP to read")
    t.equal(span_at(u64, here, 1)[0], 7, "what was written is still there")
    other = w.new(Kind.FRAME)
    t.fails(system.map(buffer, OWN_SPACE, here, READ, other), Status.OCCUPIED, FIRST, "MAP over a page in use")
    next = here + PAGE_SIZE
    t.fails(system.map(buffer, OWN_SPACE, next + 8, READ, other), Status.MISALIGNED, FIRST, "MAP within a page")
    t.fails(
        system.map(buffer, OWN_SPACE, KERNEL_DIRECT, READ, other), Status.OUT_OF_RANGE, FIRST, "MAP over the kernel"
    )
    t.fails(system.map(buffer, OWN_SPACE, KERNEL_IMAGE, READ, other), Status.OUT_OF_RANGE, FIRST, "MAP over its image")
    t.fails(
        system.map(buffer, OWN_SPACE, 1 << 38, READ, other), Status.OUT_OF_RANGE, FIRST, "MAP beyond the lower half"
    )
    t.fails(
        system.map(buffer, OWN_SPACE, (1 << 39) + next, READ, other), Status.OUT_OF_RANGE, FIRST, "an address isn't cut"
    )
    t.fails(system.map(buffer, OWN_SPACE, next, 0, other), Status.OUT_OF_RANGE, SECOND, "MAP without rights")
    t.fails(system.map(buffer, OWN_SPACE, next, WRITE, other), Status.OUT_OF_RANGE, SECOND, "MAP to write only")
    t.fails(
        system.map(buffer, OWN_SPACE, next, READ | WRITE | EXECUTE, other),
        Status.OUT_OF_RANGE,
        SECOND,
        "MAP to write and execute",
    )
    t.fails(system.map(buffer, OWN_SPACE, next, ALL, other), Status.OUT_OF_RANGE, SECOND, "MAP with all rights")
    t.fails(system.map(buffer, OWN_SPACE, next, READ, w.endpoint), Status.WRONG_KIND, TRAVELLING, "MAP of an endpoint")
    t.fails(system.map(buffer, OWN_SPACE, next, READ, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "MAP of an empty slot")
    t.fails(
        system.map(buffer, OWN_SPACE, next, READ, BEYOND), Status.NO_CAPABILITY, TRAVELLING, "MAP from beyond the table"
    )
    reader = w.copy(other, READ)
    t.fails(
        system.map(buffer, OWN_SPACE, next, READ | WRITE, reader),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "MAP to write of a frame that can be read only",
    )
    t.fails(
        system.map(buffer, OWN_SPACE, next, READ | EXECUTE, reader),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "MAP to execute of a frame that can be read only",
    )
    t.succeeds(system.map(buffer, OWN_SPACE, next, READ, reader), "MAP of a copy")
    w.drop(other)
    t.check(faults_with(w, Fault.PAGE, next), "a page goes when its capability is deleted")
    w.process.slots().release(reader)
    w.drop(frame)
    large = w.new(Kind.FRAME, 1)
    t.fails(
        system.map(buffer, OWN_SPACE, PLAYGROUND + PAGE_SIZE, READ, large),
        Status.MISALIGNED,
        FIRST,
        "MAP of 2 MiB at 4 KiB",
    )
    w.drop(large)


def tables(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    space = w.new(Kind.ADDRESS_SPACE)
    upper, lower, spare = w.new(Kind.PAGE_TABLE), w.new(Kind.PAGE_TABLE), w.new(Kind.PAGE_TABLE)
    frame = w.new(Kind.FRAME)
    none = Status.NO_PAGE_TABLE
    t.fails(system.install(buffer, space, FAR, 1, lower), none, FIRST, "INSTALL below a missing table")
    t.succeeds(system.install(buffer, space, FAR, 2, upper), "INSTALL for 1 GiB")
    t.fails(system.map(buffer, space, FAR, READ, frame), none, FIRST, "MAP with one table of two")
    t.fails(system.install(buffer, space, FAR, 2, spare), Status.OCCUPIED, FIRST, "INSTALL where one is")
    t.fails(system.install(buffer, space, FAR, 0, spare), Status.OUT_OF_RANGE, SECOND, "INSTALL at level 0")
    t.fails(system.install(buffer, space, FAR, 3, spare), Status.OUT_OF_RANGE, SECOND, "INSTALL at level 3")
    t.fails(
        system.install(buffer, space, KERNEL_DIRECT, 2, spare), Status.OUT_OF_RANGE, FIRST, "INSTALL over the kernel"
    )
    t.fails(system.install(buffer, space, FAR, 1, upper), Status.OCCUPIED, TRAVELLING, "INSTALL of what is installed")
    t.fails(system.install(buffer, space, FAR, 1, frame), Status.WRONG_KIND, TRAVELLING, "INSTALL of a frame")
    t.succeeds(system.install(buffer, space, FAR, 1, lower), "INSTALL for 2 MiB")
    t.succeeds(system.map(buffer, space, FAR, READ, frame), "MAP with both tables")
    t.succeeds(system.uninstall(lower), "UNINSTALL")
    t.fails(system.uninstall(lower), Status.WRONG_STATE, INVOKED, "UNINSTALL of what isn't installed")
    t.fails(system.uninstall(spare), Status.WRONG_STATE, INVOKED, "UNINSTALL of what never was")
    t.succeeds(system.install(buffer, space, FAR + GIGABYTE, 2, spare), "INSTALL for the next 1 GiB")
    t.succeeds(system.install(buffer, space, FAR + GIGABYTE, 1, lower), "INSTALL of the table elsewhere")
    found = system.map(buffer, space, FAR + GIGABYTE, READ, w.copy(frame, READ))
    t.fails(found, Status.OCCUPIED, FIRST, "a table that was taken out keeps what it maps")
    w.drop(space)
    t.fails(system.uninstall(upper), Status.WRONG_STATE, INVOKED, "tables of a deleted space are free")
    t.succeeds(system.unmap(frame), "and keep what they map")
    w.drop(upper)
    w.drop(lower)
    w.drop(spare)
    w.drop(frame)


def shares(w: World) -> None:
    """One frame at two addresses, by two capabilities."""
    t = w.t
    frame = w.new(Kind.FRAME)
    reader = w.copy(frame, READ)
    a: u64 = PLAYGROUND + 20 * LARGE_SIZE
    b: u64 = a + LARGE_SIZE
    t.done(map_at(w.process, OWN_SPACE, w.process.memory, a, READ | WRITE, frame))
    t.succeeds(map_at(w.process, OWN_SPACE, w.process.memory, b, READ, reader), "MAP of one frame by two capabilities")
    span_at(u64, a, 2)[1] = 99
    t.equal(span_at(u64, b, 2)[1], 99, "both are the same memory")
    t.check(faults_with(w, Fault.PAGE, b, True), "what is mapped to read can't be written")
    t.done(system.revoke(OWN_TABLE, frame))
    t.check(faults_with(w, Fault.PAGE, b), "a revoked frame can't be read")
    t.equal(span_at(u64, a, 2)[1], 99, "the revoker's mapping stays")
    w.process.slots().release(reader)
    w.drop(frame)


def other_spaces(w: World) -> None:
    """What one address space maps, another doesn't."""
    t = w.t
    space = w.new(Kind.ADDRESS_SPACE)
    memory = w.new(Kind.MEMORY, 16 * PAGE_SIZE)
    frame = w.new(Kind.FRAME)
    t.succeeds(map_at(w.process, space, memory, FAR, READ | WRITE, frame), "MAP into another address space")
    t.check(faults_with(w, Fault.PAGE, FAR), "isn't seen in this one")
    t.done(system.revoke(OWN_TABLE, memory))
    t.fails(system.unmap(frame), Status.WRONG_STATE, INVOKED, "a revoked page table takes its mappings along")
    w.drop(frame)
    w.drop(space)
    w.drop(memory)


def out_of_reach(w: World) -> None:
    """The kernel's addresses, and what is mapped to read only."""
    t = w.t
    t.check(faults_with(w, Fault.PAGE, KERNEL_DIRECT + 0x8000_0000), "the kernel's map of memory can't be read")
    t.check(faults_with(w, Fault.PAGE, KERNEL_DIRECT + 0x8000_0000, True), "nor written")
    t.check(faults_with(w, Fault.PAGE, KERNEL_IMAGE), "the kernel's image can't be read")
    t.check(faults_with(w, Fault.PAGE, 0), "nothing is at address 0")
    t.check(faults_with(w, Fault.PAGE, 0x8000_0000), "physical addresses are none of ours")
    t.check(faults_with(w, Fault.PAGE, BOOT_INFO_ADDRESS, True), "the boot information can't be written")
    t.check(faults_with(w, Fault.PAGE, ARCHIVE_ADDRESS, True), "the archive can't be written")
    archive_frames(w)


def archive_frames(w: World) -> None:
    """The root's table with the pages of the archive."""
    t, buffer, boot = w.t, w.process.buffer, w.process.boot()
    archive, pages = u64(boot.archive_table), boot.archive_size // PAGE_SIZE
    into = w.slot()
    t.succeeds(system.copy_out(buffer, archive, pages - 1, ALL, into), "the archive's last page has a frame")
    t.fails(
        system.map(buffer, OWN_SPACE, ARCHIVE_COPY, READ | WRITE, into),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "it can't be mapped to be written",
    )
    mapped = map_at(w.process, OWN_SPACE, w.process.memory, ARCHIVE_COPY, READ | EXECUTE, into)
    t.succeeds(mapped, "but to be executed")
    there = span_at(u64, ARCHIVE_ADDRESS + (pages - 1) * PAGE_SIZE, PAGE_SIZE // 8)
    here = span_at(u64, ARCHIVE_COPY, PAGE_SIZE // 8)
    same = True
    for place in range(len(there)):
        same = same and here[place] == there[place]
    t.check(same, "it is that page")
    w.drop(into)
    failure = system.copy_out(buffer, archive, pages, ALL, w.slot())
    t.fails(failure, Status.OUT_OF_RANGE, FIRST, "behind the archive's last page is none")
