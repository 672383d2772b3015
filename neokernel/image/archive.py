"""Making and reading the boot image's archive, whose layout is `abi/archive.py`.

Invariants: the same files give the same bytes; `read` of what `pack` made gives the same files; bytes that are no
archive raise `BadArchive`, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from neokernel import lang
from neokernel.abi.archive import MAGIC, NAME_SIZE, File, Header, Segment
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.image.elf import symbols_of
from neokernel.lang.wire import wire_over

HEADER_SIZE, FILE_SIZE, SEGMENT_SIZE = (int(lang.size_of(kind)) for kind in (Header, File, Segment))

#: of `e_flags`: which registers pass floats (RISC-V ELF psABI, EF_RISCV_FLOAT_ABI)
FLOAT_ABI = 0x6
#: where ELF's header says that there is a table of sections: e_shoff, and e_shentsize, e_shnum, e_shstrndx
SECTION_OFFSET, SECTION_COUNTS = slice(40, 48), slice(58, 64)


class BadArchive(Exception):
    """The bytes are no archive, or the file can't go into one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment; `offset` counts from the file's first byte."""

    address: int
    offset: int
    file_size: int
    memory_size: int
    flags: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive. `entry` and `thread_entry` are 0, and `parts` is empty, if it is no program."""

    name: str
    content: bytes
    entry: int = 0
    thread_entry: int = 0
    parts: tuple[Part, ...] = ()
    #: it computes with floats
    floats: bool = False


def program_entry(name: str, path: Path, thread_symbol: str) -> Entry:
    """A program for the archive: its ELF file up to the last byte that is loaded; what the debugger needs stays out."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        loaded = [part for part in elf.iter_segments("PT_LOAD") if part["p_memsz"]]
        parts = tuple(
            Part(part["p_vaddr"], part["p_offset"], part["p_filesz"], part["p_memsz"], part["p_flags"])
            for part in loaded
        )
        thread_entry = next((address for found, address, _, _ in symbols_of(elf) if found == thread_symbol), 0)
        entry = elf["e_entry"]
        floats = elf["e_flags"] & FLOAT_ABI != 0
    for part in parts:
        if part.address % PAGE_SIZE or part.offset % PAGE_SIZE:
            raise BadArchive(f"{path}: the segment at {part.address:#x} doesn't begin on a page boundary")
    content = bytearray(path.read_bytes()[: max((part.offset + part.file_size for part in parts), default=0)])
    content[SECTION_OFFSET] = bytes(8)
    content[SECTION_COUNTS] = bytes(6)
    for part in parts:
        # The linker may have put something of its own behind a segment: nobody's business in memory.
        end = part.offset + part.file_size
        following = content[end : pages(end)]
        content[end : end + len(following)] = bytes(len(following))
    return Entry(name, bytes(content), entry, thread_entry, parts, floats)


def pages(size: int) -> int:
    """`size`, up to a multiple of the page size."""
    return -(-size // PAGE_SIZE) * PAGE_SIZE


def pack(entries: Sequence[Entry]) -> bytes:
    """The archive of these files, the root program first."""
    count = sum(len(entry.parts) for entry in entries)
    files = HEADER_SIZE
    segments = files + len(entries) * FILE_SIZE
    table_size = pages(segments + count * SEGMENT_SIZE)
    memory = bytearray(table_size + sum(pages(len(entry.content)) for entry in entries))
    header = wire_over(Header, memory)
    header.magic, header.size, header.count, header.segment_count = MAGIC, len(memory), len(entries), count
    offset, first = table_size, 0
    for index, entry in enumerate(entries):
        name = entry.name.encode()
        if len(name) > NAME_SIZE or not name:
            raise BadArchive(f"the name {entry.name!r} has {len(name)} bytes; 1 to {NAME_SIZE} can be")
        at = files + index * FILE_SIZE
        memory[at : at + len(name)] = name
        file = wire_over(File, memory, at)
        file.offset, file.size = offset, len(entry.content)
        file.entry, file.thread_entry = entry.entry, entry.thread_entry
        file.floats = int(entry.floats)
        file.first_segment, file.segment_count = first, len(entry.parts)
        for number, part in enumerate(entry.parts, first):
            segment = wire_over(Segment, memory, segments + number * SEGMENT_SIZE)
            segment.address, segment.offset, segment.flags = part.address, offset + part.offset, part.flags
            segment.file_size, segment.memory_size = part.file_size, part.memory_size
        memory[offset : offset + len(entry.content)] = entry.content
        offset += pages(len(entry.content))
        first += len(entry.parts)
    return bytes(memory)


def read(data: bytes) -> list[Entry]:
    """The files of an archive."""
    memory = bytearray(data)
    try:
        return _read(memory)
    except (IndexError, ValueError) as error:
        raise BadArchive(f"a broken archive: {error}") from error


def _read(memory: bytearray) -> list[Entry]:
    if len(memory) < HEADER_SIZE:
        raise BadArchive(f"{len(memory)} bytes are no archive")
    header = wire_over(Header, memory)
    if header.magic != MAGIC:
        raise BadArchive(f"no archive: it begins with {int(header.magic):#x}")
    count, segment_count = int(header.count), int(header.segment_count)
    files = HEADER_SIZE
    segments = files + count * FILE_SIZE
    if int(header.size) != len(memory) or segments + segment_count * SEGMENT_SIZE > len(memory):
        raise BadArchive(f"the archive has {len(memory)} bytes, and says {int(header.size)}, {count} files")
    found = []
    for index in range(count):
        at = files + index * FILE_SIZE
        file = wire_over(File, memory, at)
        start, size, first, many = map(int, (file.offset, file.size, file.first_segment, file.segment_count))
        if start + size > len(memory) or first + many > segment_count:
            raise BadArchive(f"file {index} of the archive is cut off")
        parts = []
        for number in range(first, first + many):
            one = wire_over(Segment, memory, segments + number * SEGMENT_SIZE)
            place = int(one.offset) - start
            part = Part(int(one.address), place, int(one.file_size), int(one.memory_size), int(one.flags))
            if not 0 <= part.offset <= size - part.file_size:
                raise BadArchive(f"segment {number} of the archive isn't in its file")
            parts.append(part)
        name = bytes(memory[at : at + NAME_SIZE]).rstrip(b"\0").decode()
        content = bytes(memory[start : start + size])
        found.append(Entry(name, content, int(file.entry), int(file.thread_entry), tuple(parts), file.floats != 0))
    return found
