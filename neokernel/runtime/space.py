"""Address spaces: mapping, with the page tables that it takes, and what programs the boot archive has.

Invariants: one thread of a process at a time fills pages of others, because there is one place where they are mapped.
"""

from __future__ import annotations

from neokernel.abi.archive import MAGIC, File, Header, Segment
from neokernel.abi.boot import ARCHIVE_ADDRESS, OWN_SPACE
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import Status
from neokernel.lang import Embedded, Span, object_at, size_of, span_at, u16, u64, unsafe, usize
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


def map_at(process: Process, space: u64, memory: u64, address: u64, rights: u16, frame: u64) -> Failure | None:
    """Map a frame into an address space; page tables that are missing on the way are made of `memory`."""
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
            _ = process.drop(made)
            return found
        failure = system.map(process.buffer, space, address, rights, frame)
    return failure


def map_new(process: Process, space: u64, memory: u64, address: u64, rights: u16, pages: u64) -> Failure | None:
    """Map fresh, cleared pages from `address` on. If it fails, those mapped before stay."""
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
            failure = map_at(process, space, memory, address + (done + page) * PAGE_SIZE, rights, frames + page)
            if failure is not None:
                for rest in range(page, count):
                    _ = process.drop(frames + rest)
                return failure
        done += count
    return None


def map_device(process: Process, device: u64, address: u64) -> Failure | None:
    """Map the first page of a device's registers into the process's own address space."""
    frame = process.make_of(device, Kind.FRAME)
    if isinstance(frame, Failure):
        return frame
    return map_at(process, OWN_SPACE, process.memory, address, READ | WRITE, frame)


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
