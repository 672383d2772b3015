"""Address spaces: mapping, with the page tables that it takes, and what programs the boot archive has.

Invariants: one thread of a process at a time fills pages of others, because there is one place where they are mapped.
"""

from __future__ import annotations

from neokernel.abi.archive import MAGIC, File, Header, Segment
from neokernel.abi.boot import ARCHIVE_ADDRESS, OWN_SPACE, OWN_TABLE
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import Status
from neokernel.lang import Embedded, Span, object_at, size_of, span_at, struct, u16, u64, unsafe, usize
from neokernel.lang import copy as copy_elements
from neokernel.runtime import system
from neokernel.runtime.capabilities import MAXIMUM_RUN
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

unsafe("the archive, and pages that were mapped for filling, are at addresses that this module knows")

#: where a page of another process is mapped while it is filled
SCRATCH = 0x3C_0000_0000

GIGABYTE = 1 << 30
WORDS_OF_PAGE = PAGE_SIZE // 8


# --- mapping ----------------------------------------------------------------------------------------------------------


@struct
class Kept:
    """A table for capabilities that only the kernel needs to know of, from its first slot on, until the table ends."""

    #: index of the table in the process's own
    table: u64 = 0
    next: u64 = 0

    def keep(self, process: Process, slot: u64) -> Failure | None:
        """Move a capability, which has no copies, here from the process's own table."""
        failure = system.move(process.buffer, self.table, self.next, slot)
        if failure is None:
            self.next += 1
        return released(process, slot, failure)

    def drop_last(self) -> None:
        """Delete what was kept last."""
        self.next -= 1
        _ = system.delete(self.table, self.next)


def released(process: Process, slot: u64, failure: Failure | None) -> Failure | None:
    """Give back a slot, whose capability was moved on, or is deleted if that has failed."""
    if failure is not None:
        _ = system.delete(OWN_TABLE, slot)
    process.slots().release(slot)
    return failure


def map_at(
    process: Process, space: u64, memory: u64, address: u64, rights: u16, frame: u64, kept: Kept | None = None
) -> Failure | None:
    """Map a frame into an address space; page tables that are missing on the way are made of `memory`.

    They stay in the process's own table, or go where they are `kept`.
    """
    failure = system.map(process.buffer, space, address, rights, frame)
    # At most the tables of two levels are missing, each is made once.
    for _ in range(2):
        if failure is None or failure.status is not Status.NO_PAGE_TABLE:
            return failure
        made = process.make_of(memory, Kind.PAGE_TABLE)
        if isinstance(made, Failure):
            return made
        found = system.install(process.buffer, space, address // GIGABYTE * GIGABYTE, 2, made)
        if found is not None and found.status is Status.OCCUPIED:
            found = system.install(process.buffer, space, address // LARGE_SIZE * LARGE_SIZE, 1, made)
        if found is not None:
            return released(process, made, found)
        if kept is not None:
            found = kept.keep(process, made)
            if found is not None:
                return found
        failure = system.map(process.buffer, space, address, rights, frame)
    return failure


def map_new(
    process: Process, space: u64, memory: u64, address: u64, rights: u16, pages: u64, kept: Kept | None = None
) -> Failure | None:
    """Map fresh, cleared pages from `address` on. If it fails, those mapped before stay.

    Their capabilities stay in the process's own table, or go where they are `kept`.
    """
    done: u64 = 0
    most: u64 = MAXIMUM_RUN
    while done < pages:
        count = min(pages - done, most)
        frames = process.make_of(memory, Kind.FRAME, 0, count)
        if isinstance(frames, Failure):
            if frames.status is not Status.OUT_OF_SLOTS or most == 1:
                return frames
            # There may still be shorter runs.
            most //= 2
            continue
        for page in range(count):
            place = address + (done + page) * PAGE_SIZE
            failure = map_kept(process, space, memory, place, rights, frames + page, kept)
            if failure is not None:
                for rest in range(page + 1, count):
                    _ = process.drop(frames + rest)
                return failure
        done += count
    return None


def map_much(process: Process, space: u64, memory: u64, address: u64, rights: u16, pages: u64) -> Failure | None:
    """The same for what may be large, from a multiple of LARGE_SIZE on: as far as possible by pages of that size.

    Each takes one slot instead of 512. `memory` loses as much as lies before the first multiple of LARGE_SIZE in it.
    Where it has no room for another large page, small ones go on.
    """
    done: u64 = 0
    while pages - done >= LARGE_SIZE // PAGE_SIZE:
        frame = process.make_of(memory, Kind.FRAME, 1)
        if isinstance(frame, Failure):
            if frame.status is not Status.OUT_OF_MEMORY:
                return frame
            break
        failure = map_kept(process, space, memory, address + done * PAGE_SIZE, rights, frame, None)
        if failure is not None:
            return failure
        done += LARGE_SIZE // PAGE_SIZE
    return map_new(process, space, memory, address + done * PAGE_SIZE, rights, pages - done)


def map_kept(
    process: Process, space: u64, memory: u64, address: u64, rights: u16, frame: u64, kept: Kept | None
) -> Failure | None:
    """Map a frame, and keep it where it is to be kept. If that fails, it is dropped."""
    failure = map_at(process, space, memory, address, rights, frame, kept)
    if failure is not None:
        return released(process, frame, failure)
    return None if kept is None else kept.keep(process, frame)


def map_device(process: Process, device: u64, address: u64) -> Failure | None:
    """Map the first page of a device's registers into the process's own address space."""
    frame = process.make_of(device, Kind.FRAME)
    if isinstance(frame, Failure):
        return frame
    return map_kept(process, OWN_SPACE, process.memory, address, READ | WRITE, frame, None)


# --- the archive ------------------------------------------------------------------------------------------------------


def find_program(name: bytes) -> File | None:
    """The program of the boot archive with this name. Only the root process has the archive mapped."""
    header = object_at(Header, ARCHIVE_ADDRESS)
    if header.magic != MAGIC:
        return None
    files = span_at(Embedded[File], ARCHIVE_ADDRESS + size_of(Header), u64(header.count))
    for file in files:
        if has_name(file, name) and file.entry != 0:
            return file
    return None


def has_name(file: File, name: bytes) -> bool:
    if len(name) > len(file.name):
        return False
    for place in range(len(file.name)):
        if file.name[place] != (name[place] if place < len(name) else 0):
            return False
    return True


def segments_of(file: File) -> Span[Embedded[Segment]]:
    """The parts of a program."""
    header = object_at(Header, ARCHIVE_ADDRESS)
    first = ARCHIVE_ADDRESS + size_of(Header) + u64(header.count) * size_of(File)
    segments = span_at(Embedded[Segment], first, u64(header.segment_count))
    start = usize(file.first_segment)
    return segments[start : start + usize(file.segment_count)]


def fill(process: Process, frame: u64, source: u64) -> Failure | None:
    """Copy the page at `source` into a frame."""
    failure = map_at(process, OWN_SPACE, process.memory, SCRATCH, READ | WRITE, frame)
    if failure is not None:
        return failure
    copy_elements(span_at(u64, SCRATCH, WORDS_OF_PAGE), span_at(u64, source, WORDS_OF_PAGE).view())
    return system.unmap(frame)
