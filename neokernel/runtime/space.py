"""Address spaces: mapping, with the page tables that it takes, and new processes from programs of the boot archive.

A process is made in four steps, so that its maker decides what it has: `create`, `grant` as often as needed, `prepare`
for how it begins, `start`. All its objects are made of the memory that `create` is given: revoking that ends it.

Invariants: one thread of a process at a time makes others, because there is one place where their pages are filled.
"""

from __future__ import annotations

from neokernel.abi.archive import EXECUTABLE, MAGIC, WRITABLE, File, Header, Segment
from neokernel.abi.boot import (
    ARCHIVE_ADDRESS,
    FIRST_DYNAMIC,
    OWN_BUFFER,
    OWN_CONTEXT,
    OWN_SPACE,
    OWN_TABLE,
    OWN_THREAD,
    ROOT_BUFFER_ADDRESS,
    ROOT_STACK_TOP,
)
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.lang import Embedded, object_at, size_of, span_at, struct, u16, u64, unsafe
from neokernel.lang import copy as copy_elements
from neokernel.runtime import system
from neokernel.runtime.process import START_INFO_ADDRESS, Process, StartInfo
from neokernel.runtime.system import Failure

unsafe("the archive, and pages that were mapped for filling, are at addresses that this module knows")

#: where a page of another process is mapped while it is filled
SCRATCH = 0x3C_0000_0000
#: slots of a new process's table, and pages of its first stack
CHILD_SLOTS = 256
CHILD_STACK_PAGES = 16

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
    """Map 1 to 64 fresh, cleared pages from `address` on."""
    first = process.make_of(memory, Kind.FRAME, 0, pages)
    if isinstance(first, Failure):
        return first
    for page in range(pages):
        failure = map_at(process, space, memory, address + page * PAGE_SIZE, rights, first + page)
        if failure is not None:
            return failure
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


def load(process: Process, file: File, space: u64, memory: u64) -> Failure | None:
    """Map a program's segments where they belong in an address space: what isn't written, where the archive has it."""
    header = object_at(Header, ARCHIVE_ADDRESS)
    first = ARCHIVE_ADDRESS + size_of(Header) + u64(header.count) * size_of(File)
    segments = span_at(Embedded[Segment], first, u64(header.segment_count))
    for number in range(u64(file.first_segment), u64(file.first_segment) + u64(file.segment_count)):
        segment = segments[number]
        if segment.flags & WRITABLE == 0 and segment.memory_size == segment.file_size:
            failure = share(process, segment, space, memory)
            if failure is not None:
                return failure
            continue
        rights = READ
        if segment.flags & WRITABLE != 0:
            rights |= WRITE
        elif segment.flags & EXECUTABLE != 0:
            rights |= EXECUTE
        size = segment.memory_size
        for offset in range(u64(0), size, PAGE_SIZE):
            frame = process.make_of(memory, Kind.FRAME)
            if isinstance(frame, Failure):
                return frame
            if offset < segment.file_size:
                failure = fill(process, frame, ARCHIVE_ADDRESS + segment.offset + offset)
                if failure is not None:
                    return failure
            failure = map_at(process, space, memory, segment.address + offset, rights, frame)
            if failure is not None:
                return failure
    return None


def share(process: Process, segment: Segment, space: u64, memory: u64) -> Failure | None:
    """Map a segment's pages of the archive, by copies of their capabilities.

    The copies move into a table made of `memory`, so that they end with all else that is made of it.
    """
    archive = u64(process.boot().archive_table)
    rights = READ | EXECUTE if segment.flags & EXECUTABLE != 0 else READ
    pages = (segment.memory_size + (PAGE_SIZE - 1)) // PAGE_SIZE
    table = process.make_of(memory, Kind.CAP_TABLE, pages)
    if isinstance(table, Failure):
        return table
    slot = process.slot()
    if isinstance(slot, Failure):
        return slot
    failure: Failure | None = None
    for page in range(pages):
        failure = system.copy_out(process.buffer, archive, segment.offset // PAGE_SIZE + page, rights, slot)
        if failure is None:
            failure = map_at(process, space, memory, segment.address + page * PAGE_SIZE, rights, slot)
        if failure is None:
            failure = system.move(process.buffer, table, page, slot)
        if failure is not None:
            _ = system.delete(OWN_TABLE, slot)
            break
    process.slots().release(slot)
    return failure


def fill(process: Process, frame: u64, source: u64) -> Failure | None:
    """Copy the page at `source` into a frame."""
    failure = map_at(process, OWN_SPACE, process.memory, SCRATCH, READ | WRITE, frame)
    if failure is not None:
        return failure
    copy_elements(span_at(u64, SCRATCH, WORDS_OF_PAGE), span_at(u64, source, WORDS_OF_PAGE).view())
    return system.unmap(frame)


# --- processes --------------------------------------------------------------------------------------------------------


@struct
class Child:
    """A process in the making: indices of its objects in the maker's table."""

    memory: u64 = 0
    space: u64 = 0
    table: u64 = 0
    thread: u64 = 0
    #: the frames of its buffer and of its StartInfo; the latter is mapped at SCRATCH while it is prepared
    buffer: u64 = 0
    info: u64 = 0
    entry: u64 = 0
    priority: u64 = 0
    #: the next free slot of its table
    next_slot: u64 = FIRST_DYNAMIC

    def create(self, process: Process, name: bytes, memory: u64) -> Failure | None:
        """A process that runs the archive's program `name`, stopped. It has its own objects, and nothing else."""
        file = find_program(name)
        if file is None:
            return Failure(Status.OUT_OF_RANGE, FIRST)
        self.memory = memory
        self.entry = file.entry
        self.next_slot = FIRST_DYNAMIC
        space = process.make_of(memory, Kind.ADDRESS_SPACE)
        if isinstance(space, Failure):
            return space
        self.space = space
        table = process.make_of(memory, Kind.CAP_TABLE, CHILD_SLOTS)
        if isinstance(table, Failure):
            return table
        self.table = table
        thread = process.make_of(memory, Kind.THREAD)
        if isinstance(thread, Failure):
            return thread
        self.thread = thread
        buffer = process.make_of(memory, Kind.FRAME)
        if isinstance(buffer, Failure):
            return buffer
        self.buffer = buffer
        info = process.make_of(memory, Kind.FRAME)
        if isinstance(info, Failure):
            return info
        self.info = info
        failure = load(process, file, space, memory)
        if failure is not None:
            return failure
        stack: u64 = ROOT_STACK_TOP - CHILD_STACK_PAGES * PAGE_SIZE
        failure = map_new(process, space, memory, stack, READ | WRITE, CHILD_STACK_PAGES)
        if failure is not None:
            return failure
        failure = map_at(process, space, memory, ROOT_BUFFER_ADDRESS, READ | WRITE, buffer)
        if failure is not None:
            return failure
        return self.assemble(process)

    def assemble(self, process: Process) -> Failure | None:
        """Bind the thread to what it needs, and give the process its own objects."""
        failure = system.bind(process.buffer, self.thread, Binding.SPACE, self.space)
        if failure is None:
            failure = system.bind(process.buffer, self.thread, Binding.TABLE, self.table)
        if failure is None:
            failure = system.bind(process.buffer, self.thread, Binding.BUFFER, self.buffer)
        if failure is None:
            failure = self.grant_at(process, OWN_TABLE, self.table, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_SPACE, self.space, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_THREAD, self.thread, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_BUFFER, self.buffer, READ | WRITE)
        return failure

    def grant_at(self, process: Process, index: u64, source: u64, rights: u16, badge: u64 = 0) -> Failure | None:
        """Give it a copy of the maker's capability `source`, at `index` of its table."""
        return system.copy(process.buffer, self.table, index, rights, badge, source)

    def grant(self, process: Process, source: u64, rights: u16, badge: u64 = 0) -> u64 | Failure:
        """Give it a copy of the maker's capability `source`, in the next free slot from FIRST_DYNAMIC on: its index."""
        index = self.next_slot
        failure = self.grant_at(process, index, source, rights, badge)
        if failure is not None:
            return failure
        self.next_slot = index + 1
        return index

    def prepare(self, process: Process) -> StartInfo | Failure:
        """How it will begin, to be completed: its arguments, a supervisor, a Memory of its own."""
        failure = map_at(process, OWN_SPACE, process.memory, SCRATCH, READ | WRITE, self.info)
        if failure is not None:
            return failure
        info = object_at(StartInfo, SCRATCH)
        info.free_first = self.next_slot
        info.free_end = CHILD_SLOTS
        info.frequency = process.frequency
        return info

    def start(self, process: Process, context: u64, priority: u64) -> Failure | None:
        """Let it begin, on the maker's `context`, which has `priority`. `prepare` and all grants came before."""
        object_at(StartInfo, SCRATCH).priority = priority
        failure = system.unmap(self.info)
        if failure is None:
            failure = map_at(process, self.space, self.memory, START_INFO_ADDRESS, READ, self.info)
        if failure is None:
            failure = system.bind(process.buffer, self.thread, Binding.CONTEXT, context)
        if failure is None:
            failure = self.grant_at(process, OWN_CONTEXT, context, ALL)
        if failure is not None:
            return failure
        return system.start(self.thread, self.entry, ROOT_STACK_TOP, START_INFO_ADDRESS, ROOT_BUFFER_ADDRESS)
